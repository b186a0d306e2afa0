//! What a stream's packets tell without decoding: sizes and kinds of access units, and nothing else.
//!
//! Design decision: sizes are summed over half a second, so that the pattern of B- and P-pictures does not count, and
//! compared as logarithms with their own running median, so that neither a camera's bit rate nor a slow change of light
//! does. All state is a fixed 200 bytes a camera and outlives its connections: a camera that is polled, or loses its
//! connection now and then, is known all the same. What it says only makes a look come sooner: thin smoke and rising water
//! do not show in packet sizes, so the look intervals of the kinds hold whatever is said here.

mod level;
mod rate;

use citybrain_types::{FaultKind, Timestamp};
use level::Level;
use rate::{Drift, Rate};
use std::time::Duration;

/// Sizes are summed over this time.
const WINDOW: Duration = Duration::from_millis(480);
/// Motion: so many times the usual deviation away from the median.
const MOTION_DEVIATIONS: f32 = 3.0;
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
    /// What the packets since the keyframe before say; of a camera that is polled, what the keyframe's own size does.
    pub verdict: Verdict,
    /// The largest motion energy since then: usual deviations away from the median.
    pub motion: f32,
    /// Pictures from keyframe to keyframe; 0 for the first.
    pub gop_pictures: u32,
    /// Time from keyframe to keyframe.
    pub gop: Duration,
    /// Faults of the stream itself, with their onset.
    pub faults: [Option<(FaultKind, Timestamp)>; 3],
}

/// Follows one camera's access units, from connection to connection.
#[derive(Debug, Clone)]
pub struct Gate {
    pixels: f32,
    /// When the first keyframe of this connection came.
    began: Option<Timestamp>,
    window_began: Timestamp,
    window_bytes: u32,
    /// Bytes a second of differential pictures.
    deltas: Level,
    /// Bytes of keyframes: all there is to compare of a camera that is polled, or sends JPEGs.
    keys: Level,
    gops: u8,
    cut: bool,
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

impl Default for Gate {
    fn default() -> Self {
        Self {
            // Until the size is told: the smallest sub-stream in use.
            pixels: 320.0 * 240.0,
            began: None,
            window_began: Timestamp::EPOCH,
            window_bytes: 0,
            deltas: Level::default(),
            keys: Level::default(),
            gops: 0,
            cut: false,
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

    /// Another connection of the same camera has begun. What is usual there is kept; what runs over time begins anew.
    pub fn reconnected(&mut self) {
        self.began = None;
        (self.gop_bytes, self.gop_deltas, self.motion, self.cut) = (0, 0, 0.0, false);
        self.rate.reconnected();
        self.drift.reconnected();
    }

    /// A picture that needs earlier ones has come.
    pub fn delta(&mut self, bytes: usize, at: Timestamp) {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.rate.picture(at);
        if self.began.is_none() {
            // The rest of a group of pictures whose beginning was not seen.
            return;
        }
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
        // Any change of their size speaks of a change of the picture; where there is something between keyframes, that
        // says more.
        let away = self.keys.judge((1.0 + bytes as f32).ln()).map_or(0.0, f32::abs);
        if self.gop_deltas == 0 {
            self.motion = self.motion.max(away);
        }
        let still = self.stillness(bytes, at);
        let early = !first && self.gops >= LEARN_GOPS && (gop_pictures as f32) < 0.6 * self.usual_gop;
        let verdict = match still {
            Some(still) => still,
            None if self.cut || early => Verdict::SceneCut,
            None if self.motion >= MOTION_DEVIATIONS => Verdict::Motion,
            None if !self.is_trusted() => Verdict::Learning,
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
        self.rate.lost(packets);
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
        self.key_bytes += if self.last_key_bytes == 0 { difference } else { 0.2 * difference };
        if self.began.is_none() {
            (self.window_began, self.window_bytes) = (at, 0);
            self.began = Some(at);
        }
        self.last_key_bytes = bytes;
        self.gop_began = at;
        (self.gop_bytes, self.gop_deltas, self.motion, self.cut) = (0, 0, 0.0, false);
    }

    fn add(&mut self, bytes: u32, at: Timestamp) {
        if at.since(self.window_began) >= WINDOW {
            let secs = at.since(self.window_began).as_secs_f32();
            // A gap says nothing about motion.
            if secs < 4.0 * WINDOW.as_secs_f32() {
                let away = self.deltas.judge((1.0 + self.window_bytes as f32 / secs).ln());
                self.motion = self.motion.max(away.unwrap_or_default());
            }
            self.window_began = at;
            self.window_bytes = 0;
        }
        self.window_bytes = self.window_bytes.saturating_add(bytes);
    }

    /// Whether what the pictures since the last keyframe are compared with is known.
    const fn is_trusted(&self) -> bool {
        if self.gop_deltas == 0 { self.keys.is_trusted() } else { self.deltas.is_trusted() }
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
        let since = *self.still_since.get_or_insert(self.gop_began);
        let flat = (key_bytes as f32 - HEADER_BYTES) * 8.0 < FLAT_BITS_PER_PIXEL * self.pixels;
        let verdict = if flat { Verdict::Black } else { Verdict::Frozen };
        (at.since(since) >= STILL_AFTER).then_some(verdict)
    }
}

#[cfg(test)]
#[path = "gate_tests.rs"]
mod tests;
