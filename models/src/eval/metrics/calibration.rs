//! Whether a score can be taken at its word: of the pictures scored 0.8, do 80 % show it?

use super::certainty::Share;
use super::ranking::Scored;
use serde::Serialize;

/// Bins of equal width over `0..=1`.
const BINS: usize = 10;

/// Scores against what came true.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Calibration {
    /// Expected calibration error: the distance between mean score and share that shows it, averaged over the bins by
    /// their pictures (M. P. Naeini et al., "Obtaining well calibrated probabilities using Bayesian binning", 2015).
    pub ece: f64,
    /// The bins that hold a picture, from the lowest score up.
    pub bins: Vec<Bin>,
}

/// Pictures of similar score.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Bin {
    /// Lowest score of the bin.
    pub from: f64,
    /// Highest score of the bin.
    pub to: f64,
    /// Their mean score.
    pub mean_score: f64,
    /// How many of them show it.
    pub present: Share,
}

/// `None` without pictures.
#[must_use]
pub fn calibration(rows: &[Scored]) -> Option<Calibration> {
    let mut sums = [(0.0, 0_u64, 0_u64); BINS];
    for row in rows {
        let bin = ((f64::from(row.score) * BINS as f64) as usize).min(BINS - 1);
        let (score, present, total) = &mut sums[bin];
        *score += f64::from(row.score);
        *present += u64::from(row.present);
        *total += 1;
    }
    let width = 1.0 / BINS as f64;
    let bins: Vec<Bin> = (0..BINS)
        .filter_map(|index| {
            let (score, present, total) = sums[index];
            let present = Share::of(present, total)?;
            let from = index as f64 * width;
            Some(Bin { from, to: from + width, mean_score: score / total as f64, present })
        })
        .collect();
    let distance = |bin: &Bin| (bin.mean_score - bin.present.value).abs() * bin.present.total as f64;
    let total = rows.len() as f64;
    (!bins.is_empty()).then(|| Calibration { ece: bins.iter().map(distance).sum::<f64>() / total, bins })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(score: f32, present: bool) -> Scored {
        Scored { score, present, group: 0 }
    }

    #[test]
    fn the_error_is_the_mean_distance_weighted_by_the_pictures_of_each_bin() {
        // Two pictures scored 0.25, one present; one scored 1.0, absent.
        let found = calibration(&[row(0.25, true), row(0.25, false), row(1.0, false)]).unwrap();
        assert!((found.ece - (2.0 * 0.25 + 1.0) / 3.0).abs() < 1e-9, "{found:?}");
        assert_eq!(found.bins.iter().map(|bin| bin.present.total).collect::<Vec<_>>(), [2, 1]);
        assert!((found.bins[1].from - 0.9).abs() < 1e-9);
    }

    #[test]
    fn scores_that_keep_their_word_have_no_error() {
        let rows = [row(0.75, true), row(0.75, true), row(0.75, true), row(0.75, false)];
        assert_eq!(calibration(&rows).map(|found| found.ece), Some(0.0));
        assert_eq!(calibration(&[]), None);
    }
}
