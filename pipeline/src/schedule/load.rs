//! How loaded the workers are: who has had which share of their time, and how far looks are stretched.

use std::time::Duration;

/// Time spent counts half after so much more has been spent: long enough to span a burst of keyframes, short enough
/// that a quiet hour does not pay for a busy minute.
const HALVED_AFTER_SECS: f64 = 10.0;

/// Looks in turn are never stretched further than this before the promise counts as broken and the coverage shows it.
pub const LARGEST_STRETCH: f64 = 4.0;

/// How quickly the stretch follows what is seen: some twenty looks.
const FOLLOWS: f64 = 0.05;

/// What the workers' time went into lately.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    urgent_secs: f64,
    in_turn_secs: f64,
    stretch: f64,
}

impl Default for Load {
    fn default() -> Self {
        Self { urgent_secs: 0.0, in_turn_secs: 0.0, stretch: 1.0 }
    }
}

impl Load {
    /// A look has taken so long.
    pub(super) fn spent(&mut self, urgent: bool, took: Duration) {
        let took = took.as_secs_f64();
        let kept = (-took / HALVED_AFTER_SECS).exp2();
        self.urgent_secs *= kept;
        self.in_turn_secs *= kept;
        if urgent {
            self.urgent_secs += took;
        } else {
            self.in_turn_secs += took;
        }
    }

    /// Whether urgent looks have had their share of the workers' time.
    pub(super) fn urgent_had_its_share(&self, percent: u8) -> bool {
        self.urgent_secs * 100.0 > (self.urgent_secs + self.in_turn_secs).max(1e-6) * f64::from(percent)
    }

    /// A look in turn was taken after it had waited so many of its intervals for a worker.
    pub(super) fn taken_in_turn(&mut self, waited: f64) {
        self.stretch += FOLLOWS * (waited.clamp(1.0, LARGEST_STRETCH) - self.stretch);
    }

    /// A worker found nothing to do: there is no overload.
    pub(super) fn idle(&mut self) {
        self.stretch += FOLLOWS * (1.0 - self.stretch);
    }

    /// By which factor intervals of looks in turn are stretched; 1 without overload.
    pub(super) const fn stretch(&self) -> f64 {
        self.stretch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_counts_what_was_spent_lately_and_not_long_ago() {
        let mut load = Load::default();
        load.spent(true, Duration::from_secs(100));
        assert!(load.urgent_had_its_share(80));
        for _ in 0..400 {
            load.spent(false, Duration::from_millis(50));
        }
        assert!(!load.urgent_had_its_share(80), "20 s of others: {load:?}");
        assert!(!Load::default().urgent_had_its_share(80), "nothing was spent yet");
    }

    #[test]
    fn the_stretch_follows_the_waits_and_goes_back_when_workers_are_idle() {
        let mut load = Load::default();
        (0..200).for_each(|_| load.taken_in_turn(2.0));
        assert!((load.stretch() - 2.0).abs() < 0.01, "{load:?}");
        (0..200).for_each(|_| load.taken_in_turn(40.0));
        assert!(load.stretch() <= LARGEST_STRETCH);
        (0..200).for_each(|_| load.idle());
        assert!((load.stretch() - 1.0).abs() < 0.01, "{load:?}");
    }
}
