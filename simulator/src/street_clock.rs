//! Street time: how long the street has been running. Every camera of a street shows the same.

use citybrain_types::{Clock, Timestamp};
use std::time::{Duration, Instant};

/// The moment the street started, on the machine's steady clock and as wall time.
#[derive(Debug, Clone, Copy)]
pub struct StreetClock {
    start: Instant,
    started_at: Timestamp,
}

impl StreetClock {
    /// Starts street time now; `clock` says what wall time that is.
    #[must_use]
    pub fn start(clock: &dyn Clock) -> Self {
        Self { start: Instant::now(), started_at: clock.now() }
    }

    /// Street time now.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// The wall time of a street time.
    #[must_use]
    pub fn wall(&self, at: Duration) -> Timestamp {
        self.started_at.plus(at)
    }

    /// How long to wait until a street time; zero when it has passed.
    #[must_use]
    pub fn until(&self, at: Duration) -> Duration {
        at.saturating_sub(self.start.elapsed())
    }
}
