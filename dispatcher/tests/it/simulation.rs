//! Ten thousand made-up hours of a street: whatever cameras say, however they fail, what a city relies on holds.

use crate::support::city::{START, camera_id, city, fire};
use citybrain_dispatcher::evidence::Evidence;
use citybrain_dispatcher::incident::{
    Incident, IncidentChange, Incidents, MAX_OPEN_INCIDENTS, MAX_REASONS, Standing,
};
use citybrain_ingest_config::City;
use citybrain_types::{
    Asked, BoundingBox, Detection, EventKind, FrameDetections, FrameOutcome, IncidentId, Label, ModelId,
    NotSeen, Score, StageTimes, Timestamp,
};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const RUNS: u64 = 10_000;
const LOOKS: u64 = 60;
const WITHIN: Duration = Duration::from_secs(30);
const CAMERAS: [&str; 4] = ["gate-1", "gate-2", "gate-3", "gate-4"];

/// Numbers that are the same everywhere (xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    fn share(&mut self) -> f32 {
        f32::from(u16::try_from(self.below(1_000)).unwrap()) / 1_000.0
    }
}

fn street() -> City {
    let mut city = city(Path::new("unused"));
    let row = city.kinds.get_mut(&fire()).unwrap();
    row.incident.confirm_within = Some(WITHIN);
    row.incident.join_within_m = 60.0;
    row.incident.inhibits.insert(EventKind::new("littering"));
    let litter = city.kinds.get_mut(&EventKind::new("littering")).unwrap();
    litter.incident.join_within_m = 20.0;
    litter.incident.quiet_after = Some(Duration::from_secs(60));
    for (camera, east) in CAMERAS.iter().zip([0.0, 0.000_4, 0.000_8, 0.01]) {
        city.cameras.get_mut(&camera_id(camera)).unwrap().position = Some([121.5 + east, 31.2]);
    }
    city.dispatch.alerts.cases_per_camera_and_day = 3;
    city.dispatch.alerts.storm_cases = 5;
    city
}

fn boxes(dice: &mut Dice, kinds: &[EventKind]) -> Vec<Detection> {
    let count = [0, 0, 1, 1, 2, 3][usize::try_from(dice.below(6)).unwrap()];
    let made = (0..count).filter_map(|_| {
        // A few places that come back, of any size up to the whole picture.
        let (x, y) = (0.2 + 0.3 * dice.below(3) as f32, 0.3 + 0.4 * dice.below(2) as f32);
        let half = [0.03, 0.05, 0.05, 0.5][usize::try_from(dice.below(4)).unwrap()];
        let score = Score::new(dice.share())?;
        let kind = kinds[usize::try_from(dice.below(kinds.len() as u64)).unwrap()].clone();
        let bbox = BoundingBox::clipped(x - half, y - half, x + half, y + half)?;
        Some(Detection { kind, label: Label::new("thing"), score, bbox, change: None })
    });
    made.collect()
}

/// The looks of one run, in the order of the log.
fn frames(dice: &mut Dice) -> Vec<FrameDetections> {
    let kinds = [fire(), EventKind::new("littering")];
    let mut frames = Vec::new();
    let dark_from = CAMERAS.map(|_| dice.below(3 * LOOKS));
    for n in 0..LOOKS {
        for (camera, dark) in CAMERAS.iter().zip(dark_from) {
            let late = Duration::from_millis(dice.below(400));
            let captured_at = START.plus(Duration::from_secs(2 * n)).plus(late);
            let is_dark = (dark..dark + 15).contains(&n);
            let frame = FrameDetections {
                camera: camera_id(camera),
                sequence: 10 + 2 * n,
                captured_at,
                model: ModelId::new("model-1").unwrap(),
                outcome: if is_dark {
                    FrameOutcome::NotSeen(NotSeen::Stalled)
                } else {
                    FrameOutcome::Analysed
                },
                asked: None,
                looked_for: kinds.to_vec(),
                detections: if is_dark { vec![] } else { boxes(dice, &kinds) },
                snapshots: None,
                snapshot_lost: false,
                stages: StageTimes { detected_at: captured_at.plus(late), ..StageTimes::default() },
            };
            if !is_dark && dice.below(3) == 0 {
                let asked = Some(Asked { by: frame.sequence, region: BoundingBox::WHOLE });
                let detections = boxes(dice, &kinds[..1]);
                let looked_for = vec![fire()];
                frames.push(FrameDetections {
                    sequence: frame.sequence - 1,
                    asked,
                    looked_for,
                    detections,
                    ..frame.clone()
                });
            }
            frames.push(frame);
        }
    }
    frames
}

/// Who is open, and what must hold of it.
#[derive(Default)]
struct Watch {
    open: BTreeMap<IncidentId, Incident>,
    ever: BTreeSet<IncidentId>,
    undecided: BTreeMap<IncidentId, Timestamp>,
    cases: BTreeMap<String, usize>,
}

impl Watch {
    fn take(&mut self, change: &IncidentChange, seed: u64) {
        match change {
            IncidentChange::Opened { incident, .. } => {
                assert!(self.ever.insert(incident.id.clone()), "seed {seed}: opened twice: {incident:?}");
                assert!(incident.opened_at >= incident.first_seen_at, "seed {seed}: {incident:?}");
                if matches!(incident.standing, Standing::Alarm(_)) {
                    self.undecided.insert(incident.id.clone(), incident.opened_at);
                } else {
                    *self.cases.entry(incident.camera.to_string()).or_default() +=
                        usize::from(incident.kind.as_str() == "littering");
                }
                self.open.insert(incident.id.clone(), incident.clone());
            }
            IncidentChange::Confirmed { incident, at, .. }
            | IncidentChange::Withdrawn { incident, at, .. } => {
                let opened = self.undecided.remove(&incident.id);
                let opened = opened.unwrap_or_else(|| panic!("seed {seed}: decided twice: {incident:?}"));
                let longest = WITHIN + Duration::from_secs(3);
                let late = at.since(incident.first_seen_at).min(at.since(opened) + WITHIN / 3);
                assert!(late <= longest.max(WITHIN), "seed {seed}: decided after {late:?}: {incident:?}");
            }
            IncidentChange::Seen(incident) => {
                assert!(self.open.contains_key(&incident.id), "seed {seed}: goes on without having begun");
                assert!(
                    incident.reasons.len() <= MAX_REASONS && incident.last_seen_at >= incident.first_seen_at
                );
            }
            IncidentChange::Over { incident, .. } => {
                assert!(self.open.remove(&incident.id).is_some(), "seed {seed}: over twice: {incident:?}");
            }
            IncidentChange::Remembered(incident) => {
                assert!(!incident.standing.is_open(), "seed {seed}: {incident:?}");
                self.open.remove(&incident.id);
            }
            IncidentChange::Forgotten(_) | IncidentChange::Held { .. } => {}
        }
    }
}

#[test]
fn ten_thousand_streets_keep_what_a_city_relies_on() {
    let city = Arc::new(street());
    let mut all_opened = 0;
    for seed in 0..RUNS {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let mut evidence = Evidence::new(Arc::clone(&city), []);
        let mut incidents = Incidents::new(&city, []);
        let mut watch = Watch::default();
        for frame in frames(&mut dice) {
            for change in incidents.take(&evidence.judge(&frame).look) {
                watch.take(&change, seed);
            }
        }
        for camera in CAMERAS {
            let of_camera = watch.open.values().filter(|i| i.camera.as_str() == camera && i.kind == fire());
            assert!(of_camera.count() <= MAX_OPEN_INCIDENTS, "seed {seed}");
            assert!(
                watch.cases.get(camera).is_none_or(|n| *n <= 3),
                "seed {seed}: over the budget of {camera}"
            );
        }
        let end = START.plus(Duration::from_secs(2 * LOOKS)).minus(WITHIN + Duration::from_secs(4));
        assert!(
            watch.undecided.values().all(|opened| *opened >= end),
            "seed {seed}: an alarm was left undecided"
        );
        all_opened += watch.ever.len();
    }
    assert!(all_opened > 10_000, "only {all_opened} incidents: the runs show nothing");
}
