//! Brings what lies in a store elsewhere to the data folder, where all that reads the log reads it.
//!
//! Files never change once they are written (the same segment written again is the same file), so one that is here with
//! its size is the one that is there. They lie in a folder of their own, `stored`, so that what this machine has written
//! itself is never taken for a copy: copies go when the store has let go of theirs, and with it the room they take is
//! bounded by the budget of the store.

use super::compact::{CompactError, day_of};
use super::district;
use super::store::LogStore;
use super::{LOG_FOLDER, PARQUET, RULING_EXTENSION};
use citybrain_ingest_config::City;
use citybrain_types::Timestamp;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::{ObjectMeta, ObjectStoreExt};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Folder of the copies below the log's.
pub(super) const STORED: &str = "stored";
/// Files on their way at once: enough to hide the store's answers behind each other.
const AT_ONCE: usize = 8;
/// A file's day is that of its frames; a segment begins up to a day before.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Brings the days from `since` on, or all of them, to the data folder of a city whose log is in a store elsewhere; says
/// how many files were brought. Does nothing where the log lies in a folder of this machine.
///
/// # Errors
/// [`CompactError`] when the store does not answer or a file cannot be written.
pub async fn bring(city: &City, since: Option<Timestamp>) -> Result<usize, CompactError> {
    let elsewhere = city.log.url.as_ref().is_some_and(|url| url.scheme() != "file");
    if !elsewhere || city.dispatch.log_budget_bytes == 0 {
        return Ok(0);
    }
    let store = LogStore::of(city)?;
    let folder = city.site.data_dir.join(LOG_FOLDER).join(STORED);
    let since = since.map(|since| district::day(since.minus(DAY)));
    let listed: Vec<ObjectMeta> = store.objects.list(store.below()).try_collect().await?;
    let (mut there, mut wanted) = (HashSet::new(), Vec::new());
    for object in listed {
        let Some(path) = place(&store, &object, &folder) else { continue };
        let day = day_of(&object.location);
        let is_new = std::fs::metadata(&path).map_or(true, |file| file.len() != object.size);
        if is_new && since.as_ref().is_none_or(|since| day.is_none_or(|day| day >= *since)) {
            wanted.push((object, path.clone()));
        }
        there.insert(path);
    }
    forget(&folder, &there, 3)?;
    let count = wanted.len();
    let brought = stream::iter(wanted).map(|(object, path)| fetch(&store, object, path));
    brought.buffer_unordered(AT_ONCE).try_collect::<Vec<()>>().await?;
    Ok(count)
}

/// Where the copy of an object lies; none for what is not of the log.
fn place(store: &LogStore, object: &ObjectMeta, folder: &Path) -> Option<PathBuf> {
    let known = object.location.extension().is_some_and(|end| end == PARQUET || end == RULING_EXTENSION);
    let parts: Vec<String> =
        object.location.prefix_match(&store.prefix)?.map(|part| part.as_ref().to_owned()).collect();
    // A store's names are not this machine's: none may lead out of the folder.
    let is_plain =
        |part: &String| !part.is_empty() && part != "." && part != ".." && !part.contains(['/', '\\', '\0']);
    (known && parts.len() <= 3 && parts.iter().all(is_plain))
        .then(|| parts.iter().fold(folder.to_owned(), |path, part| path.join(part)))
}

/// One file, whole or not at all.
async fn fetch(store: &LogStore, object: ObjectMeta, path: PathBuf) -> Result<(), CompactError> {
    let bytes = match store.objects.get(&object.location).await {
        Ok(found) => found.bytes().await?,
        // It has outlived its days since it was listed.
        Err(object_store::Error::NotFound { .. }) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let written = tokio::task::spawn_blocking(move || {
        let folder = path.parent().unwrap_or(&path);
        std::fs::create_dir_all(folder)?;
        // Two that bring the same file at once write each its own, and then the same over it.
        let mut file = tempfile_in(folder)?;
        std::io::Write::write_all(&mut file.1, &bytes)?;
        std::fs::rename(&file.0, &path)
    });
    Ok(written.await.map_err(|_| CompactError::Ended)??)
}

fn tempfile_in(folder: &Path) -> std::io::Result<(PathBuf, std::fs::File)> {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let n = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let path = folder.join(format!("{}-{n}.tmp", std::process::id()));
    let file = std::fs::File::create(&path)?;
    Ok((path, file))
}

/// Removes the copies of what the store does not hold any more.
fn forget(folder: &Path, there: &HashSet<PathBuf>, depth: usize) -> std::io::Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() && depth > 1 {
            forget(&path, there, depth - 1)?;
        } else if path.is_file() && !there.contains(&path) && !is_under_way(&path) {
            std::fs::remove_file(&path)?;
        }
    }
    Ok(())
}

/// Whether somebody may be writing it; what a crash has left of one goes an hour later.
fn is_under_way(path: &Path) -> bool {
    let age = path.metadata().and_then(|file| file.modified()).ok().and_then(|at| at.elapsed().ok());
    path.extension().is_some_and(|end| end == "tmp") && age.is_none_or(|age| age < Duration::from_secs(3600))
}
