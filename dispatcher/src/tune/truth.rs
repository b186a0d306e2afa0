//! What is known of what really happened: verdicts on cases, and events.

use citybrain_types::{CameraId, EventKind, IncidentId, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a person says of a case, or of a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It was there.
    Real,
    /// It was not.
    False,
    /// It was there, and another case tells of it.
    Duplicate,
    /// It cannot be said.
    Unsure,
}

/// What a verdict is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum About {
    /// A case, by the id that it shares with its incident.
    Case {
        /// The incident.
        incident: IncidentId,
    },
    /// A kind in a camera at a moment, whether there was a case or not.
    Moment {
        /// The camera.
        camera: CameraId,
        /// The kind.
        kind: EventKind,
        /// The moment.
        at: Timestamp,
        /// The end of it, where it lasted.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
    },
}

/// One verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Judgement {
    /// On what.
    #[serde(flatten)]
    pub about: About,
    /// What it is.
    pub verdict: Verdict,
}

/// Something that is known to have happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KnownEvent {
    /// The camera that could see it.
    pub camera: CameraId,
    /// The kind.
    pub kind: EventKind,
    /// When it could be seen first.
    pub from: Timestamp,
    /// When it was gone.
    pub to: Timestamp,
}

/// All that is known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Truth {
    /// Verdicts.
    pub verdicts: Vec<Judgement>,
    /// Events.
    pub events: Vec<KnownEvent>,
    /// The events are all there were: a case that belongs to none is false. Else only verdicts say what is false.
    pub complete: bool,
}
