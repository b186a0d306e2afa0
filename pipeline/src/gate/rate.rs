//! Faults of the stream itself: too few pictures, lost packets, a clock that runs away.

use citybrain_types::{FaultKind, Timestamp};
use std::time::Duration;

/// Frame rate and loss are judged over this time.
const RATE_OVER: Duration = Duration::from_secs(20);
/// The usual rate is known after so many such times.
const LEARN_RATES: u8 = 3;
/// A rate that stays low for this long was set by somebody, and is the usual one from then on.
const LOW_IS_NORMAL_AFTER: Duration = Duration::from_secs(6 * 3_600);
/// One lost packet for so many pictures is a fault.
const LOSS_IN_PICTURES: u64 = 50;
/// Media time is compared with this machine's clock over this time.
const DRIFT_OVER: Duration = Duration::from_secs(60);
/// Media time that runs so much faster or slower is a fault; queueing in the network stays below it.
const DRIFT: f64 = 0.03;

/// Pictures a second and losses, over [`RATE_OVER`].
#[derive(Debug, Clone, Default)]
pub(super) struct Rate {
    began: Option<Timestamp>,
    pictures: u32,
    lost: u32,
    usual: f32,
    measured: u8,
    low_since: Option<Timestamp>,
    loss_since: Option<Timestamp>,
}

impl Rate {
    pub(super) fn picture(&mut self, at: Timestamp) {
        let began = *self.began.get_or_insert(at);
        self.pictures = self.pictures.saturating_add(1);
        let passed = at.since(began);
        if passed < RATE_OVER {
            return;
        }
        let rate = self.pictures as f32 / passed.as_secs_f32();
        if self.low_since.is_some_and(|since| at.since(since) >= LOW_IS_NORMAL_AFTER) {
            self.usual = rate;
        }
        if self.measured >= LEARN_RATES && rate < 0.5 * self.usual {
            self.low_since.get_or_insert(began);
        } else {
            self.low_since = None;
            self.measured = self.measured.saturating_add(1);
            self.usual = self.usual.max(rate);
        }
        let lossy = u64::from(self.lost) * LOSS_IN_PICTURES > u64::from(self.pictures);
        self.loss_since = if lossy { self.loss_since.or(Some(began)) } else { None };
        (self.began, self.pictures, self.lost) = (Some(at), 0, 0);
    }

    pub(super) const fn lost(&mut self, packets: u32) {
        self.lost = self.lost.saturating_add(packets);
    }

    /// The usual rate is kept, and so is a fault until it is known to be over.
    pub(super) const fn reconnected(&mut self) {
        (self.began, self.pictures, self.lost) = (None, 0, 0);
    }

    pub(super) fn low(&self) -> Option<(FaultKind, Timestamp)> {
        self.low_since.map(|since| (FaultKind::LowFrameRate, since))
    }

    pub(super) fn losing(&self) -> Option<(FaultKind, Timestamp)> {
        self.loss_since.map(|since| (FaultKind::PacketLoss, since))
    }
}

/// Media time against this machine's clock.
#[derive(Debug, Clone, Default)]
pub(super) struct Drift {
    from: Option<(i64, Timestamp)>,
    since: Option<Timestamp>,
}

impl Drift {
    pub(super) fn note(&mut self, media_micros: i64, arrived: Timestamp) {
        let (media_from, from) = *self.from.get_or_insert((media_micros, arrived));
        let passed = arrived.since(from);
        if passed < DRIFT_OVER {
            return;
        }
        let wall = passed.as_micros() as f64;
        let media = media_micros.saturating_sub(media_from) as f64;
        let drifts = (media / wall - 1.0).abs() > DRIFT;
        self.since = if drifts { self.since.or(Some(from)) } else { None };
        self.from = Some((media_micros, arrived));
    }

    /// Another connection's media time begins anywhere.
    pub(super) const fn reconnected(&mut self) {
        self.from = None;
    }

    pub(super) fn fault(&self) -> Option<(FaultKind, Timestamp)> {
        self.since.map(|since| (FaultKind::ClockDrift, since))
    }
}
