//! From sightings to incidents: one happening in the city is one incident.
//!
//! A sighting joins an open incident of its kind that lies near it: in the picture of the same camera, or on the map
//! for another one. Not seen for the kind's quiet time, an incident is over; it is remembered, so that the next one at
//! its place can name it. An alarm with two steps is heard first ([`Hearing`]) and then confirmed or withdrawn; what
//! was withdrawn, or refused by a person, is remembered as well, and opens nothing while it stays there. A camera that
//! is not seen is an incident too, until it is back. [`Incidents`] is the decision, without clock or I/O; `run` is the
//! stage around it.

mod beginning;
mod book;
mod hearing;
mod id;
mod incidents;
mod join;
mod map;
mod pace;
mod stage;
mod storm;
mod words;

#[cfg(test)]
mod fire_tests;
#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod storm_tests;
#[cfg(test)]
mod test_street;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod trap_tests;

pub use hearing::{Hearing, Verdict};
pub use incidents::{Incidents, MAX_OPEN_INCIDENTS, MAX_REMEMBERED};
pub use map::{Located, Plane};
pub(crate) use pace::Watch;
pub(crate) use stage::{IncidentStage, Step, run};

use crate::evidence::{MicroNats, Sight};
use crate::permit::PermitFinding;
use citybrain_types::{BoundingBox, CameraId, EventKind, FrameOutcome, IncidentId, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Most lines of its reasons an incident keeps; the first are kept, since they say why it opened.
pub const MAX_REASONS: usize = 32;

/// One happening.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// From its first event; the case has the same.
    pub id: IncidentId,
    /// The camera that saw it first.
    pub camera: CameraId,
    /// What kind of event.
    pub kind: EventKind,
    /// Where it began, in the picture of that camera.
    pub place: BoundingBox,
    /// Where it was seen last, by any camera.
    pub last_place: BoundingBox,
    /// The highest score so far.
    pub score: f32,
    /// The first frame in which it was seen.
    pub first_seen_at: Timestamp,
    /// The last frame in which it was seen.
    pub last_seen_at: Timestamp,
    /// When it opened.
    pub opened_at: Timestamp,
    /// How far it has come.
    #[serde(default)]
    pub standing: Standing,
    /// Every camera that has seen it, with where and when.
    #[serde(default)]
    pub members: BTreeMap<CameraId, Member>,
    /// The incident that was at this place before, where one is remembered.
    #[serde(default)]
    pub previous: Option<IncidentId>,
    /// The area whose many sightings it stands for, where it does; its members are the cameras that saw them.
    #[serde(default)]
    pub storm_of: Option<String>,
    /// What the permit register says, where its kind needs a permit.
    #[serde(default)]
    pub permit: Option<PermitFinding>,
    /// Why it is what it is, in order.
    #[serde(default)]
    pub reasons: Vec<Reason>,
}

/// One camera's part in an incident.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// Where it began in its picture.
    pub place: BoundingBox,
    /// Where it was seen last in its picture.
    pub last_place: BoundingBox,
    /// When it was seen last.
    pub last_seen_at: Timestamp,
}

/// How far an incident has come.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Standing {
    /// It is open; one step was enough.
    #[default]
    Open,
    /// An alarm was given, and is being heard.
    Alarm(Hearing),
    /// The alarm was right.
    Confirmed {
        /// When that was known.
        at: Timestamp,
    },
    /// It is no case: the model that was asked denied the alarm, or a person said so. What is seen at its place opens nothing.
    Rejected {
        /// When that was known.
        at: Timestamp,
    },
    /// It is over, and remembered.
    Over {
        /// When that was known.
        at: Timestamp,
    },
}

impl Standing {
    /// Neither over nor rejected.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self, Self::Open | Self::Alarm(_) | Self::Confirmed { .. })
    }
}

/// One step on an incident's way, with the numbers that led to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reason {
    /// When the frame was taken that led to it.
    pub at: Timestamp,
    /// The camera.
    pub camera: CameraId,
    /// The number of the frame.
    pub sequence: u64,
    /// What happened.
    pub what: What,
}

/// What a [`Reason`] tells of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum What {
    /// Evidence of one camera crossed its threshold.
    Crossed {
        /// The score of the frame.
        score: f32,
        /// How much the place differs from the camera's own past, from 0 to 1, where that was compared.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        change: Option<f32>,
        /// Accumulated evidence, in millionths of a nat.
        evidence_micronats: MicroNats,
        /// The threshold, in millionths of a nat.
        open_at_micronats: MicroNats,
        /// Hits among the looks that count.
        hits: u32,
        /// How many looks count.
        looks_counted: u32,
    },
    /// Another camera sees it, too.
    Corroborated {
        /// The distance on the map to where it began, in metres, where both are known.
        distance_m: Option<f64>,
        /// It counts as a witness of its own, since it does not hang where another witness hangs.
        counts: bool,
    },
    /// The second step has ended.
    Heard {
        /// Confirmed, or withdrawn.
        confirmed: bool,
        /// What was weighed, in millionths of a nat.
        weight_micronats: MicroNats,
        /// By the model that was asked, where it was.
        second_micronats: Option<MicroNats>,
        /// Witnesses beside the first camera.
        witnesses: u32,
    },
    /// A person said that it is no case.
    Refused,
}

/// Why an incident opened.
#[derive(Debug, Clone, PartialEq)]
pub enum Cause {
    /// Evidence in the picture.
    Seen(Sight),
    /// The camera is not seen.
    CameraLost(FrameOutcome),
}

/// What became of an incident.
#[derive(Debug, Clone, PartialEq)]
pub enum IncidentChange {
    /// It began.
    Opened {
        /// As it stands.
        incident: Incident,
        /// Why.
        cause: Cause,
        /// When the frame that decided it was taken.
        captured_at: Timestamp,
    },
    /// It goes on; written down now and then.
    Seen(Incident),
    /// Its alarm was right.
    Confirmed {
        /// As it stands.
        incident: Incident,
        /// When the frame that decided it was taken.
        captured_at: Timestamp,
        /// When that was known.
        at: Timestamp,
    },
    /// Its alarm was wrong.
    Withdrawn {
        /// As it stands.
        incident: Incident,
        /// When the frame that decided it was taken.
        captured_at: Timestamp,
        /// When that was known.
        at: Timestamp,
    },
    /// It has not been seen for long enough, or the camera is back.
    Over {
        /// As it stood at last.
        incident: Incident,
        /// When that was known.
        at: Timestamp,
    },
    /// It is no open incident and not forgotten: what is seen at its place later has to do with it.
    Remembered(Incident),
    /// It plays no part any more.
    Forgotten(IncidentId),
    /// A sighting opened nothing.
    Held {
        /// The camera.
        camera: CameraId,
        /// What kind of event.
        kind: EventKind,
        /// Why.
        reason: Held,
    },
}

/// Why a sighting opened nothing and joined nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Held {
    /// It is at a place where the same was rejected, and still is there.
    Rejected,
    /// A happening of another kind explains it.
    Inhibited,
    /// Somebody has said that it opens no case for a while.
    Silenced,
    /// An entry of the permit register covers it.
    Permitted,
    /// Its camera has opened as many cases today as one camera may.
    OverBudget,
    /// It is one of so many of its kind in its area that they are one case.
    Storm,
}

impl Held {
    /// The reason's name, as in metric labels and log fields.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::Inhibited => "inhibited",
            Self::Silenced => "silenced",
            Self::Permitted => "permitted",
            Self::OverBudget => "over_budget",
            Self::Storm => "storm",
        }
    }
}
