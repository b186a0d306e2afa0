//! Looks into a model: the ports of an ONNX file, and a check of a whole folder on one picture.

mod draft;
mod guess;

use crate::caption::Captions;
use crate::detector::{DetectError, Detector, LabelledBox, LoadError};
use crate::heads::Tint;
use crate::letterbox::Placement;
use crate::picture::{self, Fitter, PictureError};
use crate::runtime::Runtime;
use crate::session::{Port, Session, SessionOptions, read_weights, sha256};
use citybrain_types::Label;
pub use draft::Draft;
use image::RgbImage;
use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

/// What an ONNX file takes and gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GraphDescription {
    /// Checksum of the file, as a manifest wants it.
    pub sha256: String,
    /// Its size.
    pub bytes: u64,
    /// Inputs, in the graph's order.
    pub inputs: Vec<Port>,
    /// Outputs, in the graph's order.
    pub outputs: Vec<Port>,
    /// Class names that the exporter left in the file; empty when there are none.
    pub names: Vec<String>,
}

/// Describes an ONNX file, without a manifest.
///
/// # Errors
/// [`LoadError`] when it cannot be read, is no graph or keeps data in other files.
pub fn describe(file: &Path, runtime: &Runtime) -> Result<GraphDescription, LoadError> {
    let options = SessionOptions::default();
    let bytes = read_weights(file, options.max_file_bytes)?;
    let session = Session::open(file, &bytes, runtime, options)?;
    Ok(GraphDescription {
        sha256: sha256(&bytes),
        bytes: bytes.len() as u64,
        inputs: session.inputs(),
        outputs: session.outputs(),
        names: session.metadata("names").map(|names| draft::class_names(&names)).unwrap_or_default(),
    })
}

impl fmt::Display for GraphDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "sha256  {}", self.sha256)?;
        writeln!(f, "bytes   {}", self.bytes)?;
        for (what, ports) in [("input ", &self.inputs), ("output", &self.outputs)] {
            for port in ports {
                writeln!(f, "{what}  {}  {port}", port.name)?;
            }
        }
        if !self.names.is_empty() {
            writeln!(f, "names   {}", self.names.join(", "))?;
        }
        Ok(())
    }
}

/// Why a model did not pass.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// It was not loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The picture cannot be used.
    #[error(transparent)]
    Picture(#[from] PictureError),
    /// It gave no usable answer for the picture.
    #[error(transparent)]
    Detect(#[from] DetectError),
}

/// What a model said of one picture.
#[derive(Debug)]
pub struct Checked {
    detector: Detector,
    picture: RgbImage,
    placement: Placement,
    found: Vec<LabelledBox>,
    tint: Option<Tint>,
    took: Duration,
}

/// Colours of labels, in their order.
const COLORS: [[u8; 3]; 6] =
    [[230, 40, 30], [30, 110, 230], [20, 160, 90], [240, 170, 0], [150, 60, 200], [0, 170, 190]];

/// Runs timed, after the first: the median says more than one.
const TIMED_RUNS: usize = 9;

/// Loads a model's folder with all its checks and looks at `picture`, or at a grey one.
///
/// # Errors
/// [`CheckError`].
pub fn check(dir: &Path, runtime: &Runtime, picture: Option<&Path>) -> Result<Checked, CheckError> {
    let mut detector = Detector::load(dir, runtime, SessionOptions::default())?;
    detector.set_floor(0.0);
    let picture = match picture {
        Some(path) => picture::read(path)?,
        None => RgbImage::from_pixel(detector.input().width, detector.input().height, [114; 3].into()),
    };
    let mut fitter = Fitter::new(detector.input());
    let (frame, placement) = fitter.fit(&picture)?;
    let mut times = Vec::with_capacity(TIMED_RUNS);
    let mut found = Vec::new();
    for _ in 0..TIMED_RUNS {
        let started = Instant::now();
        found = detector.detect(frame, &placement)?;
        times.push(started.elapsed());
    }
    times.sort();
    let tint = detector.tint(frame, &placement)?;
    Ok(Checked { detector, picture, placement, found, tint, took: times[TIMED_RUNS / 2] })
}

impl Checked {
    /// What was found, down to the lowest score, the surest of each label first.
    #[must_use]
    pub fn found(&self) -> &[LabelledBox] {
        &self.found
    }

    /// Median time of one look, on this machine as busy as it was.
    #[must_use]
    pub const fn took(&self) -> Duration {
        self.took
    }

    /// Writes the picture with an outline, the label and the score for each box that reaches its label's threshold, as PNG
    /// or JPEG by the name's ending. What a heat map or a segmentation tells of every cell is a tint under them.
    ///
    /// # Errors
    /// [`PictureError::Unwritable`].
    pub fn write_annotated(&self, path: &Path) -> Result<(), PictureError> {
        let mut picture = self.picture.clone();
        let color = |label: &Label| {
            let index = self.detector.labels().iter().position(|known| known == label).unwrap_or(0);
            COLORS[index % COLORS.len()]
        };
        if let Some(tint) = &self.tint {
            self.dye(&mut picture, tint);
        }
        let told: Vec<&LabelledBox> = self.found.iter().filter(|found| self.counts(found)).collect();
        for found in &told {
            picture::outline(&mut picture, &found.bbox, color(&found.label));
        }
        let (width, height) = (picture.width() as f32, picture.height() as f32);
        let mut captions = Captions::on(&mut picture);
        for found in told {
            let corner = (found.bbox.left() * width, found.bbox.top() * height);
            let text = format!("{} {:.2}", found.label, found.score.get());
            captions.write((corner.0.round() as u32, corner.1.round() as u32), &text, color(&found.label));
        }
        picture::write(path, &picture)
    }

    /// Mixes each pixel with the colour of its cell's label, at most by half.
    fn dye(&self, picture: &mut RgbImage, tint: &Tint) {
        let (width, height) = picture.dimensions();
        let (content, input) = (self.placement.content(), self.placement.input());
        // Middle of a pixel, in pixels of the input, as an index of a cell.
        let cell = |at: u32, of: u32, start: u32, length: u32, side: u32, cells: usize| {
            let place = (at as f32 + 0.5) / of as f32 * length as f32 + start as f32;
            ((place / side as f32 * cells as f32) as usize).min(cells - 1)
        };
        for (x, y, pixel) in picture.enumerate_pixels_mut() {
            let column = cell(x, width, content.left, content.width, input.0, tint.columns);
            let row = cell(y, height, content.top, content.height, input.1, tint.rows);
            let Some((label, strength)) = tint.cells[row * tint.columns + column] else { continue };
            for (channel, dye) in pixel.0.iter_mut().zip(COLORS[label % COLORS.len()]) {
                let mixed = f32::from(*channel) + (f32::from(dye) - f32::from(*channel)) * strength * 0.5;
                *channel = mixed.round() as u8;
            }
        }
    }

    fn counts(&self, found: &LabelledBox) -> bool {
        self.detector.threshold(&found.label).is_some_and(|threshold| found.score.get() >= threshold)
    }
}

impl fmt::Display for Checked {
    /// A table for a terminal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (input, manifest) = (self.detector.input(), self.detector.manifest());
        writeln!(f, "model    {} ({})", manifest.id, manifest.license)?;
        writeln!(f, "weights  {} {}", manifest.file, manifest.sha256)?;
        writeln!(
            f,
            "input    {}×{} {:?} {:?} {:?}",
            input.width, input.height, input.dtype, input.layout, input.color
        )?;
        writeln!(f, "picture  {}×{}", self.picture.width(), self.picture.height())?;
        writeln!(f, "a look   {:.1} ms", self.took.as_secs_f64() * 1000.0)?;
        writeln!(f, "{:<16} {:>7} {:>9}  left top right bottom", "label", "score", "threshold")?;
        for label in self.detector.labels() {
            let boxes: Vec<&LabelledBox> = self.found.iter().filter(|found| found.label == *label).collect();
            let threshold = self.detector.threshold(label).unwrap_or(1.0);
            if boxes.is_empty() {
                writeln!(f, "{:<16} {:>7} {threshold:>9.3}  –", label.as_str(), "–")?;
            }
            for found in boxes {
                let [left, top, right, bottom]: [f32; 4] = found.bbox.into();
                let mark = if self.counts(found) { "  found" } else { "" };
                writeln!(
                    f,
                    "{:<16} {:>7.4} {threshold:>9.3}  {left:.3} {top:.3} {right:.3} {bottom:.3}{mark}",
                    label.as_str(),
                    found.score.get()
                )?;
            }
        }
        Ok(())
    }
}
