//! Resizes one plane of bytes with the triangle filter that widens with the reduction (Pillow's `BILINEAR`, after
//! <https://github.com/python-pillow/Pillow/blob/main/src/libImaging/Resample.c>), which the models were trained with.
//!
//! Own code because it is a quarter of a look: rows are added up first, which is plain vector work on whole rows, and
//! only the few rows that are left are gone through pixel by pixel. `fast_image_resize` takes the other order and, for
//! single-byte pixels and the short windows of a reduction by 2 to 3, takes 5 times as long.

use super::frame::Plane;

/// Weights of one direction, for one pair of lengths.
#[derive(Debug)]
struct Taps {
    from: u32,
    to: u32,
    /// Weights of each target sample, all of the same number.
    count: usize,
    /// First source sample of each target sample; `start + count <= from`.
    starts: Vec<u32>,
    /// `count` weights for each target sample; they add up to [`ONE`].
    weights: Vec<u16>,
}

/// The sum of a target sample's weights: the largest that fits.
const ONE: u16 = u16::MAX;

impl Taps {
    fn new(from: u32, to: u32) -> Self {
        let scale = f64::from(from) / f64::from(to);
        let support = scale.max(1.0);
        let count = (padded(support.mul_add(2.0, 1.0).ceil() as usize)).min(from as usize);
        let last_start = from - count as u32;
        let mut taps = Self { from, to, count, starts: Vec::new(), weights: Vec::new() };
        let mut shares = vec![0.0; count];
        for target in 0..to {
            let centre = (f64::from(target) + 0.5) * scale;
            let start = ((centre - support).floor().max(0.0) as u32).min(last_start);
            for (share, source) in shares.iter_mut().zip(start..) {
                *share = (1.0 - ((f64::from(source) + 0.5 - centre) / support).abs()).max(0.0);
            }
            taps.starts.push(start);
            taps.push_weights(&shares);
        }
        taps
    }

    /// Rounds shares to weights that add up to exactly [`ONE`], so that a flat area stays flat.
    fn push_weights(&mut self, shares: &[f64]) {
        let sum: f64 = shares.iter().sum();
        let first = self.weights.len();
        self.weights.extend(shares.iter().map(|share| (share / sum * f64::from(ONE)) as u16));
        let weights = &mut self.weights[first..];
        let missing = weights.iter().fold(ONE, |left, weight| left.saturating_sub(*weight));
        if let Some(largest) = weights.iter_mut().max() {
            *largest = largest.saturating_add(missing);
        }
    }

    fn of(&self, target: usize) -> (usize, &[u16]) {
        (self.starts[target] as usize, &self.weights[target * self.count..][..self.count])
    }
}

/// Windows of 2, 4, 8 and 16 have loops of their own.
const fn padded(count: usize) -> usize {
    if count <= 16 { count.next_power_of_two() } else { count }
}

/// Weights are kept for so many pairs of lengths, and the two in use: both directions of luma and chroma for a handful
/// of stream sizes.
const KEPT: usize = 32;

/// Resizes planes; keeps weights and buffers from plane to plane.
#[derive(Debug, Default)]
pub(super) struct Resampler {
    taps: Vec<Taps>,
    row: Vec<u16>,
}

impl Resampler {
    /// Resizes a plane into `target`, which gets `width * height` bytes. No side may be zero.
    pub(super) fn resize(&mut self, plane: &Plane<'_>, width: u32, height: u32, target: &mut Vec<u8>) {
        target.resize(width as usize * height as usize, 0);
        if (plane.width, plane.height) == (width, height) {
            let rows = target.chunks_exact_mut(width as usize).enumerate();
            return rows.for_each(|(y, row)| row.copy_from_slice(plane.row(y)));
        }
        if self.taps.len() > KEPT {
            self.taps.clear();
        }
        let (across, down) = (self.taps(plane.width, width), self.taps(plane.height, height));
        let (across, down) = (&self.taps[across], &self.taps[down]);
        self.row.resize(plane.width as usize, 0);
        for (y, target) in target.chunks_exact_mut(width as usize).enumerate() {
            let (start, weights) = down.of(y);
            self.row.fill(0);
            for (source, weight) in (start..).zip(weights).filter(|(_, weight)| **weight > 0) {
                add_row(&mut self.row, plane.row(source), *weight);
            }
            match across.count {
                2 => along_row::<2>(&self.row, across, target),
                4 => along_row::<4>(&self.row, across, target),
                8 => along_row::<8>(&self.row, across, target),
                16 => along_row::<16>(&self.row, across, target),
                _ => along_row_of_any_window(&self.row, across, target),
            }
        }
    }

    fn taps(&mut self, from: u32, to: u32) -> usize {
        if let Some(at) = self.taps.iter().position(|taps| (taps.from, taps.to) == (from, to)) {
            return at;
        }
        self.taps.push(Taps::new(from, to));
        self.taps.len() - 1
    }
}

/// Adds a weighted row of bytes to sums with 8 bits behind the point. Wrapping, so that no check stands in the way of
/// vectors; nothing wraps, since the weights add up to [`ONE`].
fn add_row(sums: &mut [u16], row: &[u8], weight: u16) {
    for (sum, sample) in sums.iter_mut().zip(row) {
        let sample = u16::from(*sample) << 8;
        let part = (u32::from(sample).wrapping_mul(u32::from(weight)) >> 16) as u16;
        *sum = sum.wrapping_add(part);
    }
}

/// Adds up `N` neighbours for each target sample.
fn along_row<const N: usize>(row: &[u16], taps: &Taps, target: &mut [u8]) {
    let (windows, _) = taps.weights.as_chunks::<N>();
    for ((target, start), weights) in target.iter_mut().zip(&taps.starts).zip(windows) {
        // `start + count <= from`, and the row has `from` samples.
        let Some(samples) = row[*start as usize..].first_chunk::<N>() else { return };
        let mut sum = 0_u32;
        for n in 0..N {
            sum = sum.wrapping_add(u32::from(samples[n]).wrapping_mul(u32::from(weights[n])));
        }
        *target = rounded(sum);
    }
}

fn along_row_of_any_window(row: &[u16], taps: &Taps, target: &mut [u8]) {
    for (x, target) in target.iter_mut().enumerate() {
        let (start, weights) = taps.of(x);
        let products =
            row[start..].iter().zip(weights).map(|(s, w)| u32::from(*s).wrapping_mul(u32::from(*w)));
        *target = rounded(products.fold(0, u32::wrapping_add));
    }
}

/// From 24 bits behind the point to a byte.
const fn rounded(sum: u32) -> u8 {
    let byte = (sum >> 16).wrapping_add(128) >> 8;
    if byte > 255 { 255 } else { byte as u8 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(length: usize) -> Vec<u8> {
        let mut state = 1_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        (0..length).map(|_| next()).collect()
    }

    /// The definition, in floating point.
    fn reference(data: &[u8], stride: usize, from: (u32, u32), to: (u32, u32)) -> Vec<f64> {
        let shares = |from: u32, to: u32, target: u32| -> Vec<f64> {
            let scale = f64::from(from) / f64::from(to);
            let centre = (f64::from(target) + 0.5) * scale;
            let share = |n: u32| (1.0 - ((f64::from(n) + 0.5 - centre) / scale.max(1.0)).abs()).max(0.0);
            let all: Vec<f64> = (0..from).map(share).collect();
            let sum: f64 = all.iter().sum();
            all.into_iter().map(|share| share / sum).collect()
        };
        let across: Vec<Vec<f64>> = (0..to.0).map(|x| shares(from.0, to.0, x)).collect();
        let mut result = Vec::new();
        for y in 0..to.1 {
            let down = shares(from.1, to.1, y);
            let row: Vec<f64> = (0..from.0 as usize)
                .map(|x| down.iter().enumerate().map(|(n, w)| w * f64::from(data[n * stride + x])).sum())
                .collect();
            result.extend(across.iter().map(|w| w.iter().zip(&row).map(|(w, v)| w * v).sum::<f64>()));
        }
        result
    }

    #[test]
    fn every_pixel_is_within_one_of_the_definition_and_nothing_beside_the_picture_is_read() {
        let sizes = [
            ((128, 72), (41, 23)),
            ((64, 36), (64, 17)),
            ((40, 30), (97, 64)),
            ((300, 5), (7, 3)),
            ((5, 3), (1, 1)),
            ((1, 1), (9, 4)),
            ((2, 200), (2, 3)),
            ((33, 33), (33, 33)),
        ];
        let mut resampler = Resampler::default();
        for (from, to) in sizes {
            // What lies behind each row would show: it differs from run to run.
            let (width, stride) = (from.0 as usize, from.0 as usize + 13);
            let mut data = noise(stride * from.1 as usize);
            let want = reference(&data, stride, from, to);
            let mut results = Vec::new();
            for behind in [0, 255] {
                data.chunks_exact_mut(stride).for_each(|row| row[width..].fill(behind));
                let plane = Plane { data: &data, stride, width: from.0, height: from.1 };
                let mut target = vec![1; 3];
                resampler.resize(&plane, to.0, to.1, &mut target);
                results.push(target);
            }
            assert_eq!(results[0], results[1], "{from:?} to {to:?} reads beside the picture");
            for (at, (got, want)) in results[0].iter().zip(&want).enumerate() {
                assert!(
                    (f64::from(*got) - want).abs() <= 1.0,
                    "{from:?} to {to:?}: {got} at {at}, not {want}"
                );
            }
        }
    }

    #[test]
    fn a_flat_plane_stays_exactly_as_it_is() {
        let mut resampler = Resampler::default();
        for value in [0, 1, 16, 128, 235, 255] {
            for (from, to) in [((1280, 720), (416, 234)), ((320, 180), (416, 234)), ((4000, 3), (3, 2))] {
                let data = vec![value; (from.0 * from.1) as usize];
                let plane = Plane { data: &data, stride: from.0 as usize, width: from.0, height: from.1 };
                let mut target = Vec::new();
                resampler.resize(&plane, to.0, to.1, &mut target);
                assert!(
                    target.iter().all(|got| *got == value),
                    "{value} from {from:?} became {:?}",
                    &target[..4]
                );
            }
        }
    }

    #[test]
    fn weights_of_more_sizes_than_are_kept_are_made_again() {
        let mut resampler = Resampler::default();
        let data = vec![77; 200 * 200];
        for round in 0..3 {
            for side in 1..80 {
                let plane = Plane { data: &data, stride: 200, width: 200, height: 200 };
                let mut target = Vec::new();
                resampler.resize(&plane, side, side + 1, &mut target);
                assert_eq!(target, vec![77; (side * (side + 1)) as usize], "round {round}, side {side}");
            }
        }
        assert!(resampler.taps.len() <= KEPT + 2);
    }
}
