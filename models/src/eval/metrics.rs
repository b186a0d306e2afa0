//! Pure figures: area under the ROC curve, shares with their intervals, average precision of boxes.

use citybrain_types::BoundingBox;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use serde::Serialize;

/// A scored picture whose truth is known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scored {
    /// The model's score.
    pub score: f32,
    /// The truth.
    pub present: bool,
    /// Pictures of one scene share a number; they are one observation.
    pub group: usize,
}

/// A figure with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Interval {
    /// The figure.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// A share of a whole with its 95 % Wilson interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Share {
    /// Counted.
    pub hits: u64,
    /// Of so many, at least one.
    pub total: u64,
    /// `hits / total`.
    pub value: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

impl Share {
    /// `None` where there is nothing to take a share of.
    #[must_use]
    pub fn of(hits: u64, total: u64) -> Option<Self> {
        let (low, high) = wilson(hits, total)?;
        Some(Self { hits, total, value: hits as f64 / total as f64, low, high })
    }
}

/// 97.5 % quantile of the normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// 95 % score interval of a share (E. B. Wilson, "Probable inference, the law of succession, and statistical
/// inference", 1927). `None` for a share of nothing.
#[must_use]
pub fn wilson(hits: u64, total: u64) -> Option<(f64, f64)> {
    if total == 0 {
        return None;
    }
    let n = total as f64;
    let p = hits as f64 / n;
    let scale = 1.0 + Z * Z / n;
    let center = (p + Z * Z / (2.0 * n)) / scale;
    let half = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt() / scale;
    Some(((center - half).max(0.0), (center + half).min(1.0)))
}

/// Area under the ROC curve: how often a picture with the event scores above one without, ties counted half
/// (the Mann-Whitney statistic). `None` when either kind of picture is missing.
#[must_use]
pub fn auc(rows: &[Scored]) -> Option<f64> {
    let mut sorted = rows.to_vec();
    sorted.sort_by(|a, b| a.score.total_cmp(&b.score));
    weighted_auc(&sorted, |_| 1.0)
}

/// `sorted` rises by score.
fn weighted_auc(sorted: &[Scored], weight: impl Fn(usize) -> f64) -> Option<f64> {
    let (mut present, mut absent, mut area) = (0.0, 0.0, 0.0);
    for tied in sorted.chunk_by(|a, b| a.score == b.score) {
        let (mut tied_present, mut tied_absent) = (0.0, 0.0);
        for row in tied {
            let side = if row.present { &mut tied_present } else { &mut tied_absent };
            *side += weight(row.group);
        }
        area += tied_present * (absent + tied_absent / 2.0);
        present += tied_present;
        absent += tied_absent;
    }
    (present > 0.0 && absent > 0.0).then(|| area / (present * absent))
}

/// The AUC with its 95 % percentile interval over `rounds` resamplings of whole groups: frames of one video are one
/// observation, and resampling single frames would make the interval far too narrow. The same seed gives the same
/// interval.
#[must_use]
pub fn auc_interval(rows: &[Scored], rounds: usize, seed: u64) -> Option<Interval> {
    let mut sorted = rows.to_vec();
    sorted.sort_by(|a, b| a.score.total_cmp(&b.score));
    let value = weighted_auc(&sorted, |_| 1.0)?;
    let mut groups: Vec<usize> = rows.iter().map(|row| row.group).collect();
    groups.sort_unstable();
    groups.dedup();
    let mut random = Pcg64::seed_from_u64(seed);
    let mut times = vec![0_u32; groups.last().map_or(0, |last| last + 1)];
    let mut drawn = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        times.fill(0);
        for _ in 0..groups.len() {
            times[groups[random.random_range(0..groups.len())]] += 1;
        }
        drawn.extend(weighted_auc(&sorted, |group| f64::from(times[group])));
    }
    drawn.sort_by(f64::total_cmp);
    let low = quantile(&drawn, 0.025).unwrap_or(value);
    let high = quantile(&drawn, 0.975).unwrap_or(value);
    Some(Interval { value, low, high })
}

/// Between the two nearest values in proportion; `sorted` rises.
fn quantile(sorted: &[f64], q: f64) -> Option<f64> {
    let at = q * (sorted.len().checked_sub(1)? as f64);
    let (below, above) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    Some(below + (above - below) * at.fract())
}

/// Points of the ROC curve, `[share of false alarms, recall]`, from the strictest threshold to the laxest.
#[must_use]
pub fn roc(rows: &[Scored]) -> Vec<[f64; 2]> {
    let (present, absent) = totals(rows);
    steps(rows).into_iter().map(|(tp, fp)| [ratio(fp, absent), ratio(tp, present)]).collect()
}

/// Points of the precision-recall curve, `[recall, precision]`, from the strictest threshold to the laxest.
#[must_use]
pub fn precision_recall(rows: &[Scored]) -> Vec<[f64; 2]> {
    let (present, _) = totals(rows);
    let steps = steps(rows).into_iter().filter(|(tp, fp)| tp + fp > 0);
    steps.map(|(tp, fp)| [ratio(tp, present), ratio(tp, tp + fp)]).collect()
}

fn totals(rows: &[Scored]) -> (u64, u64) {
    let present = rows.iter().filter(|row| row.present).count() as u64;
    (present, rows.len() as u64 - present)
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// True and false positives for each threshold that tells pictures apart, beginning with none.
fn steps(rows: &[Scored]) -> Vec<(u64, u64)> {
    let mut sorted = rows.to_vec();
    sorted.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut steps = vec![(0, 0)];
    let (mut tp, mut fp) = (0, 0);
    for tied in sorted.chunk_by(|a, b| a.score == b.score) {
        let (present, absent) = totals(tied);
        tp += present;
        fp += absent;
        steps.push((tp, fp));
    }
    steps
}

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

/// Average precision: the area under the precision-recall curve with precision made falling (PASCAL VOC 2010 on, all
/// points). `found` is each found box's score and whether it hit; `labelled` is how many there were to hit. `None` when
/// there were none.
#[must_use]
pub fn average_precision(found: &[(f32, bool)], labelled: usize) -> Option<f64> {
    if labelled == 0 {
        return None;
    }
    let mut sorted = found.to_vec();
    sorted.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut hits = 0.0;
    let mut points: Vec<(f64, f64)> = Vec::with_capacity(sorted.len());
    for (index, (_, hit)) in sorted.iter().enumerate() {
        hits += f64::from(u8::from(*hit));
        points.push((hits / labelled as f64, hits / (index + 1) as f64));
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

    fn rows(present: &[f32], absent: &[f32]) -> Vec<Scored> {
        let row = |present| move |score: &f32| Scored { score: *score, present, group: 0 };
        let mut rows: Vec<Scored> =
            present.iter().map(row(true)).chain(absent.iter().map(row(false))).collect();
        for (group, row) in rows.iter_mut().enumerate() {
            row.group = group;
        }
        rows
    }

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9
    }

    #[test]
    fn auc_is_the_share_of_pairs_in_the_right_order() {
        assert_eq!(auc(&rows(&[0.35, 0.8], &[0.1, 0.4])), Some(0.75));
        assert_eq!(auc(&rows(&[0.9, 0.8], &[0.1, 0.4])), Some(1.0));
        assert_eq!(auc(&rows(&[0.1], &[0.4, 0.9])), Some(0.0));
    }

    #[test]
    fn a_tie_counts_half() {
        assert_eq!(auc(&rows(&[0.5], &[0.5])), Some(0.5));
        // Of the six pairs four are right and two tied.
        assert!(close(auc(&rows(&[3.0, 2.0, 2.0], &[2.0, 1.0])).unwrap(), 5.0 / 6.0));
    }

    #[test]
    fn without_both_kinds_of_picture_there_is_no_auc() {
        assert_eq!(auc(&rows(&[0.1, 0.2], &[])), None);
        assert_eq!(auc(&rows(&[], &[0.1])), None);
        assert_eq!(auc(&[]), None);
    }

    #[test]
    fn the_wilson_interval_is_that_of_newcombe_1998_table_i() {
        // R. G. Newcombe, "Two-sided confidence intervals for the single proportion", method 3.
        for (hits, total, low, high) in [
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (0, 20, 0.0000, 0.1611),
            (1, 29, 0.0061, 0.1718),
        ] {
            let found = wilson(hits, total).unwrap();
            assert!(
                (found.0 - low).abs() < 5e-5 && (found.1 - high).abs() < 5e-5,
                "{hits}/{total} {found:?}"
            );
        }
        assert_eq!(wilson(0, 0), None);
    }

    #[test]
    fn an_interval_is_the_same_for_the_same_seed_and_holds_the_value() {
        let present: Vec<f32> = (0..40).map(|i| 0.3 + i as f32 * 0.015).collect();
        let absent: Vec<f32> = (0..60).map(|i| i as f32 * 0.01).collect();
        let rows = rows(&present, &absent);
        let first = auc_interval(&rows, 500, 7).unwrap();
        assert_eq!(Some(first), auc_interval(&rows, 500, 7));
        assert!(first.low < first.value && first.value < first.high, "{first:?}");
        assert!(first.high - first.low < 0.2, "{first:?}");
    }

    #[test]
    fn frames_of_one_scene_are_one_observation() {
        let mut many = rows(&[0.9; 30], &[0.1; 30]);
        many.extend(rows(&[0.2; 30], &[0.5; 30]));
        let frames = auc_interval(&many, 500, 1).unwrap();
        for (index, row) in many.iter_mut().enumerate() {
            row.group = index / 60;
        }
        let scenes = auc_interval(&many, 500, 1).unwrap();
        assert_eq!(frames.value, scenes.value);
        assert!(scenes.high - scenes.low > 3.0 * (frames.high - frames.low), "{frames:?} {scenes:?}");
    }

    #[test]
    fn a_quantile_lies_between_its_neighbours_in_proportion() {
        assert_eq!(quantile(&[1.0, 2.0, 4.0], 0.75), Some(3.0));
        assert_eq!(quantile(&[5.0], 0.975), Some(5.0));
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn curves_go_from_the_strictest_threshold_to_the_laxest() {
        let rows = rows(&[0.9, 0.4], &[0.4, 0.1]);
        assert_eq!(roc(&rows), [[0.0, 0.0], [0.0, 0.5], [0.5, 1.0], [1.0, 1.0]]);
        assert_eq!(precision_recall(&rows), [[0.5, 1.0], [1.0, 2.0 / 3.0], [1.0, 0.5]]);
    }

    #[test]
    fn average_precision_is_the_area_under_the_falling_curve() {
        // Hit, miss, hit of two: half at precision 1, half at 2/3.
        let found = [(0.9, true), (0.8, false), (0.7, true)];
        assert!(close(average_precision(&found, 2).unwrap(), 0.5 + 0.5 * 2.0 / 3.0));
        // A later, better precision lifts the earlier one.
        let found = [(0.9, false), (0.8, true), (0.7, true)];
        assert!(close(average_precision(&found, 2).unwrap(), 2.0 / 3.0));
        assert_eq!(average_precision(&[(0.9, true)], 4), Some(0.25));
        assert_eq!(average_precision(&[], 3), Some(0.0));
        assert_eq!(average_precision(&[(0.9, false)], 0), None);
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
