//! What almost opened: a sample of the places that came near and were given up, so that a person can say what is missed.
//!
//! Which are sampled follows from the camera, the kind and the number of the frame alone, so that a replay samples the
//! same. What came within a fifth of opening is sampled whole, of the rest every fourth.

use super::fixed::MicroNats;
use super::policy::Policy;
use citybrain_types::{CameraId, EventKind, Score, SnapshotRef, Timestamp};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;

/// A place that came this near to opening, in percent of what opens, almost did; or one with hits enough.
const ALMOST_PERCENT: i64 = 50;
/// From here on every one is sampled.
const WHOLE_PERCENT: i64 = 80;
/// Below that, one of so many.
const ONE_IN: u32 = 4;

/// The look in which a place was nearest to opening.
#[derive(Debug, Clone)]
pub(super) struct Peak {
    pub(super) evidence: MicroNats,
    pub(super) hits: u32,
    pub(super) sequence: u64,
    pub(super) captured_at: Timestamp,
    pub(super) score: Score,
    pub(super) snapshot: Option<SnapshotRef>,
}

/// How near a place came.
#[derive(Debug, Clone)]
pub(super) struct NearMiss {
    peak: Peak,
    percent: i64,
    one_in: u32,
}

impl NearMiss {
    /// `None` for what was far from it.
    pub(super) fn of(peak: &Peak, policy: &Policy) -> Option<Self> {
        let opens = policy.open_at.micros().max(1);
        let percent = peak.evidence.micros().saturating_mul(100) / opens;
        let near = percent >= ALMOST_PERCENT || peak.hits >= policy.hits_needed;
        let one_in = if percent >= WHOLE_PERCENT { 1 } else { ONE_IN };
        near.then(|| Self { peak: peak.clone(), percent, one_in })
    }

    /// What is told of it; `None` for one that is not sampled.
    pub(super) fn sampled(self, camera: &CameraId, kind: &EventKind) -> Option<Almost> {
        let Self { peak, percent, one_in } = self;
        let name = format!("{camera}\n{kind}\n{}\n{}", peak.sequence, peak.captured_at.as_micros());
        let hash = Sha256::digest(name.as_bytes());
        if u32::from(hash[31]) % one_in != 0 {
            return None;
        }
        let mut id = String::from("almost-");
        for byte in &hash[..8] {
            let _ = write!(id, "{byte:02x}");
        }
        Some(Almost {
            id,
            kind: kind.clone(),
            camera: camera.clone(),
            captured_at: peak.captured_at,
            score: peak.score,
            share: percent as f32 / 100.0,
            hits: peak.hits,
            one_in,
            snapshot: peak.snapshot,
        })
    }
}

/// What almost opened a case, and is sampled.
#[derive(Debug, Clone, PartialEq)]
pub struct Almost {
    /// Its id, the same in every replay.
    pub id: String,
    /// Its kind.
    pub kind: EventKind,
    /// Its camera.
    pub camera: CameraId,
    /// The frame in which it was nearest.
    pub captured_at: Timestamp,
    /// The score in that frame.
    pub score: Score,
    /// Evidence then, as a share of what opens.
    pub share: f32,
    /// Hits among the looks that count, then.
    pub hits: u32,
    /// It stands for so many.
    pub one_in: u32,
    /// A picture of that frame, where one was kept.
    pub snapshot: Option<SnapshotRef>,
}
