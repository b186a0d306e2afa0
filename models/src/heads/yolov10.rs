//! YOLOv10 and v26, end to end: `[1, boxes, 6]`, each row left, top, right and bottom in pixels, a probability and the
//! number of its class. The graph has no two boxes of one thing, so nothing is suppressed.

use super::candidates::{Candidates, Suppression};
use super::needs::NeededOutput;
use super::rows::Rows;
use super::{Frame, Head, wrong_shape};
use crate::detector::{DetectError, LabelledBox};
use crate::manifest::reader::Table;
use crate::session::Outputs;

/// Keys of `[head]` with `kind = "yolov10"`.
#[derive(Debug, Clone, PartialEq)]
pub struct Yolov10Spec {
    /// Name of the output.
    pub output: String,
    /// How many boxes are told.
    pub suppression: Suppression,
}

/// Numbers of a row.
const ROW: usize = 6;

impl Yolov10Spec {
    pub(super) fn read(table: &mut Table<'_>) -> Option<Self> {
        let (output, suppression) = (table.string("output"), Suppression::none(table));
        Some(Self { output: output?, suppression: suppression? })
    }

    pub(super) fn outputs(&self) -> Vec<NeededOutput> {
        vec![NeededOutput::floats("output", &self.output, &[1, -1, ROW as i64])]
    }
}

impl Head for Yolov10Spec {
    fn read(&self, outputs: &Outputs<'_>, frame: &Frame<'_>) -> Result<Vec<LabelledBox>, DetectError> {
        let rows = Rows::of(outputs, &self.output, ROW)?;
        if rows.width() != ROW {
            return Err(wrong_shape(&self.output, &[1, rows.len() as i64, rows.width() as i64]));
        }
        let mut candidates = Candidates::new(&self.output, frame);
        for (place, row) in rows.iter().enumerate() {
            candidates.push_told(row[5].round() as i64, row[4], place)?;
        }
        candidates.boxes(self.suppression, |place| rows.four(place, 0))
    }
}
