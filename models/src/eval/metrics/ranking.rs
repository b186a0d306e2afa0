//! How well scores tell pictures with an event from those without.

use super::certainty::{Estimate, Resampling, Share};

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

/// The AUC with its interval.
#[must_use]
pub fn auc_estimate(rows: &[Scored], resampling: Resampling) -> Option<Estimate> {
    let mut sorted = rows.to_vec();
    sorted.sort_by(|a, b| a.score.total_cmp(&b.score));
    resampling.estimate(rows.iter().map(|row| row.group), |times| {
        weighted_auc(&sorted, |group| f64::from(times[group]))
    })
}

/// The share of pictures without the event that score at least as high as the strictest threshold which finds this part of
/// those with it. `None` when either kind of picture is missing.
#[must_use]
pub fn false_alarms_at_recall(rows: &[Scored], recall: f64) -> Option<Share> {
    let mut present: Vec<f32> = rows.iter().filter(|row| row.present).map(|row| row.score).collect();
    present.sort_by(|a, b| b.total_cmp(a));
    let needed = (recall * present.len() as f64).ceil().max(1.0) as usize;
    let threshold = *present.get(needed - 1)?;
    let absent = rows.iter().filter(|row| !row.present);
    let alarms = absent.clone().filter(|row| row.score >= threshold).count();
    Share::of(alarms as u64, absent.count() as u64)
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
    fn at_a_recall_the_strictest_threshold_that_reaches_it_counts() {
        let rows = rows(&[0.9, 0.8, 0.7, 0.6, 0.1], &[0.95, 0.6, 0.5, 0.2]);
        let alarms = |recall| false_alarms_at_recall(&rows, recall).map(|share| (share.hits, share.total));
        assert_eq!((alarms(0.8), alarms(1.0), alarms(0.2)), (Some((2, 4)), Some((4, 4)), Some((1, 4))));
        assert_eq!(false_alarms_at_recall(&[], 0.8), None);
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
    fn an_interval_is_the_same_for_the_same_seed_and_holds_the_value() {
        let present: Vec<f32> = (0..40).map(|i| 0.3 + i as f32 * 0.015).collect();
        let absent: Vec<f32> = (0..60).map(|i| i as f32 * 0.01).collect();
        let rows = rows(&present, &absent);
        let first = auc_estimate(&rows, Resampling { rounds: 500, seed: 7 }).unwrap();
        assert_eq!(Some(first), auc_estimate(&rows, Resampling { rounds: 500, seed: 7 }));
        let (low, high) = (first.low.unwrap(), first.high.unwrap());
        assert!(low < first.value && first.value < high && high - low < 0.2, "{first:?}");
    }

    #[test]
    fn frames_of_one_scene_are_one_observation() {
        let mut many = rows(&[0.9; 30], &[0.1; 30]);
        many.extend(rows(&[0.2; 30], &[0.5; 30]));
        let frames = auc_estimate(&many, Resampling { rounds: 500, seed: 1 }).unwrap();
        for (index, row) in many.iter_mut().enumerate() {
            row.group = index / 60;
        }
        let scenes = auc_estimate(&many, Resampling { rounds: 500, seed: 1 }).unwrap();
        assert_eq!(frames.value, scenes.value);
        let width = |estimate: Estimate| estimate.high.unwrap() - estimate.low.unwrap();
        assert!(width(scenes) > 3.0 * width(frames), "{frames:?} {scenes:?}");
    }

    #[test]
    fn curves_go_from_the_strictest_threshold_to_the_laxest() {
        let rows = rows(&[0.9, 0.4], &[0.4, 0.1]);
        assert_eq!(roc(&rows), [[0.0, 0.0], [0.0, 0.5], [0.5, 1.0], [1.0, 1.0]]);
        assert_eq!(precision_recall(&rows), [[0.5, 1.0], [1.0, 2.0 / 3.0], [1.0, 0.5]]);
    }
}
