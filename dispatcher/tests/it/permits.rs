//! The permit register, as a file that changes and as a server that fails.

use crate::support::city::{around, city, look, with_box};
use crate::support::{House, PATIENCE};
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use citybrain_ingest_config::City;
use citybrain_ingest_config::resolved::{PermitAddress, PermitSource};
use citybrain_types::{EventKind, FrameDetections};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const HEADER: &str = "id,holder,from,to,longitude,latitude,radius_m\n";
const PERMIT: &str = "P-7,Harbour Works,2025-05-01,2025-06-30,121.5,31.2,80\n";
const BAD: &str = "P-8,nobody,2025-06-30,2025-05-01,121.5,31.2,80\n";

fn city_with(folder: &Path, at: PermitAddress) -> City {
    let mut city = city(folder);
    city.kinds.get_mut(&EventKind::new("littering")).unwrap().incident.needs_permit = true;
    city.permits.push(PermitSource { name: "sites".to_owned(), at, every: Duration::from_secs(1) });
    city
}

fn digging(n: u64) -> FrameDetections {
    with_box(look("gate-1", n), "littering", 0.95, around(0.5, 0.5))
}

async fn wait_for_metric(house: &House, line: &str) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !house.metrics().contains(line) {
        assert!(tokio::time::Instant::now() < deadline, "{line} is not in {}", house.metrics());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permit_that_is_struck_from_the_file_is_missed_at_the_next_look() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sites.csv");
    std::fs::write(&file, format!("{HEADER}{PERMIT}{BAD}")).unwrap();
    let house = House::open(city_with(folder.path(), PermitAddress::File(file.clone()))).await;
    wait_for_metric(&house, "citybrain_permit_entries{register=\"sites\",state=\"refused\"} 1").await;
    house.publish(&(0..4).map(digging).collect::<Vec<_>>()).await;
    wait_for_metric(&house, "citybrain_sightings_held_total{kind=\"littering\",reason=\"permitted\"} 1")
        .await;
    assert!(house.cases().await.is_empty());
    std::fs::write(&file, HEADER).unwrap();
    wait_for_metric(&house, "citybrain_permit_entries{register=\"sites\",state=\"kept\"} 0").await;
    // The register goes to the incidents right after it was counted.
    let mut n = 4;
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while house.cases().await.is_empty() {
        assert!(tokio::time::Instant::now() < deadline, "no case");
        house.publish(&[digging(n)]).await;
        n += 1;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let case = house.cases().await.remove(0);
    let view = house.services.case(&case.id).await.unwrap().unwrap();
    assert!(view.trail[0].reason.contains("no entry of sites (0 in all)"), "{}", view.trail[0].reason);
    house.close().await;
}

/// What the register's server answers with; nothing is a failure.
type Answer = Arc<Mutex<Option<String>>>;

async fn serve(answer: Answer) -> url::Url {
    let app = Router::new().route("/sites", get(take)).with_state(answer);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    format!("http://{address}/sites").parse().unwrap()
}

async fn take(State(answer): State<Answer>) -> (StatusCode, String) {
    match answer.lock().unwrap().clone() {
        Some(text) => (StatusCode::OK, text),
        None => (StatusCode::INTERNAL_SERVER_ERROR, "out of order".to_owned()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_register_whose_server_fails_stays_as_it_was_read_last() {
    let folder = tempfile::tempdir().unwrap();
    let answer: Answer = Arc::new(Mutex::new(Some(format!("{HEADER}{PERMIT}"))));
    let url = serve(Arc::clone(&answer)).await;
    let house = House::open(city_with(folder.path(), PermitAddress::Http(url))).await;
    *answer.lock().unwrap() = None;
    wait_for_metric(&house, "citybrain_permit_entries{register=\"sites\",state=\"unread\"} 1").await;
    house.publish(&(0..6).map(digging).collect::<Vec<_>>()).await;
    wait_for_metric(&house, "citybrain_sightings_held_total{kind=\"littering\",reason=\"permitted\"} 1")
        .await;
    assert!(house.cases().await.is_empty());
    house.close().await;
}
