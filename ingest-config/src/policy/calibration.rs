//! From a model's score to a probability.

use citybrain_types::{Score, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Most knots of a calibration.
pub const MAX_KNOTS: usize = 128;
/// A calibration is never surer than this, either way.
const LEAST: f32 = 0.001;

/// How a calibration was fitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CalibrationMethod {
    /// The best non-decreasing steps (pool adjacent violators).
    Isotonic,
    /// A logistic curve of the score.
    Platt,
}

/// Expected calibration error: the mean distance between what is said and what is so. With its interval of 95 %.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ece {
    /// The error, 0 to 1.
    pub value: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

/// A non-decreasing map from score to probability, by knots with straight lines between them. Whatever it was fitted
/// by, it is applied by additions, multiplications and divisions alone, which give the same bits on every machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// How it was fitted.
    pub method: CalibrationMethod,
    /// Score and probability, by rising score; at least one.
    #[schemars(length(min = 1, max = 128))]
    pub knots: Vec<[f32; 2]>,
    /// When it was fitted.
    pub fitted_at: Timestamp,
    /// From how many verdicts.
    pub verdicts: u32,
    /// Error of the scores as they were.
    pub ece_before: Ece,
    /// Error of the calibrated scores, each judged by a fit that has not seen it.
    pub ece_after: Ece,
}

impl Calibration {
    /// What is wrong with it.
    pub(super) fn fault(&self) -> Option<String> {
        if self.knots.is_empty() || self.knots.len() > MAX_KNOTS {
            return Some(format!("has {} knots, and must have 1 to {MAX_KNOTS}", self.knots.len()));
        }
        let within = |value: f32| (0.0..=1.0).contains(&value);
        if !self.knots.iter().all(|[score, p]| within(*score) && within(*p)) {
            return Some("has a knot outside 0 to 1".to_owned());
        }
        let rises = self.knots.windows(2).all(|pair| pair[0][0] < pair[1][0] && pair[0][1] <= pair[1][1]);
        (!rises).then(|| "must have rising scores and probabilities that do not fall".to_owned())
    }

    /// The probability for a score; level beyond the first and the last knot.
    #[must_use]
    pub fn apply(&self, score: Score) -> Score {
        let x = score.get();
        let above = self.knots.partition_point(|[at, _]| *at < x);
        let p = match (above.checked_sub(1).and_then(|i| self.knots.get(i)), self.knots.get(above)) {
            (Some([x0, p0]), Some([x1, p1])) => p0 + (p1 - p0) * ((x - x0) / (x1 - x0)),
            (None, Some([_, p])) | (Some([_, p]), None) => *p,
            (None, None) => x,
        };
        Score::new(p.clamp(LEAST, 1.0 - LEAST)).unwrap_or(score)
    }
}
