//! YOLOv5 (also v6 and v7): `[1, places, 5 + classes]`, each row a middle and size in pixels, an objectness and scores.
//!
//! The score of a row is its objectness times its highest class, and a row tells that class only.

use super::candidates::{Candidates, Suppression, from_middle};
use super::needs::NeededOutput;
use super::rows::Rows;
use super::{Frame, Head, wrong_classes};
use crate::detector::{DetectError, LabelledBox};
use crate::manifest::reader::Table;
use crate::session::Outputs;

/// Keys of `[head]` with `kind = "yolov5"`.
#[derive(Debug, Clone, PartialEq)]
pub struct Yolov5Spec {
    /// Name of the output.
    pub output: String,
    /// How many boxes are told; `max_iou` 0.45 when the manifest is silent.
    pub suppression: Suppression,
}

impl Yolov5Spec {
    pub(super) fn read(table: &mut Table<'_>) -> Option<Self> {
        let (output, suppression) = (table.string("output"), Suppression::read(table, 0.45));
        Some(Self { output: output?, suppression: suppression? })
    }

    pub(super) fn outputs(&self) -> Vec<NeededOutput> {
        vec![NeededOutput::floats("output", &self.output, &[1, -1, -1]).with_classes(2, BOX_AND_OBJECTNESS)]
    }
}

/// Numbers of a row before its classes.
pub(super) const BOX_AND_OBJECTNESS: usize = 5;

impl Head for Yolov5Spec {
    fn read(&self, outputs: &Outputs<'_>, frame: &Frame<'_>) -> Result<Vec<LabelledBox>, DetectError> {
        let rows = Rows::of(outputs, &self.output, BOX_AND_OBJECTNESS + 1)?;
        best_of_rows(&self.output, &rows, frame)?
            .boxes(self.suppression, |place| from_middle(rows.four(place, 0)))
    }
}

/// The best class of each row, weighed by its objectness.
pub(super) fn best_of_rows<'f>(
    output: &'f str,
    rows: &Rows<'_>,
    frame: &'f Frame<'f>,
) -> Result<Candidates<'f>, DetectError> {
    wrong_classes(output, frame, rows.width() - BOX_AND_OBJECTNESS)?;
    let mut candidates = Candidates::new(output, frame);
    for (place, row) in rows.iter().enumerate() {
        // No class is above one, so most rows are done with here.
        let objectness = row[BOX_AND_OBJECTNESS - 1];
        if objectness >= frame.floor {
            candidates.push_best(&row[BOX_AND_OBJECTNESS..], objectness, place)?;
        }
    }
    Ok(candidates)
}
