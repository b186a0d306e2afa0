//! The workers: each takes the most urgent camera, decodes its picture, asks the models and hands the answer on.
//!
//! Design decision: decode and detect run on the same thread, one after the other. A picture never waits
//! between them, its pixels never change core, and the number of threads is the number of cores.

pub mod cascade;
mod further;
mod report;
pub mod rules;
mod worker;

pub use cascade::CascadeOutcome;
pub use worker::{Handover, ModelSet, Workbench, Worker};
