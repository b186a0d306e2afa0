//! The circuit breaker of one destination: one that is down is not asked for every single thing.
//!
//! After [`OPEN_AFTER`] failures in a row that speak of the destination rather than of one message, only urgent
//! deliveries are attempted; after a pause one other is, as a probe. If that succeeds everything goes on; if not, the
//! pause is twice as long, up to [`LONGEST_PAUSE`].

use super::FailureReason;
use citybrain_types::Timestamp;
use std::time::Duration;

/// Failures in a row that open it.
const OPEN_AFTER: u32 = 5;
/// The first pause.
const FIRST_PAUSE: Duration = Duration::from_secs(15);
/// The longest.
const LONGEST_PAUSE: Duration = Duration::from_secs(5 * 60);

/// Where a destination stands.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    failures: u32,
    /// While it is open: since when and for how long.
    pause: Option<(Timestamp, Duration)>,
    probing: bool,
}

/// What may be attempted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admit {
    /// Everything.
    All,
    /// Urgent deliveries, and one other as a probe.
    Probe,
    /// Urgent deliveries only, until a moment.
    UrgentUntil(Timestamp),
}

impl Breaker {
    pub(super) fn admits(&self, now: Timestamp) -> Admit {
        let Some((since, pause)) = self.pause else { return Admit::All };
        let until = since.plus(pause);
        // A clock that was set back must not keep it open for longer than its pause.
        if now >= until || now < since {
            if self.probing { Admit::UrgentUntil(now.plus(FIRST_PAUSE)) } else { Admit::Probe }
        } else {
            Admit::UrgentUntil(until)
        }
    }

    /// A delivery that is not urgent goes out while it is open.
    pub(super) fn probe(&mut self) {
        self.probing = true;
    }

    /// An attempt has ended. Says whether it has just opened (`true`) or closed (`false`).
    pub(super) fn ended(&mut self, failure: Option<FailureReason>, now: Timestamp) -> Option<bool> {
        let Some(reason) = failure else {
            let was_open = self.pause.is_some();
            *self = Self::default();
            return was_open.then_some(false);
        };
        if !speaks_of_the_destination(reason) {
            // It answers, if not as wished.
            self.probing = false;
            return None;
        }
        self.failures = self.failures.saturating_add(1);
        let pause = match self.pause {
            None if self.failures < OPEN_AFTER => return None,
            None => FIRST_PAUSE,
            Some((_, pause)) if self.probing => (pause * 2).min(LONGEST_PAUSE),
            // An urgent attempt beside the pause.
            Some(_) => return None,
        };
        let opened = self.pause.is_none();
        self.pause = Some((now, pause));
        self.probing = false;
        opened.then_some(true)
    }
}

const fn speaks_of_the_destination(reason: FailureReason) -> bool {
    matches!(
        reason,
        FailureReason::Unreachable
            | FailureReason::Timeout
            | FailureReason::Disconnected
            | FailureReason::ServerError
            | FailureReason::BrokerRefused
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_after_failures_in_a_row_probes_after_a_pause_and_closes_with_the_first_success() {
        let at = |secs| Timestamp::from_millis(1_000 * secs);
        let mut breaker = Breaker::default();
        let down = Some(FailureReason::Unreachable);
        for n in 1..OPEN_AFTER {
            assert_eq!(breaker.ended(down, at(i64::from(n))), None);
            assert_eq!(breaker.ended(Some(FailureReason::ClientError), at(5)), None, "it answers");
            assert_eq!(breaker.admits(at(5)), Admit::All);
        }
        assert_eq!(breaker.ended(down, at(10)), Some(true));
        assert_eq!(breaker.admits(at(24)), Admit::UrgentUntil(at(25)));
        assert_eq!(breaker.ended(down, at(24)), None, "an urgent attempt does not lengthen the pause");
        assert_eq!(breaker.admits(at(25)), Admit::Probe);
        breaker.probe();
        assert!(matches!(breaker.admits(at(25)), Admit::UrgentUntil(_)), "one probe at once");
        assert_eq!(breaker.ended(down, at(26)), None);
        assert_eq!(breaker.admits(at(55)), Admit::UrgentUntil(at(56)), "twice as long");
        assert_eq!(breaker.admits(at(1)), Admit::Probe, "the clock was set back");
        assert_eq!(breaker.ended(None, at(56)), Some(false));
        assert_eq!(breaker.admits(at(56)), Admit::All);
    }
}
