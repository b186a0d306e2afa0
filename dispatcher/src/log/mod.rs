//! The detection log: every frame that was taken, in the order in which it was judged, and what was decided between them.
//!
//! Design decision: Arrow streams, a file for each start and again when one is full. A stream is written to its end all
//! the time, so what a crash leaves is whole up to its last batch. A [`Ruling`] is a JSON file of its own between two
//! streams: it is rare, of another shape, and may be large. Files are read in the order of their names, which rise. What
//! is decided depends on nothing but the log and the configuration: [`crate::replay`] reads it and decides again.

mod read;
mod write;

pub use read::{LogError, read, read_entries};
pub(crate) use write::{LogWriter, run};

use crate::ruling::Ruling;
use citybrain_types::DetectionBatch;

/// Ending of the name of a file of frames.
pub const EXTENSION: &str = "arrows";
/// Ending of the name of a ruling's file.
pub const RULING_EXTENSION: &str = "json";
/// Folder of the log below the data folder.
pub const LOG_FOLDER: &str = "detections";

/// What stands in the log.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// Frames that were taken.
    Frames(DetectionBatch),
    /// What was decided between them.
    Ruling(Ruling),
}
