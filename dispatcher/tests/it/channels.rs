//! The other ways to a desk: second channels, CAP, e-mail, robots, keys that are replaced, and answers over MQTT.

use crate::support::city::{SECRET, around, burning, city, look, send_to, webhook, with_box};
use crate::support::receiver::{Misbehave, Receiver};
use crate::support::{House, PATIENCE};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::post;
use citybrain_dispatcher::{DeliveryFilter, PageRequest};
use citybrain_ingest_config::City;
use citybrain_ingest_config::resolved::{BodyFormat, Channel, Destination, Secret};
use citybrain_types::{DeliveryState, DestinationId, EventKind};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const TIMEOUT: Duration = Duration::from_secs(10);
const SOON: [Duration; 4] = [Duration::from_millis(50); 4];

fn destination_mut<'a>(city: &'a mut City, id: &str) -> &'a mut Destination {
    city.destinations.get_mut(&DestinationId::new(id).unwrap()).unwrap()
}

async fn fire(house: &House) {
    house.publish(&(0..2).map(|n| burning("gate-1", n)).collect::<Vec<_>>()).await;
    house.wait_for_cases(1).await;
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Adds a destination that no department names: a second channel.
fn second(city: &mut City, id: &str, channel: Channel) {
    let destination = Destination {
        id: DestinationId::new(id).unwrap(),
        channel,
        timeout: TIMEOUT,
        urgent_retry_after: vec![],
        retry_after: SOON.to_vec(),
        second: None,
    };
    city.destinations.insert(destination.id.clone(), destination);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fire_that_the_first_channel_does_not_take_is_told_by_the_second_and_litter_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let duty = Receiver::start(&[]).await;
    let mut city = city(folder.path());
    // Nobody listens on the discard port.
    send_to(&mut city, "desk", webhook("http://127.0.0.1:9/hook"), TIMEOUT, &[Duration::from_secs(600)]);
    second(&mut city, "duty", webhook(&duty.url()));
    let desk = destination_mut(&mut city, "desk");
    desk.urgent_retry_after = SOON.to_vec();
    desk.second = Some(DestinationId::new("duty").unwrap());
    let house = House::open(city).await;
    let littered = |n| with_box(look("gate-2", n), "littering", 0.95, around(0.5, 0.5));
    house.publish(&[littered(0), littered(1)]).await;
    fire(&house).await;
    until("the second channel was told", || duty.taken().len() == 2).await;
    let taken = duty.taken();
    assert!(
        taken
            .iter()
            .all(|(key, bodies)| bodies[0]["id"] == key.as_str()
                && bodies[0]["data"]["case"]["kind"] == "fire")
    );
    let page = PageRequest::new(Some(100), None);
    let filter = DeliveryFilter { destination: DestinationId::new("desk").ok(), ..DeliveryFilter::default() };
    let first = house.services.deliveries(&filter, &page).await.unwrap().deliveries;
    let attempts =
        |kind: &str| first.iter().filter(|d| d.case.as_str().starts_with(kind)).map(|d| d.attempts).max();
    assert!(attempts("fire") >= Some(5) && attempts("littering") <= Some(1), "{first:?}");
    assert!(
        first.iter().all(|delivery| delivery.state == DeliveryState::Pending),
        "the first goes on trying"
    );
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_that_is_down_is_left_alone_but_for_fires_and_dead_letters_go_out_again_together() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(&[Misbehave::Answer(503); 12]).await;
    let mut city = city(folder.path());
    send_to(&mut city, "desk", webhook(&receiver.url()), TIMEOUT, &[]);
    let house = House::open(city).await;
    for camera in ["gate-1", "gate-2", "gate-3", "gate-4"] {
        let littered = |n| {
            let frame = with_box(look(camera, n), "littering", 0.95, around(0.2, 0.2));
            with_box(
                with_box(frame, "littering", 0.95, around(0.8, 0.8)),
                "littering",
                0.95,
                around(0.2, 0.8),
            )
        };
        house.publish(&[littered(0), littered(1)]).await;
    }
    house.wait_for_cases(12).await;
    until("it was left alone", || {
        house.metrics().contains("citybrain_destination_down{destination=\"desk\"} 1")
    })
    .await;
    let tried = receiver.refused().len();
    assert!((5..12).contains(&tried), "{tried} attempts");
    // A fire is tried all the same.
    house.publish(&(4..6).map(|n| burning("gate-1", n)).collect::<Vec<_>>()).await;
    until("the fire was tried", || receiver.refused().len() > tried).await;
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_dead_letter_of_a_destination_is_sent_again_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start(&[Misbehave::Answer(410); 3]).await;
    let mut city = city(folder.path());
    send_to(&mut city, "desk", webhook(&receiver.url()), TIMEOUT, &[]);
    let house = House::open(city).await;
    for camera in ["gate-1", "gate-2", "gate-3"] {
        let littered = |n| with_box(look(camera, n), "littering", 0.95, around(0.5, 0.5));
        house.publish(&[littered(0), littered(1)]).await;
    }
    until("three were given up", || receiver.refused().len() == 3).await;
    let desk = DestinationId::new("desk").unwrap();
    let filter = DeliveryFilter { state: Some(DeliveryState::Dead), destination: Some(desk.clone()) };
    let deadline = Instant::now() + PATIENCE;
    while house.services.deliveries(&filter, &PageRequest::default()).await.unwrap().deliveries.len() < 3 {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(house.services.replay_all(&desk).await.unwrap(), 3);
    assert_eq!(house.wait_until_delivered().await, 3);
    assert_eq!(receiver.taken().len(), 3);
    house.close().await;
}

/// What a plain HTTP receiver was sent: headers and body.
type Sent = Arc<Mutex<Vec<(HeaderMap, String)>>>;

async fn plain(answer: &'static str) -> (String, Sent) {
    let sent = Sent::default();
    async fn take(
        State((sent, answer)): State<(Sent, &'static str)>,
        headers: HeaderMap,
        body: Bytes,
    ) -> String {
        sent.lock().unwrap().push((headers, String::from_utf8(body.to_vec()).unwrap()));
        answer.to_owned()
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook?key=sesame", listener.local_addr().unwrap());
    let app = Router::new().route("/hook", post(take)).with_state((Arc::clone(&sent), answer));
    tokio::spawn(async move { axum::serve(listener, app).await });
    (url, sent)
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_key_is_replaced_messages_are_signed_with_both_and_a_confirmed_fire_is_a_cap_alert() {
    let folder = tempfile::tempdir().unwrap();
    let (url, sent) = plain("").await;
    let mut city = city(folder.path());
    let channel = Channel::Webhook {
        url: url.parse().unwrap(),
        secret: Secret("whsec_bmV3IHNlY3JldCBvZiB0aGUgd2ViaG9vayByZWNlaXZlcg==".to_owned()),
        old_secret: Some(Secret(SECRET.to_owned())),
        format: BodyFormat::Cap,
    };
    send_to(&mut city, "alerts", channel, TIMEOUT, &SOON);
    let house = House::open(city).await;
    let littered = |n| with_box(look("gate-2", n), "littering", 0.95, around(0.5, 0.5));
    house.publish(&[littered(0), littered(1)]).await;
    fire(&house).await;
    house.wait_until_delivered().await;
    let sent = sent.lock().unwrap().clone();
    assert_eq!(sent.len(), 1, "neither the pre-alarm nor the litter");
    let (headers, body) = &sent[0];
    assert_eq!(headers["content-type"], "application/cap+xml");
    let signatures: Vec<_> = headers["webhook-signature"].to_str().unwrap().split(' ').collect();
    assert!(
        signatures.len() == 2
            && signatures[0] != signatures[1]
            && signatures.iter().all(|s| s.starts_with("v1,"))
    );
    for part in [
        "<msgType>Alert</msgType>",
        "<category>Fire</category>",
        "<circle>31.200000,121.500000 0.2</circle>",
        "<areaDesc>harbour</areaDesc>",
    ] {
        assert!(body.contains(part), "{part} is not in\n{body}");
    }
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_robot_is_sent_its_template_and_a_refusal_in_a_200_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let (url, sent) = plain("{\"errcode\":0,\"errmsg\":\"ok\"}").await;
    let (refusing, refused) = plain("{\"errcode\":93000,\"errmsg\":\"no\"}").await;
    let mut city = city(folder.path());
    city.cameras.values_mut().for_each(|camera| camera.area = Some("quay \"7\"\n{{link}}".to_owned()));
    let template =
        r#"{"msgtype":"text","text":{"content":"{{event}}: {{kind}} {{area}} {{state}} {{link}}"}}"#
            .to_owned();
    send_to(
        &mut city,
        "group",
        Channel::Robot { url: Secret(url), template: template.clone() },
        TIMEOUT,
        &SOON,
    );
    send_to(&mut city, "other", Channel::Robot { url: Secret(refusing), template }, TIMEOUT, &[]);
    let house = House::open(city).await;
    let littered = |n| with_box(look("gate-2", n), "littering", 0.95, around(0.5, 0.5));
    house.publish(&[littered(0), littered(1)]).await;
    until("both were sent to", || !sent.lock().unwrap().is_empty() && !refused.lock().unwrap().is_empty())
        .await;
    let body: serde_json::Value = serde_json::from_str(&sent.lock().unwrap()[0].1).unwrap();
    let content = body["text"]["content"].as_str().unwrap();
    assert!(content.starts_with("New case: littering quay \"7\"\n{ {link}} dispatched http://"), "{content}");
    let deadline = Instant::now() + PATIENCE;
    let filter =
        DeliveryFilter { state: Some(DeliveryState::Dead), destination: DestinationId::new("other").ok() };
    let error = loop {
        let dead = house.services.deliveries(&filter, &PageRequest::default()).await.unwrap().deliveries;
        if let Some(dead) = dead.first() {
            break dead.last_error.clone().unwrap();
        }
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert!(error.contains("93000") && !error.contains("sesame"), "{error}");
    house.close().await;
}

/// A mail server of our own that keeps what it takes in a folder.
struct MailServer {
    process: Child,
    port: u16,
}

impl MailServer {
    fn start(folder: &std::path::Path) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = Command::new("/usr/bin/python3")
            .args([
                "-m",
                "aiosmtpd",
                "-n",
                "-l",
                &format!("127.0.0.1:{port}"),
                "-c",
                "aiosmtpd.handlers.Mailbox",
            ])
            .arg(folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("install the Debian package python3-aiosmtpd");
        let deadline = Instant::now() + PATIENCE;
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "install the Debian package python3-aiosmtpd");
            std::thread::sleep(Duration::from_millis(50));
        }
        Self { process, port }
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_case_is_told_by_mail_that_a_real_server_takes() {
    let folder = tempfile::tempdir().unwrap();
    let mails = folder.path().join("mails");
    let server = MailServer::start(&mails);
    let mut city = city(folder.path());
    city.cameras.values_mut().for_each(|camera| camera.area = Some("码头\r\nBcc: x@y.example".to_owned()));
    let channel = Channel::Email {
        server: format!("smtp://127.0.0.1:{}?tls=none", server.port).parse().unwrap(),
        credentials: None,
        from: "citybrain@city.example".to_owned(),
        to: vec!["duty@city.example".to_owned(), "chief@city.example".to_owned()],
    };
    send_to(&mut city, "mail", channel, TIMEOUT, &SOON);
    let house = House::open(city).await;
    let littered = |n| with_box(look("gate-2", n), "littering", 0.95, around(0.5, 0.5));
    house.publish(&[littered(0), littered(1)]).await;
    let case = house.wait_for_cases(1).await.remove(0);
    house.wait_until_delivered().await;
    let mut texts = Vec::new();
    for entry in std::fs::read_dir(mails.join("new")).unwrap() {
        texts.push(std::fs::read_to_string(entry.unwrap().path()).unwrap());
    }
    let [text] = texts.as_slice() else { panic!("{} mails", texts.len()) };
    let head = text.split("\n\n").next().unwrap();
    for part in
        ["From: citybrain@city.example", "To: duty@city.example, chief@city.example", "Message-ID: <dlv_"]
    {
        assert!(head.contains(part), "{part} is not in\n{head}");
    }
    assert!(!head.lines().any(|line| line.starts_with("Bcc")), "{head}");
    assert_eq!(case.kind, EventKind::new("littering"));
    house.close().await;
}
