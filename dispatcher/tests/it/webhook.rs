//! Delivery to webhook receivers that fail, hang, close and vanish.

use crate::support::city::{around, burning, camera, camera_id, city, look, send_to, webhook, with_box};
use crate::support::receiver::{Misbehave, Receiver, closing_proxy};
use crate::support::{House, PATIENCE};
use citybrain_dispatcher::store::DATABASE_FILE;
use citybrain_dispatcher::{DeliveryFilter, PageRequest, Replay};
use citybrain_types::{CaseState, DeliveryState, EventKind};
use sqlx::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

const SOON: [Duration; 8] = [Duration::from_millis(50); 8];
const TIMEOUT: Duration = Duration::from_secs(10);

async fn fires(house: &House, camera: &str) {
    house.publish(&(0..2).map(|n| burning(camera, n)).collect::<Vec<_>>()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fire_is_told_twice_as_pre_alarm_and_as_case_under_one_case_id() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(&[]).await;
    let mut city = city(folder.path());
    send_to(&mut city, "desk", webhook(&receiver.url()), TIMEOUT, &SOON);
    let house = House::open(city).await;
    fires(&house, "gate-1").await;
    let case = house.wait_for_cases(1).await.remove(0);
    assert_eq!(house.wait_until_delivered().await, 2);
    let taken = receiver.taken();
    let told: BTreeSet<_> = taken
        .values()
        .map(|bodies| {
            let body = &bodies[0];
            assert_eq!(body["specversion"], "1.0");
            assert_eq!(body["source"], "citybrain/Test%20Harbour");
            assert_eq!(body["subject"], case.id.as_str());
            assert_eq!(body["data"]["case"]["id"], case.id.as_str());
            assert_eq!(body["data"]["links"]["case"], format!("http://127.0.0.1:8080/cases/{}", case.id));
            (
                body["type"].as_str().unwrap().to_owned(),
                body["data"]["case"]["state"].as_str().unwrap().to_owned(),
            )
        })
        .collect();
    let expected = [("citybrain.case.opened", "dispatched"), ("citybrain.fire.pre_alarm", "reported")];
    assert_eq!(told, expected.map(|(event, state)| (event.to_owned(), state.to_owned())).into());
    assert!(taken.iter().all(|(key, bodies)| bodies.len() == 1 && bodies[0]["id"] == key.as_str()));
    assert_eq!(receiver.bad_signatures(), 0);
    assert!(
        house.metrics().contains("citybrain_deliveries_total{destination=\"desk\",outcome=\"delivered\"} 2")
    );
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_answers_500_hangs_and_redirects_gets_it_afterwards_once_by_key() {
    let folder = tempfile::tempdir().unwrap();
    let bad = [
        Misbehave::Answer(500),
        Misbehave::Hang,
        Misbehave::Answer(404),
        Misbehave::Answer(302),
        Misbehave::Answer(503),
    ];
    let receiver = Receiver::start(&bad).await;
    let mut city = city(folder.path());
    send_to(&mut city, "desk", webhook(&receiver.url()), Duration::from_secs(1), &SOON);
    let house = House::open(city).await;
    fires(&house, "gate-1").await;
    house.wait_for_cases(1).await;
    assert_eq!(house.wait_until_delivered().await, 2);
    let taken = receiver.taken();
    assert_eq!(taken.len(), 2);
    assert!(taken.values().all(|bodies| bodies.len() == 1));
    assert_eq!(receiver.refused().len(), bad.len());
    assert!(
        receiver.refused().iter().all(|key| taken.contains_key(key)),
        "a key has changed between attempts"
    );
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_closes_the_connection_gets_it_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(&[]).await;
    let proxy = closing_proxy(receiver.address, 3).await;
    let mut city = city(folder.path());
    send_to(&mut city, "desk", webhook(&format!("http://{proxy}/hook")), TIMEOUT, &SOON);
    let house = House::open(city).await;
    fires(&house, "gate-1").await;
    house.wait_for_cases(1).await;
    assert_eq!(house.wait_until_delivered().await, 2);
    let deliveries =
        house.services.deliveries(&DeliveryFilter::default(), &PageRequest::default()).await.unwrap();
    assert_eq!(deliveries.deliveries.iter().map(|d| d.attempts).sum::<u32>(), 5);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_destination_delays_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let slow = Receiver::start(&[Misbehave::Hang; 100]).await;
    let quick = Receiver::start(&[]).await;
    let mut city = city(folder.path());
    city.dispatch.concurrent_deliveries = 2;
    send_to(&mut city, "a-slow", webhook(&slow.url()), Duration::from_secs(30), &SOON);
    send_to(&mut city, "quick", webhook(&quick.url()), TIMEOUT, &SOON);
    let house = House::open(city).await;
    let begun = Instant::now();
    for camera in ["gate-1", "gate-2", "gate-3", "gate-4"] {
        fires(&house, camera).await;
    }
    while quick.taken().len() < 8 {
        assert!(begun.elapsed() < PATIENCE, "{} of 8 arrived", quick.taken().len());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(slow.taken().is_empty());
    let begun = Instant::now();
    house.close().await;
    assert!(
        begun.elapsed() < Duration::from_secs(9),
        "shutdown waited {:?} for a hanging receiver",
        begun.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_is_given_up_can_be_replayed_under_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let receiver =
        Receiver::start(&[Misbehave::Answer(500), Misbehave::Answer(500), Misbehave::Answer(410)]).await;
    let mut city = city(folder.path());
    send_to(&mut city, "desk", webhook(&receiver.url()), TIMEOUT, &[Duration::from_millis(20)]);
    let house = House::open(city).await;
    let littered = |n| with_box(look("gate-1", n), "littering", 0.95, around(0.5, 0.5));
    house.publish(&[littered(0), littered(1)]).await;
    let key = wait_for_a_dead_one(&house).await;
    let Replay::Queued(_) = house.services.replay(&key).await.unwrap() else { panic!("not replayed") };
    // The receiver says that it is gone for good: dead again after a single attempt.
    let deadline = Instant::now() + PATIENCE;
    while receiver.refused().len() < 3 {
        assert!(Instant::now() < deadline, "the replay was not sent");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(wait_for_a_dead_one(&house).await, key);
    house.services.replay(&key).await.unwrap();
    assert_eq!(house.wait_until_delivered().await, 1);
    assert_eq!(receiver.taken()[&key].len(), 1);
    house.close().await;
}

async fn wait_for_a_dead_one(house: &House) -> String {
    let deadline = Instant::now() + PATIENCE;
    let filter = DeliveryFilter { state: Some(DeliveryState::Dead), destination: None };
    loop {
        let dead = house.services.deliveries(&filter, &PageRequest::default()).await.unwrap().deliveries;
        if let Some(delivery) = dead.first() {
            return delivery.key.clone();
        }
        assert!(Instant::now() < deadline, "nothing was given up");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_that_cannot_work_does_not_stop_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(&[]).await;
    let mut city = city(folder.path());
    send_to(&mut city, "desk", webhook(&receiver.url()), TIMEOUT, &SOON);
    let broken = citybrain_ingest_config::resolved::Channel::Webhook {
        url: receiver.url().parse().unwrap(),
        secret: citybrain_ingest_config::resolved::Secret("whsec_%%%".to_owned()),
        old_secret: None,
        format: citybrain_ingest_config::resolved::BodyFormat::CloudEvents,
    };
    send_to(&mut city, "broken", broken, TIMEOUT, &[]);
    let house = House::open(city).await;
    fires(&house, "gate-1").await;
    wait_for_a_dead_one(&house).await;
    let deadline = Instant::now() + PATIENCE;
    while receiver.taken().len() < 2 {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_camera_fault_is_told_as_an_update() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(&[]).await;
    let mut city = city(folder.path());
    send_to(&mut city, "desk", webhook(&receiver.url()), TIMEOUT, &SOON);
    let house = House::open(city).await;
    house.publish(&[crate::support::city::dark("gate-1", 0), crate::support::city::dark("gate-1", 50)]).await;
    house.wait_for_cases(1).await;
    house.wait_until_delivered().await;
    house.publish(&[look("gate-1", 51)]).await;
    let deadline = Instant::now() + PATIENCE;
    while receiver.taken().len() < 2 {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let updates: Vec<_> =
        receiver.taken().into_values().flatten().filter(|b| b["type"] == "citybrain.case.updated").collect();
    assert_eq!(updates.len(), 1);
    assert_eq!(updates[0]["data"]["case"]["state"], CaseState::Closed.name());
    assert_eq!(updates[0]["data"]["case"]["kind"], EventKind::CAMERA_FAULT);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_that_moves_is_followed_by_a_reload() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(&[]).await;
    let mut city = city(folder.path());
    // Nobody listens on the discard port.
    send_to(
        &mut city,
        "desk",
        webhook("http://127.0.0.1:9/hook"),
        TIMEOUT,
        &[Duration::from_millis(100); 100],
    );
    let house = House::open(city.clone()).await;
    fires(&house, "gate-1").await;
    house.wait_for_cases(1).await;
    send_to(&mut city, "desk", webhook(&receiver.url()), TIMEOUT, &SOON);
    house.dispatcher.reload(std::sync::Arc::new(city));
    assert_eq!(house.wait_until_delivered().await, 2);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn from_bus_to_desk_takes_less_than_a_fifth_of_a_second() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(&[]).await;
    let mut city = city(folder.path());
    let names: Vec<String> = (0..40).map(|n| format!("quick-{n}")).collect();
    for (n, name) in names.iter().enumerate() {
        let mut camera = camera(name);
        camera.position = Some([116.0 + 0.05 * n as f64, 39.9]);
        city.cameras.insert(camera_id(name), camera);
    }
    city.dispatch.alerts.storm_cases = 1_000;
    send_to(&mut city, "desk", webhook(&receiver.url()), TIMEOUT, &SOON);
    let house = House::open(city).await;
    let mut best = PATIENCE;
    for (name, at) in names.iter().zip(1..) {
        let littered = |n| with_box(look(name, n), "littering", 0.95, around(0.5, 0.5));
        let begun = Instant::now();
        house.publish(&[littered(0), littered(1)]).await;
        while receiver.taken().len() < at {
            assert!(begun.elapsed() < PATIENCE);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        best = best.min(begun.elapsed());
        if best < Duration::from_millis(200) {
            break;
        }
    }
    // The best of many, since other work on the machine must not fail this.
    assert!(best < Duration::from_millis(200), "{best:?}");
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pre_alarm_does_not_wait_for_a_disk_that_is_busy_and_the_case_follows() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(&[]).await;
    let mut city = city(folder.path());
    send_to(&mut city, "desk", webhook(&receiver.url()), TIMEOUT, &SOON);
    let house = House::open(city).await;
    let file = SqliteConnectOptions::new().filename(folder.path().join(DATABASE_FILE));
    let mut other = SqliteConnection::connect_with(&file).await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();

    fires(&house, "gate-1").await;
    let deadline = Instant::now() + PATIENCE;
    while receiver.taken().is_empty() {
        assert!(Instant::now() < deadline, "the pre-alarm waits for the disk");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(house.cases().await.is_empty());
    // Longer than the store waits for its file: the commit has to be tried again.
    while !house.metrics().contains("citybrain_store_failures_total{reason=\"unavailable\"}") {
        assert!(Instant::now() < deadline, "{}", house.metrics());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    sqlx::query("COMMIT").execute(&mut other).await.unwrap();
    let case = house.wait_for_cases(1).await.remove(0);
    assert_eq!(house.wait_until_delivered().await, 2);
    let taken = receiver.taken();
    assert_eq!(
        taken.values().map(Vec::len).collect::<Vec<_>>(),
        [1, 1],
        "each once, though the commit failed once"
    );
    assert!(taken.values().flatten().all(|body| body["subject"] == case.id.as_str()));
    house.close().await;
}
