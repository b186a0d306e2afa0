//! All workers that deliver: one for each destination of the configuration in force.

use super::mqtt::Answered;
use super::recorder::{self, Wanted};
use super::worker::{Worker, WorkerHandle};
use crate::metrics::Metrics;
use crate::people::PictureLinks;
use crate::services::Change;
use crate::store::{OutboxRow, Store};
use citybrain_ingest_config::City;
use citybrain_ingest_config::resolved::Destination;
use citybrain_types::{Clock, DestinationId};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::{broadcast, mpsc, watch};
use tokio_util::task::TaskTracker;

/// Tells attempts that run beside a commit whether it is done.
#[derive(Debug)]
pub(crate) struct Committed(watch::Sender<bool>);

impl Committed {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(false))
    }

    pub(crate) fn done(&self) {
        self.0.send_replace(true);
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<bool> {
        self.0.subscribe()
    }
}

type Workers = Arc<RwLock<HashMap<DestinationId, (Destination, WorkerHandle)>>>;

/// Where deliveries are handed in; cloning clones a handle.
#[derive(Debug, Clone, Default)]
pub(crate) struct Mailroom(Workers);

impl Mailroom {
    /// Something was committed to the outbox.
    pub(crate) fn wake(&self) {
        for (_, worker) in self.0.read().unwrap_or_else(PoisonError::into_inner).values() {
            worker.wake();
        }
    }

    /// Sends a delivery at once, while its commit is under way. What finds no room goes out from the outbox.
    pub(crate) fn express(&self, row: &OutboxRow, committed: &Committed) {
        let workers = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, worker)) = workers.get(&row.delivery.destination) {
            worker.express(row.clone(), committed.subscribe());
        }
    }
}

/// What the workers are made of.
#[derive(Debug, Clone)]
pub(super) struct Tools {
    pub(super) store: Store,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) metrics: Metrics,
    pub(super) listeners: broadcast::Sender<Change>,
    /// Where what departments answer goes.
    pub(super) answers: mpsc::Sender<Answered>,
    pub(super) mailroom: Mailroom,
    /// Signs addresses of pictures.
    pub(super) pictures: PictureLinks,
}

/// Runs the workers.
pub(crate) struct Deliveries {
    mailroom: Mailroom,
    tools: Tools,
    recorder: mpsc::Sender<Wanted>,
    running: TaskTracker,
}

impl Deliveries {
    pub(crate) fn new(
        store: Store,
        clock: Arc<dyn Clock>,
        metrics: Metrics,
        listeners: broadcast::Sender<Change>,
        answers: mpsc::Sender<Answered>,
        pictures: PictureLinks,
    ) -> Self {
        let mailroom = Mailroom::default();
        let tools = Tools { store, clock, metrics, listeners, answers, mailroom: mailroom.clone(), pictures };
        let (recorder, wanted) = mpsc::channel(recorder::QUEUE);
        // Ends with the last worker.
        tokio::spawn(recorder::run(tools.clone(), wanted));
        Self { mailroom, tools, recorder, running: TaskTracker::new() }
    }

    pub(crate) fn mailroom(&self) -> Mailroom {
        self.mailroom.clone()
    }

    /// Starts, replaces and stops workers so that they are those of `city`. One whose destination has not
    /// changed goes on undisturbed; what a stopped one had under way is finished.
    pub(crate) fn reload(&self, city: &City) {
        self.tools.pictures.follow(city);
        let mut workers = self.mailroom.0.write().unwrap_or_else(PoisonError::into_inner);
        workers.retain(|id, (destination, worker)| {
            let stays = city.destinations.get(id) == Some(destination);
            if !stays {
                worker.stop();
            }
            stays
        });
        // Each destination has its own share, so that a slow one cannot use up another's.
        let share = (city.dispatch.concurrent_deliveries / city.destinations.len().max(1)).max(1);
        for (id, destination) in &city.destinations {
            if !workers.contains_key(id) {
                let worker = Worker::start(
                    &city.site.name,
                    destination,
                    share,
                    self.tools.clone(),
                    self.recorder.clone(),
                    &self.running,
                );
                workers.insert(id.clone(), (destination.clone(), worker));
            }
        }
    }

    /// Claims nothing more and waits for what is under way, at most `bound`. The rest stays in the outbox.
    pub(crate) async fn shutdown(self, bound: Duration) {
        for (_, worker) in self.mailroom.0.write().unwrap_or_else(PoisonError::into_inner).values() {
            worker.stop();
        }
        self.running.close();
        if tokio::time::timeout(bound, self.running.wait()).await.is_err() {
            tracing::warn!("deliveries under way were cut off; they go out again after the next start");
            for (_, worker) in self.mailroom.0.write().unwrap_or_else(PoisonError::into_inner).values() {
                worker.abandon();
            }
        }
    }
}
