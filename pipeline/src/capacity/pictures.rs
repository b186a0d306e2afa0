//! How large each camera's pictures are: what was last seen of it, so that a plan need not assume it.

use crate::camera_board::CameraBoard;
use citybrain_ingest_config::resolved::City;
use citybrain_types::CameraId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// File of the sizes that were seen, below the city's data folder.
pub const PICTURES_FILE: &str = "pictures.json";

/// The size of each camera's pictures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pictures {
    /// Where nothing else is known.
    pub assumed: (u32, u32),
    seen: BTreeMap<CameraId, (u32, u32)>,
}

/// What is kept of one camera. Another address is another stream, with pictures of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    address: String,
    width: u32,
    height: u32,
}

impl Pictures {
    /// All of one size.
    #[must_use]
    pub const fn all(size: (u32, u32)) -> Self {
        Self { assumed: size, seen: BTreeMap::new() }
    }

    /// As they were when the cameras were connected last; `assumed` for cameras that never were, or have another address
    /// now. A file that cannot be read is one in which nothing stands.
    #[must_use]
    pub fn last_seen(city: &City, assumed: (u32, u32)) -> Self {
        let text = std::fs::read(city.site.data_dir.join(PICTURES_FILE)).unwrap_or_default();
        let kept: BTreeMap<CameraId, Seen> = serde_json::from_slice(&text).unwrap_or_default();
        let same = |(camera, seen): (CameraId, Seen)| {
            let address = city.cameras.get(&camera)?.stream.address.as_str();
            let sides = seen.width > 0 && seen.height > 0;
            (address == seen.address && sides).then_some((camera, (seen.width, seen.height)))
        };
        Self { assumed, seen: kept.into_iter().filter_map(same).collect() }
    }

    /// A camera's.
    #[must_use]
    pub fn of(&self, camera: &CameraId) -> (u32, u32) {
        self.seen.get(camera).copied().unwrap_or(self.assumed)
    }

    /// Of how many cameras the size is known.
    #[must_use]
    pub fn known(&self) -> usize {
        self.seen.len()
    }

    /// The same with no picture larger than `size`.
    #[must_use]
    pub fn at_most(&self, size: (u32, u32)) -> Self {
        let pixels = |(width, height): (u32, u32)| u64::from(width) * u64::from(height);
        let smaller = |own: (u32, u32)| if pixels(own) > pixels(size) { size } else { own };
        let seen = self.seen.iter().map(|(camera, own)| (camera.clone(), smaller(*own))).collect();
        Self { assumed: smaller(self.assumed), seen }
    }
}

/// Writes the sizes down while cameras come and go.
#[derive(Debug, Default)]
pub struct PictureKeeper {
    kept: BTreeMap<CameraId, Seen>,
}

impl PictureKeeper {
    /// Goes on with what was kept below this folder.
    #[must_use]
    pub fn open(folder: &Path) -> Self {
        let text = std::fs::read(folder.join(PICTURES_FILE)).unwrap_or_default();
        Self { kept: serde_json::from_slice(&text).unwrap_or_default() }
    }

    /// Keeps the sizes of the board's cameras below the folder, where one is new; what is kept of cameras that are not
    /// seen at this moment stays, of cameras that are no longer on the board it goes.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn keep(&mut self, board: &CameraBoard, folder: &Path) -> std::io::Result<()> {
        let mut now = self.kept.clone();
        now.retain(|camera, _| board.status(camera).is_some());
        for (camera, address, (width, height)) in board.sizes() {
            now.insert(camera, Seen { address, width, height });
        }
        if now == self.kept {
            return Ok(());
        }
        let text = serde_json::to_vec_pretty(&now)?;
        // Written beside and moved: whoever reads finds one whole file.
        let draft = folder.join(format!("{PICTURES_FILE}.{}", std::process::id()));
        std::fs::write(&draft, text)?;
        std::fs::rename(&draft, folder.join(PICTURES_FILE))?;
        self.kept = now;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::CaptureMetrics;
    use citybrain_types::SystemClock;
    use std::sync::Arc;

    #[test]
    fn sizes_are_kept_from_start_to_start_and_go_with_their_camera() {
        let folder = tempfile::tempdir().unwrap();
        let (gate, yard) = (CameraId::new("gate").unwrap(), CameraId::new("yard").unwrap());
        let board = |cameras: &[&CameraId]| {
            let board = CameraBoard::new(Arc::new(SystemClock), CaptureMetrics::default());
            cameras.iter().for_each(|camera| board.add(camera, "rtsp://gate/1"));
            board
        };
        let kept = || std::fs::read_to_string(folder.path().join(PICTURES_FILE)).unwrap_or_default();
        let first = board(&[&gate, &yard]);
        let mut keeper = PictureKeeper::open(folder.path());
        keeper.keep(&first, folder.path()).unwrap();
        assert!(kept().is_empty(), "nothing is known yet");
        first.size(&gate, (640, 360));
        first.size(&yard, (1920, 1080));
        keeper.keep(&first, folder.path()).unwrap();
        assert!(kept().contains("360") && kept().contains("1080"), "{}", kept());
        // After a start the yard has not been connected yet; after a reload it is gone.
        let second = board(&[&gate, &yard]);
        second.size(&gate, (1280, 720));
        let mut keeper = PictureKeeper::open(folder.path());
        keeper.keep(&second, folder.path()).unwrap();
        assert!(kept().contains("720") && kept().contains("1080"), "{}", kept());
        second.remove(&yard);
        keeper.keep(&second, folder.path()).unwrap();
        assert!(kept().contains("720") && !kept().contains("1080"), "{}", kept());
    }
}
