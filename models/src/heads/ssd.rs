//! Detectors with their suppression in the graph, SSD above all: boxes, scores and numbers of classes, one per box.
//!
//! `layout = "tensorflow"`: the object detection API's `detection_boxes` `[1, boxes, 4]` as top, left, bottom, right in
//! fractions of the input, `detection_scores` and `detection_classes` `[1, boxes]`, and `num_detections` `[1]`, after
//! which rows are filling. `layout = "torchvision"`: `boxes` `[boxes, 4]` as left, top, right, bottom in pixels, `scores`
//! and `labels` `[boxes]`. A class number is a position in `labels` of the manifest: graphs that count from one have
//! `""` first.

use super::candidates::{Candidates, Suppression};
use super::detr::scaled;
use super::needs::NeededOutput;
use super::rows::Rows;
use super::{Frame, Head, same_length};
use crate::detector::{DetectError, LabelledBox};
use crate::manifest::reader::Table;
use crate::session::Outputs;

/// Keys of `[head]` with `kind = "ssd"`.
#[derive(Debug, Clone, PartialEq)]
pub struct SsdSpec {
    /// Order and unit of edges, and ranks.
    pub layout: SsdLayout,
    /// Name of the output with the boxes.
    pub boxes_output: String,
    /// Name of the output with probabilities.
    pub scores_output: String,
    /// Name of the output with the numbers of classes.
    pub classes_output: String,
    /// Name of the output with the number of boxes; all count where there is none.
    pub count_output: Option<String>,
    /// How many boxes are told.
    pub suppression: Suppression,
}

/// Who exported it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SsdLayout {
    /// `"tensorflow"`.
    Tensorflow,
    /// `"torchvision"`.
    Torchvision,
}

impl SsdSpec {
    pub(super) fn read(table: &mut Table<'_>) -> Option<Self> {
        let words = [("tensorflow", SsdLayout::Tensorflow), ("torchvision", SsdLayout::Torchvision)];
        let layout = table.choice("layout", &words);
        let boxes_output = table.string("boxes_output");
        let scores_output = table.string("scores_output");
        let classes_output = table.string("classes_output");
        let count_output = table.optional_string("count_output");
        let suppression = Suppression::none(table);
        Some(Self {
            layout: layout?,
            boxes_output: boxes_output?,
            scores_output: scores_output?,
            classes_output: classes_output?,
            count_output: count_output?,
            suppression: suppression?,
        })
    }

    pub(super) fn outputs(&self) -> Vec<NeededOutput> {
        let shape: &[i64] = match self.layout {
            SsdLayout::Tensorflow => &[1, -1, 4],
            SsdLayout::Torchvision => &[-1, 4],
        };
        let list = &shape[..shape.len() - 1];
        let mut outputs = vec![
            NeededOutput::floats("boxes_output", &self.boxes_output, shape),
            NeededOutput::floats("scores_output", &self.scores_output, list),
            NeededOutput::counts("classes_output", &self.classes_output, list),
        ];
        if let Some(name) = &self.count_output {
            outputs.push(NeededOutput::counts("count_output", name, &[1]));
        }
        outputs
    }
}

impl Head for SsdSpec {
    fn read(&self, outputs: &Outputs<'_>, frame: &Frame<'_>) -> Result<Vec<LabelledBox>, DetectError> {
        let boxes = Rows::of(outputs, &self.boxes_output, 4)?;
        let (scores_shape, scores) = outputs.floats(&self.scores_output)?;
        let (classes_shape, classes) = outputs.counts(&self.classes_output)?;
        same_length(&self.scores_output, scores_shape, scores.len(), boxes.len())?;
        same_length(&self.classes_output, classes_shape, classes.len(), boxes.len())?;
        let count = match &self.count_output {
            Some(name) => outputs.counts(name)?.1.first().copied().unwrap_or(0),
            None => i64::MAX,
        };
        let count = usize::try_from(count).unwrap_or(0);
        let mut candidates = Candidates::new(&self.scores_output, frame);
        for (place, (class, score)) in classes.iter().zip(scores).enumerate().take(count) {
            candidates.push_told(*class, *score, place)?;
        }
        candidates.boxes(self.suppression, |place| match (self.layout, boxes.four(place, 0)) {
            (SsdLayout::Torchvision, edges) => edges,
            (SsdLayout::Tensorflow, [top, left, bottom, right]) => scaled([left, top, right, bottom], frame),
        })
    }
}
