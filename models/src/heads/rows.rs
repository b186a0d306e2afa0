//! Outputs with one row of numbers per place: a box, and then the scores.

use super::wrong_shape;
use crate::detector::DetectError;
use crate::session::Outputs;

/// Rows of `[1, places, width]`.
pub(super) struct Rows<'o> {
    values: &'o [f32],
    width: usize,
}

impl<'o> Rows<'o> {
    /// An output `[1, places, width]`, or `[places, width]`, of at least `least` numbers a row.
    pub(super) fn of(outputs: &'o Outputs<'_>, name: &str, least: usize) -> Result<Self, DetectError> {
        let (shape, values) = outputs.floats(name)?;
        let width = match *shape {
            [1, _, width] | [_, width] => usize::try_from(width).unwrap_or(0),
            _ => 0,
        };
        if width < least.max(1) {
            return Err(wrong_shape(name, shape));
        }
        Ok(Self { values, width })
    }

    pub(super) const fn width(&self) -> usize {
        self.width
    }

    pub(super) const fn len(&self) -> usize {
        self.values.len() / self.width
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &'o [f32]> + use<'o> {
        self.values.chunks_exact(self.width)
    }

    /// Four numbers of a row, from `first` on.
    pub(super) fn four(&self, row: usize, first: usize) -> [f32; 4] {
        std::array::from_fn(|index| self.values[row * self.width + first + index])
    }
}
