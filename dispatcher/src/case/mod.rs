//! From incidents to cases on file: what a department must handle, with the whole trail.
//!
//! Design decision: commit, then tell. A case change, its trail, its deliveries and how far the cameras were
//! judged are one transaction. The one exception is the pre-alarm of a fire: it is handed to its destinations
//! while the commit is under way, under the id and key it has in the outbox, so that whichever comes first,
//! the receiver sees one.

pub mod file;
pub mod state;
pub mod verdict;

mod stage;

pub(crate) use stage::{CaseStage, run};
