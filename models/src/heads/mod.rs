//! Output heads: what the numbers of a graph mean. One file per head.
//!
//! | `kind` | who writes such graphs |
//! |---|---|
//! | [`yolox`](YoloxSpec) | YOLOX |
//! | [`yolov5`](Yolov5Spec) | YOLOv5, v6, v7 |
//! | [`yolov8`](Yolov8Spec) | YOLOv8, v9, v11 and others without anchors, transposed |
//! | [`yolov10`](Yolov10Spec) | YOLOv10, v26, end to end |
//! | [`detr`](DetrSpec) | RT-DETR, D-FINE, DEIM, DETR |
//! | [`nanodet`](NanodetSpec) | NanoDet, NanoDet-Plus |
//! | [`picodet`](PicodetSpec) | PicoDet; with suppression in the graph any detector of PaddleDetection |
//! | [`ssd`](SsdSpec) | TensorFlow's object detection API, torchvision |
//! | [`classifier`](ClassifierSpec) | timm, torchvision, … |
//! | [`multilabel`](MultilabelSpec) | the same, trained with a sigmoid per class |
//! | [`segmentation`](SegmentationSpec) | DeepLab, SegFormer, BiSeNet, … |
//! | [`heatmap`](HeatmapSpec) | this project |
//!
//! A new architecture is a new file here, a variant of [`HeadSpec`] and a line in each of its functions; nothing else in
//! the project changes. A head states the outputs it needs, and inputs beside the picture, which loading compares with
//! the graph; and it turns the outputs of one run into boxes. What several heads share has a file of its own:
//! `candidates` (few boxes from many places), `grid` and `gfl` (cells of feature maps), `rows`, `regions`, `numbers`.

mod candidates;
mod classifier;
mod detr;
mod gfl;
mod grid;
mod heatmap;
mod multilabel;
mod nanodet;
mod needs;
mod numbers;
mod picodet;
mod regions;
mod rows;
mod segmentation;
mod ssd;
mod yolov10;
mod yolov5;
mod yolov8;
mod yolox;

use crate::classes::ClassMap;
use crate::detector::{DetectError, LabelledBox};
use crate::heat_map::HeatMap;
use crate::letterbox::Placement;
use crate::manifest::Manifest;
use crate::manifest::reader::Table;
use crate::session::{Outputs, shape_text};
pub use candidates::Suppression;
use citybrain_types::{Label, Score};
pub use classifier::ClassifierSpec;
pub use detr::{DetrLayout, DetrSpec};
pub use gfl::{CellPoint, GflOutputs, GflSpec};
pub use heatmap::HeatmapSpec;
pub use multilabel::MultilabelSpec;
pub use nanodet::NanodetSpec;
pub(crate) use needs::{ExtraInput, NeededOutput, Needs, Numbers, Unfit};
pub use numbers::ScoreKind;
use numbers::probability;
pub use picodet::PicodetSpec;
pub use segmentation::{SegmentationLayout, SegmentationSpec};
pub use ssd::{SsdLayout, SsdSpec};
pub use yolov5::Yolov5Spec;
pub use yolov8::Yolov8Spec;
pub use yolov10::Yolov10Spec;
pub use yolox::YoloxSpec;

/// `[head]` of a manifest.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum HeadSpec {
    /// `kind = "classifier"`: a choice among classes for the whole picture.
    Classifier(ClassifierSpec),
    /// `kind = "detr"`: boxes of queries, none twice.
    Detr(DetrSpec),
    /// `kind = "heatmap"`: a probability per label and cell, and one per label and picture.
    Heatmap(HeatmapSpec),
    /// `kind = "multilabel"`: a probability per label and picture, and no place.
    Multilabel(MultilabelSpec),
    /// `kind = "nanodet"`: scores and distances of cells.
    Nanodet(NanodetSpec),
    /// `kind = "picodet"`: scores and distances of cells by stride, or boxes suppressed in the graph.
    Picodet(PicodetSpec),
    /// `kind = "segmentation"`: a class per pixel.
    Segmentation(SegmentationSpec),
    /// `kind = "ssd"`: boxes, scores and classes suppressed in the graph.
    Ssd(SsdSpec),
    /// `kind = "yolov10"`: rows of box, score and class, none twice.
    Yolov10(Yolov10Spec),
    /// `kind = "yolov5"`: rows of box, objectness and scores.
    Yolov5(Yolov5Spec),
    /// `kind = "yolov8"`: columns of box and scores.
    Yolov8(Yolov8Spec),
    /// `kind = "yolox"`: rows of box, objectness and scores, boxes relative to their cells.
    Yolox(YoloxSpec),
}

impl HeadSpec {
    /// Names of the kinds this build reads.
    pub const KINDS: [&str; 12] = [
        "classifier",
        "detr",
        "heatmap",
        "multilabel",
        "nanodet",
        "picodet",
        "segmentation",
        "ssd",
        "yolov10",
        "yolov5",
        "yolov8",
        "yolox",
    ];

    pub(crate) fn read(mut table: Table<'_>) -> Option<Self> {
        let kind = table.string("kind");
        let table_ref = &mut table;
        let spec = match kind.as_deref() {
            Some("classifier") => ClassifierSpec::read(table_ref).map(Self::Classifier),
            Some("detr") => DetrSpec::read(table_ref).map(Self::Detr),
            Some("heatmap") => HeatmapSpec::read(table_ref).map(Self::Heatmap),
            Some("multilabel") => MultilabelSpec::read(table_ref).map(Self::Multilabel),
            Some("nanodet") => NanodetSpec::read(table_ref).map(Self::Nanodet),
            Some("picodet") => PicodetSpec::read(table_ref).map(Self::Picodet),
            Some("segmentation") => SegmentationSpec::read(table_ref).map(Self::Segmentation),
            Some("ssd") => SsdSpec::read(table_ref).map(Self::Ssd),
            Some("yolov10") => Yolov10Spec::read(table_ref).map(Self::Yolov10),
            Some("yolov5") => Yolov5Spec::read(table_ref).map(Self::Yolov5),
            Some("yolov8") => Yolov8Spec::read(table_ref).map(Self::Yolov8),
            Some("yolox") => YoloxSpec::read(table_ref).map(Self::Yolox),
            Some(other) => {
                let kinds = Self::KINDS.join(", ");
                table.problem_at("kind", format!("unknown head '{other}': this build reads {kinds}"));
                table.ignore_rest();
                None
            }
            None => {
                table.ignore_rest();
                None
            }
        };
        table.finish();
        spec
    }
}

/// What a head knows beside the outputs.
pub(crate) struct Frame<'f> {
    /// What is told.
    pub(crate) labels: &'f [Label],
    /// Which class of the graph is which label.
    pub(crate) classes: &'f ClassMap,
    /// Scores from which on a label counts as found, in the order of labels.
    pub(crate) thresholds: &'f [f32],
    /// Boxes below this score are not told.
    pub(crate) floor: f32,
    /// Where the picture lies in the input.
    pub(crate) placement: &'f Placement,
}

/// Turns the outputs of one run into boxes, none below the frame's floor.
pub(crate) trait Head: Send + std::fmt::Debug {
    fn read(&self, outputs: &Outputs<'_>, frame: &Frame<'_>) -> Result<Vec<LabelledBox>, DetectError>;

    /// What it says of every part of the picture; `None` where a head knows boxes or whole pictures only.
    fn map(&self, _outputs: &Outputs<'_>, _frame: &Frame<'_>) -> Result<Option<HeatMap>, DetectError> {
        Ok(None)
    }

    /// What the graph tells of every cell, for a person to look at; `None` for a head without cells of its own.
    fn tint(&self, _: &Outputs<'_>, _: &Frame<'_>) -> Result<Option<Tint>, DetectError> {
        Ok(None)
    }
}

/// A grid over the input: for each cell, row by row, a label and how much of it there is, `0..=1`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tint {
    pub(crate) columns: usize,
    pub(crate) rows: usize,
    pub(crate) cells: Vec<Option<(usize, f32)>>,
}

/// A manifest's head and what it needs of the graph.
pub(crate) fn build(manifest: &Manifest) -> (Box<dyn Head>, Needs) {
    let input = (manifest.input.width, manifest.input.height);
    match manifest.head.clone() {
        HeadSpec::Classifier(spec) => with(spec, |spec| spec.outputs().into()),
        HeadSpec::Detr(spec) => with(spec, |spec| spec.needs(input)),
        HeadSpec::Heatmap(spec) => with(spec, |spec| spec.outputs().into()),
        HeadSpec::Multilabel(spec) => with(spec, |spec| spec.outputs().into()),
        HeadSpec::Nanodet(spec) => with(spec, |spec| spec.outputs(input).into()),
        HeadSpec::Picodet(spec) => with(spec, |spec| spec.needs(input)),
        HeadSpec::Segmentation(spec) => with(spec, |spec| spec.outputs().into()),
        HeadSpec::Ssd(spec) => with(spec, |spec| spec.outputs().into()),
        HeadSpec::Yolov10(spec) => with(spec, |spec| spec.outputs().into()),
        HeadSpec::Yolov5(spec) => with(spec, |spec| spec.outputs().into()),
        HeadSpec::Yolov8(spec) => with(spec, |spec| spec.outputs().into()),
        HeadSpec::Yolox(spec) => with(spec, |spec| spec.outputs(input).into()),
    }
}

fn with<H: Head + 'static>(head: H, needs: impl FnOnce(&H) -> Needs) -> (Box<dyn Head>, Needs) {
    let needs = needs(&head);
    (Box::new(head), needs)
}

/// A number of an output as a score, which it has to be exactly.
fn score(output: &str, label: &Label, value: f32) -> Result<Score, DetectError> {
    Score::new(value).ok_or_else(|| DetectError::NotAProbability {
        output: output.to_owned(),
        label: label.clone(),
        value,
    })
}

fn wrong_shape(output: &str, shape: &[i64]) -> DetectError {
    DetectError::OutputShape { output: output.to_owned(), found: shape_text(shape) }
}

/// Refuses an output with another number of classes than the manifest speaks of.
fn wrong_classes(output: &str, frame: &Frame<'_>, classes: usize) -> Result<(), DetectError> {
    if frame.classes.fits(classes) {
        return Ok(());
    }
    let found = format!("{classes} classes, the manifest speaks of {}", frame.classes.len());
    Err(DetectError::OutputShape { output: output.to_owned(), found })
}

/// Refuses an output with more or fewer numbers than there are boxes.
fn same_length(output: &str, shape: &[i64], found: usize, boxes: usize) -> Result<(), DetectError> {
    if found == boxes { Ok(()) } else { Err(wrong_shape(output, shape)) }
}

/// The size of an input cell, in pixels.
fn cell_size(input: (u32, u32), columns: usize, rows: usize) -> (f32, f32) {
    (input.0 as f32 / columns as f32, input.1 as f32 / rows as f32)
}

/// Which cells of a grid over the input show some of the picture, row by row.
fn cells_inside(placement: &Placement, columns: usize, rows: usize) -> Vec<bool> {
    let (width, height) = cell_size(placement.input(), columns, rows);
    let content = placement.content();
    let overlaps = |index: usize, size: f32, from: u32, length: u32| {
        let start = index as f32 * size;
        start < (from + length) as f32 && start + size > from as f32
    };
    (0..columns * rows)
        .map(|cell| {
            overlaps(cell % columns, width, content.left, content.width)
                && overlaps(cell / columns, height, content.top, content.height)
        })
        .collect()
}
