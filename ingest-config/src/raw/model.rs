//! `[[models]]`

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A model to load.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawModel {
    /// Folder that holds its `model.toml`.
    #[schemars(required, length(min = 1, max = 4096))]
    pub dir: Option<String>,
    /// What other models call it, unique in the city; the last part of `dir` when not given.
    #[schemars(length(min = 1, max = 64))]
    pub name: Option<String>,
    /// Name and version the folder must hold, for instance `fire-smoke-1.2.0`; any when not given.
    pub id: Option<String>,
    /// Every camera is looked at by this model this often; the shortest `look_interval_secs` of the kinds that listen
    /// to it when not given. With `after`: it is asked about one camera at most this often; 1 when not given.
    #[schemars(range(min = 0.1, max = 2592000.0))]
    pub look_interval_secs: Option<f64>,
    /// Codes of the kinds that listen to it; every kind that one of its labels speaks for when not given.
    #[schemars(length(min = 1, max = 256))]
    pub kinds: Option<Vec<String>>,
    /// Name of another model. This one is then not asked in turn, but only about frames in which the other has found a
    /// kind that both speak for; its word counts in place of the other's.
    #[schemars(length(min = 1, max = 64))]
    pub after: Option<String>,
    /// The score from which on a detection of the model named in `after` asks this one; `hit_score` of the kind when
    /// not given.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub after_score: Option<f64>,
    /// With `after`: look at the surroundings of what was found instead of the whole picture, from the picture in its
    /// full size. The surroundings measure so many times the longer side of the box.
    #[schemars(range(min = 1.0, max = 16.0))]
    pub crop: Option<f64>,
    /// What runs it. A provider that the ONNX Runtime library in use does not have is an error at the start.
    #[serde(default)]
    pub provider: RawProvider,
    /// With `provider = "openvino"`: the numbers it computes in. OpenVINO decides when not given.
    pub precision: Option<RawPrecision>,
}

/// What runs a model.
#[derive(Deserialize, Serialize, JsonSchema, Default, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub enum RawProvider {
    /// ONNX Runtime's own code on the processor.
    #[default]
    Cpu,
    /// Intel's OpenVINO.
    Openvino,
    /// NVIDIA's CUDA.
    Cuda,
    /// NVIDIA's TensorRT; what it does not take, CUDA and the processor do.
    Tensorrt,
}

/// The numbers a model computes in.
#[derive(Deserialize, Serialize, JsonSchema, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub enum RawPrecision {
    /// 32-bit floats.
    F32,
    /// 16-bit floats.
    F16,
    /// 16-bit floats with the range of 32-bit ones.
    Bf16,
}
