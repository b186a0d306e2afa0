//! From the bus to a case on file, through the running stages.

use super::database::city;
use crate::support::city::{START, around, burning, dark, fire, look, with_box};
use crate::support::{House, PATIENCE};
use arrow_array::{ArrayRef, Float32Array, RecordBatch, StructArray};
use citybrain_ingest_config::resolved::{Route, When};
use citybrain_types::{
    CaseState, DepartmentId, DetectionBatch, EventKind, FrameDetections, ManualClock, Priority,
};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// Long enough for anything that should not happen to happen.
const QUIET: Duration = Duration::from_millis(300);

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fire_is_one_case_and_later_sightings_join_it() {
    let folder = folder();
    let mut house = House::open(city(folder.path())).await;
    house.publish(&(0..4).map(|n| burning("gate-1", n)).collect::<Vec<_>>()).await;
    let [case] = house.wait_for_cases(1).await.try_into().unwrap();
    assert_eq!((case.kind.as_str(), case.state, case.version), ("fire", CaseState::Dispatched, 4));
    assert_eq!(case.priority, Priority::Immediate);
    assert_eq!(case.departments, [DepartmentId::new("brigade").unwrap()]);
    assert_eq!((case.first_seen_at, case.last_seen_at), (START, START.plus(Duration::from_secs(2))));
    assert_eq!(case.opened_at, START.plus(Duration::from_millis(2_040)));
    assert!(case.id.as_str().starts_with("fire-20250601-"), "{}", case.id);
    assert_eq!(Some(house.focus.recv().await.unwrap().camera), case.camera);

    // Out for a while, then flaring up a little beside, within the time in which it is the same happening.
    house.publish(&(4..20).map(|n| look("gate-1", n)).collect::<Vec<_>>()).await;
    let beside = |n| with_box(look("gate-1", n), "fire", 0.97, around(0.6, 0.55));
    house.publish(&(20..24).map(beside).collect::<Vec<_>>()).await;
    let view = wait_for_last_seen(&house, &case.id).await;
    assert_eq!((view.case.version, view.trail.len()), (4, 4));
    assert!((view.case.score - 0.97).abs() < 1e-6);
    let steps: Vec<_> = view.trail.iter().map(|line| line.to.name()).collect();
    assert_eq!(steps, ["reported", "verifying", "filed", "dispatched"]);
    assert!(view.trail.iter().all(|line| line.by == "system" && line.seen.contains("evidence_micronats")));
    assert_eq!(house.cases().await.len(), 1);
    house.close().await;
}

async fn wait_for_last_seen(house: &House, id: &citybrain_types::CaseId) -> citybrain_dispatcher::CaseView {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let view = house.services.case(id).await.unwrap().unwrap();
        if view.case.last_seen_at > START.plus(Duration::from_secs(30)) {
            return view;
        }
        assert!(tokio::time::Instant::now() < deadline, "the sighting did not join: {view:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_happening_that_was_over_is_a_new_case_when_it_comes_again() {
    let folder = folder();
    let house = House::open(city(folder.path())).await;
    house.publish(&(0..4).map(|n| burning("gate-1", n)).collect::<Vec<_>>()).await;
    house.publish(&(4..80).map(|n| look("gate-1", n)).collect::<Vec<_>>()).await;
    house.publish(&(80..84).map(|n| burning("gate-1", n)).collect::<Vec<_>>()).await;
    let cases = house.wait_for_cases(2).await;
    assert_ne!(cases[0].id, cases[1].id);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn quiet_cameras_with_scattered_weak_noise_have_no_case() {
    let folder = folder();
    let house = House::open(city(folder.path())).await;
    for n in 0..400_u64 {
        let frames = ["gate-1", "gate-2", "gate-3"].map(|name| {
            let spot = u8::try_from(n * 13 % 9).unwrap();
            let (x, y) = (f32::from(spot % 3) * 0.3 + 0.2, f32::from(spot / 3) * 0.3 + 0.2);
            with_box(look(name, n), "fire", 0.3 + f32::from(spot) * 0.04, around(x, y))
        });
        house.publish(&frames).await;
    }
    // What comes last through the same stages shows that the rest has passed.
    house.publish(&(0..4).map(|n| burning("gate-4", n)).collect::<Vec<_>>()).await;
    let cases = house.wait_for_cases(1).await;
    assert_eq!(
        cases.iter().map(|case| case.camera.clone().unwrap().to_string()).collect::<Vec<_>>(),
        ["gate-4"]
    );
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_camera_that_is_not_seen_has_a_case_that_closes_when_it_is_back() {
    let folder = folder();
    let house = House::open(city(folder.path())).await;
    house.publish(&[look("gate-2", 0)]).await;
    house.publish(&(1..40).map(|n| dark("gate-2", n)).collect::<Vec<_>>()).await;
    let [case] = house.wait_for_cases(1).await.try_into().unwrap();
    assert_eq!((case.kind.as_str(), case.state), (EventKind::CAMERA_FAULT, CaseState::Dispatched));
    assert_eq!(case.first_seen_at, START.plus(Duration::from_secs(2)));
    assert!(house.metrics().contains("citybrain_camera_faults 1"));
    // Across a restart it is the same fault.
    house.close().await;
    let house = House::open(city(folder.path())).await;
    house.publish(&[dark("gate-2", 40), dark("gate-2", 80), look("gate-2", 81), look("gate-2", 82)]).await;
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let view = loop {
        let view = house.services.case(&case.id).await.unwrap().unwrap();
        if view.case.state == CaseState::Closed {
            break view;
        }
        assert!(tokio::time::Instant::now() < deadline, "{view:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    let steps: Vec<_> = view.trail.iter().map(|line| line.to.name()).collect();
    assert_eq!(steps, ["reported", "verifying", "filed", "dispatched", "rechecking", "closed"]);
    assert_eq!(house.cases().await.len(), 1);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fire_that_burns_across_a_restart_stays_one_case() {
    let folder = folder();
    let house = House::open(city(folder.path())).await;
    house.publish(&(0..4).map(|n| burning("gate-1", n)).collect::<Vec<_>>()).await;
    house.wait_for_cases(1).await;
    house.close().await;
    let house = House::open(city(folder.path())).await;
    // Frames that were judged before are refused, the new ones join the case.
    house.publish(&(0..10).map(|n| burning("gate-1", n)).collect::<Vec<_>>()).await;
    house.publish(&(0..4).map(|n| burning("gate-3", n)).collect::<Vec<_>>()).await;
    assert_eq!(house.wait_for_cases(2).await.len(), 2);
    tokio::time::sleep(QUIET).await;
    assert_eq!(house.cases().await.len(), 2);
    assert!(house.metrics().contains("citybrain_intake_refused_total{reason=\"duplicate\"} 1"));
    assert!(house.metrics().contains("citybrain_intake_refused_total{reason=\"late\"} 3"));
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_frames_are_refused_by_reason_and_disturb_nothing_else() {
    let folder = folder();
    let clock = ManualClock::starting_at(START.plus(Duration::from_secs(100)));
    let house = House::open_with_clock(city(folder.path()), Arc::new(clock)).await;
    let crowded = (0..600).fold(look("gate-2", 0), |frame, _| with_box(frame, "fire", 0.9, around(0.5, 0.5)));
    let long = FrameDetections { looked_for: vec![EventKind::new("x".repeat(4_000))], ..look("gate-2", 1) };
    let stranger =
        FrameDetections { camera: crate::support::city::camera_id("gate-99"), ..burning("gate-1", 5) };
    let ancient =
        FrameDetections { captured_at: citybrain_types::Timestamp::from_micros(-1), ..look("gate-2", 3) };
    let frames =
        [burning("gate-1", 0), crowded, long, look("gate-2", 60), stranger, ancient, burning("gate-1", 0)];
    house.publish(&frames).await;
    house
        .bus
        .send(with_a_score_of_nan(&[look("gate-1", 1), burning("gate-1", 2), look("gate-1", 3)]))
        .await
        .unwrap();
    house.publish(&[burning("gate-1", 4), burning("gate-1", 5)]).await;
    house.wait_for_cases(1).await;
    let metrics = house.metrics();
    for (reason, count) in
        [("malformed", 2), ("oversized", 2), ("unknown_camera", 1), ("future_dated", 1), ("duplicate", 1)]
    {
        let line = format!("citybrain_intake_refused_total{{reason=\"{reason}\"}} {count}");
        assert!(metrics.contains(&line), "{line} is not in\n{metrics}");
    }
    house.close().await;
}

/// The batch with the score of its one detection replaced by what no constructor lets through.
fn with_a_score_of_nan(frames: &[FrameDetections]) -> DetectionBatch {
    use arrow_array::cast::AsArray;
    let batch = DetectionBatch::from_frames(frames).record_batch().clone();
    let index = batch.schema().index_of("detections").unwrap();
    let list = batch.column(index).as_list::<i32>().clone();
    let (field, offsets, values, nulls) = list.into_parts();
    let (fields, mut columns, struct_nulls) = values.as_struct().clone().into_parts();
    columns[2] = Arc::new(Float32Array::from(vec![f32::NAN; columns[2].len()])) as ArrayRef;
    let values = Arc::new(StructArray::new(fields, columns, struct_nulls));
    let list = arrow_array::ListArray::new(field, offsets, values, nulls);
    let mut columns = batch.columns().to_vec();
    columns[index] = Arc::new(list);
    DetectionBatch::from_record_batch(RecordBatch::try_new(batch.schema(), columns).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_case_goes_to_the_first_route_that_fits_and_follows_a_reload() {
    let folder = folder();
    let mut city = city(folder.path());
    let harbour = DepartmentId::new("harbour").unwrap();
    let mut department = city.departments.values().next().unwrap().clone();
    department.id = harbour.clone();
    city.departments.insert(harbour.clone(), department);
    let house = House::open(city.clone()).await;
    house.publish(&(0..2).map(|n| burning("gate-1", n)).collect::<Vec<_>>()).await;
    assert_eq!(house.wait_for_cases(1).await[0].departments[0].as_str(), "brigade");
    let route = Route {
        kinds: BTreeSet::from([fire()]),
        areas: BTreeSet::from(["harbour".to_owned()]),
        when: When::Always,
        departments: BTreeSet::from([harbour.clone()]),
        lead: None,
        rota: None,
    };
    city.routes.insert(0, route);
    house.dispatcher.reload(Arc::new(city));
    house.publish(&(0..2).map(|n| burning("gate-2", n)).collect::<Vec<_>>()).await;
    let cases = house.wait_for_cases(2).await;
    let second =
        cases.iter().find(|case| case.camera == Some(crate::support::city::camera_id("gate-2"))).unwrap();
    assert_eq!(second.departments, [harbour]);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_takes_and_commits_what_the_bus_still_holds() {
    let folder = folder();
    let house = House::open(city(folder.path())).await;
    for n in 0..3 {
        house.publish(&[burning("gate-1", n), burning("gate-2", n)]).await;
    }
    house.close().await;
    let house = House::open(city(folder.path())).await;
    assert_eq!(house.cases().await.len(), 2);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_ends_within_bounds_when_the_sender_of_the_bus_is_kept() {
    let folder = folder();
    let house = House::open(city(folder.path())).await;
    house.publish(&(0..3).map(|n| burning("gate-1", n)).collect::<Vec<_>>()).await;
    let kept = house.bus.clone();
    let begun = std::time::Instant::now();
    house.close().await;
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert!(kept.is_closed());
    let house = House::open(city(folder.path())).await;
    assert_eq!(house.cases().await.len(), 1);
    house.close().await;
}
