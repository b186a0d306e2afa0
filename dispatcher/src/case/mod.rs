//! From incidents to cases on file: what a department must handle, with the whole trail.
//!
//! Design decision: commit, then tell. A case change, its trail, its deliveries and how far the cameras were
//! judged are one transaction. The one exception is the pre-alarm of a fire: it is handed to its destinations
//! while the commit is under way, under the id and key it has in the outbox, so that whichever comes first,
//! the receiver sees one.

//! Who changes a case: incidents (`stage`), people (`action`, by way of `desk`) and the time that passes (`clocks`, by
//! way of `timers`). Each decision is pure; a case is read, decided and written under its version, so that whoever
//! comes second decides again.

pub mod action;
pub mod calendar;
pub mod clocks;
pub mod file;
pub mod reminders;
pub mod report;
pub mod routing;
pub mod state;
pub mod verdict;

mod answers;
mod desk;
mod join;
mod recheck;
mod stage;
mod timers;

pub use desk::OrderError;

pub(crate) use answers::{QUEUE as ANSWER_QUEUE, run as run_answers};
pub(crate) use desk::Desk;
pub(crate) use recheck::{Glance, Recheck, run as run_recheck};
pub(crate) use stage::{CaseStage, run};
pub(crate) use timers::run as run_timers;
