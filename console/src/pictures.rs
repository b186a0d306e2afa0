//! The pictures kept of a camera, newest last.

use citybrain_types::{CameraId, SnapshotRef};
use std::path::{Path, PathBuf};

/// Days whose folders are looked into: around midnight a strip spans two.
const DAYS: usize = 2;

/// The last `most` pictures kept of a camera's looks, oldest first. Nothing when the folder cannot be read: pictures
/// are an addition to a page, not what it stands on.
pub async fn last_of(root: PathBuf, camera: CameraId, most: usize) -> Vec<SnapshotRef> {
    tokio::task::spawn_blocking(move || read(&root, &camera, most)).await.unwrap_or_default()
}

fn read(root: &Path, camera: &CameraId, most: usize) -> Vec<SnapshotRef> {
    let folder = root.join(camera.as_str());
    let mut found = Vec::new();
    for day in names(&folder).into_iter().rev().take(DAYS) {
        let pictures = names(&folder.join(&day)).into_iter().rev().filter(|name| name.ends_with(".jpg"));
        let wanted = pictures.take(most - found.len());
        found.extend(wanted.filter_map(|name| SnapshotRef::new(format!("{camera}/{day}/{name}")).ok()));
        if found.len() == most {
            break;
        }
    }
    found.reverse();
    found
}

/// Names in a folder, in order; those of days and moments sort by time.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.retain(|name| name != "latest.jpg");
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_pictures_of_a_camera_are_found_over_midnight_and_no_others() {
        let root = tempfile::tempdir().unwrap();
        for file in ["2026-11-24/235958-at.jpg", "2026-11-25/000001-at.jpg", "2026-11-25/000003-at.jpg"] {
            let path = root.path().join("gate-1").join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, b"x").unwrap();
        }
        std::fs::write(root.path().join("gate-1/latest.jpg"), b"x").unwrap();
        std::fs::write(root.path().join("gate-1/2026-11-25/000004.tmp"), b"x").unwrap();
        let camera = CameraId::new("gate-1").unwrap();
        let found = read(root.path(), &camera, 2).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(found, ["gate-1/2026-11-25/000001-at.jpg", "gate-1/2026-11-25/000003-at.jpg"]);
        assert_eq!(read(root.path(), &camera, 9).len(), 3);
        assert!(read(root.path(), &CameraId::new("gate-2").unwrap(), 2).is_empty());
    }
}
