//! One probability per label for the whole picture: `[1, labels]`, already calibrated.

use super::{Frame, Head, NeededOutput, score};
use crate::detector::{DetectError, LabelledBox};
use crate::manifest::reader::Table;
use crate::session::{Outputs, shape_text};
use citybrain_types::BoundingBox;

/// Keys of `[head]` with `kind = "multilabel"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MultilabelSpec {
    /// Name of the output with the scores.
    pub score_output: String,
}

impl MultilabelSpec {
    pub(crate) fn read(table: &mut Table<'_>) -> Option<Self> {
        Some(Self { score_output: table.string("score_output")? })
    }

    pub(crate) fn outputs(&self, labels: i64) -> Vec<NeededOutput> {
        let name = self.score_output.clone();
        vec![NeededOutput { key: "score_output", name, shape: vec![1, labels], label_axis: 1 }]
    }
}

impl Head for MultilabelSpec {
    fn read(&self, outputs: &Outputs<'_>, frame: &Frame<'_>) -> Result<Vec<LabelledBox>, DetectError> {
        let scores = image_scores(outputs, &self.score_output, frame.labels.len())?;
        let mut found = Vec::new();
        for (label, value) in frame.labels.iter().zip(scores) {
            let score = score(&self.score_output, label, *value)?;
            if score.get() >= frame.floor {
                found.push(LabelledBox { label: label.clone(), score, bbox: BoundingBox::WHOLE });
            }
        }
        Ok(found)
    }
}

/// An output `[1, labels]`.
pub(super) fn image_scores<'o>(
    outputs: &'o Outputs<'_>,
    name: &str,
    labels: usize,
) -> Result<&'o [f32], DetectError> {
    let (shape, scores) = outputs.floats(name)?;
    if shape != [1, labels as i64] {
        return Err(DetectError::OutputShape { output: name.to_owned(), found: shape_text(shape) });
    }
    Ok(scores)
}
