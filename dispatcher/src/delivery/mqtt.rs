//! Delivery by MQTT 5, QoS 1, with our own record of what was acknowledged.
//!
//! Design decision: rumqttc forgets publishes that are under way when a broker comes back without the session.
//! So nothing is left to it: each publish is matched to its acknowledgement here, every publish that is not
//! acknowledged when the connection ends counts as a failed attempt, and the outbox sends it again under the
//! same key. A connection that has ended is thrown away whole, so that no second copy of it sends on its own.

use super::{Failure, FailureReason};
use crate::envelope::CONTENT_TYPE;
use crate::store::OutboxRow;
use citybrain_ingest_config::resolved::Credentials;
use citybrain_types::DestinationId;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Packet, PubAck, PubAckReason, Publish, PublishProperties};
use rumqttc::v5::{AsyncClient, Event, EventLoop, MqttOptions};
use rumqttc::{NetworkOptions, Outgoing, Transport};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use url::Url;

/// Publishes handed to the connection and not yet on the wire. The worker holds fewer under way, so this is never
/// full unless the worker is wrong, and then the attempt fails instead of waiting.
const QUEUE: usize = 256;
/// Publishes on the wire and not yet acknowledged; brokers allow twenty by default.
const UNACKNOWLEDGED: u16 = 20;
/// A department's queue does not hand out yesterday's alarms: the broker drops what nobody fetched for this long.
const MESSAGE_EXPIRY: Duration = Duration::from_secs(24 * 60 * 60);
const KEEP_ALIVE: Duration = Duration::from_secs(15);
const RECONNECT_MIN: Duration = Duration::from_millis(100);
const RECONNECT_MAX: Duration = Duration::from_secs(5);

type Answer = oneshot::Sender<Result<(), Failure>>;

/// Longest answer taken, in bytes.
const MAX_ANSWER: usize = 4_096;

/// What came on a response topic.
#[derive(Debug)]
pub(crate) struct Answered {
    /// The destination on whose broker it came.
    pub(crate) destination: DestinationId,
    /// Correlation data: the key of the delivery that is answered.
    pub(crate) key: String,
    /// The payload.
    pub(crate) body: Vec<u8>,
}

/// A topic on a broker.
#[derive(Debug)]
pub(super) struct Mqtt {
    response_topic: Option<String>,
    link: Arc<Link>,
    connected: watch::Receiver<bool>,
    topic: String,
    timeout: Duration,
}

/// What the sender and the connection share.
#[derive(Default)]
struct Link(Mutex<LinkState>);

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Link")
    }
}

#[derive(Default)]
struct LinkState {
    client: Option<AsyncClient>,
    /// Handed to the connection, in that order.
    queued: VecDeque<Answer>,
    /// On the wire, by packet id.
    unacknowledged: HashMap<u16, Answer>,
}

impl Link {
    fn lock(&self) -> MutexGuard<'_, LinkState> {
        // The state is only ever replaced whole or by single insertions: a panic leaves it usable.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Matches what went out to its packet id, and an acknowledgement to what went out.
    fn take(&self, event: &Event) {
        let mut state = self.lock();
        match event {
            Event::Outgoing(Outgoing::Publish(packet_id)) => {
                if let Some(answer) = state.queued.pop_front() {
                    state.unacknowledged.insert(*packet_id, answer);
                }
            }
            Event::Incoming(Packet::PubAck(ack)) => {
                if let Some(answer) = state.unacknowledged.remove(&ack.pkid) {
                    // A sender that has given up waiting is gone.
                    let _ = answer.send(acknowledged(ack));
                }
            }
            _ => {}
        }
    }

    /// Everything that is not acknowledged has failed.
    fn lost(&self, detail: &str) {
        let mut state = self.lock();
        state.client = None;
        let queued = std::mem::take(&mut state.queued);
        let unacknowledged = std::mem::take(&mut state.unacknowledged);
        drop(state);
        for answer in queued.into_iter().chain(unacknowledged.into_values()) {
            // A sender that has given up waiting is gone.
            let _ = answer.send(Err(Failure::new(FailureReason::Disconnected, detail)));
        }
    }
}

/// Where a broker is and who asks.
pub(super) struct Broker<'a> {
    pub(super) response_topic: Option<&'a str>,
    pub(super) destination: DestinationId,
    pub(super) answers: mpsc::Sender<Answered>,
    pub(super) url: &'a Url,
    pub(super) credentials: Option<&'a Credentials>,
    pub(super) topic: &'a str,
    pub(super) client_id: String,
    pub(super) timeout: Duration,
}

impl Mqtt {
    /// Keeps a connection to the broker until `stop` is cancelled.
    pub(super) fn connect(broker: &Broker<'_>, stop: CancellationToken) -> Result<Self, String> {
        let options = options(broker)?;
        let link = Arc::new(Link::default());
        let (is_connected, connected) = watch::channel(false);
        let ear = broker.response_topic.map(|topic| Ear {
            filter: topic_filter(topic),
            destination: broker.destination.clone(),
            answers: broker.answers.clone(),
        });
        tokio::spawn(keep_connected(options, Arc::clone(&link), is_connected, ear, stop));
        Ok(Self {
            response_topic: broker.response_topic.map(str::to_owned),
            link,
            connected,
            topic: broker.topic.to_owned(),
            timeout: broker.timeout,
        })
    }

    /// One attempt: published, and acknowledged by the broker.
    pub(super) async fn send(&self, row: &OutboxRow) -> Result<(), Failure> {
        let attempt = async {
            let mut connected = self.connected.clone();
            if connected.wait_for(|connected| *connected).await.is_err() {
                return Err(Failure::new(FailureReason::Disconnected, "the connection was shut down"));
            }
            let (answer, answered) = oneshot::channel();
            self.publish(row, answer)?;
            answered
                .await
                .unwrap_or_else(|_| Err(Failure::new(FailureReason::Disconnected, "the connection ended")))
        };
        match tokio::time::timeout(self.timeout, attempt).await {
            Ok(result) => result,
            Err(_) if !*self.connected.borrow() => {
                Err(Failure::new(FailureReason::Unreachable, "no connection to the broker"))
            }
            Err(_) => Err(Failure::new(FailureReason::Timeout, "the broker did not acknowledge in time")),
        }
    }

    fn publish(&self, row: &OutboxRow, answer: Answer) -> Result<(), Failure> {
        let properties = PublishProperties {
            payload_format_indicator: Some(1),
            message_expiry_interval: u32::try_from(MESSAGE_EXPIRY.as_secs()).ok(),
            content_type: Some(CONTENT_TYPE.to_owned()),
            response_topic: self.response_topic.as_ref().map(|topic| topic_of(topic, row)),
            correlation_data: Some(row.delivery.key.clone().into()),
            user_properties: vec![("idempotency-key".to_owned(), row.delivery.key.clone())],
            ..PublishProperties::default()
        };
        let topic = topic_of(&self.topic, row);
        // Held while publishing: the order of `queued` is the order on the wire.
        let mut state = self.link.lock();
        let client = state.client.as_ref();
        let client =
            client.ok_or_else(|| Failure::new(FailureReason::Disconnected, "the connection ended"))?;
        client
            .try_publish_with_properties(topic, QoS::AtLeastOnce, false, row.body.clone(), properties)
            .map_err(|_| Failure::new(FailureReason::Busy, "too much is under way to this broker"))?;
        state.queued.push_back(answer);
        Ok(())
    }
}

/// Listens for what departments answer.
struct Ear {
    filter: String,
    destination: DestinationId,
    answers: mpsc::Sender<Answered>,
}

impl Ear {
    /// Hands an answer on; one that is none is told of in the log.
    fn hear(&self, publish: &Publish) {
        let correlation =
            publish.properties.as_ref().and_then(|properties| properties.correlation_data.as_ref());
        let key = correlation.and_then(|key| std::str::from_utf8(key).ok()).filter(|key| key.len() <= 64);
        let destination = &self.destination;
        let Some(key) = key.filter(|_| publish.payload.len() <= MAX_ANSWER) else {
            tracing::warn!(%destination, "an answer without correlation data, or too long, is left alone");
            return;
        };
        let answer = Answered {
            destination: destination.clone(),
            key: key.to_owned(),
            body: publish.payload.to_vec(),
        };
        if self.answers.try_send(answer).is_err() {
            tracing::warn!(%destination, key, "too many answers at once: this one is lost; it can be sent again");
        }
    }
}

/// The topics that a response topic can become.
fn topic_filter(topic: &str) -> String {
    let levels = topic.split('/').map(|level| if level.contains('{') { "+" } else { level });
    levels.collect::<Vec<_>>().join("/")
}

/// Fills in the topic. A name cannot make more levels or wildcards than the topic has.
fn topic_of(topic: &str, row: &OutboxRow) -> String {
    let kind = row.kind.as_str().replace(['/', '+', '#', '\0'], "_");
    topic
        .replace("{kind}", &kind)
        .replace("{camera}", row.camera.as_ref().map_or("none", citybrain_types::CameraId::as_str))
        .replace("{department}", row.department.as_str())
}

fn options(broker: &Broker<'_>) -> Result<MqttOptions, String> {
    let host = broker.url.host_str().ok_or("the broker's address has no host")?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let secure = broker.url.scheme() == "mqtts";
    let port = broker.url.port().unwrap_or(if secure { 8883 } else { 1883 });
    let mut options = MqttOptions::new(broker.client_id.clone(), host, port);
    if secure {
        options.set_transport(Transport::tls_with_default_config());
    }
    if let Some(Credentials { user, password }) = broker.credentials {
        options.set_credentials(user.clone(), password.clone());
    }
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    network.set_connection_timeout(broker.timeout.as_secs().max(1));
    options
        .set_network_options(network)
        .set_connection_timeout(broker.timeout.as_secs().max(1))
        .set_keep_alive(KEEP_ALIVE)
        .set_clean_start(true)
        .set_outgoing_inflight_upper_limit(UNACKNOWLEDGED);
    Ok(options)
}

async fn keep_connected(
    options: MqttOptions,
    link: Arc<Link>,
    is_connected: watch::Sender<bool>,
    ear: Option<Ear>,
    stop: CancellationToken,
) {
    let mut wait = RECONNECT_MIN;
    loop {
        let (client, events) = AsyncClient::new(options.clone(), QUEUE);
        let until_lost = one_connection(&client, events, &link, &is_connected, ear.as_ref());
        let lost = tokio::select! {
            lost = until_lost => lost,
            () = stop.cancelled() => {
                is_connected.send_replace(false);
                link.lost("the connection was shut down");
                return;
            }
        };
        if is_connected.send_replace(false) {
            wait = RECONNECT_MIN;
        }
        link.lost(&lost);
        tracing::warn!(error = lost, wait_ms = wait.as_millis(), "no connection to the broker");
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = stop.cancelled() => return,
        }
        wait = (wait * 2).min(RECONNECT_MAX);
    }
}

/// One connection from its handshake to its end; says why it ended.
async fn one_connection(
    client: &AsyncClient,
    mut events: EventLoop,
    link: &Link,
    is_connected: &watch::Sender<bool>,
    ear: Option<&Ear>,
) -> String {
    loop {
        match events.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(_))) => {
                if let Some(ear) = ear
                    && client.try_subscribe(&ear.filter, QoS::AtLeastOnce).is_err()
                {
                    return "the response topic cannot be subscribed to".to_owned();
                }
                link.lock().client = Some(client.clone());
                is_connected.send_replace(true);
            }
            Ok(Event::Incoming(Packet::Publish(publish))) => {
                ear.into_iter().for_each(|ear| ear.hear(&publish));
            }
            Ok(event) => link.take(&event),
            Err(error) => {
                // Acknowledgements that had arrived before the connection broke wait behind the error.
                events.state.events.drain(..).for_each(|event| link.take(&event));
                return error.to_string();
            }
        }
    }
}

/// A broker that knows that nobody listens has not delivered anything.
fn acknowledged(ack: &PubAck) -> Result<(), Failure> {
    match ack.reason {
        PubAckReason::Success => Ok(()),
        PubAckReason::NoMatchingSubscribers => {
            Err(Failure::new(FailureReason::NobodyListens, "the broker has no subscriber for this topic"))
        }
        reason => {
            Err(Failure::new(FailureReason::BrokerRefused, format!("the broker refused it: {reason:?}")))
        }
    }
}
