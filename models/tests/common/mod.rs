//! What several test files need. The real ONNX Runtime runs; `./x install` puts it where it is found.
#![allow(dead_code, reason = "each test file uses its own part")]

pub mod pictures;

use citybrain_models::{Detector, LoadError, Runtime, SessionOptions};
use std::path::PathBuf;

pub fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

pub fn runtime() -> Runtime {
    Runtime::load(None).expect("onnx runtime is needed for this test")
}

pub fn load(folder: &str) -> Result<Detector, LoadError> {
    Detector::load(&fixtures().join(folder), &runtime(), SessionOptions::default())
}

/// An RGB frame of `width` × `height` pixels.
pub fn frame(width: u32, height: u32, pixel: impl Fn(u32, u32) -> [u8; 3]) -> Vec<u8> {
    (0..height).flat_map(|y| (0..width).map(move |x| (x, y))).flat_map(|(x, y)| pixel(x, y)).collect()
}
