//! RT-DETR, D-FINE, DEIM and other descendants of DETR. They have no two boxes of one thing: nothing is suppressed.
//!
//! Two layouts. The projects' *deploy* export ends with their own post-processing: `labels` `[1, boxes]`, `boxes`
//! `[1, boxes, 4]` as left, top, right, bottom, and `scores` `[1, boxes]`; it has a second input, the size to scale the
//! boxes to as `[[width, height]]`, which gets the size of the model's input here. The *raw* one ends before: `logits`
//! `[1, queries, classes]` and boxes `[1, queries, 4]` as middle and size in fractions of the input; every class of a
//! query is judged on its own after a sigmoid, or with `scores = "softmax"` (the first DETR, where the last class means
//! "nothing") against the others.

use super::candidates::{Candidates, Suppression, from_middle};
use super::needs::{ExtraInput, NeededOutput, Needs, Numbers};
use super::numbers::{sigmoid, softmax};
use super::rows::Rows;
use super::{Frame, Head, same_length, wrong_classes, wrong_shape};
use crate::detector::{DetectError, LabelledBox};
use crate::manifest::reader::Table;
use crate::session::Outputs;

/// Keys of `[head]` with `kind = "detr"`.
#[derive(Debug, Clone, PartialEq)]
pub struct DetrSpec {
    /// Name of the output with the boxes.
    pub boxes_output: String,
    /// What else there is.
    pub layout: DetrLayout,
    /// How many boxes are told.
    pub suppression: Suppression,
}

/// What a graph gives beside boxes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DetrLayout {
    /// `logits_output`: post-processing is left to us.
    Raw {
        /// Name of the output.
        logits_output: String,
        /// `scores = "softmax"` in place of `"sigmoid"`.
        softmax: bool,
    },
    /// `labels_output` and `scores_output`.
    Deploy {
        /// Name of the output with the numbers of classes.
        labels_output: String,
        /// Name of the output with probabilities.
        scores_output: String,
        /// `size_input`: name of the input that wants the size; without one boxes are in fractions of the input.
        size_input: Option<String>,
    },
}

impl DetrSpec {
    pub(super) fn read(table: &mut Table<'_>) -> Option<Self> {
        let boxes_output = table.string("boxes_output");
        let layout = if table.has("logits_output") {
            let logits_output = table.string("logits_output");
            let softmax = table.choice_or("scores", &[("sigmoid", false), ("softmax", true)], false);
            for key in ["labels_output", "scores_output", "size_input"] {
                table
                    .refuse(key, "with logits_output there is no labels_output, scores_output or size_input");
            }
            logits_output
                .zip(softmax)
                .map(|(logits_output, softmax)| DetrLayout::Raw { logits_output, softmax })
        } else {
            let (labels_output, scores_output) =
                (table.string("labels_output"), table.string("scores_output"));
            let size_input = table.optional_string("size_input");
            match (labels_output, scores_output, size_input) {
                (Some(labels_output), Some(scores_output), Some(size_input)) => {
                    Some(DetrLayout::Deploy { labels_output, scores_output, size_input })
                }
                _ => None,
            }
        };
        let suppression = Suppression::none(table);
        Some(Self { boxes_output: boxes_output?, layout: layout?, suppression: suppression? })
    }

    pub(super) fn needs(&self, input: (u32, u32)) -> Needs {
        let boxes = NeededOutput::floats("boxes_output", &self.boxes_output, &[1, -1, 4]);
        match &self.layout {
            DetrLayout::Raw { logits_output, .. } => {
                let logits = NeededOutput::floats("logits_output", logits_output, &[1, -1, -1]);
                vec![logits.with_classes(2, 0), boxes].into()
            }
            DetrLayout::Deploy { labels_output, scores_output, size_input } => {
                let size = size_input.as_ref().map(|name| ExtraInput {
                    key: "size_input",
                    name: name.clone(),
                    shape: vec![1, 2],
                    numbers: Numbers::I64(vec![i64::from(input.0), i64::from(input.1)]),
                });
                let labels = NeededOutput::counts("labels_output", labels_output, &[1, -1]);
                let scores = NeededOutput::floats("scores_output", scores_output, &[1, -1]);
                Needs { outputs: vec![labels, boxes, scores], inputs: size.into_iter().collect() }
            }
        }
    }

    fn raw(
        &self,
        name: &str,
        of_all: bool,
        outputs: &Outputs<'_>,
        frame: &Frame<'_>,
    ) -> Result<Vec<LabelledBox>, DetectError> {
        let (logits, boxes) = (Rows::of(outputs, name, 1)?, Rows::of(outputs, &self.boxes_output, 4)?);
        wrong_classes(name, frame, logits.width())?;
        if boxes.width() != 4 || boxes.len() != logits.len() {
            return Err(wrong_shape(&self.boxes_output, &[1, boxes.len() as i64, boxes.width() as i64]));
        }
        let mut candidates = Candidates::new(name, frame);
        for (query, row) in logits.iter().enumerate() {
            if of_all {
                for (class, score) in softmax(row.iter().copied()).enumerate() {
                    candidates.push(class, score, query)?;
                }
            } else {
                for (class, _) in frame.classes.told() {
                    candidates.push(class, sigmoid(row[class]), query)?;
                }
            }
        }
        candidates.boxes(self.suppression, |query| scaled(from_middle(boxes.four(query, 0)), frame))
    }
}

/// Fractions of the input in its pixels.
pub(super) fn scaled([left, top, right, bottom]: [f32; 4], frame: &Frame<'_>) -> [f32; 4] {
    let (width, height) = frame.placement.input();
    let (width, height) = (width as f32, height as f32);
    [left * width, top * height, right * width, bottom * height]
}

impl Head for DetrSpec {
    fn read(&self, outputs: &Outputs<'_>, frame: &Frame<'_>) -> Result<Vec<LabelledBox>, DetectError> {
        let (labels_output, scores_output, size_input) = match &self.layout {
            DetrLayout::Raw { logits_output, softmax } => {
                return self.raw(logits_output, *softmax, outputs, frame);
            }
            DetrLayout::Deploy { labels_output, scores_output, size_input } => {
                (labels_output, scores_output, size_input)
            }
        };
        let boxes = Rows::of(outputs, &self.boxes_output, 4)?;
        let (labels_shape, labels) = outputs.counts(labels_output)?;
        let (scores_shape, scores) = outputs.floats(scores_output)?;
        same_length(labels_output, labels_shape, labels.len(), boxes.len())?;
        same_length(scores_output, scores_shape, scores.len(), boxes.len())?;
        let mut candidates = Candidates::new(scores_output, frame);
        for (place, (class, score)) in labels.iter().zip(scores).enumerate() {
            candidates.push_told(*class, *score, place)?;
        }
        candidates.boxes(self.suppression, |place| match size_input {
            Some(_) => boxes.four(place, 0),
            None => scaled(boxes.four(place, 0), frame),
        })
    }
}
