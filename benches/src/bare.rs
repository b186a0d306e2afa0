//! The bare parts of a look, each alone on the calling thread, without anything around it.

use crate::cpu;
use anyhow::ensure;
use bytes::Bytes;
use citybrain_models::{Dtype, Manifest, Runtime};
use citybrain_pipeline::decode::{Area, Frame, Scaler, decode_keyframe};
use citybrain_pipeline::picture::{Codec, Keyframe};
use citybrain_types::{CameraId, Timestamp};
use ort::session::builder::GraphOptimizationLevel;
use ort::value::TensorRef;
use std::path::Path;
use std::time::Duration;

/// CPU milliseconds a frame of each part.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Parts {
    /// Decoding a keyframe in a fresh libavcodec context.
    pub decode: f64,
    /// Scaling to the model's input and converting to RGB.
    pub scale: f64,
    /// `session.run` of ONNX Runtime, one thread.
    pub run: f64,
}

impl Parts {
    /// All of them.
    #[must_use]
    pub fn sum(&self) -> f64 {
        self.decode + self.scale + self.run
    }
}

/// What the parts are done with.
pub struct Bare {
    session: ort::session::Session,
    manifest: Manifest,
    camera: CameraId,
    scaler: Scaler,
    rgb: Vec<u8>,
}

impl Bare {
    /// Opens the model with the settings that the pipeline's detectors have.
    ///
    /// # Errors
    /// When the graph cannot be opened, or wants something other than bytes.
    pub fn open(model: &Path, manifest: &Manifest, runtime: &Runtime) -> anyhow::Result<Self> {
        ensure!(manifest.input.dtype == Dtype::U8, "the bench feeds bytes, the model wants floats");
        let session = session(&model.join(&manifest.file), runtime).map_err(|e| anyhow::anyhow!("{e}"))?;
        let camera = CameraId::new("bare")?;
        Ok(Self { session, manifest: manifest.clone(), camera, scaler: Scaler::default(), rgb: Vec::new() })
    }

    /// Measures every part on these H.264 keyframes: one after the other on each frame, as the pipeline does it, so
    /// that the scaler finds pixels as warm as there.
    ///
    /// # Errors
    /// When a keyframe cannot be decoded or the graph does not run.
    pub fn measure(&mut self, keyframes: &[Bytes]) -> anyhow::Result<Parts> {
        let mut spent = [Duration::ZERO; 3];
        for data in keyframes {
            let keyframe = Keyframe {
                camera: self.camera.clone(),
                captured_at: Timestamp::EPOCH,
                received_at: Timestamp::EPOCH,
                codec: Codec::H264,
                data: data.clone(),
            };
            let start = cpu::of_thread();
            let frame = decode_keyframe(&keyframe)?;
            let decoded = cpu::of_thread();
            self.scale(&frame)?;
            let scaled = cpu::of_thread();
            self.run()?;
            let ended = cpu::of_thread();
            spent[0] += decoded.saturating_sub(start);
            spent[1] += scaled.saturating_sub(decoded);
            spent[2] += ended.saturating_sub(scaled);
        }
        let [decode, scale, run] = spent.map(|part| part.as_secs_f64() * 1e3 / keyframes.len() as f64);
        Ok(Parts { decode, scale, run })
    }

    fn scale(&mut self, frame: &Frame) -> anyhow::Result<()> {
        let input = &self.manifest.input;
        let (width, height) = frame.size();
        let area = Area::of(&input.placement(width, height));
        Ok(self.scaler.render(frame, area, [input.pad; 3], &mut self.rgb)?)
    }

    fn run(&mut self) -> anyhow::Result<()> {
        let failed = |error: ort::Error| anyhow::anyhow!("{error}");
        let shape = self.manifest.input.shape();
        let input = TensorRef::from_array_view((shape, self.rgb.as_slice())).map_err(failed)?;
        let outputs = self.session.run(ort::inputs![input]).map_err(failed)?;
        ensure!(outputs.len() > 0, "the graph gave nothing");
        Ok(())
    }
}

fn session(file: &Path, runtime: &Runtime) -> ort::Result<ort::session::Session> {
    ort::session::Session::builder(runtime.environment())?
        .with_intra_threads(1)?
        .with_inter_threads(1)?
        .with_intra_op_spinning(false)?
        .with_inter_op_spinning(false)?
        .with_optimization_level(GraphOptimizationLevel::All)?
        .commit_from_file(file)
}
