//! A department that takes cases over MQTT 5.

use super::{Attempt, Desk, Received, Via};
use citybrain_types::Clock;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Packet, Publish};
use rumqttc::v5::{AsyncClient, Event, EventLoop, MqttOptions};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Requests to the broker that wait: only a subscription for each connection.
const REQUESTS_WAITING: usize = 8;
/// Time between two attempts to reach the broker.
const RECONNECT_AFTER: Duration = Duration::from_millis(100);
/// Longest wait for the first subscription.
const SUBSCRIBE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the broker keeps what comes while the department is away, seconds.
const SESSION_SECS: u32 = 3_600;
/// Largest delivery taken, bytes.
const MAX_PACKET: u32 = 1 << 20;
/// The user property that carries the idempotency key.
const KEY_PROPERTY: &str = "idempotency-key";

/// Why the department does not listen.
#[derive(Debug, thiserror::Error)]
pub enum MqttError {
    /// No subscription within ten seconds.
    #[error("no subscription to {filter} at the broker within ten seconds: is it running?")]
    NotSubscribed {
        /// The topic filter.
        filter: String,
    },
}

/// A running subscriber. It connects again whenever the broker was away, with the same session.
pub struct MqttDepartment {
    desk: Desk,
    over: CancellationToken,
    subscriptions: watch::Receiver<u32>,
}

impl MqttDepartment {
    /// Connects to a broker on this machine and subscribes to a topic filter with QoS 1; `name` is its client id.
    ///
    /// # Errors
    /// [`MqttError`] when the broker does not answer.
    pub async fn start(
        port: u16,
        name: &str,
        filter: &str,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, MqttError> {
        let mut options = MqttOptions::new(name, "127.0.0.1", port);
        options
            .set_keep_alive(Duration::from_secs(5))
            .set_clean_start(false)
            .set_session_expiry_interval(Some(SESSION_SECS))
            .set_max_packet_size(Some(MAX_PACKET));
        let (client, events) = AsyncClient::new(options, REQUESTS_WAITING);
        let (counted, mut subscriptions) = watch::channel(0);
        let (desk, over) = (Desk::default(), CancellationToken::new());
        let listener =
            Listener { client, events, filter: filter.to_owned(), desk: desk.clone(), clock, counted };
        let ended = over.clone();
        tokio::spawn(async move {
            ended.run_until_cancelled(listener.run()).await;
        });
        let first = tokio::time::timeout(SUBSCRIBE_TIMEOUT, subscriptions.changed()).await;
        if !matches!(first, Ok(Ok(()))) {
            over.cancel();
            return Err(MqttError::NotSubscribed { filter: filter.to_owned() });
        }
        Ok(Self { desk, over, subscriptions })
    }

    /// What it has taken, once by key, in order of arrival.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.desk.received()
    }

    /// Every message, in order of arrival.
    #[must_use]
    pub fn attempts(&self) -> Vec<Attempt> {
        self.desk.attempts()
    }

    /// How often it has subscribed: once for each time that the broker was reached.
    #[must_use]
    pub fn subscriptions(&self) -> u32 {
        *self.subscriptions.borrow()
    }
}

impl Drop for MqttDepartment {
    fn drop(&mut self) {
        self.over.cancel();
    }
}

struct Listener {
    client: AsyncClient,
    events: EventLoop,
    filter: String,
    desk: Desk,
    clock: Arc<dyn Clock>,
    counted: watch::Sender<u32>,
}

impl Listener {
    async fn run(mut self) {
        loop {
            match self.events.poll().await {
                Ok(Event::Incoming(Packet::ConnAck(_))) => {
                    if let Err(error) = self.client.try_subscribe(&*self.filter, QoS::AtLeastOnce) {
                        tracing::warn!(%error, "a department could not subscribe");
                    }
                }
                Ok(Event::Incoming(Packet::SubAck(_))) => self.counted.send_modify(|n| *n += 1),
                Ok(Event::Incoming(Packet::Publish(message))) => self.take(&message),
                Ok(_) => {}
                Err(error) => {
                    tracing::debug!(%error, "a department lost its broker");
                    tokio::time::sleep(RECONNECT_AFTER).await;
                }
            }
        }
    }

    fn take(&self, message: &Publish) {
        let properties =
            message.properties.as_ref().map(|all| all.user_properties.as_slice()).unwrap_or_default();
        let key = properties.iter().find(|(name, _)| name == KEY_PROPERTY).map(|(_, key)| key.as_str());
        self.desk.take(key, &message.payload, self.clock.now(), Via::Mqtt);
    }
}
