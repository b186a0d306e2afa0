//! Policies: drafted, in shadow, approved, live at once and rolled back; verdicts, and what is learnt from them.

use super::database::city;
use crate::support::city::{around, burning, look, with_box};
use crate::support::{House, PATIENCE};
use citybrain_dispatcher::log::{self, LOG_FOLDER};
use citybrain_dispatcher::policy::rules::{Numbers, Policy};
use citybrain_dispatcher::policy::{
    NewPolicy, OfficeError, PolicyAction, PolicyRecord, PolicyState, Question,
};
use citybrain_dispatcher::replay::Replay;
use citybrain_dispatcher::tune::{Per, Proposal, Scope};
use citybrain_dispatcher::verdict::{Given, NewCalibration, Refit, Verdict, VerdictError};
use citybrain_ingest_config::City;
use citybrain_types::{EventKind, FrameDetections};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

fn logged(folder: &Path) -> City {
    let mut city = city(folder);
    city.dispatch.log_budget_bytes = 1 << 30;
    city
}

fn draft(hits: u32) -> NewPolicy {
    let set = json!({ "hits_needed": hits, "looks_counted": 8 });
    let policy = json!({ "rules": [{ "kind": "fire", "set": set }] });
    NewPolicy {
        title: format!("{hits} hits"),
        policy: serde_json::from_value(policy).unwrap(),
        by: "Li Wei".to_owned(),
        reason: "orange vests".to_owned(),
    }
}

async fn act(
    house: &House,
    record: &PolicyRecord,
    action: PolicyAction,
) -> Result<PolicyRecord, OfficeError> {
    let by = ("Wang Fang", "as agreed");
    house.services.policies().act(&record.id, record.version, action, by, true).await
}

async fn live(house: &House, new: NewPolicy) -> PolicyRecord {
    let mut record = house.services.policies().create(new).await.unwrap();
    for action in [PolicyAction::Shadow, PolicyAction::Approve, PolicyAction::GoLive] {
        record = act(house, &record, action).await.unwrap();
    }
    record
}

/// Publishes frames and waits until intake has them: what is said next comes after them.
async fn publish(house: &House, frames: &[FrameDetections]) {
    let taken = |text: &str| {
        let line = text.lines().find(|line| line.starts_with("citybrain_intake_frames_total"));
        line.and_then(|line| line.split(' ').nth(1)?.parse::<usize>().ok()).unwrap_or(0)
    };
    let before = taken(&house.metrics());
    house.publish(frames).await;
    let deadline = Instant::now() + PATIENCE;
    while taken(&house.metrics()) < before + frames.len() {
        assert!(Instant::now() < deadline, "frames were not taken");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn two_looks(camera: &str, from: u64) -> Vec<FrameDetections> {
    vec![burning(camera, from), burning(camera, from + 1)]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_is_live_at_once_rolled_back_in_one_call_and_a_replay_of_the_log_opens_the_same_cases() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::open(logged(folder.path())).await;
    publish(&house, &two_looks("gate-1", 0)).await;
    house.wait_for_cases(1).await;
    let first = live(&house, draft(4)).await;
    publish(&house, &two_looks("gate-2", 10)).await;
    let second = live(&house, draft(5)).await;
    assert_eq!(second.replaced.as_deref(), Some(first.id.as_str()));
    let superseded = house.services.policies().view(&first.id).await.unwrap();
    assert_eq!(superseded.record.state, PolicyState::Superseded);
    let actions: Vec<_> = superseded.history.iter().map(|change| change.action.as_str()).collect();
    assert_eq!(actions, ["create", "shadow", "approve", "go_live", "supersede"]);
    // Back to the first, and from there to the configuration's own numbers.
    let second = act(&house, &second, PolicyAction::RollBack).await.unwrap();
    assert_eq!(second.state, PolicyState::RolledBack);
    assert_eq!(house.services.policies().in_force().id, first.id);
    let four = (20..24).map(|n| burning("gate-3", n)).collect::<Vec<_>>();
    publish(&house, &four).await;
    house.wait_for_cases(2).await;
    let again = house.services.policies().view(&first.id).await.unwrap().record;
    assert_eq!(again.state, PolicyState::Live);
    act(&house, &again, PolicyAction::RollBack).await.unwrap();
    assert!(house.services.policies().in_force().policy.is_empty());
    publish(&house, &two_looks("gate-4", 30)).await;
    let mut lived = house.wait_for_cases(3).await;
    lived.sort_by(|a, b| a.id.cmp(&b.id));
    house.close().await;

    let mut replay = Replay::new(Arc::new(logged(Path::new("unused"))), Arc::default());
    let mut without = Replay::new(Arc::new(logged(Path::new("unused"))), Arc::default());
    let entries = folder.path().join(LOG_FOLDER);
    log::read_entries(&entries, |entry| replay.entry(&entry), |_| panic!("torn")).unwrap();
    log::read(&entries, |batch| without.take(&batch), |_| panic!("torn")).unwrap();
    let replayed: Vec<_> = replay.cases().map(|case| (case.case.id.clone(), case.case.opened_at)).collect();
    assert_eq!(replayed, lived.iter().map(|case| (case.id.clone(), case.opened_at)).collect::<Vec<_>>());
    assert_eq!(without.cases().count(), 4, "without the policies the log opens a case at gate-2, too");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_live_or_in_shadow_is_so_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::open(logged(folder.path())).await;
    let live = live(&house, draft(4)).await;
    let shadow = house.services.policies().create(draft(2)).await.unwrap();
    act(&house, &shadow, PolicyAction::Shadow).await.unwrap();
    house.close().await;
    let house = House::open(logged(folder.path())).await;
    assert_eq!(house.services.policies().in_force().id, live.id);
    publish(&house, &two_looks("gate-1", 0)).await;
    // Two looks open nothing in force, and something in shadow.
    let deadline = Instant::now() + PATIENCE;
    let differences = loop {
        let (differences, missed) = house.services.policies().differences(&shadow.id, 10).await.unwrap();
        if !differences.is_empty() {
            assert_eq!(missed, 0);
            break differences;
        }
        assert!(Instant::now() < deadline, "the shadow tells no difference");
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert_eq!((differences.len(), differences[0].camera.as_str()), (1, "gate-1"));
    assert!(house.cases().await.is_empty());
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_change_a_policy_at_once_one_is_told_and_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::open(logged(folder.path())).await;
    let office = house.services.policies();
    let record = office.create(draft(3)).await.unwrap();
    let edit = |hits| office.edit(&record.id, record.version, draft(hits));
    let (one, other) = tokio::join!(edit(4), edit(5));
    let (done, refused) = if one.is_ok() { (one, other) } else { (other, one) };
    assert!(matches!(refused, Err(OfficeError::Stale { now: 2, .. })), "{refused:?}");
    assert_eq!(office.view(&record.id).await.unwrap().record, done.unwrap());
    // Two policies that go live at once: one takes the place of the other, in some order, and one is live.
    let approved = async |hits| {
        let mut record = office.create(draft(hits)).await.unwrap();
        for action in [PolicyAction::Shadow, PolicyAction::Approve] {
            record = act(&house, &record, action).await.unwrap();
        }
        record
    };
    let (a, b) = (approved(6).await, approved(7).await);
    let (one, other) =
        tokio::join!(act(&house, &a, PolicyAction::GoLive), act(&house, &b, PolicyAction::GoLive));
    assert!(one.is_ok() && other.is_ok());
    let live: Vec<_> =
        office.list().await.unwrap().into_iter().filter(|p| p.record.state == PolicyState::Live).collect();
    assert_eq!(live.len(), 1);
    assert_eq!(office.in_force().id, live[0].record.id);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_would_close_every_case_is_put_in_force_only_when_its_numbers_were_seen_and_confirmed()
{
    let folder = tempfile::tempdir().unwrap();
    // Frames of today: a forecast reads the last days.
    let now = citybrain_types::Clock::now(&citybrain_types::SystemClock);
    let shifted = |mut frame: FrameDetections, n: u64| {
        frame.captured_at = now.minus(Duration::from_secs(3_600 - 2 * n));
        frame.stages.detected_at = frame.captured_at;
        frame
    };
    let house = House::open(logged(folder.path())).await;
    for (camera, n) in [("gate-1", 0), ("gate-2", 10), ("gate-3", 20)] {
        publish(&house, &[shifted(burning(camera, n), n), shifted(burning(camera, n + 1), n + 1)]).await;
    }
    house.wait_for_cases(3).await;
    let office = house.services.policies();
    let mut record = office.create(draft(8)).await.unwrap();
    record = act(&house, &record, PolicyAction::Shadow).await.unwrap();
    let without = |record: &PolicyRecord, action| {
        let (id, version) = (record.id.clone(), record.version);
        async move { office.act(&id, version, action, ("Wang Fang", "as agreed"), false).await }
    };
    let refused = without(&record, PolicyAction::Approve).await.unwrap_err().to_string();
    assert!(refused.contains("ask for its forecast first"), "{refused}");
    let forecast = office.forecast(&record.id, 1).await.unwrap();
    let (before, after) = (&forecast.all.before, &forecast.all.after);
    assert_eq!((before.cases, after.cases, forecast.lost_in_all, forecast.lost.len()), (3, 0, 3, 3));
    let refused = without(&record, PolicyAction::Approve).await.unwrap_err().to_string();
    assert!(refused.contains("it closes every case of fire: 3 in"), "{refused}");
    record = act(&house, &record, PolicyAction::Approve).await.unwrap();
    assert!(without(&record, PolicyAction::GoLive).await.is_err());
    assert_eq!(act(&house, &record, PolicyAction::GoLive).await.unwrap().state, PolicyState::Live);
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_of_a_page_is_worked_out_once_however_often_it_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::open(logged(folder.path())).await;
    let now = citybrain_types::Clock::now(&citybrain_types::SystemClock);
    let frames: Vec<FrameDetections> = (0..4)
        .map(|n| {
            let mut frame = burning("gate-1", n);
            frame.captured_at = now.minus(Duration::from_secs(600 - 2 * n));
            frame.stages.detected_at = frame.captured_at;
            frame
        })
        .collect();
    publish(&house, &frames).await;
    house.wait_for_cases(1).await;
    let office = house.services.policies();
    let variants = [0.4, 0.5, 0.99].map(|score| {
        let set = Numbers { hit_score: Some(score), ..Numbers::default() };
        let rules = vec![Scope::City.rule(EventKind::new("fire"), set)];
        Proposal { name: format!("{score}"), policy: Policy { rules, ..Policy::default() } }
    });
    let question = Question {
        variants: variants.to_vec(),
        only: Scope::City,
        per: Per::City,
        budget: Some(0.5),
        miss_rate: None,
        days: 1,
        events: Vec::new(),
    };
    let first = office.rehearse(&question, Duration::ZERO).await.unwrap();
    let whole = office.rehearse(&question, Duration::from_secs(60)).await.unwrap();
    assert!(whole.over.is_some() && whole.failure.is_none(), "{whole:?}");
    assert!(first.over.is_none() || first.over == whole.over);
    let again = office.rehearse(&question, Duration::ZERO).await.unwrap();
    let report = whole.report.unwrap();
    assert!(Arc::ptr_eq(&report, &again.report.unwrap()), "it was worked out twice");
    let cases: Vec<u64> = report.policies.iter().map(|own| own.all.cases).collect();
    assert_eq!(cases, [1, 1, 1, 0]);
    assert_eq!(report.curves[0].points.len(), 4);
    // Another question, of a policy that does not fit, is refused before anything is read.
    let mut unfit = question.clone();
    unfit.variants[0].policy.rules[0].set.hit_score = Some(7.0);
    assert!(office.rehearse(&unfit, Duration::ZERO).await.is_err());
    house.close().await;
}

struct Api {
    house: House,
    base: String,
    client: Client,
}

impl Api {
    async fn serve(city: City) -> Self {
        let house = House::open(city).await;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}/api/v1", listener.local_addr().unwrap());
        let router = citybrain_dispatcher::api::router(house.services.clone(), Arc::clone(&house.registry));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { house, base, client: Client::builder().no_proxy().build().unwrap() }
    }

    /// Status, ETag and body.
    async fn send(
        &self,
        method: Method,
        path: &str,
        etag: Option<&str>,
        body: &Value,
    ) -> (u16, String, Value) {
        let mut request = self.client.request(method.clone(), format!("{}{path}", self.base));
        if method != Method::GET {
            request = request.json(body);
        }
        if let Some(etag) = etag {
            request = request.header("if-match", etag);
        }
        let response = request.send().await.unwrap();
        let etag = response.headers().get("etag").map_or("", |v| v.to_str().unwrap()).to_owned();
        (response.status().as_u16(), etag, response.json().await.unwrap())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn over_the_api_a_stale_page_a_missing_etag_and_an_unfit_policy_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let api = Api::serve(logged(folder.path())).await;
    let body = |set: Value| {
        json!({ "by": "Li Wei", "reason": "r", "title": "<script>t</script>",
            "policy": { "rules": [{ "kind": "fire", "set": set }] } })
    };
    let (status, _, problem) =
        api.send(Method::POST, "/policies", None, &body(json!({ "hit_score": 2, "close_at": 99 }))).await;
    assert_eq!((status, problem["problems"].as_array().unwrap().len()), (422, 1), "{problem}");
    let (status, first, record) =
        api.send(Method::POST, "/policies", None, &body(json!({ "hit_score": 0.7 }))).await;
    assert_eq!((status, &record["state"]), (201, &json!("draft")));
    let path = format!("/policies/{}", record["id"].as_str().unwrap());
    let (status, _, _) = api.send(Method::PUT, &path, None, &body(json!({ "hit_score": 0.8 }))).await;
    assert_eq!(status, 428);
    let (status, second, _) =
        api.send(Method::PUT, &path, Some(&first), &body(json!({ "hit_score": 0.8 }))).await;
    assert_eq!(status, 200);
    let (status, _, problem) =
        api.send(Method::PUT, &path, Some(&first), &body(json!({ "hit_score": 0.9 }))).await;
    assert_eq!(status, 412, "{problem}");
    let order =
        |action: &str, by: &str| json!({ "action": action, "by": by, "reason": "r", "confirm": true });
    let actions = format!("{path}/actions");
    let (status, _, problem) =
        api.send(Method::POST, &actions, Some(&second), &order("go_live", "Li Wei")).await;
    assert_eq!(status, 409, "{problem}");
    let (status, third, _) =
        api.send(Method::POST, &actions, Some(&second), &order("shadow", "Li Wei")).await;
    assert_eq!(status, 200);
    let (status, _, problem) =
        api.send(Method::POST, &actions, Some(&third), &order("approve", "li wei")).await;
    assert_eq!(status, 403, "{problem}");
    let (status, _, view) = api.send(Method::GET, &path, None, &Value::Null).await;
    assert_eq!((status, view["history"].as_array().unwrap().len(), &view["version"]), (200, 3, &json!(3)));
    let (status, _, _) = api.send(Method::GET, "/policies/policy-none", None, &Value::Null).await;
    assert_eq!(status, 404);
    api.house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_verdicts_at_once_the_second_is_shown_the_first_and_may_overrule_it() {
    let folder = tempfile::tempdir().unwrap();
    let api = Api::serve(logged(folder.path())).await;
    publish(&api.house, &two_looks("gate-1", 0)).await;
    let case = api.house.wait_for_cases(1).await.remove(0);
    let (_, _, queue) = api.send(Method::GET, "/review", None, &Value::Null).await;
    let item = queue["items"][0]["item"].as_str().unwrap().to_owned();
    assert_eq!(item, format!("case:{}", case.id));
    let verdict = |verdict: &str, by: &str, seen: u32, void: bool| json!({ "item": item, "verdict": verdict, "by": by, "seen": seen, "void": void });
    let (status, _, given) =
        api.send(Method::POST, "/verdicts", None, &verdict("real", "Li Wei", 0, false)).await;
    assert_eq!((status, &given["version"]), (200, &json!(1)), "{given}");
    let (status, _, raced) =
        api.send(Method::POST, "/verdicts", None, &verdict("false", "Wang Fang", 0, true)).await;
    assert_eq!(
        (status, &raced["verdict"]["verdict"], &raced["verdict"]["by"]),
        (409, &json!("real"), &json!("Li Wei"))
    );
    assert_eq!(api.house.cases().await[0].state.name(), "dispatched");
    let (status, _, given) =
        api.send(Method::POST, "/verdicts", None, &verdict("false", "Wang Fang", 1, true)).await;
    assert_eq!((status, &given["not_void"]), (200, &Value::Null), "{given}");
    assert_eq!(api.house.cases().await[0].state.name(), "void");
    let (_, _, queue) = api.send(Method::GET, "/review", None, &Value::Null).await;
    assert_eq!(queue["items"], json!([]));
    // Taken back, it is in the queue again; the history stays.
    let (status, _, _) =
        api.send(Method::POST, "/verdicts", None, &verdict("withdrawn", "Wang Fang", 2, false)).await;
    assert_eq!(status, 200);
    let (_, _, queue) = api.send(Method::GET, "/review", None, &Value::Null).await;
    assert_eq!((&queue["items"][0]["version"], &queue["items"][0]["judgement"]), (&json!(3), &Value::Null));
    let (_, _, history) = api.send(Method::GET, &format!("/verdicts/{item}"), None, &Value::Null).await;
    assert_eq!(history["verdicts"].as_array().unwrap().len(), 3);
    for (wrong, expected) in [("case:none", 404), ("deed:x", 400)] {
        let body = json!({ "item": wrong, "verdict": "real", "by": "x" });
        assert_eq!(api.send(Method::POST, "/verdicts", None, &body).await.0, expected, "{wrong}");
    }
    api.house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_almost_opened_is_asked_for_and_verdicts_become_a_draft_of_a_calibration() {
    let folder = tempfile::tempdir().unwrap();
    let house = House::open(logged(folder.path())).await;
    // One sure look and then nothing, again and again: the evidence comes near, and never opens.
    let mut frames = Vec::new();
    for n in 0..1_200_u64 {
        let score = 0.86 + 0.0001 * (n / 40) as f32;
        let seen = with_box(look("gate-1", n), "fire", score, around(0.5, 0.5));
        frames.push(if n % 40 == 0 { seen } else { look("gate-1", n) });
    }
    for batch in frames.chunks(200) {
        publish(&house, batch).await;
    }
    let reviewer = house.services.reviewer();
    let deadline = Instant::now() + PATIENCE;
    let queue = loop {
        let queue = reviewer.queue(None, 100).await.unwrap();
        if queue.len() >= 4 {
            break queue;
        }
        assert!(Instant::now() < deadline, "{} candidates are asked for", queue.len());
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert!(house.cases().await.is_empty());
    let candidate = queue[0].candidate.as_ref().unwrap();
    assert!(candidate.share > 0.5 && candidate.share < 0.8 && candidate.one_in == 4, "{candidate:?}");
    let calibration = |kinds: &[&str]| NewCalibration {
        kinds: kinds.iter().map(citybrain_types::EventKind::new).collect(),
        method: None,
        by: "Li Wei".to_owned(),
        reason: "a month of verdicts".to_owned(),
    };
    let few = reviewer.calibrate(calibration(&["fire"])).await.unwrap_err();
    assert!(matches!(few, VerdictError::TooFew(_)), "{few}");
    for (n, item) in queue.iter().enumerate() {
        let verdict = if n % 2 == 0 { Verdict::Real } else { Verdict::False };
        let given = Given {
            item: item.item.parse().unwrap(),
            verdict,
            by: "Li Wei".to_owned(),
            note: String::new(),
            seen: item.version,
            void: false,
        };
        reviewer.judge(&given).await.unwrap();
    }
    assert!(
        reviewer
            .queue(None, 100)
            .await
            .unwrap()
            .iter()
            .all(|item| !queue.iter().any(|old| old.item == item.item))
    );
    // A command beside the city reads the same verdicts, and says of the same kinds that they are too few.
    let (site, fire) = (house.services.city(), BTreeSet::from([EventKind::new("fire")]));
    let now = citybrain_types::Timestamp::EPOCH;
    let Err(VerdictError::TooFew(beside)) = Refit::beside(&site, &fire, None, now).await else {
        panic!("there are {} verdicts", queue.len())
    };
    let VerdictError::TooFew(within) = reviewer.calibrate(calibration(&["fire"])).await.unwrap_err() else {
        panic!("there are {} verdicts", queue.len())
    };
    assert!(beside == within && beside[0].1.real > 0, "{beside:?} {within:?}");
    house.close().await;
}
