//! Heat maps against masks, pixel by pixel.

use super::dataset::MASK_LABEL;
use super::metrics::{Estimate, Resampling};
use crate::detector::Detector;
use crate::heat_map::HeatMap;
use citybrain_types::Label;
use image::RgbImage;
use serde::Serialize;

/// Thresholds tried are multiples of this.
const STEP: f64 = 0.05;
/// From 0.05 to 0.95.
const STEPS: usize = 19;

/// How well water is told from ground.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Area {
    /// Pictures with a mask.
    pub masks: usize,
    /// Intersection over union of each picture, averaged.
    pub mean_iou: Estimate,
    /// Intersections of all pictures over their unions.
    pub pooled_iou: Estimate,
    /// Threshold and pooled IoU: what another threshold would give on these very pictures. Empty for a part.
    pub pooled_iou_by_threshold: Vec<[f64; 2]>,
}

/// Pixels of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Overlap {
    intersection: u64,
    union: u64,
}

impl Overlap {
    /// Nothing where nothing is, is right.
    fn iou(self) -> f64 {
        if self.union == 0 { 1.0 } else { self.intersection as f64 / self.union as f64 }
    }
}

/// What one picture's heat map says against its mask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MaskAnswer {
    shipped: Overlap,
    steps: [Overlap; STEPS],
}

/// A label's heat over a picture, and where it reaches the threshold that its model was shipped with.
pub(super) struct Painted {
    heat: Vec<f32>,
    found: Vec<bool>,
}

impl Painted {
    /// `None` when the model does not score what masks show.
    pub(super) fn of(detector: &Detector, map: &HeatMap, mask: &RgbImage) -> Option<Self> {
        let water = Label::new(MASK_LABEL);
        let number = detector.labels().iter().position(|label| *label == water)?;
        let threshold = detector.threshold(&water)?;
        let heat = map.over_picture(number, mask.width(), mask.height())?;
        let found = heat.iter().map(|heat| *heat >= threshold).collect();
        Some(Self { heat, found })
    }

    /// What either of two models finds.
    pub(super) fn or(mut self, other: &Self) -> Self {
        for (heat, other) in self.heat.iter_mut().zip(&other.heat) {
            *heat = heat.max(*other);
        }
        for (found, other) in self.found.iter_mut().zip(&other.found) {
            *found |= *other;
        }
        self
    }

    /// Against a mask of the same size, white where the label is.
    pub(super) fn against(&self, mask: &RgbImage) -> MaskAnswer {
        let mut shipped = Overlap::default();
        // Pixels by the number of steps their heat reaches, with and without the label.
        let mut reached = [[0_u64; STEPS + 1]; 2];
        for ((pixel, heat), found) in mask.pixels().zip(&self.heat).zip(&self.found) {
            let is_there = pixel.0[0] > 127;
            shipped.intersection += u64::from(is_there && *found);
            shipped.union += u64::from(is_there || *found);
            let steps = (f64::from(*heat) / STEP + 1e-6) as usize;
            reached[usize::from(is_there)][steps.min(STEPS)] += 1;
        }
        let there: u64 = reached[1].iter().sum();
        let steps = std::array::from_fn(|step| {
            let from = |pixels: &[u64; STEPS + 1]| pixels[step + 1..].iter().sum::<u64>();
            Overlap { intersection: from(&reached[1]), union: there + from(&reached[0]) }
        });
        MaskAnswer { shipped, steps }
    }
}

/// Sums up the pictures of a part, each with the number of its group; `None` without any.
pub(super) fn area(
    answers: &[(usize, &MaskAnswer)],
    resampling: Resampling,
    with_thresholds: bool,
) -> Option<Area> {
    let groups = || answers.iter().map(|(group, _)| *group);
    let weighted = |times: &[u32], of: &dyn Fn(&MaskAnswer) -> (f64, f64)| {
        let sums = answers.iter().map(|(group, answer)| (f64::from(times[*group]), of(answer)));
        let (part, whole) = sums.fold((0.0, 0.0), |(a, b), (n, (part, whole))| (a + n * part, b + n * whole));
        (whole > 0.0).then(|| part / whole)
    };
    let mean_iou = resampling
        .estimate(groups(), |times| weighted(times, &|answer: &MaskAnswer| (answer.shipped.iou(), 1.0)))?;
    let pixels = |overlap: Overlap| (overlap.intersection as f64, overlap.union as f64);
    let pooled_iou = resampling
        .estimate(groups(), |times| weighted(times, &|answer: &MaskAnswer| pixels(answer.shipped)))?;
    let steps = if with_thresholds { STEPS } else { 0 };
    let pooled_at = |step: usize| {
        let sum = |of: fn(&Overlap) -> u64| answers.iter().map(|(_, a)| of(&a.steps[step])).sum();
        let (intersection, union) = (sum(|o| o.intersection), sum(|o| o.union));
        [(step + 1) as f64 * STEP, Overlap { intersection, union }.iou()]
    };
    Some(Area {
        masks: answers.len(),
        mean_iou,
        pooled_iou,
        pooled_iou_by_threshold: (0..steps).map(pooled_at).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The left `water` of eight columns are water; heat falls from 0.8 on the left to 0.1 on the right.
    fn answer(water: u32, threshold: f32) -> MaskAnswer {
        let mask = RgbImage::from_fn(8, 4, |x, _| [if x < water { 255 } else { 0 }; 3].into());
        let heat: Vec<f32> = (0..32).map(|i| 0.8 - 0.1 * (i % 8) as f32).collect();
        let found = heat.iter().map(|heat| *heat >= threshold).collect();
        Painted { heat, found }.against(&mask)
    }

    const RESAMPLING: Resampling = Resampling { rounds: 100, seed: 1 };

    #[test]
    fn the_overlap_is_counted_by_pixels_at_the_shipped_threshold_and_at_each_step() {
        let answer = answer(4, 0.65);
        assert_eq!(answer.shipped, Overlap { intersection: 8, union: 16 });
        // At 0.05 everything is water, at 0.5 the four columns from 0.8 to 0.5, at 0.85 none.
        assert_eq!(answer.steps[0].iou(), 0.5);
        assert_eq!(answer.steps[9].iou(), 1.0);
        assert_eq!(answer.steps[16], Overlap { intersection: 0, union: 16 });
    }

    #[test]
    fn large_pictures_weigh_more_when_pooled_and_as_much_when_averaged() {
        let (half, whole) = (answer(4, 0.65), answer(8, 0.05));
        let area = area(&[(0, &half), (1, &whole)], RESAMPLING, true).unwrap();
        assert_eq!((area.mean_iou.value, area.pooled_iou.value), (0.75, 40.0 / 48.0));
        assert_eq!(area.pooled_iou_by_threshold.len(), STEPS);
        assert_eq!(super::area(&[], RESAMPLING, true), None);
    }

    #[test]
    fn two_models_find_what_either_finds() {
        let painted = |found: [bool; 2], heat: [f32; 2]| Painted { heat: heat.into(), found: found.into() };
        let both = painted([true, false], [0.9, 0.1]).or(&painted([false, true], [0.2, 0.6]));
        assert_eq!((both.heat, both.found), (vec![0.9, 0.6], vec![true, true]));
    }
}
