//! The detection log: every frame that was taken, in the order in which it was judged, and what was decided between them.
//!
//! Design decision: two steps. What is taken is first appended to a segment, an Arrow stream in the data folder: it is
//! written to its end all the time, so what a crash leaves is whole up to its last batch. A segment that is full, or an
//! hour old, becomes Parquet files by day and district in an object store (`day=2026-11-25/district=harbour/….parquet`),
//! sorted by camera and time, and is removed once they are there. All files of one segment have its name, and the name is
//! the position of its first frame: doing it again after a crash writes the same files, and a reader that finds both
//! reads the segment. A [`Ruling`] is a JSON file of its own between two segments, named by a position as well: it is
//! rare, of another shape, and may be large. What is decided depends on nothing but the log and the configuration:
//! [`crate::replay`] reads it and decides again.

mod bring;
mod compact;
mod district;
mod parquet_file;
mod read;
mod rows;
mod rulings;
mod store;
mod write;

pub use bring::bring;
pub(crate) use compact::Compactor;
pub use compact::{CompactError, compact_all, write_segment};
pub(crate) use parquet_file::{not_a_log, open};
pub use read::{LogError, Part, parts, read, read_entries};
pub(crate) use read::{is_gone, read_ruling, read_segment, same_part};
pub use rows::{Logged, ROWS_VERSION, ROWS_VERSION_KEY};
pub(crate) use rows::{joined as join, schema as rows_schema, split};
pub use store::{LogStore, StoreAddressError};
pub use write::LogWriter;
pub(crate) use write::run;

use crate::ruling::Ruling;
use citybrain_types::DetectionBatch;

/// Ending of a segment's name.
pub const EXTENSION: &str = "arrows";
/// Ending of a Parquet file's name.
pub const PARQUET: &str = "parquet";
/// Ending of the name of a ruling's file.
pub const RULING_EXTENSION: &str = "json";
/// Folder of the log below the data folder.
pub const LOG_FOLDER: &str = "detections";
/// Ending of a file that was set aside, since it cannot be read.
pub const TORN: &str = "torn";

/// What stands in the log.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// Frames that were taken.
    Frames(DetectionBatch),
    /// What was decided between them.
    Ruling(Ruling),
}
