//! What a what-if leads to, as data: the page, the command and the tests read this.

use super::proposal::Scope;
use super::remark::Remark;
use super::truth::Verdict;
use citybrain_ingest_config::policy::Policy;
use citybrain_types::{BoundingBox, CameraId, EventKind, IncidentId, Snapshots, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Most gained or lost cases that a report lists for one policy; how many there are is told apart.
pub const MAX_LISTED: usize = 200;
/// Most gaps that a report lists.
pub const MAX_GAPS: usize = 200;

/// What the log leads to under each policy.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Report {
    /// The whole log was read. A report that is not is a first view of the beginning of the log.
    pub complete: bool,
    /// What was read.
    pub log: LogSummary,
    /// The cameras of which everything below is told.
    pub scope: Scope,
    /// The policy in force, first.
    pub policies: Vec<Outcome>,
    /// Curves over the policies that differ in the hit score alone.
    pub curves: Vec<Curve>,
    /// Policies that meet what was asked for.
    pub suggestions: Vec<Suggestion>,
    /// What to know before a number is believed.
    pub warnings: Vec<Remark>,
}

/// What was read of the log.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LogSummary {
    /// The first frame.
    pub from: Option<Timestamp>,
    /// The last frame.
    pub to: Option<Timestamp>,
    /// Days between the two.
    pub days: f64,
    /// Days that cameras were watched, summed over them: gaps do not count.
    pub camera_days: f64,
    /// Cameras with at least one frame.
    pub cameras: u64,
    /// Frames.
    pub frames: u64,
    /// Detections.
    pub detections: u64,
    /// Times in which a camera was not watched, the longest first, at most [`MAX_GAPS`].
    pub gaps: Vec<Gap>,
    /// How many there are.
    pub gaps_in_all: u64,
    /// Files that a crash has cut off, or that cannot be read; what is whole in them was read.
    pub torn_files: u64,
}

/// A time in which nothing was logged of a camera.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Gap {
    /// The camera.
    pub camera: CameraId,
    /// The last frame before.
    pub from: Timestamp,
    /// The first frame after.
    pub to: Timestamp,
}

/// What one policy leads to.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Outcome {
    /// What people call it.
    pub name: String,
    /// The policy.
    pub policy: Policy,
    /// All kinds together.
    pub all: Figures,
    /// By kind.
    pub by_kind: BTreeMap<EventKind, Figures>,
    /// Cases by camera; a camera without one is left out.
    pub by_camera: BTreeMap<CameraId, u64>,
    /// Cases that the policy in force does not open; at most [`MAX_LISTED`].
    pub gained: Vec<CaseSketch>,
    /// How many there are.
    pub gained_in_all: u64,
    /// Cases that only the policy in force opens; at most [`MAX_LISTED`].
    pub lost: Vec<CaseSketch>,
    /// How many there are.
    pub lost_in_all: u64,
    /// What to know before it is put in force, with numbers.
    pub warnings: Vec<Remark>,
}

/// The numbers of one policy.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Figures {
    /// Cases opened.
    pub cases: u64,
    /// Those of them that were withdrawn at once, as an alarm that turned out false.
    pub withdrawn: u64,
    /// Cases a day.
    pub cases_per_day: f64,
    /// Cases for each camera and day that it was watched.
    pub cases_per_camera_day: f64,
    /// Of the cases that are known to be real or not, the share that is real.
    pub precision: Option<Share>,
    /// Of the events that are known, the share that has a case.
    pub recall: Option<Share>,
    /// From when an event could be seen to its case.
    pub delay: Option<Delay>,
}

/// A share and what it was counted from.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Share {
    /// `hits / of`.
    pub share: f64,
    /// How many.
    pub hits: u64,
    /// Of how many.
    pub of: u64,
}

/// Delays, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Delay {
    /// Half are not longer.
    pub median_secs: f64,
    /// Nine of ten are not longer.
    pub p90_secs: f64,
    /// The longest.
    pub max_secs: f64,
}

/// A case as a policy opens it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CaseSketch {
    /// Its id.
    pub incident: IncidentId,
    /// The camera that saw it first.
    pub camera: CameraId,
    /// The kind.
    pub kind: EventKind,
    /// First seen.
    pub first_seen_at: Timestamp,
    /// Opened.
    pub opened_at: Timestamp,
    /// Seen last.
    pub last_seen_at: Timestamp,
    /// Where, in the picture of that camera.
    pub place: BoundingBox,
    /// The highest score.
    pub score: f32,
    /// It was withdrawn, as an alarm that turned out false.
    pub withdrawn: bool,
    /// What is known of it.
    pub verdict: Option<Verdict>,
    /// Pictures that were kept of it.
    pub snapshots: Option<Snapshots>,
}

/// A curve over hit scores, for one kind.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Curve {
    /// The kind.
    pub kind: EventKind,
    /// For which cameras.
    pub scope: Scope,
    /// By rising hit score.
    pub points: Vec<CurvePoint>,
    /// Cases a camera and day that are to be had at most, where that was said.
    pub budget: Option<f64>,
}

/// One policy on a curve.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct CurvePoint {
    /// Which of the report's policies.
    pub policy: usize,
    /// Its hit score.
    pub hit_score: f32,
    /// Its numbers for the kind of the curve.
    pub figures: Figures,
}

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// At most so many cases a camera and day.
    Budget(f64),
    /// At most this share of events missed.
    MissRate(f64),
}

/// The policy that meets a goal.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Suggestion {
    /// The kind.
    pub kind: EventKind,
    /// For which cameras.
    pub scope: Scope,
    /// What was asked for.
    pub goal: Goal,
    /// Which of the report's policies; `None` when none meets it.
    pub policy: Option<usize>,
    /// Why, as numbers.
    pub because: Because,
    /// The same in words.
    pub why: String,
}

/// Why a policy is suggested, or none. Cases are for each camera and day.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Because {
    /// Of those within the budget it catches most.
    Within {
        /// What it opens.
        cases: f64,
        /// The budget.
        budget: f64,
        /// Of the known events, those that it catches; `None` when no event is known, and it is the one that opens most.
        recall: Option<Share>,
    },
    /// None is within the budget.
    TooMany {
        /// The budget.
        budget: f64,
        /// The fewest that one opens.
        fewest: f64,
    },
    /// The chance that it misses the next event is bounded.
    Promised {
        /// Events that it misses.
        missed: u64,
        /// Of so many that are known.
        of: u64,
        /// `(missed + 1) / (of + 1)`.
        bound: f64,
        /// What it opens.
        cases: f64,
    },
    /// So few events are known that nothing can be promised.
    TooFewEvents {
        /// The rate that was asked for.
        rate: f64,
        /// So many events are needed.
        needed: u64,
        /// So many are known.
        of: u64,
    },
    /// None misses few enough.
    MissesTooMany {
        /// So many events are known.
        of: u64,
    },
}

impl std::fmt::Display for Because {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Within { cases, budget, recall: Some(recall) } => write!(
                f,
                "{cases:.4} cases a camera and day are within {budget}; it catches {} of {} known events, as many as any within it",
                recall.hits, recall.of
            ),
            Self::Within { cases, budget, recall: None } => write!(
                f,
                "{cases:.4} cases a camera and day are within {budget}; no event is known, so it is the one that opens most within it"
            ),
            Self::TooMany { budget, fewest } => write!(
                f,
                "no policy opens at most {budget} cases a camera and day; the fewest are {fewest:.4}"
            ),
            Self::Promised { missed, of, bound, cases } => write!(
                f,
                "it misses {missed} of {of} known events, so the next with a chance of at most ({missed} + 1) / ({of} + 1) = \
                 {bound:.4}, at {cases:.4} cases a camera and day"
            ),
            Self::TooFewEvents { rate, needed, of } => {
                write!(
                    f,
                    "a miss rate of {rate} can be promised from {needed} known events on; there are {of}"
                )
            }
            Self::MissesTooMany { of } => write!(f, "no policy misses few enough of the {of} known events"),
        }
    }
}
