//! Parts of a camera's picture as they are edited, and who changes the configuration by them.

use crate::CameraId;
use serde::{Deserialize, Serialize};
use std::future::Future;
use std::pin::Pin;

/// Most parts of one sort that a camera may have.
pub const MAX_PARTS: usize = 64;
/// Most corners of one part.
pub const MAX_CORNERS: usize = 256;

/// The parts of one camera's picture. Corners are `[x, y]` in fractions of width and height from the upper left.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CameraParts {
    /// Where nothing counts.
    #[serde(default)]
    pub ignore: Vec<Vec<[f64; 2]>>,
    /// Parts with rules of their own.
    #[serde(default)]
    pub zones: Vec<ZonePart>,
}

/// A part with rules of its own. Rules that are not drawn (hours, sizes, scores) stay those of the zone `was`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ZonePart {
    /// Its place among the camera's zones before the change; `None` for a new one.
    #[serde(default)]
    pub was: Option<usize>,
    /// What people call it.
    pub name: String,
    /// Codes of its kinds; every kind of the camera when empty.
    #[serde(default)]
    pub kinds: Vec<String>,
    /// Nothing in it counts for its kinds.
    #[serde(default)]
    pub ignore: bool,
    /// Its outline.
    pub polygon: Vec<[f64; 2]>,
}

/// Why a change of the configuration was refused. The one in force stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigRefusal {
    /// The configuration has changed since it was read.
    Stale,
    /// It would be wrong: every mistake, in words.
    Invalid(Vec<String>),
    /// The files cannot be changed, in words.
    Unwritable(String),
}

/// What the change of a configuration ends with: the version then in force.
pub type ConfigChange = Pin<Box<dyn Future<Output = Result<String, ConfigRefusal>> + Send>>;

/// Changes the configuration's files and brings them into force; the program that has read them provides it.
pub trait Configurator: Send + Sync {
    /// Replaces the parts of a camera, when the version in force is still `seen`.
    fn set_parts(&self, camera: CameraId, parts: CameraParts, seen: String) -> ConfigChange;
}
