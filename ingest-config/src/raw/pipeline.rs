//! `[pipeline]`

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Budgets and limits from camera to detection.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawPipeline {
    /// Workers that decode and detect, one model session each; the number of cores when not given.
    #[schemars(range(min = 1, max = 1024))]
    pub workers: Option<u32>,
    /// Longest wait for a camera's connection to be made and answered.
    #[schemars(range(min = 0.1, max = 300.0))]
    pub connect_timeout_secs: f64,
    /// A camera without a keyframe for this long is stalled, and connected again. Longer than the longest distance
    /// between keyframes of any camera.
    #[schemars(range(min = 1.0, max = 3600.0))]
    pub stall_after_secs: f64,
    /// First wait before connecting again; it doubles, with jitter, up to `reconnect_max_secs`.
    #[schemars(range(min = 10, max = 3600000))]
    pub reconnect_min_ms: u64,
    /// Longest wait before connecting again.
    #[schemars(range(min = 0.1, max = 3600.0))]
    pub reconnect_max_secs: f64,
    /// Largest access unit (one coded picture) taken from a camera; larger ones are dropped.
    #[schemars(range(min = 65536, max = 268435456))]
    pub max_access_unit_bytes: u64,
    /// Disk for snapshots; the oldest are removed first.
    #[schemars(range(min = 1048576, max = 1125899906842624_u64))]
    pub snapshot_budget_bytes: u64,
    /// Disk for published detections that the dispatcher has not taken.
    #[schemars(range(min = 1048576, max = 1125899906842624_u64))]
    pub spool_budget_bytes: u64,
    /// Longest side of a stored snapshot.
    #[schemars(range(min = 64, max = 7680))]
    pub snapshot_max_side_px: u32,
    /// Kinds with a pre-alarm go strictly first until they have had so much of the workers' time; from then on the
    /// others get what is left.
    #[schemars(range(min = 10, max = 95))]
    pub urgent_share_percent: u8,
    /// What is done with a city that asks for more than this machine was measured to do.
    pub admission: RawAdmission,
    /// New connections to cameras are begun at most this often, at the start and after a failure of the network.
    #[schemars(range(min = 1, max = 10000))]
    pub connects_per_second: u32,
    /// A camera with `connection = "auto"` is polled when each of its kinds has an interval of at least this.
    #[schemars(range(min = 10.0, max = 2592000.0))]
    pub polled_from_secs: f64,
    /// Connections open at once to cameras that are polled.
    #[schemars(range(min = 1, max = 10000))]
    pub polled_connections: u32,
}

/// What is done with a city that does not fit on this machine.
#[derive(Deserialize, Serialize, JsonSchema, Default, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub enum RawAdmission {
    /// It is watched all the same; kinds without a pre-alarm are looked at less often, evenly, and it is said so.
    #[default]
    Stretch,
    /// It is not started; at a reload the city in force stays.
    Refuse,
}

impl Default for RawPipeline {
    fn default() -> Self {
        Self {
            workers: None,
            connect_timeout_secs: 10.0,
            stall_after_secs: 20.0,
            reconnect_min_ms: 1_000,
            reconnect_max_secs: 60.0,
            max_access_unit_bytes: 8 << 20,
            snapshot_budget_bytes: 10 << 30,
            spool_budget_bytes: 1 << 30,
            snapshot_max_side_px: 1_280,
            urgent_share_percent: 80,
            admission: RawAdmission::default(),
            connects_per_second: 50,
            polled_from_secs: 120.0,
            polled_connections: 64,
        }
    }
}
