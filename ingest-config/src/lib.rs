//! Configuration of a city: raw → validated → resolved.
//!
//! Design decision: a file with five mistakes is answered with five problems, each with its place and the fix. So the
//! text is parsed once with the place of every key; the document is walked along the JSON Schema (which the raw types
//! generate) and what is wrong is reported and taken out, or put right where it is plain what was meant; each
//! remaining table is read on its own; then values and references are checked. One mistake is one problem: whatever
//! follows from a mistake that is already told stays silent. A city exists only when nothing is wrong.
//!
//! ```text
//! source ─▶ document (shape_check) ─▶ row (raw) ─▶ validate ─▶ resolved::City ─▶ warnings
//! ```
#![forbid(unsafe_code)]

mod catalogue;
mod check;
mod command_line;
mod document;
mod edit;
mod include;
mod load;
mod names;
mod place;
pub mod policy;
mod problem;
pub mod raw;
mod reference;
mod reload;
pub mod resolved;
mod row;
mod schema;
mod shape;
mod shape_check;
mod source;
mod suggestion;
mod unserved;
mod validate;
mod warnings;

pub use check::{Report, Summary, check, check_with};
pub use edit::{Edit, EditError, camera_parts};
pub use load::{FILE_NAME, Loaded, load, load_with};
pub use problem::{ConfigErrors, MAX_PROBLEMS, Problem};
pub use reference::reference_markdown;
pub use reload::Change;
pub use resolved::City;
pub use schema::schema_json;
pub use source::MAX_TOTAL_BYTES;
pub use validate::Environment;
