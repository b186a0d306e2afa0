//! `[cases]`

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How long each stage of a case may take, and what follows when it takes longer. Handling has its own time for each
/// kind, `kinds.handle_within_minutes`. Every clock but that of handling counts every hour.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawCases {
    /// From reported to on file.
    #[schemars(range(min = 1.0, max = 525600.0))]
    pub verify_within_minutes: f64,
    /// From on file to handed to a department.
    #[schemars(range(min = 1.0, max = 525600.0))]
    pub dispatch_within_minutes: f64,
    /// From handed to a department to taken by it.
    #[schemars(range(min = 1.0, max = 525600.0))]
    pub accept_within_minutes: f64,
    /// The same for a case that is urgent.
    #[schemars(range(min = 1.0, max = 525600.0))]
    pub accept_urgent_within_minutes: f64,
    /// The same for a fire.
    #[schemars(range(min = 0.1, max = 525600.0))]
    pub accept_immediate_within_minutes: f64,
    /// From reported done to closed or found undone.
    #[schemars(range(min = 1.0, max = 525600.0))]
    pub recheck_within_minutes: f64,
    /// From refused by a department to decided by the district centre.
    #[schemars(range(min = 1.0, max = 525600.0))]
    pub approve_within_minutes: f64,
    /// The yellow card is shown when this part of a clock's time is gone.
    #[schemars(range(min = 0.1, max = 0.99))]
    pub yellow_at: f64,
    /// Points deducted with a red card.
    #[schemars(range(min = 0, max = 1000))]
    pub red_card_points: u32,
    /// Points deducted with each further escalation.
    #[schemars(range(min = 0, max = 1000))]
    pub escalation_points: u32,
    /// So many looks of the camera that find nothing close a case that was reported done; as many that find it again
    /// reopen it.
    #[schemars(range(min = 1, max = 1000))]
    pub recheck_looks: u32,
    /// A report joins an open case of its kind that lies no further away than this, in metres.
    #[schemars(range(min = 0.0, max = 10000.0))]
    pub join_within_metres: f64,
    /// A department that has a case and has not taken it is told again this often; a kind or a destination may have an
    /// interval of its own.
    #[schemars(range(min = 1.0, max = 525600.0))]
    pub repeat_after_minutes: f64,
    /// It is told again so many times at most; never for 0.
    #[schemars(range(min = 0, max = 100))]
    pub repeats_at_most: u32,
}

impl Default for RawCases {
    fn default() -> Self {
        Self {
            verify_within_minutes: 30.0,
            dispatch_within_minutes: 30.0,
            accept_within_minutes: 1_440.0,
            accept_urgent_within_minutes: 30.0,
            accept_immediate_within_minutes: 2.0,
            recheck_within_minutes: 1_440.0,
            approve_within_minutes: 240.0,
            yellow_at: 0.75,
            red_card_points: 2,
            escalation_points: 1,
            recheck_looks: 3,
            join_within_metres: 80.0,
            repeat_after_minutes: 240.0,
            repeats_at_most: 6,
        }
    }
}
