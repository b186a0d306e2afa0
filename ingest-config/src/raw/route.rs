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
    /// Areas it is for, as cameras or `[[areas]]` name them, with all that lie in them; all when not given.
    #[schemars(length(min = 1, max = 10000))]
    pub areas: Option<Vec<String>>,
    /// Id of a calendar: the route applies in its working hours only.
    pub during: Option<String>,
    /// Id of a calendar: the route applies outside its working hours only.
    pub outside: Option<String>,
    /// Ids of the departments that get the case, all at once: the first is responsible, the others help. A route has
    /// these, or `rota`, or both.
    #[schemars(length(min = 1, max = 64))]
    pub departments: Option<Vec<String>>,
    /// Id of a rota: the department whose turn it is gets the case.
    pub rota: Option<String>,
}
