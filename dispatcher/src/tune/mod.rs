//! What another policy would have done: the log, judged again by the same evidence and incident code.
//!
//! [`WhatIf`] goes through a log once, under the policy in force and any number of others. It reads the columns that
//! evidence needs, keeps a city ([`street`]) for each policy, and holds what they open against each other and against
//! what is known. Memory is bounded by one part of the log (some hundred thousand frames) and the cases that are kept.

mod chunk;
mod columns;
mod draw;
mod figures;
mod frames;
mod proposal;
mod reading;
mod remark;
mod report;
mod runner;
mod street;
mod suggest;
mod truth;
mod what_if;

#[cfg(test)]
mod tests;

pub use draw::{ChartWords, cases_svg, escaped, shares_svg};
pub use proposal::{PolicyError, Proposal, Scope};
pub use remark::Remark;
pub use report::{
    Because, CaseSketch, Curve, CurvePoint, Delay, Figures, Gap, Goal, LogSummary, MAX_GAPS, MAX_LISTED,
    Outcome, Report, Share, Suggestion,
};
pub use runner::{Job, LONGEST, MOST_AT_ONCE, Runner};
pub use truth::{About, Judgement, KnownEvent, Truth, Verdict};
pub use what_if::{Asked, MAX_POLICIES, Per, Progress, TuneError, WhatIf};
