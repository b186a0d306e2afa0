//! The cameras that can be taken at once, in the order in which they are.
//!
//! Design decision: deadlines of looks that wait in turn are measured in the looks' own intervals. Plain earliest
//! deadline first makes every kind equally late in seconds: under overload a kind of 10 s then comes three times too
//! seldom before one of 600 s comes a tenth too seldom. The look that has waited longest in proportion to its interval
//! goes first, so all stretch by the same factor. Looks of one interval keep one order among themselves for ever, so
//! the choice compares the heads of as many queues as there are intervals, and not all cameras.

use citybrain_types::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A camera's place among those that can be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Before everything else: the earliest deadline first.
    Urgent {
        /// When the look is late.
        deadline: Timestamp,
    },
    /// Among the rest.
    InTurn {
        /// The interval of the look that has waited longest.
        interval: Duration,
        /// When that look was taken last, or stands as taken.
        since: Timestamp,
    },
}

/// Which queue goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum First {
    Urgent,
    /// The urgent ones have had their share; nothing waits longer because of that than one look.
    InTurn,
}

#[derive(Debug, Default)]
pub(super) struct Ready {
    urgent: BTreeSet<(Timestamp, usize)>,
    in_turn: BTreeMap<Duration, BTreeSet<(Timestamp, usize)>>,
}

/// How long a look has waited, in its own intervals: 1 when it is due.
pub(super) fn waited(since: Timestamp, interval: Duration, now: Timestamp) -> f64 {
    now.since(since).as_secs_f64() / interval.as_secs_f64().max(1e-3)
}

impl Ready {
    pub(super) fn insert(&mut self, index: usize, place: Place) {
        match place {
            Place::Urgent { deadline } => self.urgent.insert((deadline, index)),
            Place::InTurn { interval, since } => {
                self.in_turn.entry(interval).or_default().insert((since, index))
            }
        };
    }

    pub(super) fn remove(&mut self, index: usize, place: Place) {
        match place {
            Place::Urgent { deadline } => {
                self.urgent.remove(&(deadline, index));
            }
            Place::InTurn { interval, since } => {
                let Some(queue) = self.in_turn.get_mut(&interval) else { return };
                queue.remove(&(since, index));
                if queue.is_empty() {
                    // Queues are bounded by the intervals that somebody waits for.
                    self.in_turn.remove(&interval);
                }
            }
        }
    }

    /// The camera to be taken next.
    pub(super) fn first(&self, first: First, now: Timestamp) -> Option<usize> {
        let urgent = self.urgent.first().map(|(_, index)| *index);
        match first {
            First::Urgent => urgent.or_else(|| self.longest_waiting(now)),
            First::InTurn => self.longest_waiting(now).or(urgent),
        }
    }

    fn longest_waiting(&self, now: Timestamp) -> Option<usize> {
        let heads = self.in_turn.iter().filter_map(|(interval, queue)| {
            let (since, index) = queue.first()?;
            Some((waited(*since, *interval, now), *index))
        });
        // Of equals the shorter interval, which comes first.
        heads.reduce(|best, head| if head.0 > best.0 { head } else { best }).map(|(_, index)| index)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.urgent.is_empty() && self.in_turn.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.urgent.clear();
        self.in_turn.clear();
    }
}
