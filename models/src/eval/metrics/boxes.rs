//! Whether found boxes lie where labelled ones do.

use super::certainty::{Estimate, Resampling};
use citybrain_types::BoundingBox;
use std::collections::BTreeMap;

/// Which of a picture's found boxes hit a labelled one: each takes, the surest first, the free labelled box it overlaps
/// most, if by at least `min_iou`; a labelled box is hit once. `found` falls by score.
#[must_use]
pub fn match_boxes(found: &[BoundingBox], labelled: &[BoundingBox], min_iou: f32) -> Vec<bool> {
    let mut free = vec![true; labelled.len()];
    found
        .iter()
        .map(|bbox| {
            let candidates = (0..labelled.len()).filter(|index| free[*index]);
            let best = candidates.max_by(|a, b| bbox.iou(&labelled[*a]).total_cmp(&bbox.iou(&labelled[*b])));
            let hit = best.filter(|index| bbox.iou(&labelled[*index]) >= min_iou);
            if let Some(index) = hit {
                free[index] = false;
            }
            hit.is_some()
        })
        .collect()
}

/// A box that was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FoundBox {
    /// The model's score.
    pub score: f32,
    /// Whether it hit a labelled one.
    pub hit: bool,
    /// The group of its picture, see [`super::Scored`].
    pub group: usize,
}

/// Average precision: the area under the precision-recall curve with precision made falling, at every point (PASCAL VOC
/// from 2010 on; COCO reads the same curve at 101 recalls). `labelled` is how many there were to hit. `None` when there
/// were none.
#[must_use]
pub fn average_precision(found: &[FoundBox], labelled: usize) -> Option<f64> {
    let sorted = surest_first(found);
    weighted_average_precision(&sorted, labelled as f64, |_| 1.0)
}

/// The average precision with its interval; `labelled` is by group.
#[must_use]
pub fn average_precision_estimate(
    found: &[FoundBox],
    labelled: &BTreeMap<usize, usize>,
    resampling: Resampling,
) -> Option<Estimate> {
    let sorted = surest_first(found);
    let groups = found.iter().map(|found| found.group).chain(labelled.keys().copied());
    resampling.estimate(groups, |times| {
        let weight = |group: usize| f64::from(times[group]);
        let total = labelled.iter().map(|(group, count)| weight(*group) * *count as f64).sum();
        weighted_average_precision(&sorted, total, weight)
    })
}

fn surest_first(found: &[FoundBox]) -> Vec<FoundBox> {
    let mut sorted = found.to_vec();
    sorted.sort_by(|a, b| b.score.total_cmp(&a.score));
    sorted
}

fn weighted_average_precision(
    sorted: &[FoundBox],
    labelled: f64,
    weight: impl Fn(usize) -> f64,
) -> Option<f64> {
    if labelled <= 0.0 {
        return None;
    }
    let (mut hits, mut all) = (0.0, 0.0);
    let mut points: Vec<(f64, f64)> = Vec::with_capacity(sorted.len());
    for found in sorted {
        let weight = weight(found.group);
        all += weight;
        hits += if found.hit { weight } else { 0.0 };
        if weight > 0.0 {
            points.push((hits / labelled, hits / all));
        }
    }
    let (mut area, mut best) = (0.0, 0.0_f64);
    for index in (0..points.len()).rev() {
        let (recall, precision) = points[index];
        best = best.max(precision);
        let before = if index == 0 { 0.0 } else { points[index - 1].0 };
        area += (recall - before) * best;
    }
    Some(area)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(scored: &[(f32, bool)]) -> Vec<FoundBox> {
        let number =
            |(group, (score, hit)): (usize, &(f32, bool))| FoundBox { score: *score, hit: *hit, group };
        scored.iter().enumerate().map(number).collect()
    }

    #[test]
    fn average_precision_is_the_area_under_the_falling_curve() {
        let close = |a: f64, b: f64| (a - b).abs() < 1e-9;
        // Hit, miss, hit of two: half at precision 1, half at 2/3.
        let two_of_three = found(&[(0.9, true), (0.8, false), (0.7, true)]);
        assert!(close(average_precision(&two_of_three, 2).unwrap(), 0.5 + 0.5 * 2.0 / 3.0));
        // A later, better precision lifts the earlier one.
        let late = found(&[(0.9, false), (0.8, true), (0.7, true)]);
        assert!(close(average_precision(&late, 2).unwrap(), 2.0 / 3.0));
        assert_eq!(average_precision(&found(&[(0.9, true)]), 4), Some(0.25));
        assert_eq!(average_precision(&[], 3), Some(0.0));
        assert_eq!(average_precision(&found(&[(0.9, false)]), 0), None);
    }

    #[test]
    fn the_interval_of_an_average_precision_holds_the_value_and_comes_again() {
        let scored: Vec<(f32, bool)> = (0..60).map(|i| (1.0 - i as f32 / 100.0, i % 3 != 2)).collect();
        let (found, labelled) = (found(&scored), (0..60).map(|group| (group, 1)).collect());
        let resampling = Resampling { rounds: 300, seed: 3 };
        let estimate = average_precision_estimate(&found, &labelled, resampling).unwrap();
        assert_eq!(Some(estimate.value), average_precision(&found, 60));
        assert!(
            estimate.low.unwrap() < estimate.value && estimate.value < estimate.high.unwrap(),
            "{estimate:?}"
        );
        assert_eq!(Some(estimate), average_precision_estimate(&found, &labelled, resampling));
    }

    #[test]
    fn a_labelled_box_is_hit_once_and_only_by_enough_overlap() {
        let at = |left: f32, right: f32| BoundingBox::new(left, 0.0, right, 1.0).unwrap();
        let labelled = [at(0.0, 0.5), at(0.6, 1.0)];
        let found = [at(0.0, 0.45), at(0.0, 0.5), at(0.7, 1.0), at(0.5, 0.6)];
        assert_eq!(match_boxes(&found, &labelled, 0.5), [true, false, true, false]);
        assert_eq!(match_boxes(&found, &[], 0.5), [false; 4]);
    }
}
