//! What a what-if leads to, as data: the page, the command and the tests read this.

use super::policy::{Policy, Scope};
use super::truth::Verdict;
use citybrain_types::{BoundingBox, CameraId, EventKind, IncidentId, Snapshots, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;
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
    /// The policy in force, first.
    pub policies: Vec<Outcome>,
    /// Curves over the policies that differ in the hit score alone.
    pub curves: Vec<Curve>,
    /// Policies that meet what was asked for.
    pub suggestions: Vec<Suggestion>,
    /// What to know before a number is believed.
    pub warnings: Vec<String>,
}

/// What was read of the log.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
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
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
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
    pub warnings: Vec<String>,
}

/// The numbers of one policy.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
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
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct Share {
    /// `hits / of`.
    pub share: f64,
    /// How many.
    pub hits: u64,
    /// Of how many.
    pub of: u64,
}

/// Delays, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct Delay {
    /// Half are not longer.
    pub median_secs: f64,
    /// Nine of ten are not longer.
    pub p90_secs: f64,
    /// The longest.
    pub max_secs: f64,
}

/// A case as a policy opens it.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
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
    /// Cases a day.
    pub cases_per_day: f64,
    /// Cases a camera and day.
    pub cases_per_camera_day: f64,
    /// Where known.
    pub precision: Option<f64>,
    /// Where known.
    pub recall: Option<f64>,
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
    /// Why, with the numbers.
    pub why: String,
}
