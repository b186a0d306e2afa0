//! What people and other systems tell, and what the camera says of work that is reported done.

use super::database::city;
use crate::support::city::{START, around, burning, look, with_box};
use crate::support::{House, PATIENCE};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use citybrain_dispatcher::case::action::{Action, Order};
use citybrain_types::{CaseId, CaseState, ManualClock};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

struct Server {
    house: House,
    base: String,
    client: Client,
    _folder: tempfile::TempDir,
}

async fn serve() -> Server {
    let folder = tempfile::tempdir().unwrap();
    let clock = ManualClock::starting_at(START.plus(Duration::from_secs(60)));
    let house = House::open_with_clock(city(folder.path()), Arc::new(clock)).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let router = citybrain_dispatcher::api::router(house.services.clone(), Arc::clone(&house.registry));
    tokio::spawn(async move { axum::serve(listener, router).await });
    Server { house, base, client: Client::builder().no_proxy().build().unwrap(), _folder: folder }
}

impl Server {
    async fn report(&self, body: &Value) -> (StatusCode, Value) {
        let response =
            self.client.post(format!("{}/api/v1/reports", self.base)).json(body).send().await.unwrap();
        (response.status(), response.json().await.unwrap())
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        let response = self.client.get(format!("{}{path}", self.base)).send().await.unwrap();
        (response.status(), response.json().await.unwrap())
    }
}

/// The smallest picture an encoder makes: one grey block.
fn photo() -> String {
    let mut bytes = vec![0xff, 0xd8, 0xff, 0xe0, 0, 4, 1, 2, 0xff, 0xe1, 0, 6, b'E', b'x', b'i', b'f'];
    bytes.extend([0xff, 0xc0, 0, 11, 8, 0, 8, 0, 8, 1, 1, 0x11, 0]);
    bytes.extend([0xff, 0xda, 0, 8, 1, 1, 0, 0, 63, 0, 0x12, 0x34, 0xff, 0xd9]);
    STANDARD.encode(bytes)
}

fn litter() -> Value {
    json!({
        "kind": "littering", "source": "grid_worker", "by": "Wang, grid 7", "position": [121.5, 31.2],
        "description": "<script>alert(1)</script> bags", "photos": [photo()],
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_opens_a_case_with_its_photo_and_a_second_one_nearby_joins_it() {
    let server = serve().await;
    let (status, first) = server.report(&litter()).await;
    assert_eq!((status, &first["joined"]), (StatusCode::CREATED, &json!(false)), "{first}");
    let case = &first["case"];
    assert_eq!(
        (&case["state"], &case["camera"], &case["source"]),
        (&json!("reported"), &Value::Null, &json!("grid_worker"))
    );
    let picture = case["photos"][0].as_str().unwrap();
    let kept = server.client.get(format!("{}/snapshots/{picture}", server.base)).send().await.unwrap();
    assert_eq!(kept.status(), StatusCode::OK);
    let kept = kept.bytes().await.unwrap();
    assert!(kept.starts_with(&[0xff, 0xd8]) && !kept.windows(4).any(|part| part == b"Exif"));

    let mut near = litter();
    near["source"] = json!("hotline");
    near["position"] = json!([121.5003, 31.2]);
    let (status, second) = server.report(&near).await;
    assert_eq!((status, &second["joined"]), (StatusCode::OK, &json!(true)));
    assert_eq!((&second["case"]["id"], &second["case"]["priority"]), (&case["id"], &json!("urgent")));
    // Whoever has verified it puts it on file, and the routes hand it over.
    let id = CaseId::new(case["id"].as_str().unwrap()).unwrap();
    let order =
        Order { action: Action::File, by: "Chen".to_owned(), department: None, reason: String::new() };
    let case = server.house.services.act(&id, &order, None, |_| None).await.unwrap();
    assert_eq!((case.state, case.departments.len()), (CaseState::Dispatched, 1));
    server.house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_of_what_a_camera_sees_joins_the_cameras_case() {
    let server = serve().await;
    let littered = |n| with_box(look("gate-1", n), "littering", 0.95, around(0.5, 0.5));
    server.house.publish(&[littered(0), littered(1)]).await;
    let seen = server.house.wait_for_cases(1).await.remove(0);
    let (_, told) = server.report(&litter()).await;
    assert_eq!((&told["joined"], told["case"]["id"].as_str()), (&json!(true), Some(seen.id.as_str())));
    assert_eq!(server.house.cases().await.len(), 1);
    server.house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_that_is_sent_again_under_its_key_opens_one_case() {
    let server = serve().await;
    let send = || {
        let request =
            server.client.post(format!("{}/api/v1/reports", server.base)).header("idempotency-key", "r-1");
        request.json(&litter()).send()
    };
    let first = send().await.unwrap();
    let second = send().await.unwrap();
    assert_eq!((first.status(), second.status()), (StatusCode::CREATED, StatusCode::CREATED));
    assert_eq!(first.json::<Value>().await.unwrap(), second.json::<Value>().await.unwrap());
    assert_eq!(server.house.cases().await.len(), 1);
    server.house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn photos_that_are_none_and_reports_that_cannot_be_are_refused_and_leave_nothing() {
    let server = serve().await;
    let with = |field: &str, value: Value| {
        let mut body = litter();
        body[field] = value;
        body
    };
    for (body, status) in [
        (with("photos", json!([STANDARD.encode("<svg onload=alert(1)>")])), 422),
        (with("photos", json!(["!!"])), 422),
        (with("photos", json!(vec![photo(); 9])), 422),
        (with("kind", json!("flood")), 422),
        (with("source", json!("camera")), 422),
        (with("source", json!("martian")), 422),
        (with("by", json!("")), 422),
        (with("position", json!([121.5])), 422),
        (with("position", json!([500, 31.2])), 422),
        (with("position", Value::Null), 422),
        (with("description", json!("x".repeat(2_001))), 422),
        (with("colour", json!("red")), 422),
    ] {
        let (got, problem) = server.report(&body).await;
        assert_eq!(got.as_u16(), status, "{problem}");
        assert!(!problem["detail"].as_str().unwrap().is_empty());
    }
    assert!(server.house.cases().await.is_empty());
    assert!(!server.house.services.snapshot_root().join("reports").exists());
    server.house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_system_reports_and_reads_by_open311() {
    let server = serve().await;
    let (_, services) = server.get("/open311/v2/services.json").await;
    let codes: Vec<_> =
        services.as_array().unwrap().iter().map(|s| s["service_code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["fire", "littering"]);
    let url = format!("{}/open311/v2/requests.json", server.base);
    let post = |body: &'static str| {
        let request = server.client.post(&url).header("content-type", "application/x-www-form-urlencoded");
        request.body(body).send()
    };
    let posted = post(
        "service_code=littering&lat=31.2&long=121.5&description=bags+%3Cb%3E&first_name=Ann&api_key=x&extra=y",
    );
    let posted = posted.await.unwrap();
    assert_eq!(posted.status(), StatusCode::CREATED);
    let posted: Value = posted.json().await.unwrap();
    let id = posted[0]["service_request_id"].as_str().unwrap().to_owned();
    let (_, found) = server.get(&format!("/open311/v2/requests/{id}.json")).await;
    assert_eq!(
        (&found[0]["status"], &found[0]["description"], &found[0]["lat"]),
        (&json!("open"), &json!("bags <b>"), &json!(31.2))
    );
    let (_, all) = server
        .get("/open311/v2/requests.json?status=open&service_code=littering&start_date=2025-01-01T00:00:00Z")
        .await;
    assert_eq!(all.as_array().unwrap().len(), 1);
    let (_, none) = server.get("/open311/v2/requests.json?end_date=2025-01-01T00:00:00Z").await;
    assert_eq!(none, json!([]));
    // The same in XML, whoever asks for it.
    let xml = async |request: reqwest::RequestBuilder, expected: StatusCode| {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), expected);
        assert_eq!(response.headers()["content-type"], "text/xml; charset=utf-8");
        response.text().await.unwrap()
    };
    let at = |path: &str| server.client.get(format!("{}/open311/v2/{path}", server.base));
    let found = xml(at("requests.xml?status=open&service_code=littering"), StatusCode::OK).await;
    assert!(found.contains(&format!("<service_request_id>{id}</service_request_id>")), "{found}");
    assert!(found.contains("<description>bags &lt;b&gt;</description>"), "{found}");
    let one = xml(at(&format!("requests/{id}.xml")), StatusCode::OK).await;
    assert!(one.contains("<service_requests>") && one.contains("<lat>31.2</lat>"), "{one}");
    let services = xml(at("services.xml"), StatusCode::OK).await;
    assert!(services.contains("<service_code>fire</service_code>"), "{services}");
    let none = xml(at("requests/none.xml"), StatusCode::NOT_FOUND).await;
    assert!(none.contains("<errors>") && none.contains("<code>404</code>"), "{none}");
    let form = |body: &'static str| {
        let request = server.client.post(format!("{}/open311/v2/requests.xml", server.base));
        request.header("content-type", "application/x-www-form-urlencoded").body(body)
    };
    let posted = xml(form("service_code=littering&lat=31.2&long=121.5"), StatusCode::CREATED).await;
    assert!(
        posted.contains(&format!("<service_request_id>{id}</service_request_id>")),
        "it joined: {posted}"
    );
    let refused = xml(form("service_code=fire&lat=north&long=1"), StatusCode::BAD_REQUEST).await;
    assert!(refused.contains("<description>lat is no number of degrees</description>"), "{refused}");
    for bad in [
        "service_code=flood&lat=1&long=1",
        "lat=1&long=1",
        "service_code=fire&lat=north&long=1",
        "service_code=fire",
    ] {
        let refused = post(bad).await.unwrap();
        assert_eq!(refused.status(), StatusCode::BAD_REQUEST, "{bad}");
        let problem: Value = refused.json().await.unwrap();
        assert!(problem[0]["code"] == 400 && !problem[0]["description"].as_str().unwrap().is_empty());
    }
    assert_eq!(server.get("/open311/v2/requests.json?status=lost").await.0, StatusCode::BAD_REQUEST);
    assert_eq!(server.get("/open311/v2/requests/none.json").await.0, StatusCode::NOT_FOUND);
    server.house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_confirmed_fire_can_be_read_as_an_alert_and_nothing_else_can() {
    let server = serve().await;
    server.house.publish(&(0..2).map(|n| burning("gate-1", n)).collect::<Vec<_>>()).await;
    let id = server.house.wait_for_cases(1).await.remove(0).id;
    let alert = server.client.get(format!("{}/api/v1/cases/{id}/cap", server.base)).send().await.unwrap();
    assert_eq!(
        (alert.status(), alert.headers()["content-type"].to_str().unwrap()),
        (StatusCode::OK, "application/cap+xml")
    );
    let text = alert.text().await.unwrap();
    assert!(
        text.contains("<msgType>Alert</msgType>") && text.contains(&format!("<identifier>{id}</identifier>")),
        "{text}"
    );
    let (_, told) = server.report(&litter()).await;
    let other = told["case"]["id"].as_str().unwrap();
    assert_eq!(server.get(&format!("/api/v1/cases/{other}/cap")).await.0, StatusCode::NOT_FOUND);
    server.house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn how_departments_did_is_a_document_a_page_and_a_table() {
    let server = serve().await;
    server.report(&litter()).await;
    server.house.publish(&(0..2).map(|n| burning("gate-1", n)).collect::<Vec<_>>()).await;
    server.house.wait_for_cases(2).await;
    let (status, found) = server.get("/api/v1/appraisal?period=day&day=2025-06-01").await;
    assert_eq!(
        (status, &found["cases"], &found["period"]),
        (StatusCode::OK, &json!(2), &json!("2025-06-01"))
    );
    assert_eq!(
        (&found["units"][0]["department"], &found["units"][0]["cases"]),
        (&json!("brigade"), &json!(1))
    );
    for (format, media) in [("html", "text/html; charset=utf-8"), ("csv", "text/csv; charset=utf-8")] {
        let url = format!("{}/api/v1/appraisal?period=month&day=2025-06-30&format={format}", server.base);
        let page = server.client.get(url).send().await.unwrap();
        assert_eq!(page.headers()["content-type"], media);
        assert!(page.text().await.unwrap().contains("Fire brigade"));
    }
    assert_eq!(server.get("/api/v1/appraisal?day=yesterday").await.0, StatusCode::BAD_REQUEST);
    assert_eq!(server.get("/api/v1/appraisal?period=decade").await.0, StatusCode::BAD_REQUEST);
    server.house.close().await;
}

/// A case of litter that a department says it has removed, at the moment of the `n`-th look.
async fn done(server: &Server, clock: &ManualClock, n: u64) -> CaseId {
    let littered = |n| with_box(look("gate-1", n), "littering", 0.95, around(0.5, 0.5));
    server.house.publish(&[littered(0), littered(1)]).await;
    let id = server.house.wait_for_cases(1).await.remove(0).id;
    clock.set(START.plus(Duration::from_secs(2 * n)));
    for action in [Action::Accept, Action::Done] {
        let order = Order { action, by: "crew 4".to_owned(), department: None, reason: String::new() };
        server.house.services.act(&id, &order, None, |_| None).await.unwrap();
    }
    id
}

async fn serve_with(clock: &ManualClock) -> Server {
    let folder = tempfile::tempdir().unwrap();
    let house = House::open_with_clock(city(folder.path()), Arc::new(clock.clone())).await;
    Server { house, base: String::new(), client: Client::new(), _folder: folder }
}

async fn wait_for(server: &Server, id: &CaseId, state: CaseState) -> citybrain_dispatcher::CaseView {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let view = server.house.services.case(id).await.unwrap().unwrap();
        if view.case.state == state {
            return view;
        }
        assert!(Instant::now() < deadline, "{} instead of {state}", view.case.state);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn three_looks_that_find_nothing_left_close_what_was_reported_done_with_a_picture_after() {
    let clock = ManualClock::starting_at(START.plus(Duration::from_secs(10)));
    let server = serve_with(&clock).await;
    // What the camera showed last.
    let root = server.house.services.snapshot_root();
    std::fs::create_dir_all(root.join("gate-1")).unwrap();
    std::fs::write(root.join("gate-1/last.jpg"), "a picture").unwrap();
    server.house.street.shows("gate-1/last.jpg");
    let id = done(&server, &clock, 10).await;
    clock.set(START.plus(Duration::from_secs(200)));
    // Looks from before it was done prove nothing.
    server.house.publish(&(5..10).map(|n| look("gate-1", n)).collect::<Vec<_>>()).await;
    server.house.publish(&(11..13).map(|n| look("gate-1", n)).collect::<Vec<_>>()).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(server.house.services.case(&id).await.unwrap().unwrap().case.state, CaseState::Rechecking);
    server.house.publish(&[look("gate-1", 13)]).await;
    let view = wait_for(&server, &id, CaseState::Closed).await;
    let after = view.case.work.after.unwrap();
    assert_eq!(std::fs::read_to_string(root.join(after.as_str())).unwrap(), "a picture");
    assert_eq!(view.trail.last().unwrap().by, "system");
    server.house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_still_there_after_it_was_reported_done_is_reopened() {
    let clock = ManualClock::starting_at(START.plus(Duration::from_secs(10)));
    let server = serve_with(&clock).await;
    let id = done(&server, &clock, 5).await;
    clock.set(START.plus(Duration::from_secs(200)));
    let littered = |n| with_box(look("gate-1", n), "littering", 0.95, around(0.5, 0.5));
    server.house.publish(&(6..9).map(littered).collect::<Vec<_>>()).await;
    let view = wait_for(&server, &id, CaseState::Reopened).await;
    assert_eq!(view.case.work.reopened, 1);
    assert_eq!(server.house.cases().await.len(), 1, "it is the same case");
    server.house.close().await;
}
