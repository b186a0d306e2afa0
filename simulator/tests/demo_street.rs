//! The street of the demo as a whole.
#![allow(clippy::unwrap_used, reason = "a test ends at the first thing that is wrong")]

mod common;

use citybrain_simulator::{SimulatedStreet, Street, StreetOptions};
use common::Watcher;
use std::collections::BTreeSet;
use std::time::Duration;

// One test, since preparing twelve scenes is most of its time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_holds_what_it_promises_and_is_seen_by_clients() {
    let street = SimulatedStreet::start(Street::demo().unwrap(), StreetOptions::default()).await.unwrap();
    check_truth(&street);
    for camera in street.cameras() {
        let client = Watcher::open(&camera.url, "protocols=tcp");
        let seen = client.next(Duration::from_secs(60)).unwrap_or_else(|e| panic!("{}: {e}", camera.id));
        assert!(matches!((seen.width, seen.height), (640, 360) | (1280, 720)), "{}: {seen:?}", camera.id);
    }
    street.shutdown().await;
}

/// Fires, events of the other kinds, and quiet cameras, each in its time.
fn check_truth(street: &SimulatedStreet) {
    let truth = street.truth();
    let fires: BTreeSet<_> = truth.iter().filter(|e| e.kind.as_str() == "fire").map(|e| &e.camera).collect();
    assert!(fires.len() >= 2, "{truth:?}");
    let kinds: BTreeSet<_> = truth.iter().map(|event| event.kind.as_str()).collect();
    let expected = BTreeSet::from(["fire", "illegal_construction", "littering", "waterlogging"]);
    assert_eq!(kinds, expected, "{truth:?}");
    for event in truth {
        let after = event.visible_at.since(street.started_at());
        assert!((10..=90).contains(&after.as_secs()), "{event:?} {after:?} after the start");
        assert!(event.visible_until.is_none_or(|until| until > event.visible_at));
    }
    let quiet = street.cameras().iter().filter(|camera| camera.kinds.is_empty()).count();
    assert!(quiet >= 4, "{quiet} quiet cameras");
}
