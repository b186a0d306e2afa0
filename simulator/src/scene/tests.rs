//! What a scene promises, checked on its pixels.

use super::*;
use citybrain_types::BoundingBox;
use image::RgbImage;
use std::time::Duration;

fn spec(view: View) -> SceneSpec {
    SceneSpec { seed: 5, traffic: 0.0, ..SceneSpec::quiet(view) }
}

fn with_event(view: View, kind: EventKind) -> SceneSpec {
    let event = ScriptedEvent { growth_secs: 4.0, ..ScriptedEvent::new(kind, Duration::from_secs(2)) };
    SceneSpec { events: vec![event], ..spec(view) }
}

fn picture(scene: &mut Scene, at: f32) -> RgbImage {
    let mut out = RgbImage::new(1, 1);
    scene.render(Duration::from_secs_f32(at), &mut out);
    out
}

fn frame(spec: SceneSpec, at: f32) -> RgbImage {
    picture(&mut Scene::new(spec).expect("a scene"), at)
}

/// Sum of the differences of the channels of each pixel, with its place in fractions.
fn differences(a: &RgbImage, b: &RgbImage) -> Vec<(f32, f32, u32)> {
    let (w, h) = (a.width() as f32, a.height() as f32);
    let each = a.enumerate_pixels().zip(b.pixels()).map(|((x, y, p), q)| {
        let far = p.0.iter().zip(q.0).map(|(m, n)| u32::from(m.abs_diff(n))).sum();
        ((x as f32 + 0.5) / w, (y as f32 + 0.5) / h, far)
    });
    each.collect()
}

fn inside(boxes: &[TruthBox], x: f32, y: f32, margin: f32) -> bool {
    let near = |b: &BoundingBox| {
        x > b.left() - margin && x < b.right() + margin && y > b.top() - margin && y < b.bottom() + margin
    };
    boxes.iter().any(|truth| near(&truth.bbox))
}

#[test]
fn the_same_spec_and_time_give_the_same_bytes_in_any_order() {
    let busy = || SceneSpec {
        traffic: 0.9,
        light: Light::Night,
        weather: Weather::Rain,
        distractors: Distractor::ALL.to_vec(),
        ..with_event(View::Market, EventKind::Fire)
    };
    let mut first = Scene::new(busy()).expect("a scene");
    let mut second = Scene::new(busy()).expect("a scene");
    let (early, late) = (picture(&mut first, 3.0), picture(&mut first, 9.5));
    assert!(picture(&mut second, 9.5) == late);
    assert!(picture(&mut second, 3.0) == early);
    assert!(frame(SceneSpec { seed: 6, ..busy() }, 3.0) != early);
}

#[test]
fn truth_boxes_cover_what_an_event_changes_and_little_else() {
    for kind in EventKind::ALL {
        let view = if kind == EventKind::Scaffolding { View::Site } else { View::Avenue };
        let mut scene = Scene::new(with_event(view, kind)).expect("a scene");
        let at = 24.0;
        let (with, without) = (picture(&mut scene, at), frame(spec(view), at));
        let boxes = scene.truth(Duration::from_secs_f32(at));
        assert!(!boxes.is_empty(), "{kind} is not in the truth");
        let changed: Vec<_> = differences(&with, &without).into_iter().filter(|d| d.2 > 75).collect();
        assert!(changed.len() > 40, "{kind} changes {} pixels", changed.len());
        let covered = changed.iter().filter(|d| inside(&boxes, d.0, d.1, 0.02)).count();
        let share = covered as f32 / changed.len() as f32;
        assert!(share > 0.85, "boxes of {kind} cover {share} of what changed");
        let (fires, all) = differences(&with, &without)
            .into_iter()
            .filter(|d| inside(&boxes, d.0, d.1, 0.0))
            .fold((0, 0), |(n, all), d| (n + u32::from(d.2 > 24), all + 1));
        let filled = f64::from(fires) / f64::from(all);
        assert!(filled > 0.2, "only {filled} of the boxes of {kind} differ from a street without it");
    }
}

#[test]
fn a_fire_is_visible_from_when_its_flame_or_smoke_is_large_enough_to_see() {
    let mut slow = with_event(View::Junction, EventKind::Fire);
    slow.events[0].growth_secs = 30.0;
    slow.events[0].to = Some(Duration::from_secs(50));
    let mut scene = Scene::new(slow).expect("a scene");
    let event = scene.events()[0].clone();
    let from = event.visible_from.expect("it grows");
    assert!(from > Duration::from_secs(2), "seen at {from:?}, before it can be");
    let tallest = |at: Duration| {
        let boxes = scene.truth(at).into_iter();
        boxes.map(|t| t.bbox.height() / if t.label == "fire" { 0.04 } else { 0.06 }).fold(0.0, f32::max)
    };
    assert!(tallest(from) >= 1.0, "{}", tallest(from));
    for tenths in 1..8 {
        let before = from.saturating_sub(Duration::from_millis(100 * tenths));
        assert!(tallest(before) < 1.0, "already {} at {before:?}", tallest(before));
    }
    let to = event.visible_to.expect("it ends");
    assert!(to <= Duration::from_millis(50_100) && to > Duration::from_secs(45), "{to:?}");
    let (now, empty) =
        (picture(&mut scene, from.as_secs_f32()), frame(spec(View::Junction), from.as_secs_f32()));
    let seen = differences(&now, &empty).into_iter().filter(|d| d.2 > 75).count();
    assert!(seen > 15, "{seen} pixels differ when it is said to be visible");
}

#[test]
fn before_and_after_an_event_the_street_is_as_without_it() {
    for kind in EventKind::ALL {
        let mut short = with_event(View::Site, kind);
        short.events[0].from = Duration::from_secs(20);
        short.events[0].to = Some(Duration::from_secs(30));
        let mut scene = Scene::new(short).expect("a scene");
        let mut empty = Scene::new(spec(View::Site)).expect("a scene");
        for at in [5.0, 60.0] {
            assert!(picture(&mut scene, at) == picture(&mut empty, at), "{kind} leaves a trace at {at} s");
            assert!(scene.truth(Duration::from_secs_f32(at)).is_empty());
        }
    }
}

#[test]
fn every_spot_of_every_view_shows_its_event() {
    for view in View::ALL {
        for kind in EventKind::ALL {
            for spot in spots(view, kind) {
                let mut spec = SceneSpec { width: 320, height: 180, ..with_event(view, kind) };
                spec.events[0].place = Some(Place::Spot(spot.to_owned()));
                let scene = Scene::new(spec).expect("a scene");
                let event = scene.events()[0].clone();
                let from =
                    event.visible_from.unwrap_or_else(|| panic!("{kind} at {view:?} {spot} is never seen"));
                assert!(from < Duration::from_secs(12), "{kind} at {view:?} {spot} is seen at {from:?} only");
            }
        }
    }
}

#[test]
fn a_quiet_scene_has_no_truth_in_any_light_weather_or_view() {
    for view in View::ALL {
        for light in [Light::Day, Light::Dusk, Light::Night] {
            for weather in [Weather::Clear, Weather::Rain] {
                let distractors = Distractor::ALL.to_vec();
                let mut scene =
                    Scene::new(SceneSpec { light, weather, distractors, traffic: 0.8, ..spec(view) })
                        .expect("a scene");
                let shot = picture(&mut scene, 7.0);
                let mean =
                    shot.as_raw().iter().map(|v| f64::from(*v)).sum::<f64>() / shot.as_raw().len() as f64;
                assert!((12.0..225.0).contains(&mean), "{view:?} {light:?} {weather:?} has a mean of {mean}");
                assert!(scene.truth(Duration::from_secs(7)).is_empty());
                assert!(scene.events().is_empty());
            }
        }
    }
}

#[test]
fn a_fire_at_night_lights_the_street_around_it() {
    let night = |spec: SceneSpec| SceneSpec { light: Light::Night, ..spec };
    let mut fire = with_event(View::Underpass, EventKind::Fire);
    fire.events[0].size = 2.0;
    let mut scene = Scene::new(night(fire)).expect("a scene");
    let (with, without) = (picture(&mut scene, 15.0), frame(night(spec(View::Underpass)), 15.0));
    let boxes = scene.truth(Duration::from_secs(15));
    let brighter = with.enumerate_pixels().zip(without.pixels()).filter(|((x, y, p), q)| {
        let place = (*x as f32 / 640.0, *y as f32 / 360.0);
        !inside(&boxes, place.0, place.1, 0.01) && p.0[0] > q.0[0].saturating_add(12)
    });
    let count = brighter.count();
    assert!(count > 1500, "{count} pixels outside the fire are brighter");
}

#[test]
fn a_script_reads_from_toml_and_mistakes_are_named() {
    let script = r#"
        view = "avenue"
        light = "night"
        weather = "rain"
        seed = 7
        distractors = ["red_flags", "headlights"]
        [[events]]
        kind = "fire"
        from_secs = 30
        to_secs = 90.5
        place = "bin"
        [[events]]
        kind = "littering"
        from_secs = 10
        place = { x = 0.5, y = 0.9 }
        size = 1.5
    "#;
    let spec: SceneSpec = toml::from_str(script).expect("a spec");
    assert_eq!(spec.events[0].to, Some(Duration::from_millis(90_500)));
    assert_eq!((spec.width, spec.height), (640, 360));
    Scene::new(spec.clone()).expect("a scene");
    let again: SceneSpec = toml::from_str(&toml::to_string(&spec).expect("toml")).expect("a spec");
    assert_eq!(again, spec);
    let unknown = toml::from_str::<SceneSpec>("view = \"avenue\"\nlihgt = \"day\"").expect_err("unknown key");
    assert!(unknown.to_string().contains("lihgt"), "{unknown}");

    let mut wrong = spec.clone();
    wrong.events[0].place = Some(Place::Spot("moon".to_owned()));
    let error = Scene::new(wrong).expect_err("no such spot").to_string();
    assert!(error.contains("moon") && error.contains("bin"), "{error}");
    let mut sky = spec.clone();
    sky.events[1].place = Some(Place::At(Point { x: 0.5, y: 0.0 }));
    assert!(matches!(Scene::new(sky), Err(SceneError::Ground { event: 1, .. })));
    let mut order = spec.clone();
    order.events[0].to = Some(Duration::from_secs(3));
    assert!(matches!(Scene::new(order), Err(SceneError::Order { event: 0 })));
    let mut large = spec.clone();
    large.events[0].size = 9.0;
    assert!(matches!(Scene::new(large), Err(SceneError::Range { event: 0, field: "size", .. })));
    assert!(matches!(Scene::new(SceneSpec { width: 641, ..spec }), Err(SceneError::Size { .. })));
}

#[test]
fn other_sizes_show_the_same_street() {
    let large = SceneSpec { width: 1280, height: 720, ..with_event(View::Residential, EventKind::Fire) };
    let small = with_event(View::Residential, EventKind::Fire);
    let (large, small) = (Scene::new(large).expect("a scene"), Scene::new(small).expect("a scene"));
    let at = Duration::from_secs(9);
    for (a, b) in large.truth(at).iter().zip(small.truth(at)) {
        assert_eq!((a.kind, a.label), (b.kind, b.label));
        assert!(a.bbox.iou(&b.bbox) > 0.97, "{a:?} {b:?}");
    }
}

#[test]
fn exported_frames_come_with_their_truth() {
    let folder = tempfile::tempdir().expect("a folder");
    let spec = with_event(View::Residential, EventKind::Fire);
    export(spec, folder.path(), Duration::from_secs(4), 3).expect("written");
    let text = std::fs::read_to_string(folder.path().join("truth.json")).expect("truth");
    let truth: serde_json::Value = serde_json::from_str(&text).expect("json");
    let frames = truth.as_array().expect("an array");
    assert_eq!(frames.len(), 3);
    assert_eq!(frames[0]["boxes"], serde_json::json!([]));
    assert_eq!(frames[2]["boxes"][0]["label"], "fire");
    assert_eq!(frames[2]["boxes"][0]["box"].as_array().map(Vec::len), Some(4));
    let file = folder.path().join(frames[2]["file"].as_str().expect("a name"));
    assert_eq!(image::image_dimensions(file).expect("a picture"), (640, 360));
}
