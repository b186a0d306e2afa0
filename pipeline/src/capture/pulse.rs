//! The signs of life of one connection, written where media arrives and read by the camera's task.

use crate::gate::Verdict;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Signs of life of one connection.
#[derive(Debug)]
pub(crate) struct Pulse {
    began: Instant,
    connected: AtomicU64,
    first_keyframe: AtomicU64,
    last_keyframe: AtomicU64,
    pictures: AtomicU64,
    unusable_keyframes: AtomicU64,
    eager: AtomicBool,
    connected_now: Notify,
    keyframe_now: Notify,
}

/// What has come since the last keyframe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SinceKeyframe {
    /// Pictures that need earlier ones.
    pub(crate) pictures: u64,
    /// Keyframes whose parameter sets are missing.
    pub(crate) unusable_keyframes: u64,
}

/// Stands for "never" in the atomics.
const NEVER: u64 = u64::MAX;

impl Pulse {
    pub(crate) fn new() -> Self {
        Self {
            began: Instant::now(),
            connected: AtomicU64::new(NEVER),
            first_keyframe: AtomicU64::new(NEVER),
            last_keyframe: AtomicU64::new(NEVER),
            pictures: AtomicU64::new(0),
            unusable_keyframes: AtomicU64::new(0),
            eager: AtomicBool::new(false),
            connected_now: Notify::new(),
            keyframe_now: Notify::new(),
        }
    }

    fn micros(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(NEVER - 1)
    }

    fn moment(&self, micros: &AtomicU64) -> Option<Instant> {
        let micros = micros.load(Ordering::Acquire);
        (micros != NEVER).then(|| self.began + Duration::from_micros(micros))
    }

    /// Says that the other side answered and media may come; `true` the first time.
    pub(crate) fn connected(&self) -> bool {
        let first = self
            .connected
            .compare_exchange(NEVER, self.micros(), Ordering::AcqRel, Ordering::Acquire)
            .is_ok();
        if first {
            self.connected_now.notify_one();
        }
        first
    }

    pub(crate) fn keyframe(&self) {
        let now = self.micros();
        let first = self.first_keyframe.compare_exchange(NEVER, now, Ordering::AcqRel, Ordering::Acquire);
        if first.is_ok() {
            self.keyframe_now.notify_one();
        }
        self.last_keyframe.store(now, Ordering::Release);
        self.pictures.store(0, Ordering::Release);
        self.unusable_keyframes.store(0, Ordering::Release);
    }

    /// What the gate made of the keyframe that comes now.
    pub(crate) fn shows(&self, verdict: Verdict) {
        self.eager.store(verdict.is_eager(), Ordering::Release);
    }

    /// Whether the last keyframe showed something new.
    pub(crate) fn is_eager(&self) -> bool {
        self.eager.load(Ordering::Acquire)
    }

    pub(crate) fn picture(&self) {
        self.pictures.fetch_add(1, Ordering::AcqRel);
    }

    pub(crate) fn unusable_keyframe(&self) {
        self.unusable_keyframes.fetch_add(1, Ordering::AcqRel);
    }

    /// Waits until the other side has answered; one waiter at a time.
    pub(crate) async fn until_connected(&self) {
        while self.connected_at().is_none() {
            self.connected_now.notified().await;
        }
    }

    /// Waits until a keyframe has come; one waiter at a time.
    pub(crate) async fn until_keyframe(&self) {
        while self.first_keyframe_at().is_none() {
            self.keyframe_now.notified().await;
        }
    }

    pub(crate) fn connected_at(&self) -> Option<Instant> {
        self.moment(&self.connected)
    }

    /// How long ago the connection was begun.
    pub(crate) fn age(&self) -> Duration {
        self.began.elapsed()
    }

    pub(crate) fn first_keyframe_at(&self) -> Option<Instant> {
        self.moment(&self.first_keyframe)
    }

    pub(crate) fn last_keyframe_at(&self) -> Option<Instant> {
        self.moment(&self.last_keyframe)
    }

    pub(crate) fn since_keyframe(&self) -> SinceKeyframe {
        SinceKeyframe {
            pictures: self.pictures.load(Ordering::Acquire),
            unusable_keyframes: self.unusable_keyframes.load(Ordering::Acquire),
        }
    }
}
