//! How often a new connection may be begun.
//!
//! Design decision: a steady pace and not a bucket. After a power cut in a district a thousand cameras come back in one
//! second; switches, DHCP and the cameras' own sign-in see them one after the other, and the decoders of this machine are
//! not handed a thousand first keyframes at once.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Gives out the moments at which connections are begun.
#[derive(Debug)]
pub(super) struct ConnectPace {
    next: Mutex<Instant>,
    per_second: AtomicU32,
}

impl ConnectPace {
    pub(super) fn new(per_second: u32) -> Self {
        Self { next: Mutex::new(Instant::now()), per_second: AtomicU32::new(per_second) }
    }

    pub(super) fn set(&self, per_second: u32) {
        self.per_second.store(per_second, Ordering::Relaxed);
    }

    /// Waits for the next moment. Who calls holds one of a bounded number of permits, so that no queue builds up here.
    pub(super) async fn wait(&self) {
        tokio::time::sleep_until(self.slot(Instant::now())).await;
    }

    fn slot(&self, now: Instant) -> Instant {
        let step = Duration::from_secs(1) / self.per_second.load(Ordering::Relaxed).max(1);
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let at = (*next).max(now);
        *next = at + step;
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_second_sees_more_connections_than_allowed_however_many_want_one() {
        let pace = ConnectPace::new(50);
        let now = Instant::now();
        let slots: Vec<Instant> = (0..1_000).map(|_| pace.slot(now)).collect();
        assert!(slots.windows(51).all(|window| window[50] - window[0] >= Duration::from_millis(999)));
        let all = *slots.last().unwrap() - now;
        assert!(all <= Duration::from_secs(21), "a thousand cameras take {all:?}");
    }

    #[test]
    fn who_comes_alone_does_not_wait_and_silence_saves_nothing_up() {
        let pace = ConnectPace::new(10);
        let later = Instant::now() + Duration::from_secs(100);
        assert_eq!(pace.slot(later), later);
        assert_eq!(pace.slot(later), later + Duration::from_millis(100));
    }
}
