//! One happening, one incident.

use super::test_street::Street;
use super::{Incident, IncidentChange, MAX_OPEN_INCIDENTS};
use crate::testing::city::{START, around, burning, city, dark, look, with_box};
use citybrain_types::{BoundingBox, EventKind, FrameDetections};
use std::path::Path;
use std::time::Duration;

impl Street {
    fn opened(&mut self, frames: impl IntoIterator<Item = FrameDetections>) -> Vec<Incident> {
        let opened = |change| match change {
            IncidentChange::Opened { incident, .. } => Some(incident),
            _ => None,
        };
        self.see(frames).into_iter().filter_map(opened).collect()
    }
}

fn street() -> Street {
    Street::new(city(Path::new("unused")))
}

fn fire_at(n: u64, places: &[(f32, f32)]) -> FrameDetections {
    places.iter().fold(look("gate-1", n), |frame, (x, y)| with_box(frame, "fire", 0.95, around(*x, *y)))
}

#[test]
fn fires_far_apart_are_two_and_smoke_beside_the_flame_is_one() {
    assert_eq!(street().opened((0..3).map(|n| fire_at(n, &[(0.1, 0.1), (0.9, 0.9)]))).len(), 2);
    let flame_and_smoke = |n| {
        let smoke = BoundingBox::new(0.35, 0.0, 0.65, 0.6).unwrap();
        with_box(fire_at(n, &[(0.5, 0.5)]), "fire", 0.9, smoke)
    };
    assert_eq!(street().opened((0..3).map(flame_and_smoke)).len(), 1);
}

#[test]
fn a_merged_giant_box_joins_one_fire_and_hides_no_other() {
    let mut street = street();
    assert_eq!(street.opened((0..3).map(|n| fire_at(n, &[(0.1, 0.1)]))).len(), 1);
    let giant = |n| with_box(look("gate-1", n), "fire", 0.95, BoundingBox::WHOLE);
    assert_eq!(street.opened((3..6).map(giant)).len(), 0);
    assert_eq!(street.opened((6..9).map(|n| fire_at(n, &[(0.1, 0.1), (0.9, 0.9)]))).len(), 1);
}

#[test]
fn a_chain_of_neighbours_does_not_swallow_the_picture() {
    // One place after another flares up and goes out, each near the one before: 0.1, 0.28, 0.46, 0.64, 0.82.
    let chain = (0..5_u8).flat_map(|place| {
        let first = u64::from(place) * 18;
        let x = 0.1 + f32::from(place) * 0.18;
        let flares = (first..first + 3).map(move |n| fire_at(n, &[(x, 0.5)]));
        flares.chain((first + 3..first + 18).map(|n| look("gate-1", n)))
    });
    assert_eq!(street().opened(chain).len(), 2, "the third place is as far as the first incident reaches");
}

#[test]
fn a_camera_that_could_not_see_ends_nothing() {
    let mut street = street();
    street.see((0..3).map(|n| burning("gate-1", n)));
    let changes = street.see((3..20).map(|n| dark("gate-1", n)));
    assert!(changes.iter().all(|change| !matches!(change, IncidentChange::Over { .. })), "{changes:?}");
}

#[test]
fn a_camera_that_comes_back_from_a_long_outage_finds_what_it_saw_before() {
    let mut street = street();
    let id = street.opened((0..3).map(|n| burning("gate-1", n))).remove(0).id;
    // An hour in the dark, longer than the quiet time by far; then a few looks before it is found again.
    street.see((3..1_800).map(|n| dark("gate-1", n)));
    let changes = street.see((1_800..1_806).map(|n| look("gate-1", n)));
    assert!(
        !changes
            .iter()
            .any(|change| matches!(change, IncidentChange::Over { incident, .. } if incident.id == id))
    );
    let fires: Vec<_> = street.opened((1_806..1_812).map(|n| burning("gate-1", n)));
    assert!(fires.is_empty(), "{fires:?}");
    let over = street.see((1_812..1_880).map(|n| look("gate-1", n)));
    assert!(
        over.iter()
            .any(|change| matches!(change, IncidentChange::Over { incident, .. } if incident.id == id))
    );
}

#[test]
fn what_is_not_seen_for_long_enough_is_over_and_then_comes_again_under_another_id() {
    let mut street = street();
    let first = street.opened((0..3).map(|n| burning("gate-1", n))).remove(0);
    let over = street.see((3..70).map(|n| look("gate-1", n)));
    let ended: Vec<_> = over.iter().filter(|change| matches!(change, IncidentChange::Over { .. })).collect();
    let [IncidentChange::Over { incident, at }] = ended.as_slice() else { panic!("{over:?}") };
    assert_eq!((&incident.id, incident.last_seen_at), (&first.id, START.plus(Duration::from_secs(4))));
    assert!(at.since(incident.last_seen_at) >= Duration::from_secs(120));
    let again = street.opened((70..73).map(|n| burning("gate-1", n))).remove(0);
    assert_ne!(again.id, first.id);
}

#[test]
fn a_picture_full_of_fires_opens_a_bounded_number_of_incidents() {
    let mut city = city(Path::new("unused"));
    city.dispatch.join_distance = 0.01;
    let mut street = Street::new(city);
    let mut opened = 0;
    for round in 0..6_u8 {
        // Sixteen places at once, others in every round.
        let places: Vec<_> = (0..16_u8)
            .map(|i| {
                (0.06 + f32::from(i % 4) * 0.24 + f32::from(round) * 0.03, 0.06 + f32::from(i / 4) * 0.24)
            })
            .collect();
        let specks = |n| {
            places.iter().fold(look("gate-1", n), |frame, (x, y)| {
                let speck = BoundingBox::clipped(x - 0.01, y - 0.01, x + 0.01, y + 0.01).unwrap();
                with_box(frame, "fire", 0.95, speck)
            })
        };
        let first = u64::from(round) * 30;
        opened += street.opened((first..first + 3).map(specks)).len();
        street.see((first + 3..first + 30).map(|n| look("gate-1", n)));
    }
    assert_eq!(opened, MAX_OPEN_INCIDENTS);
}

#[test]
fn a_kind_with_an_odd_name_still_has_an_id_that_is_safe() {
    let mut city = city(Path::new("unused"));
    let odd = EventKind::new("../烟 火/+#");
    let mut row = city.kinds.values().next().unwrap().clone();
    row.kind = odd.clone();
    city.kinds.insert(odd.clone(), row);
    city.cameras.values_mut().for_each(|camera| {
        camera.kinds.insert(odd.clone());
    });
    let seen = |n| with_box(look("gate-1", n), odd.as_str(), 0.95, around(0.5, 0.5));
    let incident = Street::new(city).opened((0..3).map(seen)).remove(0);
    assert!(incident.id.as_str().starts_with("event-20250601-"), "{}", incident.id);
}
