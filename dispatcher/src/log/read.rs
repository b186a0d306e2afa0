//! Reads the log.

use super::rows::Logged;
use super::{EXTENSION, Entry, PARQUET, RULING_EXTENSION, parquet_file};
use crate::ruling::Ruling;
use arrow_ipc::reader::StreamReader;
use citybrain_types::{DetectionBatch, FrameDetections, SchemaError};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

/// Frames handed on at once.
const BATCH: usize = 1024;
/// Folders lie in each other this deep: the log, what was brought from a store, a day, a district.
pub(super) const DEPTH: usize = 4;

/// Why a log cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// A file or folder cannot be opened.
    #[error("the detection log {path} cannot be read: {source}", path = .path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file is no log.
    #[error("{path} is no detection log: {problem}", path = .path.display())]
    NotALog {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// A file holds detections of another schema.
    #[error("{path}: {source}", path = .path.display())]
    Schema {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        source: SchemaError,
    },
    /// A file's rows are of another version.
    #[error("{path}: the log has version {found}, this program reads 1 to {ROWS_VERSION}", path = .path.display(), ROWS_VERSION = super::ROWS_VERSION)]
    Version {
        /// Which.
        path: PathBuf,
        /// The version found, or `none`.
        found: String,
    },
}

/// What was logged in one go: a segment, or the Parquet files that it became, or a ruling. Parts follow each other in time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// A segment.
    Segment(PathBuf),
    /// Parquet files, by day and district.
    Parquet(Vec<PathBuf>),
    /// What was decided between two of the others.
    Ruling(PathBuf),
}

impl Part {
    fn stem(&self) -> Option<&OsStr> {
        match self {
            Self::Segment(path) | Self::Ruling(path) => path.file_stem(),
            Self::Parquet(files) => files.first()?.file_stem(),
        }
    }
}

/// The parts of a log, a file or a folder of them, in their order.
///
/// # Errors
/// [`LogError::Unreadable`] when a folder cannot be listed.
pub fn parts(path: &Path) -> Result<Vec<Part>, LogError> {
    let mut found: BTreeMap<(u64, String), (Option<PathBuf>, Vec<PathBuf>)> = BTreeMap::new();
    let mut put = |path: PathBuf| {
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let entry = found.entry((stem.parse().unwrap_or(u64::MAX), stem)).or_default();
        if has_extension(&path, PARQUET) {
            entry.1.push(path);
        } else {
            entry.0 = Some(path);
        }
    };
    match path.is_dir() {
        true => walk(path, DEPTH, &mut put)?,
        false => put(path.to_owned()),
    }
    let part = |(single, mut files): (Option<PathBuf>, Vec<PathBuf>)| {
        files.sort();
        match single {
            Some(path) if has_extension(&path, RULING_EXTENSION) => Part::Ruling(path),
            Some(path) => Part::Segment(path),
            None => Part::Parquet(files),
        }
    };
    Ok(found.into_values().map(part).collect())
}

/// Every file of the log in a folder and those in it.
pub(super) fn walk(folder: &Path, depth: usize, put: &mut impl FnMut(PathBuf)) -> Result<(), LogError> {
    let unreadable = |source| LogError::Unreadable { path: folder.to_owned(), source };
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let path = entry.path();
        if entry.file_type().map_err(unreadable)?.is_dir() {
            if depth > 1 {
                walk(&path, depth - 1, put)?;
            }
        } else if [EXTENSION, PARQUET, RULING_EXTENSION].iter().any(|known| has_extension(&path, known)) {
            put(path);
        }
    }
    Ok(())
}

pub(super) fn has_extension(path: &Path, known: &str) -> bool {
    path.extension().is_some_and(|extension| extension == known)
}

/// Reads the frames of a log, without what was decided between them; see [`read_entries`].
///
/// # Errors
/// [`LogError`] for the first file that cannot be opened, has a version that this program does not know, or, where `path`
/// is a file, is no log.
pub fn read(
    path: &Path,
    mut take: impl FnMut(DetectionBatch),
    torn: impl FnMut(&Path),
) -> Result<(), LogError> {
    let frames = |entry| match entry {
        Entry::Frames(batch) => take(batch),
        Entry::Ruling(_) => {}
    };
    read_entries(path, frames, torn)
}

/// Reads a log, a file or a folder of them, entry by entry in its order; `torn` is told of each file that a crash has cut
/// off in the middle of an entry: what is whole in it was read.
///
/// # Errors
/// [`LogError`] for the first file that cannot be read or is no log.
pub fn read_entries(
    path: &Path,
    mut take: impl FnMut(Entry),
    mut torn: impl FnMut(&Path),
) -> Result<(), LogError> {
    let in_folder = path.is_dir();
    for part in parts(path)? {
        match read_part(&part, in_folder, &mut take, &mut torn) {
            // A running city has made Parquet of it, or dropped it, since the folder was listed.
            Err(error) if in_folder && is_gone(&error) => {
                let now = same_part(path, &part)?;
                now.map_or(Ok(()), |part| read_part(&part, true, &mut take, &mut torn))?;
            }
            result => result?,
        }
    }
    Ok(())
}

/// The same part as the folder has it now; `None` when it is gone.
pub(crate) fn same_part(folder: &Path, part: &Part) -> Result<Option<Part>, LogError> {
    Ok(parts(folder)?.into_iter().find(|now| now.stem() == part.stem()))
}

/// Whether a file was not there.
pub(crate) fn is_gone(error: &LogError) -> bool {
    matches!(error, LogError::Unreadable { source, .. } if source.kind() == io::ErrorKind::NotFound)
}

/// Reads one part; nothing is taken of one that is gone.
fn read_part(
    part: &Part,
    lenient: bool,
    take: &mut impl FnMut(Entry),
    torn: &mut impl FnMut(&Path),
) -> Result<(), LogError> {
    match part {
        Part::Segment(path) => match read_segment(path, &mut |batch| take(Entry::Frames(batch)), torn) {
            Err(LogError::NotALog { .. }) if lenient => torn(path),
            result => result?,
        },
        Part::Parquet(files) => {
            let frames: Vec<FrameDetections> =
                read_parquet(files, lenient, torn)?.into_iter().map(|logged| logged.frame).collect();
            let batches = frames.chunks(BATCH).map(DetectionBatch::from_frames);
            batches.for_each(|batch| take(Entry::Frames(batch)));
        }
        Part::Ruling(path) => {
            if let Some(ruling) = read_ruling(path, torn)? {
                take(Entry::Ruling(ruling));
            }
        }
    }
    Ok(())
}

/// Reads a ruling; `None` for one that was cut off, which the writer never leaves.
pub(crate) fn read_ruling(path: &Path, torn: &mut impl FnMut(&Path)) -> Result<Option<Ruling>, LogError> {
    let file = File::open(path).map_err(|source| LogError::Unreadable { path: path.to_owned(), source })?;
    match serde_json::from_reader(BufReader::new(file)) {
        Ok(ruling) => Ok(Some(ruling)),
        Err(error) if error.is_eof() => {
            torn(path);
            Ok(None)
        }
        Err(error) => Err(parquet_file::not_a_log(path)(error)),
    }
}

/// All frames of the Parquet files of one segment, in the order in which they were judged.
pub(crate) fn read_parquet(
    files: &[PathBuf],
    lenient: bool,
    torn: &mut impl FnMut(&Path),
) -> Result<Vec<Logged>, LogError> {
    let mut frames = Vec::new();
    for path in files {
        match parquet_file::read(path, &mut frames) {
            Err(LogError::NotALog { .. }) if lenient => torn(path),
            result => result?,
        }
    }
    frames.sort_by_key(|logged| logged.position);
    Ok(frames)
}

/// Reads a segment batch by batch.
pub(crate) fn read_segment(
    path: &Path,
    take: &mut impl FnMut(DetectionBatch),
    torn: &mut impl FnMut(&Path),
) -> Result<(), LogError> {
    let unreadable = |source| LogError::Unreadable { path: path.to_owned(), source };
    let file = File::open(path).map_err(unreadable)?;
    // A file that was cut off before its head was whole holds nothing.
    if file.metadata().map_err(unreadable)?.len() == 0 {
        torn(path);
        return Ok(());
    }
    let reader = StreamReader::try_new(BufReader::new(file), None).map_err(parquet_file::not_a_log(path))?;
    for batch in reader {
        let Ok(batch) = batch else {
            torn(path);
            break;
        };
        let batch = DetectionBatch::from_record_batch(batch);
        take(batch.map_err(|source| LogError::Schema { path: path.to_owned(), source })?);
    }
    Ok(())
}
