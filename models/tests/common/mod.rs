//! What several test files need. The real ONNX Runtime runs; `./x install` puts it where it is found.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test file uses its own part and stops at what it cannot do"
)]

pub mod pictures;

use citybrain_models::{Detector, LabelledBox, LoadError, Runtime, SessionOptions};
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

/// The frame that `models/training/fixture_answers.py` draws: no two places look the same.
pub fn pattern(width: u32, height: u32) -> Vec<u8> {
    frame(width, height, |x, y| {
        [(x * 5 + y * 3) % 256, (x * x / 16 + y * 7) % 256, ((x ^ y) * 9) % 256].map(|value| value as u8)
    })
}

/// `answers.json` of a fixture.
#[derive(Debug, serde::Deserialize)]
pub struct Answers {
    pub picture: (u32, u32),
    pub floor: f32,
    pub boxes: Vec<Answer>,
}

#[derive(Debug, serde::Deserialize)]
pub struct Answer {
    pub label: String,
    pub score: f32,
    pub edges: [f32; 4],
}

impl Answers {
    pub fn read(folder: &str) -> Self {
        let text = std::fs::read_to_string(fixtures().join(folder).join("answers.json")).unwrap();
        serde_json::from_str(&text).unwrap()
    }
}

/// Fixtures that have answers.
pub fn folders_with_answers() -> Vec<String> {
    let entries = std::fs::read_dir(fixtures()).unwrap().map(|entry| entry.unwrap());
    let mut folders: Vec<String> = entries
        .filter(|entry| entry.path().join("answers.json").is_file())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    folders.sort();
    folders
}

/// Rounding differs between processors by less.
const TOLERANCE: f32 = 2e-3;

/// Each answer is found once, and nothing else is.
pub fn expect_answers(name: &str, found: &[LabelledBox], answers: &Answers) {
    let mut left: Vec<&LabelledBox> = found.iter().collect();
    for answer in &answers.boxes {
        let same = |found: &&LabelledBox| {
            let edges: [f32; 4] = found.bbox.into();
            found.label.as_str() == answer.label
                && (found.score.get() - answer.score).abs() < TOLERANCE
                && edges.iter().zip(answer.edges).all(|(a, b)| (a - b).abs() < TOLERANCE)
        };
        let index =
            left.iter().position(same).unwrap_or_else(|| panic!("{name}: {answer:?} is not in {left:#?}"));
        left.remove(index);
    }
    assert!(left.is_empty(), "{name}: {left:#?} is too much");
}
