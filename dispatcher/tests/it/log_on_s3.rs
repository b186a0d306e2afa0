//! The detection log in a store that speaks S3: a real server, which dies and comes back, refuses keys and knows no bucket.

use crate::support::city::{around, burning, camera_id, city, look, with_box};
use crate::support::s3::{BUCKET, S3, SECRET_KEY};
use crate::support::{House, PATIENCE};
use citybrain_dispatcher::log::{self, LOG_FOLDER, LogStore};
use citybrain_dispatcher::replay::Replay;
use citybrain_dispatcher::tune::{Asked, Truth, WhatIf};
use citybrain_ingest_config::City;
use citybrain_ingest_config::resolved::Secret;
use citybrain_types::FrameDetections;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A city on this machine whose log goes to the server.
fn logging(folder: &Path, server: &S3) -> City {
    let mut city = city(folder);
    city.dispatch.log_budget_bytes = 1 << 30;
    city.cameras.get_mut(&camera_id("gate-2")).unwrap().area = Some("东港/1".to_owned());
    city.log.url = Some(format!("s3://{BUCKET}/harbour/log").parse().unwrap());
    city.log.s3 = server.environment().map(|(name, value)| (name, Secret(value))).into();
    city
}

/// Two fires and rubbish.
fn story() -> Vec<FrameDetections> {
    let one = |n: u64| {
        let score = 0.05 + (n as f32 * 0.618).fract() * 0.9;
        let rubbish = with_box(look("gate-3", n), "littering", score, around(0.3, 0.7));
        let first = if n < 90 { burning("gate-1", n) } else { look("gate-1", n) };
        let second = if n > 120 { burning("gate-2", n) } else { look("gate-2", n) };
        [first, second, rubbish]
    };
    (0..200).flat_map(one).collect()
}

async fn live(city: City, frames: &[FrameDetections]) {
    let house = House::open(city).await;
    for batch in frames.chunks(16) {
        house.publish(batch).await;
    }
    house.close().await;
}

/// Waits for something with the city running, which is then closed.
async fn until(what: &str, house: House, done: impl Fn(&House) -> bool) {
    let started = Instant::now();
    while !done(&house) {
        assert!(started.elapsed() < PATIENCE * 3, "{what}:\n{}", house.metrics());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    house.close().await;
}

fn segments(folder: &Path) -> usize {
    let files = std::fs::read_dir(folder.join(LOG_FOLDER)).unwrap().map(|file| file.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|end| end == log::EXTENSION)).count()
}

fn replayed(city: &City) -> String {
    let mut replay = Replay::new(Arc::new(city.clone()), Arc::default());
    let torn = |path: &Path| panic!("{} is torn", path.display());
    log::read(&city.site.data_dir.join(LOG_FOLDER), |batch| replay.take(&batch), torn).unwrap();
    replay.cases().map(|case| serde_json::to_string(case).unwrap() + "\n").collect()
}

/// What the whole story leads to where nothing is in the way.
async fn expected() -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut city = city(folder.path());
    city.cameras.get_mut(&camera_id("gate-2")).unwrap().area = Some("东港/1".to_owned());
    city.dispatch.log_budget_bytes = 1 << 30;
    live(city.clone(), &story()).await;
    let cases = replayed(&city);
    assert!(cases.lines().count() >= 3, "{cases}");
    cases
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_goes_to_s3_is_read_back_on_another_machine_and_goes_when_its_days_are_over() {
    let server = S3::start();
    let [here, there] = std::array::from_fn(|_| tempfile::tempdir().unwrap());
    live(logging(here.path(), &server), &story()).await;
    until("the segment is stored", House::open(logging(here.path(), &server)).await, |_| {
        segments(here.path()) == 0
    })
    .await;

    let other = logging(there.path(), &server);
    assert_eq!(log::bring(&other, None).await.unwrap(), 2, "one day, two districts");
    assert_eq!(replayed(&other), expected().await);
    assert_eq!(log::bring(&other, None).await.unwrap(), 0, "what is here is not brought again");
    let what_if = WhatIf::new(Arc::new(other.clone()), Arc::default(), Asked::default());
    let report = what_if.run(&LogStore::folders(&other), &[], &Truth::default(), &mut |_| true).unwrap();
    assert_eq!(report.log.frames, 600);

    let mut over = logging(here.path(), &server);
    over.log.retention = Some(Duration::from_secs(30 * 86_400));
    let house = House::open(over).await;
    let started = Instant::now();
    while replayed(&other).lines().count() > 0 {
        assert!(started.elapsed() < PATIENCE * 3, "old days stay in the store");
        tokio::time::sleep(Duration::from_millis(100)).await;
        log::bring(&other, None).await.unwrap();
    }
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_dies_and_comes_back_has_lost_nothing() {
    let mut server = S3::start();
    let [here, there] = std::array::from_fn(|_| tempfile::tempdir().unwrap());
    let story = story();
    live(logging(here.path(), &server), &story[..300]).await;
    let stored = |_: &House| segments(here.path()) == 0;
    until("the first half is stored", House::open(logging(here.path(), &server)).await, stored).await;
    server.stop();
    live(logging(here.path(), &server), &story[300..]).await;
    let counted = |house: &House| house.metrics().contains("citybrain_detection_log_not_stored_total 2");
    until("nobody takes the second", House::open(logging(here.path(), &server)).await, counted).await;
    assert_eq!(segments(here.path()), 1, "it waits in the data folder");

    let house = House::open(logging(here.path(), &server)).await;
    server.start_again();
    until("it is stored once the server is back", house, stored).await;
    let other = logging(there.path(), &server);
    log::bring(&other, None).await.unwrap();
    assert_eq!(replayed(&other), expected().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_a_dead_server_is_kept_within_its_budget_and_the_oldest_goes() {
    let mut server = S3::start();
    server.stop();
    let folder = tempfile::tempdir().unwrap();
    let story = story();
    for part in story.chunks(300) {
        live(logging(folder.path(), &server), part).await;
    }
    assert_eq!(segments(folder.path()), 2);
    let mut city = logging(folder.path(), &server);
    let files = std::fs::read_dir(folder.path().join(LOG_FOLDER)).unwrap();
    let all: u64 = files.map(|file| file.unwrap().metadata().unwrap().len()).sum();
    city.dispatch.log_budget_bytes = all - 1;
    let house = House::open(city).await;
    let lost = "citybrain_detection_log_lost_total 1";
    until("the oldest is dropped and counted", house, |house| {
        house.metrics().contains(lost) && segments(folder.path()) == 1
    })
    .await;
}

#[tokio::test]
async fn keys_that_are_wrong_buckets_that_are_not_there_and_a_dead_server_are_told_apart_and_no_secret_is() {
    let mut server = S3::start();
    let folder = tempfile::tempdir().unwrap();
    let with = |change: &dyn Fn(&mut City)| {
        let mut city = logging(folder.path(), &server);
        change(&mut city);
        city
    };
    let secret = |city: &mut City| {
        drop(city.log.s3.insert("AWS_SECRET_ACCESS_KEY", Secret("falsch-und-lang".to_owned())))
    };
    let key =
        |city: &mut City| drop(city.log.s3.insert("AWS_ACCESS_KEY_ID", Secret("city:nobody".to_owned())));
    let bucket = |city: &mut City| city.log.url = Some("s3://no-such-bucket/log".parse().unwrap());
    let cases: [(City, &str); 4] = [
        (with(&|_| ()), ""),
        (with(&secret), "the keys are refused: see AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
        (with(&key), "the keys are refused: see AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
        (with(&bucket), "there is no such bucket: make it, or mend dispatch.log_url"),
    ];
    for (city, wanted) in &cases {
        let store = LogStore::of(city).unwrap();
        let said = store.probe().await.err().unwrap_or_default();
        assert!(said.contains(wanted) && said.is_empty() == wanted.is_empty(), "{wanted:?}: {said}");
        let brought =
            log::bring(city, None).await.map_err(|error| error.to_string()).err().unwrap_or_default();
        assert!(brought.contains(wanted), "{wanted:?}: {brought}");
        let shown = format!("{city:?} {store:?} {said} {brought}");
        assert!(!shown.contains(SECRET_KEY) && !shown.contains("falsch-und-lang"), "{shown}");
    }
    server.stop();
    let said = LogStore::of(&cases[0].0).unwrap().probe().await.unwrap_err();
    assert!(said.contains("error sending request") || said.contains("onnect"), "{said}");
}
