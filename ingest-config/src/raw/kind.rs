//! `[[kinds]]`

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::RawEvidence;

/// A row of the event catalogue. With the code of a built-in kind it changes only what it names.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawKind {
    /// Its code: lower-case letters, digits and `_`, starting with a letter, at most 64 characters.
    #[schemars(required)]
    pub code: Option<String>,
    /// What operators call it, by language tag, for instance `{ en = "Fire", zh = "火情" }`.
    #[serde(default)]
    pub names: BTreeMap<String, String>,
    /// Labels of models that speak for it. A new kind needs at least one.
    #[schemars(length(max = 256))]
    pub labels: Option<Vec<String>>,
    /// From visible to case. A new kind needs it.
    #[schemars(range(min = 1.0, max = 2592000.0))]
    pub deadline_secs: Option<f64>,
    /// A camera is looked at for this kind at least this often; at most `deadline_secs`. A new kind needs it.
    #[schemars(range(min = 0.1, max = 2592000.0))]
    pub look_interval_secs: Option<f64>,
    /// A pre-alarm goes out as soon as evidence opens, in parallel with the case; `false` for a new kind.
    pub pre_alarm: Option<bool>,
    /// An alarm has two steps: within this time from when it was first seen it is confirmed, or withdrawn from everyone
    /// who got it. 30 for fire; a kind without it is on file as soon as its evidence opens.
    #[schemars(range(min = 5.0, max = 86400.0))]
    pub confirm_within_secs: Option<f64>,
    /// Two cameras that see it this near to each other on the map see one happening; never for 0, which a new kind has.
    #[schemars(range(min = 0.0, max = 10000.0))]
    pub join_within_m: Option<f64>,
    /// Not seen for this long, a happening of this kind is over; `incident_quiet_after_secs` of `[dispatch]` when not given.
    #[schemars(range(min = 1.0, max = 2592000.0))]
    pub quiet_after_secs: Option<f64>,
    /// What comes back to its place within this time is a new case that names the old one; 168 (a week).
    #[schemars(range(min = 0.0, max = 8760.0))]
    pub recurs_within_hours: Option<f64>,
    /// What was withdrawn or refused as no case opens nothing at its place until it was not seen for this long; 72.
    #[schemars(range(min = 0.0, max = 8760.0))]
    pub rejected_for_hours: Option<f64>,
    /// Codes of kinds that open nothing near a happening of this one, because it explains them.
    #[schemars(length(max = 256))]
    pub inhibits: Option<Vec<String>>,
    /// It is a case only where no entry of the permit register covers the place and the moment.
    pub needs_permit: Option<bool>,
    /// From case to handled; 240 for a new kind.
    #[schemars(range(min = 1.0, max = 525600.0))]
    pub handle_within_minutes: Option<f64>,
    /// A department that has a case of this kind and has not taken it is told again this often;
    /// `cases.repeat_after_minutes` when not given.
    #[schemars(range(min = 1.0, max = 525600.0))]
    pub repeat_after_minutes: Option<f64>,
    /// How detections become evidence. A new kind starts from values that suit its `look_interval_secs`.
    #[serde(default)]
    pub evidence: RawEvidence,
}
