//! `[[areas]]`

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A part of the city: a building, a grid, a community, a street or a district.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawArea {
    /// Its name, as cameras and routes call it; unique in the city.
    #[schemars(required, length(min = 1, max = 200))]
    pub name: Option<String>,
    /// On which of the five levels it lies.
    #[serde(default)]
    pub level: RawLevel,
    /// Name of the area it lies in, on a higher level. What is routed for that one is routed for this one, too.
    #[schemars(length(min = 1, max = 200))]
    pub within: Option<String>,
    /// Its outline: at least three corners `[longitude, latitude]` in degrees (WGS 84). A case whose camera names no
    /// area, or that was told by a person, lies in the area on the lowest level whose outline holds its position.
    #[schemars(length(min = 3, max = 10000))]
    pub outline: Option<Vec<[f64; 2]>>,
    /// Id of the department that is told when a case is escalated to this area; the district centre when not given.
    pub department: Option<String>,
}

/// The five levels of a city.
#[derive(Deserialize, Serialize, JsonSchema, Default, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub enum RawLevel {
    /// 楼栋.
    Building,
    /// 网格.
    #[default]
    Grid,
    /// 社区.
    Community,
    /// 街道.
    Street,
    /// 区.
    District,
}
