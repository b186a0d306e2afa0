//! One destination's worker: claims what is due, attempts it, writes down how it went.

use super::breaker::{Admit, Breaker};
use super::email::Email;
use super::mailroom::Tools;
use super::mqtt::{Answered, Broker, Mqtt};
use super::recorder::Wanted;
use super::retry;
use super::robot::Robot;
use super::webhook::Webhook;
use super::{Failure, FailureReason};
use crate::fail_point::{self, FailPoint};
use crate::metrics::Stage;
use crate::services::Change;
use crate::store::{Attempt, OutboxRow, Record, StoreError};
use citybrain_ingest_config::resolved::{Channel, Destination};
use citybrain_types::{DeliveryState, Timestamp};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Pre-alarms waiting for one destination; more than this at once go out from the outbox instead.
const EXPRESS_QUEUE: usize = 32;
/// Pre-alarms under way to one destination beside its share, so that a full share delays no fire.
const EXPRESS_SHARE: usize = 4;
/// The outbox is looked at this often even when nobody has said that something is due.
const IDLE_LOOK: Duration = Duration::from_secs(10);
/// The longest sleep while something is pending: the clock may be moved.
const PENDING_LOOK: Duration = Duration::from_secs(1);
/// The shortest, so that a store that fails is not asked in a tight loop.
const SHORTEST_LOOK: Duration = Duration::from_millis(20);

type Express = (OutboxRow, watch::Receiver<bool>);

/// How a worker is spoken to.
#[derive(Debug)]
pub(super) struct WorkerHandle {
    wake: Arc<Notify>,
    express: mpsc::Sender<Express>,
    stop: CancellationToken,
    abandon: CancellationToken,
}

impl WorkerHandle {
    pub(super) fn wake(&self) {
        self.wake.notify_one();
    }

    pub(super) fn express(&self, row: OutboxRow, committed: watch::Receiver<bool>) {
        if self.express.try_send((row, committed)).is_err() {
            tracing::debug!("no room for a pre-alarm beside the commit; it goes out from the outbox");
        }
    }

    pub(super) fn stop(&self) {
        self.stop.cancel();
    }

    pub(super) fn abandon(&self) {
        self.abandon.cancel();
    }
}

/// How a destination is reached, ready to send.
enum Courier {
    Webhook(Webhook),
    Mqtt(Mqtt),
    Robot(Robot),
    Email(Email),
    Broken(String),
}

impl Courier {
    fn new(
        site: &str,
        destination: &Destination,
        answers: &mpsc::Sender<Answered>,
        connected_until: CancellationToken,
    ) -> Self {
        let made = match &destination.channel {
            Channel::Webhook { url, secret, old_secret, format } => {
                let old_secret = old_secret.as_ref().map(|old| old.0.as_str());
                Webhook::new(url, &secret.0, old_secret, *format, destination.timeout).map(Self::Webhook)
            }
            Channel::Robot { url, template } => {
                Robot::new(&url.0, template, destination.timeout).map(Self::Robot)
            }
            Channel::Email { server, credentials, from, to } => {
                Email::new(server, credentials.as_ref(), from, to, destination.timeout).map(Self::Email)
            }
            Channel::Mqtt { broker, credentials, topic, response_topic } => {
                let broker = Broker {
                    url: broker,
                    credentials: credentials.as_ref(),
                    topic,
                    response_topic: response_topic.as_deref(),
                    destination: destination.id.clone(),
                    answers: answers.clone(),
                    client_id: client_id(site, destination),
                    timeout: destination.timeout,
                };
                Mqtt::connect(&broker, connected_until).map(Self::Mqtt)
            }
        };
        made.unwrap_or_else(|problem| {
            tracing::error!(destination = %destination.id, problem, "a destination cannot work as configured");
            Self::Broken(problem)
        })
    }

    async fn send(&self, row: &OutboxRow, now: Timestamp) -> Result<(), Failure> {
        match self {
            Self::Webhook(webhook) => webhook.send(row, now).await,
            Self::Mqtt(mqtt) => mqtt.send(row).await,
            Self::Robot(robot) => robot.send(row).await,
            Self::Email(email) => email.send(row).await,
            Self::Broken(problem) => Err(Failure::new(FailureReason::Misconfigured, problem.clone())),
        }
    }
}

/// The same for every start, so that a broker replaces the old connection instead of keeping both.
fn client_id(site: &str, destination: &Destination) -> String {
    let site: String = site.chars().filter(char::is_ascii_alphanumeric).take(24).collect();
    format!("citybrain-{site}-{}", destination.id)
}

/// What one attempt needs.
struct Desk {
    destination: Destination,
    courier: Courier,
    tools: Tools,
    breaker: Mutex<Breaker>,
    recorder: mpsc::Sender<Wanted>,
    abandon: CancellationToken,
}

impl Desk {
    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        // Its state is only ever replaced by single assignments: a panic leaves it usable.
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One destination's worker.
pub(super) struct Worker {
    desk: Arc<Desk>,
    share: usize,
    wake: Arc<Notify>,
    express: mpsc::Receiver<Express>,
    stop: CancellationToken,
    /// Cancelled last: a connection is kept while something is under way.
    connected: CancellationToken,
    under_way: HashSet<String>,
    attempts: JoinSet<String>,
}

impl Worker {
    pub(super) fn start(
        site: &str,
        destination: &Destination,
        share: usize,
        tools: Tools,
        recorder: mpsc::Sender<Wanted>,
        running: &TaskTracker,
    ) -> WorkerHandle {
        let (express_in, express) = mpsc::channel(EXPRESS_QUEUE);
        let (stop, abandon, connected) =
            (CancellationToken::new(), CancellationToken::new(), CancellationToken::new());
        let courier = Courier::new(site, destination, &tools.answers, connected.clone());
        let desk = Desk {
            destination: destination.clone(),
            courier,
            tools,
            breaker: Mutex::default(),
            recorder,
            abandon: abandon.clone(),
        };
        let wake = Arc::new(Notify::new());
        let worker = Self {
            desk: Arc::new(desk),
            share,
            wake: Arc::clone(&wake),
            express,
            stop: stop.clone(),
            connected,
            under_way: HashSet::new(),
            attempts: JoinSet::new(),
        };
        running.spawn(worker.run());
        WorkerHandle { wake, express: express_in, stop, abandon }
    }

    async fn run(mut self) {
        while !self.stop.is_cancelled() {
            let look_again = self.claim().await;
            let room_for_express = self.under_way.len() < self.share + EXPRESS_SHARE;
            tokio::select! {
                () = self.stop.cancelled() => {}
                Some((row, committed)) = self.express.recv(), if room_for_express => {
                    self.attempt(row, Some(committed));
                }
                Some(done) = self.attempts.join_next() => self.finished(done),
                () = self.wake.notified() => {}
                () = tokio::time::sleep(look_again) => {}
            }
        }
        self.finish().await;
    }

    /// Starts what is due and has room; says when to look again.
    async fn claim(&mut self) -> Duration {
        if self.under_way.len() >= self.share {
            return IDLE_LOOK;
        }
        match self.try_claim().await {
            Ok(look_again) => look_again,
            Err(error) => {
                self.desk.tools.metrics.store_failed(&error);
                tracing::error!(reason = error.name(), %error, "the outbox cannot be read; trying again");
                PENDING_LOOK
            }
        }
    }

    async fn try_claim(&mut self) -> Result<Duration, StoreError> {
        let Tools { store, clock, .. } = &self.desk.tools;
        let destination = &self.desk.destination;
        let (store, now) = (store.clone(), clock.now());
        let horizon = retry::horizon(&retry::schedule(destination, true), now);
        let admit = self.desk.breaker().admits(now);
        // Those under way are still pending in the store.
        let rows = store.due(&destination.id, now, horizon, self.share + self.under_way.len()).await?;
        let room = self.share - self.under_way.len();
        let mut probe = admit == Admit::Probe;
        let may_go = |row: &OutboxRow| row.urgent || admit == Admit::All || std::mem::take(&mut probe);
        let fresh: Vec<_> = rows
            .into_iter()
            .filter(|row| !self.under_way.contains(&row.delivery.key))
            .filter(may_go)
            .take(room)
            .collect();
        for row in fresh {
            if !row.urgent && admit == Admit::Probe {
                self.desk.breaker().probe();
            }
            self.attempt(row, None);
        }
        // What is due now and did not fit is claimed when an attempt ends.
        let due = store.next_due(&self.desk.destination.id, now).await?;
        if let Admit::UrgentUntil(until) = admit {
            return Ok(until.since(now).clamp(SHORTEST_LOOK, PENDING_LOOK));
        }
        Ok(due.map_or(IDLE_LOOK, |due| due.since(now).clamp(SHORTEST_LOOK, PENDING_LOOK)))
    }

    fn attempt(&mut self, row: OutboxRow, committed: Option<watch::Receiver<bool>>) {
        if self.under_way.insert(row.delivery.key.clone()) {
            self.attempts.spawn(attempt(Arc::clone(&self.desk), row, committed));
        }
    }

    fn finished(&mut self, done: Result<String, tokio::task::JoinError>) {
        match done {
            Ok(key) => {
                self.under_way.remove(&key);
            }
            // Its key is unknown: forget all that are not running any more.
            Err(error) => {
                tracing::error!(%error, "an attempt to deliver died");
                if self.attempts.is_empty() {
                    self.under_way.clear();
                }
            }
        }
    }

    /// Waits for what is under way until it is done or abandoned.
    async fn finish(mut self) {
        tokio::select! {
            () = self.desk.abandon.cancelled() => {}
            () = async { while self.attempts.join_next().await.is_some() {} } => {}
        }
        self.connected.cancel();
    }
}

/// One attempt, and how it went, written down. Says its key.
async fn attempt(desk: Arc<Desk>, row: OutboxRow, committed: Option<watch::Receiver<bool>>) -> String {
    let Tools { clock, metrics, pictures, .. } = &desk.tools;
    let key = row.delivery.key.clone();
    let started = clock.now();
    fail_point::hit(FailPoint::BeforeSend);
    let result = match pictures.signed(&row.body, started) {
        Some(body) => desk.courier.send(&OutboxRow { body, ..row.clone() }, started).await,
        None => desk.courier.send(&row, started).await,
    };
    let now = clock.now();
    metrics.stage(Stage::Deliver, now.since(started));
    if result.is_ok() {
        fail_point::hit(FailPoint::AfterSend);
        metrics.capture_to_delivery(&row.kind, &row.delivery.destination, now.since(row.captured_at));
    }
    if let Some(mut committed) = committed {
        // Sent beside its commit: there is nothing to write to before that is done.
        if committed.wait_for(|done| *done).await.is_err() {
            return key;
        }
    }
    write_down(&desk, &row, result, now).await;
    key
}

async fn write_down(desk: &Desk, row: &OutboxRow, result: Result<(), Failure>, now: Timestamp) {
    let made = (row.delivery.attempts - row.attempts_before.min(row.delivery.attempts)).saturating_add(1);
    let schedule = retry::schedule(&desk.destination, row.urgent);
    let attempt = match &result {
        Ok(()) => Attempt::Acknowledged { at: now },
        Err(failure) => retry::after_failure(&schedule, made, failure, now),
    };
    let turned = desk.breaker().ended(result.as_ref().err().map(|failure| failure.reason), now);
    if let Some(down) = turned {
        let destination = &desk.destination.id;
        desk.tools.metrics.destination_down(destination, down);
        tracing::warn!(%destination, down, "a destination does not answer, or answers again");
    }
    let second = second_channel(desk, row, made, &attempt, now);
    let state = match &attempt {
        Attempt::Acknowledged { .. } => DeliveryState::Delivered,
        Attempt::Retry { .. } => DeliveryState::Pending,
        Attempt::Dead { .. } => DeliveryState::Dead,
    };
    log(desk, row, &result, state);
    let tells_second = second.is_some();
    let (written, on_disk) = oneshot::channel();
    let record = Record { key: row.delivery.key.clone(), attempt, second };
    if desk.recorder.send((record, written)).await.is_err() {
        tracing::error!(key = row.delivery.key, "nobody writes down attempts any more");
        return;
    }
    tokio::select! {
        () = desk.abandon.cancelled() => return,
        written = on_disk => if written.is_err() { return },
    }
    fail_point::hit(FailPoint::AfterRecord);
    if tells_second {
        desk.tools.mailroom.wake();
    }
    let change = Change::Delivery { case: row.delivery.case.clone(), key: row.delivery.key.clone(), state };
    // Nobody listening is no failure.
    let _ = desk.tools.listeners.send(change);
}

/// The row for the second channel, when this attempt was the last quick one of something that is told at once.
fn second_channel(
    desk: &Desk,
    row: &OutboxRow,
    made: u32,
    attempt: &Attempt,
    now: Timestamp,
) -> Option<OutboxRow> {
    if matches!(attempt, Attempt::Acknowledged { .. })
        || !retry::tells_second(&desk.destination, row.urgent, made, attempt)
    {
        return None;
    }
    let second = desk.destination.second.as_ref()?;
    let (destination, case) = (&row.delivery.destination, &row.delivery.case);
    tracing::warn!(%destination, %second, %case, "an urgent delivery goes to the second channel, too");
    crate::outbox::for_second(row, second, now)
}

/// Log line and metric of one attempt.
fn log(desk: &Desk, row: &OutboxRow, result: &Result<(), Failure>, state: DeliveryState) {
    let destination = &row.delivery.destination;
    let (case, key, event) = (&row.delivery.case, &row.delivery.key, row.event.name());
    let Err(failure) = result else {
        desk.tools.metrics.delivery(destination, state.name());
        tracing::info!(%destination, %case, key, event, "delivered");
        return;
    };
    desk.tools.metrics.delivery(destination, failure.reason.name());
    let (reason, detail) = (failure.reason.name(), &failure.detail);
    if state == DeliveryState::Dead {
        desk.tools.metrics.delivery(destination, state.name());
        tracing::error!(%destination, %case, key, event, reason, detail, "delivery given up; replay it when repaired");
    } else {
        tracing::warn!(%destination, %case, key, event, reason, detail, "delivery failed; trying again");
    }
}
