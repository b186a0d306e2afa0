//! The evidence of one camera alone, which can be skipped over frames that change nothing.
//!
//! A place is begun only by a box at a hit score, or at even odds and above. While there is none, a frame whose boxes all
//! lie below both leaves the evidence as it is, whatever the rest of the policy says. What is not judged here is whether
//! the camera is seen: that takes every frame, and depends on no policy.

use super::zones::{Calendar, Rules};
use super::{CameraEvidence, Judged, Look, policies};
use citybrain_ingest_config::City;
use citybrain_types::{CameraId, EventKind, FrameDetections, FrameOutcome};
use std::collections::BTreeMap;
use std::sync::Arc;

/// From this score on a box speaks for its kind.
const EVEN_ODDS: f32 = 0.5;

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

    /// For each kind, the score below which no box begins a place.
    pub(crate) fn relevant(&self) -> BTreeMap<EventKind, f32> {
        let zones =
            self.city.cameras.get(&self.camera).map(|camera| camera.zones.as_slice()).unwrap_or_default();
        let own = |(kind, policy): (&EventKind, &super::Policy)| {
            let in_zones = zones.iter().filter_map(|zone| zone.hit_scores.get(kind).copied());
            (kind.clone(), in_zones.fold(policy.hit_score.min(EVEN_ODDS), f32::min))
        };
        self.state.policies.iter().map(own).collect()
    }

    /// There is no place that a frame could add to, and no answer that waits for its question.
    pub(crate) fn rests(&self) -> bool {
        self.state.places.values().all(super::places::Places::is_empty) && self.state.laid_by.is_empty()
    }

    /// Judges one frame.
    pub(crate) fn judge(&mut self, frame: &FrameDetections) -> Look {
        let mut judged = Judged::of(frame);
        let Some(camera) = self.city.cameras.get(&self.camera) else { return judged.look };
        let rules = Rules { camera, city: &self.city, calendar: &self.calendar };
        if frame.asked.is_some() {
            self.state.lay_by(&rules, frame, &mut judged.ignored);
        } else if frame.outcome == FrameOutcome::Analysed {
            self.state.judge_analysed(&rules, frame, &mut judged);
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
