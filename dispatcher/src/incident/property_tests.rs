//! What holds of fusion wherever cameras stand and whatever they see.

use super::{Incident, IncidentChange, Incidents, Plane};
use crate::evidence::Evidence;
use crate::testing::city::{around, camera_id, city, fire, look, with_box};
use citybrain_ingest_config::City;
use citybrain_types::{FrameDetections, IncidentId};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

const CAMERAS: [&str; 4] = ["gate-1", "gate-2", "gate-3", "gate-4"];
const WITHIN_M: f64 = 50.0;
/// Degrees of longitude in a metre at the latitude of the tests.
const METRE: f64 = 1.0 / (111_195.0 * 0.855_364);

fn street(along_m: [f64; 4], from: f64) -> City {
    let mut city = city(Path::new("unused"));
    city.kinds.get_mut(&fire()).unwrap().incident.join_within_m = WITHIN_M;
    for (camera, along) in CAMERAS.iter().zip(along_m) {
        city.cameras.get_mut(&camera_id(camera)).unwrap().position = Some([from + along * METRE, 31.2]);
    }
    city
}

/// Every incident as it stood last.
fn play(city: &City, frames: &[FrameDetections]) -> BTreeMap<IncidentId, Incident> {
    let mut evidence = Evidence::new(Arc::new(city.clone()), []);
    let mut incidents = Incidents::new(city, []);
    let mut last = BTreeMap::new();
    for frame in frames {
        for change in incidents.take(&evidence.judge(frame).look) {
            if let IncidentChange::Opened { incident, .. } | IncidentChange::Seen(incident) = change {
                last.insert(incident.id.clone(), incident);
            }
        }
    }
    last
}

/// For each look: which cameras see a fire, and at which of two places of their picture.
fn frames(seen: &[[Option<bool>; 4]]) -> Vec<FrameDetections> {
    let looks = seen.iter().zip(0..);
    let of_look = |(seen, n): (&[Option<bool>; 4], u64)| {
        let frames = CAMERAS.iter().zip(*seen).map(move |(camera, place)| match place {
            Some(left) => with_box(look(camera, n), "fire", 0.95, around(if left { 0.1 } else { 0.9 }, 0.5)),
            None => look(camera, n),
        });
        frames.collect::<Vec<_>>()
    };
    looks.flat_map(of_look).collect()
}

fn looks() -> impl Strategy<Value = Vec<[Option<bool>; 4]>> {
    proptest::collection::vec(
        proptest::array::uniform4(proptest::option::weighted(0.7, any::<bool>())),
        4..40,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_chain_of_cameras_makes_an_incident_longer_than_its_cap(
        along in proptest::array::uniform4(0.0_f64..300.0),
        seen in looks(),
    ) {
        let city = street(along, 121.5);
        let plane = Plane::of(&city).unwrap();
        let at = |camera| plane.put(city.cameras[camera].position.unwrap());
        for incident in play(&city, &frames(&seen)).values() {
            for camera in incident.members.keys() {
                let away = at(camera).metres_to(at(&incident.camera));
                prop_assert!(away <= 2.0 * WITHIN_M, "{away} m: {incident:?}");
            }
        }
    }

    #[test]
    fn places_that_one_camera_sees_apart_are_never_one_incident(
        along in proptest::array::uniform4(0.0_f64..100.0),
        seen in looks(),
    ) {
        for incident in play(&street(along, 121.5), &frames(&seen)).values() {
            for member in incident.members.values() {
                let moved = (member.place.center().0 - member.last_place.center().0).abs();
                prop_assert!(moved < 0.5, "{incident:?}");
            }
        }
    }

    #[test]
    fn a_street_elsewhere_on_earth_has_the_same_incidents(
        along in proptest::array::uniform4(0.0_f64..200.0),
        seen in looks(),
        from in -170.0_f64..170.0,
    ) {
        let partition = |from: f64| -> Vec<Vec<String>> {
            let all = play(&street(along.map(f64::round), from), &frames(&seen));
            all.values().map(|i| i.members.keys().map(ToString::to_string).collect()).collect()
        };
        // Two cameras at exactly the distance may fall to either side of it by a rounding.
        let near = along.iter().flat_map(|a| along.iter().map(move |b| (a.round() - b.round()).abs()));
        prop_assume!(near.into_iter().all(|d| (d - WITHIN_M).abs() > 0.5 && (d - 2.0 * WITHIN_M).abs() > 0.5));
        prop_assert_eq!(partition(121.5), partition(from));
    }
}
