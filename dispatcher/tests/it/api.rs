//! The HTTP API on a real listener.

use crate::support::city::{burning, city, look, send_to, webhook};
use crate::support::{House, PATIENCE};
use citybrain_types::SnapshotRef;
use reqwest::{Client, Method, StatusCode};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

struct Server {
    house: House,
    base: String,
    client: Client,
    _folder: tempfile::TempDir,
}

async fn serve() -> Server {
    let folder = tempfile::tempdir().unwrap();
    let mut city = city(folder.path());
    // Nobody listens on the discard port, and nothing is tried twice: the delivery is dead at once.
    send_to(&mut city, "desk", webhook("http://127.0.0.1:9/hook"), Duration::from_secs(5), &[]);
    let house = House::open(city).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let router = citybrain_dispatcher::api::router(house.services.clone(), Arc::clone(&house.registry));
    tokio::spawn(async move { axum::serve(listener, router).await });
    Server { house, base, client: Client::builder().no_proxy().build().unwrap(), _folder: folder }
}

impl Server {
    async fn ask(&self, method: Method, path: &str) -> (StatusCode, String, String) {
        let response = self.client.request(method, format!("{}{path}", self.base)).send().await.unwrap();
        let media = response.headers().get("content-type").map_or("", |v| v.to_str().unwrap()).to_owned();
        (response.status(), media, response.text().await.unwrap())
    }

    async fn get(&self, path: &str) -> Value {
        let (status, _, text) = self.ask(Method::GET, path).await;
        assert_eq!(status, StatusCode::OK, "{path}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    async fn refused(&self, method: Method, path: &str, expected: u16) {
        let (status, media, text) = self.ask(method, path).await;
        assert_eq!(status, expected, "{path}: {text}");
        assert_eq!(media, "application/problem+json", "{path}: {text}");
        let problem: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(problem["status"], expected);
        assert!(!problem["detail"].as_str().unwrap().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_case_can_be_listed_read_and_its_dead_delivery_replayed() {
    let server = serve().await;
    server.house.publish(&[burning("gate-1", 0), burning("gate-1", 1), look("gate-2", 0)]).await;
    let case = server.house.wait_for_cases(1).await.remove(0);
    let list = server.get("/api/v1/cases?state=dispatched&kind=fire&limit=10").await;
    assert_eq!(list["cases"][0]["id"], case.id.as_str());
    assert_eq!(server.get("/api/v1/cases?state=closed").await["cases"], Value::Array(vec![]));
    assert_eq!(server.get("/api/v1/cases?kind=flood").await["cases"], Value::Array(vec![]));
    let deadline = std::time::Instant::now() + PATIENCE;
    let dead = loop {
        let dead = server.get("/api/v1/deliveries?state=dead").await;
        if dead["deliveries"].as_array().unwrap().len() == 2 {
            break dead;
        }
        assert!(std::time::Instant::now() < deadline, "{dead}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let view = server.get(&format!("/api/v1/cases/{}", case.id)).await;
    assert_eq!(view["trail"].as_array().unwrap().len(), 4);
    assert_eq!(view["deliveries"].as_array().unwrap().len(), 2);
    let key = dead["deliveries"][0]["key"].as_str().unwrap();
    let (status, _, text) = server.ask(Method::POST, &format!("/api/v1/deliveries/{key}/replay")).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{text}");
    let cameras = server.get("/api/v1/cameras").await;
    assert_eq!(cameras["cameras"].as_array().unwrap().len(), 4);
    assert_eq!(cameras["cameras"][0]["state"], "live");
    assert_eq!(server.get("/api/v1/kinds").await["kinds"][1]["kind"], "fire");
    server.house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_answered_is_a_problem_document() {
    let server = serve().await;
    for (method, path, status) in [
        (Method::GET, "/api/v1/cases/none-such", 404),
        (Method::GET, "/api/v1/cases/..%2F..%2Fetc", 400),
        (Method::GET, "/api/v1/cases?state=burnt", 400),
        (Method::GET, "/api/v1/cases?cursor=not-ours", 400),
        (Method::GET, "/api/v1/cases?limit=many", 400),
        (Method::GET, "/api/v1/cases?colour=red", 400),
        (Method::GET, "/api/v1/nothing", 404),
        (Method::DELETE, "/api/v1/cases", 405),
        (Method::POST, "/api/v1/deliveries/dlv_none/replay", 404),
        (Method::GET, "/api/v1/deliveries?state=lost", 400),
        (Method::GET, "/snapshots/gate-1/none.jpg", 404),
    ] {
        server.refused(method, path, status).await;
    }
    let request = server.client.post(format!("{}/api/v1/deliveries/x/replay", server.base));
    let response = request.header("sec-fetch-site", "cross-site").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    // Refused by its announced size, before any of it was sent.
    let address = server.base.strip_prefix("http://").unwrap();
    let mut connection = tokio::net::TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /api/v1/deliveries/x/replay HTTP/1.1\r\nhost: {address}\r\ncontent-length: 1000000\r\n\r\n"
    );
    connection.write_all(head.as_bytes()).await.unwrap();
    let mut answer = vec![0_u8; 4096];
    let length = connection.read(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer[..length]).to_lowercase();
    assert!(answer.starts_with("http/1.1 413"), "{answer}");
    assert!(answer.contains("content-type: application/problem+json"), "{answer}");
    server.house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_is_served_and_nothing_beside_its_folder() {
    let server = serve().await;
    let root = server.house.services.snapshot_root();
    let folder = root.join("gate-1");
    std::fs::create_dir_all(&folder).unwrap();
    let picture = b"\xff\xd8 not much of a picture";
    std::fs::write(folder.join("at.jpg"), picture).unwrap();
    std::fs::write(root.parent().unwrap().join("secret.jpg"), "secret").unwrap();
    std::fs::write(folder.join("secret.txt"), "secret").unwrap();
    std::os::unix::fs::symlink(root.parent().unwrap().join("secret.jpg"), folder.join("link.jpg")).unwrap();
    let path = SnapshotRef::new("gate-1/at.jpg").unwrap();
    let response = server.client.get(format!("{}/snapshots/{path}", server.base)).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], "image/jpeg");
    assert_eq!(response.headers()["x-content-type-options"], "nosniff");
    assert_eq!(response.bytes().await.unwrap().as_ref(), picture);
    for (path, status) in [
        ("gate-1/..%2F..%2Fsecret.jpg", 400),
        ("..%2Fsecret.jpg", 400),
        ("gate-1/link.jpg", 404),
        ("gate-1/secret.txt", 404),
        ("gate-1", 404),
    ] {
        server.refused(Method::GET, &format!("/snapshots/{path}"), status).await;
    }
    server.house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_arrive_as_events_while_they_happen() {
    let server = serve().await;
    let mut events = server.client.get(format!("{}/api/v1/events", server.base)).send().await.unwrap();
    assert_eq!(events.headers()["content-type"], "text/event-stream");
    server.house.publish(&[burning("gate-1", 0), burning("gate-1", 1)]).await;
    server.house.street.stall(1);
    let mut text = String::new();
    let all = async {
        while !(text.contains("event: case")
            && text.contains("event: delivery")
            && text.contains("event: camera"))
        {
            text.push_str(&String::from_utf8_lossy(&events.chunk().await.unwrap().unwrap()));
        }
    };
    tokio::time::timeout(PATIENCE, all).await.unwrap();
    let line = text.lines().skip_while(|line| *line != "event: case").nth(1).unwrap();
    let change: Value = serde_json::from_str(line.strip_prefix("data: ").unwrap()).unwrap();
    assert_eq!((&change["opened"], &change["case"]["camera"]), (&Value::Bool(true), &Value::from("gate-1")));
    drop(events);
    server.house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn health_readiness_and_metrics_tell_how_it_stands() {
    let server = serve().await;
    assert_eq!(server.ask(Method::GET, "/healthz").await.0, StatusCode::OK);
    let readiness = server.get("/readyz").await;
    assert_eq!(readiness["ready"], true);
    server.house.publish(&[burning("gate-1", 0), burning("gate-1", 1)]).await;
    server.house.wait_for_cases(1).await;
    // A case is counted right after it was committed.
    let deadline = std::time::Instant::now() + PATIENCE;
    while !server.house.metrics().contains("citybrain_capture_to_case_seconds_count") {
        assert!(std::time::Instant::now() < deadline, "the case is not counted");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (status, media, text) = server.ask(Method::GET, "/metrics").await;
    assert_eq!(status, StatusCode::OK);
    assert!(media.starts_with("application/openmetrics-text"));
    for series in [
        "citybrain_cases_total{kind=\"fire\",state=\"dispatched\"} 1",
        "citybrain_capture_to_case_seconds_count{kind=\"fire\"} 1",
        "citybrain_dispatch_stage_seconds_count{stage=\"evidence\"} 1",
        "citybrain_intake_frames_total 2",
        "citybrain_outbox_pending ",
    ] {
        assert!(text.contains(series), "{series} is not in\n{text}");
    }
    // Once the bus is gone the dispatcher still answers, and says that it is not ready.
    let House { dispatcher, services, bus, .. } = server.house;
    drop(bus);
    let deadline = std::time::Instant::now() + PATIENCE;
    while services.readiness().await.bus {
        assert!(std::time::Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let response = server.client.get(format!("{}/readyz", server.base)).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    dispatcher.shutdown().await;
}
