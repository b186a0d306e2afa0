//! YOLOX: `[1, cells, 5 + classes]`, each row a box, an objectness and scores, both probabilities.
//!
//! `layout = "raw"` is what `tools/export_onnx.py` writes: the box is told relative to its cell, as
//! `((x + column) · stride, (y + row) · stride, e^width · stride, e^height · stride)`. `layout = "decoded"` is an export
//! with `--decode_in_inference`, which does so in the graph.

use super::candidates::{Suppression, from_middle};
use super::grid::{self, FeatureMap, feature_maps};
use super::needs::NeededOutput;
use super::rows::Rows;
use super::yolov5::{BOX_AND_OBJECTNESS, best_of_rows};
use super::{Frame, Head, wrong_shape};
use crate::detector::{DetectError, LabelledBox};
use crate::manifest::reader::Table;
use crate::session::Outputs;

/// Keys of `[head]` with `kind = "yolox"`.
#[derive(Debug, Clone, PartialEq)]
pub struct YoloxSpec {
    /// Name of the output.
    pub output: String,
    /// With `layout = "raw"` the `strides`; `None` when boxes are decoded in the graph.
    pub strides: Option<Vec<u32>>,
    /// How many boxes are told; `max_iou` 0.45 when the manifest is silent.
    pub suppression: Suppression,
}

impl YoloxSpec {
    pub(super) fn read(table: &mut Table<'_>) -> Option<Self> {
        let output = table.string("output");
        let raw = table.choice("layout", &[("raw", true), ("decoded", false)]);
        let strides = match raw {
            Some(true) => grid::strides(table).map(Some),
            Some(false) => {
                table.refuse("strides", "boxes decoded in the graph need no strides: leave them out");
                Some(None)
            }
            None => {
                table.skip(&["strides"]);
                None
            }
        };
        let suppression = Suppression::read(table, 0.45);
        Some(Self { output: output?, strides: strides?, suppression: suppression? })
    }

    pub(super) fn outputs(&self, input: (u32, u32)) -> Vec<NeededOutput> {
        let cells = self
            .strides
            .as_ref()
            .map(|strides| feature_maps(input, strides).iter().map(FeatureMap::cells).sum::<usize>() as i64);
        let shape = [1, cells.unwrap_or(-1), -1];
        vec![NeededOutput::floats("output", &self.output, &shape).with_classes(2, BOX_AND_OBJECTNESS)]
    }
}

impl Head for YoloxSpec {
    fn read(&self, outputs: &Outputs<'_>, frame: &Frame<'_>) -> Result<Vec<LabelledBox>, DetectError> {
        let rows = Rows::of(outputs, &self.output, BOX_AND_OBJECTNESS + 1)?;
        let candidates = best_of_rows(&self.output, &rows, frame)?;
        let Some(strides) = &self.strides else {
            return candidates.boxes(self.suppression, |place| from_middle(rows.four(place, 0)));
        };
        let maps = feature_maps(frame.placement.input(), strides);
        if rows.len() != maps.iter().map(FeatureMap::cells).sum::<usize>() {
            return Err(wrong_shape(&self.output, &[1, rows.len() as i64, rows.width() as i64]));
        }
        candidates.boxes(self.suppression, |place| {
            let Some((number, cell)) = grid::find(&maps, place) else { return [0.0; 4] };
            from_middle(in_pixels(rows.four(place, 0), &maps[number], cell))
        })
    }
}

/// Middle and size in pixels of the input.
fn in_pixels([x, y, width, height]: [f32; 4], map: &FeatureMap, cell: usize) -> [f32; 4] {
    let (column, row) = map.cell(cell);
    let stride = map.stride as f32;
    [(x + column as f32) * stride, (y + row as f32) * stride, width.exp() * stride, height.exp() * stride]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_raw_box_is_told_relative_to_its_cell() {
        let map = FeatureMap { stride: 16, columns: 4, rows: 4 };
        let found = in_pixels([0.5, 0.25, 0.0, 2.0_f32.ln()], &map, 6);
        let expected = [40.0, 20.0, 16.0, 32.0];
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-4), "{found:?}");
    }
}
