//! What a city asks for, in CPU seconds a second.

use super::measure::Capacity;
use crate::capture::poll_interval;
use crate::schedule::ModelLabels;
use crate::schedule::plan::{CameraPlan, plans};
use citybrain_ingest_config::resolved::City;
use citybrain_types::EventKind;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// CPU seconds a second, by stage.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Demand {
    /// Connected cameras: receiving, parsing, gating.
    pub receive: f64,
    /// Decoding keyframes that are looked at.
    pub decode: f64,
    /// Scaling them to the models' inputs.
    pub scale: f64,
    /// Running the models.
    pub infer: f64,
    /// Everything around: schedule, snapshots, publishing.
    pub around: f64,
    /// Of all this, looks for kinds with a pre-alarm.
    pub urgent: f64,
}

impl Demand {
    /// All of it.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.receive + self.decode + self.scale + self.infer + self.around
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
    pub(super) interval: Duration,
    pub(super) urgent: bool,
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
    /// Of a city, with pictures of that size, by models with these labels. Models that are asked by others come on top,
    /// as often as something is found: they are in nobody's interval and are not counted.
    pub(super) fn of(city: &City, labels: &[ModelLabels], capacity: &Capacity, picture: (u32, u32)) -> Self {
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
        for plan in plans(city, labels, 0) {
            asked.add(&plan, capacity, picture);
        }
        let stages = asked.demand.decode + asked.demand.scale + asked.demand.infer;
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
                wanted.cameras += 1;
                wanted.looks_per_sec += looks;
                wanted.urgent |= look.urgent;
                wanted.interval = if is_first { look.interval } else { wanted.interval.min(look.interval) };
            }
        }
        self.demand.urgent += urgent_decodes * capacity.decode_secs(picture);
    }
}
