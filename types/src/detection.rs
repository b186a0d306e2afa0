//! What leaves the pipeline: for each frame that was looked at, or could not be, what was found in it.

use crate::{BoundingBox, CameraId, EventKind, Label, ModelId, SnapshotRef, Timestamp};
use serde::{Deserialize, Serialize};

/// A calibrated probability, `0..=1`, never NaN.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f32", into = "f32")]
pub struct Score(f32);

impl Score {
    /// `None` when the number is NaN or outside `0..=1`.
    #[must_use]
    pub fn new(value: f32) -> Option<Self> {
        (0.0..=1.0).contains(&value).then_some(Self(value))
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> f32 {
        self.0
    }
}

impl TryFrom<f32> for Score {
    type Error = String;
    fn try_from(value: f32) -> Result<Self, String> {
        Self::new(value).ok_or_else(|| format!("score {value} is not within 0..=1"))
    }
}

impl From<Score> for f32 {
    fn from(score: Score) -> f32 {
        score.0
    }
}

/// One scored box of one kind in one frame.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Detection {
    /// The kind of event it speaks for.
    pub kind: EventKind,
    /// What the model called it.
    pub label: Label,
    /// How sure the model is, calibrated.
    pub score: Score,
    /// Where in the frame.
    pub bbox: BoundingBox,
    /// How much this place differs from the camera's own past, from 0 (as it always was) to 1; `None` where nothing was
    /// compared.
    #[serde(default)]
    pub change: Option<Score>,
}

/// Why a look that was due saw nothing at all. A camera that is not seen is an event, not "no fire".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotSeen {
    /// The camera is not connected.
    Disconnected,
    /// It is connected, but no keyframe came.
    Stalled,
    /// The keyframe could not be decoded.
    Undecodable,
    /// Something is in front of the lens.
    Covered,
    /// The picture has lost its focus.
    Defocused,
    /// The picture does not change at all.
    Frozen,
    /// There is nothing to be seen.
    Black,
    /// Most of the picture is as bright as can be.
    OverExposed,
    /// The camera shows another place than its reference picture.
    Turned,
    /// The stream's time runs faster or slower than the clock: when its pictures were taken is not known.
    ClockDrift,
    /// Less than half of the usual pictures come.
    LowFrameRate,
    /// Packets are lost on the way.
    PacketLoss,
}

/// Why a frame was decoded and still no model answered for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoAnswer {
    /// The runtime refused to run the graph.
    RuntimeError,
    /// The output holds NaN or a score outside `0..=1`.
    InvalidOutput,
}

/// Whether a frame was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FrameOutcome {
    /// A model answered; no detections means that nothing was found.
    Analysed,
    /// There was no frame to look at.
    NotSeen(NotSeen),
    /// There was a frame, but no usable answer.
    NoAnswer(NoAnswer),
}

impl FrameOutcome {
    /// The outcome's name, as stored in the log and used as a metric label.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Analysed => "analysed",
            Self::NotSeen(NotSeen::Disconnected) => "disconnected",
            Self::NotSeen(NotSeen::Stalled) => "stalled",
            Self::NotSeen(NotSeen::Undecodable) => "undecodable",
            Self::NotSeen(NotSeen::Covered) => "covered",
            Self::NotSeen(NotSeen::Defocused) => "defocused",
            Self::NotSeen(NotSeen::Frozen) => "frozen",
            Self::NotSeen(NotSeen::Black) => "black",
            Self::NotSeen(NotSeen::OverExposed) => "over_exposed",
            Self::NotSeen(NotSeen::Turned) => "turned",
            Self::NotSeen(NotSeen::ClockDrift) => "clock_drift",
            Self::NotSeen(NotSeen::LowFrameRate) => "low_frame_rate",
            Self::NotSeen(NotSeen::PacketLoss) => "packet_loss",
            Self::NoAnswer(NoAnswer::RuntimeError) => "runtime_error",
            Self::NoAnswer(NoAnswer::InvalidOutput) => "invalid_output",
        }
    }

    /// The outcome of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [
            Self::Analysed,
            Self::NotSeen(NotSeen::Disconnected),
            Self::NotSeen(NotSeen::Stalled),
            Self::NotSeen(NotSeen::Undecodable),
            Self::NotSeen(NotSeen::Covered),
            Self::NotSeen(NotSeen::Defocused),
            Self::NotSeen(NotSeen::Frozen),
            Self::NotSeen(NotSeen::Black),
            Self::NotSeen(NotSeen::OverExposed),
            Self::NotSeen(NotSeen::Turned),
            Self::NotSeen(NotSeen::ClockDrift),
            Self::NotSeen(NotSeen::LowFrameRate),
            Self::NotSeen(NotSeen::PacketLoss),
            Self::NoAnswer(NoAnswer::RuntimeError),
            Self::NoAnswer(NoAnswer::InvalidOutput),
        ]
        .into_iter()
        .find(|outcome| outcome.name() == name)
    }
}

/// When a frame passed each stage of the pipeline. `captured_at` lives on the frame itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StageTimes {
    /// The whole keyframe had arrived.
    pub received_at: Timestamp,
    /// A worker took it out of its camera's mailbox.
    pub scheduled_at: Timestamp,
    /// It was decoded and scaled.
    pub decoded_at: Timestamp,
    /// The model had answered.
    pub detected_at: Timestamp,
}

/// Pictures kept of a detection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Snapshots {
    /// The frame with its boxes drawn.
    pub at: SnapshotRef,
    /// The last frame of the same camera in which nothing was found, where there was one.
    pub before: Option<SnapshotRef>,
}

/// That a model was not asked in its turn but because of what another one had found in the same frame.
///
/// Its answer has the last word on the kinds it looked for within `region`: there it counts in place of the frame that
/// asked, which follows it in the log. So a reader that goes through the log in order has the answer at hand when it
/// comes to the question, and needs to wait for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    /// Sequence number of the frame whose detections asked, of the same camera and moment; higher than this one's.
    pub by: u64,
    /// The part of the picture that was looked at.
    pub region: BoundingBox,
}

/// All that one model, or several, said of one frame of one camera. Empty of detections it is a heartbeat.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FrameDetections {
    /// Which camera.
    pub camera: CameraId,
    /// Numbers the looks of one camera, rising, across restarts (it starts at the microsecond of the start).
    /// `camera` and `sequence` together name a frame once.
    pub sequence: u64,
    /// When the picture was taken, as well as it is known on this machine's clock.
    pub captured_at: Timestamp,
    /// Which model answered, or was to answer.
    pub model: ModelId,
    /// Whether it did.
    pub outcome: FrameOutcome,
    /// Where another model's detections asked for this answer; `None` for a look in its turn, at the whole picture.
    pub asked: Option<Asked>,
    /// Kinds that were looked for; a kind in here and not in `detections` was looked for and not found.
    pub looked_for: Vec<EventKind>,
    /// What was found, above the log's floor.
    pub detections: Vec<Detection>,
    /// Pictures, where some were kept.
    pub snapshots: Option<Snapshots>,
    /// A snapshot was due and could not be written, for instance because the disk is full.
    pub snapshot_lost: bool,
    /// When the frame passed each stage.
    pub stages: StageTimes,
}
