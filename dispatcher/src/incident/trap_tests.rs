//! Traps that other systems have fallen into.

use super::test_street::Street;
use super::{IncidentChange, Incidents};
use crate::evidence::Evidence;
use crate::testing::city::{START, around, camera_id, city, look, with_box};
use citybrain_ingest_config::City;
use citybrain_types::{BoundingBox, EventKind, FrameDetections};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

impl Street {
    /// As after a restart: incidents come from what was written down last, evidence from nowhere.
    fn restart(&mut self, changes: &[IncidentChange]) {
        let mut written = std::collections::BTreeMap::new();
        for change in changes {
            match change {
                IncidentChange::Opened { incident, .. }
                | IncidentChange::Seen(incident)
                | IncidentChange::Confirmed { incident, .. }
                | IncidentChange::Remembered(incident) => {
                    let json = serde_json::to_string(incident).unwrap();
                    written.insert(incident.id.clone(), serde_json::from_str(&json).unwrap());
                }
                IncidentChange::Over { incident, .. } => {
                    written.remove(&incident.id);
                }
                IncidentChange::Forgotten(id) => {
                    written.remove(id);
                }
                IncidentChange::Withdrawn { .. } | IncidentChange::Held { .. } => {}
            }
        }
        self.incidents = Incidents::new(&self.city, written.into_values());
        self.evidence = Evidence::new(Arc::clone(&self.city), []);
    }
}

fn opened(changes: &[IncidentChange]) -> Vec<&super::Incident> {
    let opened = changes.iter().filter_map(|change| match change {
        IncidentChange::Opened { incident, .. } => Some(incident),
        _ => None,
    });
    opened.collect()
}

fn seen(camera: &str, kind: &str, secs: u64, place: BoundingBox) -> FrameDetections {
    at(with_box(look(camera, 0), kind, 0.95, place), secs)
}

fn quiet(camera: &str, secs: u64) -> FrameDetections {
    at(look(camera, 0), secs)
}

fn at(frame: FrameDetections, secs: u64) -> FrameDetections {
    let captured_at = START.plus(Duration::from_secs(secs));
    let stages = citybrain_types::StageTimes { detected_at: captured_at, ..frame.stages };
    FrameDetections { sequence: 1_000 + secs, captured_at, stages, ..frame }
}

fn with_policy(kind: &str, change: impl FnOnce(&mut citybrain_ingest_config::resolved::Kind)) -> City {
    let mut city = city(Path::new("unused"));
    change(city.kinds.get_mut(&EventKind::new(kind)).unwrap());
    city
}

#[test]
fn a_merged_giant_box_swallows_no_other_fire_of_the_same_or_another_camera() {
    let mut city = with_policy("fire", |fire| fire.incident.join_within_m = 60.0);
    let step = 0.002;
    for (n, camera) in city.cameras.values_mut().enumerate() {
        camera.position = Some([121.5 + step * n as f64, 31.2]);
    }
    let mut street = Street::new(city);
    let both = |n: u64| {
        let frame = seen("gate-1", "fire", 2 * n, around(0.1, 0.1));
        with_box(frame, "fire", 0.95, around(0.9, 0.9))
    };
    assert_eq!(opened(&street.see((0..3).map(both))).len(), 2);
    // For a minute both are one box; another camera's fire stands 190 m away.
    let giant = |n: u64| {
        [seen("gate-1", "fire", 2 * n, BoundingBox::WHOLE), seen("gate-2", "fire", 2 * n, around(0.5, 0.5))]
    };
    let changes = street.see((3..33).flat_map(giant));
    assert_eq!(opened(&changes).iter().map(|i| i.camera.clone()).collect::<Vec<_>>(), [camera_id("gate-2")]);
    // Apart again, they are the two they were, and a third is a third.
    let three = |n: u64| with_box(both(n), "fire", 0.95, around(0.1, 0.9));
    let changes = street.see((33..36).map(three));
    assert_eq!(opened(&changes).len(), 1);
}

#[test]
fn the_same_puddle_seen_by_three_cameras_over_forty_minutes_is_one_case() {
    let mut city = with_policy("littering", |kind| {
        kind.kind = EventKind::new("waterlogging");
        kind.incident.join_within_m = 60.0;
        kind.incident.quiet_after = Some(Duration::from_secs(3600));
    });
    let row = city.kinds.remove(&EventKind::new("littering")).unwrap();
    city.kinds.insert(row.kind.clone(), row);
    for (n, camera) in city.cameras.values_mut().enumerate() {
        camera.kinds.insert(EventKind::new("waterlogging"));
        // Three cameras 40 m apart on one street, and one a street away.
        let east = if n < 3 { n as f64 * 0.000_42 } else { 0.01 };
        camera.position = Some([121.5 + east, 31.2]);
    }
    let mut street = Street::new(city);
    let mut changes = Vec::new();
    for (camera, from) in [("gate-1", 0_u64), ("gate-2", 18 * 60), ("gate-3", 38 * 60)] {
        let water = |n: u64| seen(camera, "waterlogging", from + n * 10, around(0.5, 0.7));
        changes.extend(street.see((0..6).map(water)));
        // A lorry stands in front of it.
        changes.extend(street.see((6..30).map(|n| quiet(camera, from + n * 10))));
    }
    let all = opened(&changes);
    assert_eq!(all.len(), 1, "{all:?}");
    let last = changes.iter().rev().find_map(|change| match change {
        IncidentChange::Seen(incident) => Some(incident),
        _ => None,
    });
    assert_eq!(last.unwrap().members.len(), 3);
    // A puddle in the next street is another.
    let water = |n: u64| seen("gate-4", "waterlogging", 40 * 60 + n * 10, around(0.5, 0.7));
    assert_eq!(opened(&street.see((0..6).map(water))).len(), 1);
}

#[test]
fn rubbish_that_was_removed_and_dumped_again_two_days_later_is_a_new_case_that_names_the_old() {
    const HOUR: u64 = 3600;
    let mut street = Street::new(city(Path::new("unused")));
    let litter = |secs| seen("gate-1", "littering", secs, around(0.5, 0.7));
    let mut changes = street.see((0..6).map(|n| litter(n * 30)));
    let first = opened(&changes)[0].id.clone();
    // Removed; looked at every half minute for an hour, then every hour.
    changes.extend(street.see((0..120).map(|n| quiet("gate-1", 300 + n * 30))));
    changes.extend(street.see((2..48).map(|n| quiet("gate-1", n * HOUR))));
    street.restart(&changes);
    let again = street.see((0..6).map(|n| litter(48 * HOUR + n * 30)));
    let [second] = opened(&again)[..] else { panic!("{again:?}") };
    assert_ne!(second.id, first);
    assert_eq!(second.previous.as_ref(), Some(&first));
    // At another place it is nobody's successor.
    let elsewhere =
        street.see((0..6).map(|n| seen("gate-1", "littering", 49 * HOUR + n * 30, around(0.1, 0.1))));
    assert_eq!(opened(&elsewhere)[0].previous, None);
}

#[test]
fn a_parked_red_lorry_opens_nothing_for_a_week_after_it_was_once_rejected() {
    const DAY: u64 = 24 * 3600;
    let mut street = Street::new(city(Path::new("unused")));
    let lorry = |secs| seen("gate-1", "fire", secs, around(0.5, 0.5));
    let mut changes = street.see((0..3).map(|n| lorry(2 * n)));
    let id = opened(&changes)[0].id.clone();
    changes.extend(street.incidents.reject(&id, START.plus(Duration::from_secs(60))));
    let mut later = Vec::new();
    for day in 0..7 {
        // Seen by day, every two minutes in threes so that evidence opens; not seen at night.
        for minutes in (0..12 * 60).step_by(2) {
            let secs = day * DAY + 120 + minutes * 60;
            later.extend(street.see((0..3).map(|n| lorry(secs + 2 * n))));
        }
        for hour in 13..24 {
            later.extend(street.see([quiet("gate-1", day * DAY + hour * 3600)]));
        }
        if day == 3 {
            changes.append(&mut later.clone());
            street.restart(&changes);
        }
    }
    assert_eq!(opened(&later).len(), 0);
    assert!(later.iter().any(|change| matches!(change, IncidentChange::Held { .. })));
    // It has driven off; four days later something burns where it stood.
    later.extend(street.see((0..80).map(|n| quiet("gate-1", 7 * DAY + n * 3600))));
    let fire = street.see((0..3).map(|n| lorry(11 * DAY + 2 * n)));
    assert_eq!(opened(&fire).len(), 1);
}

#[test]
fn litter_beside_a_fire_is_held_and_comes_back_when_the_fire_is_over() {
    let mut city = with_policy("fire", |fire| {
        fire.incident.inhibits.insert(EventKind::new("littering"));
    });
    city.dispatch.incident_quiet_after = Duration::from_secs(120);
    let mut street = Street::new(city);
    let both = |n: u64| {
        let fire = seen("gate-1", "fire", 2 * n, around(0.5, 0.5));
        let beside = with_box(fire, "littering", 0.95, around(0.6, 0.6));
        with_box(beside, "littering", 0.95, around(0.05, 0.05))
    };
    let changes = street.see((0..10).map(both));
    let kinds: Vec<_> = opened(&changes).iter().map(|incident| incident.kind.to_string()).collect();
    assert_eq!(kinds, ["fire", "littering"], "the litter in the far corner is not explained by the fire");
    let left = |n: u64| {
        let frame = seen("gate-1", "littering", 2 * n, around(0.6, 0.6));
        with_box(frame, "littering", 0.95, around(0.05, 0.05))
    };
    let changes = street.see((10..90).map(left));
    assert_eq!(opened(&changes).len(), 1);
}
