//! Makes Parquet of closed segments, and keeps the log within its days and its budget.
//!
//! A segment is removed only when all its files are in the store, and their content is on the disk where the store is a
//! folder. While the store does not answer, segments stay where they are, under the budget, and are tried again.

use super::read::{LogError, has_extension, read_segment, walk};
use super::rows::Logged;
use super::store::{LogStore, StoreAddressError, said};
use super::{EXTENSION, PARQUET, RULING_EXTENSION, TORN, district, parquet_file, rulings};
use crate::metrics::Metrics;
use citybrain_ingest_config::City;
use citybrain_types::{CameraId, Clock, DetectionBatch, Timestamp};
use futures::TryStreamExt;
use object_store::path::Path as ObjectPath;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// The first wait after the store did not answer; it doubles up to the last.
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_LAST: Duration = Duration::from_secs(600);
/// Days and budget are looked after this often, whether a segment was closed or not.
const TICK: Duration = Duration::from_secs(600);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Why a segment did not become Parquet.
#[derive(Debug, thiserror::Error)]
pub enum CompactError {
    /// The segment cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The frames cannot be encoded.
    #[error("frames cannot be encoded: {0}")]
    Encode(#[from] parquet::errors::ParquetError),
    /// The store does not take them.
    #[error("the store of the detection log: {problem}", problem = said(.0))]
    Store(#[source] object_store::Error),
    /// There is no store at the address.
    #[error(transparent)]
    Address(#[from] StoreAddressError),
    /// A file of this machine cannot be written, renamed or removed.
    #[error("a file of the detection log: {0}")]
    Io(#[from] std::io::Error),
    /// The work was ended.
    #[error("the work was ended")]
    Ended,
}

impl From<object_store::Error> for CompactError {
    fn from(error: object_store::Error) -> Self {
        Self::Store(error)
    }
}

/// Makes Parquet of what the writer closes.
pub(crate) struct Compactor {
    pub(crate) store: LogStore,
    /// Of the segments.
    pub(crate) folder: PathBuf,
    pub(crate) city: watch::Receiver<Arc<City>>,
    pub(crate) open: watch::Receiver<Option<PathBuf>>,
    pub(crate) closed: Arc<Notify>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: Metrics,
}

impl Compactor {
    /// Works until it is aborted; whatever is half done then is done again after the next start.
    pub(crate) async fn run(self) {
        self.set_aside().await;
        let mut wait = RETRY_FIRST;
        loop {
            match self.pass().await {
                Ok(()) => {
                    wait = RETRY_FIRST;
                    // Woken by the writer; the tick is for days and budget.
                    let _ = tokio::time::timeout(TICK, self.closed.notified()).await;
                }
                Err(error) => {
                    self.metrics.log_not_stored();
                    tracing::warn!(%error, retry_secs = wait.as_secs(), "the detection log stays in its segments");
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(RETRY_LAST);
                }
            }
        }
    }

    async fn pass(&self) -> Result<(), CompactError> {
        let stored = self.compact().await;
        // The budget holds whether the store answers or not.
        self.keep_segments_within_budget()?;
        stored?;
        let city = Arc::clone(&self.city.borrow());
        let now = self.clock.now();
        keep(&self.store, first_segment(&self.folder)?, city.log.retention, budget(&city), now).await
    }

    async fn compact(&self) -> Result<(), CompactError> {
        for path in self.closed()? {
            if has_extension(&path, RULING_EXTENSION) {
                rulings::move_to(&self.store, &path).await?;
                continue;
            }
            let city = Arc::clone(&self.city.borrow());
            let torn = compact_one(&self.store, city, path).await?;
            (0..torn).for_each(|_| self.metrics.log_torn());
        }
        Ok(())
    }

    /// Closed segments and rulings, the oldest first.
    fn closed(&self) -> Result<Vec<PathBuf>, CompactError> {
        let mut written = written(&self.folder)?;
        // Read after the list: what was begun since is not in it, and what is open now was open then or is not in it.
        let open = self.open.borrow().clone();
        written.retain(|path| open.as_ref() != Some(path));
        Ok(written)
    }

    /// Removes the oldest segments where they alone are beyond the budget.
    fn keep_segments_within_budget(&self) -> Result<(), CompactError> {
        let budget = budget(&self.city.borrow());
        let segments = self.closed()?.into_iter().filter(|path| has_extension(path, EXTENSION));
        let sized = segments.map(|path| {
            let bytes = std::fs::metadata(&path).map(|file| file.len()).unwrap_or_default();
            (path, bytes)
        });
        let sized: Vec<(PathBuf, u64)> = sized.collect();
        let mut bytes: u64 = sized.iter().map(|(_, bytes)| bytes).sum();
        for (path, size) in sized {
            if bytes <= budget {
                break;
            }
            std::fs::remove_file(&path)?;
            self.metrics.log_lost();
            tracing::error!(path = %path.display(), "a segment of the detection log is dropped: the budget is used up");
            bytes -= size;
        }
        Ok(())
    }

    /// Renames files of this machine that are torn, so that no reader stumbles over them.
    async fn set_aside(&self) {
        let Some(folder) = self.store.folder.clone() else { return };
        let metrics = self.metrics.clone();
        let looked = tokio::task::spawn_blocking(move || {
            let mut files = Vec::new();
            let listed = walk(&folder, 3, &mut |path| files.push(path));
            if let Err(error) = listed {
                tracing::warn!(%error, "the detection log was not looked through");
            }
            files.retain(|path| path.extension().is_some_and(|extension| extension == PARQUET));
            for path in files {
                if let Err(error @ LogError::NotALog { .. }) = parquet_file::check(&path) {
                    metrics.log_torn();
                    put_aside(&path, &error.to_string());
                }
            }
        });
        if looked.await.is_err() {
            tracing::warn!("the detection log was not looked through to its end");
        }
    }
}

fn put_aside(path: &Path, problem: &str) {
    let mut aside = path.as_os_str().to_owned();
    aside.push(format!(".{TORN}"));
    match std::fs::rename(path, &aside) {
        Ok(()) => {
            tracing::error!(path = %path.display(), problem, "a torn file of the detection log is set aside")
        }
        Err(error) => {
            tracing::error!(path = %path.display(), problem, %error, "a torn file of the detection log stays where it is")
        }
    }
}

const fn budget(city: &City) -> u64 {
    city.dispatch.log_budget_bytes
}

/// The segments and rulings in a folder, the oldest first.
fn written(folder: &Path) -> Result<Vec<PathBuf>, CompactError> {
    let mut written = Vec::new();
    if folder.is_dir() {
        walk(folder, 1, &mut |path| written.push(path))?;
    }
    written.retain(|path| has_extension(path, EXTENSION) || has_extension(path, RULING_EXTENSION));
    written.sort();
    Ok(written)
}

/// The position of the first frame that is still in a segment.
fn first_segment(folder: &Path) -> Result<Option<u64>, CompactError> {
    let first = written(folder)?.into_iter().find(|path| has_extension(path, EXTENSION));
    Ok(first.and_then(|path| path.file_stem()?.to_str()?.parse().ok()))
}

/// Makes Parquet of every segment in a folder, whatever version wrote it; says how many there were, and how many of them
/// were cut off or no segments at all. No program may be writing there.
///
/// # Errors
/// [`CompactError`] for the first that cannot be read or stored.
pub async fn compact_all(
    folder: &Path,
    store: &LogStore,
    city: &Arc<City>,
) -> Result<(u64, u64), CompactError> {
    let (mut done, mut torn) = (0, 0);
    for path in written(folder)? {
        if has_extension(&path, RULING_EXTENSION) {
            rulings::move_to(store, &path).await?;
            continue;
        }
        torn += compact_one(store, Arc::clone(city), path).await?;
        done += 1;
    }
    Ok((done, torn))
}

/// Makes Parquet of one segment and removes it; says how often it was cut off.
async fn compact_one(store: &LogStore, city: Arc<City>, path: PathBuf) -> Result<u64, CompactError> {
    let from = path.clone();
    let read = tokio::task::spawn_blocking(move || from_segment(&from));
    let (frames, torn) = match read.await.map_err(|_| CompactError::Ended)? {
        Err(error @ LogError::NotALog { .. }) => {
            put_aside(&path, &error.to_string());
            return Ok(1);
        }
        read => read?,
    };
    if torn > 0 {
        tracing::warn!(path = %path.display(), frames = frames.len(), "a segment was cut off by a crash; what is whole was recovered");
    }
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    write_segment(store, &city, &stem, frames).await?;
    std::fs::remove_file(&path)?;
    Ok(torn)
}

/// The frames of a segment, numbered from the position in its name, each once.
fn from_segment(path: &Path) -> Result<(Vec<Logged>, u64), LogError> {
    let mut position =
        path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok()).unwrap_or(0);
    let (mut frames, mut torn, mut damaged) = (Vec::new(), 0, 0_usize);
    let mut take = |batch: DetectionBatch| {
        // Only what was found whole is ever logged; what is not here any more was damaged on the disk.
        match batch.to_frames() {
            Ok(batch) => frames.extend(batch.into_iter().map(|frame| {
                position += 1;
                Logged { position: position - 1, frame }
            })),
            Err(_) => damaged += batch.len(),
        }
    };
    read_segment(path, &mut take, &mut |_| torn += 1)?;
    if damaged > 0 {
        tracing::error!(path = %path.display(), damaged, "frames of the detection log are damaged and left out");
        torn += 1;
    }
    Ok((frames, torn))
}

/// Writes frames as the Parquet files of one segment. A file that is there already is replaced.
///
/// # Errors
/// [`CompactError`] when they cannot be encoded or stored.
pub async fn write_segment(
    store: &LogStore,
    city: &City,
    stem: &str,
    frames: Vec<Logged>,
) -> Result<(), CompactError> {
    let mut districts: HashMap<CameraId, String> = HashMap::new();
    let mut partitions: BTreeMap<(String, String), Vec<Logged>> = BTreeMap::new();
    for logged in frames {
        let camera = &logged.frame.camera;
        if !districts.contains_key(camera) {
            districts.insert(camera.clone(), district::of(city, camera));
        }
        let district = districts.get(camera).cloned().unwrap_or_default();
        partitions.entry((district::day(logged.frame.captured_at), district)).or_default().push(logged);
    }
    for ((day, district), mut frames) in partitions {
        let encoded = tokio::task::spawn_blocking(move || parquet_file::encode(&mut frames));
        let bytes = encoded.await.map_err(|_| CompactError::Ended)??;
        let path = store.path(&day, &district, stem);
        store.objects.put(&path, bytes.into()).await?;
        if let Some(folder) = &store.folder {
            // The segment goes once this is there: it is to be there after a power cut, too.
            std::fs::File::open(folder.join(path.as_ref()))?.sync_all()?;
        }
    }
    Ok(())
}

/// Removes what is older than the log is kept, and then the oldest until the rest is within the budget.
async fn keep(
    store: &LogStore,
    first_segment: Option<u64>,
    retention: Option<Duration>,
    budget: u64,
    now: Timestamp,
) -> Result<(), CompactError> {
    let listed: Vec<_> = store.objects.list(store.below()).try_collect().await?;
    let is_ruling = |object: &&ObjectMeta| rulings::position(&object.location).is_some();
    let mut bytes: u64 = listed.iter().filter(is_ruling).map(|object| object.size).sum();
    let rulings = listed.iter().filter_map(|object| {
        let path = object.location.clone();
        Some((rulings::position(&path)?, path))
    });
    let rulings: Vec<(u64, ObjectPath)> = rulings.collect();
    let mut files: Vec<(String, ObjectPath, u64)> = listed
        .into_iter()
        .filter(|object| object.location.extension() == Some(PARQUET))
        .filter_map(|object| Some((day_of(&object.location)?, object.location, object.size)))
        .collect();
    // By day, then by segment.
    files.sort_by(|a, b| (&a.0, a.1.filename()).cmp(&(&b.0, b.1.filename())));
    let oldest = retention.map(|kept| district::day(now.minus(kept.saturating_add(DAY))));
    bytes += files.iter().map(|(_, _, bytes)| bytes).sum::<u64>();
    let mut left = (first_segment, None);
    for (day, path, size) in files {
        let expired = oldest.as_ref().is_some_and(|oldest| day <= *oldest);
        if !expired && bytes <= budget {
            // By day, and one day's files by segment: the first that is left need not be the first that was written.
            left.0 = [left.0, stem_of(&path)].into_iter().flatten().min();
            left.1.get_or_insert(day);
            continue;
        }
        store.objects.delete(&path).await?;
        tracing::info!(%path, expired, "a file of the detection log is removed");
        bytes -= size;
    }
    let (Some(first), day) = left else { return Ok(()) };
    let since = day.and_then(|day| format!("{day}T00:00:00Z").parse().ok()).unwrap_or(Timestamp::EPOCH);
    let before = rulings.into_iter().filter(|(position, _)| *position < first).collect();
    rulings::forget(store, before, since).await
}

/// The position in a file's name.
fn stem_of(path: &ObjectPath) -> Option<u64> {
    path.filename()?.split('.').next()?.parse().ok()
}

pub(super) fn day_of(path: &ObjectPath) -> Option<String> {
    path.parts().find_map(|part| part.as_ref().strip_prefix("day=").map(str::to_owned))
}
