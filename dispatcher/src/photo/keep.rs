//! Where photos are kept: as they are, or, where the policy says so, covered for everybody and whole for a few.

use crate::services::Services;
use citybrain_ingest_config::resolved::Blur;
use citybrain_types::SnapshotRef;
use sha2::{Digest, Sha256};
use std::io;
use std::path::Path;
use std::sync::LazyLock;
use tokio::sync::Semaphore;

/// Folder of photos as they were sent. While pictures are covered it is for those only who may see originals: what was
/// taken in before is not covered.
pub(crate) const AS_SENT: &str = "reports";
/// Folder of photos that are covered among the snapshots, and whole among the originals.
const COVERED: &str = "covered-reports";

/// One photo is covered at a time: a large one takes 100 MB.
static ROOM: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(1));

/// Writes photos, each under the hash of its content; says where everybody finds them.
pub(crate) async fn keep(services: &Services, photos: Vec<Vec<u8>>) -> Result<Vec<SnapshotRef>, io::Error> {
    let day: String = services.now().to_string().chars().take(10).collect();
    let is_covered = services.city().people.blur != Blur::Off;
    let mut kept = Vec::with_capacity(photos.len());
    for photo in photos {
        let hash: String = Sha256::digest(&photo).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        let folder = if is_covered { COVERED } else { AS_SENT };
        let place = format!("{folder}/{day}/{hash}.jpg");
        if is_covered {
            write(&services.original_root().join(&place), &photo).await?;
            match covered(services, photo).await {
                Ok(covered) => write(&services.snapshot_root().join(&place), &covered).await?,
                Err(reason) => {
                    tracing::warn!(
                        place,
                        reason,
                        "a photo cannot be covered: it is shown to those only who may see originals"
                    );
                }
            }
        } else {
            write(&services.snapshot_root().join(&place), &photo).await?;
        }
        kept.extend(SnapshotRef::new(place));
    }
    Ok(kept)
}

async fn covered(services: &Services, photo: Vec<u8>) -> Result<Vec<u8>, String> {
    let cover = services.photo_cover().ok_or("nothing here covers photos")?;
    let _room = ROOM.acquire().await.map_err(|error| error.to_string())?;
    let covered = tokio::task::spawn_blocking(move || cover.cover(&photo)).await;
    covered.map_err(|_| "its decoder has failed".to_owned())?
}

async fn write(file: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        tokio::fs::create_dir_all(folder).await?;
    }
    tokio::fs::write(file, bytes).await
}
