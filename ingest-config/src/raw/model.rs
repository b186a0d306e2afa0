//! `[[models]]`

use schemars::JsonSchema;
use serde::Deserialize;

/// A model to load.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawModel {
    /// Folder that holds its `model.toml`.
    #[schemars(required, length(min = 1, max = 4096))]
    pub dir: Option<String>,
    /// Name and version the folder must hold, for instance `fire-smoke-1.2.0`; any when not given.
    pub id: Option<String>,
}
