//! The evidence of one camera alone, which can be skipped over frames that change nothing.
//!
//! A place is begun only by a box at a hit score, or by one that speaks for its kind: at even odds and above, by the
//! calibrated score, or with a camera's past that speaks for it. While there is none, a frame whose boxes all lie below
//! leaves the evidence as it is, whatever the rest of the policy says. What is not judged here is whether the camera is
//! seen: that takes every frame, and depends on no policy.

use super::raised::Raised;
use super::zones::{Calendar, Rules};
use super::{CameraEvidence, Judged, Look, policies};
use citybrain_ingest_config::City;
use citybrain_ingest_config::policy::Calibration;
use citybrain_types::{CameraId, EventKind, FrameDetections, FrameOutcome};
use std::collections::BTreeMap;
use std::sync::Arc;

/// From this probability on a box speaks for its kind.
const EVEN_ODDS: f32 = 0.5;
/// A stretch of a calibration that rises by less than this is taken whole: where in it a score crosses even odds is not
/// known well enough.
const STEEP_ENOUGH: f32 = 0.01;
/// More than what rounding can move the crossing by in a steeper one.
const ROUNDING: f32 = 0.000_1;

/// From this change against the camera's past on, the past may speak for a box whatever its score.
pub(crate) const PAST_SPEAKS: f32 = 0.5;

/// What the cameras of a city share: what is likelier for now, and how scores become probabilities.
#[derive(Debug, Default)]
pub(crate) struct Together {
    raised: Raised,
    calibration: BTreeMap<EventKind, Calibration>,
}

impl Together {
    /// Goes on under another configuration.
    pub(crate) fn reload(&mut self, city: &City) {
        self.raised.reload(city);
    }

    /// Takes scores for these probabilities from now on.
    pub(crate) fn calibrate(&mut self, calibration: BTreeMap<EventKind, Calibration>) {
        self.calibration = calibration;
    }

    /// Whether it is a reading that makes something likelier, and no evidence; what it says is taken in.
    pub(crate) fn heard(&mut self, frame: &FrameDetections) -> bool {
        self.raised.heard(frame)
    }

    /// The score below which no box is as likely as not.
    fn even_odds(&self, kind: &EventKind) -> f32 {
        self.calibration.get(kind).map_or(EVEN_ODDS, |calibration| crossing(&calibration.knots))
    }
}

/// A score below which a calibration says less than even odds.
fn crossing(knots: &[[f32; 2]]) -> f32 {
    let Some(above) = knots.iter().position(|[_, p]| *p >= EVEN_ODDS) else {
        return if knots.is_empty() { EVEN_ODDS } else { f32::INFINITY };
    };
    let [x1, p1] = knots[above];
    let Some([x0, p0]) = above.checked_sub(1).map(|below| knots[below]) else { return 0.0 };
    if p1 - p0 < STEEP_ENOUGH {
        return x0;
    }
    (x0 + (x1 - x0) * ((EVEN_ODDS - p0) / (p1 - p0)) - ROUNDING).max(x0)
}

/// One camera under one policy.
#[derive(Debug)]
pub(crate) struct Alone {
    city: Arc<City>,
    calendar: Calendar,
    camera: CameraId,
    state: CameraEvidence,
}

impl Alone {
    /// `None` when there is no such camera.
    pub(crate) fn new(city: &Arc<City>, camera: &CameraId) -> Option<Self> {
        let known = city.cameras.get(camera)?;
        let state = CameraEvidence { policies: policies(city, known), ..CameraEvidence::default() };
        let calendar = Calendar::of(&city.site.time_zone);
        Some(Self { city: Arc::clone(city), calendar, camera: camera.clone(), state })
    }

    /// Goes on under other thresholds, as [`super::Evidence::reload`] does.
    pub(crate) fn reload(&mut self, city: &Arc<City>) {
        let Some(known) = city.cameras.get(&self.camera) else { return };
        self.state.policies = policies(city, known);
        self.state.places.retain(|kind, _| self.state.policies.contains_key(kind));
        self.city = Arc::clone(city);
    }

    /// For each kind, the score below which no box begins a place that the camera's past does not speak for.
    pub(crate) fn relevant(&self, together: &Together) -> BTreeMap<EventKind, f32> {
        let zones =
            self.city.cameras.get(&self.camera).map(|camera| camera.zones.as_slice()).unwrap_or_default();
        let own = |(kind, policy): (&EventKind, &super::Policy)| {
            let in_zones = zones.iter().filter_map(|zone| zone.hit_scores.get(kind).copied());
            (kind.clone(), in_zones.fold(policy.hit_score.min(together.even_odds(kind)), f32::min))
        };
        self.state.policies.iter().map(own).collect()
    }

    /// There is no place that a frame could add to, and no answer that waits for its question.
    pub(crate) fn rests(&self) -> bool {
        self.state.places.values().all(super::places::Places::is_empty) && self.state.laid_by.is_empty()
    }

    /// Judges one frame that is no reading which [`Together::heard`] takes.
    pub(crate) fn judge(&mut self, frame: &FrameDetections, together: &Together) -> Look {
        let mut judged = Judged::of(frame);
        let Some(camera) = self.city.cameras.get(&self.camera) else { return judged.look };
        let calibration = &together.calibration;
        let rules = Rules { camera, city: &self.city, calendar: &self.calendar, calibration };
        if frame.asked.is_some() {
            self.state.lay_by(&rules, frame, &mut judged.ignored);
        } else if frame.outcome == FrameOutcome::Analysed {
            self.state.judge_analysed(&rules, &together.raised, frame, &mut judged);
        }
        judged.look
    }

    /// The kinds of a list that the camera looks for, in their order, each once: what a look at nothing looked for.
    pub(crate) fn looked_for(&self, listed: &[EventKind]) -> Vec<EventKind> {
        let mut kinds: Vec<EventKind> =
            listed.iter().filter(|kind| self.state.policies.contains_key(*kind)).cloned().collect();
        kinds.sort();
        kinds.dedup();
        kinds
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::MicroNats;
    use citybrain_ingest_config::policy::{CalibrationMethod, Ece};
    use citybrain_types::{Score, Timestamp};
    use proptest::prelude::*;

    fn calibration(knots: Vec<[f32; 2]>) -> Calibration {
        let ece = Ece { value: 0.0, low: 0.0, high: 0.0 };
        let (method, fitted_at) = (CalibrationMethod::Isotonic, Timestamp::EPOCH);
        Calibration { method, knots, fitted_at, verdicts: 0, ece_before: ece, ece_after: ece }
    }

    proptest! {
        #[test]
        fn below_the_crossing_no_calibrated_score_speaks_for_its_kind(
            mut knots in proptest::collection::vec((0.0_f32..=1.0, 0.0_f32..=1.0), 1..12),
            scores in proptest::collection::vec(0.0_f32..=1.0, 50),
        ) {
            let mut ps: Vec<f32> = knots.iter().map(|knot| knot.1).collect();
            ps.sort_by(f32::total_cmp);
            knots.sort_by(|a, b| a.0.total_cmp(&b.0));
            knots.dedup_by(|a, b| a.0 <= b.0);
            let knots: Vec<[f32; 2]> = knots.iter().zip(ps).map(|((x, _), p)| [*x, p]).collect();
            let (from, calibration) = (crossing(&knots), calibration(knots));
            let near = (1_u32..40).flat_map(|n| [from - n as f32 * 1e-5, from - n as f32 * 1e-7]);
            for score in scores.into_iter().chain(near).filter(|score| *score < from) {
                let Some(score) = Score::new(score) else { continue };
                let says = MicroNats::logit(calibration.apply(score));
                prop_assert!(says <= MicroNats::ZERO, "{says:?} at {score:?} below {from}");
            }
        }
    }
}
