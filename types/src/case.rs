//! A case in its public form: what departments, the API and the console see.

use crate::{BoundingBox, CameraId, CaseId, DepartmentId, EventKind, IncidentId, Snapshots, Timestamp};
use serde::{Deserialize, Serialize};

macro_rules! named_states {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name {
            $($(#[$vdoc])* $variant,)+
        }

        impl $name {
            /// Every value, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The name, as stored, sent and used as a metric label.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }

            /// The value of that name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.name() == name)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
    /// The camera that saw it first.
    pub camera: CameraId,
    /// Where in that camera's picture.
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
}

/// One line of a case's trail: who did what, when, why, and what they had seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseChange {
    /// The case.
    pub case: CaseId,
    /// The version this change made.
    pub version: u32,
    /// State before; `None` for the first.
    pub from: Option<CaseState>,
    /// State after.
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
