//! A loaded model: frames in, scored boxes out.

mod mismatch;

use crate::heads::{self, ExtraInput, Frame, Head, Tint};
use crate::heat_map::HeatMap;
use crate::letterbox::Placement;
use crate::manifest::{InputSpec, Manifest, ManifestError};
use crate::preprocess::Packer;
use crate::runtime::{ENVIRONMENT_VARIABLE, Runtime};
use crate::session::{Outputs, Session, SessionOptions, read_weights, sha256};
use citybrain_ingest_config::resolved::ExecutionProvider;
use citybrain_types::{BoundingBox, Label, ModelId, NoAnswer, Score};
pub use mismatch::Mismatch;
use mismatch::mismatches;
use std::path::{Path, PathBuf};

/// One thing a model found in one frame.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelledBox {
    /// What the model calls it.
    pub label: Label,
    /// How sure it is, calibrated.
    pub score: Score,
    /// Where in the picture (not in the input).
    pub bbox: BoundingBox,
}

/// Boxes below this score are not told unless [`Detector::set_floor`] says otherwise.
pub const DEFAULT_FLOOR: f32 = 0.05;

/// Why a model was not loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// `model.toml` is missing or wrong.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The weights cannot be read.
    #[error("{}: {source}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is larger than allowed.
    #[error("{} is larger than {limit} bytes; raise max_file_bytes if it is meant to be", .path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Largest size allowed.
        limit: u64,
    },
    /// Not the file the manifest is about.
    #[error("{} has sha256 {found}, model.toml says {expected}; fetch the file again or correct the manifest", .path.display())]
    Checksum {
        /// The file.
        path: PathBuf,
        /// What the manifest says.
        expected: String,
        /// What it is.
        found: String,
    },
    /// A tensor keeps its data in another file, which the checksum does not cover.
    #[error("{}: tensor '{tensor}' keeps its data outside, in '{location}'; save the model as one file", .path.display())]
    ExternalData {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// Where it points.
        location: String,
    },
    /// Not an ONNX graph that ONNX Runtime can run.
    #[error("{} is not a model that onnx runtime can run: {reason}", .path.display())]
    NotOnnx {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The loaded library cannot run anything with the provider that was asked for.
    #[error(
        "provider '{}' is not in the onnx runtime in use, {}: {reason}; it has {}; choose one of these, or name a library that has it in {ENVIRONMENT_VARIABLE}",
        .provider.name(), .library.display(), names(.available)
    )]
    Provider {
        /// What was asked for.
        provider: ExecutionProvider,
        /// The library.
        library: PathBuf,
        /// What the library was built with.
        available: Vec<ExecutionProvider>,
        /// What is the matter.
        reason: String,
    },
    /// The manifest and the graph do not fit; everything that does not.
    #[error("{}", lines(.path, .mismatches))]
    Mismatch {
        /// The graph's file.
        path: PathBuf,
        /// Never empty.
        mismatches: Vec<Mismatch>,
    },
    /// The model gave no usable answer for a grey frame.
    #[error("{}: a first run on a grey frame failed: {source}", .path.display())]
    FirstRun {
        /// The graph's file.
        path: PathBuf,
        /// How.
        source: DetectError,
    },
}

fn names(providers: &[ExecutionProvider]) -> String {
    providers.iter().map(|provider| format!("'{}'", provider.name())).collect::<Vec<_>>().join(", ")
}

fn lines(path: &Path, mismatches: &[Mismatch]) -> String {
    mismatches.iter().map(|mismatch| format!("{}: {mismatch}", path.display())).collect::<Vec<_>>().join("\n")
}

/// Why a frame got no answer.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum DetectError {
    /// The frame is not of the input's size: an error of the caller.
    #[error("a frame of {expected} bytes is wanted ({width}×{height} RGB), got {found}")]
    FrameSize {
        /// Width of the input.
        width: u32,
        /// Height of the input.
        height: u32,
        /// Bytes of such a frame.
        expected: usize,
        /// Bytes that came.
        found: usize,
    },
    /// The placement is for another input: an error of the caller.
    #[error("the placement is for an input of {}×{}, this model's is {}×{}", .found.0, .found.1, .expected.0, .expected.1)]
    PlacementSize {
        /// Width and height of the input.
        expected: (u32, u32),
        /// Width and height the placement is for.
        found: (u32, u32),
    },
    /// ONNX Runtime failed.
    #[error("onnx runtime failed: {0}")]
    Runtime(String),
    /// An output has another shape than at loading.
    #[error("output '{output}' came as {found}")]
    OutputShape {
        /// Its name.
        output: String,
        /// What came.
        found: String,
    },
    /// An output holds NaN or an infinity.
    #[error("output '{output}' holds {value}")]
    NotFinite {
        /// Its name.
        output: String,
        /// The number.
        value: f32,
    },
    /// An output holds the number of a class that the model has not.
    #[error("output '{output}' tells class {class}, the manifest speaks of {classes}")]
    UnknownClass {
        /// Its name.
        output: String,
        /// The number.
        class: i64,
        /// Classes of the manifest.
        classes: usize,
    },
    /// An output holds NaN or a number outside `0..=1`.
    #[error("output '{output}' holds {value} for label '{label}', which is no probability")]
    NotAProbability {
        /// Its name.
        output: String,
        /// The label.
        label: Label,
        /// The number.
        value: f32,
    },
}

impl DetectError {
    /// The reason as it is published and counted.
    #[must_use]
    pub const fn no_answer(&self) -> NoAnswer {
        match self {
            Self::FrameSize { .. } | Self::PlacementSize { .. } | Self::Runtime(_) => NoAnswer::RuntimeError,
            Self::OutputShape { .. }
            | Self::NotFinite { .. }
            | Self::UnknownClass { .. }
            | Self::NotAProbability { .. } => NoAnswer::InvalidOutput,
        }
    }
}

/// A model ready to answer. One per core: it answers one frame at a time, on the caller's thread.
#[derive(Debug)]
pub struct Detector {
    manifest: Manifest,
    session: Session,
    packer: Packer,
    head: Box<dyn Head>,
    extras: Vec<ExtraInput>,
    floor: f32,
}

impl Detector {
    /// Loads a model's folder, checks every claim of its manifest against the graph and runs it once on grey.
    ///
    /// # Errors
    /// [`LoadError`], which says exactly what does not match.
    pub fn load(dir: &Path, runtime: &Runtime, options: SessionOptions) -> Result<Self, LoadError> {
        let manifest = Manifest::read(dir)?;
        let path = dir.join(&manifest.file);
        let bytes = read_weights(&path, options.max_file_bytes)?;
        let found = sha256(&bytes);
        if found != manifest.sha256 {
            return Err(LoadError::Checksum { path, expected: manifest.sha256, found });
        }
        let session = Session::open(&path, &bytes, runtime, options)?;
        let (head, needs) = heads::build(&manifest);
        let mismatches = mismatches(&manifest, &needs, &session);
        if !mismatches.is_empty() {
            return Err(LoadError::Mismatch { path, mismatches });
        }
        let packer = Packer::new(&manifest.input);
        let extras = needs.inputs;
        let mut detector = Self { manifest, session, packer, head, extras, floor: DEFAULT_FLOOR };
        detector.first_run(options).map_err(|source| LoadError::FirstRun { path, source })?;
        Ok(detector)
    }

    fn first_run(&mut self, options: SessionOptions) -> Result<(), DetectError> {
        let _watch = self.session.stop_after(options.patience);
        let input = &self.manifest.input;
        let (frame, placement) = (vec![114; input.frame_bytes()], input.placement(input.width, input.height));
        options.bounded(|| self.detect(&frame, &placement)).map(|_| ())
    }

    /// What the model is fed with.
    #[must_use]
    pub const fn input(&self) -> &InputSpec {
        &self.manifest.input
    }

    /// Its name and version.
    #[must_use]
    pub const fn model_id(&self) -> &ModelId {
        &self.manifest.id
    }

    /// Labels it scores.
    #[must_use]
    pub fn labels(&self) -> &[Label] {
        &self.manifest.labels
    }

    /// The score from which on a label counts as found; `None` for a label it does not score.
    #[must_use]
    pub fn threshold(&self, label: &Label) -> Option<f32> {
        self.manifest.threshold(label)
    }

    /// All that its manifest says.
    #[must_use]
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Boxes below `floor` are not told from now on: the lowest log floor among the kinds that listen to this model.
    pub fn set_floor(&mut self, floor: f32) {
        self.floor = floor;
    }

    /// Looks at one frame.
    ///
    /// `rgb` is interleaved RGB of exactly the input's size, row by row, already scaled and padded as `placement` says.
    /// It is fed to the graph without a copy where the graph takes RGB bytes. Boxes come with the surest of a label
    /// first.
    ///
    /// # Errors
    /// [`DetectError`]; the frame then has no answer, which is not the same as nothing found.
    pub fn detect(&mut self, rgb: &[u8], placement: &Placement) -> Result<Vec<LabelledBox>, DetectError> {
        self.look(rgb, placement, |head, outputs, frame| head.read(outputs, frame))
    }

    /// As [`Detector::detect`], and what the model says of every part of the picture, where its head knows that.
    ///
    /// # Errors
    /// As [`Detector::detect`].
    pub fn detect_with_map(
        &mut self,
        rgb: &[u8],
        placement: &Placement,
    ) -> Result<(Vec<LabelledBox>, Option<HeatMap>), DetectError> {
        self.look(rgb, placement, |head, outputs, frame| {
            Ok((head.read(outputs, frame)?, head.map(outputs, frame)?))
        })
    }

    /// What the graph tells of every cell of its own grid, where its head has one.
    pub(crate) fn tint(&mut self, rgb: &[u8], placement: &Placement) -> Result<Option<Tint>, DetectError> {
        self.look(rgb, placement, |head, outputs, frame| head.tint(outputs, frame))
    }

    fn look<T>(
        &mut self,
        rgb: &[u8],
        placement: &Placement,
        read: impl FnOnce(&dyn Head, &Outputs<'_>, &Frame<'_>) -> Result<T, DetectError>,
    ) -> Result<T, DetectError> {
        let input = &self.manifest.input;
        let (width, height, expected) = (input.width, input.height, input.frame_bytes());
        if rgb.len() != expected {
            return Err(DetectError::FrameSize { width, height, expected, found: rgb.len() });
        }
        if placement.input() != (width, height) {
            return Err(DetectError::PlacementSize { expected: (width, height), found: placement.input() });
        }
        let packed = self.packer.pack(rgb);
        let outputs = self.session.run(&input.name, input.shape(), &packed, &self.extras)?;
        let frame = Frame {
            labels: &self.manifest.labels,
            classes: &self.manifest.classes,
            thresholds: &self.manifest.thresholds,
            floor: self.floor,
            placement,
        };
        read(&*self.head, &outputs, &frame)
    }
}
