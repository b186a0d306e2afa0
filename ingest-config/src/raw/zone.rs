//! `[[cameras.zones]]`

use std::collections::BTreeMap;

use super::calendar::RawDay;
use schemars::JsonSchema;
use serde::Deserialize;

/// A part of a camera's picture with rules of its own: the road for water, the pavement for litter, a site for
/// construction, or a screen that shows fires all day.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawZone {
    /// What people call it.
    #[schemars(length(min = 1, max = 200))]
    pub name: Option<String>,
    /// Its outline: at least three corners `[x, y]`, in fractions of the picture from its upper left corner.
    #[schemars(required)]
    pub polygon: Option<Vec<[f64; 2]>>,
    /// Codes of the kinds it is for; every kind of the camera when not given.
    #[schemars(length(min = 1, max = 256))]
    pub kinds: Option<Vec<String>>,
    /// Nothing in it counts for its kinds.
    #[serde(default)]
    pub ignore: bool,
    /// The smallest box that counts in it, as a share of the picture.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub min_size: f64,
    /// Hit scores in it, by code of the kind.
    #[serde(default)]
    pub hit_scores: BTreeMap<String, f64>,
    /// Days on which it is in force; every day when not given.
    #[schemars(length(min = 1, max = 7))]
    pub days: Option<Vec<RawDay>>,
    /// When on these days it comes into force, `HH:MM` in the city's time.
    #[schemars(length(min = 5, max = 5))]
    pub from: Option<String>,
    /// When it goes out of force, `HH:MM`; at or before `from`, that of the next day.
    #[schemars(length(min = 5, max = 5))]
    pub to: Option<String>,
}
