//! `[console]`

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The pages operators use.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawConsole {
    /// Pictures of the ground under the map, for instance `https://tiles.example/{z}/{x}/{y}.png`: raster tiles of 256 px
    /// in Web Mercator. The browser asks that server for them, and no other; without it, none at all. Browsers without
    /// WebGL do not show them. Takes effect at the next start.
    #[schemars(length(min = 1, max = 2048))]
    pub tiles: Option<String>,
    /// Who made the tiles, as their licence wants it said under the map. Must be given with `tiles`.
    #[schemars(length(min = 1, max = 500))]
    pub tiles_attribution: Option<String>,
}
