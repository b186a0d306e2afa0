//! What people decide beside the looks: it holds at once, over a restart, and in a replay of the log.

use super::database::city;
use crate::support::city::{START, around, camera_id, fire, look, send_to, webhook, with_box};
use crate::support::receiver::Receiver;
use crate::support::{House, PATIENCE};
use axum::Router;
use axum::routing::get;
use citybrain_dispatcher::log::{self, Entry, LOG_FOLDER, LogStore, compact_all};
use citybrain_dispatcher::replay::Replay;
use citybrain_ingest_config::City;
use citybrain_ingest_config::resolved::{PermitAddress, PermitSource};
use citybrain_types::{DestinationId, EventKind, FrameDetections, ManualClock, Timestamp};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

struct Server {
    house: House,
    base: String,
    client: Client,
}

impl Server {
    async fn open(city: City, clock: &ManualClock) -> Self {
        let house = House::open_with_clock(city, Arc::new(clock.clone())).await;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}/api/v1", listener.local_addr().unwrap());
        let router = citybrain_dispatcher::api::router(house.services.clone(), Arc::clone(&house.registry));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { house, base, client: Client::builder().no_proxy().build().unwrap() }
    }

    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        let request = self.client.request(method, format!("{}{path}", self.base));
        let request = if let Some(body) = body { request.json(&body) } else { request };
        let response = request.send().await.unwrap();
        (response.status(), response.json().await.unwrap())
    }

    async fn wait_for_metric(&self, line: &str) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while !self.house.metrics().contains(line) {
            assert!(tokio::time::Instant::now() < deadline, "{line} is not in {}", self.house.metrics());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// A moment after the beginning of the story, by its looks of two seconds.
fn after(looks: u64) -> Timestamp {
    START.plus(Duration::from_secs(2 * looks))
}

fn logged(folder: &Path) -> City {
    let mut city = city(folder);
    city.dispatch.log_budget_bytes = 1 << 30;
    city
}

fn litter(camera: &str, n: u64) -> FrameDetections {
    with_box(look(camera, n), "littering", 0.95, around(0.5, 0.5))
}

/// What a log leads to, as `citybrain replay` prints it; with its frames in batches of `size`.
fn replayed(folder: &Path, city: &City, size: usize) -> String {
    let mut replay = Replay::new(Arc::new(city.clone()), Arc::default());
    let rebatched = |entry| match entry {
        Entry::Frames(batch) => {
            for part in batch.to_frames().unwrap().chunks(size) {
                replay.take(&citybrain_types::DetectionBatch::from_frames(part));
            }
        }
        entry @ Entry::Ruling(_) => replay.entry(&entry),
    };
    log::read_entries(&folder.join(LOG_FOLDER), rebatched, |_| {}).unwrap();
    replay.cases().map(|case| serde_json::to_string(case).unwrap() + "\n").collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silence_holds_from_the_next_look_on_over_a_restart_until_it_is_ended_and_in_a_replay() {
    let folder = tempfile::tempdir().unwrap();
    let city = logged(folder.path());
    let clock = ManualClock::starting_at(START);
    let server = Server::open(city.clone(), &clock).await;
    let body = json!({"by": "Li Wei", "reason": "market day", "kinds": ["littering"], "areas": ["harbour"],
        "around": {"position": [121.5, 31.2], "radius_m": 100.0}, "ends_at": after(1_000).to_string()});
    let (status, made) = server.ask(Method::POST, "/silences", Some(body)).await;
    assert_eq!(
        (status, &made["state"], &made["by"]),
        (StatusCode::CREATED, &json!("active"), &json!("Li Wei"))
    );
    clock.set(after(20));
    server.house.publish(&(1..5).map(|n| litter("gate-1", n)).collect::<Vec<_>>()).await;
    server.wait_for_metric("citybrain_sightings_held_total{kind=\"littering\",reason=\"silenced\"} 1").await;
    // A fire is not named, and is told.
    let fires: Vec<_> = (1..5).map(|n| with_box(look("gate-2", n), "fire", 0.95, around(0.5, 0.5))).collect();
    server.house.publish(&fires).await;
    assert_eq!(server.house.wait_for_cases(1).await[0].kind, fire());
    server.house.close().await;

    let server = Server::open(city.clone(), &clock).await;
    server.house.publish(&(5..9).map(|n| litter("gate-1", n)).collect::<Vec<_>>()).await;
    server.wait_for_metric("citybrain_sightings_held_total{kind=\"littering\",reason=\"silenced\"} 1").await;
    let id = made["id"].as_str().unwrap();
    let (_, active) = server.ask(Method::GET, "/silences?state=active", None).await;
    assert_eq!(active["silences"][0]["id"], id);
    let path = format!("/silences/{id}/end");
    let (status, ended) = server.ask(Method::POST, &path, Some(json!({"by": "Wang"}))).await;
    assert_eq!(
        (status, &ended["state"], &ended["ended_by"]),
        (StatusCode::OK, &json!("expired"), &json!("Wang"))
    );
    let again = server.ask(Method::POST, &path, Some(json!({"by": "Wang"}))).await;
    assert_eq!(again.0, StatusCode::CONFLICT);
    clock.set(after(40));
    // What is still there when it ends is a case then.
    server.house.publish(&(21..25).map(|n| litter("gate-1", n)).collect::<Vec<_>>()).await;
    let cases = server.house.wait_for_cases(2).await;
    let ids: Vec<_> = cases.iter().map(|case| case.id.to_string()).collect();
    assert!(cases.iter().any(|case| case.kind == EventKind::new("littering")), "{ids:?}");
    server.house.close().await;

    let expected = replayed(folder.path(), &city, 64);
    assert_eq!(expected.lines().count(), 2);
    assert!(ids.iter().all(|id| expected.contains(id)), "{ids:?} are not in {expected}");
    for size in [1, 3] {
        assert_eq!(replayed(folder.path(), &city, size), expected, "in batches of {size}");
    }
    // The same when it has become Parquet, in its own folder and in another.
    let (log, shared) = (folder.path().join(LOG_FOLDER), Arc::new(city.clone()));
    assert!(compact_all(&log, &LogStore::folder(&log).unwrap(), &shared).await.unwrap().0 > 0);
    assert_eq!(replayed(folder.path(), &city, 64), expected);
    let other = tempfile::tempdir().unwrap();
    let [here, there] = [folder.path(), other.path()].map(|folder| folder.join(LOG_FOLDER));
    for file in std::fs::read_dir(&here).unwrap().map(|file| file.unwrap().path()) {
        if file.is_dir() {
            std::fs::create_dir_all(&there).unwrap();
            std::fs::rename(&file, there.join(file.file_name().unwrap())).unwrap();
        }
    }
    compact_all(&here, &LogStore::folder(&there).unwrap(), &shared).await.unwrap();
    assert_eq!(replayed(other.path(), &city, 64), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn silences_that_cannot_be_are_refused_and_the_same_request_makes_one() {
    let folder = tempfile::tempdir().unwrap();
    let clock = ManualClock::starting_at(START);
    let server = Server::open(logged(folder.path()), &clock).await;
    let good = json!({"by": "Li", "reason": "r", "cameras": ["gate-1"], "ends_at": after(100).to_string()});
    let with = |field: &str, value: Value| {
        let mut body = good.clone();
        body[field] = value;
        body
    };
    for (body, expected) in [
        (with("ends_at", json!("yesterday")), 422),
        (with("ends_at", json!(START.to_string())), 422),
        (with("cameras", json!(["gate-9"])), 422),
        (with("cameras", json!([])), 422),
        (with("by", json!("")), 422),
        (with("forever", json!(true)), 422),
        (with("around", json!([[121.5, 31.2], 50.0])), 422),
        (json!(["Li", "r", null, after(100).to_string(), [], ["gate-1"], [], null]), 422),
    ] {
        let (status, problem) = server.ask(Method::POST, "/silences", Some(body)).await;
        assert_eq!(status.as_u16(), expected, "{problem}");
    }
    for (method, path, body, expected) in [
        (Method::GET, "/silences/none", None, 404),
        (Method::GET, "/silences?state=over", None, 400),
        (Method::POST, "/silences/none/end", Some(json!({"by": "Li"})), 404),
        (Method::POST, "/silences/none/end", Some(json!({"by": ""})), 422),
        (Method::DELETE, "/silences", None, 405),
    ] {
        let (status, problem) = server.ask(method, path, body).await;
        assert_eq!(status.as_u16(), expected, "{path}: {problem}");
    }
    let keyed = || {
        let request = server.client.post(format!("{}/silences", server.base)).json(&good);
        request.header("idempotency-key", "k-1").send()
    };
    let first: Value = keyed().await.unwrap().json().await.unwrap();
    clock.advance(Duration::from_secs(1));
    let second = keyed().await.unwrap();
    assert_eq!(second.status(), StatusCode::CREATED);
    assert_eq!(second.json::<Value>().await.unwrap()["id"], first["id"]);
    let (_, all) = server.ask(Method::GET, "/silences", None).await;
    assert_eq!(all["silences"].as_array().unwrap().len(), 1);
    server.house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parked_red_lorry_that_a_person_refused_opens_nothing_in_the_city_nor_in_any_replay() {
    let folder = tempfile::tempdir().unwrap();
    let city = logged(folder.path());
    let clock = ManualClock::starting_at(after(500_000));
    let lorry = |n| with_box(look("gate-1", n), "fire", 0.95, around(0.5, 0.5));
    let server = Server::open(city.clone(), &clock).await;
    server.house.publish(&(0..4).map(lorry).collect::<Vec<_>>()).await;
    let id = server.house.wait_for_cases(1).await[0].id.clone();
    let body = json!({"action": "void", "because": "false_alarm", "by": "Li Wei", "reason": "a red lorry"});
    let (status, case) = server.ask(Method::POST, &format!("/cases/{id}/actions"), Some(body)).await;
    assert_eq!((status, &case["state"]), (StatusCode::OK, &json!("void")));
    // A day later, after a restart, it is still there; beside it something burns.
    server.house.close().await;
    let server = Server::open(city.clone(), &clock).await;
    let day = |n: u64| with_box(lorry(40_000 + n), "fire", 0.95, around(0.1, 0.1));
    server.house.publish(&(0..4).map(day).collect::<Vec<_>>()).await;
    server.wait_for_metric("citybrain_sightings_held_total{kind=\"fire\",reason=\"rejected\"} 1").await;
    let cases = server.house.wait_for_cases(2).await;
    server.house.close().await;
    assert_eq!(cases.len(), 2);

    let expected = replayed(folder.path(), &city, 64);
    assert_eq!(expected.lines().count(), 2, "{expected}");
    for case in &cases {
        assert!(expected.contains(case.id.as_str()), "{} is not in {expected}", case.id);
    }
    let void = expected.lines().find(|line| line.contains(id.as_str())).unwrap();
    let void: Value = serde_json::from_str(void).unwrap();
    assert_eq!((&void["case"]["state"], &void["trail"][4]["by"]), (&json!("void"), &json!("Li Wei")));
    assert_eq!(void["case"]["updated_at"], case["updated_at"], "when it was said, not when it is replayed");
    for size in [1, 3] {
        assert_eq!(replayed(folder.path(), &city, size), expected, "in batches of {size}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_takes_the_permits_from_the_log_and_asks_no_server() {
    let folder = tempfile::tempdir().unwrap();
    let mut city = logged(folder.path());
    city.kinds.get_mut(&EventKind::new("littering")).unwrap().incident.needs_permit = true;
    city.cameras.get_mut(&camera_id("gate-2")).unwrap().position = Some([121.6, 31.2]);
    let text = "id,holder,from,to,longitude,latitude,radius_m\nP-7,Harbour Works,2025-05-01,2025-06-30,121.5,31.2,80\n";
    let app = Router::new().route("/sites", get(move || async move { text }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/sites", listener.local_addr().unwrap()).parse().unwrap();
    let server = tokio::spawn(async move { axum::serve(listener, app).await });
    let (at, every) = (PermitAddress::Http(url), Duration::from_secs(3_600));
    city.permits.push(PermitSource { name: "sites".to_owned(), at, every });
    let house = House::open(city.clone()).await;
    house.publish(&(0..4).flat_map(|n| [litter("gate-1", n), litter("gate-2", n)]).collect::<Vec<_>>()).await;
    let cases = house.wait_for_cases(1).await;
    house.close().await;
    server.abort();
    let found = replayed(folder.path(), &city, 64);
    assert_eq!(found.lines().count(), 1, "{found}");
    assert!(
        found.contains(cases[0].id.as_str()) && found.contains("no entry of sites (1 in all)"),
        "{found}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_department_that_has_not_taken_a_case_is_told_again_and_not_while_it_is_silenced() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(&[]).await;
    let mut city = logged(folder.path());
    send_to(&mut city, "desk", webhook(&receiver.url()), Duration::from_secs(5), &[]);
    city.cases.limits.repeats_at_most = 3;
    city.cases.repeat_to.insert(DestinationId::new("desk").unwrap(), Duration::from_secs(600));
    let clock = ManualClock::starting_at(after(10));
    let server = Server::open(city, &clock).await;
    server.house.publish(&(0..4).map(|n| litter("gate-1", n)).collect::<Vec<_>>()).await;
    let id = server.house.wait_for_cases(1).await[0].id.clone();
    let waiting = || {
        let taken = receiver.taken();
        taken.values().filter(|bodies| bodies[0]["type"] == "citybrain.case.waiting").count()
    };
    let lines = async |expected: usize| {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let view = server.house.services.case(&id).await.unwrap().unwrap();
            let lines: Vec<_> = view.trail.into_iter().filter(|line| line.action == "waiting").collect();
            if lines.len() == expected && server.house.wait_until_delivered().await > 0 {
                return lines;
            }
            assert!(tokio::time::Instant::now() < deadline, "{lines:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    clock.advance(Duration::from_secs(601));
    lines(1).await;
    assert_eq!(waiting(), 1);
    let body =
        json!({"by": "Li", "reason": "a feast", "kinds": ["littering"], "ends_at": after(900).to_string()});
    assert_eq!(server.ask(Method::POST, "/silences", Some(body)).await.0, StatusCode::CREATED);
    clock.advance(Duration::from_secs(600));
    assert!(lines(2).await[1].reason.ends_with("silenced"));
    assert_eq!(waiting(), 1);
    clock.advance(Duration::from_secs(600));
    lines(3).await;
    assert_eq!(waiting(), 2);
    // Three times at most.
    clock.advance(Duration::from_secs(6_000));
    tokio::time::sleep(Duration::from_millis(600)).await;
    lines(3).await;
    let body = json!({"action": "accept", "by": "Wang", "department": "brigade"});
    assert_eq!(server.ask(Method::POST, &format!("/cases/{id}/actions"), Some(body)).await.0, StatusCode::OK);
    let view = server.house.services.case(&id).await.unwrap().unwrap();
    assert_eq!(view.case.work.reminders, None);
    server.house.close().await;
}
