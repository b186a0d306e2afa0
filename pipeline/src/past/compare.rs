//! Two small grey pictures, place by place.

use crate::decode::Area;
use citybrain_types::BoundingBox;

/// Columns of a small picture.
pub const WIDTH: usize = 64;
/// Its rows.
pub const HEIGHT: usize = 36;
pub(crate) const PIXELS: usize = WIDTH * HEIGHT;

/// A picture is compared in cells of this many pixels a side …
const CELL: usize = 4;
/// … each with this many pixels around it.
const MARGIN: usize = 2;
/// Contrast that both pictures are brought to.
const CONTRAST: f32 = 48.0;
/// Differences of structure below this are those of a sensor at night.
const NOISE: f32 = 64.0;
/// So much lighter or darker, against the whole picture, is half a change.
const HALF_LIGHT: f32 = 32.0;

/// A picture made small: grey, 64 by 36, brought to a mean of 0 and to one contrast.
#[derive(Debug, Clone, PartialEq)]
pub struct Glimpse {
    luma: Vec<u8>,
    /// What turns luma into what is compared.
    mean: f32,
    gain: f32,
}

impl Glimpse {
    /// Of the picture within a canvas of interleaved RGB; `None` when it is smaller than 64 by 36 or the canvas is not
    /// whole.
    #[must_use]
    pub fn of(rgb: &[u8], area: &Area) -> Option<Self> {
        let (width, height) = (area.width as usize, area.height as usize);
        let stride = area.canvas.0 as usize * 3;
        if width < WIDTH || height < HEIGHT || rgb.len() < stride * area.canvas.1 as usize {
            return None;
        }
        let mut sums = vec![(0_u32, 0_u32); PIXELS];
        for y in 0..height {
            let start = (area.top as usize + y) * stride + area.left as usize * 3;
            let row = rgb.get(start..start + width * 3)?;
            let out = y * HEIGHT / height * WIDTH;
            for (x, pixel) in row.chunks_exact(3).enumerate() {
                let [r, g, b] = [pixel[0], pixel[1], pixel[2]].map(u32::from);
                let sum = &mut sums[out + x * WIDTH / width];
                *sum = (sum.0 + ((77 * r + 150 * g + 29 * b) >> 8), sum.1 + 1);
            }
        }
        Self::from_luma(sums.into_iter().map(|(sum, count)| (sum / count.max(1)) as u8).collect())
    }

    /// Of 64 by 36 luma samples; `None` for another number of them.
    #[must_use]
    pub fn from_luma(luma: Vec<u8>) -> Option<Self> {
        if luma.len() != PIXELS {
            return None;
        }
        let mean = luma.iter().map(|value| f32::from(*value)).sum::<f32>() / PIXELS as f32;
        let variance =
            luma.iter().map(|value| (f32::from(*value) - mean).powi(2)).sum::<f32>() / PIXELS as f32;
        // A picture without contrast is not blown up to one of noise.
        let gain = CONTRAST / variance.sqrt().max(8.0);
        Some(Self { luma, mean, gain })
    }

    pub(crate) fn luma(&self) -> &[u8] {
        &self.luma
    }

    fn value(&self, x: usize, y: usize) -> f32 {
        (f32::from(self.luma[y * WIDTH + x]) - self.mean) * self.gain
    }

    /// How much the place of a box differs between two pictures, from 0 to 1: the mean of the half of its cells that
    /// differ most, since a box is larger than the thing in it.
    #[must_use]
    pub fn differs(&self, other: &Self, bbox: &BoundingBox) -> f32 {
        let mut cells: Vec<f32> = cells_of(bbox).map(|(x, y)| self.cell_differs(other, x, y)).collect();
        cells.sort_by(|a, b| b.total_cmp(a));
        let half = cells.len().div_ceil(2).max(1);
        let sum: f32 = cells.iter().take(half).sum();
        (sum / half as f32).clamp(0.0, 1.0)
    }

    /// One cell with what lies around it: structure as in SSIM (Wang et al., 2004, the product of its contrast and
    /// structure terms), and light on its own scale.
    fn cell_differs(&self, other: &Self, column: usize, row: usize) -> f32 {
        let span = |cell: usize, whole: usize| {
            (cell * CELL).saturating_sub(MARGIN)..(cell * CELL + CELL + MARGIN).min(whole)
        };
        let (mut count, mut a, mut b, mut aa, mut bb, mut ab) = (0.0_f32, 0.0, 0.0, 0.0, 0.0, 0.0);
        for y in span(row, HEIGHT) {
            for x in span(column, WIDTH) {
                let (of_a, of_b) = (self.value(x, y), other.value(x, y));
                count += 1.0;
                a += of_a;
                b += of_b;
                aa += of_a * of_a;
                bb += of_b * of_b;
                ab += of_a * of_b;
            }
        }
        let (a, b) = (a / count, b / count);
        let (var_a, var_b, both) = (aa / count - a * a, bb / count - b * b, ab / count - a * b);
        let structure = (2.0 * both + NOISE) / (var_a.max(0.0) + var_b.max(0.0) + NOISE);
        let light = 1.0 / (1.0 + ((a - b) / HALF_LIGHT).powi(2));
        (1.0 - structure.clamp(0.0, 1.0) * light).clamp(0.0, 1.0)
    }
}

/// The cells that a box touches; at least one.
fn cells_of(bbox: &BoundingBox) -> impl Iterator<Item = (usize, usize)> + use<> {
    const COLUMNS: usize = WIDTH / CELL;
    const ROWS: usize = HEIGHT / CELL;
    let span = |from: f32, to: f32, cells: usize| {
        let first = ((from * cells as f32) as usize).min(cells - 1);
        let end = ((to * cells as f32).ceil() as usize).clamp(first + 1, cells);
        first..end
    };
    let [left, top, right, bottom] = <[f32; 4]>::from(*bbox);
    let columns = span(left, right, COLUMNS);
    span(top, bottom, ROWS).flat_map(move |y| columns.clone().map(move |x| (x, y)))
}
