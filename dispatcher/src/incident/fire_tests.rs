//! An alarm in two steps: given on what one model sees, confirmed or withdrawn on what is heard afterwards.

use super::test_street::Street;
use super::{IncidentChange, Standing};
use crate::evidence::Evidence;
use crate::testing::city::{START, around, burning, city, dark, fire, look, opinion, with_box};
use citybrain_ingest_config::City;
use citybrain_types::{FrameDetections, Timestamp};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const WITHIN: Duration = Duration::from_secs(30);

fn two_steps() -> City {
    let mut city = city(Path::new("unused"));
    city.kinds.get_mut(&fire()).unwrap().incident.confirm_within = Some(WITHIN);
    city
}

/// A look and the opinion it asked for, in the order of the log; a score of nothing is a no.
fn asked(asking: FrameDetections, score: Option<f32>) -> [FrameDetections; 2] {
    let answer = opinion(&asking, 0.5, 0.5);
    [score.map_or(answer.clone(), |score| with_box(answer, "fire", score, around(0.52, 0.5))), asking]
}

fn names(changes: &[IncidentChange]) -> Vec<(&'static str, u64)> {
    let named = |change: &IncidentChange| {
        let (name, at) = match change {
            IncidentChange::Opened { captured_at, .. } => ("opened", *captured_at),
            IncidentChange::Confirmed { captured_at, .. } => ("confirmed", *captured_at),
            IncidentChange::Withdrawn { captured_at, .. } => ("withdrawn", *captured_at),
            IncidentChange::Held { .. } => ("held", START),
            _ => return None,
        };
        Some((name, at.since(START).as_secs()))
    };
    changes.iter().filter_map(named).collect()
}

#[test]
fn the_alarm_is_given_on_the_first_model_alone_and_confirmed_by_the_second() {
    // The second sees nothing yet when the alarm is given, and the flames three looks later.
    let said = |n: u64| if n < 4 { None } else { Some(0.95) };
    let frames = (0..12).flat_map(|n| asked(burning("gate-1", n), said(n)));
    let changes = Street::new(two_steps()).see(frames);
    let said = names(&changes);
    assert_eq!(said[0], ("opened", 2), "the second opinion does not delay it: {said:?}");
    assert!(matches!(said[..], [_, ("confirmed", 8..=20)]), "{said:?}");
}

#[test]
fn without_a_second_model_further_looks_of_the_first_confirm_it() {
    let changes = Street::new(two_steps()).see((0..10).map(|n| burning("gate-1", n)));
    assert!(matches!(names(&changes)[..], [("opened", 2), ("confirmed", 4..=10)]), "{:?}", names(&changes));
}

#[test]
fn what_the_second_denies_is_withdrawn_within_the_time_and_opens_nothing_after_that() {
    let mut street = Street::new(two_steps());
    let changes = street.see((0..20).flat_map(|n| asked(burning("gate-1", n), None)));
    assert!(matches!(names(&changes)[..2], [("opened", 2), ("withdrawn", 10..=28)]), "{:?}", names(&changes));
    let Some(IncidentChange::Withdrawn { incident, .. }) =
        changes.iter().find(|change| matches!(change, IncidentChange::Withdrawn { .. }))
    else {
        panic!("{changes:?}")
    };
    assert!(matches!(incident.standing, Standing::Rejected { .. }));
    let later = street.see((20..2_000).flat_map(|n| asked(burning("gate-1", n), None)));
    assert!(names(&later).iter().all(|(name, _)| *name == "held"), "{:?}", names(&later));
}

#[test]
fn what_goes_out_after_the_alarm_is_withdrawn() {
    let frames = (0..3).map(|n| burning("gate-1", n)).chain((3..20).map(|n| look("gate-1", n)));
    let changes = Street::new(two_steps()).see(frames);
    assert!(matches!(names(&changes)[..], [("opened", 2), ("withdrawn", 10..=28)]), "{:?}", names(&changes));
}

#[test]
fn what_was_withdrawn_without_a_second_voice_is_an_alarm_when_it_comes_again() {
    let burns = |n: u64| !(3..60).contains(&n);
    let frames = (0..80).map(|n| if burns(n) { burning("gate-1", n) } else { look("gate-1", n) });
    let changes = Street::new(two_steps()).see(frames);
    let said: Vec<_> = names(&changes).iter().map(|(name, _)| *name).collect();
    assert_eq!(said, ["opened", "withdrawn", "opened", "confirmed"]);
}

#[test]
fn an_alarm_whose_camera_goes_dark_stands_and_is_decided_in_time_by_the_looks_of_others() {
    let frames = (0..2).map(|n| burning("gate-1", n)).chain((2..20).map(|n| look("gate-2", n)));
    let changes = Street::new(two_steps()).see(frames);
    assert!(matches!(names(&changes)[..], [("opened", 2), ("confirmed", 24..=26)]), "{:?}", names(&changes));
    let dark = (0..2).map(|n| burning("gate-1", n)).chain((2..20).map(|n| dark("gate-1", n)));
    let changes = Street::new(two_steps()).see(dark);
    assert!(matches!(names(&changes)[..], [("opened", 2), ("confirmed", 24)]), "{:?}", names(&changes));
}

#[test]
fn a_second_camera_confirms_it_and_one_on_the_same_mast_does_not() {
    for (masts, confirmed) in
        [([None, None], true), ([Some("m"), Some("m")], false), ([Some("m"), Some("n")], true)]
    {
        let mut city = two_steps();
        city.kinds.get_mut(&fire()).unwrap().incident.join_within_m = 80.0;
        for (camera, mast) in city.cameras.values_mut().zip(masts) {
            camera.view.mast = mast.map(str::to_owned);
        }
        // Doubtful enough that the first alone has not decided it before the other camera comes.
        let doubtful = |camera: &str, n| with_box(look(camera, n), "fire", 0.86, around(0.5, 0.5));
        let frames = (0..4).flat_map(|n| [doubtful("gate-1", n), doubtful("gate-2", n)]);
        let changes = Street::new(city).see(frames);
        let opened = names(&changes).iter().filter(|(name, _)| *name == "opened").count();
        assert_eq!(opened, 1, "{changes:?}");
        let witnessed = names(&changes).contains(&("confirmed", 2));
        assert_eq!(witnessed, confirmed, "{masts:?} {:?}", names(&changes));
    }
}

#[test]
fn a_fire_that_breaks_out_where_a_false_alarm_stands_is_an_alarm_again() {
    let mut street = Street::new(two_steps());
    street.see((0..20).flat_map(|n| asked(burning("gate-1", n), None)));
    // Another size: another thing.
    let larger = |n| {
        let place = citybrain_types::BoundingBox::new(0.3, 0.3, 0.7, 0.7).unwrap();
        with_box(look("gate-1", n), "fire", 0.95, place)
    };
    let changes = street.see((20..24).map(larger));
    assert!(names(&changes).iter().any(|(name, _)| *name == "opened"), "{:?}", names(&changes));
    // The same size, and the second model sees flames now.
    let mut street = Street::new(two_steps());
    street.see((0..20).flat_map(|n| asked(burning("gate-1", n), None)));
    let changes = street.see((20..40).flat_map(|n| asked(burning("gate-1", n), Some(0.95))));
    let said: Vec<_> = names(&changes).iter().map(|(name, _)| *name).collect();
    assert!(said.contains(&"opened") && said.contains(&"confirmed"), "{said:?}");
}

#[test]
fn the_camera_is_looked_at_more_often_until_it_is_decided() {
    let mut evidence = Evidence::new(Arc::new(two_steps()), []);
    let suspects: Vec<usize> =
        (0..30).map(|n| evidence.judge(&burning("gate-1", n)).suspects.len()).collect();
    assert!(suspects[..15].iter().all(|count| *count == 1) && suspects[20..].iter().all(|count| *count == 0));
}

#[test]
fn an_alarm_is_never_left_undecided_beyond_its_time() {
    // Whatever is said, by whomever: decided within thirty seconds of the first sight.
    for seed in 0..500_u64 {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut next = move |below: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % below
        };
        let frames: Vec<_> = (0..40)
            .flat_map(|n| {
                let frame = if n < 2 || next(3) > 0 { burning("gate-1", n) } else { look("gate-1", n) };
                let score = [None, Some(0.3), Some(0.7), Some(0.97)][usize::try_from(next(4)).unwrap()];
                if next(2) == 0 { asked(frame, score).to_vec() } else { vec![frame] }
            })
            .collect();
        let changes = Street::new(two_steps()).see(frames);
        let mut open: Option<Timestamp> = None;
        for change in &changes {
            match change {
                IncidentChange::Opened { incident, .. } => open = Some(incident.first_seen_at),
                IncidentChange::Confirmed { incident, at, .. }
                | IncidentChange::Withdrawn { incident, at, .. } => {
                    assert_eq!(open.take(), Some(incident.first_seen_at), "seed {seed}");
                    assert!(at.since(incident.first_seen_at) <= WITHIN, "seed {seed}: {incident:?}");
                }
                _ => {}
            }
        }
        assert!(open.is_none_or(|at| at > START.plus(Duration::from_secs(50))), "seed {seed}: {changes:?}");
    }
}
