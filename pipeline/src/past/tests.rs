//! A street over weeks, in small pictures.

use super::*;
use citybrain_types::CameraId;

const DAY: u64 = 24 * 3_600;
const START: Timestamp = Timestamp::from_millis(1_748_757_600_000);

fn at(secs: u64) -> Timestamp {
    START.plus(Duration::from_secs(secs))
}

/// A street with fronts of houses above and a plain road below; `light` from 0 to 1, `shadow` moves over the road.
fn street(light: f32, shadow: usize, thing: Option<BoundingBox>) -> Glimpse {
    let luma = (0..WIDTH * HEIGHT).map(|i| {
        let (x, y) = (i % WIDTH, i / WIDTH);
        let (fx, fy) = ((x as f32 + 0.5) / WIDTH as f32, (y as f32 + 0.5) / HEIGHT as f32);
        let mut value =
            if y < 18 { 90.0 + 70.0 * f32::from(u8::from((x / 3 + y / 4) % 2 == 0)) } else { 110.0 };
        if y >= 18 && (shadow..shadow + 10).contains(&x) {
            value *= 0.7;
        }
        if thing.is_some_and(|thing| thing.contains((fx, fy))) {
            value = if (x + y) % 4 < 2 { 40.0 } else { 200.0 };
        }
        (value * (0.3 + 0.7 * light) + 8.0 * (1.0 - light) + ((x * 7 + y * 13) % 5) as f32) as u8
    });
    Glimpse::from_luma(luma.collect()).unwrap()
}

fn machine() -> BoundingBox {
    BoundingBox::new(0.55, 0.55, 0.8, 0.9).unwrap()
}

/// Two weeks of it, at all hours, one with a bus in front.
fn two_weeks() -> Past {
    let mut past = Past::default();
    for n in 0..24_u64 {
        let bus = (n == 7).then(machine);
        let hour = (n * 14) % 24;
        let light = if (7..19).contains(&hour) { 1.0 } else { 0.1 };
        assert!(past.remember(&street(light, usize::try_from(hour * 2).unwrap(), bus), at(n * 14 * 3_600)));
    }
    past
}

fn change(past: &Past, now: &Glimpse, secs: u64) -> f32 {
    past.change(now, &machine(), at(secs)).unwrap().get()
}

#[test]
fn a_machine_where_there_was_a_road_is_a_change_by_day_and_by_night_and_the_road_is_none() {
    let past = two_weeks();
    let now = 16 * DAY;
    for light in [1.0, 0.1] {
        let with = change(&past, &street(light, 20, Some(machine())), now);
        let without = change(&past, &street(light, 20, None), now);
        assert!(with > 0.7 && without < 0.25, "in light {light}: {with} with it, {without} without");
    }
}

#[test]
fn what_stays_becomes_the_past_within_days_and_a_camera_without_a_past_says_nothing() {
    let mut past = two_weeks();
    let there = street(1.0, 20, Some(machine()));
    let mut day = 15;
    while change(&past, &there, day * DAY) > 0.5 {
        past.remember(&there, at(day * DAY));
        day += 1;
        assert!(day < 30, "it is never usual");
    }
    assert!((18..26).contains(&day), "usual after {} days", day - 15);
    let mut young = Past::default();
    assert!(young.remember(&there, at(0)) && !young.remember(&there, at(60)));
    assert_eq!(young.change(&there, &machine(), at(3_600)), None);
    assert!(young.change(&there, &machine(), at(DAY)).is_some());
}

#[test]
fn the_past_is_bounded_survives_a_restart_and_a_strange_file_begins_it_anew() {
    let folder = tempfile::tempdir().unwrap();
    let camera = CameraId::new("gate-1").unwrap();
    let empty = street(1.0, 20, None);
    let keeper = PastKeeper::new(folder.path().join("past"));
    for n in 0..40 {
        keeper.look(&camera, &empty, at(n * 14 * 3_600));
    }
    let file = folder.path().join("past/gate-1.past");
    assert_eq!(std::fs::metadata(&file).unwrap().len(), 8 + 24 * (8 + 64 * 36));
    let again = PastKeeper::new(folder.path().join("past"));
    let now = 40 * 14 * 3_600 + DAY;
    let past = again.look(&camera, &empty, at(now));
    assert!(change(&past, &empty, now) < 0.01);
    again.forget(&camera);
    assert!(!file.exists());
    std::fs::write(&file, b"CBPAST1\nnot a whole record").unwrap();
    let anew = PastKeeper::new(folder.path().join("past")).look(&camera, &empty, at(now));
    assert_eq!(anew.change(&empty, &machine(), at(now)), None);
    assert_eq!(std::fs::metadata(&file).unwrap().len(), 8 + 8 + 64 * 36);
}

#[test]
fn a_clock_that_was_set_back_leaves_no_past_in_the_future() {
    let mut past = two_weeks();
    assert!(past.remember(&street(1.0, 0, None), at(DAY)));
    assert!(past.kept().all(|kept| kept.at <= at(DAY)));
}
