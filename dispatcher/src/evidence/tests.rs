//! How frames become evidence, over many frames.

use super::{Evidence, Focus, Ignored, Judged, MAX_TRACKS, Sighting};
use crate::testing::city::{START, around, burning, camera_id, city, fire, look, policy, with_box};
use citybrain_ingest_config::City;
use citybrain_ingest_config::resolved::{EvidencePolicy, Hours, Zone};
use citybrain_types::{BoundingBox, FrameDetections, Polygon, Snapshots};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

fn evidence_with(change: impl FnOnce(&mut EvidencePolicy)) -> Evidence {
    let mut city = city(Path::new("unused"));
    change(&mut city.kinds.get_mut(&fire()).unwrap().evidence);
    Evidence::new(Arc::new(city), [])
}

fn evidence() -> Evidence {
    evidence_with(|_| {})
}

fn names(judged: &Judged) -> Vec<&'static str> {
    let name = |sighting: &Sighting| match sighting {
        Sighting::Opened(_) => "opened",
        Sighting::Seen(_) => "seen",
        Sighting::Weighed { .. } => "weighed",
        Sighting::Closed { .. } => "closed",
        Sighting::CameraLost { .. } => "lost",
        Sighting::CameraBack => "back",
    };
    judged.look.sightings.iter().map(name).collect()
}

fn says(
    evidence: &mut Evidence,
    frames: impl IntoIterator<Item = FrameDetections>,
) -> Vec<Vec<&'static str>> {
    frames.into_iter().map(|frame| names(&evidence.judge(&frame))).collect()
}

fn scored(n: u64, score: f32) -> FrameDetections {
    with_box(look("gate-1", n), "fire", score, around(0.5, 0.5))
}

#[test]
fn evidence_opens_once_and_is_seen_from_then_on() {
    let said = says(&mut evidence(), (0..4).map(|n| burning("gate-1", n)));
    assert_eq!(said, [vec![], vec!["opened"], vec!["seen"], vec!["seen"]]);
}

#[test]
fn one_certain_look_is_not_enough_where_two_of_four_are_asked_for() {
    let mut evidence = evidence_with(|policy| policy.open_at = 1.0);
    let said =
        says(&mut evidence, [scored(0, 0.99), look("gate-1", 1), look("gate-1", 2), look("gate-1", 3)]);
    assert!(said.iter().all(Vec::is_empty), "{said:?}");
    // Two hits that are five looks apart are not two of four.
    let said = says(&mut evidence, [scored(5, 0.99)]);
    assert!(said.iter().all(Vec::is_empty), "{said:?}");
    assert_eq!(says(&mut evidence, [scored(6, 0.99)]), [vec!["opened"]]);
}

#[test]
fn scattered_weak_noise_never_opens() {
    let places = [(0.2, 0.2), (0.8, 0.2), (0.5, 0.8), (0.2, 0.8)];
    let noise = (0..2_000_u64).map(|n| {
        let (x, y) = places[usize::try_from(n * 7 % 4).unwrap()];
        let score = [0.1, 0.35, 0.55, 0.2, 0.65][usize::try_from(n % 5).unwrap()];
        with_box(look("gate-1", n), "fire", score, around(x, y))
    });
    let said = says(&mut evidence(), noise);
    assert!(said.iter().all(Vec::is_empty));
}

#[test]
fn quiet_looks_count_against_and_close_after_the_hold_and_not_before() {
    let mut evidence = evidence();
    says(&mut evidence, (0..3).map(|n| burning("gate-1", n)));
    // Each quiet look takes almost three nats: below `close_at` after three, closed ten seconds later.
    let said = says(&mut evidence, (3..20).map(|n| look("gate-1", n)));
    let closed = said.iter().position(|said| said == &["closed"]).unwrap();
    assert_eq!(
        closed, 7,
        "below at the third quiet look, and then ten seconds, which are five looks, of hold"
    );
    assert_eq!(said.iter().flatten().count(), 1);
}

#[test]
fn evidence_between_the_two_thresholds_neither_opens_nor_closes() {
    let mut evidence = evidence();
    // Around two nats: below `open_at`, above `close_at`.
    let said = says(&mut evidence, [scored(0, 0.88), look("gate-1", 1), scored(2, 0.88), look("gate-1", 3)]);
    assert!(said.iter().all(Vec::is_empty), "{said:?}");
    says(&mut evidence, [scored(4, 0.95), scored(5, 0.95)]);
    // Open now; weak looks that hold it above `close_at` keep it open.
    let said = says(&mut evidence, (6..60).map(|n| scored(n, if n % 2 == 0 { 0.7 } else { 0.58 })));
    assert!(said.iter().flatten().all(|said| *said == "seen"), "{said:?}");
}

#[test]
fn many_frames_in_one_second_say_no_more_than_one_certain_look() {
    let fast = |n: u64| FrameDetections {
        captured_at: START.plus(Duration::from_millis(n * 40)),
        ..scored(n, 0.95)
    };
    let mut evidence = evidence_with(|policy| policy.open_at = 5.0);
    let said = says(&mut evidence, (0..25).map(fast));
    assert!(said.iter().all(Vec::is_empty), "opened within one second: {said:?}");
    let said = says(&mut evidence, (25..50).map(fast));
    assert!(said.iter().any(|said| said == &["opened"]), "{said:?}");
}

#[test]
fn an_hour_nobody_looked_closes_what_was_open() {
    let mut evidence = evidence();
    says(&mut evidence, (0..3).map(|n| burning("gate-1", n)));
    assert_eq!(says(&mut evidence, [look("gate-1", 1_800)]), [vec!["closed"]]);
    assert_eq!(
        says(&mut evidence, [burning("gate-1", 1_801), burning("gate-1", 1_802)]),
        [vec![], vec!["opened"]]
    );
}

#[test]
fn places_that_are_far_apart_have_evidence_of_their_own() {
    let two = |n| {
        with_box(with_box(look("gate-1", n), "fire", 0.95, around(0.1, 0.1)), "fire", 0.9, around(0.9, 0.9))
    };
    let said = says(&mut evidence(), (0..2).map(two));
    assert_eq!(said[1], ["opened", "opened"]);
}

#[test]
fn a_merged_giant_box_does_not_move_a_place() {
    let mut evidence = evidence();
    says(&mut evidence, (0..3).map(|n| burning("gate-1", n)));
    let giant = with_box(look("gate-1", 3), "fire", 0.9, BoundingBox::WHOLE);
    let judged = evidence.judge(&giant);
    let Sighting::Seen(sight) = &judged.look.sightings[0] else { panic!("{judged:?}") };
    assert_eq!(sight.place, around(0.5, 0.5));
}

#[test]
fn the_places_of_a_picture_full_of_noise_are_bounded() {
    let mut evidence = evidence();
    let mut crowd = look("gate-1", 0);
    for i in 0..100_u8 {
        let (x, y) = (f32::from(i % 10) / 10.0 + 0.05, f32::from(i / 10) / 10.0 + 0.05);
        let speck = BoundingBox::clipped(x - 0.001, y - 0.001, x + 0.001, y + 0.001).unwrap();
        crowd = with_box(crowd, "fire", 0.7, speck);
    }
    let mut city = city(Path::new("unused"));
    city.dispatch.join_distance = 0.01;
    evidence.reload(Arc::new(city));
    let judged = evidence.judge(&crowd);
    let full = judged.ignored.iter().filter(|reason| **reason == Ignored::TracksFull).count();
    assert_eq!(full, 100 - MAX_TRACKS);
}

#[test]
fn what_lies_in_a_mask_or_is_not_looked_for_adds_nothing() {
    let mut city = city(Path::new("unused"));
    let camera = city.cameras.values_mut().next().unwrap();
    camera.ignore = vec![Polygon::new(vec![[0.0, 0.0], [1.0, 0.0], [1.0, 0.5], [0.0, 0.5]]).unwrap()];
    let mut evidence = Evidence::new(Arc::new(city), []);
    let frame = |n| {
        let masked = with_box(look("gate-1", n), "fire", 0.99, around(0.5, 0.2));
        with_box(masked, "flood", 0.99, around(0.5, 0.8))
    };
    for n in 0..5 {
        let judged = evidence.judge(&frame(n));
        assert!(judged.look.sightings.is_empty());
        assert_eq!(judged.ignored, [Ignored::Masked, Ignored::UnknownKind]);
    }
}

#[test]
fn a_kind_that_was_not_looked_for_loses_nothing_by_a_quiet_look() {
    let mut evidence = evidence();
    says(&mut evidence, (0..3).map(|n| burning("gate-1", n)));
    let elsewhere = |n| FrameDetections { looked_for: vec![], ..look("gate-1", n) };
    let said = says(&mut evidence, (3..8).map(elsewhere));
    assert!(said.iter().all(Vec::is_empty), "{said:?}");
    assert_eq!(says(&mut evidence, [burning("gate-1", 8)]), [vec!["seen"]]);
}

#[test]
fn a_fire_that_may_be_there_asks_to_be_looked_at_again() {
    let mut evidence = evidence();
    assert_eq!(evidence.judge(&burning("gate-1", 0)).suspects, [fire()]);
    assert!(evidence.judge(&burning("gate-1", 1)).suspects.is_empty(), "it is open: nothing is in doubt");
    assert!(evidence.judge(&look("gate-2", 0)).suspects.is_empty());
}

#[test]
fn a_camera_has_its_own_thresholds_where_it_has_some() {
    let mut city = city(Path::new("unused"));
    let camera = city.cameras.values_mut().next().unwrap();
    camera.evidence.insert(fire(), EvidencePolicy { open_at: 7.5, ..policy() });
    let mut evidence = Evidence::new(Arc::new(city), []);
    let said = says(&mut evidence, (0..2).map(|n| burning("gate-1", n)));
    assert_eq!(said, [vec![], Vec::<&str>::new()]);
    let said = says(&mut evidence, (0..2).map(|n| burning("gate-2", n)));
    assert_eq!(said, [vec![], vec!["opened"]]);
}

#[test]
fn the_picture_of_the_last_hit_stands_in_for_one_that_could_not_be_written() {
    let snapshot =
        |name: &str| Snapshots { at: citybrain_types::SnapshotRef::new(name).unwrap(), before: None };
    let mut evidence = evidence();
    evidence.judge(&FrameDetections { snapshots: Some(snapshot("gate-1/a.jpg")), ..burning("gate-1", 0) });
    let judged = evidence.judge(&FrameDetections { snapshot_lost: true, ..burning("gate-1", 1) });
    let Sighting::Opened(sight) = &judged.look.sightings[0] else { panic!("{judged:?}") };
    assert_eq!(sight.snapshots, Some(snapshot("gate-1/a.jpg")));
    assert!(sight.snapshot_lost);
}

fn zone(part: &[[f32; 2]]) -> Zone {
    Zone {
        name: "zone".to_owned(),
        part: Polygon::new(part.to_vec()).unwrap(),
        kinds: BTreeSet::from([fire()]),
        ignore: false,
        min_size: 0.0,
        hit_scores: BTreeMap::new(),
        hours: None,
    }
}

const LEFT_HALF: [[f32; 2]; 4] = [[0.0, 0.0], [0.5, 0.0], [0.5, 1.0], [0.0, 1.0]];

fn with_zones(zones: Vec<Zone>) -> Evidence {
    let mut city = city(Path::new("unused"));
    city.cameras.values_mut().for_each(|camera| camera.zones = zones.clone());
    Evidence::new(Arc::new(city), [])
}

#[test]
fn a_kind_with_zones_counts_in_them_only_and_other_kinds_everywhere() {
    let mut evidence = with_zones(vec![zone(&LEFT_HALF)]);
    let frame = |n| {
        let inside = with_box(look("gate-1", n), "fire", 0.95, around(0.2, 0.5));
        let outside = with_box(inside, "fire", 0.95, around(0.8, 0.5));
        with_box(outside, "littering", 0.95, around(0.8, 0.5))
    };
    let judged: Vec<_> = (0..2).map(|n| evidence.judge(&frame(n))).collect();
    let opened: Vec<_> = judged[1]
        .look
        .sightings
        .iter()
        .map(|sighting| match sighting {
            Sighting::Opened(sight) => (sight.kind.to_string(), sight.place),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(opened, [("fire".into(), around(0.2, 0.5)), ("littering".into(), around(0.8, 0.5))]);
    assert!(judged.iter().all(|judged| judged.ignored == [Ignored::OutsideZones]));
}

#[test]
fn a_zone_has_its_own_hit_score_smallest_box_and_mask() {
    let strict = Zone { hit_scores: BTreeMap::from([(fire(), 0.97)]), ..zone(&LEFT_HALF) };
    let said = says(
        &mut with_zones(vec![strict]),
        (0..5).map(|n| with_box(look("gate-1", n), "fire", 0.95, around(0.2, 0.5))),
    );
    assert!(said.iter().all(Vec::is_empty), "{said:?}");
    let large = Zone { min_size: 0.02, ..zone(&LEFT_HALF) };
    let mut evidence = with_zones(vec![large]);
    let judged = evidence.judge(&with_box(look("gate-1", 0), "fire", 0.95, around(0.2, 0.5)));
    assert_eq!(judged.ignored, [Ignored::TooSmall]);
    let mask = Zone { ignore: true, ..zone(&LEFT_HALF) };
    let mut evidence = with_zones(vec![mask]);
    let judged = evidence.judge(&with_box(look("gate-1", 0), "fire", 0.95, around(0.2, 0.5)));
    assert_eq!(judged.ignored, [Ignored::Masked]);
    let said =
        says(&mut evidence, (1..3).map(|n| with_box(look("gate-1", n), "fire", 0.95, around(0.8, 0.5))));
    assert_eq!(said[1], ["opened"]);
}

#[test]
fn a_zone_counts_in_its_hours_in_the_time_of_the_city() {
    // The story begins on Sunday, 14:00 in Shanghai.
    for (hours, opens) in [
        (Hours { days: 1 << 6, from: 14 * 60, to: 15 * 60 }, true),
        (Hours { days: 1 << 6, from: 6 * 60, to: 7 * 60 }, false),
        (Hours { days: 0x3f, from: 0, to: 0 }, false),
    ] {
        let mut evidence = with_zones(vec![Zone { hours: Some(hours), ..zone(&LEFT_HALF) }]);
        let frames = (0..2).map(|n| with_box(look("gate-1", n), "fire", 0.95, around(0.2, 0.5)));
        let said = says(&mut evidence, frames);
        assert_eq!(said[1] == ["opened"], opens, "{hours:?}");
    }
}

/// A look that sees water, or what looks like it, at a place that differs that much from the past.
fn compared(n: u64, change: Option<f32>) -> FrameDetections {
    let mut frame = with_box(look("gate-1", n), "fire", 0.8, around(0.5, 0.5));
    frame.detections[0].change = change.and_then(citybrain_types::Score::new);
    frame
}

#[test]
fn what_looks_as_it_always_did_needs_more_to_be_believed_and_a_change_needs_less() {
    let mut city = city(Path::new("unused"));
    city.kinds.get_mut(&fire()).unwrap().evidence.change_nats = 1.5;
    let city = Arc::new(city);
    let opens_after = |change: Option<f32>| {
        let mut evidence = Evidence::new(Arc::clone(&city), []);
        (0..20).find(|n| says(&mut evidence, [compared(*n, change)])[0] == ["opened"])
    };
    assert_eq!(opens_after(None), Some(2), "ln 4 a look, and it opens at 3");
    assert_eq!(opens_after(Some(1.0)), Some(1));
    assert_eq!(opens_after(Some(0.0)), None, "it says less than nothing");
    assert_eq!(opens_after(Some(0.5)), Some(2), "half a change says nothing");
    let mut evidence = Evidence::new(Arc::clone(&city), []);
    evidence.judge(&compared(0, Some(1.0)));
    let judged = evidence.judge(&compared(1, Some(1.0)));
    let Sighting::Opened(sight) = &judged.look.sightings[0] else { panic!("{judged:?}") };
    assert_eq!(sight.change.map(citybrain_types::Score::get), Some(1.0));
}

/// A city with a rain gauge: it makes fires likelier at `gate-1`, which stands near it.
fn with_rain() -> City {
    let mut city = city(Path::new("unused"));
    city.cameras.get_mut(&camera_id("gate-2")).unwrap().position = Some([121.6, 31.2]);
    city.kinds.get_mut(&fire()).unwrap().look_interval = Duration::from_secs(10);
    city.sensors.push(citybrain_ingest_config::resolved::Sensor {
        id: camera_id("rain-1"),
        name: "Rain gauge".to_owned(),
        broker: "mqtt://127.0.0.1:1883".parse().unwrap(),
        credentials: None,
        topic: "rain/1".to_owned(),
        format: citybrain_ingest_config::resolved::SensorFormat::Json,
        value: String::new(),
        kind: fire(),
        alarm_at: 5.0,
        falling: false,
        score: 0.95,
        raises: Some(citybrain_ingest_config::resolved::Raises { nats: 1.5, within_m: 3_000.0 }),
        position: Some([121.5, 31.2]),
        area: None,
    });
    City::clone(&crate::sensor::with_sensors(Arc::new(city)))
}

#[test]
fn while_it_rains_cameras_near_the_gauge_need_less_evidence_and_are_looked_at_every_two_seconds() {
    let city = Arc::new(with_rain());
    let gauge = city.sensors[0].clone();
    let rain = |millimetres: f64, secs: u64| {
        crate::sensor::look(&gauge, millimetres, START.plus(Duration::from_secs(secs)))
    };
    let wet = |camera: &str, n: u64| with_box(look(camera, n), "fire", 0.8, around(0.5, 0.5));
    let mut evidence = Evidence::new(Arc::clone(&city), []);
    let dry: Vec<_> = (0..2).map(|n| evidence.judge(&wet("gate-1", n))).collect();
    assert!(dry.iter().all(|judged| judged.look.sightings.is_empty() && judged.likelier.is_empty()));
    let mut evidence = Evidence::new(Arc::clone(&city), []);
    let drizzle = evidence.judge(&rain(1.0, 0));
    let pours = evidence.judge(&rain(20.0, 1));
    assert!(drizzle.look.sightings.is_empty() && pours.look.sightings.is_empty(), "it is no case itself");
    let first = evidence.judge(&wet("gate-1", 1));
    let second = evidence.judge(&wet("gate-1", 2));
    assert!(matches!(second.look.sightings[0], Sighting::Opened(_)), "{second:?}");
    let away = [evidence.judge(&wet("gate-2", 1)), evidence.judge(&wet("gate-2", 2))];
    assert!(away.iter().all(|judged| judged.look.sightings.is_empty() && judged.likelier.is_empty()));
    let mut focus = Focus::default();
    let asked = focus.likelier(&city, &first.look, first.likelier.clone());
    assert_eq!((asked.len(), asked[0].look_interval), (1, Duration::from_secs(2)));
    assert!(focus.likelier(&city, &second.look, second.likelier).is_empty(), "it was asked a moment ago");
    // A quarter of an hour after the last drop it is as before.
    assert!(evidence.judge(&look("gate-1", 451)).likelier.is_empty());
    assert_eq!(evidence.judge(&look("gate-1", 450)).likelier, [fire()]);
}

#[test]
fn a_rain_gauge_that_flaps_or_lies_lowers_a_threshold_and_never_opens_a_case() {
    let city = Arc::new(with_rain());
    let gauge = city.sensors[0].clone();
    let mut evidence = Evidence::new(Arc::clone(&city), []);
    for n in 0..2_000_u64 {
        let value = if n % 2 == 0 { 1e9 } else { -1e9 };
        let judged = evidence.judge(&crate::sensor::look(&gauge, value, START.plus(Duration::from_secs(n))));
        assert!(judged.look.sightings.is_empty(), "{judged:?}");
    }
    // One look that is no hit by itself is none in the rain, either.
    let doubtful = |n| with_box(look("gate-1", n), "fire", 0.55, around(0.5, 0.5));
    let said = says(&mut evidence, (500..560).map(doubtful));
    assert!(said.iter().all(Vec::is_empty), "{said:?}");
}
