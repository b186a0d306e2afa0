//! What is known of a camera's connection.

use crate::{CameraId, EventKind, NotSeen, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Where a camera's connection stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum CameraState {
    /// A connection is being made, for the first time or again.
    Connecting,
    /// Keyframes arrive.
    Live,
    /// Connected, but no keyframe has come for longer than the configured limit.
    Stalled,
    /// Not connected; tried again at `retry_at`.
    Failed {
        /// The class of the failure.
        reason: FailReason,
        /// What the other side said, without credentials.
        detail: String,
        /// When the next attempt is made.
        retry_at: Timestamp,
    },
    /// Polled: not connected until its next turn. All is well.
    Resting {
        /// When its next picture is fetched.
        next_at: Timestamp,
    },
    /// A file has been played to its end.
    Ended,
}

impl CameraState {
    /// The state's name, as in the metric label `state`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Live => "live",
            Self::Stalled => "stalled",
            Self::Failed { .. } => "failed",
            Self::Resting { .. } => "resting",
            Self::Ended => "ended",
        }
    }
}

/// Why a camera cannot be seen.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum FailReason {
    /// The name does not resolve, or nobody listens.
    Unreachable,
    /// The camera did not answer in time.
    Timeout,
    /// User name or password was refused.
    Unauthorized,
    /// The path or file does not exist.
    NotFound,
    /// What came is not the protocol that was asked for.
    Protocol,
    /// No video track, or a codec that cannot be read.
    UnsupportedMedia,
    /// The stream ended or the connection was lost.
    Disconnected,
    /// Connected, but no keyframe came.
    NoKeyframes,
    /// Keyframes came, but none could be decoded.
    Undecodable,
    /// This program failed, not the camera.
    Internal,
}

impl FailReason {
    /// The reason's name, as in metric labels and log fields.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Timeout => "timeout",
            Self::Unauthorized => "unauthorized",
            Self::NotFound => "not_found",
            Self::Protocol => "protocol",
            Self::UnsupportedMedia => "unsupported_media",
            Self::Disconnected => "disconnected",
            Self::NoKeyframes => "no_keyframes",
            Self::Undecodable => "undecodable",
            Self::Internal => "internal",
        }
    }
}

/// What may be wrong with a camera that sends pictures.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// Something is in front of the lens.
    Covered,
    /// Edges are gone that were there.
    Defocused,
    /// The picture is the same to the last bit for long.
    Frozen,
    /// There is nothing to be seen.
    Black,
    /// Most of the picture is as bright as can be.
    OverExposed,
    /// It shows another place than its reference picture.
    Turned,
    /// Its media time runs faster or slower than the clock.
    ClockDrift,
    /// Less than half of the usual pictures a second.
    LowFrameRate,
    /// Packets are lost on the way.
    PacketLoss,
}

impl FaultKind {
    /// Every fault.
    pub const ALL: [Self; 9] = [
        Self::Covered,
        Self::Defocused,
        Self::Frozen,
        Self::Black,
        Self::OverExposed,
        Self::Turned,
        Self::ClockDrift,
        Self::LowFrameRate,
        Self::PacketLoss,
    ];

    /// The fault's name, as in metric labels and log fields.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Covered => "covered",
            Self::Defocused => "defocused",
            Self::Frozen => "frozen",
            Self::Black => "black",
            Self::OverExposed => "over_exposed",
            Self::Turned => "turned",
            Self::ClockDrift => "clock_drift",
            Self::LowFrameRate => "low_frame_rate",
            Self::PacketLoss => "packet_loss",
        }
    }

    /// As what a look through such a camera counts: it weighs nothing, for an event and against it.
    #[must_use]
    pub const fn blinds(self) -> NotSeen {
        match self {
            Self::Covered => NotSeen::Covered,
            Self::Defocused => NotSeen::Defocused,
            Self::Frozen => NotSeen::Frozen,
            Self::Black => NotSeen::Black,
            Self::OverExposed => NotSeen::OverExposed,
            Self::Turned => NotSeen::Turned,
            Self::ClockDrift => NotSeen::ClockDrift,
            Self::LowFrameRate => NotSeen::LowFrameRate,
            Self::PacketLoss => NotSeen::PacketLoss,
        }
    }
}

/// A fault of a camera, with its onset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CameraFault {
    /// What is wrong.
    pub fault: FaultKind,
    /// Since when.
    pub since: Timestamp,
}

/// A camera as the API, the console and the metrics show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CameraStatus {
    /// Which camera.
    pub camera: CameraId,
    /// Its address without credentials.
    pub address: String,
    /// Where its connection stands.
    #[serde(flatten)]
    pub state: CameraState,
    /// Since when.
    pub since: Timestamp,
    /// When its last keyframe came.
    pub last_keyframe_at: Option<Timestamp>,
    /// When it was last looked at by a model that answered.
    pub last_look_at: Option<Timestamp>,
    /// Codec and size of its stream, for instance `H.264 1280x720`.
    pub media: Option<String>,
    /// Connections made since the program started.
    pub connects: u64,
    /// The last look, as a snapshot, where one was kept.
    pub snapshot: Option<crate::SnapshotRef>,
    /// How much of the looks promised for each kind takes place, in percent: 50 means twice the interval.
    #[serde(default)]
    pub coverage: BTreeMap<EventKind, u8>,
    /// What is wrong with what it sends, in the order of onset.
    #[serde(default)]
    pub faults: Vec<CameraFault>,
}

/// Tells how every camera stands; the pipeline keeps it, the API and the console read it.
pub trait CameraDirectory: Send + Sync {
    /// All cameras, in the order of their ids.
    fn statuses(&self) -> Vec<CameraStatus>;
}
