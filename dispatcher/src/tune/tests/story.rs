//! Logs as chance makes them.

use super::{gauge, litter};
use crate::permit::{Permit, PermitGround, Register};
use crate::policy::InForce;
use crate::policy::rules::{self, Calibration, CalibrationMethod, Ece, Numbers, PolicyRule};
use crate::replay::Replay;
use crate::ruling::{Decided, Ruling};
use crate::sensor;
use crate::silence::Silence;
use crate::testing::city::{START, around, camera_id, dark, fire, look, opinion, with_box};
use citybrain_ingest_config::City;
use citybrain_types::{DetectionBatch, EventKind, FrameDetections, Score, Timestamp, VoidReason};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// One look of one camera, as chance makes it.
#[derive(Debug, Clone)]
pub(super) struct Glance {
    camera: usize,
    wait_ms: u64,
    fire: Option<f32>,
    litter: Option<f32>,
    left: bool,
    dark: bool,
    asks: Option<f32>,
    again: bool,
    late: bool,
    change: Option<f32>,
    rain: Option<f64>,
    /// Somebody decides something first.
    decides: Option<u8>,
}

/// What stands in the log.
#[derive(Debug, Clone)]
pub(super) enum Told {
    Seen(FrameDetections),
    Said(Ruling),
}

pub(super) fn glance() -> impl Strategy<Value = Glance> {
    let score = || proptest::option::weighted(0.45, prop_oneof![3 => 0.05_f32..0.6, 2 => 0.6_f32..1.0]);
    let wait = prop_oneof![20 => 100_u64..1_500, 1 => 20_000_u64..400_000];
    let rare = || proptest::bool::weighted(0.05);
    let asks = proptest::option::weighted(0.2, 0.05_f32..1.0);
    let beside = (
        proptest::option::weighted(0.6, prop_oneof![2 => 0.0_f32..=1.0, 1 => Just(1.0)]),
        proptest::option::weighted(0.04, prop_oneof![Just(1.0), Just(20.0)]),
        proptest::option::weighted(0.05, 0_u8..8),
    );
    ((0_usize..4, wait, score(), score(), any::<bool>()), (rare(), asks, rare(), rare()), beside).prop_map(
        |((camera, wait_ms, fire, litter, left), (dark, asks, again, late), (change, rain, decides))| {
            Glance { camera, wait_ms, fire, litter, left, dark, asks, again, late, change, rain, decides }
        },
    )
}

/// Thresholds of the kind that no policy of the test names, so that either may be laid over the other; with `fire`, of
/// both. The calibration is steep where it crosses even odds.
pub(super) fn thresholds(fire_too: bool) -> Decided {
    let rule = |kind, hit_score, open_at| PolicyRule {
        kind,
        cameras: BTreeSet::new(),
        areas: BTreeSet::new(),
        zones: BTreeSet::new(),
        set: Numbers {
            hit_score: Some(hit_score),
            open_at: Some(open_at),
            quiet_after_secs: Some(15.0),
            ..Numbers::default()
        },
    };
    let of_fire = fire_too.then(|| rule(fire(), 0.35, 2.0));
    let rules = std::iter::once(rule(litter(), 0.3, 1.5)).chain(of_fire).collect();
    let ece = Ece { value: 0.0, low: 0.0, high: 0.0 };
    let calibration = Calibration {
        method: CalibrationMethod::Isotonic,
        knots: vec![[0.1, 0.05], [0.2, 0.3], [0.4, 0.9]],
        fitted_at: START,
        verdicts: 100,
        ece_before: ece,
        ece_after: ece,
    };
    let calibration = BTreeMap::from([(fire(), calibration)]);
    let policy = Arc::new(rules::Policy { rules, calibration, ..rules::Policy::default() });
    Decided::Thresholds { live: InForce { id: "other".to_owned(), version: 1, policy } }
}

/// What somebody decides; of the cases so far, about the last.
pub(super) fn decided(what: u8, at: Timestamp, so_far: &Replay, fire_too: bool) -> Option<Ruling> {
    let silence = |kind: EventKind, secs: u64| Silence {
        id: format!("silence of {kind}"),
        by: "li".to_owned(),
        reason: "market day".to_owned(),
        created_at: at,
        starts_at: at,
        ends_at: at.plus(Duration::from_secs(secs)),
        kinds: BTreeSet::from([kind]),
        cameras: BTreeSet::from([camera_id("gate-1"), camera_id("gate-3")]),
        areas: BTreeSet::new(),
        around: None,
        ended_by: None,
    };
    let permit = |area: &str| Permit {
        id: "P-1".to_owned(),
        holder: "the market".to_owned(),
        from: at,
        to: at.plus(Duration::from_secs(120)),
        ground: PermitGround::Area(area.to_owned()),
    };
    let what = match what {
        0 | 1 => {
            let case = so_far.cases().max_by_key(|case| case.incident.last_seen_at)?;
            Decided::Refused {
                case: case.case.id.clone(),
                incident: case.incident.id.clone(),
                because: VoidReason::FalseAlarm,
                by: "li".to_owned(),
                department: None,
                reason: "a lorry".to_owned(),
            }
        }
        2 => Decided::Silenced { silence: silence(litter(), 60) },
        3 => Decided::Silenced { silence: silence(fire(), 60) },
        4 => {
            let register = Register { permits: vec![permit("harbour")], ..Register::default() };
            Decided::Permits { register: Arc::new(register) }
        }
        5 | 6 => thresholds(fire_too),
        _ => Decided::Thresholds { live: InForce::default() },
    };
    Some(Ruling { at, what })
}

pub(super) fn story(city: &City, glances: &[Glance], fire_too: bool) -> Vec<Told> {
    let (mut told, mut at) = (Vec::new(), START);
    let mut so_far = Replay::new(Arc::new(city.clone()), Arc::default());
    for (n, glance) in (1_u64..).zip(glances) {
        at = at.plus(Duration::from_millis(glance.wait_ms));
        let mut frames: Vec<FrameDetections> = Vec::new();
        if let Some(ruling) = glance.decides.and_then(|what| decided(what, at, &so_far, fire_too)) {
            so_far.rule(&ruling);
            told.push(Told::Said(ruling));
        }
        frames.extend(glance.rain.map(|millimetres| sensor::look(&gauge(), millimetres, at)));
        let name = ["gate-1", "gate-2", "gate-3", "gate-4"][glance.camera];
        let mut frame = if glance.dark { dark(name, n) } else { look(name, n) };
        frame.sequence = 1_000 + 2 * n;
        frame.captured_at = if glance.late { at.minus(Duration::from_secs(3)) } else { at };
        frame.stages.detected_at = at.plus(Duration::from_millis(40));
        let x = if glance.left { 0.2 } else { 0.8 };
        if !glance.dark {
            for (kind, score) in [("fire", glance.fire), ("littering", glance.litter)] {
                if let Some(score) = score {
                    frame = with_box(frame, kind, score, around(x, 0.5));
                    let found = frame.detections.last_mut().unwrap();
                    found.change = glance.change.and_then(Score::new);
                }
            }
        }
        if let Some(score) = glance.asks.filter(|_| !glance.dark) {
            let mut answer = opinion(&frame, x, 0.5);
            answer.detections = with_box(look(name, n), "fire", score, around(x, 0.5)).detections;
            frames.push(answer);
        }
        frames.push(frame);
        so_far.take(&DetectionBatch::from_frames(&frames));
        told.extend(frames.into_iter().map(Told::Seen));
        if glance.again {
            let last = told.iter().rev().filter(|told| matches!(told, Told::Seen(_))).take(5);
            let again: Vec<Told> = last.cloned().collect();
            told.extend(again.into_iter().rev());
        }
    }
    told
}
