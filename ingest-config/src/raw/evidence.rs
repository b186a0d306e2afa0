//! `[kinds.evidence]` and `[cameras.evidence.<kind>]`

use schemars::JsonSchema;
use serde::Deserialize;

/// How scored detections of one place in the picture add up to evidence.
///
/// Evidence is a log-odds that decays: `E ← clamp(E · 2^(−Δt / half_life) + llr(score), 0, max)`. It opens at
/// `open_at`, when also enough of the last looks were hits, and closes below `close_at` after `hold_secs`.
#[derive(Deserialize, JsonSchema, Default, Clone, Copy)]
#[serde(deny_unknown_fields)]
pub struct RawEvidence {
    /// Detections with a lower score say nothing. From 0.05 on they are logged all the same.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub log_floor: Option<f64>,
    /// A detection with this score or a higher one counts as a hit.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub hit_score: Option<f64>,
    /// Evidence loses half of itself in this time.
    #[schemars(range(min = 0.1, max = 2592000.0))]
    pub half_life_secs: Option<f64>,
    /// Evidence opens at this log-odds (natural logarithm).
    #[schemars(range(min = 0.0, max = 100.0))]
    pub open_at: Option<f64>,
    /// Evidence closes below this log-odds; lower than `open_at`.
    #[schemars(range(min = 0.0, max = 100.0))]
    pub close_at: Option<f64>,
    /// Evidence never exceeds this log-odds; at least `open_at`.
    #[schemars(range(min = 0.0, max = 100.0))]
    pub max: Option<f64>,
    /// How long evidence stays below `close_at` before it closes.
    #[schemars(range(min = 0.0, max = 2592000.0))]
    pub hold_secs: Option<f64>,
    /// At least this many hits …
    #[schemars(range(min = 1, max = 64))]
    pub hits_needed: Option<u32>,
    /// … among the last this many looks.
    #[schemars(range(min = 1, max = 64))]
    pub looks_counted: Option<u32>,
    /// What a place that differs wholly from the camera's own past (a dry road, an empty site) adds to the log-odds of a
    /// look; one that looks as it always did loses as much, and half a change says nothing. Nothing is compared for 0,
    /// nor before the camera has a past of a day.
    #[schemars(range(min = 0.0, max = 4.0))]
    pub change_nats: Option<f64>,
}
