//! Delivery over MQTT 5 through a real broker that is killed and started again.

use crate::support::city::{around, city, look, send_to, with_box};
use crate::support::{House, PATIENCE};
use citybrain_ingest_config::resolved::{Channel, Credentials};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Packet, Publish, PublishProperties};
use rumqttc::v5::{AsyncClient, Event, MqttOptions};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A mosquitto of our own on a free port of the loopback.
pub struct Broker {
    process: Option<Child>,
    config: PathBuf,
    pub port: u16,
}

impl Broker {
    pub fn start(folder: &Path, more: &str) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = folder.join("mosquitto.conf");
        // Unlimited in flight: what was acknowledged to us has been written to the subscriber's connection.
        let text = format!("listener {port} 127.0.0.1\nmax_inflight_messages 0\npersistence false\n{more}\n");
        std::fs::write(&config, text).unwrap();
        let mut broker = Self { process: None, config, port };
        broker.run();
        broker
    }

    fn run(&mut self) {
        let mosquitto = ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto", "/usr/bin/mosquitto"];
        let mosquitto = mosquitto.into_iter().find(|path| Path::new(path).exists());
        let mosquitto = mosquitto.expect("install the Debian package mosquitto");
        let mut command = Command::new(mosquitto);
        command.arg("-c").arg(&self.config).stdout(Stdio::null()).stderr(Stdio::null());
        self.process = Some(command.spawn().unwrap());
        let deadline = Instant::now() + PATIENCE;
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(Instant::now() < deadline, "the broker does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// As `kill -9`.
    fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    fn channel(&self, topic: &str, credentials: Option<Credentials>) -> Channel {
        let broker = format!("mqtt://127.0.0.1:{}", self.port).parse().unwrap();
        Channel::Mqtt { broker, credentials, topic: topic.to_owned(), response_topic: None }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.kill();
    }
}

type Heard = Arc<Mutex<BTreeMap<String, Vec<Publish>>>>;

/// A department that connects again whenever the broker is back. Messages by idempotency key.
fn subscriber(port: u16) -> Heard {
    let heard = Heard::default();
    let by_key = Arc::clone(&heard);
    tokio::spawn(async move {
        loop {
            let mut options = MqttOptions::new("department", "127.0.0.1", port);
            options.set_keep_alive(Duration::from_secs(5)).set_max_packet_size(Some(1 << 20));
            let (client, mut events) = AsyncClient::new(options, 16);
            client.subscribe("city/#", QoS::AtLeastOnce).await.unwrap();
            while let Ok(event) = events.poll().await {
                note(&by_key, event);
            }
            // What had arrived before the connection broke waits behind the error.
            events.state.events.drain(..).for_each(|event| note(&by_key, event));
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    heard
}

fn note(heard: &Heard, event: Event) {
    let Event::Incoming(Packet::Publish(publish)) = event else { return };
    let properties = publish.properties.clone().unwrap().user_properties;
    let (_, key) = properties.into_iter().find(|(name, _)| name == "idempotency-key").unwrap();
    heard.lock().unwrap().entry(key).or_default().push(publish);
}

/// What the broker has acknowledged to us is on its way to the department, and need not have arrived.
async fn wait_until_heard(heard: &Heard, count: usize) -> BTreeMap<String, Vec<Publish>> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let so_far = heard.lock().unwrap().clone();
        if so_far.len() >= count {
            assert_eq!(so_far.len(), count);
            return so_far;
        }
        assert!(Instant::now() < deadline, "messages were lost: {} of {count} arrived", so_far.len());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Two looks at four fires, far apart.
async fn four_fires(house: &House, camera: &str) {
    let places = [(0.15, 0.15), (0.85, 0.15), (0.15, 0.85), (0.85, 0.85)];
    let burning =
        |n| places.into_iter().fold(look(camera, n), |f, (x, y)| with_box(f, "fire", 0.95, around(x, y)));
    house.publish(&[burning(0), burning(1)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_killed_while_cases_flow_loses_none_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let mut broker = Broker::start(folder.path(), "allow_anonymous true");
    let heard = subscriber(broker.port);
    let mut city = city(folder.path());
    let topic = broker.channel("city/{kind}/{camera}/{department}", None);
    send_to(&mut city, "brigade-mqtt", topic, Duration::from_secs(2), &[Duration::from_millis(150); 100]);
    let house = House::open(city).await;

    four_fires(&house, "gate-1").await;
    house.wait_for_cases(2).await;
    broker.kill();
    four_fires(&house, "gate-2").await;
    house.wait_for_cases(8).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    broker.run();
    four_fires(&house, "gate-3").await;
    house.wait_for_cases(10).await;
    broker.kill();
    broker.run();
    four_fires(&house, "gate-4").await;
    house.wait_for_cases(16).await;
    // A pre-alarm and a case for each.
    assert_eq!(house.wait_until_delivered().await, 32);

    let heard = wait_until_heard(&heard, 32).await;
    for (key, publishes) in &heard {
        for publish in publishes {
            let body: serde_json::Value = serde_json::from_slice(&publish.payload).unwrap();
            assert_eq!(body["id"], key.as_str());
            assert_eq!(publish.payload, publishes[0].payload, "the same key with another body");
            let camera = body["data"]["case"]["camera"].as_str().unwrap();
            assert_eq!(publish.topic, format!("city/fire/{camera}/brigade").into_bytes());
            let properties = publish.properties.as_ref().unwrap();
            assert_eq!(properties.content_type.as_deref(), Some("application/cloudevents+json"));
            assert!(properties.message_expiry_interval.is_some_and(|left| left > 80_000));
        }
    }
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_listening_is_no_delivery_until_somebody_does() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(folder.path(), "allow_anonymous true");
    let mut city = city(folder.path());
    let topic = broker.channel("city/{kind}", None);
    send_to(&mut city, "brigade-mqtt", topic, Duration::from_secs(2), &[Duration::from_millis(100); 100]);
    let house = House::open(city).await;
    four_fires(&house, "gate-1").await;
    house.wait_for_cases(4).await;
    let deadline = Instant::now() + PATIENCE;
    while !house.metrics().contains("outcome=\"nobody_listens\"") {
        assert!(Instant::now() < deadline, "{}", house.metrics());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let heard = subscriber(broker.port);
    assert_eq!(house.wait_until_delivered().await, 8);
    wait_until_heard(&heard, 8).await;
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_refuses_the_password_is_a_failed_delivery_without_the_password_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let passwords = folder.path().join("passwords");
    std::fs::write(&passwords, "").unwrap();
    let config = format!("allow_anonymous false\npassword_file {}", passwords.display());
    let broker = Broker::start(folder.path(), &config);
    let mut city = city(folder.path());
    let credentials = Credentials { user: "citybrain".to_owned(), password: "sesame-42".to_owned() };
    let topic = broker.channel("city/{kind}", Some(credentials));
    send_to(&mut city, "brigade-mqtt", topic, Duration::from_millis(300), &[]);
    let house = House::open(city).await;
    four_fires(&house, "gate-1").await;
    let id = house.wait_for_cases(1).await.remove(0).id;
    let deadline = Instant::now() + PATIENCE;
    let error = loop {
        let view = house.services.case(&id).await.unwrap().unwrap();
        if let Some(error) = view.deliveries[0].last_error.clone() {
            break error;
        }
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert!(error.starts_with("unreachable") && !error.contains("sesame"), "{error}");
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_department_takes_a_case_by_answering_on_the_response_topic() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(folder.path(), "allow_anonymous true");
    let heard = subscriber(broker.port);
    let mut city = city(folder.path());
    let mut channel = broker.channel("city/{kind}", None);
    if let Channel::Mqtt { response_topic, .. } = &mut channel {
        *response_topic = Some("answers/{department}".to_owned());
    }
    send_to(&mut city, "brigade-mqtt", channel, Duration::from_secs(2), &[Duration::from_millis(100); 100]);
    let house = House::open(city).await;
    let littered = |n| with_box(look("gate-1", n), "littering", 0.95, around(0.5, 0.5));
    house.publish(&[littered(0), littered(1)]).await;
    let id = house.wait_for_cases(1).await.remove(0).id;
    let told = wait_until_heard(&heard, 1).await.into_values().next().unwrap().remove(0);
    let properties = told.properties.unwrap();
    let (topic, correlation) = (properties.response_topic.unwrap(), properties.correlation_data.unwrap());
    assert_eq!(topic, "answers/brigade");

    let (client, mut events) = AsyncClient::new(MqttOptions::new("answering", "127.0.0.1", broker.port), 16);
    tokio::spawn(async move { while events.poll().await.is_ok() {} });
    let answer = |key: &[u8], body: &str| {
        let properties =
            PublishProperties { correlation_data: Some(key.to_vec().into()), ..PublishProperties::default() };
        client.publish_with_properties(topic.clone(), QoS::AtLeastOnce, false, body.to_owned(), properties)
    };
    // What is no answer to anything of ours, and what is not understood, changes nothing.
    answer(b"dlv_unknown", "").await.unwrap();
    answer(&correlation, "{\"action\":\"burn\"}").await.unwrap();
    answer(&correlation, "").await.unwrap();
    wait_for_state(&house, &id, "accepted").await;
    answer(&correlation, "{\"action\":\"done\",\"by\":\"crew 4\"}").await.unwrap();
    wait_for_state(&house, &id, "rechecking").await;
    let trail = house.services.case(&id).await.unwrap().unwrap().trail;
    let by: Vec<_> = trail.iter().skip(4).map(|line| line.by.as_str()).collect();
    assert_eq!(by, ["brigade", "crew 4"]);
    house.close().await;
}

async fn wait_for_state(house: &House, id: &citybrain_types::CaseId, state: &str) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let case = house.services.case(id).await.unwrap().unwrap().case;
        if case.state.name() == state {
            return;
        }
        assert!(Instant::now() < deadline, "{} instead of {state}", case.state);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
