//! Listens to brokers: one connection for each, whatever number of sensors speaks there.

use super::{look, silence, value};
use crate::metrics::Metrics;
use citybrain_ingest_config::City;
use citybrain_ingest_config::resolved::{Credentials, Sensor};
use citybrain_types::{Clock, DetectionBatch, FrameDetections};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Filter, Packet};
use rumqttc::v5::{AsyncClient, Event, MqttOptions};
use rumqttc::{NetworkOptions, Transport};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use url::Url;

const KEEP_ALIVE: Duration = Duration::from_secs(15);
const CONNECT_TIMEOUT_SECS: u64 = 10;
const RECONNECT_MIN: Duration = Duration::from_millis(200);
const RECONNECT_MAX: Duration = Duration::from_secs(10);
/// Topics in one subscription; brokers bound the size of a packet.
const TOPICS_AT_ONCE: usize = 500;
const QUEUE: usize = 64;

/// Listens to the sensors of the configuration in force until `stop`; readings go to `bus`.
pub(crate) async fn listen(
    mut city: watch::Receiver<Arc<City>>,
    bus: mpsc::Sender<DetectionBatch>,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    stop: CancellationToken,
) {
    loop {
        let sensors = city.borrow_and_update().sensors.clone();
        let listening = stop.child_token();
        let mut tasks = tokio::task::JoinSet::new();
        for (broker, sensors) in by_broker(sensors.clone()) {
            let (bus, clock, metrics) = (bus.clone(), Arc::clone(&clock), metrics.clone());
            let ear = Ear { broker, sensors, bus, clock, metrics };
            tasks.spawn(ear.keep_connected(listening.clone()));
        }
        let ended = loop {
            tokio::select! {
                () = stop.cancelled() => break true,
                changed = city.changed() => match changed {
                    Err(_) => break true,
                    Ok(()) if city.borrow_and_update().sensors != sensors => break false,
                    Ok(()) => {}
                },
            }
        };
        listening.cancel();
        while tasks.join_next().await.is_some() {}
        if ended {
            return;
        }
    }
}

/// Where a broker is, and who asks.
type Broker = (Url, Option<Credentials>);

/// The same in a form that has an order.
type BrokerKey = (String, Option<(String, String)>);

fn by_broker(sensors: Vec<Sensor>) -> Vec<(Broker, Vec<Sensor>)> {
    let mut brokers: BTreeMap<BrokerKey, (Broker, Vec<Sensor>)> = BTreeMap::new();
    for sensor in sensors {
        let user = sensor.credentials.as_ref().map(|c| (c.user.clone(), c.password.clone()));
        let broker = (sensor.broker.clone(), sensor.credentials.clone());
        let key = (sensor.broker.to_string(), user);
        brokers.entry(key).or_insert_with(|| (broker, Vec::new())).1.push(sensor);
    }
    brokers.into_values().collect()
}

/// What listens to one broker.
struct Ear {
    broker: Broker,
    sensors: Vec<Sensor>,
    bus: mpsc::Sender<DetectionBatch>,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
}

impl Ear {
    async fn keep_connected(self, stop: CancellationToken) {
        let mut wait = RECONNECT_MIN;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                heard = self.hear() => wait = if heard { RECONNECT_MIN } else { (wait * 2).min(RECONNECT_MAX) },
            }
            let retry = tokio::time::sleep(wait);
            tokio::pin!(retry);
            let silent = self.sensors.iter().map(|sensor| silence(sensor, self.clock.now())).collect();
            if !self.publish(silent).await {
                return;
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = &mut retry => {}
            }
        }
    }

    /// One connection, from its beginning to its end; `false` when it never came about.
    async fn hear(&self) -> bool {
        let Some(options) = self.options() else { return false };
        let (client, mut events) = AsyncClient::new(options, QUEUE);
        let mut connected = false;
        loop {
            match events.poll().await {
                Ok(Event::Incoming(Packet::ConnAck(_))) => {
                    connected = true;
                    tracing::info!(broker = %self.broker.0, sensors = self.sensors.len(), "listening to sensors");
                    if !self.subscribe(&client) {
                        return connected;
                    }
                }
                Ok(Event::Incoming(Packet::Publish(publish))) => {
                    let frames = self.read(&publish.topic, &publish.payload);
                    if !frames.is_empty() && !self.publish(frames).await {
                        return connected;
                    }
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(broker = %self.broker.0, %error, "sensors cannot be heard; trying again");
                    return connected;
                }
            }
        }
    }

    /// What a message says, for every sensor that speaks on its topic.
    fn read(&self, topic: &[u8], payload: &[u8]) -> Vec<FrameDetections> {
        let at = self.clock.now();
        let speaking = self.sensors.iter().filter(|sensor| sensor.topic.as_bytes() == topic);
        let read = speaking.filter_map(|sensor| match value(sensor, payload) {
            Ok(value) => Some(look(sensor, value, at)),
            Err(bad) => {
                tracing::debug!(sensor = %sensor.id, reason = bad.name(), "a message is no reading");
                self.metrics.bad_reading(bad);
                None
            }
        });
        read.collect()
    }

    /// `false` when nobody takes readings any more.
    async fn publish(&self, frames: Vec<FrameDetections>) -> bool {
        self.bus.send(DetectionBatch::from_frames(&frames)).await.is_ok()
    }

    /// `false` when the connection takes no more.
    fn subscribe(&self, client: &AsyncClient) -> bool {
        self.sensors.chunks(TOPICS_AT_ONCE).all(|sensors| {
            let topics = sensors.iter().map(|sensor| Filter::new(sensor.topic.clone(), QoS::AtLeastOnce));
            client.try_subscribe_many(topics).is_ok()
        })
    }

    fn options(&self) -> Option<MqttOptions> {
        let (url, credentials) = &self.broker;
        let host = url.host_str()?.trim_start_matches('[').trim_end_matches(']');
        let secure = url.scheme() == "mqtts";
        let port = url.port().unwrap_or(if secure { 8883 } else { 1883 });
        // Empty: the broker gives a name, so that two cities on one broker do not push each other out.
        let mut options = MqttOptions::new(String::new(), host, port);
        if secure {
            options.set_transport(Transport::tls_with_default_config());
        }
        if let Some(Credentials { user, password }) = credentials {
            options.set_credentials(user.clone(), password.clone());
        }
        let mut network = NetworkOptions::new();
        network.set_tcp_nodelay(true);
        network.set_connection_timeout(CONNECT_TIMEOUT_SECS);
        options
            .set_network_options(network)
            .set_connection_timeout(CONNECT_TIMEOUT_SECS)
            .set_keep_alive(KEEP_ALIVE)
            .set_clean_start(true);
        Some(options)
    }
}
