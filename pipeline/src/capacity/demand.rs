//! What a city asks for, in CPU seconds a second.

use super::measure::Capacity;
use super::pictures::Pictures;
use crate::capture::poll_interval;
use crate::schedule::plan::{CameraPlan, plans};
use crate::schedule::{MAX_REGIONS, ModelLabels};
use citybrain_ingest_config::resolved::City;
use citybrain_types::{CameraId, EventKind};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Part of the cameras in which, at one time, something is found that another model is asked about; never less than one
/// camera. A district has some 0.1 cases a camera and day, each of them asked about for half a minute, and a few times as
/// many false alarms: far below this.
const ASKING_SHARE: f64 = 0.02;

/// CPU seconds a second, by stage.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Demand {
    /// Connected cameras: receiving, parsing, gating.
    pub receive: f64,
    /// Decoding keyframes that are looked at.
    pub decode: f64,
    /// Scaling them to the models' inputs.
    pub scale: f64,
    /// Running the models that are asked in their turn.
    pub infer: f64,
    /// Asking others about what was found, were it found in one of fifty cameras at a time.
    pub verify: f64,
    /// Everything around: schedule, snapshots, publishing.
    pub around: f64,
    /// Of all this, looks for kinds with a pre-alarm.
    pub urgent: f64,
}

impl Demand {
    /// All of it.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.receive + self.decode + self.scale + self.infer + self.verify + self.around
    }

    /// All but the looks for kinds with a pre-alarm.
    #[must_use]
    pub fn rest(&self) -> f64 {
        (self.total() - self.receive - self.urgent).max(0.0)
    }

    /// That of this part of the cameras, in the same mix.
    #[must_use]
    pub fn part(&self, part: f64) -> Self {
        Self {
            receive: self.receive * part,
            decode: self.decode * part,
            scale: self.scale * part,
            infer: self.infer * part,
            verify: self.verify * part,
            around: self.around * part,
            urgent: self.urgent * part,
        }
    }
}

/// Cameras and looks of one kind.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Wanted {
    pub(super) cameras: usize,
    pub(super) looks_per_sec: f64,
    /// What is promised.
    pub(super) interval: Duration,
    pub(super) urgent: bool,
    /// The longest interval in which a model is asked for it, among looks that go first and among those in turn: a kind
    /// that shares a model with others is looked at as often as the quickest of them.
    pub(super) asked_first: Duration,
    pub(super) asked_in_turn: Duration,
}

/// What is asked for.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Asked {
    pub(super) demand: Demand,
    pub(super) kinds: BTreeMap<EventKind, Wanted>,
    /// Keyframes that are decoded a second.
    pub(super) pictures_per_sec: f64,
    /// Answers of models a second: one look may speak for several kinds.
    pub(super) looks_per_sec: f64,
    pub(super) polled: usize,
    /// Connections a second to polled cameras, and the shortest interval in which one is polled.
    pub(super) polls_per_sec: f64,
    pub(super) shortest_poll: Option<Duration>,
}

impl Asked {
    /// Of a city with pictures of those sizes, by models with these labels.
    pub(super) fn of(city: &City, labels: &[ModelLabels], capacity: &Capacity, pictures: &Pictures) -> Self {
        let mut asked = Self::default();
        for camera in city.cameras.values() {
            match poll_interval(city, camera) {
                Some(interval) => {
                    asked.polled += 1;
                    asked.polls_per_sec += 1.0 / interval.as_secs_f64();
                    asked.shortest_poll =
                        Some(asked.shortest_poll.map_or(interval, |before| before.min(interval)));
                }
                None => asked.demand.receive += capacity.receive_secs,
            }
        }
        let plans = plans(city, labels, 0);
        for plan in &plans {
            asked.add(plan, capacity, pictures.of(&plan.camera));
        }
        asked.add_second_opinions(plans.iter().map(AsRef::as_ref), capacity);
        let stages = asked.demand.decode + asked.demand.scale + asked.demand.infer + asked.demand.verify;
        asked.demand.around = stages * (capacity.overhead - 1.0);
        asked.demand.urgent *= capacity.overhead;
        asked
    }

    fn add(&mut self, plan: &CameraPlan, capacity: &Capacity, picture: (u32, u32)) {
        let rate = |interval: Duration| 1.0 / interval.as_secs_f64();
        // What is due together is decoded once: the most frequent look carries the others along.
        let decodes = plan.looks.iter().map(|look| rate(look.interval)).fold(0.0, f64::max);
        let decode = decodes * capacity.decode_secs(picture);
        self.pictures_per_sec += decodes;
        self.demand.decode += decode;
        let mut urgent_decodes: f64 = 0.0;
        let mut counted = BTreeSet::new();
        for look in &plan.looks {
            let Some(cost) = capacity.models.get(look.model) else { continue };
            let looks = rate(look.interval);
            self.looks_per_sec += looks;
            self.demand.scale += looks * cost.scale_secs;
            self.demand.infer += looks * cost.infer_secs;
            if look.urgent {
                urgent_decodes = urgent_decodes.max(looks);
                self.demand.urgent += looks * (cost.scale_secs + cost.infer_secs);
            }
            for rule in &look.kinds {
                let wanted = self.kinds.entry(rule.kind.clone()).or_default();
                let is_first = wanted.cameras == 0;
                wanted.cameras += usize::from(counted.insert(&rule.kind));
                wanted.looks_per_sec += looks;
                wanted.urgent |= rule.urgent;
                wanted.interval = if is_first { rule.interval } else { wanted.interval.min(rule.interval) };
                let asked = if look.urgent { &mut wanted.asked_first } else { &mut wanted.asked_in_turn };
                *asked = look.interval.max(*asked);
            }
        }
        self.demand.urgent += urgent_decodes * capacity.decode_secs(picture);
    }

    /// Models that are asked by others: in a small part of the cameras at a time, there as often as they may be.
    fn add_second_opinions<'a>(&mut self, plans: impl Iterator<Item = &'a CameraPlan>, capacity: &Capacity) {
        let mut by_model: BTreeMap<usize, (BTreeSet<&CameraId>, f64, bool)> = BTreeMap::new();
        for plan in plans {
            for cascade in &plan.cascades {
                let asking = plan.looks.iter().find(|look| look.model == cascade.after);
                let interval =
                    asking.map_or(cascade.look.interval, |look| look.interval.max(cascade.look.interval));
                let (cameras, rates, urgent) = by_model.entry(cascade.look.model).or_default();
                cameras.insert(&plan.camera);
                *rates += 1.0 / interval.as_secs_f64();
                *urgent |= asking.is_some_and(|look| look.urgent);
            }
        }
        for (model, (cameras, rates, urgent)) in by_model {
            let Some(cost) = capacity.models.get(model) else { continue };
            let asking = (cameras.len() as f64 * ASKING_SHARE).max(1.0) / cameras.len() as f64;
            let verify = rates * asking * MAX_REGIONS as f64 * (cost.scale_secs + cost.infer_secs);
            self.demand.verify += verify;
            if urgent {
                self.demand.urgent += verify;
            }
        }
    }
}
