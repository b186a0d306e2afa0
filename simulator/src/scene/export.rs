//! Frames with their truth as files, for training and judging detectors.

use crate::scene::error::SceneError;
use crate::scene::spec::SceneSpec;
use crate::scene::stage::Scene;
use crate::scene::truth::TruthBox;
use image::RgbImage;
use image::codecs::jpeg::JpegEncoder;
use serde::Serialize;
use std::io::BufWriter;
use std::path::Path;
use std::time::Duration;

/// Quality of the JPEG files, 1 to 100.
const QUALITY: u8 = 90;

/// One frame in `truth.json`.
#[derive(Debug, Clone, Serialize)]
pub struct FrameTruth {
    /// Name of the picture in the same folder.
    pub file: String,
    /// What is in it.
    pub boxes: Vec<TruthBox>,
}

/// Writes `count` frames of a scene into a folder, the first at `from`, then one `every` so often, as
/// `PREFIX-NNNN.jpg`. Returns what is in them; [`write_truth`] stores it.
///
/// # Errors
/// [`SceneError`] when the scene cannot be made or a file not be written.
pub fn frames(
    spec: SceneSpec,
    folder: &Path,
    prefix: &str,
    from: Duration,
    every: Duration,
    count: u32,
) -> Result<Vec<FrameTruth>, SceneError> {
    std::fs::create_dir_all(folder)
        .map_err(|source| SceneError::Write { path: folder.to_owned(), source })?;
    let mut scene = Scene::new(spec)?;
    let mut picture = RgbImage::new(1, 1);
    let mut truth = Vec::new();
    for index in 0..count {
        let at = from + every * index;
        scene.render(at, &mut picture);
        let file = format!("{prefix}-{index:04}.jpg");
        let path = folder.join(&file);
        let failed = |source| SceneError::Write { path: path.clone(), source };
        let mut writer = BufWriter::new(std::fs::File::create(&path).map_err(failed)?);
        JpegEncoder::new_with_quality(&mut writer, QUALITY)
            .encode_image(&picture)
            .map_err(|error| failed(std::io::Error::other(error)))?;
        truth.push(FrameTruth { file, boxes: scene.truth(at) });
    }
    Ok(truth)
}

/// Writes `truth.json` into a folder.
///
/// # Errors
/// [`SceneError::Write`] when the file cannot be written.
pub fn write_truth(folder: &Path, truth: &[FrameTruth]) -> Result<(), SceneError> {
    let path = folder.join("truth.json");
    let failed = |source| SceneError::Write { path: path.clone(), source };
    let text = serde_json::to_vec_pretty(truth).map_err(|error| failed(std::io::Error::other(error)))?;
    std::fs::write(&path, text).map_err(failed)
}

/// Writes `count` frames of a scene with `truth.json` into a folder, the first at its start.
///
/// # Errors
/// As [`frames`].
pub fn export(spec: SceneSpec, folder: &Path, every: Duration, count: u32) -> Result<(), SceneError> {
    let truth = frames(spec, folder, "frame", Duration::ZERO, every, count)?;
    write_truth(folder, &truth)
}
