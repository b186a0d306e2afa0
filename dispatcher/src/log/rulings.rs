//! What becomes of rulings: they go where the frames between them go, and stay as long as they bear on some of these.

use super::RULING_EXTENSION;
use super::compact::CompactError;
use super::store::LogStore;
use crate::ruling::{Decided, Ruling};
use citybrain_types::Timestamp;
use object_store::ObjectStoreExt;
use object_store::path::Path as ObjectPath;
use std::collections::BTreeSet;
use std::path::Path;

/// Puts a ruling beside the Parquet files, where these are not in its own folder anyway.
pub(super) async fn move_to(store: &LogStore, path: &Path) -> Result<(), CompactError> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return Ok(());
    };
    if store.is_at(folder) {
        return Ok(());
    }
    let bytes = std::fs::read(path)?;
    let there = store.prefix.clone().join(name);
    store.objects.put(&there, bytes.into()).await?;
    if let Some(folder) = &store.folder {
        std::fs::File::open(folder.join(there.as_ref()))?.sync_all()?;
    }
    Ok(std::fs::remove_file(path)?)
}

/// The position in a ruling's name.
pub(super) fn position(path: &ObjectPath) -> Option<u64> {
    let stem = path.filename()?.strip_suffix(RULING_EXTENSION)?.strip_suffix('.')?;
    stem.parse().ok()
}

/// Removes, of those that come before every frame that is left, the rulings that another has taken the place of, that no
/// frame from `since` on can be silenced by, and that are about a case whose frames are gone. What is left of them is
/// one register, one policy, and the silences.
pub(super) async fn forget(
    store: &LogStore,
    mut before: Vec<(u64, ObjectPath)>,
    since: Timestamp,
) -> Result<(), CompactError> {
    before.sort();
    let (mut later, mut gone) = (BTreeSet::new(), Vec::new());
    for (_, path) in before.into_iter().rev() {
        let bytes = store.objects.get(&path).await?.bytes().await?;
        // One that cannot be read is told of by whoever reads the log.
        let Ok(ruling) = serde_json::from_slice::<Ruling>(&bytes) else { continue };
        if !bears(&ruling.what, &mut later, since) {
            gone.push(path);
        }
    }
    // The oldest first: were it left when the one that took its place is gone, it would hold again.
    for path in gone.into_iter().rev() {
        store.objects.delete(&path).await?;
        tracing::info!(%path, "a ruling that bears on nothing in the log any more is removed");
    }
    Ok(())
}

/// Whether a ruling bears on frames from `since` on; `later` is what the rulings after it are about.
fn bears(what: &Decided, later: &mut BTreeSet<String>, since: Timestamp) -> bool {
    match what {
        Decided::Refused { .. } => false,
        Decided::Silenced { silence } => {
            later.insert(format!("silence {}", silence.id)) && silence.ends_at > since
        }
        Decided::Permits { .. } => later.insert("permits".to_owned()),
        Decided::Thresholds { .. } => later.insert("thresholds".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::InForce;
    use crate::silence::Silence;
    use crate::testing::city::START;
    use citybrain_types::{CaseId, IncidentId, VoidReason};
    use std::sync::Arc;
    use std::time::Duration;

    fn silenced(id: &str, secs: u64) -> Decided {
        let silence = Silence {
            id: id.to_owned(),
            by: "li".to_owned(),
            reason: "market day".to_owned(),
            created_at: START,
            starts_at: START,
            ends_at: START.plus(Duration::from_secs(secs)),
            kinds: BTreeSet::new(),
            cameras: BTreeSet::new(),
            areas: BTreeSet::new(),
            around: None,
            ended_by: None,
        };
        Decided::Silenced { silence }
    }

    fn all() -> Vec<Decided> {
        let permits = || Decided::Permits { register: Arc::default() };
        let thresholds = || Decided::Thresholds { live: InForce::default() };
        let refused = Decided::Refused {
            case: CaseId::new("c").unwrap(),
            incident: IncidentId::new("i").unwrap(),
            because: VoidReason::FalseAlarm,
            by: "li".to_owned(),
            department: None,
            reason: "a lorry".to_owned(),
        };
        let (long, over) = (silenced("long", 900), silenced("over", 30));
        vec![permits(), thresholds(), long, over, refused, permits(), thresholds(), silenced("long", 600)]
    }

    #[tokio::test]
    async fn of_rulings_before_all_frames_those_that_still_bear_on_some_are_left() {
        let folder = tempfile::tempdir().unwrap();
        let store = LogStore::folder(folder.path()).unwrap();
        let mut rulings = Vec::new();
        for (n, what) in (1_u64..).zip(all()) {
            let name = format!("{n:020}.{RULING_EXTENSION}");
            let ruling = Ruling { at: START, what };
            std::fs::write(folder.path().join(&name), serde_json::to_vec(&ruling).unwrap()).unwrap();
            let path = ObjectPath::from(name);
            rulings.push((position(&path).unwrap(), path));
        }
        forget(&store, rulings, START.plus(Duration::from_secs(60))).await.unwrap();
        let names = std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().path());
        let mut left: Vec<u64> =
            names.map(|path| path.file_stem().unwrap().to_str().unwrap().parse().unwrap()).collect();
        left.sort_unstable();
        assert_eq!(left, [6, 7, 8]);
    }

    #[tokio::test]
    async fn a_ruling_goes_where_the_frames_go_and_stays_where_they_stay() {
        let [here, there] = std::array::from_fn(|_| tempfile::tempdir().unwrap());
        let path = here.path().join("00000000000000000007.json");
        std::fs::write(&path, b"{}").unwrap();
        move_to(&LogStore::folder(here.path()).unwrap(), &path).await.unwrap();
        assert!(path.exists());
        move_to(&LogStore::folder(there.path()).unwrap(), &path).await.unwrap();
        assert!(!path.exists());
        assert_eq!(std::fs::read(there.path().join("00000000000000000007.json")).unwrap(), b"{}");
    }
}
