//! How long to wait before a camera is connected again.

use citybrain_types::{CameraId, Timestamp};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

/// Doubles from `min` to `max`, with "equal jitter": half of each wait is fixed, half is chance, so that
/// cameras that were lost together do not come back together.
///
/// A connection counts as healthy once it has shown pictures for as long as the wait before it. The next
/// failure then starts from `min` again, so a camera that drops every few seconds is still seen at least
/// half of the time, while one that only answers and never shows anything is asked less and less often.
#[derive(Debug)]
pub struct Backoff {
    min: Duration,
    max: Duration,
    failures: u32,
    last_wait: Duration,
    live_since: Option<Timestamp>,
    chance: StdRng,
}

impl Backoff {
    /// For one camera; its id seeds the chance, so that cameras differ and a test repeats.
    /// A `max` below `min` is taken as `min`.
    #[must_use]
    pub fn new(camera: &CameraId, min: Duration, max: Duration) -> Self {
        let mut hasher = DefaultHasher::new();
        camera.hash(&mut hasher);
        let chance = StdRng::seed_from_u64(hasher.finish());
        Self { min, max: max.max(min), failures: 0, last_wait: Duration::ZERO, live_since: None, chance }
    }

    /// Says that pictures began to come.
    pub fn live(&mut self, now: Timestamp) {
        self.live_since.get_or_insert(now);
    }

    /// The wait after a failure at `now`.
    pub fn wait_after_failure(&mut self, now: Timestamp) -> Duration {
        let healthy = self.live_since.take().is_some_and(|since| now.since(since) >= self.last_wait);
        if healthy {
            self.failures = 0;
        }
        let full =
            self.min.saturating_mul(1_u32.checked_shl(self.failures).unwrap_or(u32::MAX)).min(self.max);
        // 20 doublings reach any sensible maximum; more would only shift out of range.
        self.failures = (self.failures + 1).min(20);
        self.last_wait = full.mul_f64(self.chance.random_range(0.5..=1.0));
        self.last_wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use citybrain_types::{Clock, ManualClock};

    const MIN: Duration = Duration::from_secs(1);
    const MAX: Duration = Duration::from_secs(60);

    fn backoff(camera: &str) -> Backoff {
        Backoff::new(&CameraId::new(camera).unwrap(), MIN, MAX)
    }

    #[test]
    fn waits_double_up_to_the_limit_with_half_of_them_left_to_chance() {
        let clock = ManualClock::starting_at(Timestamp::from_millis(1_000));
        let mut backoff = backoff("gate");
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60, 60] {
            let wait = backoff.wait_after_failure(clock.now());
            let full = Duration::from_secs(seconds);
            assert!(wait >= full / 2 && wait <= full, "{wait:?} is not within half of {full:?}");
            clock.advance(wait);
        }
    }

    #[test]
    fn a_connection_that_showed_pictures_as_long_as_it_was_waited_for_starts_afresh() {
        let clock = ManualClock::default();
        let mut backoff = backoff("gate");
        for _ in 0..4 {
            backoff.wait_after_failure(clock.now());
        }
        backoff.live(clock.now());
        clock.advance(Duration::from_secs(9));
        assert!(
            backoff.wait_after_failure(clock.now()) <= MIN,
            "nine seconds live after a wait of at most eight"
        );
    }

    #[test]
    fn a_connection_that_breaks_at_once_is_tried_less_and_less_often() {
        let clock = ManualClock::default();
        let mut backoff = backoff("gate");
        let mut last = Duration::ZERO;
        for _ in 0..8 {
            backoff.live(clock.now());
            clock.advance(Duration::from_millis(100));
            last = backoff.wait_after_failure(clock.now());
            clock.advance(last);
        }
        assert!(last >= MAX / 2, "the eighth wait is only {last:?}");
    }

    #[test]
    fn two_cameras_do_not_come_back_together() {
        let waits = |camera: &str| {
            let mut backoff = backoff(camera);
            (0..4).map(|_| backoff.wait_after_failure(Timestamp::EPOCH)).collect::<Vec<_>>()
        };
        assert_ne!(waits("gate-1"), waits("gate-2"));
        assert_eq!(waits("gate-1"), waits("gate-1"));
    }
}
