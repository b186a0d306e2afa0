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
/// Media time is compared with this machine's clock from one such time to the next.
const DRIFT_OVER: Duration = Duration::from_secs(60);
/// Media time that runs so much faster or slower is a fault.
const DRIFT: f64 = 0.03;
/// It must run away in so many comparisons one after the other: media time may also jump once.
const DRIFTS_NEEDED: u8 = 2;

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
///
/// Pictures come late one by one and in crowds: at a start, when a server sends what it has kept, behind a slow network.
/// The soonest arrival of a minute is late by the fixed delay of the connection alone, so that is what is compared.
#[derive(Debug, Clone, Default)]
pub(super) struct Drift {
    current: Option<Soonest>,
    previous: Option<Soonest>,
    in_a_row: u8,
    since: Option<Timestamp>,
}

/// The smallest distance between arrival and media time in the minute from `began`.
#[derive(Debug, Clone, Copy)]
struct Soonest {
    began: Timestamp,
    offset_micros: i64,
}

impl Drift {
    pub(super) fn note(&mut self, media_micros: i64, arrived: Timestamp) {
        let offset_micros = arrived.as_micros().saturating_sub(media_micros);
        let current = self.current.get_or_insert(Soonest { began: arrived, offset_micros });
        if arrived.since(current.began) < DRIFT_OVER {
            current.offset_micros = current.offset_micros.min(offset_micros);
            return;
        }
        let ended = std::mem::replace(current, Soonest { began: arrived, offset_micros });
        if let Some(previous) = self.previous.replace(ended) {
            self.compare(previous, ended);
        }
    }

    fn compare(&mut self, before: Soonest, after: Soonest) {
        let passed = after.began.since(before.began).as_micros() as f64;
        let moved = after.offset_micros.saturating_sub(before.offset_micros) as f64;
        if moved.abs() > DRIFT * passed {
            self.in_a_row = self.in_a_row.saturating_add(1);
            self.since = self.since.or(Some(before.began));
        } else {
            (self.in_a_row, self.since) = (0, None);
        }
    }

    /// Another connection's media time begins anywhere.
    pub(super) const fn reconnected(&mut self) {
        (self.current, self.previous) = (None, None);
    }

    pub(super) fn fault(&self) -> Option<(FaultKind, Timestamp)> {
        let since = self.since.filter(|_| self.in_a_row >= DRIFTS_NEEDED)?;
        Some((FaultKind::ClockDrift, since))
    }
}
