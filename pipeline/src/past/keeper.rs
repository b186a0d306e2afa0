//! The past of every camera that is compared with its own.

use super::{Glimpse, Past, file};
use citybrain_types::{CameraId, Timestamp};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Ending of the name of a camera's file.
const EXTENSION: &str = "past";

/// Keeps the past of cameras in memory and on disk, at most 55 KiB each.
#[derive(Debug, Default)]
pub struct PastKeeper {
    folder: Option<PathBuf>,
    cameras: Mutex<HashMap<CameraId, Arc<Past>>>,
}

impl PastKeeper {
    /// Keeps it below `folder`, which is made when missing.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        Self { folder: Some(folder), cameras: Mutex::default() }
    }

    /// Takes a picture into its camera's past where one is due, and gives that past. A camera is looked at by one worker
    /// at a time.
    pub fn look(&self, camera: &CameraId, glimpse: &Glimpse, at: Timestamp) -> Arc<Past> {
        let known = self.cameras().get(camera).cloned();
        let mut past = known.unwrap_or_else(|| Arc::new(self.read(camera)));
        let mut next = Past::clone(&past);
        if next.remember(glimpse, at) {
            self.write(camera, &next);
            past = Arc::new(next);
        }
        self.cameras().insert(camera.clone(), Arc::clone(&past));
        past
    }

    /// A camera shows another place now: what it has shown says nothing of it.
    pub fn forget(&self, camera: &CameraId) {
        let had = self.cameras().insert(camera.clone(), Arc::default());
        // Not read yet, it may still lie on disk.
        if had.is_none_or(|past| *past != Past::default())
            && let Some(path) = self.path(camera)
            && let Err(error) = std::fs::remove_file(&path)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(%camera, %error, "the past of a camera that was turned cannot be removed");
        }
    }

    /// Forgets cameras that are not there any more; their files stay, for when they come back.
    pub fn forget_others(&self, keep: impl Fn(&CameraId) -> bool) {
        self.cameras().retain(|camera, _| keep(camera));
    }

    fn cameras(&self) -> MutexGuard<'_, HashMap<CameraId, Arc<Past>>> {
        self.cameras.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, camera: &CameraId) -> Option<PathBuf> {
        Some(self.folder.as_ref()?.join(format!("{camera}.{EXTENSION}")))
    }

    fn read(&self, camera: &CameraId) -> Past {
        let Some(path) = self.path(camera) else { return Past::default() };
        file::read(&path).unwrap_or_else(|error| {
            tracing::warn!(%camera, %error, "the past of a camera cannot be read; it begins anew");
            Past::default()
        })
    }

    fn write(&self, camera: &CameraId, past: &Past) {
        let Some(path) = self.path(camera) else { return };
        if let Err(error) = file::write(&path, past) {
            tracing::warn!(%camera, %error, "the past of a camera cannot be written; it is kept until the next start");
        }
    }
}
