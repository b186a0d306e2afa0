//! How sure a figure is: Wilson's interval for shares, resampling of whole groups for all else, Garwood's for rates.

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use serde::Serialize;

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

/// A figure with its 95 % interval from resampling whole groups.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Estimate {
    /// The figure.
    pub value: f64,
    /// Lower end; `None` where a single group says nothing of others.
    pub low: Option<f64>,
    /// Upper end, as `low`.
    pub high: Option<f64>,
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

    /// The same for a number of cases, for instance 1,000.
    #[must_use]
    pub fn times(self, cases: f64) -> Interval {
        Interval { value: self.value * cases, low: self.low * cases, high: self.high * cases }
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

/// Events in each unit of exposure with the exact 95 % interval of a Poisson rate (F. Garwood, "Fiducial limits for
/// the Poisson distribution", 1936). `None` without exposure.
#[must_use]
pub fn rate(events: u64, exposure: f64) -> Option<Interval> {
    if exposure <= 0.0 || !exposure.is_finite() {
        return None;
    }
    let low = if events == 0 { 0.0 } else { mean_with(events - 1, 0.975) };
    let high = mean_with(events, 0.025);
    Some(Interval { value: events as f64 / exposure, low: low / exposure, high: high / exposure })
}

/// The mean at which at most `events` happen with this probability.
fn mean_with(events: u64, probability: f64) -> f64 {
    let (mut low, mut high) = (0.0, 10.0 + 3.0 * events as f64);
    // Each step halves: 60 of them leave nothing that a 64-bit float could tell.
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if at_most(events, middle) > probability { low = middle } else { high = middle }
    }
    (low + high) / 2.0
}

/// Probability of at most `events` when `mean` are expected.
fn at_most(events: u64, mean: f64) -> f64 {
    let mut logarithm = -mean;
    let mut sum = logarithm.exp();
    for count in 1..=events {
        logarithm += mean.ln() - (count as f64).ln();
        sum += logarithm.exp();
    }
    sum
}

/// How intervals are drawn by resampling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resampling {
    /// How often.
    pub rounds: usize,
    /// The same seed gives the same interval.
    pub seed: u64,
}

impl Resampling {
    /// The 95 % percentile interval of a figure over resamplings of whole groups: frames of one video are one
    /// observation, and resampling single frames would make the interval far too narrow.
    ///
    /// `figure` is given how often each group was drawn, by its number, and is asked once with each drawn once for the
    /// value itself. A drawing for which it has no answer does not count; where most have none there is no interval.
    pub fn estimate(
        self,
        groups: impl Iterator<Item = usize>,
        figure: impl Fn(&[u32]) -> Option<f64>,
    ) -> Option<Estimate> {
        let mut groups: Vec<usize> = groups.collect();
        groups.sort_unstable();
        groups.dedup();
        let mut times = vec![1_u32; groups.last().map_or(0, |last| last + 1)];
        let value = figure(&times)?;
        if groups.len() < 2 {
            return Some(Estimate { value, low: None, high: None });
        }
        let mut random = Pcg64::seed_from_u64(self.seed);
        let mut drawn = Vec::with_capacity(self.rounds);
        for _ in 0..self.rounds {
            times.fill(0);
            for _ in 0..groups.len() {
                times[groups[random.random_range(0..groups.len())]] += 1;
            }
            drawn.extend(figure(&times));
        }
        if drawn.len() * 2 < self.rounds {
            return Some(Estimate { value, low: None, high: None });
        }
        drawn.sort_by(f64::total_cmp);
        Some(Estimate { value, low: quantile(&drawn, 0.025), high: quantile(&drawn, 0.975) })
    }
}

/// Between the two nearest values in proportion; `sorted` rises.
fn quantile(sorted: &[f64], q: f64) -> Option<f64> {
    let at = q * (sorted.len().checked_sub(1)? as f64);
    let (below, above) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    Some(below + (above - below) * at.fract())
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn the_interval_of_a_rate_is_the_exact_one_of_the_poisson_tables() {
        // Pearson and Hartley, Biometrika Tables for Statisticians, table 40 (95 %).
        for (events, low, high) in
            [(0, 0.0, 3.689), (1, 0.0253, 5.572), (5, 1.623, 11.668), (50, 37.11, 65.92)]
        {
            let found = rate(events, 2.0).unwrap();
            let near = |a: f64, b: f64| (a * 2.0 - b).abs() < 6e-3;
            assert!(near(found.low, low) && near(found.high, high), "{events} {found:?}");
            assert_eq!(found.value, events as f64 / 2.0);
        }
        assert_eq!(rate(3, 0.0), None);
    }

    #[test]
    fn a_single_group_has_a_value_and_no_interval() {
        let resampling = Resampling { rounds: 100, seed: 1 };
        let estimate = resampling.estimate([4, 4].into_iter(), |times| Some(f64::from(times[4])));
        assert_eq!(estimate, Some(Estimate { value: 1.0, low: None, high: None }));
        assert_eq!(resampling.estimate(std::iter::empty(), |_| None), None);
    }

    #[test]
    fn a_figure_that_most_drawings_cannot_give_has_no_interval() {
        let resampling = Resampling { rounds: 100, seed: 1 };
        let all_there = |times: &[u32]| times.iter().all(|times| *times > 0).then_some(0.5);
        let estimate = resampling.estimate(0..8, all_there).unwrap();
        assert_eq!((estimate.value, estimate.low), (0.5, None));
    }

    #[test]
    fn a_quantile_lies_between_its_neighbours_in_proportion() {
        assert_eq!(quantile(&[1.0, 2.0, 4.0], 0.75), Some(3.0));
        assert_eq!(quantile(&[5.0], 0.975), Some(5.0));
        assert_eq!(quantile(&[], 0.5), None);
    }
}
