//! The detection log: every frame that was taken, in the order in which it was judged.
//!
//! Design decision: Arrow streams, a file for each start and again when one is full. A stream is written to its end all
//! the time, so what a crash leaves is whole up to its last batch. What is decided depends on nothing but the log and
//! the configuration: [`crate::replay`] reads it and decides again.

mod read;
mod write;

pub use read::{LogError, read};
pub(crate) use write::{LogWriter, run};

/// Ending of a log file's name.
pub const EXTENSION: &str = "arrows";
/// Folder of the log below the data folder.
pub const LOG_FOLDER: &str = "detections";
