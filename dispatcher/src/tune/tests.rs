//! A what-if holds what a replay holds, for every policy, whatever the log is like.

use super::street::Street;
use super::{Asked, Override, Policy, Scope, WhatIf};
use crate::incident::Incident;
use crate::log::{LogStore, Logged, write_segment};
use crate::replay::Replay;
use crate::testing::city::{START, around, camera_id, city, dark, fire, look, opinion, with_box};
use citybrain_ingest_config::City;
use citybrain_types::{DetectionBatch, EventKind, FrameDetections, IncidentId};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

fn street(confirm: bool) -> City {
    let mut city = city(Path::new("unused"));
    let row = city.kinds.get_mut(&fire()).unwrap();
    row.incident.join_within_m = 50.0;
    row.incident.confirm_within = confirm.then_some(Duration::from_secs(30));
    row.incident.inhibits.insert(EventKind::new("littering"));
    row.incident.recurs_within = Duration::from_secs(300);
    row.incident.rejected_for = Duration::from_secs(200);
    city.dispatch.incident_quiet_after = Duration::from_secs(40);
    city.cameras.get_mut(&camera_id("gate-2")).unwrap().position = Some([121.6, 31.2]);
    city
}

/// One look of one camera, as chance makes it.
#[derive(Debug, Clone)]
struct Glance {
    camera: usize,
    wait_ms: u64,
    fire: Option<f32>,
    litter: Option<f32>,
    left: bool,
    dark: bool,
    asks: Option<f32>,
    again: bool,
    late: bool,
}

fn glance() -> impl Strategy<Value = Glance> {
    let score = || proptest::option::weighted(0.45, prop_oneof![3 => 0.05_f32..0.6, 2 => 0.6_f32..1.0]);
    let wait = prop_oneof![20 => 100_u64..1_500, 1 => 20_000_u64..400_000];
    let rare = || proptest::bool::weighted(0.05);
    let asks = proptest::option::weighted(0.2, 0.05_f32..1.0);
    ((0_usize..4, wait, score(), score(), any::<bool>()), (rare(), asks, rare(), rare())).prop_map(
        |((camera, wait_ms, fire, litter, left), (dark, asks, again, late))| Glance {
            camera,
            wait_ms,
            fire,
            litter,
            left,
            dark,
            asks,
            again,
            late,
        },
    )
}

fn story(glances: &[Glance]) -> Vec<FrameDetections> {
    let (mut frames, mut at) = (Vec::new(), START);
    for (n, glance) in (1_u64..).zip(glances) {
        at = at.plus(Duration::from_millis(glance.wait_ms));
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
                }
            }
        }
        if let Some(score) = glance.asks.filter(|_| !glance.dark) {
            let mut answer = opinion(&frame, x, 0.5);
            answer.detections = with_box(look(name, n), "fire", score, around(x, 0.5)).detections;
            frames.push(answer);
        }
        frames.push(frame);
        if glance.again {
            let from = frames.len().saturating_sub(5);
            frames.extend(frames[from..].to_vec());
        }
    }
    frames
}

fn replayed(city: &City, frames: &[FrameDetections]) -> BTreeMap<IncidentId, Incident> {
    let mut replay = Replay::new(Arc::new(city.clone()), Arc::default());
    frames.chunks(7).for_each(|frames| replay.take(&DetectionBatch::from_frames(frames)));
    let cases = replay.cases().map(|case| (case.incident.id.clone(), case.incident.clone()));
    cases.filter(|(_, incident)| incident.kind.as_str() != EventKind::CAMERA_FAULT).collect()
}

/// The incidents of each policy, read from Parquet in parts.
fn what_if(city: &City, folder: &Path, policies: &[Policy]) -> Vec<BTreeMap<IncidentId, Incident>> {
    let what_if = WhatIf::new(Arc::new(city.clone()), Arc::default(), Asked::default());
    let (streets, _) = what_if.streets(folder, policies, &mut |_, _, _| true).unwrap();
    let of = |street: &Street| {
        street.cases.iter().map(|(id, found)| (id.clone(), found.incident.clone())).collect()
    };
    streets.iter().map(of).collect()
}

fn write(city: &City, folder: &Path, frames: &[FrameDetections], part: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let store = LogStore::folder(folder).unwrap();
    let mut position = 1_000_000;
    for frames in frames.chunks(part) {
        let stem = format!("{position:020}");
        let logged = frames.iter().map(|frame| {
            position += 1;
            Logged { position: position - 1, frame: frame.clone() }
        });
        let logged = logged.collect();
        runtime.block_on(write_segment(&store, city, &stem, logged)).unwrap();
    }
}

fn policies() -> Vec<Policy> {
    let of = |name: &str, change: fn(&mut Override)| {
        let mut own = Override::of(fire(), Scope::City);
        change(&mut own);
        Policy { name: name.to_owned(), overrides: vec![own] }
    };
    vec![
        of("low", |own| own.hit_score = Some(0.3)),
        of("high", |own| own.hit_score = Some(0.9)),
        of("long memory", |own| {
            own.half_life_secs = Some(300.0);
            own.open_at = Some(2.0);
        }),
        of("often", |own| {
            own.hits_needed = Some(3);
            own.looks_counted = Some(9);
        }),
        of("short cooldown", |own| own.cooldown_secs = Some(5.0)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn under_every_policy_the_incidents_are_those_of_a_replay(
        glances in proptest::collection::vec(glance(), 50..400),
        part in 20_usize..300,
        confirm in any::<bool>(),
    ) {
        let city = street(confirm);
        let frames = story(&glances);
        let folder = tempfile::tempdir().unwrap();
        write(&city, folder.path(), &frames, part);
        let policies = policies();
        let found = what_if(&city, folder.path(), &policies);
        prop_assert_eq!(&found[0], &replayed(&city, &frames), "the policy in force");
        for (policy, found) in policies.iter().zip(&found[1..]) {
            prop_assert_eq!(found, &replayed(&policy.apply(&city).unwrap(), &frames), "{}", policy.name);
        }
    }
}

#[test]
fn most_frames_are_passed_over_and_nothing_is_missed() {
    let city = street(true);
    let mut frames = Vec::new();
    for n in 0..2_000_u64 {
        let frame = look("gate-1", n);
        let low = with_box(look("gate-3", n), "littering", 0.2, around(0.3, 0.3));
        frames.push(if (300..330).contains(&n) {
            with_box(frame, "fire", 0.95, around(0.5, 0.5))
        } else {
            frame
        });
        frames.push(low);
    }
    let folder = tempfile::tempdir().unwrap();
    write(&city, folder.path(), &frames, 700);
    let what_if = WhatIf::new(Arc::new(city.clone()), Arc::default(), Asked::default());
    let (streets, _) = what_if.streets(folder.path(), &[], &mut |_, _, _| true).unwrap();
    assert_eq!(streets[0].cases.len(), 1);
    assert_eq!(streets[0].cases.len(), replayed(&city, &frames).len());
    assert!(streets[0].judged < 100, "{} of {} frames were judged", streets[0].judged, frames.len());
}
