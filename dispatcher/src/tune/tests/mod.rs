//! A what-if holds what a replay holds, for every policy, whatever the log is like.

mod asked;
mod bounds;
mod story;

use super::street::Street;
use super::{Asked, Proposal, Scope, WhatIf};
use crate::incident::Incident;
use crate::log::{LogStore, Logged, RULING_EXTENSION, write_segment};
use crate::policy::rules::{self, Numbers};
use crate::replay::Replay;
use crate::ruling::Decided;
use crate::testing::city::{around, camera_id, city, fire, look, with_box};
use citybrain_ingest_config::City;
use citybrain_ingest_config::resolved::{Raises, Sensor, SensorFormat};
use citybrain_types::{DetectionBatch, EventKind, FrameDetections, IncidentId, Score};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use story::{Told, glance, story, thresholds};

fn litter() -> EventKind {
    EventKind::new("littering")
}

/// Rain, which makes fire likelier: any kind would do.
fn gauge() -> Sensor {
    Sensor {
        id: camera_id("rain"),
        name: "Rain gauge".to_owned(),
        broker: "mqtt://127.0.0.1:1883".parse().unwrap(),
        credentials: None,
        topic: "rain/1".to_owned(),
        format: SensorFormat::Json,
        value: String::new(),
        kind: fire(),
        alarm_at: 5.0,
        falling: false,
        // Says nothing by itself: it is to be heard all the same.
        score: 0.2,
        raises: Some(Raises { nats: 1.5, within_m: 3_000.0 }),
        position: Some([121.5, 31.2]),
        area: None,
    }
}

fn street(confirm: bool) -> City {
    let mut city = city(Path::new("unused"));
    let row = city.kinds.get_mut(&fire()).unwrap();
    row.incident.join_within_m = 50.0;
    row.incident.confirm_within = confirm.then_some(Duration::from_secs(30));
    row.incident.inhibits.insert(EventKind::new("littering"));
    row.incident.recurs_within = Duration::from_secs(300);
    row.incident.rejected_for = Duration::from_secs(200);
    row.evidence.change_nats = 1.5;
    city.kinds.get_mut(&litter()).unwrap().incident.needs_permit = true;
    city.sensors.push(gauge());
    city.dispatch.incident_quiet_after = Duration::from_secs(40);
    city.cameras.get_mut(&camera_id("gate-2")).unwrap().position = Some([121.6, 31.2]);
    city
}

fn replayed(city: &City, told: &[Told]) -> BTreeMap<IncidentId, Incident> {
    replayed_by(Replay::new(Arc::new(city.clone()), Arc::default()), told)
}

fn replayed_by(mut replay: Replay, told: &[Told]) -> BTreeMap<IncidentId, Incident> {
    let mut frames = Vec::new();
    let take = |replay: &mut Replay, frames: &mut Vec<FrameDetections>| {
        replay.take(&DetectionBatch::from_frames(&std::mem::take(frames)));
    };
    for told in told {
        match told {
            Told::Seen(frame) => frames.push(frame.clone()),
            Told::Said(ruling) => {
                take(&mut replay, &mut frames);
                replay.rule(ruling);
            }
        }
    }
    take(&mut replay, &mut frames);
    let cases = replay.cases().map(|case| (case.incident.id.clone(), case.incident.clone()));
    cases.filter(|(_, incident)| incident.kind.as_str() != EventKind::CAMERA_FAULT).collect()
}

/// The incidents of each policy, read from Parquet in parts.
fn what_if(city: &City, folder: &Path, policies: &[Proposal]) -> Vec<BTreeMap<IncidentId, Incident>> {
    let what_if = WhatIf::new(Arc::new(city.clone()), Arc::default(), Asked::default());
    let (streets, _) = what_if.streets(&[folder.to_owned()], policies, &mut |_, _, _| true).unwrap();
    let of = |street: &Street| {
        street.cases.iter().map(|(id, found)| (id.clone(), found.incident.clone())).collect()
    };
    streets.iter().map(of).collect()
}

/// Writes a log as a city leaves it: Parquet of `part` frames at most, and rulings between.
fn write(city: &City, folder: &Path, told: &[Told], part: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let store = LogStore::folder(folder).unwrap();
    let write = |logged: &mut Vec<Logged>| {
        if let Some(first) = logged.first() {
            let stem = format!("{:020}", first.position);
            runtime.block_on(write_segment(&store, city, &stem, std::mem::take(logged))).unwrap();
        }
    };
    let mut logged = Vec::new();
    for (position, told) in (1_000_000_u64..).zip(told) {
        match told {
            Told::Seen(frame) => logged.push(Logged { position, frame: frame.clone() }),
            Told::Said(ruling) => {
                write(&mut logged);
                let file = folder.join(format!("{position:020}.{RULING_EXTENSION}"));
                std::fs::write(file, serde_json::to_vec(ruling).unwrap()).unwrap();
            }
        }
        if logged.len() == part {
            write(&mut logged);
        }
    }
    write(&mut logged);
}

fn policies() -> Vec<Proposal> {
    let of = |name: &str, set: Numbers| {
        let policy = rules::Policy { rules: vec![Scope::City.rule(fire(), set)], ..rules::Policy::default() };
        Proposal { name: name.to_owned(), policy }
    };
    let none = Numbers::default();
    vec![
        of("low", Numbers { hit_score: Some(0.3), ..none }),
        of("high", Numbers { hit_score: Some(0.9), ..none }),
        of("long memory", Numbers { half_life_secs: Some(300.0), open_at: Some(2.0), ..none }),
        of("often", Numbers { hits_needed: Some(3), looks_counted: Some(9), ..none }),
        of("short cooldown", Numbers { quiet_after_secs: Some(5.0), ..none }),
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
        let told = story(&city, &glances, false);
        let folder = tempfile::tempdir().unwrap();
        write(&city, folder.path(), &told, part);
        let policies = policies();
        let found = what_if(&city, folder.path(), &policies);
        prop_assert_eq!(&found[0], &replayed(&city, &told), "the policy in force");
        for (policy, found) in policies.iter().zip(&found[1..]) {
            prop_assert_eq!(found, &replayed(&policy.lay(&city).unwrap(), &told), "{}", policy.name);
        }
    }

    #[test]
    fn in_the_place_of_what_was_in_force_a_policy_leads_to_the_replay_of_the_days_that_are_asked_for(
        glances in proptest::collection::vec(glance(), 50..300),
        part in 20_usize..300,
        skip in 0_usize..40,
    ) {
        let city = street(true);
        let told = story(&city, &glances, true);
        let folder = tempfile::tempdir().unwrap();
        write(&city, folder.path(), &told, part);
        let Decided::Thresholds { live } = thresholds(true) else { unreachable!() };
        let frames = told.iter().filter_map(|told| match told {
            Told::Seen(frame) => Some(frame.captured_at),
            Told::Said(_) => None,
        });
        let since = frames.clone().nth(skip).unwrap();
        let counts = |told: &&Told| match told {
            Told::Seen(frame) => frame.captured_at >= since,
            Told::Said(ruling) => !matches!(ruling.what, Decided::Thresholds { .. }),
        };
        let told: Vec<Told> = told.iter().filter(counts).cloned().collect();
        let asked = Asked { since: Some(since), ..Asked::default() };
        let what_if = WhatIf::new(Arc::new(city.clone()), Arc::default(), asked)
            .against(live.policy.as_ref().clone());
        let proposals = [Proposal::default(), policies().remove(0)];
        let log = [folder.path().to_owned()];
        let (streets, _) = what_if.streets(&log, &proposals, &mut |_, _, _| true).unwrap();
        let of = |street: &Street| -> BTreeMap<IncidentId, Incident> {
            street.cases.iter().map(|(id, found)| (id.clone(), found.incident.clone())).collect()
        };
        for (n, policy) in [live.policy.as_ref(), &proposals[0].policy, &proposals[1].policy].iter().enumerate() {
            let laid = policy.laid_over(&city).unwrap();
            let mut replay = Replay::new(Arc::new(laid), Arc::default());
            replay.calibrate(policy.sound_calibrations());
            prop_assert_eq!(of(&streets[n]), replayed_by(replay, &told), "policy {}", n);
        }
    }

    #[test]
    fn what_was_in_force_when_the_log_was_written_counts_where_no_policy_says_otherwise(
        glances in proptest::collection::vec(glance(), 50..400),
        part in 20_usize..300,
    ) {
        let city = street(true);
        let told = story(&city, &glances, true);
        let folder = tempfile::tempdir().unwrap();
        write(&city, folder.path(), &told, part);
        prop_assert_eq!(&what_if(&city, folder.path(), &[])[0], &replayed(&city, &told));
    }
}

#[test]
fn a_box_below_every_threshold_is_judged_where_the_cameras_past_speaks_for_it() {
    let city = street(false);
    let told = |change: f32| -> Vec<Told> {
        let frames = (0..40_u64).map(|n| match n {
            20 => {
                let mut frame = with_box(look("gate-1", n), "fire", 0.4, around(0.5, 0.5));
                frame.detections[0].change = Score::new(change);
                frame
            }
            21 | 22 => with_box(look("gate-1", n), "fire", 0.95, around(0.5, 0.5)),
            _ => look("gate-1", n),
        });
        frames.map(Told::Seen).collect()
    };
    for (change, first) in [(1.0, 20), (0.3, 21)] {
        let folder = tempfile::tempdir().unwrap();
        write(&city, folder.path(), &told(change), 700);
        let found = what_if(&city, folder.path(), &[]).remove(0);
        assert_eq!(found, replayed(&city, &told(change)));
        let begun: Vec<_> = found.values().map(|incident| incident.first_seen_at).collect();
        assert_eq!(begun, [look("gate-1", first).captured_at], "with a change of {change}");
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
    let told: Vec<Told> = frames.into_iter().map(Told::Seen).collect();
    write(&city, folder.path(), &told, 700);
    let what_if = WhatIf::new(Arc::new(city.clone()), Arc::default(), Asked::default());
    let (streets, _) = what_if.streets(&[folder.path().to_owned()], &[], &mut |_, _, _| true).unwrap();
    assert_eq!(streets[0].cases.len(), 1);
    assert_eq!(streets[0].cases.len(), replayed(&city, &told).len());
    assert!(streets[0].judged < 100, "{} of {} frames were judged", streets[0].judged, told.len());
}
