//! Reads the log.

use super::write::files;
use super::{Entry, RULING_EXTENSION};
use arrow_ipc::reader::StreamReader;
use citybrain_types::{DetectionBatch, SchemaError};
use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

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
}

/// Reads the frames of a log, without what was decided between them; see [`read_entries`].
///
/// # Errors
/// [`LogError`] for the first file that cannot be read or is no log.
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
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        move |source| LogError::Unreadable { path, source }
    };
    let paths: Vec<PathBuf> = match path.is_dir() {
        true => files(path).map_err(unreadable(path))?.into_iter().map(|(path, _)| path).collect(),
        false => vec![path.to_owned()],
    };
    for path in paths {
        let file = File::open(&path).map_err(unreadable(&path))?;
        // A file that was cut off before its head was whole holds nothing.
        if file.metadata().map_err(unreadable(&path))?.len() == 0 {
            torn(&path);
            continue;
        }
        if path.extension().is_some_and(|extension| extension == RULING_EXTENSION) {
            match serde_json::from_reader(BufReader::new(file)) {
                Ok(ruling) => take(Entry::Ruling(ruling)),
                Err(error) if error.is_eof() => torn(&path),
                Err(error) => return Err(LogError::NotALog { path, problem: error.to_string() }),
            }
            continue;
        }
        let reader = StreamReader::try_new(BufReader::new(file), None)
            .map_err(|error| LogError::NotALog { path: path.clone(), problem: error.to_string() })?;
        for batch in reader {
            let Ok(batch) = batch else {
                torn(&path);
                break;
            };
            let batch = DetectionBatch::from_record_batch(batch);
            take(Entry::Frames(batch.map_err(|source| LogError::Schema { path: path.clone(), source })?));
        }
    }
    Ok(())
}
