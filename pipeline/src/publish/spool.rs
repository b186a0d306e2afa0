//! Published detections on disk, in order: Arrow IPC files, one batch each, named by a rising number.

use arrow_ipc::reader::FileReader;
use arrow_ipc::writer::FileWriter;
use citybrain_types::DetectionBatch;
use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const EXTENSION: &str = "arrow";
/// Files larger than this are not ours: 128 frames with a thousand boxes each stay below.
const MAX_FILE_BYTES: u64 = 64 << 20;
/// Torn files are kept for whoever looks into it, so many at most.
const TORN_KEPT: usize = 16;

/// Why detections on disk were lost or set aside. The name is the metric label and the log field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SpoolLoss {
    /// The budget was used up; the oldest batch was removed.
    OverBudget,
    /// The batch could not be written.
    Unwritable,
    /// A file is not a whole batch, for instance after a power cut; it was set aside.
    Torn,
}

impl SpoolLoss {
    /// The name, as in the metric label `reason`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::OverBudget => "over_budget",
            Self::Unwritable => "unwritable",
            Self::Torn => "torn",
        }
    }
}

/// Why a spool cannot be used at all.
#[derive(Debug, thiserror::Error)]
#[error("spool folder {folder} cannot be used: {source}; make it writable or change site.data_dir", folder = .folder.display())]
pub struct SpoolError {
    folder: PathBuf,
    source: io::Error,
}

/// The folder of batches that the bus has not taken.
#[derive(Debug)]
pub struct Spool {
    folder: PathBuf,
    budget_bytes: Arc<AtomicU64>,
    files: VecDeque<(u64, u64)>,
    bytes: u64,
    next_number: u64,
}

impl Spool {
    /// Opens the folder, makes it when missing, and finds what an earlier run has left. The budget may change
    /// while it is in use.
    ///
    /// # Errors
    /// [`SpoolError`] when the folder cannot be made or read.
    pub fn open(folder: &Path, budget_bytes: Arc<AtomicU64>) -> Result<Self, SpoolError> {
        let refused = |source| SpoolError { folder: folder.to_owned(), source };
        fs::create_dir_all(folder).map_err(refused)?;
        let mut files = Vec::new();
        for entry in fs::read_dir(folder).map_err(refused)? {
            let entry = entry.map_err(refused)?;
            let path = entry.path();
            match (number_of(&path), path.extension().and_then(|e| e.to_str())) {
                (Some(number), Some(EXTENSION)) => {
                    files.push((number, entry.metadata().map_or(0, |m| m.len())))
                }
                (_, Some("tmp")) => drop(fs::remove_file(&path)),
                _ => {}
            }
        }
        files.sort_unstable();
        let bytes = files.iter().map(|(_, size)| size).sum();
        let next_number = files.last().map_or(0, |(number, _)| number + 1);
        if !files.is_empty() {
            tracing::info!(files = files.len(), bytes, "detections of an earlier run wait in the spool");
        }
        Ok(Self { folder: folder.to_owned(), budget_bytes, files: files.into(), bytes, next_number })
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Number of batches that wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Bytes that wait.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Writes a batch behind the others. Gives what was lost: the oldest batches when the budget is used up,
    /// the batch itself when it cannot be written.
    pub fn push(&mut self, batch: &DetectionBatch) -> Vec<SpoolLoss> {
        let number = self.next_number;
        let size = match self.write(number, batch) {
            Ok(size) => size,
            Err(error) => {
                let frames = batch.len();
                tracing::error!(%error, frames, reason = SpoolLoss::Unwritable.name(), "detections are lost");
                return vec![SpoolLoss::Unwritable];
            }
        };
        self.next_number += 1;
        self.files.push_back((number, size));
        self.bytes += size;
        let mut losses = Vec::new();
        let budget_bytes = self.budget_bytes.load(Ordering::Relaxed);
        while self.bytes > budget_bytes && !self.files.is_empty() {
            tracing::error!(
                budget_bytes,
                reason = SpoolLoss::OverBudget.name(),
                "the spool is full, its oldest detections are lost; raise pipeline.spool_budget_bytes"
            );
            self.remove_front();
            losses.push(SpoolLoss::OverBudget);
        }
        losses
    }

    /// The oldest batch, which stays until [`Spool::remove_front`].
    ///
    /// # Errors
    /// [`SpoolLoss::Torn`] when the oldest file is not a whole batch; it is set aside and no longer in the way.
    pub fn front(&mut self) -> Result<Option<DetectionBatch>, SpoolLoss> {
        let Some(&(number, size)) = self.files.front() else { return Ok(None) };
        let file = match File::open(self.path(number)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.set_aside(number, size, "the file is gone");
                return Err(SpoolLoss::Torn);
            }
            Err(error) => {
                // For instance no descriptor is free just now.
                tracing::warn!(%error, number, "a spool file cannot be opened, it is tried again");
                return Ok(None);
            }
        };
        // The reader is not ours: a damaged file must not end the thread that publishes.
        let batch = std::panic::catch_unwind(|| read(file, size));
        match batch.unwrap_or_else(|_| Err("the reader panicked".to_owned())) {
            Ok(batch) => Ok(Some(batch)),
            Err(problem) => {
                self.set_aside(number, size, &problem);
                Err(SpoolLoss::Torn)
            }
        }
    }

    /// Removes the oldest batch, because somebody else has it now.
    pub fn remove_front(&mut self) {
        if let Some((number, size)) = self.files.pop_front() {
            self.bytes -= size;
            if let Err(error) = fs::remove_file(self.path(number)) {
                tracing::warn!(%error, number, "a spool file could not be removed; it is sent again after a restart");
            }
        }
    }

    fn set_aside(&mut self, number: u64, size: u64, problem: &str) {
        self.files.pop_front();
        self.bytes -= size;
        let path = self.path(number);
        tracing::error!(path = %path.display(), problem, reason = SpoolLoss::Torn.name(), "a spool file is set aside");
        let torn = path.with_extension("torn");
        if fs::rename(&path, &torn).is_err() {
            drop(fs::remove_file(&path));
        }
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten().map(|entry| entry.path());
        let mut kept: Vec<PathBuf> =
            entries.filter(|path| path.extension().is_some_and(|e| e == "torn")).collect();
        kept.sort();
        let surplus = kept.len().saturating_sub(TORN_KEPT);
        kept.iter().take(surplus).for_each(|path| drop(fs::remove_file(path)));
    }

    fn path(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{number:020}.{EXTENSION}"))
    }

    /// Under another name first: a file of the right name is whole, unless the power went.
    fn write(&self, number: u64, batch: &DetectionBatch) -> Result<u64, String> {
        let path = self.path(number);
        let temporary = path.with_extension("tmp");
        let written = write_batch(&temporary, batch).and_then(|size| {
            fs::rename(&temporary, &path).map_err(|e| e.to_string())?;
            Ok(size)
        });
        if written.is_err() {
            drop(fs::remove_file(&temporary));
        }
        written
    }
}

fn number_of(path: &Path) -> Option<u64> {
    path.file_stem()?.to_str()?.parse().ok()
}

fn write_batch(path: &Path, batch: &DetectionBatch) -> Result<u64, String> {
    let text = |error: io::Error| error.to_string();
    let file = BufWriter::new(File::create(path).map_err(text)?);
    let mut writer = FileWriter::try_new(file, &DetectionBatch::schema()).map_err(|e| e.to_string())?;
    writer.write(batch.record_batch()).map_err(|e| e.to_string())?;
    let file = writer.into_inner().map_err(|e| e.to_string())?;
    let file = file.into_inner().map_err(|e| e.to_string())?;
    file.sync_data().map_err(text)?;
    Ok(file.metadata().map_err(text)?.len())
}

fn read(file: File, size: u64) -> Result<DetectionBatch, String> {
    if size > MAX_FILE_BYTES {
        return Err(format!("{size} bytes are more than a batch has"));
    }
    let mut reader = FileReader::try_new(BufReader::new(file), None).map_err(|e| e.to_string())?;
    let batch = reader.next().ok_or("no batch in it")?.map_err(|e| e.to_string())?;
    DetectionBatch::from_record_batch(batch).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use citybrain_types::{CameraId, FrameDetections, FrameOutcome, ModelId, StageTimes, Timestamp};

    fn batch(sequence: u64) -> DetectionBatch {
        DetectionBatch::from_frames(&[FrameDetections {
            camera: CameraId::new("gate").unwrap(),
            sequence,
            captured_at: Timestamp::EPOCH,
            model: ModelId::new("m-1").unwrap(),
            outcome: FrameOutcome::Analysed,
            asked: None,
            looked_for: vec![],
            detections: vec![],
            snapshots: None,
            snapshot_lost: false,
            stages: StageTimes::default(),
        }])
    }

    fn open(folder: &Path, budget: u64) -> Spool {
        Spool::open(folder, Arc::new(AtomicU64::new(budget))).unwrap()
    }

    fn drain(spool: &mut Spool) -> Vec<Result<u64, SpoolLoss>> {
        let mut all = Vec::new();
        loop {
            match spool.front() {
                Ok(None) => return all,
                Ok(Some(batch)) => {
                    all.push(Ok(batch.to_frames().unwrap()[0].sequence));
                    spool.remove_front();
                }
                Err(loss) => all.push(Err(loss)),
            }
        }
    }

    #[test]
    fn batches_come_back_in_order_across_a_restart_and_go_behind_the_old_ones() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = open(folder.path(), u64::MAX);
        (0..12).for_each(|n| assert_eq!(spool.push(&batch(n)), []));
        drop(spool);
        let mut spool = open(folder.path(), u64::MAX);
        assert_eq!(spool.len(), 12);
        spool.push(&batch(12));
        assert_eq!(drain(&mut spool), (0..13).map(Ok).collect::<Vec<_>>());
        assert_eq!(spool.bytes(), 0);
        assert!(open(folder.path(), u64::MAX).is_empty());
    }

    #[test]
    fn a_torn_file_is_set_aside_and_the_others_are_sent() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = open(folder.path(), u64::MAX);
        (0..5).for_each(|n| drop(spool.push(&batch(n))));
        let tear = |number: u64, keep: usize| {
            let path = spool.path(number);
            let bytes = fs::read(&path).unwrap();
            fs::write(&path, &bytes[..bytes.len().min(keep)]).unwrap();
        };
        tear(1, 700);
        tear(3, 0);
        fs::write(spool.path(2), vec![0xff; 5_000]).unwrap();
        fs::write(folder.path().join("notes.txt"), "not ours").unwrap();
        let mut spool = open(folder.path(), u64::MAX);
        let torn = Err(SpoolLoss::Torn);
        assert_eq!(drain(&mut spool), [Ok(0), torn, torn, torn, Ok(4)]);
        let kept = fs::read_dir(folder.path())
            .unwrap()
            .flatten()
            .filter(|e| e.path().extension().is_some_and(|e| e == "torn"));
        assert_eq!(kept.count(), 3);
    }

    #[test]
    fn a_file_with_every_byte_damaged_in_turn_never_ends_the_program() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = open(folder.path(), u64::MAX);
        spool.push(&batch(0));
        let whole = fs::read(spool.path(0)).unwrap();
        for at in (0..whole.len()).step_by(11) {
            let mut damaged = whole.clone();
            damaged[at] ^= 0xa5;
            let path = folder.path().join("damaged.bin");
            fs::write(&path, damaged).unwrap();
            let file = File::open(&path).unwrap();
            let _ = std::panic::catch_unwind(|| read(file, whole.len() as u64));
        }
    }

    #[test]
    fn over_budget_the_oldest_go_and_are_counted() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = open(folder.path(), u64::MAX);
        spool.push(&batch(0));
        let one = spool.bytes();
        drop(spool);
        let mut spool = open(folder.path(), one * 3 + one / 2);
        let losses: Vec<_> = (1..6).flat_map(|n| spool.push(&batch(n))).collect();
        assert_eq!(losses, [SpoolLoss::OverBudget; 3]);
        assert_eq!(drain(&mut spool), [Ok(3), Ok(4), Ok(5)]);
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_an_error_that_names_it() {
        let error = Spool::open(Path::new("/dev/null/spool"), Arc::default()).unwrap_err().to_string();
        assert!(error.contains("/dev/null/spool") && error.contains("data_dir"), "{error}");
    }

    #[test]
    fn a_batch_that_cannot_be_written_is_counted_as_unwritable() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = open(folder.path(), u64::MAX);
        fs::create_dir(spool.path(0).with_extension("tmp")).unwrap();
        assert_eq!(spool.push(&batch(0)), [SpoolLoss::Unwritable]);
        fs::remove_dir(spool.path(0).with_extension("tmp")).unwrap();
        assert_eq!(spool.push(&batch(1)), []);
        assert_eq!(drain(&mut spool), [Ok(1)]);
    }
}
