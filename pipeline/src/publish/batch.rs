//! When frames have waited long enough for company.

use super::Outgoing;
use citybrain_types::FrameDetections;
use std::time::{Duration, Instant};

/// A batch of this size is sent at once: a record batch of some 50 KiB.
const FRAMES: usize = 128;
/// No frame waits longer for company.
const WINDOW: Duration = Duration::from_millis(100);
/// While batches go to disk, fewer and larger files are worth more than speed.
const WINDOW_TO_DISK: Duration = Duration::from_secs(1);
/// Sleep of the publisher while it holds nothing.
const IDLE: Duration = Duration::from_secs(1);

/// Frames waiting for company.
#[derive(Debug, Default)]
pub(super) struct Batcher {
    frames: Vec<FrameDetections>,
    since: Option<Instant>,
    urgent: bool,
}

impl Batcher {
    pub(super) fn push(&mut self, outgoing: Outgoing, now: Instant) {
        self.since.get_or_insert(now);
        self.urgent |= outgoing.urgent;
        self.frames.push(outgoing.frame);
    }

    pub(super) fn is_full(&self) -> bool {
        self.frames.len() >= FRAMES
    }

    pub(super) fn is_due(&self, now: Instant, to_disk: bool) -> bool {
        !self.frames.is_empty() && (self.urgent || self.is_full() || self.patience(now, to_disk).is_zero())
    }

    /// How long the oldest frame may still wait.
    pub(super) fn patience(&self, now: Instant, to_disk: bool) -> Duration {
        let window = if to_disk { WINDOW_TO_DISK } else { WINDOW };
        self.since.map_or(IDLE, |since| window.saturating_sub(now.duration_since(since)))
    }

    pub(super) fn take(&mut self) -> Vec<FrameDetections> {
        self.since = None;
        self.urgent = false;
        std::mem::take(&mut self.frames)
    }
}
