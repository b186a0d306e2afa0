//! `[[routes]]`

use schemars::JsonSchema;
use serde::Deserialize;

/// Who is responsible for some kinds in some areas.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawRoute {
    /// Codes of the kinds it is for; all when not given.
    #[schemars(length(min = 1, max = 256))]
    pub kinds: Option<Vec<String>>,
    /// Areas it is for, as cameras name them; all when not given.
    #[schemars(length(min = 1, max = 10000))]
    pub areas: Option<Vec<String>>,
    /// Ids of the departments that get the case, all at once.
    #[schemars(required, length(min = 1, max = 64))]
    pub departments: Option<Vec<String>>,
}
