//! A fire in two steps, from the picture to the desks.

use crate::support::city::{burning, city, fire, look, opinion, send_to, webhook, with_box};
use crate::support::receiver::Receiver;
use crate::support::{House, PATIENCE};
use citybrain_ingest_config::City;
use citybrain_types::{CaseState, DepartmentId, FrameDetections};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

fn two_steps(folder: &Path, desk: &Receiver) -> City {
    let mut city = city(folder);
    city.kinds.get_mut(&fire()).unwrap().incident.confirm_within = Some(Duration::from_secs(30));
    send_to(
        &mut city,
        "desk",
        webhook(&desk.url()),
        Duration::from_secs(10),
        &[Duration::from_millis(100); 20],
    );
    city
}

/// A look that sees flames, behind the answer of the model that was asked about them.
fn asked(n: u64, score: Option<f32>) -> [FrameDetections; 2] {
    let asking = FrameDetections { sequence: 1_000 + 2 * n, ..burning("gate-1", n) };
    let answer = opinion(&asking, 0.5, 0.5);
    let place = asking.detections[0].bbox;
    [score.map_or(answer.clone(), |score| with_box(answer, "fire", score, place)), asking]
}

/// What has arrived: the event, the state and the version of the case.
fn told(desk: &Receiver) -> BTreeSet<(String, String, u64)> {
    let bodies = desk.taken().into_values().flatten();
    let told = bodies.map(|body| {
        let case = &body["data"]["case"];
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        (text(&body["type"]), text(&case["state"]), case["version"].as_u64().unwrap())
    });
    told.collect()
}

async fn wait_until_told(desk: &Receiver, event: &str) -> BTreeSet<(String, String, u64)> {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let told = told(desk);
        if told.iter().any(|(told, ..)| told == event) {
            return told;
        }
        assert!(tokio::time::Instant::now() < deadline, "{event} did not arrive: {told:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn line(event: &str, state: &str, version: u64) -> (String, String, u64) {
    (event.to_owned(), state.to_owned(), version)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alarm_goes_out_at_once_and_the_case_when_it_is_confirmed() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Receiver::start(&[]).await;
    let house = House::open(two_steps(folder.path(), &desk)).await;
    house.publish(&(0..2).flat_map(|n| asked(n, None)).collect::<Vec<_>>()).await;
    let told = wait_until_told(&desk, "citybrain.fire.pre_alarm").await;
    assert_eq!(told, BTreeSet::from([line("citybrain.fire.pre_alarm", "reported", 1)]));
    assert_eq!(house.wait_for_cases(1).await[0].state, CaseState::Verifying);
    house.publish(&(2..8).flat_map(|n| asked(n, Some(0.97))).collect::<Vec<_>>()).await;
    let told = wait_until_told(&desk, "citybrain.case.opened").await;
    assert!(told.contains(&line("citybrain.case.opened", "dispatched", 4)), "{told:?}");
    let case = house.wait_for_cases(1).await.remove(0);
    let why = house.services.why(&case.id).await.unwrap().unwrap();
    let words: Vec<String> = why.reasons.iter().map(citybrain_dispatcher::incident::Reason::words).collect();
    assert!(
        words[0]
            .starts_with("gate-1, frame 1002: score 0.95, 2 of 4 looks; evidence +5.69 nats crossed +3.00"),
        "{words:?}"
    );
    assert!(words[1].starts_with("confirmed: ") && words[1].contains("the model asked says +"), "{words:?}");
    let steps = serde_json::to_string(&why.reasons).unwrap();
    assert!(steps.contains("\"step\":\"crossed\"") && steps.contains("\"confirmed\":true"), "{steps}");
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawn_alarm_is_told_to_everyone_who_got_it_even_when_the_routes_have_changed() {
    let folder = tempfile::tempdir().unwrap();
    let desk = Receiver::start(&[]).await;
    let city = two_steps(folder.path(), &desk);
    let house = House::open(city.clone()).await;
    house.publish(&(0..2).flat_map(|n| asked(n, None)).collect::<Vec<_>>()).await;
    wait_until_told(&desk, "citybrain.fire.pre_alarm").await;
    // Meanwhile somebody gives fires to a department that nobody listens to.
    let mut moved = city;
    let other = DepartmentId::new("other").unwrap();
    let mut department = moved.departments.values().next().unwrap().clone();
    department.id = other.clone();
    department.destinations.clear();
    moved.departments.insert(other.clone(), department);
    moved.routes[0].departments = BTreeSet::from([other]);
    house.dispatcher.reload(Arc::new(moved));
    house.publish(&(2..20).flat_map(|n| asked(n, None)).collect::<Vec<_>>()).await;
    let told = wait_until_told(&desk, "citybrain.fire.withdrawn").await;
    assert!(told.contains(&line("citybrain.fire.withdrawn", "void", 3)), "{told:?}");
    let case = house.wait_for_cases(1).await.remove(0);
    assert_eq!(case.state, CaseState::Void);
    // It is still there after a restart, and still no case.
    house.close().await;
    let house = House::open(two_steps(folder.path(), &desk)).await;
    house.publish(&(20..60).flat_map(|n| asked(n, None)).collect::<Vec<_>>()).await;
    house.publish(&(60..64).map(|n| look("gate-2", 2 * n)).collect::<Vec<_>>()).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(house.cases().await.len(), 1);
    house.close().await;
}
