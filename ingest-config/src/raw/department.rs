//! `[[departments]]`

use schemars::JsonSchema;
use serde::Deserialize;

/// A department that handles cases.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawDepartment {
    /// Its id: letters, digits, `-`, `_` and `.`, at most 64 characters, unique in the city.
    #[schemars(required)]
    pub id: Option<String>,
    /// Name for people; the id when not given.
    #[schemars(length(min = 1, max = 200))]
    pub name: Option<String>,
    /// Ids of the `[[sinks]]` its cases are delivered to, all at once.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub destinations: Vec<String>,
    /// It gets every case that no route takes. One department is marked so, unless the last route takes everything.
    #[serde(default)]
    pub district_centre: bool,
}
