//! YOLOv8, v9 and v11: `[1, 4 + classes, places]`, a column per place: a box in pixels, and probabilities.
//!
//! There is no objectness. A column tells its highest class only. Most exports tell a box by its middle and size; those of
//! the MIT rewrite of YOLOv9 by its edges.

use super::candidates::{Candidates, Suppression, from_middle};
use super::needs::NeededOutput;
use super::{Frame, Head, wrong_classes, wrong_shape};
use crate::detector::{DetectError, LabelledBox};
use crate::manifest::reader::Table;
use crate::session::Outputs;

/// Keys of `[head]` with `kind = "yolov8"`.
#[derive(Debug, Clone, PartialEq)]
pub struct Yolov8Spec {
    /// Name of the output.
    pub output: String,
    /// `boxes`: whether a box is left, top, right and bottom (`"edges"`) or, when the manifest is silent, `"middle"`.
    pub edges: bool,
    /// How many boxes are told; `max_iou` 0.45 when the manifest is silent.
    pub suppression: Suppression,
}

/// Numbers of a column before its classes.
const BOX: usize = 4;

impl Yolov8Spec {
    pub(super) fn read(table: &mut Table<'_>) -> Option<Self> {
        let output = table.string("output");
        let edges = table.choice_or("boxes", &[("middle", false), ("edges", true)], false);
        let suppression = Suppression::read(table, 0.45);
        Some(Self { output: output?, edges: edges?, suppression: suppression? })
    }

    pub(super) fn outputs(&self) -> Vec<NeededOutput> {
        vec![NeededOutput::floats("output", &self.output, &[1, -1, -1]).with_classes(1, BOX)]
    }
}

impl Head for Yolov8Spec {
    fn read(&self, outputs: &Outputs<'_>, frame: &Frame<'_>) -> Result<Vec<LabelledBox>, DetectError> {
        let (shape, values) = outputs.floats(&self.output)?;
        let [1, rows, places] = *shape else { return Err(wrong_shape(&self.output, shape)) };
        let (rows, places) = (usize::try_from(rows).unwrap_or(0), usize::try_from(places).unwrap_or(0));
        if rows <= BOX {
            return Err(wrong_shape(&self.output, shape));
        }
        wrong_classes(&self.output, frame, rows - BOX)?;
        let mut candidates = Candidates::new(&self.output, frame);
        // Class by class along the memory, which is read in order that way.
        let mut best = vec![(0, f32::NEG_INFINITY); places];
        for (class, scores) in values.chunks_exact(places.max(1)).skip(BOX).enumerate() {
            for (best, score) in best.iter_mut().zip(scores) {
                if *score > best.1 {
                    *best = (class, *score);
                }
            }
        }
        for (place, (class, score)) in best.into_iter().enumerate() {
            candidates.push(class, score, place)?;
        }
        let numbers = |place: usize| std::array::from_fn(|row| values[row * places + place]);
        candidates.boxes(self.suppression, |place| {
            if self.edges { numbers(place) } else { from_middle(numbers(place)) }
        })
    }
}
