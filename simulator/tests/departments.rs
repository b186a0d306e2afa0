//! Scripted departments and the broker between.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test ends at the first thing that is wrong, and says what it measured"
)]

use citybrain_simulator::Broker;
use citybrain_simulator::department::{
    Behaviour, Failure, MqttDepartment, Outcome, WebhookDepartment, WebhookSecret,
};
use citybrain_types::{Clock, SystemClock};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::PublishProperties;
use rumqttc::v5::{AsyncClient, MqttOptions};
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn secret(text: &str) -> WebhookSecret {
    text.parse().unwrap()
}

fn http() -> reqwest::Client {
    // Fails when another test was first, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}

async fn department() -> WebhookDepartment {
    let listen = ([127, 0, 0, 1], 0).into();
    WebhookDepartment::start(listen, secret(SECRET), Arc::new(SystemClock)).await.unwrap()
}

async fn post(to: &WebhookDepartment, key: &str, signed_with: &str) -> reqwest::Result<u16> {
    let body = json!({ "id": key, "data": { "case": { "id": "case-1", "kind": "fire" } } }).to_string();
    let seconds = SystemClock.now().as_millis() / 1_000;
    let signature = secret(signed_with).sign(key, seconds, body.as_bytes());
    let request = http().post(to.url()).timeout(Duration::from_secs(2));
    let request = request.header("webhook-id", key).header("webhook-timestamp", seconds);
    let answer = request.header("webhook-signature", signature).body(body).send().await?;
    Ok(answer.status().as_u16())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signed_delivery_is_taken_once_by_key_and_a_wrong_signature_is_refused() {
    let desk = department().await;
    assert_eq!(post(&desk, "k1", SECRET).await.unwrap(), 204);
    assert_eq!(post(&desk, "k1", SECRET).await.unwrap(), 204);
    assert_eq!(post(&desk, "k2", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD").await.unwrap(), 401);
    let unsigned = http().post(desk.url()).header("webhook-id", "k3").body("{}").send().await.unwrap();
    assert_eq!(unsigned.status(), 401);
    let outcomes: Vec<Outcome> = desk.attempts().iter().map(|attempt| attempt.outcome).collect();
    assert_eq!(
        outcomes,
        [Outcome::Accepted, Outcome::Duplicate, Outcome::BadSignature, Outcome::BadSignature]
    );
    let told = http().get(format!("http://{}/received", desk.address())).send().await.unwrap();
    let told: serde_json::Value = told.json().await.unwrap();
    assert_eq!(told.as_array().map(Vec::len), Some(1));
    assert_eq!((told[0]["key"].as_str(), told[0]["copies"].as_u64()), (Some("k1"), Some(2)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_department_fails_as_it_is_told_and_takes_nothing_meanwhile() {
    let desk = department().await;
    desk.behave(Behaviour::Fail(Failure::Status(500)));
    assert_eq!(post(&desk, "k", SECRET).await.unwrap(), 500);
    desk.behave(Behaviour::Fail(Failure::Hang));
    assert!(post(&desk, "k", SECRET).await.unwrap_err().is_timeout());
    desk.behave(Behaviour::Fail(Failure::Close));
    let closed = post(&desk, "k", SECRET).await.unwrap_err();
    assert!(!closed.is_timeout() && !closed.is_status(), "{closed:?}");
    desk.behave(Behaviour::FailFirst { times: 2, failure: Failure::Status(503) });
    let answers =
        [post(&desk, "k", SECRET).await, post(&desk, "k", SECRET).await, post(&desk, "k", SECRET).await];
    assert_eq!(answers.map(Result::unwrap), [503, 503, 204]);
    assert_eq!(desk.received().len(), 1);
    assert_eq!(desk.attempts().len(), 6);
}

struct Publisher(AsyncClient);

impl Publisher {
    fn connect(port: u16) -> Self {
        let mut options = MqttOptions::new("publisher", "127.0.0.1", port);
        options.set_keep_alive(Duration::from_secs(5));
        let (client, mut events) = AsyncClient::new(options, 10);
        tokio::spawn(async move {
            loop {
                if events.poll().await.is_err() {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        });
        Self(client)
    }

    async fn send(&self, key: &str) {
        let properties = PublishProperties {
            user_properties: vec![("idempotency-key".to_owned(), key.to_owned())],
            ..PublishProperties::default()
        };
        let body = json!({ "data": { "case": { "id": "case-1" } } }).to_string();
        let sent =
            self.0.publish_with_properties("cases/fire", QoS::AtLeastOnce, false, body, properties).await;
        sent.unwrap();
    }
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(15), "{what} did not happen");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscriber_gets_each_key_once_also_after_the_broker_was_killed() {
    let mut broker = Broker::start().await.unwrap();
    let port = broker.port();
    let desk = MqttDepartment::start(port, "fire-brigade", "cases/#", Arc::new(SystemClock)).await.unwrap();
    let publisher = Publisher::connect(port);
    publisher.send("k1").await;
    publisher.send("k1").await;
    until("taking k1 twice", || desk.attempts().len() == 2).await;
    assert_eq!((desk.received().len(), desk.received()[0].copies), (1, 2));

    broker.kill().await.unwrap();
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
    broker.restart().await.unwrap();
    until("subscribing again", || desk.subscriptions() >= 2).await;
    publisher.send("k2").await;
    until("taking k2", || desk.received().len() == 2).await;
    assert_eq!(desk.received()[1].key, "k2");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_department_without_a_broker_says_so() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let started = MqttDepartment::start(port, "nobody", "cases/#", Arc::new(SystemClock)).await;
    assert!(started.is_err_and(|error| error.to_string().contains("is it running")));
}
