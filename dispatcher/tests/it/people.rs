//! Who may come in, what each may do, and what is written down of it: over the API of a running dispatcher.

use super::database::{city, holds, raw};
use crate::support::House;
use crate::support::city::{START, burning, send_to, webhook};
use crate::support::receiver::{Misbehave, Receiver};
use citybrain_dispatcher::people::audit::HEAD_FILE;
use citybrain_dispatcher::people::{PeopleError, Role, SET_UP_FILE, User, Why};
use citybrain_ingest_config::City;
use citybrain_ingest_config::resolved::{Blur, PeopleRules};
use citybrain_types::{Clock, FrameDetections, ManualClock, SnapshotRef, Snapshots};
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const PASSWORD: &str = "correct horse battery";

struct Server {
    house: House,
    base: String,
    client: Client,
}

impl Server {
    async fn open(folder: &Path) -> Self {
        Self::open_with(folder, Arc::new(citybrain_types::SystemClock), PeopleRules::default()).await
    }

    async fn open_with(folder: &Path, clock: Arc<dyn Clock>, people: PeopleRules) -> Self {
        Self::open_city(city(folder), clock, people).await
    }

    async fn open_city(mut city: City, clock: Arc<dyn Clock>, people: PeopleRules) -> Self {
        city.people = people;
        let house = House::open_with_clock(city, clock).await;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let router = citybrain_dispatcher::api::router(house.services.clone(), Arc::clone(&house.registry));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { house, base, client: Client::builder().no_proxy().build().unwrap() }
    }

    fn people(&self) -> &citybrain_dispatcher::people::People {
        self.house.services.people()
    }

    async fn user(&self, name: &str, role: Role) -> User {
        self.people().add_user(name, role, PASSWORD).await.unwrap()
    }

    /// The id that a cookie of a session holds.
    async fn session(&self, name: &str) -> String {
        let rules = self.house.services.city().people.clone();
        let user = self.people().user(name).await.unwrap();
        self.people().begin_session(&rules, &user, "192.0.2.1", "test").await.unwrap()
    }

    fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base))
    }

    async fn status(&self, request: RequestBuilder) -> u16 {
        request.send().await.unwrap().status().as_u16()
    }
}

fn as_session(request: RequestBuilder, id: &str) -> RequestBuilder {
    request.header("cookie", format!("citybrain_session={id}"))
}

/// What a form of that session carries, as the pages know it.
fn csrf(id: &str) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(format!("form {id}")).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Who may ask which route: the last of nobody, viewer, operator, supervisor and admin that is refused, as written by hand.
fn expected() -> BTreeMap<(&'static str, &'static str), &'static str> {
    BTreeMap::from([
        (("get", "/healthz"), "nobody"),
        (("get", "/readyz"), "nobody"),
        (("get", "/metrics"), "nobody"),
        (("get", "/open311/v2/services.json"), "nobody"),
        (("get", "/open311/v2/requests.json"), "nobody"),
        (("post", "/open311/v2/requests.json"), "nobody"),
        (("get", "/open311/v2/services.xml"), "nobody"),
        (("get", "/open311/v2/requests.xml"), "nobody"),
        (("post", "/open311/v2/requests.xml"), "nobody"),
        (("get", "/open311/v2/requests/{id}"), "nobody"),
        (("get", "/api/v1/openapi.json"), "nobody"),
        (("get", "/api/v1/appraisal"), "viewer"),
        (("get", "/api/v1/cameras"), "viewer"),
        (("get", "/api/v1/cases"), "viewer"),
        (("get", "/api/v1/cases/{id}"), "viewer"),
        (("get", "/api/v1/cases/{id}/why"), "viewer"),
        (("get", "/api/v1/cases/{id}/cap"), "viewer"),
        (("get", "/api/v1/deliveries"), "viewer"),
        (("get", "/api/v1/kinds"), "viewer"),
        (("get", "/api/v1/events"), "viewer"),
        (("get", "/api/v1/silences"), "viewer"),
        (("get", "/api/v1/silences/{id}"), "viewer"),
        (("get", "/snapshots/{path}"), "viewer"),
        // Whoever comes without a signature is turned away by the route itself.
        (("get", "/pictures/{path}"), "nobody"),
        (("get", "/api/v1/me"), "viewer"),
        (("delete", "/api/v1/me/sessions"), "viewer"),
        (("get", "/api/v1/me/tokens"), "viewer"),
        (("post", "/api/v1/me/tokens"), "viewer"),
        (("delete", "/api/v1/me/tokens/{id}"), "viewer"),
        (("post", "/api/v1/cases/{id}/actions"), "operator"),
        (("post", "/api/v1/deliveries/{key}/replay"), "operator"),
        (("post", "/api/v1/destinations/{id}/replay"), "operator"),
        (("post", "/api/v1/reports"), "operator"),
        (("get", "/api/v1/policies"), "viewer"),
        (("get", "/api/v1/policies/{id}"), "viewer"),
        (("get", "/api/v1/policies/{id}/differences"), "viewer"),
        (("get", "/api/v1/verdicts/{item}"), "viewer"),
        (("post", "/api/v1/policies"), "operator"),
        (("put", "/api/v1/policies/{id}"), "operator"),
        (("post", "/api/v1/policies/{id}/actions"), "operator"),
        (("post", "/api/v1/policies/{id}/forecast"), "operator"),
        (("post", "/api/v1/what-if"), "operator"),
        (("get", "/api/v1/review"), "operator"),
        (("post", "/api/v1/verdicts"), "operator"),
        (("post", "/api/v1/calibrations"), "operator"),
        (("get", "/originals/{path}"), "supervisor"),
        (("post", "/api/v1/silences"), "supervisor"),
        (("post", "/api/v1/silences/{id}/end"), "supervisor"),
        (("get", "/api/v1/audit"), "supervisor"),
        (("get", "/api/v1/audit/verify"), "supervisor"),
        (("get", "/api/v1/users"), "admin"),
        (("post", "/api/v1/users"), "admin"),
        (("patch", "/api/v1/users/{id}"), "admin"),
    ])
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_of_the_document_lets_in_exactly_whom_the_table_says() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::open(folder.path()).await;
    let ranks = ["nobody", "viewer", "operator", "supervisor", "admin"];
    for role in Role::ALL {
        server.user(role.name(), role).await;
    }
    let expected = expected();
    let document = citybrain_dispatcher::api::openapi();
    let mut asked = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            let least = expected.get(&(method.as_str(), path.as_str()));
            let least = *least.unwrap_or_else(|| panic!("the table of this test lacks {method} {path}"));
            let from = ranks.iter().position(|rank| *rank == least).unwrap();
            for (rank, who) in ranks.iter().enumerate() {
                let place = path.replace("{path}", "none/such.jpg").replace(['{', '}'], "");
                let verb = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
                let mut request = server.ask(verb, &place);
                if rank > 0 {
                    let id = server.session(who).await;
                    request = as_session(request, &id).header("x-csrf-token", csrf(&id));
                }
                let status = server.status(request).await;
                let turned_away = if rank == 0 { 401 } else { 403 };
                let is_in = status != 401 && status != 403;
                assert_eq!(is_in, rank >= from, "{method} {path} as {who}: {status}");
                assert!(is_in || status == turned_away, "{method} {path} as {who}: {status}");
                asked += 1;
            }
        }
    }
    assert_eq!(asked, expected.len() * ranks.len(), "the table has routes that are gone");
    // Where nothing is, nobody learns it who has not signed in.
    assert_eq!(server.status(server.ask(Method::GET, "/api/v1/nothing")).await, 401);
    server.house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn trails_are_signed_by_whoever_has_signed_in_and_approval_is_a_permission() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::open(folder.path()).await;
    server.user("li.wei", Role::Operator).await;
    server.user("chen", Role::Supervisor).await;
    server.house.publish(&(0..2).map(|n| burning("gate-1", n)).collect::<Vec<_>>()).await;
    let case = server.house.wait_for_cases(1).await.remove(0).id;
    let act = async |name: &str, body: Value| {
        let id = server.session(name).await;
        let request = server.ask(Method::POST, &format!("/api/v1/cases/{case}/actions")).json(&body);
        let response = as_session(request, &id).header("x-csrf-token", csrf(&id)).send().await.unwrap();
        (response.status().as_u16(), response.json::<Value>().await.unwrap())
    };
    let (status, problem) =
        act("li.wei", json!({ "action": "accept", "by": "the mayor", "department": "brigade" })).await;
    assert_eq!(status, 422, "{problem}");
    let (status, problem) = act("li.wei", json!({ "action": "accept", "department": "brigade" })).await;
    assert_eq!(status, 200, "{problem}");
    let extend = json!({ "action": "extend", "minutes": 10, "reason": "the road is closed" });
    assert_eq!(act("li.wei", extend.clone()).await.0, 403);
    let (status, problem) = act("chen", extend).await;
    assert_eq!(status, 200, "{problem}");
    let view = server.house.services.case(&case).await.unwrap().unwrap();
    let signed: Vec<(&str, &str)> =
        view.trail.iter().map(|change| (change.action.as_str(), change.by.as_str())).collect();
    assert!(signed.contains(&("accept", "li.wei")) && signed.contains(&("extend", "chen")), "{signed:?}");
    let rows = server.people().audit(None, 100).await.unwrap();
    let told: Vec<(&str, &str)> = rows.iter().map(|row| (row.event.as_str(), row.by.as_str())).collect();
    assert!(told.contains(&("case.accept", "li.wei")) && told.contains(&("case.extend", "chen")), "{told:?}");
    server.house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_changes_nothing_without_what_its_forms_carry_and_no_other_site_does() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::open(folder.path()).await;
    server.user("li.wei", Role::Operator).await;
    let id = server.session("li.wei").await;
    let replay = || as_session(server.ask(Method::POST, "/api/v1/deliveries/x/replay"), &id);
    assert_eq!(server.status(replay()).await, 403, "without");
    assert_eq!(
        server.status(replay().header("x-csrf-token", csrf("another"))).await,
        403,
        "of another session"
    );
    assert_eq!(server.status(replay().header("x-csrf-token", csrf(&id))).await, 404, "its own");
    let form = |csrf: String| {
        let media = "application/x-www-form-urlencoded";
        replay().header("content-type", media).body(format!("a=b&csrf={csrf}"))
    };
    assert_eq!(server.status(form(csrf(&id))).await, 404, "as a field");
    assert_eq!(server.status(form(csrf("another"))).await, 403);
    for (name, value) in
        [("origin", "http://evil.example"), ("origin", "null"), ("sec-fetch-site", "cross-site")]
    {
        let request = replay().header("x-csrf-token", csrf(&id)).header(name, value);
        assert_eq!(server.status(request).await, 403, "{name}: {value}");
    }
    let own = replay().header("x-csrf-token", csrf(&id)).header("origin", &server.base);
    assert_eq!(server.status(own).await, 404);
    server.house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_when_idle_when_old_when_signed_out_everywhere_and_when_its_user_is_shut_out() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::starting_at(START));
    let rules = PeopleRules {
        session_idle: Duration::from_secs(600),
        session_max: Duration::from_secs(3_600),
        ..PeopleRules::default()
    };
    let server = Server::open_with(folder.path(), clock.clone(), rules).await;
    let user = server.user("li.wei", Role::Viewer).await;
    let me = async |id: &str| server.status(as_session(server.ask(Method::GET, "/api/v1/me"), id)).await;
    let id = server.session("li.wei").await;
    for _ in 0..6 {
        clock.advance(Duration::from_secs(590));
        assert_eq!(me(&id).await, 200);
    }
    clock.advance(Duration::from_secs(100));
    assert_eq!(me(&id).await, 401, "older than an hour");
    let id = server.session("li.wei").await;
    clock.advance(Duration::from_secs(601));
    assert_eq!(me(&id).await, 401, "not used for ten minutes");
    let (one, other) = (server.session("li.wei").await, server.session("li.wei").await);
    let everywhere = as_session(server.ask(Method::DELETE, "/api/v1/me/sessions"), &one);
    assert_eq!(server.status(everywhere.header("x-csrf-token", csrf(&one))).await, 204);
    assert_eq!((me(&one).await, me(&other).await), (401, 401));
    let id = server.session("li.wei").await;
    server.user("boss", Role::Admin).await;
    server.people().change_user(&user.id, None, Some(true), None).await.unwrap();
    assert_eq!(me(&id).await, 401);
    let rules = server.house.services.city().people.clone();
    let again = server.people().sign_in(&rules, "li.wei", PASSWORD, "", "").await;
    assert!(matches!(again, Err(PeopleError::Wrong)), "{again:?}");
    server.house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_does_what_its_scopes_and_its_owner_allow_until_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::starting_at(START));
    let server = Server::open_with(folder.path(), clock.clone(), PeopleRules::default()).await;
    let owner = server.user("gateway", Role::Operator).await;
    server.user("boss", Role::Admin).await;
    let id = server.session("gateway").await;
    let make = async |scopes: Value| {
        let body = json!({ "name": "hotline", "scopes": scopes, "days": 30 });
        let request = as_session(server.ask(Method::POST, "/api/v1/me/tokens").json(&body), &id);
        let response = request.header("x-csrf-token", csrf(&id)).send().await.unwrap();
        (response.status().as_u16(), response.json::<Value>().await.unwrap())
    };
    assert_eq!(make(json!(["users"])).await.0, 422, "more than its owner may");
    assert_eq!(make(json!([])).await.0, 422);
    let (status, made) = make(json!(["view", "report"])).await;
    assert_eq!(status, 201, "{made}");
    let text = made["text"].as_str().unwrap().to_owned();
    let ask = async |method: Method, path: &str| {
        server.status(server.ask(method, path).header("authorization", format!("Bearer {text}"))).await
    };
    assert_eq!(ask(Method::GET, "/api/v1/cases").await, 200);
    assert_eq!(ask(Method::POST, "/api/v1/deliveries/x/replay").await, 403, "not among its scopes");
    let report = json!({ "kind": "littering", "source": "hotline", "by": "Ann", "position": [121.5, 31.2] });
    let request = server.ask(Method::POST, "/api/v1/reports").json(&report);
    let response = request.header("authorization", format!("Bearer {text}")).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::CREATED);
    let case: Value = response.json().await.unwrap();
    let case = citybrain_types::CaseId::new(case["case"]["id"].as_str().unwrap()).unwrap();
    let view = server.house.services.case(&case).await.unwrap().unwrap();
    assert_eq!(view.trail[0].by, "gateway via hotline");
    assert!(view.trail[0].seen.contains("Ann"), "who told is kept: {}", view.trail[0].seen);
    // The database holds no text of a token and no id of a session.
    assert!(holds(folder.path(), "hotline").await, "what is kept is found");
    for secret in [text.as_str(), &id, PASSWORD] {
        assert!(!holds(folder.path(), secret).await, "a secret lies in the database");
    }
    server.people().change_user(&owner.id, Some(Role::Viewer), None, None).await.unwrap();
    let request = server.ask(Method::POST, "/api/v1/reports").json(&report);
    assert_eq!(
        server.status(request.header("authorization", format!("Bearer {text}"))).await,
        403,
        "demoted"
    );
    clock.advance(Duration::from_secs(31 * 24 * 60 * 60));
    assert_eq!(ask(Method::GET, "/api/v1/cases").await, 401, "over");
    let other = server.ask(Method::GET, "/api/v1/cases").header("authorization", "Bearer cbt_none");
    assert_eq!(server.status(other).await, 401);
    server.house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_admin_is_made_with_a_code_that_only_the_owner_of_the_folder_reads_and_that_is_good_once() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let server = Server::open(folder.path()).await;
    let file = folder.path().join(SET_UP_FILE);
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let code = std::fs::read_to_string(&file).unwrap();
    let people = server.people();
    assert!(people.awaits_set_up().await.unwrap());
    let set_up = async |code: &str, password: &str| people.set_up(code, "boss", password, "192.0.2.1").await;
    let wrong = set_up("AAAA-AAAA-AAAA-AAAA-AAAA", PASSWORD).await;
    assert!(matches!(wrong, Err(PeopleError::Refused(Why::Code))), "{wrong:?}");
    let weak = set_up(&code, "password1234").await;
    assert!(matches!(weak, Err(PeopleError::Refused(Why::PasswordCommon))), "{weak:?}");
    assert_eq!(set_up(&code, PASSWORD).await.unwrap().role, Role::Admin);
    assert!(!file.exists(), "the code is gone");
    assert!(!people.awaits_set_up().await.unwrap());
    let again = set_up(&code, PASSWORD).await;
    assert!(matches!(again, Err(PeopleError::Refused(Why::Code))), "{again:?}");
    let last = people.user("boss").await.unwrap();
    for (role, disabled) in [(Some(Role::Viewer), None), (None, Some(true))] {
        let refused = people.change_user(&last.id, role, disabled, None).await;
        assert!(matches!(refused, Err(PeopleError::Refused(Why::LastAdmin))), "{refused:?}");
    }
    server.house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_is_slowed_and_a_name_that_is_not_there_is_answered_alike() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::starting_at(START));
    let server = Server::open_with(folder.path(), clock.clone(), PeopleRules::default()).await;
    server.user("li.wei", Role::Viewer).await;
    let rules = PeopleRules::default();
    let attempt = async |name: &str, password: &str| {
        server
            .people()
            .sign_in(&rules, name, password, "192.0.2.7", "")
            .await
            .map(|_| ())
            .map_err(|e| e.to_string())
    };
    let mut answers = [Vec::new(), Vec::new()];
    for (name, answers) in ["li.wei", "nobody.there"].into_iter().zip(&mut answers) {
        for _ in 0..6 {
            answers.push(attempt(name, "not the password").await.unwrap_err());
        }
    }
    assert_eq!(answers[0], answers[1], "the answers do not tell which name is there");
    assert!(answers[0][4].contains("wrong") && answers[0][5].contains("wait"), "{:?}", answers[0]);
    assert!(attempt("Li.Wei", PASSWORD).await.is_err(), "the right one has to wait, too");
    clock.advance(Duration::from_secs(2));
    attempt("Li.Wei", PASSWORD).await.unwrap();
    server.house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn photos_that_were_sent_in_and_originals_are_shown_to_those_who_may_and_written_down() {
    let folder = tempfile::tempdir().unwrap();
    let rules = PeopleRules { blur: Blur::FacesAndPlates, ..PeopleRules::default() };
    let server = Server::open_with(folder.path(), Arc::new(citybrain_types::SystemClock), rules).await;
    server.user("viewer", Role::Viewer).await;
    server.user("chief", Role::Supervisor).await;
    for (place, text) in [
        ("snapshots/gate-1/at.jpg", "blurred"),
        ("originals/gate-1/at.jpg", "original"),
        ("snapshots/reports/day/photo.jpg", "sent in"),
    ] {
        let file = folder.path().join(place);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }
    let get = async |name: &str, path: &str| {
        let id = server.session(name).await;
        let response = as_session(server.ask(Method::GET, path), &id).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    assert_eq!(get("viewer", "/snapshots/gate-1/at.jpg").await, (200, "blurred".to_owned()));
    assert_eq!(get("viewer", "/originals/gate-1/at.jpg").await.0, 403);
    assert_eq!(get("viewer", "/snapshots/reports/day/photo.jpg").await.0, 403);
    assert_eq!(get("viewer", "/snapshots/..%2Foriginals/gate-1/at.jpg").await.0, 400);
    assert_eq!(get("chief", "/snapshots/gate-1/at.jpg").await, (200, "blurred".to_owned()));
    assert_eq!(get("chief", "/originals/gate-1/at.jpg").await, (200, "original".to_owned()));
    assert_eq!(get("chief", "/snapshots/reports/day/photo.jpg").await, (200, "sent in".to_owned()));
    let rows = server.people().audit(None, 100).await.unwrap();
    let seen: Vec<&str> =
        rows.iter().filter(|row| row.event == "picture.original").map(|row| row.subject.as_str()).collect();
    assert_eq!(seen, ["reports/day/photo.jpg", "gate-1/at.jpg"]);
    server.house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_the_audit_log_that_were_changed_taken_out_moved_or_cut_off_in_the_database_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::open(folder.path()).await;
    let people = server.people().clone();
    // Many at once still make one chain.
    futures_all((0..20).map(|n| {
        let people = people.clone();
        async move { people.record("test", "counted", &n.to_string(), "").await }
    }))
    .await;
    let verdict = people.verify_audit(None).await.unwrap();
    assert!(verdict.whole && verdict.rows == 20, "{verdict:?}");
    let run = async |sql: &'static str| {
        sqlx::query(sql).execute(&mut raw(folder.path()).await).await.unwrap();
        people.verify_audit(None).await.unwrap().fault
    };
    assert_eq!(run("UPDATE audit_log SET by_whom = 'x' WHERE seq = 7").await.unwrap(), "row 7 was changed");
    assert_eq!(run("UPDATE audit_log SET by_whom = 'test' WHERE seq = 7").await, None, "put right again");
    let swap = "UPDATE audit_log SET seq = CASE seq WHEN 3 THEN -4 ELSE -3 END WHERE seq IN (3, 4)";
    assert!(run(swap).await.is_some());
    assert!(run("UPDATE audit_log SET seq = -seq WHERE seq < 0").await.unwrap().contains("row 3"));
    let back = "UPDATE audit_log SET seq = CASE seq WHEN 3 THEN -4 ELSE -3 END WHERE seq IN (3, 4)";
    run(back).await;
    assert_eq!(run("UPDATE audit_log SET seq = -seq WHERE seq < 0").await, None);
    let head = people.audit_head().await.unwrap();
    assert!(run("DELETE FROM audit_log WHERE seq > 18").await.unwrap().contains("its end is gone"));
    std::fs::remove_file(folder.path().join(HEAD_FILE)).unwrap();
    assert!(people.verify_audit(None).await.unwrap().whole, "the chain alone cannot tell");
    assert!(!people.verify_audit(Some(head)).await.unwrap().whole, "a head that was noted elsewhere can");
    assert_eq!(run("DELETE FROM audit_log WHERE seq = 5").await.unwrap(), "row 5 is missing: the next is 6");
    server.house.close().await;
}

async fn futures_all(all: impl Iterator<Item = impl Future<Output = ()> + Send + 'static>) {
    let tasks: Vec<_> = all.map(tokio::spawn).collect();
    for task in tasks {
        task.await.unwrap();
    }
}

/// What a receiver was sent of pictures, in the order of the messages.
fn pictures_of(receiver: &Receiver) -> Vec<(String, String)> {
    let taken = receiver.taken();
    let links = taken.values().flatten().map(|body| body["data"]["links"].clone());
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    links.map(|links| (text(&links["snapshot_at"]), text(&links["snapshot_before"]))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_opens_the_pictures_of_its_messages_without_a_token_until_their_time_is_over_and_no_others()
 {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::starting_at(START));
    let rules = PeopleRules {
        picture_links: Duration::from_secs(24 * 3_600),
        blur: Blur::FacesAndPlates,
        ..PeopleRules::default()
    };
    let receiver = Receiver::start(&[Misbehave::Answer(500)]).await;
    let mut config = city(folder.path());
    let soon = [Duration::from_millis(50); 8];
    send_to(&mut config, "desk", webhook(&receiver.url()), Duration::from_secs(10), &soon);
    let server = Server::open_city(config, Arc::clone(&clock) as Arc<dyn Clock>, rules).await;
    for (place, text) in [
        ("snapshots/gate-1/day/at.jpg", "blurred"),
        ("originals/gate-1/day/at.jpg", "original"),
        ("snapshots/gate-1/day/before.jpg", "before"),
        ("snapshots/gate-2/day/at.jpg", "of another case"),
        ("snapshots/reports/day/photo.jpg", "sent in"),
    ] {
        let file = folder.path().join(place);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }
    let pictures = Snapshots {
        at: SnapshotRef::new("gate-1/day/at.jpg").unwrap(),
        before: Some(SnapshotRef::new("gate-1/day/before.jpg").unwrap()),
    };
    let frames: Vec<_> = (0..2).map(|n| burning("gate-1", n)).collect();
    let seen = frames.into_iter().map(|frame| FrameDetections { snapshots: Some(pictures.clone()), ..frame });
    server.house.publish(&seen.collect::<Vec<_>>()).await;
    server.house.wait_for_cases(1).await;
    let clock_too = Arc::clone(&clock);
    let ticks = tokio::spawn(async move {
        loop {
            clock_too.advance(Duration::from_millis(100));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    server.house.wait_until_delivered().await;
    ticks.abort();
    let sent = pictures_of(&receiver);
    assert!(!sent.is_empty() && !receiver.refused().is_empty(), "one message was told again: {sent:?}");
    // The messages name the public address; here the same server answers under another.
    let get = async |link: &str| {
        let url = url::Url::parse(link).unwrap();
        let path = format!("{}?{}", url.path(), url.query().unwrap_or_default());
        let response = server.ask(Method::GET, &path).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    for (at, before) in &sent {
        assert_eq!(get(at).await, (200, "blurred".to_owned()), "{at}");
        assert_eq!(get(before).await, (200, "before".to_owned()), "{before}");
    }
    let at = &sent[0].0;
    let mark = at.split("mark=").nth(1).unwrap();
    let flipped: String = mark.chars().map(|c| if c == '0' { '1' } else { '0' }).collect();
    let until = at.split("until=").nth(1).unwrap().split('&').next().unwrap();
    let longer = (until.parse::<u64>().unwrap() + 3_600).to_string();
    for (what, link, status) in [
        ("another picture", at.replace("/gate-1/", "/gate-2/"), 404),
        ("another mark", at.replace(mark, &flipped), 404),
        ("a longer time", at.replace(until, &longer), 404),
        ("no mark", at.split("&mark").next().unwrap().to_owned(), 422),
        ("no signature", at.split('?').next().unwrap().to_owned(), 422),
        ("the original", at.replace("/pictures/", "/originals/"), 401),
        ("as everybody sees it", at.replace("/pictures/", "/snapshots/"), 401),
        ("a photo", at.replace("/gate-1/day/at.jpg", "/reports/day/photo.jpg"), 404),
        ("beside the folder", at.replace("/gate-1/day/", "/..%2Foriginals/gate-1/day/"), 400),
    ] {
        assert_eq!(get(&link).await.0, status, "{what}: {link}");
    }
    clock.advance(Duration::from_secs(23 * 3_600));
    assert_eq!(get(at).await.0, 200);
    clock.advance(Duration::from_secs(2 * 3_600));
    let (status, words) = get(at).await;
    assert!(status == 410 && words.contains("over"), "{status}: {words}");
    server.house.close().await;
}
