//! When a delivery is tried again, and when it is given up.

use super::Failure;
use crate::store::Attempt;
use citybrain_ingest_config::resolved::Destination;
use citybrain_types::Timestamp;
use std::time::Duration;

/// A destination that asks for more time gets at most this.
const LONGEST_ASKED_WAIT: Duration = Duration::from_secs(60 * 60);

/// What follows from a failed attempt: the `made`-th since the delivery was made or replayed, counted from 1.
#[must_use]
pub fn after_failure(schedule: &[Duration], made: u32, failure: &Failure, now: Timestamp) -> Attempt {
    let error = failure.to_string();
    let wait = usize::try_from(made).ok().and_then(|made| schedule.get(made.saturating_sub(1)));
    match wait {
        Some(wait) if !failure.reason.is_final() => {
            let wait = failure.asked_wait.map_or(*wait, |asked| asked.min(LONGEST_ASKED_WAIT).max(*wait));
            Attempt::Retry { since: now, next_attempt_at: now.plus(wait), error }
        }
        _ => Attempt::Dead { error },
    }
}

/// Waits between the attempts of a row: what is told at once is tried quickly first.
#[must_use]
pub fn schedule(destination: &Destination, urgent: bool) -> Vec<Duration> {
    let quick = destination.urgent_retry_after.iter().filter(|_| urgent);
    quick.chain(&destination.retry_after).copied().collect()
}

/// Whether the second channel is told after the `made`-th attempt has failed: the quick ones are used up, or there
/// will be no other.
#[must_use]
pub fn tells_second(destination: &Destination, urgent: bool, made: u32, attempt: &Attempt) -> bool {
    let quick = u32::try_from(destination.urgent_retry_after.len()).unwrap_or(u32::MAX);
    let is_last = matches!(attempt, Attempt::Dead { .. }) && made <= quick;
    urgent && destination.second.is_some() && (made == quick.saturating_add(1) || is_last)
}

/// The latest moment a pending delivery can honestly be due at; later ones come from a clock that was set back. It is the
/// bound for those of which it is not known since when they wait.
#[must_use]
pub fn horizon(schedule: &[Duration], now: Timestamp) -> Timestamp {
    let longest = schedule.iter().max().copied().unwrap_or_default();
    now.plus(longest.max(LONGEST_ASKED_WAIT))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::FailureReason;

    const SCHEDULE: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(5)];

    fn failed(reason: FailureReason) -> Failure {
        Failure::new(reason, "as the test says")
    }

    #[test]
    fn waits_follow_the_schedule_and_then_the_delivery_is_dead() {
        let now = Timestamp::from_millis(1_000);
        let next = |made| after_failure(&SCHEDULE, made, &failed(FailureReason::ServerError), now);
        for (made, wait) in [(1, SCHEDULE[0]), (2, SCHEDULE[1])] {
            let Attempt::Retry { next_attempt_at, .. } = next(made) else {
                panic!("attempt {made} is not retried")
            };
            assert_eq!(next_attempt_at, now.plus(wait));
        }
        assert!(matches!(next(3), Attempt::Dead { .. }));
    }

    #[test]
    fn a_destination_that_is_gone_for_good_is_not_asked_again() {
        let attempt = after_failure(&SCHEDULE, 1, &failed(FailureReason::Gone), Timestamp::EPOCH);
        assert!(matches!(attempt, Attempt::Dead { .. }));
    }

    #[test]
    fn a_destination_that_asks_for_time_gets_it_within_bounds() {
        let asked = |wait| Failure { asked_wait: Some(wait), ..failed(FailureReason::ClientError) };
        let due = |wait| match after_failure(&SCHEDULE, 1, &asked(wait), Timestamp::EPOCH) {
            Attempt::Retry { next_attempt_at, .. } => next_attempt_at.since(Timestamp::EPOCH),
            other => panic!("{other:?}"),
        };
        assert_eq!(due(Duration::from_secs(30)), Duration::from_secs(30));
        assert_eq!(due(Duration::ZERO), SCHEDULE[0]);
        assert_eq!(due(Duration::from_secs(1_000_000)), LONGEST_ASKED_WAIT);
    }
}
