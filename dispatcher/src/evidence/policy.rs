//! An evidence policy in the units the decision is made in.

use super::fixed::MicroNats;
use citybrain_ingest_config::resolved::EvidencePolicy;
use citybrain_types::{BoundingBox, Score};
use std::time::Duration;

/// Most looks that the k-of-n floor can count: the hits are kept as bits of one word.
pub const MAX_LOOKS_COUNTED: u32 = 64;

/// What is looked at again lies within this share of the distance within which places join to one happening: a fire
/// stays where it is, while somebody in an orange vest walks on and must not gather evidence along his way.
const SAME_THING_SHARE: f32 = 0.2;

/// An [`EvidencePolicy`] in fixed point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Policy {
    /// A detection at this score or above is a hit.
    pub hit_score: f32,
    /// What a look that found nothing says: the score was below the log's floor, so at best the floor's log-odds.
    pub nothing_found: MicroNats,
    /// Evidence loses half of itself in this time.
    pub half_life: Duration,
    /// Evidence opens here.
    pub open_at: MicroNats,
    /// Evidence closes below this, after `hold`.
    pub close_at: MicroNats,
    /// Evidence is capped here.
    pub max: MicroNats,
    /// How long evidence stays below `close_at` before it closes.
    pub hold: Duration,
    /// At least this many hits …
    pub hits_needed: u32,
    /// … among the last this many looks, as a mask with one bit for each.
    pub looks_mask: u64,
    /// The alarm has two steps: this long a second opinion is heard apart, and the camera looked at more often.
    pub confirm_within: Option<Duration>,
    /// What a whole change against the camera's own past adds, and no change takes away.
    pub change: MicroNats,
    /// Boxes whose centres are this near lie at one place, in fractions of the picture.
    pub join_distance: f32,
    /// Boxes whose centres are this near belong to one happening, in fractions of the picture.
    pub picture_distance: f32,
}

impl Policy {
    /// Turns a policy of the configuration into fixed point.
    #[must_use]
    pub fn new(policy: &EvidencePolicy, confirm_within: Option<Duration>, join_distance: f32) -> Self {
        let looks = policy.looks_counted.clamp(1, MAX_LOOKS_COUNTED);
        let floor =
            Score::new(policy.log_floor).map_or(MicroNats::ZERO.minus(MicroNats::MAX_LOOK), MicroNats::logit);
        Self {
            hit_score: policy.hit_score,
            nothing_found: floor.min(MicroNats::ZERO),
            half_life: policy.half_life,
            open_at: MicroNats::from_nats(policy.open_at),
            close_at: MicroNats::from_nats(policy.close_at),
            max: MicroNats::from_nats(policy.max),
            hold: policy.hold,
            hits_needed: policy.hits_needed.min(looks),
            looks_mask: u64::MAX >> (MAX_LOOKS_COUNTED - looks),
            confirm_within,
            change: MicroNats::from_nats(policy.change_nats),
            join_distance: join_distance * SAME_THING_SHARE,
            picture_distance: join_distance,
        }
    }
}

impl Policy {
    /// The same where something makes the kind likelier by so much: it opens with less evidence, though not with none.
    #[must_use]
    pub fn raised(&self, by: MicroNats) -> Self {
        Self { open_at: self.open_at.minus(by).max(self.close_at), ..*self }
    }

    /// What a detection says, with what the camera's past says of its place.
    #[must_use]
    pub fn says(&self, score: Score, change: Option<Score>) -> MicroNats {
        let by_score = MicroNats::logit(score);
        change.map_or(by_score, |change| by_score.plus(self.change.times(change.get().mul_add(2.0, -1.0))))
    }
}

/// Boxes that share this much of their union lie at one place.
const SAME_PLACE_IOU: f32 = 0.1;
/// A box that lies in another by this much of its own area lies at the same place.
const SAME_PLACE_COVERED: f32 = 0.5;

/// Distance between the centres of two boxes, in fractions of the picture.
#[must_use]
pub fn centre_distance(a: &BoundingBox, b: &BoundingBox) -> f32 {
    let ((ax, ay), (bx, by)) = (a.center(), b.center());
    // Multiplication, addition and square root are exactly defined by IEEE 754, unlike `hypot`.
    ((ax - bx) * (ax - bx) + (ay - by) * (ay - by)).sqrt()
}

/// Whether two boxes lie at one place of the picture.
#[must_use]
pub fn same_place(a: &BoundingBox, b: &BoundingBox, join_distance: f32) -> bool {
    let covered = a.intersection(b) / a.area().min(b.area());
    a.iou(b) >= SAME_PLACE_IOU || covered >= SAME_PLACE_COVERED || centre_distance(a, b) <= join_distance
}
