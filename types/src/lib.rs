//! What crosses a crate or a process: ids, time, geometry, detections and the public form of cases.
//!
//! Design decision: every room speaks these types and nothing of a sibling's, so a room can be replaced or
//! moved to another machine without its neighbours noticing. Constructors hold the invariants (a score is
//! `0..=1`, a box lies in the picture, an id is printable), so a stage never checks what an earlier one made.
#![forbid(unsafe_code)]

pub mod camera;
mod camera_parts;
pub mod case;
pub mod clock;
pub mod delivery;
pub mod detection;
pub mod detection_batch;
pub mod focus;
pub mod geometry;
pub mod id;
pub mod kind;
mod photo;
mod schema;
pub mod time;

pub use camera::{CameraDirectory, CameraFault, CameraState, CameraStatus, FailReason, FaultKind};
pub use camera_parts::{
    CameraParts, ConfigChange, ConfigRefusal, Configurator, MAX_CORNERS, MAX_PARTS, ZonePart,
};
pub use case::{
    Acceptance, Card, Case, CaseAction, CaseChange, CaseState, Casework, ClockStage, Level, Priority,
    Reminders, Source, StageClock, VoidReason,
};
pub use clock::{Clock, ManualClock, SystemClock};
pub use delivery::{Delivery, DeliveryState};
pub use detection::{
    Asked, Detection, FrameDetections, FrameOutcome, NoAnswer, NotSeen, Score, Snapshots, StageTimes,
};
pub use detection_batch::{DetectionBatch, SchemaError};
pub use focus::FocusRequest;
pub use geometry::{BoundingBox, GeometryError, Polygon};
pub use id::{CameraId, CaseId, DepartmentId, DestinationId, IdError, IncidentId, ModelId, SnapshotRef};
pub use kind::{EventKind, Label};
pub use photo::PhotoCover;
pub use time::{Duration, Timestamp};
