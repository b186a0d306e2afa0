//! From frames to evidence: one scored box is a hint, evidence at one place over time is a sighting.
//!
//! Per camera, kind and place: `E ← clamp(E·2^(−Δt/half_life) + llr(score), 0, E_max)` in whole millionths of a
//! nat, where a look that found nothing counts against. Evidence opens at `open_at` with `hits_needed` hits among
//! the last `looks_counted` looks, and closes below `close_at` after `hold`. Time is the frames' own, so the same
//! frames give the same sightings, however they were batched. Where a frame has asked another model for a second
//! opinion, the two are one look, in which the second has the last word (see `opinion`); only where an alarm has two
//! steps the first alone raises it, and the second is handed on for the step in which it is confirmed or withdrawn.
//!
//! [`Evidence`] is the decision, without clock or I/O; [`run`] is the stage around it.

mod almost;
mod alone;
mod fixed;
mod health;
mod opinion;
mod places;
mod policy;
mod raised;
mod stage;
mod track;
mod zones;

#[cfg(test)]
mod opinion_tests;
#[cfg(test)]
mod tests;

pub use almost::Almost;
pub(crate) use alone::{Alone, PAST_SPEAKS, Together};
pub use fixed::MicroNats;
pub use places::MAX_TRACKS;
pub use policy::{centre_distance, same_place};
pub use stage::Focus;
pub(crate) use stage::{EvidenceStage, run};

use citybrain_ingest_config::City;
use citybrain_ingest_config::policy::Calibration;
use citybrain_types::{
    BoundingBox, CameraId, EventKind, FrameDetections, FrameOutcome, Score, Snapshots, Timestamp,
};
use health::{Health, HealthTurn};
use opinion::{LaidBy, Opinion, overruled};
use places::Places;
use policy::Policy;
use raised::Raised;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use track::LookAt;
use zones::{Calendar, Rules};

/// The frame in which something was seen first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FirstSight {
    /// Its number.
    pub sequence: u64,
    /// When it was taken.
    pub captured_at: Timestamp,
    /// Where in it.
    pub place: BoundingBox,
}

/// What is known of one kind at one place of one camera.
#[derive(Debug, Clone, PartialEq)]
pub struct Sight {
    /// Which kind.
    pub kind: EventKind,
    /// Names the place among those of this camera and kind, while the program runs.
    pub track: u32,
    /// Where in the picture, now.
    pub place: BoundingBox,
    /// The box of this look; one much larger or smaller than the place does not move it.
    pub seen: BoundingBox,
    /// Score of this look.
    pub score: Score,
    /// How much its place differs from the camera's own past, where that was compared.
    pub change: Option<Score>,
    /// The frame in which it was seen first.
    pub first: FirstSight,
    /// Accumulated evidence.
    pub evidence: MicroNats,
    /// The threshold it opens at.
    pub open_at: MicroNats,
    /// Hits among the looks that count.
    pub hits: u32,
    /// How many looks count.
    pub looks_counted: u32,
    /// Pictures that show it.
    pub snapshots: Option<Snapshots>,
    /// A picture that was due could not be written.
    pub snapshot_lost: bool,
}

/// What one look says of a place: log-odds for its kind being there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word {
    /// By the model that looks in its turn.
    pub first: MicroNats,
    /// By the model that was asked because of it, where it was.
    pub second: Option<MicroNats>,
}

/// What one look of one camera says.
#[derive(Debug, Clone, PartialEq)]
pub enum Sighting {
    /// Evidence has just become strong enough.
    Opened(Sight),
    /// What opened before is still there.
    Seen(Sight),
    /// What a look says of an open place whose alarm has two steps, whether it was seen there or not.
    Weighed {
        /// Which kind.
        kind: EventKind,
        /// Which place.
        track: u32,
        /// What was said of it.
        word: Word,
    },
    /// Evidence has become too weak.
    Closed {
        /// Which kind.
        kind: EventKind,
        /// Which place.
        track: u32,
    },
    /// The camera itself has not been seen for too long.
    CameraLost {
        /// When it was seen last, or first not seen.
        since: Timestamp,
        /// What is wrong with it.
        outcome: FrameOutcome,
    },
    /// The camera is seen again.
    CameraBack,
}

/// One look of one camera, judged.
#[derive(Debug, Clone, PartialEq)]
pub struct Look {
    /// Which camera.
    pub camera: CameraId,
    /// Number of the frame.
    pub sequence: u64,
    /// When the frame was taken.
    pub captured_at: Timestamp,
    /// When the model had answered: the moment on the log's clock at which this could be known.
    pub decided_at: Timestamp,
    /// Kinds that were looked for, and could have been seen.
    pub looked_for: Vec<EventKind>,
    /// What it says.
    pub sightings: Vec<Sighting>,
}

/// Why a detection added nothing to the evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ignored {
    /// The kind is not in the catalogue.
    UnknownKind,
    /// The camera does not look for this kind.
    NotWatched,
    /// It lies in a part of the picture in which nothing counts.
    Masked,
    /// The kind has zones, and it lies in none of them, or in none that is in force now.
    OutsideZones,
    /// It is smaller than what counts in its zone.
    TooSmall,
    /// Its score is below the kind's floor: it is logged, and says nothing.
    BelowFloor,
    /// So many places of this kind are followed in this picture already that a weaker one had to make room.
    TracksFull,
}

impl Ignored {
    /// The reason's name, as in metric labels and log fields.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::UnknownKind => "unknown_kind",
            Self::NotWatched => "not_watched",
            Self::Masked => "masked",
            Self::OutsideZones => "outside_zones",
            Self::TooSmall => "too_small",
            Self::BelowFloor => "below_floor",
            Self::TracksFull => "tracks_full",
        }
    }
}

/// A look with what came beside it.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// What the look says.
    pub look: Look,
    /// Kinds with a pre-alarm that may be there, or are to be confirmed: worth another look soon.
    pub suspects: Vec<EventKind>,
    /// Those of them whose alarm was given and is to be confirmed.
    pub alarms: Vec<EventKind>,
    /// Kinds that something makes likelier here for now, as rain does with water on the road: looked at more often.
    pub likelier: Vec<EventKind>,
    /// Detections that added nothing.
    pub ignored: Vec<Ignored>,
    /// What has almost opened and is given up, where it is sampled.
    pub almost: Vec<Almost>,
}

/// Evidence of all cameras of a city.
#[derive(Debug)]
pub struct Evidence {
    city: Arc<City>,
    calendar: Calendar,
    calibration: BTreeMap<EventKind, Calibration>,
    cameras: HashMap<CameraId, CameraEvidence>,
    raised: Raised,
}

#[derive(Debug, Default)]
struct CameraEvidence {
    health: Health,
    /// Policies in fixed point, for the kinds in the catalogue that this camera looks for.
    policies: BTreeMap<EventKind, Policy>,
    places: BTreeMap<EventKind, Places>,
    laid_by: LaidBy,
}

impl Evidence {
    /// No evidence yet; `faulty` cameras are known not to be seen.
    #[must_use]
    pub fn new(city: Arc<City>, faulty: impl IntoIterator<Item = CameraId>) -> Self {
        let lost =
            |camera| (camera, CameraEvidence { health: Health::faulty(), ..CameraEvidence::default() });
        let cameras = faulty.into_iter().map(lost).collect();
        let calendar = Calendar::of(&city.site.time_zone);
        let mut evidence = Self {
            city: Arc::clone(&city),
            calendar,
            calibration: BTreeMap::new(),
            cameras,
            raised: Raised::default(),
        };
        evidence.reload(city);
        evidence
    }

    /// Goes on under another configuration. What is known of cameras and kinds that are gone is forgotten.
    pub fn reload(&mut self, city: Arc<City>) {
        self.cameras.retain(|camera, _| city.cameras.contains_key(camera));
        for camera in city.cameras.values() {
            let state = self.cameras.entry(camera.id.clone()).or_default();
            state.policies = policies(&city, camera);
            state.places.retain(|kind, _| state.policies.contains_key(kind));
            state.health.forget_models();
        }
        self.calendar = Calendar::of(&city.site.time_zone);
        self.raised.reload(&city);
        self.city = city;
    }

    /// Takes scores for these probabilities from now on; those of other kinds as they are.
    pub fn calibrate(&mut self, calibration: BTreeMap<EventKind, Calibration>) {
        self.calibration = calibration;
    }

    /// Judges one frame of one camera. Frames of a camera come in the order of their sequence.
    pub fn judge(&mut self, frame: &FrameDetections) -> Judged {
        let mut judged = Judged::of(frame);
        let camera = self.city.cameras.get(&frame.camera);
        let Some((camera, state)) = camera.zip(self.cameras.get_mut(&frame.camera)) else { return judged };
        let rules =
            Rules { camera, city: &self.city, calendar: &self.calendar, calibration: &self.calibration };
        if frame.asked.is_some() {
            state.lay_by(&rules, frame, &mut judged.ignored);
            return judged;
        }
        let fault_after = self.city.dispatch.camera_fault_after;
        match state.health.look(&frame.model, frame.outcome, frame.captured_at, fault_after) {
            HealthTurn::Nothing => {}
            HealthTurn::Lost { since } => {
                judged.look.sightings.push(Sighting::CameraLost { since, outcome: frame.outcome });
            }
            HealthTurn::Back => judged.look.sightings.push(Sighting::CameraBack),
        }
        if !self.raised.heard(frame) && frame.outcome == FrameOutcome::Analysed {
            state.judge_analysed(&rules, &self.raised, frame, &mut judged);
        }
        judged
    }
}

impl Judged {
    /// Nothing is said of a frame yet.
    fn of(frame: &FrameDetections) -> Self {
        let look = Look {
            camera: frame.camera.clone(),
            sequence: frame.sequence,
            captured_at: frame.captured_at,
            decided_at: frame.captured_at.max(frame.stages.detected_at),
            looked_for: Vec::new(),
            sightings: Vec::new(),
        };
        Self {
            look,
            suspects: Vec::new(),
            alarms: Vec::new(),
            likelier: Vec::new(),
            ignored: Vec::new(),
            almost: Vec::new(),
        }
    }
}

/// The policies of one camera, in fixed point.
fn policies(city: &City, camera: &citybrain_ingest_config::resolved::Camera) -> BTreeMap<EventKind, Policy> {
    let policy = |kind: &EventKind| {
        let policy = city.evidence_policy(&camera.id, kind)?;
        let confirm_within = city.kinds.get(kind)?.incident.confirm_within;
        Some((kind.clone(), Policy::new(&policy, confirm_within, city.dispatch.join_distance)))
    };
    camera.kinds.iter().filter_map(policy).collect()
}

impl CameraEvidence {
    /// Keeps an answer for the frame that asked for it. It says nothing of the camera's health: a model that is asked
    /// now and then, and fails, leaves the camera seen.
    fn lay_by(&mut self, rules: &Rules<'_>, frame: &FrameDetections, ignored: &mut Vec<Ignored>) {
        if frame.outcome != FrameOutcome::Analysed {
            return;
        }
        let found = rules.sort_by_kind(frame, ignored);
        if let Some(opinion) = Opinion::of(frame, found) {
            self.laid_by.put(opinion, frame.sequence);
        }
    }

    fn judge_analysed(
        &mut self,
        rules: &Rules<'_>,
        raised: &Raised,
        frame: &FrameDetections,
        judged: &mut Judged,
    ) {
        let opinions = self.laid_by.take(frame.sequence);
        let decided_at = opinions.iter().map(|opinion| opinion.decided_at);
        judged.look.decided_at = decided_at.fold(judged.look.decided_at, Timestamp::max);
        let found = rules.sort_by_kind(frame, &mut judged.ignored);
        // Where an alarm has two steps, the second opinion waits for the second.
        let waits = |kind: &EventKind| {
            let two_steps = self.policies.get(kind).is_some_and(|policy| policy.confirm_within.is_some());
            two_steps && frame.looked_for.contains(kind)
        };
        let mut found = overruled(found, &opinions, &waits);
        let at = LookAt {
            sequence: frame.sequence,
            captured_at: frame.captured_at,
            snapshots: frame
                .snapshots
                .as_ref()
                .or_else(|| opinions.iter().find_map(|o| o.snapshots.as_ref())),
            snapshot_lost: frame.snapshot_lost || opinions.iter().any(|opinion| opinion.snapshot_lost),
            whole: true,
            opinions: &opinions,
            waiting: &[],
        };
        // A kind that was found was looked for, whatever the list says.
        let listed =
            frame.looked_for.iter().chain(found.keys()).filter(|kind| self.policies.contains_key(*kind));
        let mut looked_for: Vec<EventKind> = listed.cloned().collect();
        looked_for.sort();
        looked_for.dedup();
        let elsewhere: BTreeSet<&EventKind> = opinions.iter().flat_map(Opinion::kinds).collect();
        for kind in looked_for.iter().chain(elsewhere.into_iter().filter(|kind| !looked_for.contains(kind))) {
            let found = found.remove(kind).unwrap_or_default();
            let Some(policy) = self.policies.get(kind) else { continue };
            let by = raised.by(&frame.camera, kind, frame.captured_at);
            if by > MicroNats::ZERO {
                judged.likelier.push(kind.clone());
            }
            let policy = &policy.raised(by);
            if found.is_empty() && !self.places.contains_key(kind) {
                continue;
            }
            // What only a second opinion speaks of was not looked for outside its part of the picture.
            let at = LookAt { whole: opinions.is_empty() || frame.looked_for.contains(kind), ..at };
            let at = if waits(kind) { LookAt { opinions: &[], waiting: &opinions, ..at } } else { at };
            let places = self.places.entry(kind.clone()).or_default();
            let mut almost = Vec::new();
            let beside = (&mut judged.ignored, &mut almost);
            judged.look.sightings.extend(places.look(kind, policy, &at, found, beside));
            let camera = &judged.look.camera;
            judged.almost.extend(almost.into_iter().filter_map(|near| near.sampled(camera, kind)));
            let pre_alarm = rules.city.kinds.get(kind).is_some_and(|row| row.pre_alarm);
            if pre_alarm && places.is_suspect(policy, frame.captured_at) {
                judged.suspects.push(kind.clone());
                if places.is_alarm(policy, frame.captured_at) {
                    judged.alarms.push(kind.clone());
                }
            }
        }
        judged.look.looked_for = looked_for;
    }
}
