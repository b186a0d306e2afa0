//! What a stream's packets tell without decoding: sizes and kinds of access units, and nothing else.
//!
//! Design decision: sizes are summed over half a second, so that the pattern of B- and P-pictures does not count, and
//! compared as logarithms with their own running median, so that neither a camera's bit rate nor a slow change of light
//! does. All state is a fixed 200 bytes a camera. What it says only makes a look come sooner: thin smoke and rising water
//! do not show in packet sizes, so the look intervals of the kinds hold whatever is said here.

use citybrain_types::{FaultKind, Timestamp};
use std::time::Duration;

/// Sizes are summed over this time.
const WINDOW: Duration = Duration::from_millis(480);
/// Windows until the median is trusted: some five seconds.
const LEARN_WINDOWS: u16 = 10;
/// Motion: so many times the usual deviation above the median, and at least half as much again in bytes.
const MOTION_DEVIATIONS: f32 = 3.0;
const MOTION_LOG_RATIO: f32 = 0.4;
/// Smallest deviation taken as usual, in log bytes: encoders vary by some 8 % on a still scene.
const LEAST_SPREAD: f32 = 0.08;
/// Each window moves median and deviation by this part of what it differs by: half in seven seconds.
const FOLLOWS: f32 = 0.05;
/// Differential pictures below so many bits a pixel hold skipped blocks only: no sensor's noise is in them.
const STILL_BITS_PER_PIXEL: f32 = 0.003;
/// A keyframe below so many bits a pixel shows one flat area.
const FLAT_BITS_PER_PIXEL: f32 = 0.05;
/// Headers of an access unit, which do not grow with the picture.
const HEADER_BYTES: f32 = 48.0;
/// A stream is called frozen or black after so long.
const STILL_AFTER: Duration = Duration::from_secs(10);
/// Pictures between two keyframes, below which their sizes say nothing.
const LEAST_DELTAS: u32 = 4;
/// Keyframe distances until they are trusted.
const LEARN_GOPS: u8 = 3;
/// Frame rate and loss are judged over this time.
const RATE_OVER: Duration = Duration::from_secs(20);
/// Media time is compared with this machine's clock over this time.
const DRIFT_OVER: Duration = Duration::from_secs(60);
/// Media time that runs so much faster or slower is a fault; queueing in the network stays below it.
const DRIFT: f64 = 0.03;

/// What the packets since the last keyframe say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Not enough was seen yet.
    Learning,
    /// As always.
    Usual,
    /// More changes in the picture than usual.
    Motion,
    /// The picture has changed as a whole.
    SceneCut,
    /// Nothing changes, not even the noise of a sensor.
    Frozen,
    /// Nothing changes and there is nothing to be seen.
    Black,
}

impl Verdict {
    /// Every verdict.
    pub const ALL: [Self; 6] =
        [Self::Learning, Self::Usual, Self::Motion, Self::SceneCut, Self::Frozen, Self::Black];

    /// The name, as in the metric label `verdict`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Learning => "learning",
            Self::Usual => "usual",
            Self::Motion => "motion",
            Self::SceneCut => "scene_cut",
            Self::Frozen => "frozen",
            Self::Black => "black",
        }
    }

    /// Whether the next look should come before its interval is over.
    #[must_use]
    pub const fn is_eager(self) -> bool {
        matches!(self, Self::Motion | Self::SceneCut)
    }

    /// Whether nothing moves in the stream.
    #[must_use]
    pub const fn is_still(self) -> bool {
        matches!(self, Self::Frozen | Self::Black)
    }
}

/// What is known of a stream at a keyframe.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading {
    /// What the packets since the keyframe before say.
    pub verdict: Verdict,
    /// The largest motion energy since then: usual deviations above the median.
    pub motion: f32,
    /// Pictures from keyframe to keyframe; 0 for the first.
    pub gop_pictures: u32,
    /// Time from keyframe to keyframe.
    pub gop: Duration,
    /// Faults of the stream itself, with their onset.
    pub faults: [Option<(FaultKind, Timestamp)>; 3],
}

/// Follows one connection's access units.
#[derive(Debug, Clone)]
pub struct Gate {
    pixels: f32,
    began: Option<Timestamp>,
    window_began: Timestamp,
    window_bytes: u32,
    windows: u16,
    gops: u8,
    cut: bool,
    median: f32,
    spread: f32,
    motion: f32,
    gop_began: Timestamp,
    gop_bytes: u32,
    gop_deltas: u32,
    usual_gop: f32,
    key_bytes: f32,
    last_key_bytes: u32,
    still_since: Option<Timestamp>,
    rate: Rate,
    drift: Drift,
}

/// Pictures a second and losses, over [`RATE_OVER`].
#[derive(Debug, Clone, Default)]
struct Rate {
    began: Option<Timestamp>,
    pictures: u32,
    lost: u32,
    usual: f32,
    measured: u8,
    low_since: Option<Timestamp>,
    loss_since: Option<Timestamp>,
}

/// Media time against this machine's clock.
#[derive(Debug, Clone, Default)]
struct Drift {
    from: Option<(i64, Timestamp)>,
    since: Option<Timestamp>,
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            // Until the size is told: the smallest sub-stream in use.
            pixels: 320.0 * 240.0,
            began: None,
            window_began: Timestamp::EPOCH,
            window_bytes: 0,
            windows: 0,
            gops: 0,
            cut: false,
            median: 0.0,
            spread: 0.25,
            motion: 0.0,
            gop_began: Timestamp::EPOCH,
            gop_bytes: 0,
            gop_deltas: 0,
            usual_gop: 0.0,
            key_bytes: 0.0,
            last_key_bytes: 0,
            still_since: None,
            rate: Rate::default(),
            drift: Drift::default(),
        }
    }
}

impl Gate {
    /// The stream's size in pixels.
    pub fn size(&mut self, (width, height): (u32, u32)) {
        self.pixels = (width as f32 * height as f32).max(1.0);
    }

    /// A picture that needs earlier ones has come.
    pub fn delta(&mut self, bytes: usize, at: Timestamp) {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.rate.picture(at);
        self.gop_bytes = self.gop_bytes.saturating_add(bytes);
        self.gop_deltas = self.gop_deltas.saturating_add(1);
        // An encoder that may not place a keyframe writes a picture of intra blocks.
        self.cut |= self.gops > 0
            && bytes as f32 > 0.7 * self.key_bytes
            && bytes as f32 * self.gop_deltas as f32 > 4.0 * self.gop_bytes as f32;
        self.add(bytes, at);
    }

    /// A keyframe has come: says what was seen since the one before.
    pub fn keyframe(&mut self, bytes: usize, at: Timestamp) -> Reading {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.rate.picture(at);
        let first = self.began.is_none();
        let gop_pictures = if first { 0 } else { self.gop_deltas + 1 };
        if !first && self.gop_deltas == 0 {
            self.intra_only(bytes);
        }
        let still = self.stillness(bytes, at);
        let early = self.gops >= LEARN_GOPS && (gop_pictures as f32) < 0.6 * self.usual_gop;
        let verdict = match still {
            Some(still) => still,
            None if self.cut || early => Verdict::SceneCut,
            None if self.motion >= MOTION_DEVIATIONS => Verdict::Motion,
            None if self.windows < LEARN_WINDOWS => Verdict::Learning,
            None => Verdict::Usual,
        };
        let gop = if first { Duration::ZERO } else { at.since(self.gop_began) };
        let faults = [self.rate.low(), self.rate.losing(), self.drift.fault()];
        let reading = Reading { verdict, motion: self.motion, gop_pictures, gop, faults };
        self.begin_gop(bytes, gop_pictures, at);
        reading
    }

    /// So many packets were lost.
    pub fn lost(&mut self, packets: u32) {
        self.rate.lost = self.rate.lost.saturating_add(packets);
    }

    /// A picture with this media time has arrived.
    pub fn media_time(&mut self, media_micros: i64, arrived: Timestamp) {
        self.drift.note(media_micros, arrived);
    }

    fn begin_gop(&mut self, bytes: u32, gop_pictures: u32, at: Timestamp) {
        if gop_pictures > 0 {
            // Scene cuts shorten the distance, nothing lengthens it: it follows upwards quickly.
            let longer = gop_pictures as f32 - self.usual_gop;
            self.usual_gop += if longer > 0.0 { longer } else { 0.1 * longer };
            self.gops = self.gops.saturating_add(1);
        }
        let difference = bytes as f32 - self.key_bytes;
        self.key_bytes += if self.began.is_none() { difference } else { 0.2 * difference };
        if self.began.is_none() {
            self.window_began = at;
            self.began = Some(at);
        }
        self.last_key_bytes = bytes;
        self.gop_began = at;
        (self.gop_bytes, self.gop_deltas, self.motion, self.cut) = (0, 0, 0.0, false);
    }

    fn add(&mut self, bytes: u32, at: Timestamp) {
        if self.began.is_none() {
            return;
        }
        if at.since(self.window_began) >= WINDOW {
            let secs = at.since(self.window_began).as_secs_f32();
            // A gap says nothing about motion.
            if secs < 4.0 * WINDOW.as_secs_f32() {
                self.judge((1.0 + self.window_bytes as f32 / secs).ln(), false);
            }
            self.window_began = at;
            self.window_bytes = 0;
        }
        self.window_bytes = self.window_bytes.saturating_add(bytes);
    }

    /// Pictures that all stand alone: any change of their size speaks of a change of the picture.
    fn intra_only(&mut self, bytes: u32) {
        self.judge((1.0 + bytes as f32).ln(), true);
    }

    fn judge(&mut self, log_bytes: f32, both_ways: bool) {
        let difference = log_bytes - self.median;
        if self.windows < LEARN_WINDOWS {
            self.windows += 1;
            self.median += difference / f32::from(self.windows);
            return;
        }
        let change = if both_ways { difference.abs() } else { difference };
        if change >= MOTION_LOG_RATIO {
            self.motion = self.motion.max(change / self.spread);
        }
        // Bounded steps: a burst is an outlier and not the new usual, one that stays becomes it.
        self.median += FOLLOWS * difference.clamp(-2.0 * self.spread, 2.0 * self.spread);
        self.spread += FOLLOWS * (difference.abs().min(4.0 * self.spread) - self.spread);
        self.spread = self.spread.max(LEAST_SPREAD);
    }

    fn stillness(&mut self, key_bytes: u32, at: Timestamp) -> Option<Verdict> {
        let still = if self.gop_deltas >= LEAST_DELTAS {
            let mean = self.gop_bytes as f32 / self.gop_deltas as f32;
            (mean - HEADER_BYTES) * 8.0 < STILL_BITS_PER_PIXEL * self.pixels
        } else {
            // Pictures that stand alone and are the same to the byte.
            self.gop_deltas == 0 && self.last_key_bytes == key_bytes
        };
        if !still {
            self.still_since = None;
            return None;
        }
        let since = *self.still_since.get_or_insert(self.gop_began.max(self.began.unwrap_or(at)));
        let flat = (key_bytes as f32 - HEADER_BYTES) * 8.0 < FLAT_BITS_PER_PIXEL * self.pixels;
        let verdict = if flat { Verdict::Black } else { Verdict::Frozen };
        (at.since(since) >= STILL_AFTER).then_some(verdict)
    }
}

impl Rate {
    fn picture(&mut self, at: Timestamp) {
        let began = *self.began.get_or_insert(at);
        self.pictures = self.pictures.saturating_add(1);
        let passed = at.since(began);
        if passed < RATE_OVER {
            return;
        }
        let rate = self.pictures as f32 / passed.as_secs_f32();
        if self.measured >= 3 && rate < 0.5 * self.usual {
            self.low_since.get_or_insert(began);
        } else {
            self.low_since = None;
            self.measured = self.measured.saturating_add(1);
            self.usual = self.usual.max(rate);
        }
        let lossy = u64::from(self.lost) * 50 > u64::from(self.pictures);
        self.loss_since = if lossy { self.loss_since.or(Some(began)) } else { None };
        (self.began, self.pictures, self.lost) = (Some(at), 0, 0);
    }

    fn low(&self) -> Option<(FaultKind, Timestamp)> {
        self.low_since.map(|since| (FaultKind::LowFrameRate, since))
    }

    fn losing(&self) -> Option<(FaultKind, Timestamp)> {
        self.loss_since.map(|since| (FaultKind::PacketLoss, since))
    }
}

impl Drift {
    fn note(&mut self, media_micros: i64, arrived: Timestamp) {
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

    fn fault(&self) -> Option<(FaultKind, Timestamp)> {
        self.since.map(|since| (FaultKind::ClockDrift, since))
    }
}

#[cfg(test)]
#[path = "gate_tests.rs"]
mod tests;
