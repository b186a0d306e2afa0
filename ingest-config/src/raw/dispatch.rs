//! `[dispatch]`

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Budgets and limits from detection to delivery.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawDispatch {
    /// Deliveries under way at once.
    #[schemars(range(min = 1, max = 10000))]
    pub concurrent_deliveries: u32,
    /// Largest request body the API takes.
    #[schemars(range(min = 1024, max = 1073741824))]
    pub max_body_bytes: u64,
    /// A happening not seen for this long is over; the next sighting opens a new case.
    #[schemars(range(min = 1.0, max = 2592000.0))]
    pub incident_quiet_after_secs: f64,
    /// Evidence of one kind in one camera belongs to one happening within this distance between box centres, in
    /// fractions of the picture.
    #[schemars(range(min = 0.0, max = 1.5))]
    pub join_distance: f64,
    /// A camera not seen for this long opens a `camera_fault` case.
    #[schemars(range(min = 1.0, max = 2592000.0))]
    pub camera_fault_after_secs: f64,
    /// Room for the log of all detections, which `citybrain replay` and `citybrain tune` read; the oldest are removed
    /// first. None is written for 0. Takes effect at the next start.
    #[schemars(range(min = 0, max = 1125899906842624_u64))]
    pub log_budget_bytes: u64,
    /// How long the log is kept; as long as there is room when not given.
    #[schemars(range(min = 1, max = 36500))]
    pub log_retention_days: Option<u32>,
    /// Where the log is kept, for instance `s3://bucket/folder`; `detections` in the data folder when not given. Keys,
    /// region and endpoint are taken from the environment: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`,
    /// `AWS_ENDPOINT_URL`, and `AWS_ALLOW_HTTP=true` for one in clear. The last hour lies in the data folder in any case,
    /// and more, within `log_budget_bytes`, when the store does not answer. Takes effect at the next start.
    pub log_url: Option<String>,
    /// So many cases of one kind may be opened in one area within `storm_window_secs`; further sightings become one case
    /// of the area that lists its cameras. Kinds with a pre-alarm are not counted.
    #[schemars(range(min = 1, max = 100000))]
    pub storm_cases: u32,
    /// See `storm_cases`.
    #[schemars(range(min = 1.0, max = 86400.0))]
    pub storm_window_secs: f64,
    /// So many cases one camera may open in a day; what comes on top is counted and opens none. Kinds with a pre-alarm
    /// are not counted.
    #[schemars(range(min = 1, max = 100000))]
    pub cases_per_camera_and_day: u32,
}

impl Default for RawDispatch {
    fn default() -> Self {
        Self {
            concurrent_deliveries: 32,
            max_body_bytes: 1 << 20,
            incident_quiet_after_secs: 600.0,
            join_distance: 0.25,
            camera_fault_after_secs: 60.0,
            log_budget_bytes: 2 << 30,
            log_retention_days: None,
            log_url: None,
            storm_cases: 20,
            storm_window_secs: 600.0,
            cases_per_camera_and_day: 24,
        }
    }
}
