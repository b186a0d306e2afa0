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
            // By the model that is furthest behind, where several speak for a kind.
            let mut of_camera: BTreeMap<&EventKind, f64> = BTreeMap::new();
            for (look, clock) in plan.looks.iter().zip(&entry.clocks) {
                for rule in &look.kinds {
                    // The interval that runs counts once it is longer than the last whole one.
                    let runs = waited(clock.taken_at.unwrap_or(clock.wanted_since), rule.interval, now);
                    let last = clock.last_age.map_or(0.0, |age| age.as_secs_f64());
                    let covered = 1.0 / runs.max(last / rule.interval.as_secs_f64()).max(1.0);
                    let known = of_camera.entry(&rule.kind).or_insert(1.0);
                    *known = known.min(covered);
                }
            }
            let in_percent =
                |(kind, covered): (&&EventKind, &f64)| ((*kind).clone(), (covered * 100.0).round() as u8);
            all.cameras.insert(plan.camera.clone(), of_camera.iter().map(in_percent).collect());
            for (kind, covered) in of_camera {
                let all = all.kinds.entry(kind.clone()).or_default();
                all.worst = if all.cameras == 0 { covered } else { all.worst.min(covered) };
                all.covered = (all.covered * all.cameras as f64 + covered) / (all.cameras + 1) as f64;
                all.cameras += 1;
            }
        }
        all
    }
}
