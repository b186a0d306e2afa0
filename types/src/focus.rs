//! The one message that travels from dispatcher to pipeline: look at this camera more often for a while.

use crate::{CameraId, EventKind, Timestamp};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Asks that a camera be looked at more often, to verify a fire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FocusRequest {
    /// Which camera.
    pub camera: CameraId,
    /// For which kind of event.
    pub kind: EventKind,
    /// Longest time between two looks while the request holds.
    pub look_interval: Duration,
    /// When the request lapses.
    pub until: Timestamp,
    /// An alarm was given, and is to be confirmed: models that wait for it are asked, too.
    pub verify: bool,
}
