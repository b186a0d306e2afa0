//! The folder of snapshots: one thread writes, a budget bounds it, the oldest go first.

use crate::metrics::PipelineMetrics;
use citybrain_types::SnapshotRef;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

/// Files waiting for the disk: two for each of a few workers. A disk that is further behind is a fault to
/// report, not a reason to pile up pictures.
const QUEUE_FILES: usize = 16;
/// A worker waits this long for the disk, then reports the snapshot as lost.
const WRITE_WITHIN: Duration = Duration::from_millis(250);
/// Failures are logged at most this often; the metric counts all.
const LOG_EVERY: Duration = Duration::from_secs(30);
/// When over budget, remove down to this share of it, so that the folder is not walked for every file.
const KEEP_PERCENT: u64 = 90;

/// Why a snapshot could not be kept. The name is the metric label and the log field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SnapshotFailure {
    /// No room on the disk.
    DiskFull,
    /// The disk or folder refused in another way.
    Io,
    /// The disk did not answer in time, now or with the snapshots before.
    SlowDisk,
    /// The picture could not be made into a JPEG.
    Encode,
}

impl SnapshotFailure {
    /// Every reason.
    pub const ALL: [Self; 4] = [Self::DiskFull, Self::Io, Self::SlowDisk, Self::Encode];

    /// The name, as in the metric label `reason`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::DiskFull => "disk_full",
            Self::Io => "io",
            Self::SlowDisk => "slow_disk",
            Self::Encode => "encode",
        }
    }

    fn of(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                Self::DiskFull
            }
            _ => Self::Io,
        }
    }
}

struct Job {
    place: SnapshotRef,
    jpeg: Vec<u8>,
    reply: SyncSender<Result<(), SnapshotFailure>>,
}

/// A snapshot that is being written.
#[derive(Debug)]
pub(super) struct Pending(Receiver<Result<(), SnapshotFailure>>);

/// Writes snapshots below one folder. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SnapshotStore {
    sender: SyncSender<Job>,
    stuck: Arc<AtomicBool>,
    metrics: PipelineMetrics,
}

impl SnapshotStore {
    /// Starts the writing thread. It ends when every clone of the store is gone. A folder that cannot be used
    /// is not an error here: it may become usable, and detection goes on without pictures.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub fn start(
        root: PathBuf,
        budget_bytes: Arc<AtomicU64>,
        metrics: PipelineMetrics,
    ) -> io::Result<(Self, JoinHandle<()>)> {
        let (sender, receiver) = sync_channel(QUEUE_FILES);
        let stuck = Arc::new(AtomicBool::new(false));
        let mut writer = Writer {
            root,
            budget_bytes,
            used_bytes: 0,
            last_log: None,
            stuck: Arc::clone(&stuck),
            metrics: metrics.clone(),
        };
        let work = move || writer.run(&receiver);
        let thread = std::thread::Builder::new().name("snapshots".into()).spawn(work)?;
        Ok((Self { sender, stuck, metrics }, thread))
    }

    /// Hands a picture to the writer.
    pub(super) fn begin(&self, place: SnapshotRef, jpeg: Vec<u8>) -> Result<Pending, SnapshotFailure> {
        let (reply, answer) = sync_channel(1);
        // A disk that has kept somebody waiting gets no more pictures until it has answered.
        if self.stuck.load(Ordering::Relaxed) {
            return Err(self.slow());
        }
        match self.sender.try_send(Job { place, jpeg, reply }) {
            Ok(()) => Ok(Pending(answer)),
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => Err(self.slow()),
        }
    }

    /// Waits, briefly, until a picture has been written.
    pub(super) fn finish(&self, pending: &Pending) -> Result<(), SnapshotFailure> {
        match pending.0.recv_timeout(WRITE_WITHIN) {
            Ok(result) => result,
            Err(RecvTimeoutError::Timeout) => {
                self.stuck.store(true, Ordering::Relaxed);
                Err(self.slow())
            }
            Err(RecvTimeoutError::Disconnected) => Err(self.slow()),
        }
    }

    fn slow(&self) -> SnapshotFailure {
        self.metrics.snapshot_failure(SnapshotFailure::SlowDisk);
        SnapshotFailure::SlowDisk
    }
}

struct Writer {
    root: PathBuf,
    budget_bytes: Arc<AtomicU64>,
    used_bytes: u64,
    last_log: Option<Instant>,
    stuck: Arc<AtomicBool>,
    metrics: PipelineMetrics,
}

impl Writer {
    fn run(&mut self, queue: &Receiver<Job>) {
        self.used_bytes = files_below(&self.root).iter().map(|file| file.bytes).sum();
        while let Ok(job) = queue.recv() {
            let result = self.write(&job).map_err(|error| self.note(&job.place, &error));
            self.stuck.store(false, Ordering::Relaxed);
            // Whoever asked may have given up waiting; the file is then found by its name alone.
            let _ = job.reply.try_send(result);
            if self.used_bytes > self.budget_bytes.load(Ordering::Relaxed) {
                self.make_room();
            }
        }
    }

    fn write(&mut self, job: &Job) -> io::Result<()> {
        let path = self.root.join(job.place.as_str());
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let replaced = fs::metadata(&path).map_or(0, |old| old.len());
        let temporary = path.with_extension("tmp");
        let written = fs::write(&temporary, &job.jpeg).and_then(|()| fs::rename(&temporary, &path));
        if let Err(error) = written {
            drop(fs::remove_file(&temporary));
            return Err(error);
        }
        self.used_bytes = (self.used_bytes + job.jpeg.len() as u64).saturating_sub(replaced);
        Ok(())
    }

    fn note(&mut self, place: &SnapshotRef, error: &io::Error) -> SnapshotFailure {
        let failure = SnapshotFailure::of(error);
        self.metrics.snapshot_failure(failure);
        if self.last_log.is_none_or(|last| last.elapsed() >= LOG_EVERY) {
            self.last_log = Some(Instant::now());
            tracing::error!(%place, %error, reason = failure.name(), "snapshots cannot be written");
        }
        failure
    }

    fn make_room(&mut self) {
        let mut files = files_below(&self.root);
        files.sort_by_key(|file| file.modified);
        self.used_bytes = files.iter().map(|file| file.bytes).sum();
        let target = self.budget_bytes.load(Ordering::Relaxed) / 100 * KEEP_PERCENT;
        for file in files {
            if self.used_bytes <= target {
                break;
            }
            if fs::remove_file(&file.path).is_ok() {
                self.used_bytes -= file.bytes;
                // Fails while the folder holds anything, which is meant.
                drop(file.path.parent().map(fs::remove_dir));
            }
        }
    }
}

struct Stored {
    path: PathBuf,
    bytes: u64,
    modified: SystemTime,
}

/// Camera folders, day folders, files: never deeper.
const DEPTH: usize = 3;

fn files_below(root: &Path) -> Vec<Stored> {
    let mut files = Vec::new();
    let mut folders = vec![(root.to_owned(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.is_dir() && depth + 1 < DEPTH {
                folders.push((entry.path(), depth + 1));
            } else if metadata.is_file() {
                let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                files.push(Stored { path: entry.path(), bytes: metadata.len(), modified });
            }
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::registry::Registry;

    fn store(root: &Path, budget: u64) -> (SnapshotStore, JoinHandle<()>) {
        let metrics = PipelineMetrics::register(&mut Registry::default());
        SnapshotStore::start(root.to_owned(), Arc::new(AtomicU64::new(budget)), metrics).unwrap()
    }

    fn save(store: &SnapshotStore, place: &str, bytes: usize) -> Result<(), SnapshotFailure> {
        let pending = store.begin(SnapshotRef::new(place).unwrap(), vec![0; bytes])?;
        store.finish(&pending)
    }

    #[test]
    fn the_oldest_snapshots_make_room_for_new_ones() {
        let root = tempfile::tempdir().unwrap();
        let (store, thread) = store(root.path(), 10_000);
        for number in 0..20 {
            save(&store, &format!("gate/day-{number:02}/x-at.jpg"), 1_000).unwrap();
            // File times decide what is oldest.
            std::thread::sleep(Duration::from_millis(5));
        }
        drop(store);
        thread.join().unwrap();
        let left = files_below(root.path());
        let bytes: u64 = left.iter().map(|file| file.bytes).sum();
        assert!(bytes <= 10_000, "{bytes}");
        assert!(root.path().join("gate/day-19/x-at.jpg").exists());
        assert!(!root.path().join("gate/day-00").exists(), "an emptied folder is removed too");
    }

    #[test]
    fn a_folder_that_is_a_file_costs_the_snapshot_and_nothing_else() {
        let root = tempfile::tempdir().unwrap();
        let blocked = root.path().join("snapshots");
        fs::write(&blocked, "in the way").unwrap();
        let (store, _thread) = store(&blocked, 10_000);
        assert_eq!(save(&store, "gate/latest.jpg", 10), Err(SnapshotFailure::Io));
        assert_eq!(store.metrics.snapshot_failures(SnapshotFailure::Io), 1);
        fs::remove_file(&blocked).unwrap();
        assert_eq!(save(&store, "gate/latest.jpg", 10), Ok(()));
    }

    #[test]
    fn a_full_disk_is_told_from_other_failures() {
        let full = io::Error::from_raw_os_error(28);
        assert_eq!(SnapshotFailure::of(&full), SnapshotFailure::DiskFull);
        // The real thing: /dev/full answers every write with ENOSPC.
        let error = fs::write("/dev/full", [0; 4096]).unwrap_err();
        assert_eq!(SnapshotFailure::of(&error), SnapshotFailure::DiskFull);
    }
}
