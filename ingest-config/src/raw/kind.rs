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
    /// From case to handled; 240 for a new kind.
    #[schemars(range(min = 1.0, max = 525600.0))]
    pub handle_within_minutes: Option<f64>,
    /// How detections become evidence. A new kind starts from values that suit its `look_interval_secs`.
    #[serde(default)]
    pub evidence: RawEvidence,
}
