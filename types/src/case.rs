//! A case in its public form: what departments, the API and the console see.

mod action;
mod clock;
mod named;

pub use action::{CaseAction, Source, VoidReason};
pub use clock::{Card, ClockStage, Level, StageClock};

use crate::{
    BoundingBox, CameraId, CaseId, DepartmentId, EventKind, IncidentId, SnapshotRef, Snapshots, Timestamp,
};
use named::named_states;
use serde::{Deserialize, Serialize};

named_states! {
    /// Where a case stands in its life.
    CaseState {
        /// 待受理: something was seen or told, nobody has looked at it yet.
        Reported = "reported",
        /// 核实: being verified, by a second model, a person or more evidence.
        Verifying = "verifying",
        /// 立案: it is real and on file.
        Filed = "filed",
        /// 派遣: handed to a department.
        Dispatched = "dispatched",
        /// 接单: the department has taken it.
        Accepted = "accepted",
        /// 处理中: being worked on.
        Handling = "handling",
        /// 核查: reported done, being re-checked.
        Rechecking = "rechecking",
        /// 结案: done.
        Closed = "closed",
        /// 作废: not a case, with a reason.
        Void = "void",
        /// 挂账: cannot be handled now.
        Suspended = "suspended",
        /// 回退: refused by the department.
        Returned = "returned",
        /// 转办: handed on to another department.
        Transferred = "transferred",
        /// 并案: joined to another case.
        Linked = "linked",
        /// 返工: found undone after it was reported done.
        Reopened = "reopened",
        /// 延期: given more time.
        Extended = "extended",
    }
}

named_states! {
    /// How soon a case must be taken up.
    Priority {
        /// In its turn.
        Normal = "normal",
        /// Within half an hour.
        Urgent = "urgent",
        /// At once: fire.
        Immediate = "immediate",
    }
}

/// A case as it stands at one version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Case {
    /// Deterministic, from the incident's first event.
    pub id: CaseId,
    /// Rises by one with every change.
    pub version: u32,
    /// The happening behind it.
    pub incident: IncidentId,
    /// What kind of event.
    pub kind: EventKind,
    /// Where it stands.
    pub state: CaseState,
    /// How soon it must be taken up.
    pub priority: Priority,
    /// The camera that saw it first; `None` when a person or another system has told of it.
    pub camera: Option<CameraId>,
    /// Where in that camera's picture; the whole of it where there is no camera.
    pub bbox: BoundingBox,
    /// Longitude and latitude in degrees (WGS 84), where the camera's position is known.
    pub position: Option<[f64; 2]>,
    /// The highest score so far.
    pub score: f32,
    /// The first frame in which it was seen.
    pub first_seen_at: Timestamp,
    /// The last frame in which it was seen.
    pub last_seen_at: Timestamp,
    /// When the case was opened.
    pub opened_at: Timestamp,
    /// When this version was made.
    pub updated_at: Timestamp,
    /// When it must have been handled.
    pub deadline_at: Option<Timestamp>,
    /// Departments it is handed to, all at once.
    pub departments: Vec<DepartmentId>,
    /// Pictures before and at detection.
    pub snapshots: Option<Snapshots>,
    /// What follows has been added since cases were first stored; a case of that time has the defaults.
    #[serde(flatten)]
    pub work: Casework,
}

/// Who works on a case, against which clocks, and how far that has come.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct Casework {
    /// Who or what told of it first.
    pub source: Source,
    /// Grid or area it lies in.
    pub area: Option<String>,
    /// What was told, in the words of who told it; at most 2,000 characters.
    pub description: Option<String>,
    /// Reports that joined it after it was opened.
    pub reports: u32,
    /// How far up it has been escalated.
    pub level: Level,
    /// Departments that were told because it was escalated.
    pub escalated_to: Vec<DepartmentId>,
    /// Points deducted for deadlines that passed.
    pub points: u32,
    /// The clocks, oldest first; those without `stopped_at` are running.
    pub clocks: Vec<StageClock>,
    /// What was used of the time for handling by clocks that were stopped since it was opened or reopened, in seconds.
    pub handled_secs: u64,
    /// Departments that have taken it, with the moment of each.
    pub accepted_by: Vec<Acceptance>,
    /// Departments that have done their part, with the moment of each.
    pub finished_by: Vec<Acceptance>,
    /// Departments that helped, and have returned it for their part, with the moment of each.
    pub declined_by: Vec<Acceptance>,
    /// How often those who have not taken it were told again, and when they are next.
    pub reminders: Option<Reminders>,
    /// The department that refused it, while that awaits approval.
    pub returned_by: Option<DepartmentId>,
    /// The state it goes back to when it is taken up again.
    pub suspended_from: Option<CaseState>,
    /// When a suspended case is to be looked at again.
    pub suspended_until: Option<Timestamp>,
    /// The case it was joined to.
    pub linked_to: Option<CaseId>,
    /// How many times it was found undone.
    pub reopened: u32,
    /// How many times its deadline was moved.
    pub extended: u32,
    /// Looks of the camera since it was reported done in which nothing was found.
    pub clear_looks: u32,
    /// The picture after, in which nothing is left.
    pub after: Option<SnapshotRef>,
    /// How satisfied whoever told of it is, 1 to 5.
    pub rating: Option<u8>,
    /// Pictures that people sent, at most 8.
    pub photos: Vec<SnapshotRef>,
}

/// A case that waits to be taken is told again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Reminders {
    /// Since when it waits.
    pub since: Timestamp,
    /// Up to when everybody was told.
    pub last_at: Timestamp,
    /// When somebody is told again; never any more when not given.
    pub next_at: Option<Timestamp>,
    /// How often somebody was.
    pub told: u32,
}

/// A department has taken a case, or done or returned its part of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Acceptance {
    /// Which.
    pub department: DepartmentId,
    /// When.
    pub at: Timestamp,
}

/// One line of a case's trail: who did what, when, why, and what they had seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CaseChange {
    /// The case.
    pub case: CaseId,
    /// The version this change made.
    pub version: u32,
    /// What was done, for instance `accept` or `red_card`; empty in trails written before this was kept.
    #[serde(default)]
    pub action: String,
    /// State before; `None` for the first.
    pub from: Option<CaseState>,
    /// State after; the same as before where something was only noted.
    pub to: CaseState,
    /// When.
    pub at: Timestamp,
    /// Who: `system`, a user or a department.
    pub by: String,
    /// Why, in words.
    pub reason: String,
    /// What was known at that moment, as JSON.
    pub seen: String,
}
