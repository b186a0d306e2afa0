//! A cloudburst, budgets and silences.

use super::test_street::Street;
use super::{Held, IncidentChange};
use crate::permit::{Register, parse};
use crate::testing::city::{START, around, camera_id, city, look, with_box};
use citybrain_ingest_config::City;
use citybrain_ingest_config::resolved::Silence;
use citybrain_types::{EventKind, FrameDetections};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

fn opened(changes: &[IncidentChange], kind: &str) -> Vec<super::Incident> {
    let opened = changes.iter().filter_map(|change| match change {
        IncidentChange::Opened { incident, .. } => Some(incident.clone()),
        _ => None,
    });
    opened.filter(|incident| incident.kind.as_str() == kind).collect()
}

fn held(changes: &[IncidentChange]) -> Vec<Held> {
    let held = changes.iter().filter_map(|change| match change {
        IncidentChange::Held { reason, .. } => Some(*reason),
        _ => None,
    });
    held.collect()
}

fn litter(camera: &str, n: u64) -> FrameDetections {
    with_box(look(camera, n), "littering", 0.95, around(0.5, 0.5))
}

/// Four hundred cameras of one area, and one with a fire.
fn many() -> City {
    let mut city = city(Path::new("unused"));
    let pattern = city.cameras.values().next().unwrap().clone();
    for n in 0..400 {
        let id = camera_id(&format!("c{n:03}"));
        let position = Some([121.0 + f64::from(n) * 0.01, 31.2]);
        let camera =
            citybrain_ingest_config::resolved::Camera { id: id.clone(), position, ..pattern.clone() };
        city.cameras.insert(id, camera);
    }
    city
}

#[test]
fn a_cloudburst_over_four_hundred_cameras_is_a_few_cases_and_one_of_the_area_and_the_fire_in_it_is_seen() {
    let mut street = Street::new(many());
    let mut changes = Vec::new();
    for n in 0..30_u64 {
        changes.extend(street.see((0..400).map(|c| litter(&format!("c{c:03}"), n))));
        let fire = with_box(look("gate-1", n), "fire", 0.95, around(0.5, 0.5));
        changes.extend(street.see([fire]));
    }
    let cases = opened(&changes, "littering");
    assert_eq!(cases.len(), 21, "twenty, and the one that stands for all others");
    let storms: Vec<_> = cases.iter().filter(|case| case.storm_of.is_some()).collect();
    assert!(matches!(storms[..], [storm] if storm.storm_of.as_deref() == Some("harbour")));
    let listed = changes.iter().rev().find_map(|change| match change {
        IncidentChange::Seen(incident) if incident.id == storms[0].id => Some(incident.members.len()),
        _ => None,
    });
    assert_eq!(listed, Some(380), "every camera is listed");
    let fires = opened(&changes, "fire");
    assert_eq!(fires.len(), 1);
    assert_eq!(fires[0].first_seen_at, START, "nothing stood in its way");
    assert_eq!(held(&changes).iter().filter(|reason| **reason == Held::Storm).count(), 379);
    // Two hours later it is over; what comes then is a case of its own again.
    changes = street.see((3_600..3_670).flat_map(|n| (0..400).map(move |c| look(&format!("c{c:03}"), n))));
    assert!(changes.iter().any(
        |change| matches!(change, IncidentChange::Over { incident, .. } if incident.storm_of.is_some())
    ));
    let again = street.see((3_670..3_673).map(|n| litter("c399", n)));
    assert!(matches!(&opened(&again, "littering")[..], [case] if case.storm_of.is_none()));
}

#[test]
fn a_camera_opens_no_more_cases_in_a_day_than_its_budget_and_fires_are_not_counted() {
    let mut city = city(Path::new("unused"));
    city.dispatch.alerts.cases_per_camera_and_day = 3;
    city.dispatch.join_distance = 0.05;
    city.kinds.get_mut(&EventKind::new("littering")).unwrap().incident.recurs_within = Duration::ZERO;
    let mut street = Street::new(city);
    let mut changes = Vec::new();
    for place in 0..6_u64 {
        let x = 0.1 + 0.15 * f32::from(u8::try_from(place).unwrap());
        let both = |n| {
            with_box(
                with_box(look("gate-1", n), "littering", 0.95, around(x, 0.8)),
                "fire",
                0.95,
                around(x, 0.2),
            )
        };
        changes.extend(street.see((place * 10..place * 10 + 3).map(both)));
    }
    assert_eq!((opened(&changes, "littering").len(), opened(&changes, "fire").len()), (3, 6));
    assert_eq!(held(&changes), [Held::OverBudget; 3]);
    let tomorrow = street.see((43_300..43_303).map(|n| litter("gate-1", n)));
    assert_eq!(opened(&tomorrow, "littering").len(), 1);
}

#[test]
fn a_silence_holds_what_it_names_until_its_end_and_what_is_still_there_opens_then() {
    let mut city = city(Path::new("unused"));
    city.silences.push(Silence {
        author: "li".into(),
        reason: "market day".into(),
        from: START,
        until: START.plus(Duration::from_secs(60)),
        kinds: BTreeSet::from([EventKind::new("littering")]),
        cameras: BTreeSet::new(),
        areas: BTreeSet::from(["harbour".to_owned()]),
    });
    let mut street = Street::new(city);
    let changes = street.see((0..29).map(|n| litter("gate-1", n)));
    assert_eq!((opened(&changes, "littering").len(), held(&changes)), (0, vec![Held::Silenced]));
    let changes = street.see((29..40).map(|n| litter("gate-1", n)));
    assert_eq!(opened(&changes, "littering").len(), 1);
}

#[test]
fn evidence_inside_a_valid_permit_opens_nothing_and_outside_the_case_cites_what_was_missing() {
    let mut city = city(Path::new("unused"));
    city.kinds.get_mut(&EventKind::new("littering")).unwrap().incident.needs_permit = true;
    city.cameras.get_mut(&camera_id("gate-2")).unwrap().position = Some([121.6, 31.2]);
    let text = "id,holder,from,to,longitude,latitude,radius_m\nP-7,Harbour Works,2025-05-01,2025-06-30,121.5,31.2,80\n";
    let (permits, faults) = parse(text, &city.site.time_zone).unwrap();
    assert!(faults.is_empty());
    let register = Register { names: vec!["sites.csv".into()], unread: vec![], permits };
    let mut street = Street::new(city);
    street.incidents.use_register(Arc::new(register));
    let changes = street.see((0..6).flat_map(|n| [litter("gate-1", n), litter("gate-2", n)]));
    let cases = opened(&changes, "littering");
    assert!(matches!(&cases[..], [case] if case.camera.as_str() == "gate-2"), "{cases:?}");
    let cited = cases[0].permit.as_ref().unwrap().words();
    assert!(cited.contains("no entry of sites.csv (1 in all)"), "{cited}");
    assert_eq!(held(&changes), [Held::Permitted]);
    // A month later the permit has run out, and the machine is still there.
    let july = 30 * 43_200;
    let changes = street.see((july..july + 6).map(|n| litter("gate-1", n)));
    let cases = opened(&changes, "littering");
    assert!(cases[0].permit.as_ref().unwrap().words().contains("permit P-7 of Harbour Works"), "{cases:?}");
}
