//! Output heads: what the numbers of a graph mean. One file per head.
//!
//! A new architecture (YOLOX, SSD, DETR, …) is a new file here, a variant of [`HeadSpec`] and an arm in `build`; nothing
//! else in the project changes. A head states the outputs it needs, which loading compares with the graph, and turns the
//! outputs of one run into boxes.

mod heatmap;
mod multilabel;

use crate::detector::{DetectError, LabelledBox};
use crate::heat_map::HeatMap;
use crate::letterbox::Placement;
use crate::manifest::Manifest;
use crate::manifest::reader::Table;
use crate::session::Outputs;
use citybrain_types::{Label, Score};
pub use heatmap::HeatmapSpec;
pub use multilabel::MultilabelSpec;

/// `[head]` of a manifest.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum HeadSpec {
    /// `kind = "heatmap"`: a probability per label and cell, and one per label and picture.
    Heatmap(HeatmapSpec),
    /// `kind = "multilabel"`: a probability per label and picture, and no place.
    Multilabel(MultilabelSpec),
}

impl HeadSpec {
    /// Names of the kinds this build reads.
    pub const KINDS: [&str; 2] = ["heatmap", "multilabel"];

    pub(crate) fn read(mut table: Table<'_>) -> Option<Self> {
        let kind = table.string("kind");
        let spec = match kind.as_deref() {
            Some("heatmap") => HeatmapSpec::read(&mut table).map(Self::Heatmap),
            Some("multilabel") => MultilabelSpec::read(&mut table).map(Self::Multilabel),
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

/// An output that a head needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NeededOutput {
    /// The manifest's key that names it.
    pub(crate) key: &'static str,
    /// The name.
    pub(crate) name: String,
    /// The shape in 32-bit floats; −1 where any size will do.
    pub(crate) shape: Vec<i64>,
    /// The axis that counts labels.
    pub(crate) label_axis: usize,
}

/// What a head knows beside the outputs.
pub(crate) struct Frame<'f> {
    /// In the order of the outputs.
    pub(crate) labels: &'f [Label],
    /// Scores from which on a label counts as found, in the same order.
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
}

/// A manifest's head and the outputs it needs.
pub(crate) fn build(manifest: &Manifest) -> (Box<dyn Head>, Vec<NeededOutput>) {
    let labels = manifest.labels.len() as i64;
    match &manifest.head {
        HeadSpec::Heatmap(spec) => (Box::new(spec.clone()), spec.outputs(labels)),
        HeadSpec::Multilabel(spec) => (Box::new(spec.clone()), spec.outputs(labels)),
    }
}

/// A number of an output as a score.
fn score(output: &str, label: &Label, value: f32) -> Result<Score, DetectError> {
    Score::new(value).ok_or_else(|| DetectError::NotAProbability {
        output: output.to_owned(),
        label: label.clone(),
        value,
    })
}

/// The size of an input cell, in pixels.
fn cell_size(input: (u32, u32), columns: usize, rows: usize) -> (f32, f32) {
    (input.0 as f32 / columns as f32, input.1 as f32 / rows as f32)
}
