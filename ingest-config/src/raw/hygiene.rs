//! `[[silences]]` and `[[permits]]`

use schemars::JsonSchema;
use serde::Deserialize;

/// Somebody says that some sightings open no case for a while. What is still there when it ends opens one then.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawSilence {
    /// Who says so.
    #[schemars(required, length(min = 1, max = 200))]
    pub author: Option<String>,
    /// Why.
    #[schemars(required, length(min = 1, max = 1000))]
    pub reason: Option<String>,
    /// From when on, for instance `2026-11-25T08:00:00+08:00`; from the beginning of time when not given.
    #[schemars(length(min = 1, max = 64))]
    pub from: Option<String>,
    /// Until when.
    #[schemars(required, length(min = 1, max = 64))]
    pub until: Option<String>,
    /// Codes of the kinds; all when not given.
    #[schemars(length(min = 1, max = 256))]
    pub kinds: Option<Vec<String>>,
    /// Ids of the cameras; all when not given.
    #[schemars(length(min = 1, max = 10000))]
    pub cameras: Option<Vec<String>>,
    /// Areas, as cameras name them; all when not given.
    #[schemars(length(min = 1, max = 10000))]
    pub areas: Option<Vec<String>>,
}

/// A register of permits: who may build where, and when. A kind with `needs_permit` opens no case inside a valid one.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawPermits {
    /// What people call it; cases cite it.
    #[schemars(required, length(min = 1, max = 200))]
    pub name: Option<String>,
    /// A GeoJSON (`.geojson`, `.json`) or CSV (`.csv`) file.
    #[schemars(length(min = 1, max = 4096))]
    pub file: Option<String>,
    /// An `http` or `https` address that answers with GeoJSON or CSV.
    #[schemars(length(min = 1, max = 2048))]
    pub url: Option<String>,
    /// How often it is read.
    #[serde(default = "every_secs")]
    #[schemars(range(min = 1.0, max = 2592000.0))]
    pub every_secs: f64,
}

const fn every_secs() -> f64 {
    900.0
}
