//! A report tells of the cameras that are asked about, and draws what differs in the hit score alone.

use super::{Told, fire, write};
use crate::policy::rules::{Numbers, Policy};
use crate::testing::city::{START, around, camera_id, city, look, with_box};
use crate::tune::{Asked, Goal, KnownEvent, Per, Proposal, Report, Scope, Truth, WhatIf};
use citybrain_types::FrameDetections;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Fires of one score in each of two cameras; gate-3 burns three times as often.
fn log() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut told = Vec::new();
    for n in 0..4_000_u64 {
        for (camera, every, score) in [("gate-1", 1_000, 0.62), ("gate-3", 333, 0.78)] {
            let frame: FrameDetections = look(camera, n);
            let burns = n % every > every - 12;
            told.push(Told::Seen(if burns {
                with_box(frame, "fire", score, around(0.5, 0.5))
            } else {
                frame
            }));
        }
    }
    write(&city(Path::new("unused")), folder.path(), &told, 2_000);
    folder
}

fn report(asked: Asked, truth: &Truth) -> Report {
    let folder = log();
    let scores = [0.4, 0.55, 0.7, 0.9];
    let proposal = |score: f64| {
        let set = Numbers { hit_score: Some(score), ..Numbers::default() };
        let rules = vec![asked.only.rule(fire(), set)];
        Proposal { name: format!("fire {score}"), policy: Policy { rules, ..Policy::default() } }
    };
    let proposals = scores.map(proposal);
    let what_if = WhatIf::new(Arc::new(city(Path::new("unused"))), Arc::default(), asked);
    what_if.run(&[folder.path().to_owned()], &proposals, truth, &mut |_| true).unwrap()
}

#[test]
fn of_one_camera_only_its_own_cases_are_counted_drawn_and_suggested() {
    let gate = Scope::Camera(camera_id("gate-1"));
    let asked = Asked { only: gate.clone(), budget: Some(1.0), ..Asked::default() };
    let report = report(asked, &Truth::default());
    let cameras: Vec<_> = report.policies[0].by_camera.keys().map(|camera| camera.as_str()).collect();
    assert_eq!((cameras, &report.scope), (vec!["gate-1"], &gate));
    let [curve] = &report.curves[..] else { panic!("{:?}", report.curves) };
    let cases: Vec<_> = curve.points.iter().map(|point| (point.hit_score, point.figures.cases)).collect();
    // The policy in force, with 0.6, lies among them.
    assert_eq!(cases, [(0.4, 4), (0.55, 4), (0.6, 4), (0.7, 0), (0.9, 0)]);
    let strict = &report.policies[4];
    assert_eq!((strict.gained_in_all, strict.lost_in_all, strict.lost.len()), (0, 4, 4));
    let warned: Vec<_> = strict.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(warned, ["it closes every case of fire: 4 in 0.1 days before, none after"]);
    assert_eq!(report.suggestions.len(), 1);
    assert_eq!((&report.suggestions[0].scope, report.suggestions[0].goal), (&gate, Goal::Budget(1.0)));
}

#[test]
fn suggestions_for_each_camera_and_what_is_known_are_counted_apart() {
    let event = |camera: &str, n: u64| KnownEvent {
        camera: camera_id(camera),
        kind: fire(),
        from: look(camera, n).captured_at,
        to: look(camera, n + 10).captured_at.plus(Duration::from_secs(1)),
    };
    let events = vec![event("gate-1", 989), event("gate-3", 322), event("gate-3", 655)];
    assert!(events[0].from > START);
    let truth = Truth { events, ..Truth::default() };
    let asked = Asked { miss_rate: Some(0.6), per: Per::Camera, ..Asked::default() };
    let report = report(asked, &truth);
    let of =
        |policy: usize| report.policies[policy].by_kind[&fire()].recall.map(|share| (share.hits, share.of));
    assert_eq!([0, 3, 4].map(of), [Some((3, 3)), Some((2, 3)), Some((0, 3))]);
    assert!(report.policies[0].by_kind[&fire()].delay.is_some());
    let suggested = |camera: &str| {
        let own = report.suggestions.iter().find(|own| own.scope == Scope::Camera(camera_id(camera)));
        own.unwrap().policy.map(|policy| report.policies[policy].name.clone())
    };
    // Of gate-3 two events are known, and (0 + 1) / (2 + 1) is within the rate; of gate-1 one, of which nothing may be missed.
    assert_eq!(suggested("gate-3").as_deref(), Some("fire 0.7"));
    assert_eq!(suggested("gate-1").as_deref(), Some("in force"));
}
