//! Log-odds in fixed point: whole millionths of a nat.
//!
//! Design decision: no floating-point logarithm or exponential. Their last bits differ between machines and
//! library versions, and a case opens or does not open on one bit. Integers give the same answer everywhere.

use citybrain_types::{Score, Timestamp};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// ln 2 in millionths of a nat, with 40 fractional bits.
const LN_2_MICRO_Q40: i128 = 762_123_384_785_810_450;
/// ln 2 with 62 fractional bits.
const LN_2_Q62: i128 = 3_196_577_161_300_663_915;
const ONE_Q62: i128 = 1 << 62;
/// Terms of the exponential's series; the rest is below one bit in 2^-62 for arguments up to ln 2.
const EXP_TERMS: i128 = 20;
/// Fractional bits of a binary logarithm.
const LOG_BITS: u32 = 32;

/// Log-odds in millionths of a nat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MicroNats(i64);

impl MicroNats {
    /// Even odds.
    pub const ZERO: Self = Self(0);
    /// The most that one look can say either way: the log-odds of 0.99. A model that is surer is not more right.
    pub const MAX_LOOK: Self = Self(4_595_120);

    /// From a number of the configuration, in nats; not a number counts as zero.
    #[must_use]
    pub fn from_nats(nats: f32) -> Self {
        // Exact in f64 up to the rounding, which is defined; `as` saturates and maps NaN to 0.
        #[allow(clippy::cast_possible_truncation, reason = "`as` saturates")]
        Self((f64::from(nats) * 1e6).round() as i64)
    }

    /// Millionths of a nat.
    #[must_use]
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// The log-odds of a calibrated probability, held within ±[`Self::MAX_LOOK`].
    #[must_use]
    pub fn logit(score: Score) -> Self {
        const WHOLE: u64 = 1 << 32;
        // A power of two: exact.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0..=1 times 2^32 fits")]
        let for_it = ((f64::from(score.get()) * 4_294_967_296.0) as u64).clamp(1, WHOLE - 1);
        let log2_odds = i128::from(log2_q32(for_it)) - i128::from(log2_q32(WHOLE - for_it));
        let micros = (log2_odds * LN_2_MICRO_Q40) >> (40 + LOG_BITS);
        let bound = i128::from(Self::MAX_LOOK.0);
        Self(i64::try_from(micros.clamp(-bound, bound)).unwrap_or_default())
    }

    /// What is left after `elapsed`, losing half in each `half_life`: `self · 2^(−elapsed / half_life)`.
    #[must_use]
    pub fn decayed(self, elapsed: Duration, half_life: Duration) -> Self {
        let (elapsed, half_life) = (elapsed.as_micros(), half_life.as_micros());
        if elapsed == 0 {
            return self;
        }
        let halvings = elapsed.checked_div(half_life).and_then(|n| u32::try_from(n).ok()).filter(|n| *n < 63);
        let Some(halvings) = halvings else { return Self::ZERO };
        // Both fit: the remainder is smaller than the half-life, which is at most u64 seconds; held to 2^64.
        let rest = i128::try_from((elapsed % half_life).min(1 << 64)).unwrap_or_default();
        let whole = i128::try_from(half_life.min(1 << 64)).unwrap_or(1);
        let exponent = (((rest << 62) / whole) * (LN_2_Q62 >> 2)) >> 60;
        let factor = exp_of_minus_q62(exponent);
        let left = (i128::from(self.0) * factor) >> (62 + halvings);
        Self(i64::try_from(left).unwrap_or_default())
    }

    /// Sum; saturates.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// Difference; saturates.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// From whole millionths of a nat.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Half of it, towards zero.
    #[must_use]
    pub const fn halved(self) -> Self {
        Self(self.0 / 2)
    }

    /// A share of it, from -1 to 1, rounded.
    #[must_use]
    pub fn times(self, share: f32) -> Self {
        // Both are exact in f64, and so is the order of one multiplication and one rounding.
        #[allow(clippy::cast_possible_truncation, reason = "`as` saturates")]
        Self((f64::from(share) * self.0 as f64).round() as i64)
    }

    /// Held within `-bound..=bound`.
    #[must_use]
    pub fn within(self, bound: Self) -> Self {
        let bound = bound.0.max(0);
        Self(self.0.clamp(-bound, bound))
    }

    /// Held within `0..=max`.
    #[must_use]
    pub fn held(self, max: Self) -> Self {
        Self(self.0.clamp(0, max.0.max(0)))
    }
}

/// Binary logarithm of `n > 0` with 32 fractional bits, by repeated squaring.
fn log2_q32(n: u64) -> i64 {
    let whole = 63 - n.leading_zeros();
    let mut mantissa = u128::from(n) << (63 - whole);
    let mut log = i64::from(whole);
    for _ in 0..LOG_BITS {
        mantissa = (mantissa * mantissa) >> 63;
        let bit = mantissa >> 64;
        mantissa >>= bit;
        log = (log << 1) | i64::from(bit == 1);
    }
    log
}

/// e^(−x) for `x` in `0..=ln 2`, both with 62 fractional bits, by its series.
fn exp_of_minus_q62(x: i128) -> i128 {
    let mut term = ONE_Q62;
    let mut sum = ONE_Q62;
    for k in 1..=EXP_TERMS {
        term = -(((term >> 1) * (x >> 1)) >> 60) / k;
        sum += term;
    }
    sum
}

/// The second a moment lies in, counted from the Unix epoch.
pub(super) const fn second_of(at: Timestamp) -> i64 {
    at.as_micros().div_euclid(1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(value: f32) -> Score {
        Score::new(value).unwrap()
    }

    #[test]
    fn log_odds_agree_with_the_textbook_to_a_millionth() {
        for value in [0.011_f32, 0.05, 0.25, 0.4, 0.5, 0.61, 0.75, 0.9, 0.98] {
            let p = f64::from(value);
            let expected = (p / (1.0 - p)).ln() * 1e6;
            #[allow(clippy::cast_precision_loss)]
            let got = MicroNats::logit(score(value)).micros() as f64;
            assert!((expected - got).abs() <= 2.0, "{value}: {got} instead of {expected}");
        }
    }

    #[test]
    fn certainty_is_bounded() {
        assert_eq!(MicroNats::logit(score(1.0)), MicroNats::MAX_LOOK);
        assert_eq!(MicroNats::logit(score(0.0)), MicroNats::ZERO.minus(MicroNats::MAX_LOOK));
        assert_eq!(MicroNats::logit(score(0.5)), MicroNats::ZERO);
    }

    #[test]
    fn half_is_left_after_a_half_life_and_nothing_after_many() {
        let evidence = MicroNats::from_nats(4.0);
        let half_life = Duration::from_secs(10);
        assert_eq!(evidence.decayed(half_life, half_life), MicroNats::from_nats(2.0));
        assert_eq!(evidence.decayed(Duration::ZERO, half_life), evidence);
        assert_eq!(evidence.decayed(Duration::from_secs(10_000), half_life), MicroNats::ZERO);
        assert_eq!(evidence.decayed(Duration::from_secs(1), Duration::ZERO), MicroNats::ZERO);
    }

    #[test]
    fn decay_agrees_with_the_formula_at_any_moment() {
        let half_life = Duration::from_millis(7_300);
        for millis in [1_u64, 40, 999, 2_000, 7_299, 7_301, 20_000, 73_000] {
            let left = MicroNats::from_nats(12.5).decayed(Duration::from_millis(millis), half_life).micros();
            #[allow(clippy::cast_precision_loss)]
            let expected = 12.5e6 * (-(millis as f64) / 7_300.0).exp2();
            #[allow(clippy::cast_precision_loss)]
            let off = (left as f64 - expected).abs();
            assert!(off <= 2.0, "after {millis} ms: {left} instead of {expected}");
        }
    }

    #[test]
    fn a_setting_that_is_not_a_number_is_no_evidence() {
        assert_eq!(MicroNats::from_nats(f32::NAN), MicroNats::ZERO);
        assert_eq!(MicroNats::from_nats(2.5).micros(), 2_500_000);
    }
}
