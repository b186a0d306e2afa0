//! What people and the time do with cases, over the API of a running dispatcher.

use super::database::city;
use crate::support::city::{START, burning, patient, send_to, webhook};
use crate::support::receiver::Receiver;
use crate::support::{House, PATIENCE};
use citybrain_ingest_config::City;
use citybrain_ingest_config::resolved::CaseLimits;
use citybrain_types::{CaseId, CaseState, Clock, ManualClock};
use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

struct Server {
    house: House,
    base: String,
    client: Client,
}

impl Server {
    async fn open(city: City, clock: Arc<dyn Clock>) -> Self {
        let house = House::open_with_clock(city, clock).await;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let router = citybrain_dispatcher::api::router(house.services.clone(), Arc::clone(&house.registry));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { house, base, client: Client::builder().no_proxy().build().unwrap() }
    }

    /// A fire, on file.
    async fn fire(&self) -> CaseId {
        self.house.publish(&(0..2).map(|n| burning("gate-1", n)).collect::<Vec<_>>()).await;
        self.house.wait_for_cases(1).await[0].id.clone()
    }

    fn order(&self, id: &CaseId, body: &Value) -> RequestBuilder {
        self.client.post(format!("{}/api/v1/cases/{id}/actions", self.base)).json(body)
    }

    async fn act(&self, id: &CaseId, body: Value) -> (StatusCode, Value) {
        let response = self.order(id, &body).send().await.unwrap();
        (response.status(), response.json().await.unwrap())
    }

    async fn view(&self, id: &CaseId) -> Value {
        let response = self.client.get(format!("{}/api/v1/cases/{id}", self.base)).send().await.unwrap();
        response.json().await.unwrap()
    }
}

/// Fires are taken within two minutes.
fn quick(folder: &Path) -> City {
    let mut city = city(folder);
    city.cases = patient();
    city.cases.limits.accept_immediate_within = Duration::from_secs(120);
    city
}

fn manual() -> ManualClock {
    ManualClock::starting_at(START.plus(Duration::from_secs(10)))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_department_takes_handles_and_ends_a_case_and_every_step_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(&[]).await;
    let mut city = city(folder.path());
    send_to(
        &mut city,
        "desk",
        webhook(&receiver.url()),
        Duration::from_secs(10),
        &[Duration::from_millis(50); 8],
    );
    let server = Server::open(city, Arc::new(manual())).await;
    let id = server.fire().await;
    let allowed = server.view(&id).await["allowed"].clone();
    assert_eq!(allowed, json!(["accept", "return", "transfer", "suspend", "void", "link"]));
    for (action, state) in [("accept", "accepted"), ("start", "handling"), ("done", "rechecking")] {
        let (status, case) = server.act(&id, json!({ "action": action, "by": "Li Wei" })).await;
        assert_eq!((status, &case["state"]), (StatusCode::OK, &json!(state)), "{case}");
    }
    let close = json!({ "action": "close", "by": "Chen", "reason": "went there, nothing left" });
    assert_eq!(server.act(&id, close).await.0, StatusCode::OK);
    let (status, case) = server.act(&id, json!({ "action": "rate", "by": "resident", "stars": 5 })).await;
    assert_eq!((status, &case["rating"]), (StatusCode::OK, &json!(5)));
    let view = server.view(&id).await;
    let trail: Vec<_> = view["trail"]
        .as_array()
        .unwrap()
        .iter()
        .skip(4)
        .map(|line| line["action"].as_str().unwrap())
        .collect();
    assert_eq!(trail, ["accept", "start", "done", "close", "rate"]);
    assert_eq!(view["trail"][7]["by"], "Chen");
    // Pre-alarm, opened, and five changes.
    server.house.wait_until_delivered().await;
    assert_eq!(receiver.taken().len(), 7);
    let metrics = server.house.metrics();
    assert!(metrics.contains("citybrain_case_actions_total{kind=\"fire\",action=\"accept\"} 1"), "{metrics}");
    server.house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_case_does_not_allow_is_refused_with_what_it_allows() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::open(city(folder.path()), Arc::new(manual())).await;
    let id = server.fire().await;
    let (status, problem) = server.act(&id, json!({ "action": "close", "by": "Li", "reason": "x" })).await;
    assert_eq!((status, problem["status"].as_u64()), (StatusCode::CONFLICT, Some(409)));
    assert_eq!(problem["allowed"], json!(["accept", "return", "transfer", "suspend", "void", "link"]));
    for (body, expected) in [
        (json!({ "action": "burn", "by": "Li" }), 422),
        (json!({ "action": "accept" }), 422),
        (json!({ "action": "accept", "by": "Li", "colour": "red" }), 422),
        (json!({ "action": "accept", "by": "Li", "stars": 3 }), 422),
        (json!({ "action": "accept", "by": "Li", "department": "parks" }), 422),
        (json!({ "action": "void", "by": "Li", "because": "false_alarm" }), 422),
        (json!({ "action": "link", "by": "Li", "to": "none-such" }), 422),
        (json!({ "action": "transfer", "by": "Li", "to": "../etc", "reason": "x" }), 400),
        (json!([1, 2]), 422),
    ] {
        let (status, problem) = server.act(&id, body.clone()).await;
        assert_eq!(status.as_u16(), expected, "{body}: {problem}");
        assert!(!problem["detail"].as_str().unwrap().is_empty());
    }
    let unknown = CaseId::new("none-such").unwrap();
    assert_eq!(
        server.act(&unknown, json!({ "action": "accept", "by": "Li" })).await.0,
        StatusCode::NOT_FOUND
    );
    let plain = server.client.post(format!("{}/api/v1/cases/{id}/actions", server.base)).body("accept");
    assert_eq!(plain.send().await.unwrap().status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(server.view(&id).await["case"]["version"], 4, "nothing was changed by any of it");
    server.house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_seen_an_older_version_is_refused_and_a_request_sent_twice_acts_once() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::open(city(folder.path()), Arc::new(manual())).await;
    let id = server.fire().await;
    let url = format!("{}/api/v1/cases/{id}", server.base);
    let read = server.client.get(&url).send().await.unwrap();
    let tag = read.headers()["etag"].to_str().unwrap().to_owned();
    let again = server.client.get(&url).header("if-none-match", &tag).send().await.unwrap();
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);

    let accept = json!({ "action": "accept", "by": "Li" });
    let send = |tag: &str, key: &str, body: &Value| {
        let request = server.order(&id, body).header("if-match", tag);
        request.header("idempotency-key", key).send()
    };
    let first = send(&tag, "key-1", &accept).await.unwrap();
    assert_eq!(first.status(), StatusCode::OK);
    let body: Value = first.json().await.unwrap();
    let second = send(&tag, "key-1", &accept).await.unwrap();
    assert_eq!(
        (second.status(), second.headers()["idempotency-replayed"].to_str().unwrap()),
        (StatusCode::OK, "true")
    );
    assert_eq!(second.json::<Value>().await.unwrap(), body);
    let other = send(&tag, "key-1", &json!({ "action": "start", "by": "Li" })).await.unwrap();
    assert_eq!(other.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let stale = send(&tag, "key-2", &json!({ "action": "start", "by": "Li" })).await.unwrap();
    assert_eq!(stale.status(), StatusCode::PRECONDITION_FAILED);
    for bad in ["", "a b", &"x".repeat(129)] {
        let refused = send(&tag, bad, &accept).await.unwrap();
        assert_eq!(refused.status(), StatusCode::BAD_REQUEST, "{bad:?}");
    }
    assert_eq!(send("v5", "key-3", &accept).await.unwrap().status(), StatusCode::BAD_REQUEST);
    assert_eq!(server.view(&id).await["case"]["version"], 5);
    server.house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_many_who_act_at_the_same_moment_is_first_and_the_trail_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::open(city(folder.path()), Arc::new(manual())).await;
    let id = server.fire().await;
    let orders = (0..12).map(|n| server.act(&id, json!({ "action": "accept", "by": format!("clerk {n}") })));
    let answers = futures::future::join_all(orders).await;
    assert_eq!(answers.iter().filter(|(status, _)| *status == StatusCode::OK).count(), 1, "{answers:?}");
    let view = server.view(&id).await;
    let versions: Vec<_> =
        view["trail"].as_array().unwrap().iter().map(|line| line["version"].as_u64().unwrap()).collect();
    assert_eq!(versions, [1, 2, 3, 4, 5]);
    server.house.close().await;
}

async fn wait_for_points(server: &Server, id: &CaseId, points: u64) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let view = server.view(id).await;
        if view["case"]["points"].as_u64() >= Some(points) {
            return view;
        }
        assert!(Instant::now() < deadline, "{view}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clocks_run_out_on_time_survive_a_restart_and_an_hour_back_shows_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let clock = manual();
    let server = Server::open(quick(folder.path()), Arc::new(clock.clone())).await;
    let id = server.fire().await;
    server.house.close().await;

    // It runs out while the program is down.
    clock.advance(Duration::from_secs(125));
    let server = Server::open(quick(folder.path()), Arc::new(clock.clone())).await;
    let view = wait_for_points(&server, &id, 2).await;
    let actions = |view: &Value| {
        let trail = view["trail"].as_array().unwrap().iter().skip(4);
        trail.map(|line| line["action"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(actions(&view), ["yellow_card", "red_card", "escalated"]);
    let clocks = view["case"]["clocks"].as_array().unwrap();
    let accept = clocks.iter().find(|clock| clock["stage"] == "accept").unwrap();
    assert_eq!((&accept["overdue"], &accept["card"]), (&json!(true), &json!("red")));

    clock.set(clock.now().minus(Duration::from_secs(3_600)));
    tokio::time::sleep(Duration::from_millis(600)).await;
    clock.advance(Duration::from_secs(3_600));
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(actions(&server.view(&id).await).len(), 3);
    clock.advance(Duration::from_secs(3_600));
    let view = wait_for_points(&server, &id, 4).await;
    assert_eq!(view["case"]["level"], "district");
    let (status, _) = server.act(&id, json!({ "action": "accept", "by": "Li" })).await;
    assert_eq!(status, StatusCode::OK);
    server.house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_case_that_is_linked_to_another_raises_it() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::open(city(folder.path()), Arc::new(manual())).await;
    let one = server.fire().await;
    server.house.publish(&(0..2).map(|n| burning("gate-2", n)).collect::<Vec<_>>()).await;
    let cases = server.house.wait_for_cases(2).await;
    let two = cases.iter().find(|case| case.id != one).unwrap().id.clone();
    let (status, case) = server.act(&two, json!({ "action": "link", "by": "Li", "to": one.as_str() })).await;
    assert_eq!(
        (status, &case["state"], &case["linked_to"]),
        (StatusCode::OK, &json!("linked"), &json!(one.as_str()))
    );
    let view = server.view(&one).await;
    assert_eq!((&view["case"]["reports"], &view["trail"][4]["action"]), (&json!(1), &json!("join")));
    // Nothing follows a link, and nobody links to what is over.
    assert_eq!(server.act(&two, json!({ "action": "accept", "by": "Li" })).await.0, StatusCode::CONFLICT);
    assert_eq!(
        server.act(&one, json!({ "action": "link", "by": "Li", "to": two.as_str() })).await.0,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    let stored = server.house.services.case(&two).await.unwrap().unwrap().case;
    assert_eq!(stored.state, CaseState::Linked);
    assert_eq!(CaseLimits::default().red_card_points, 2);
    server.house.close().await;
}
