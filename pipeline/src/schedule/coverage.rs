//! How well the promises are kept: of each kind, which part of the promised looks takes place.

use super::agenda::Agenda;
use super::ready::waited;
use citybrain_types::{CameraId, EventKind, Timestamp};
use std::collections::BTreeMap;

/// How well the promises for one kind are kept at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct KindCoverage {
    /// Cameras that are looked at for it.
    pub cameras: usize,
    /// The part of the promised looks that takes place, mean of the cameras: 1 when every camera is looked at within
    /// its interval, 0.5 when it takes twice as long, or when half of the cameras are not seen at all.
    pub covered: f64,
    /// The camera that is worst off.
    pub worst: f64,
}

/// How well the promises are kept at one moment.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Coverage {
    /// By kind.
    pub kinds: BTreeMap<EventKind, KindCoverage>,
    /// By camera and kind, in whole percent.
    pub cameras: BTreeMap<CameraId, BTreeMap<EventKind, u8>>,
    /// By which factor the intervals of kinds without a pre-alarm are stretched because the workers are busy.
    pub stretch: f64,
}

impl Agenda {
    /// How well the promises are kept. Takes microseconds a camera: ask every few seconds.
    #[must_use]
    pub fn coverage(&self, now: Timestamp) -> Coverage {
        let mut all = Coverage { stretch: self.stretch(), ..Coverage::default() };
        for entry in self.entries() {
            let Some(plan) = &entry.plan else { continue };
            let of_camera = all.cameras.entry(plan.camera.clone()).or_default();
            for (look, clock) in plan.looks.iter().zip(&entry.clocks) {
                // The interval that runs counts once it is longer than the last whole one.
                let runs = waited(clock.taken_at.unwrap_or(clock.wanted_since), look.interval, now);
                let last = clock.last_age.map_or(0.0, |age| age.as_secs_f64() / look.interval.as_secs_f64());
                let covered = 1.0 / runs.max(last).max(1.0);
                for rule in &look.kinds {
                    let percent = (covered * 100.0).round() as u8;
                    let known = of_camera.entry(rule.kind.clone()).or_insert(100);
                    *known = percent.min(*known);
                    let kind = all.kinds.entry(rule.kind.clone()).or_default();
                    kind.worst = if kind.cameras == 0 { covered } else { kind.worst.min(covered) };
                    kind.covered = (kind.covered * kind.cameras as f64 + covered) / (kind.cameras + 1) as f64;
                    kind.cameras += 1;
                }
            }
        }
        all
    }
}
