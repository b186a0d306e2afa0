//! Scores of whole pictures, each class on its own: `[1, classes]`, calibrated probabilities or logits.
//!
//! A label that stands for several classes gets the highest of them.

use super::needs::NeededOutput;
use super::numbers::ScoreKind;
use super::{Frame, Head, probability, wrong_shape};
use crate::classes::ClassMap;
use crate::detector::{DetectError, LabelledBox};
use crate::manifest::reader::Table;
use crate::session::Outputs;
use citybrain_types::BoundingBox;

/// Keys of `[head]` with `kind = "multilabel"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MultilabelSpec {
    /// Name of the output with the scores.
    pub score_output: String,
    /// What the scores are; probabilities when the manifest is silent.
    pub scores: ScoreKind,
}

impl MultilabelSpec {
    pub(super) fn read(table: &mut Table<'_>) -> Option<Self> {
        let score_output = table.string("score_output");
        let scores = table.choice_or("scores", &ScoreKind::WORDS, ScoreKind::Probabilities);
        Some(Self { score_output: score_output?, scores: scores? })
    }

    pub(super) fn outputs(&self) -> Vec<NeededOutput> {
        vec![NeededOutput::floats("score_output", &self.score_output, &[1, -1]).with_classes(1, 0)]
    }
}

impl Head for MultilabelSpec {
    fn read(&self, outputs: &Outputs<'_>, frame: &Frame<'_>) -> Result<Vec<LabelledBox>, DetectError> {
        let raw = image_scores(outputs, &self.score_output, frame.classes)?;
        let mut scores = vec![f32::NEG_INFINITY; frame.labels.len()];
        for (class, label) in frame.classes.told() {
            scores[label] = scores[label].max(self.scores.probability(raw[class]));
        }
        whole_pictures(&self.score_output, &scores, frame)
    }
}

/// An output `[1, classes]`.
pub(super) fn image_scores<'o>(
    outputs: &'o Outputs<'_>,
    name: &str,
    classes: &ClassMap,
) -> Result<&'o [f32], DetectError> {
    let (shape, scores) = outputs.floats(name)?;
    if shape != [1, scores.len() as i64] || !classes.fits(scores.len()) {
        return Err(wrong_shape(name, shape));
    }
    Ok(scores)
}

/// The whole picture for every label that reaches the floor, in the order of labels.
pub(super) fn whole_pictures(
    output: &str,
    scores: &[f32],
    frame: &Frame<'_>,
) -> Result<Vec<LabelledBox>, DetectError> {
    let mut found = Vec::new();
    for (label, value) in frame.labels.iter().zip(scores) {
        let score = probability(output, label, *value)?;
        if score.get() >= frame.floor {
            found.push(LabelledBox { label: label.clone(), score, bbox: BoundingBox::WHOLE });
        }
    }
    Ok(found)
}
