//! ONNX detectors: manifest, pre-processing, session, output heads.
//!
//! Design decision: a model is a folder that says everything about itself. `model.toml` claims names, shapes, labels,
//! thresholds and a checksum; loading checks every claim against the graph and runs it once, so that a model that
//! cannot answer is refused at the start of the day and not found out at the first fire. What a graph's outputs mean is
//! the business of one file per head in [`heads`]; nothing else in the project knows a model's architecture.
//!
//! ```no_run
//! use citybrain_models::{Detector, Runtime, SessionOptions};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let runtime = Runtime::load(None)?;
//! let mut detector = Detector::load("models/zoo/street-lite0".as_ref(), &runtime, SessionOptions::default())?;
//! let placement = detector.input().placement(1920, 1080);
//! let frame = vec![114; detector.input().frame_bytes()];
//! for found in detector.detect(&frame, &placement)? {
//!     println!("{} {:.2} {:?}", found.label, found.score.get(), found.bbox);
//! }
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod caption;
pub mod classes;
pub mod coverage;
pub mod detector;
pub mod eval;
mod guard;
pub mod heads;
mod heat_map;
pub mod inspect;
pub mod letterbox;
pub mod manifest;
mod nms;
mod onnx;
mod picture;
mod preprocess;
pub mod provider;
pub mod runtime;
pub mod session;

pub use citybrain_ingest_config::resolved::{ExecutionProvider, Precision};
pub use detector::{DetectError, Detector, LabelledBox, LoadError, Mismatch};
pub use heat_map::HeatMap;
pub use letterbox::{Content, Placement};
pub use manifest::{Color, Dtype, InputSpec, Layout, Manifest, ManifestError, Resize};
pub use picture::{PictureError, RESIZE_FILTER};
pub use runtime::{Runtime, RuntimeError};
pub use session::SessionOptions;
