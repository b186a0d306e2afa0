//! From raw numbers of a graph to probabilities.

use crate::detector::DetectError;
use crate::manifest::reader::Table;
use citybrain_types::{Label, Score};

/// What the scores of an output are; the key `scores`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScoreKind {
    /// `"probabilities"`: within `0..=1` already.
    Probabilities,
    /// `"logits"`: before the sigmoid.
    Logits,
}

impl ScoreKind {
    /// Words of the key.
    pub(super) const WORDS: [(&'static str, Self); 2] =
        [("probabilities", Self::Probabilities), ("logits", Self::Logits)];

    pub(super) fn read(table: &mut Table<'_>) -> Option<Self> {
        table.choice("scores", &Self::WORDS)
    }

    pub(super) fn probability(self, value: f32) -> f32 {
        match self {
            Self::Probabilities => value,
            Self::Logits => sigmoid(value),
        }
    }
}

pub(super) fn sigmoid(value: f32) -> f32 {
    1.0 / (1.0 + (-value).exp())
}

/// Exponentials of all values by their sum, stable for large ones.
pub(super) fn softmax(values: impl Iterator<Item = f32> + Clone) -> impl Iterator<Item = f32> {
    let highest = values.clone().fold(f32::NEG_INFINITY, f32::max);
    let sum: f32 = values.clone().map(|value| (value - highest).exp()).sum();
    values.map(move |value| (value - highest).exp() / sum)
}

/// Rounding errors of a softmax or sigmoid in a graph may step over the edge by this much.
const ROUNDING: f32 = 1e-4;

/// A number of an output as a probability.
pub(super) fn probability(output: &str, label: &Label, value: f32) -> Result<Score, DetectError> {
    let within = if (-ROUNDING..=1.0 + ROUNDING).contains(&value) { value.clamp(0.0, 1.0) } else { value };
    Score::new(within).ok_or_else(|| DetectError::NotAProbability {
        output: output.to_owned(),
        label: label.clone(),
        value,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_softmax_of_large_numbers_is_finite_and_adds_up() {
        let values = [1000.0, 1001.0, -1000.0];
        let found: Vec<f32> = softmax(values.into_iter()).collect();
        assert!((found.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        assert!((found[1] / found[0] - std::f32::consts::E).abs() < 1e-4 && found[2] == 0.0);
    }

    #[test]
    fn a_rounding_error_above_one_is_one_and_more_is_an_error() {
        let label = Label::new("fire");
        assert_eq!(probability("out", &label, 1.000_05).unwrap().get(), 1.0);
        assert_eq!(probability("out", &label, -0.000_05).unwrap().get(), 0.0);
        assert!(probability("out", &label, 1.01).is_err());
    }
}
