//! Evidence of one kind at one place of one camera's picture.

use super::almost::{NearMiss, Peak};
use super::fixed::{MicroNats, second_of};
use super::opinion::Opinion;
use super::policy::Policy;
use super::{FirstSight, Sight};
use citybrain_types::{BoundingBox, EventKind, Score, Snapshots, Timestamp};
use std::time::Duration;

/// A box much larger or smaller than the track's does not move it: a merged giant box must not swallow its place.
const PLACE_MOVES_UP_TO_AREA_RATIO: f32 = 4.0;

/// A look may be overtaken by later ones of the same camera by this much: models answer in parallel.
const OVERTAKEN_BY: Duration = Duration::from_secs(30);

/// A place that a second opinion has judged is not judged by the first alone for this long, by the frames' time. The
/// first is asked more often than the second: looks between two answers of the second would outvote it.
const SECOND_OPINION_HOLDS: Duration = Duration::from_secs(2);

/// What one look found at a track's place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub(super) score: Score,
    pub(super) bbox: BoundingBox,
    /// From this score on it is a hit; what the policy says when not given.
    pub(super) hit_score: Option<f32>,
    /// How likely its kind is there, by the calibration where there is one: what evidence adds up.
    pub(super) probability: Score,
    /// How much its place differs from the camera's own past.
    pub(super) change: Option<Score>,
}

impl Found {
    /// Whether it is a hit.
    pub(super) fn is_hit(&self, policy: &Policy) -> bool {
        self.score.get() >= self.hit_score.unwrap_or(policy.hit_score)
    }
}

/// The look itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct LookAt<'a> {
    pub(super) sequence: u64,
    pub(super) captured_at: Timestamp,
    pub(super) snapshots: Option<&'a Snapshots>,
    pub(super) snapshot_lost: bool,
    /// The whole picture was looked at, and not only the parts of `opinions`.
    pub(super) whole: bool,
    /// Second opinions on this look, that count in it.
    pub(super) opinions: &'a [Opinion],
    /// Second opinions on this look, that count in the second step of an alarm.
    pub(super) waiting: &'a [Opinion],
}

/// What a look did to a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    Nothing,
    Opened,
    Seen,
    Closed,
}

/// Accumulated log-odds with decay and hysteresis.
#[derive(Debug, Clone)]
pub(super) struct Track {
    pub(super) id: u32,
    pub(super) place: BoundingBox,
    evidence: MicroNats,
    updated_at: Timestamp,
    open: bool,
    opened_at: Timestamp,
    below_since: Option<Timestamp>,
    hits: u64,
    budget: SecondBudget,
    first: Option<FirstSight>,
    score: Score,
    change: Option<Score>,
    seen: BoundingBox,
    snapshots: Option<Snapshots>,
    snapshot_lost: bool,
    judged_twice_at: Option<Timestamp>,
    /// The look in which it was nearest to opening, while it never has.
    peak: Option<Peak>,
    has_opened: bool,
}

impl Track {
    pub(super) fn new(id: u32, found: &Found, at: Timestamp) -> Self {
        Self {
            id,
            place: found.bbox,
            evidence: MicroNats::ZERO,
            updated_at: at,
            open: false,
            opened_at: at,
            below_since: None,
            hits: 0,
            budget: SecondBudget::default(),
            first: None,
            score: found.score,
            change: found.change,
            seen: found.bbox,
            snapshots: None,
            snapshot_lost: false,
            judged_twice_at: None,
            peak: None,
            has_opened: false,
        }
    }

    pub(super) const fn is_open(&self) -> bool {
        self.open
    }

    pub(super) const fn evidence(&self) -> MicroNats {
        self.evidence
    }

    /// Nothing is left of it: not open, no evidence, no hit among the looks that count.
    pub(super) const fn is_spent(&self, policy: &Policy) -> bool {
        !self.open && self.evidence.micros() == 0 && self.hits & policy.looks_mask == 0
    }

    /// Worth looking again soon: the last look was a hit and the evidence has not opened yet, or it has, and is being
    /// confirmed.
    pub(super) fn is_suspect(&self, policy: &Policy, at: Timestamp) -> bool {
        if self.open {
            return policy.confirm_within.is_some_and(|within| at.since(self.opened_at) < within);
        }
        self.hits & 1 == 1 && self.evidence > MicroNats::ZERO
    }

    /// Whether a look says anything about this place that is to be taken in.
    pub(super) fn is_concerned(
        &mut self,
        kind: &EventKind,
        look: &LookAt<'_>,
        found: Option<&Found>,
    ) -> bool {
        let middle = found.map_or(self.place, |found| found.bbox).center();
        if look.opinions.iter().any(|opinion| opinion.covers(kind, middle)) {
            self.judged_twice_at = Some(look.captured_at);
            return true;
        }
        let held = self.judged_twice_at.is_some_and(|at| {
            // One of the two is nothing: which depends on whether the look was overtaken.
            look.captured_at.since(at).max(at.since(look.captured_at)) < SECOND_OPINION_HOLDS
        });
        // Nothing found is always taken in: there was nothing to ask about.
        if found.is_some() { !held } else { look.whole }
    }

    /// Takes in one look at this place.
    pub(super) fn look(&mut self, policy: &Policy, look: &LookAt<'_>, found: Option<&Found>) -> Turn {
        let lapsed = self.decay(policy, look.captured_at);
        let hit = found.is_some_and(|found| found.is_hit(policy));
        self.hits = (self.hits << 1) | u64::from(hit);
        let says = found.map_or(policy.nothing_found, |found| policy.says(found.probability, found.change));
        let says = self.budget.allow(says, look.captured_at);
        self.evidence = self.evidence.plus(says).held(policy.max);
        if self.evidence == MicroNats::ZERO && !self.open {
            self.forget_first();
        }
        if let Some(found) = found {
            self.remember(policy, look, found, hit);
        }
        let turn = self.turn(policy, look.captured_at, hit);
        self.climb(policy, look, found);
        if lapsed && turn == Turn::Nothing { Turn::Closed } else { turn }
    }

    /// Remembers the look in which it was nearest to opening.
    fn climb(&mut self, policy: &Policy, look: &LookAt<'_>, found: Option<&Found>) {
        self.has_opened |= self.open;
        if self.has_opened {
            self.peak = None;
            return;
        }
        let Some(found) = found else { return };
        if self.peak.as_ref().is_none_or(|peak| peak.evidence <= self.evidence) {
            self.peak = Some(Peak {
                evidence: self.evidence,
                hits: (self.hits & policy.looks_mask).count_ones(),
                sequence: look.sequence,
                captured_at: look.captured_at,
                score: found.score,
                snapshot: look.snapshots.map(|snapshots| snapshots.at.clone()),
            });
        }
    }

    /// How near it came, when it is over and has never opened.
    pub(super) fn near_miss(&self, policy: &Policy) -> Option<NearMiss> {
        self.peak.as_ref().filter(|_| !self.has_opened).and_then(|peak| NearMiss::of(peak, policy))
    }

    /// Lets evidence decay up to `at`; `true` when it closed in between, in a time nobody looked.
    fn decay(&mut self, policy: &Policy, at: Timestamp) -> bool {
        let elapsed = at.since(self.updated_at);
        // A look that was overtaken by a later one changes no times; a clock that was set back becomes the new base.
        if at >= self.updated_at || self.updated_at.since(at) > OVERTAKEN_BY {
            self.updated_at = at;
        }
        self.below_since = self.below_since.map(|since| since.min(at));
        self.evidence = self.evidence.decayed(elapsed, policy.half_life);
        let lapsed =
            self.open && self.evidence < policy.close_at && elapsed >= policy.hold && !elapsed.is_zero();
        if lapsed {
            self.close();
        }
        lapsed
    }

    fn turn(&mut self, policy: &Policy, at: Timestamp, hit: bool) -> Turn {
        if self.open {
            return self.stay_or_close(policy, at, hit);
        }
        let enough_hits = (self.hits & policy.looks_mask).count_ones() >= policy.hits_needed;
        if hit && enough_hits && self.evidence >= policy.open_at {
            self.open = true;
            self.opened_at = at;
            self.below_since = None;
            return Turn::Opened;
        }
        Turn::Nothing
    }

    fn stay_or_close(&mut self, policy: &Policy, at: Timestamp, hit: bool) -> Turn {
        if self.evidence >= policy.close_at {
            self.below_since = None;
        } else {
            let since = *self.below_since.get_or_insert(at);
            if at.since(since) >= policy.hold {
                self.close();
                return Turn::Closed;
            }
        }
        if hit { Turn::Seen } else { Turn::Nothing }
    }

    fn close(&mut self) {
        self.open = false;
        self.below_since = None;
        self.hits = 0;
        self.forget_first();
    }

    fn forget_first(&mut self) {
        self.first = None;
        self.snapshots = None;
        self.snapshot_lost = false;
    }

    fn remember(&mut self, policy: &Policy, look: &LookAt<'_>, found: &Found, hit: bool) {
        let ratio = found.bbox.area() / self.place.area();
        if (1.0 / PLACE_MOVES_UP_TO_AREA_RATIO..=PLACE_MOVES_UP_TO_AREA_RATIO).contains(&ratio) {
            self.place = found.bbox;
        }
        self.score = found.score;
        self.change = found.change;
        self.seen = found.bbox;
        if hit || self.evidence > MicroNats::ZERO {
            let sight =
                FirstSight { sequence: look.sequence, captured_at: look.captured_at, place: found.bbox };
            self.first.get_or_insert(sight);
        }
        if found.is_hit(policy) {
            self.snapshot_lost |= look.snapshot_lost;
            // The newest picture that shows it; kept when a later one could not be written.
            if let Some(snapshots) = look.snapshots {
                let before = self.snapshots.take().and_then(|kept| kept.before);
                self.snapshots = Some(Snapshots {
                    at: snapshots.at.clone(),
                    before: before.or_else(|| snapshots.before.clone()),
                });
            }
        }
    }

    /// What is known of the place now.
    pub(super) fn sight(&self, kind: &EventKind, policy: &Policy, look: &LookAt<'_>) -> Sight {
        let here = FirstSight { sequence: look.sequence, captured_at: look.captured_at, place: self.place };
        Sight {
            kind: kind.clone(),
            track: self.id,
            place: self.place,
            seen: self.seen,
            score: self.score,
            change: self.change,
            first: self.first.unwrap_or(here),
            evidence: self.evidence,
            open_at: policy.open_at,
            hits: (self.hits & policy.looks_mask).count_ones(),
            looks_counted: policy.looks_mask.count_ones(),
            snapshots: self.snapshots.clone(),
            snapshot_lost: self.snapshot_lost,
        }
    }
}

/// Frames of one camera in one second show the same thing: together they say no more than one certain look.
#[derive(Debug, Clone, Copy, Default)]
struct SecondBudget {
    second: i64,
    gained: MicroNats,
    lost: MicroNats,
}

impl SecondBudget {
    /// The part of `says` that still counts in the second of `at`.
    fn allow(&mut self, says: MicroNats, at: Timestamp) -> MicroNats {
        let second = second_of(at);
        if second != self.second {
            *self = Self { second, ..Self::default() };
        }
        if says >= MicroNats::ZERO {
            let allowed = says.min(MicroNats::MAX_LOOK.minus(self.gained));
            self.gained = self.gained.plus(allowed);
            return allowed;
        }
        let allowed = says.max(self.lost.minus(MicroNats::MAX_LOOK));
        self.lost = self.lost.minus(allowed);
        allowed
    }
}
