//! The case store on a real file: what is committed together stays together.

use super::database::{city, open_store, raw};
use crate::support::city::{START, burning, camera_id, send_to, webhook};
use citybrain_dispatcher::case::file;
use citybrain_dispatcher::envelope::EventType;
use citybrain_dispatcher::evidence::Evidence;
use citybrain_dispatcher::incident::{IncidentChange, Incidents};
use citybrain_dispatcher::outbox;
use citybrain_dispatcher::store::{
    Attempt, CaseFilter, CaseWrite, Commit, Cursor, DeliveryFilter, OutboxRow, PageRequest, Replay, Store,
    StoreError, Watermark,
};
use citybrain_ingest_config::City;
use citybrain_types::{CaseState, DestinationId, Timestamp};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

fn city_with_a_desk(folder: &Path) -> City {
    let mut city = city(folder);
    send_to(
        &mut city,
        "desk",
        webhook("http://127.0.0.1:9/hook"),
        Duration::from_secs(1),
        &[Duration::from_secs(1)],
    );
    city
}

/// What a fire at a camera leads to.
fn fire_at(camera: &str, city: &City) -> (Commit, Vec<OutboxRow>) {
    let mut evidence = Evidence::new(Arc::new(city.clone()), []);
    let mut incidents = Incidents::new(city, []);
    let changes =
        (0..2).flat_map(|n| incidents.take(&evidence.judge(&burning(camera, n)).look)).collect::<Vec<_>>();
    let [IncidentChange::Opened { incident, cause, captured_at }] = changes.as_slice() else {
        panic!("{changes:?}")
    };
    let filed = file::open(city, incident, cause).unwrap();
    let deliveries = outbox::deliveries(city, EventType::CaseOpened, &filed.case, *captured_at, START);
    let watermark = Watermark { camera: camera_id(camera), sequence: 1_001, captured_at: *captured_at };
    let commit = Commit {
        cases: vec![CaseWrite::Change {
            case: filed.case,
            changes: filed.changes,
            deliveries: deliveries.clone(),
        }],
        open_incidents: vec![incident.clone()],
        over_incidents: vec![],
        watermarks: vec![watermark],
        answer: None,
    };
    (commit, deliveries)
}

async fn everything(store: &Store) -> (usize, usize, usize, usize) {
    let page = PageRequest::new(Some(500), None);
    (
        store.cases(&CaseFilter::default(), &page).await.unwrap().cases.len(),
        store.deliveries(&DeliveryFilter::default(), &page).await.unwrap().deliveries.len(),
        store.open_incidents().await.unwrap().len(),
        store.watermarks().await.unwrap().len(),
    )
}

#[tokio::test]
async fn a_case_comes_back_as_it_was_committed() {
    let folder = tempfile::tempdir().unwrap();
    let city = city_with_a_desk(folder.path());
    let (commit, deliveries) = fire_at("gate-1", &city);
    let store = open_store(folder.path()).await.unwrap();
    store.commit(&commit).await.unwrap();
    store.close().await;

    let store = open_store(folder.path()).await.unwrap();
    let CaseWrite::Change { case, changes, .. } = &commit.cases[0] else { unreachable!() };
    assert_eq!(store.case(&case.id).await.unwrap().as_ref(), Some(case));
    assert_eq!(&store.trail(&case.id).await.unwrap(), changes);
    assert_eq!(store.deliveries_of(&case.id).await.unwrap(), [deliveries[0].delivery.clone()]);
    assert_eq!(store.open_incidents().await.unwrap(), commit.open_incidents);
    assert_eq!(store.watermarks().await.unwrap(), commit.watermarks);
    assert_eq!(store.counts_by_state().await.unwrap(), [(CaseState::Dispatched, 1)].into());
}

#[tokio::test]
async fn a_case_whose_delivery_cannot_be_written_is_not_written_either() {
    let folder = tempfile::tempdir().unwrap();
    let city = city_with_a_desk(folder.path());
    let (mut commit, _) = fire_at("gate-1", &city);
    let CaseWrite::Change { deliveries, .. } = &mut commit.cases[0] else { unreachable!() };
    // The same key twice breaks the last statement of the case.
    deliveries.push(deliveries[0].clone());
    let store = open_store(folder.path()).await.unwrap();
    assert!(matches!(store.commit(&commit).await, Err(StoreError::Unavailable(_))));
    assert_eq!(everything(&store).await, (0, 0, 0, 0));
    // And the writer is fit for use afterwards.
    store.commit(&fire_at("gate-1", &city).0).await.unwrap();
    assert_eq!(everything(&store).await, (1, 1, 1, 1));
}

#[tokio::test]
async fn opening_a_case_again_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let city = city_with_a_desk(folder.path());
    let (commit, deliveries) = fire_at("gate-1", &city);
    let store = open_store(folder.path()).await.unwrap();
    store.commit(&commit).await.unwrap();
    let key = &deliveries[0].delivery.key;
    store.record(key, &Attempt::Acknowledged { at: START }).await.unwrap();
    store.commit(&commit).await.unwrap();
    assert_eq!(everything(&store).await, (1, 1, 1, 1));
    assert_eq!(store.pending().await.unwrap(), 0);
}

#[tokio::test]
async fn a_change_to_a_case_that_somebody_else_has_changed_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let city = city_with_a_desk(folder.path());
    let (commit, _) = fire_at("gate-1", &city);
    let store = open_store(folder.path()).await.unwrap();
    store.commit(&commit).await.unwrap();
    let CaseWrite::Change { case, .. } = &commit.cases[0] else { unreachable!() };
    let (closed, changes) = file::close_when_seen_again(&city, case, START).unwrap();
    let change = Commit {
        cases: vec![CaseWrite::Change { case: closed, changes, deliveries: vec![] }],
        ..Commit::default()
    };
    store.commit(&change).await.unwrap();
    assert!(matches!(store.commit(&change).await, Err(StoreError::Conflict(id)) if id == case.id));
}

#[tokio::test]
async fn a_database_of_a_newer_program_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    open_store(folder.path()).await.unwrap().close().await;
    let mut connection = raw(folder.path()).await;
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (999, 'of the future', TRUE, $1, 0)",
    )
    .bind(&[0_u8][..])
    .execute(&mut connection)
    .await
    .unwrap();
    let error = open_store(folder.path()).await.unwrap_err();
    assert!(matches!(error, StoreError::Migration { .. }), "{error}");
    let newest: i64 = sqlx::query_scalar("SELECT MAX(version) FROM _sqlx_migrations")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(newest, 999);
}

#[tokio::test]
async fn pages_hold_every_case_once_newest_first() {
    let folder = tempfile::tempdir().unwrap();
    let city = city_with_a_desk(folder.path());
    let store = open_store(folder.path()).await.unwrap();
    for camera in ["gate-1", "gate-2", "gate-3", "gate-4"] {
        store.commit(&fire_at(camera, &city).0).await.unwrap();
    }
    let (mut cursor, mut seen) = (None, Vec::new());
    loop {
        let page = store.cases(&CaseFilter::default(), &PageRequest::new(Some(3), cursor)).await.unwrap();
        seen.extend(page.cases.into_iter().map(|case| (case.opened_at, case.id)));
        let Some(next) = page.next else { break };
        cursor = Some(next.parse::<Cursor>().unwrap());
    }
    let mut sorted = seen.clone();
    sorted.sort_by(|a, b| b.cmp(a));
    sorted.dedup();
    assert_eq!((seen.len(), &seen), (4, &sorted));
    for bad in ["", "x", "1", "1.", "1.../..", "99999999999999999999.a"] {
        assert!(bad.parse::<Cursor>().is_err(), "{bad:?} was taken");
    }
}

#[tokio::test]
async fn a_delivery_that_was_acknowledged_stays_so_and_only_a_dead_one_is_replayed() {
    let folder = tempfile::tempdir().unwrap();
    let city = city_with_a_desk(folder.path());
    let store = open_store(folder.path()).await.unwrap();
    let (first, first_rows) = fire_at("gate-1", &city);
    let (second, second_rows) = fire_at("gate-2", &city);
    store.commit(&first).await.unwrap();
    store.commit(&second).await.unwrap();
    let (acknowledged, dead) = (&first_rows[0].delivery.key, &second_rows[0].delivery.key);
    store.record(acknowledged, &Attempt::Acknowledged { at: START }).await.unwrap();
    store.record(acknowledged, &Attempt::Dead { error: "a slower attempt".into() }).await.unwrap();
    assert!(matches!(store.replay(acknowledged, START).await.unwrap(), Replay::NotDead(_)));
    assert_eq!(store.replay("dlv_none", START).await.unwrap(), Replay::Unknown);

    store.record(dead, &Attempt::Dead { error: "gone".into() }).await.unwrap();
    let later = START.plus(Duration::from_secs(60));
    let Replay::Queued(delivery) = store.replay(dead, later).await.unwrap() else { panic!("not replayed") };
    assert_eq!(
        (delivery.key.as_str(), delivery.attempts, delivery.next_attempt_at),
        (dead.as_str(), 1, Some(later))
    );
    let desk = DestinationId::new("desk").unwrap();
    let due = store.due(&desk, later, later, 10).await.unwrap();
    assert_eq!((due.len(), due[0].attempts_before), (1, 1));
    assert_eq!(due[0].body, second_rows[0].body);
}

#[tokio::test]
async fn a_delivery_due_in_an_impossible_future_is_due_now() {
    let folder = tempfile::tempdir().unwrap();
    let city = city_with_a_desk(folder.path());
    let store = open_store(folder.path()).await.unwrap();
    let (commit, rows) = fire_at("gate-1", &city);
    store.commit(&commit).await.unwrap();
    let desk = DestinationId::new("desk").unwrap();
    let due_at = |next_attempt_at| Attempt::Retry { next_attempt_at, error: "500".into() };
    let horizon = START.plus(Duration::from_secs(100));
    for (due, expected) in [(50, 0), (5_000, 1)] {
        let next: Timestamp = START.plus(Duration::from_secs(due));
        store.record(&rows[0].delivery.key, &due_at(next)).await.unwrap();
        assert_eq!(store.due(&desk, START, horizon, 10).await.unwrap().len(), expected);
    }
}
