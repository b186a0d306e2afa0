//! What a model says of every part of a picture, for those who measure or show it; boxes come from it elsewhere.

use crate::letterbox::Placement;

/// A probability per label and cell of the input, `0..=1`.
#[derive(Debug, Clone, PartialEq)]
pub struct HeatMap {
    columns: usize,
    rows: usize,
    /// Labels one after the other, each row by row.
    cells: Vec<f32>,
    placement: Placement,
}

impl HeatMap {
    /// `cells` holds `columns × rows` numbers for each label.
    pub(crate) const fn new(columns: usize, rows: usize, cells: Vec<f32>, placement: Placement) -> Self {
        Self { columns, rows, cells, placement }
    }

    /// Columns and rows of the grid over the input (padding included).
    #[must_use]
    pub const fn size(&self) -> (usize, usize) {
        (self.columns, self.rows)
    }

    /// The cells of the label with that number in the manifest, row by row.
    #[must_use]
    pub fn cells(&self, label: usize) -> Option<&[f32]> {
        self.cells.chunks_exact(self.columns * self.rows).nth(label)
    }

    /// A label's probabilities over a picture of `width` × `height` pixels, row by row: between the middles of
    /// cells in proportion (bilinear), as at a pixel's middle. `None` for a label that is not there.
    #[must_use]
    pub fn over_picture(&self, label: usize, width: u32, height: u32) -> Option<Vec<f32>> {
        let cells = self.cells(label)?;
        let content = self.placement.content();
        let (input_width, input_height) = self.placement.input();
        let columns = Axis::along(width, content.left, content.width, input_width, self.columns);
        let rows = Axis::along(height, content.top, content.height, input_height, self.rows);
        let mut spread = Vec::with_capacity(columns.len() * rows.len());
        for (upper, lower, below) in &rows {
            let (upper, lower) = (&cells[upper * self.columns..], &cells[lower * self.columns..]);
            spread.extend(columns.iter().map(|(left, right, beyond)| {
                let across = |row: &[f32]| row[*left] + (row[*right] - row[*left]) * beyond;
                across(upper) + (across(lower) - across(upper)) * below
            }));
        }
        Some(spread)
    }
}

/// For a pixel: the two cells whose middles it lies between, and how far it is on the way from one to the other.
type Between = (usize, usize, f32);

struct Axis;

impl Axis {
    fn along(pixels: u32, start: u32, length: u32, input: u32, cells: usize) -> Vec<Between> {
        let in_cells = |at: f32| at / input as f32 * cells as f32;
        // Cells that show nothing of the picture say nothing of it.
        let (start, length) = (start as f32, length as f32);
        let last = (in_cells(start + length).ceil() as usize).clamp(1, cells) - 1;
        let first = (in_cells(start).floor() as usize).min(last);
        let cell_of = |pixel: u32| {
            let in_picture = (pixel as f32 + 0.5) / pixels as f32;
            let cell = (in_cells(start + in_picture * length) - 0.5).clamp(first as f32, last as f32);
            let near = cell.floor() as usize;
            (near, (near + 1).min(last), cell.fract())
        };
        (0..pixels).map(cell_of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn between_the_middles_of_two_cells_the_probability_changes_evenly() {
        let map = HeatMap::new(2, 1, vec![0.0, 1.0], Placement::stretch((64, 32)));
        let spread = map.over_picture(0, 8, 1).unwrap();
        assert_eq!(spread, [0.0, 0.0, 0.125, 0.375, 0.625, 0.875, 1.0, 1.0]);
        assert_eq!(map.over_picture(1, 8, 1), None);
    }

    #[test]
    fn what_lies_in_the_padding_is_not_over_the_picture() {
        // The content is rows 16 to 48 of 64: the first and the last of four rows of cells are padding.
        let placement = Placement::letterbox((64, 32), (64, 64));
        let map = HeatMap::new(1, 4, vec![1.0, 0.5, 0.5, 1.0], placement);
        let spread = map.over_picture(0, 1, 32).unwrap();
        assert_eq!(spread, [0.5; 32]);
    }
}
