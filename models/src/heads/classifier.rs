//! A classifier of whole pictures that chooses among its classes: `[1, classes]`, one probability for all together.
//!
//! A label's score is its class's part of the whole; labels that stand for several classes get the parts of all. A class
//! for "nothing of all this" is left out with `""`.

use super::multilabel::{image_scores, whole_pictures};
use super::needs::NeededOutput;
use super::numbers::softmax;
use super::{Frame, Head};
use crate::detector::{DetectError, LabelledBox};
use crate::manifest::reader::Table;
use crate::session::Outputs;

/// Keys of `[head]` with `kind = "classifier"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassifierSpec {
    /// Name of the output.
    pub score_output: String,
    /// `scores`: whether they are `"logits"`, before the softmax, or `"probabilities"`.
    pub logits: bool,
}

impl ClassifierSpec {
    pub(super) fn read(table: &mut Table<'_>) -> Option<Self> {
        let score_output = table.string("score_output");
        let logits = table.choice("scores", &[("logits", true), ("probabilities", false)]);
        Some(Self { score_output: score_output?, logits: logits? })
    }

    pub(super) fn outputs(&self) -> Vec<NeededOutput> {
        vec![NeededOutput::floats("score_output", &self.score_output, &[1, -1]).with_classes(1, 0)]
    }
}

impl Head for ClassifierSpec {
    fn read(&self, outputs: &Outputs<'_>, frame: &Frame<'_>) -> Result<Vec<LabelledBox>, DetectError> {
        let raw = image_scores(outputs, &self.score_output, frame.classes)?;
        let parts: Vec<f32> = if self.logits { softmax(raw.iter().copied()).collect() } else { raw.to_vec() };
        let mut scores = vec![0.0; frame.labels.len()];
        for (class, label) in frame.classes.told() {
            scores[label] += parts[class];
        }
        whole_pictures(&self.score_output, &scores, frame)
    }
}
