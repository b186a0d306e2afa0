//! The models of a city: which folders, who listens to them, when they are asked, and what runs them.

use citybrain_types::{EventKind, ModelId};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

/// A model that is asked by another one waits at least this long between two answers for one camera, unless its own
/// `look_interval_secs` says otherwise: it is dear, and what it saw a moment ago is still so.
pub const ASKED_AT_MOST_EVERY: Duration = Duration::from_secs(1);

/// A model folder, and when it is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// What others call it: its own name where it has one, else the last part of its folder.
    pub name: String,
    /// Folder with `model.toml`.
    pub dir: PathBuf,
    /// Expected identity, where the config pins it.
    pub id: Option<ModelId>,
    /// Kinds that listen to it; empty means all that its labels speak for.
    pub kinds: BTreeSet<EventKind>,
    /// When it is asked.
    pub turn: Turn,
    /// What runs it.
    pub provider: ExecutionProvider,
    /// In which numbers it is computed, where the provider is told; else the provider decides.
    pub precision: Option<Precision>,
}

impl Model {
    /// A model of which nothing but its folder is said.
    #[must_use]
    pub fn of(dir: PathBuf) -> Self {
        let name = dir.file_name().unwrap_or(dir.as_os_str()).to_string_lossy().into_owned();
        Self {
            name,
            dir,
            id: None,
            kinds: BTreeSet::new(),
            turn: Turn::Every(None),
            provider: ExecutionProvider::Cpu,
            precision: None,
        }
    }

    /// The model whose detections ask this one, where one does.
    #[must_use]
    pub const fn cascade(&self) -> Option<&Cascade> {
        match &self.turn {
            Turn::After(cascade) => Some(cascade),
            Turn::Every(_) => None,
        }
    }

    /// Whether a kind may listen to it.
    #[must_use]
    pub fn speaks_to(&self, kind: &EventKind) -> bool {
        self.kinds.is_empty() || self.kinds.contains(kind)
    }
}

/// When a model is asked.
#[derive(Debug, Clone, PartialEq)]
pub enum Turn {
    /// In this interval; where none is given, in the shortest of the kinds that listen.
    Every(Option<Duration>),
    /// When another model has found something.
    After(Cascade),
}

/// A model that is asked only about frames in which another one has found something.
#[derive(Debug, Clone, PartialEq)]
pub struct Cascade {
    /// Position in [`super::City::models`] of the model whose detections ask.
    pub after: usize,
    /// A detection of a kind that both speak for asks at this score or above; the kind's hit score when not given.
    pub score: Option<f32>,
    /// It looks at the surroundings of what was found, the longer side of the box times this; at the whole picture
    /// when not given.
    pub crop: Option<f32>,
    /// It is asked about one camera at most this often.
    pub at_most_every: Duration,
}

/// What runs a model's graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum ExecutionProvider {
    /// ONNX Runtime's own kernels on the processor; every library has it.
    #[default]
    Cpu,
    /// Intel's OpenVINO.
    OpenVino,
    /// NVIDIA's CUDA.
    Cuda,
    /// NVIDIA's TensorRT, with CUDA and the processor for what it does not take.
    TensorRt,
}

impl ExecutionProvider {
    /// Every provider.
    pub const ALL: [Self; 4] = [Self::Cpu, Self::OpenVino, Self::Cuda, Self::TensorRt];

    /// Its name, as in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::OpenVino => "openvino",
            Self::Cuda => "cuda",
            Self::TensorRt => "tensorrt",
        }
    }
}

/// In which numbers a graph is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Precision {
    /// 32-bit floats.
    F32,
    /// 16-bit floats.
    F16,
    /// 16-bit floats with the range of 32-bit ones.
    Bf16,
}

impl Precision {
    /// Its name, as in the configuration and as OpenVINO calls it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
        }
    }
}
