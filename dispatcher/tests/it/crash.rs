//! A process that dies between two steps of a delivery: nothing is lost, and each key arrives as one thing.

use super::database::city;
use crate::support::city::{around, burning, look, send_to, webhook, with_box};
use crate::support::postgres;
use crate::support::receiver::{Misbehave, Receiver};
use crate::support::{House, PATIENCE};
use citybrain_dispatcher::fail_point::{self, FailPoint};
use citybrain_ingest_config::City;
use citybrain_ingest_config::resolved::Database;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const FOLDER: &str = "CITYBRAIN_TEST_FOLDER";
const URL: &str = "CITYBRAIN_TEST_URL";
const KIND: &str = "CITYBRAIN_TEST_KIND";

fn city_of(folder: &Path, url: &str) -> City {
    let mut city = city(folder);
    send_to(&mut city, "desk", webhook(url), Duration::from_secs(10), &[Duration::from_millis(100); 50]);
    city
}

async fn publish(house: &House, kind: &str) {
    let frame = |n| match kind {
        "fire" => burning("gate-1", n),
        _ => with_box(look("gate-1", n), kind, 0.95, around(0.5, 0.5)),
    };
    house.publish(&[frame(0), frame(1)]).await;
}

/// Runs in a process of its own: files a case and lives on until it is killed.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a helper that the other tests start as a process of its own"]
async fn child() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let house = House::open(city_of(Path::new(&folder), &std::env::var(URL).unwrap())).await;
    publish(&house, &std::env::var(KIND).unwrap()).await;
    house.wait_for_cases(1).await;
    std::fs::write(Path::new(&folder).join("committed"), "").unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
}

fn start_child(folder: &Path, url: &str, kind: &str, fail_point: Option<FailPoint>) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    // This module's own, so on the same database.
    let (_, module) = module_path!().split_once("::").unwrap();
    command.args(["--exact", &format!("{module}::child"), "--ignored", "--nocapture"]);
    if let Database::Postgres { url, .. } = city(folder).store.database {
        command.env(postgres::SERVER, url.as_str());
    }
    command.env(FOLDER, folder).env(URL, url).env(KIND, kind).stdout(Stdio::null()).stderr(Stdio::null());
    if let Some(point) = fail_point {
        command.env(fail_point::VARIABLE, point.name());
    }
    command.spawn().unwrap()
}

async fn wait_for_death(mut child: Child) -> std::process::ExitStatus {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if Instant::now() >= deadline {
            child.kill().unwrap();
            panic!("the child did not die");
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

const SIGABRT: i32 = 6;
const SIGKILL: i32 = 9;

#[tokio::test(flavor = "multi_thread")]
async fn wherever_the_process_dies_there_is_one_case_with_its_whole_trail_delivered_under_one_key() {
    for point in FailPoint::ALL {
        let folder = tempfile::tempdir().unwrap();
        let receiver = Receiver::start(&[]).await;
        let child = start_child(folder.path(), &receiver.url(), "littering", Some(point));
        assert_eq!(wait_for_death(child).await.signal(), Some(SIGABRT), "{point:?}");
        let house = House::open(city_of(folder.path(), &receiver.url())).await;
        // What was not judged comes again from the pipeline's spool; what was is refused.
        publish(&house, "littering").await;
        let [case] = house.wait_for_cases(1).await.try_into().unwrap();
        assert_eq!(house.wait_until_delivered().await, 1, "{point:?}");
        let taken = receiver.taken();
        assert_eq!(taken.len(), 1, "{point:?}: another key");
        assert!(taken.values().all(|bodies| (1..=2).contains(&bodies.len())), "{point:?}");
        let trail = house.services.case(&case.id).await.unwrap().unwrap().trail;
        assert_eq!(trail.iter().map(|line| line.version).collect::<Vec<_>>(), [1, 2, 3, 4], "{point:?}");
        house.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_case_whose_process_died_after_the_commit_is_delivered_after_the_restart_once() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(&[]).await;
    let child = start_child(folder.path(), &receiver.url(), "littering", Some(FailPoint::AfterCommit));
    assert_eq!(wait_for_death(child).await.signal(), Some(SIGABRT));
    assert!(receiver.taken().is_empty(), "told before the restart");
    let house = House::open(city_of(folder.path(), &receiver.url())).await;
    assert_eq!(house.cases().await.len(), 1);
    // The same frames come again from the pipeline's spool: they have been judged.
    publish(&house, "littering").await;
    assert_eq!(house.wait_until_delivered().await, 1);
    assert_eq!(receiver.taken().values().map(Vec::len).collect::<Vec<_>>(), [1]);
    assert_eq!(house.cases().await.len(), 1);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_whose_process_died_before_writing_the_acknowledgement_goes_out_again_under_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(&[]).await;
    let child = start_child(folder.path(), &receiver.url(), "littering", Some(FailPoint::AfterSend));
    assert_eq!(wait_for_death(child).await.signal(), Some(SIGABRT));
    let before = receiver.taken();
    assert_eq!(before.len(), 1);
    let house = House::open(city_of(folder.path(), &receiver.url())).await;
    assert_eq!(house.wait_until_delivered().await, 1);
    let after = receiver.taken();
    assert_eq!(after.keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>());
    let [bodies] = after.into_values().collect::<Vec<_>>().try_into().unwrap();
    assert_eq!(bodies.len(), 2, "at least once, and no more than the crash explains");
    assert_eq!(bodies[0], bodies[1]);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fire_whose_process_was_killed_while_the_receiver_hung_is_delivered_once_by_key() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(&[Misbehave::Hang, Misbehave::Hang]).await;
    let mut child = start_child(folder.path(), &receiver.url(), "fire", None);
    let deadline = Instant::now() + PATIENCE;
    while receiver.refused().len() < 2 || !folder.path().join("committed").exists() {
        assert!(Instant::now() < deadline, "the child filed nothing");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(SIGKILL));
    assert!(receiver.taken().is_empty());
    let house = House::open(city_of(folder.path(), &receiver.url())).await;
    assert_eq!(house.wait_until_delivered().await, 2);
    let taken = receiver.taken();
    assert_eq!(taken.values().map(Vec::len).collect::<Vec<_>>(), [1, 1]);
    assert!(receiver.refused().iter().all(|key| taken.contains_key(key)), "a key changed over the restart");
    let [case] = house.cases().await.try_into().unwrap();
    assert!(taken.values().flatten().all(|body| body["subject"] == case.id.as_str()));
    house.close().await;
}
