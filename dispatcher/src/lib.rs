//! The stages from published detections to a department's desk.
//!
//! ```text
//! bus, sensors ──▶ intake ──▶ evidence ──▶ incident ──▶ case ──▶ outbox ──▶ delivery
//!                    └▶ log       └▶ focus requests      └▶ store, listeners
//! ```
//!
//! What people say of incidents and what permit registers hold comes in from the side, as input like the looks.
//!
//! Design decision: each stage is a pure decision (`Intake`, `Evidence`, `Incidents`, `case::file`) in a thin task
//! that holds the sender of the next stage only. Decisions take their time from the frames, so the same frames
//! give the same cases, byte for byte. The clock is used for three things: to refuse frames from the future, to
//! time deliveries and to measure. What a decision led to is committed with how far the cameras were judged, in
//! one transaction; only then is it told, save the pre-alarm of a fire, which goes out beside its commit.
#![forbid(unsafe_code)]

pub mod api;
pub mod appraisal;
pub mod cap;
pub mod case;
pub mod delivery;
pub mod envelope;
pub mod evidence;
pub mod fail_point;
mod housekeeping;
pub mod incident;
pub mod intake;
pub mod log;
pub mod metrics;
pub mod outbox;
pub mod permit;
pub mod photo;
pub mod replay;
pub mod sensor;
pub mod services;
pub mod store;
#[cfg(test)]
mod testing;
pub mod tune;

pub use case::OrderError;
pub use services::{CameraView, CaseView, Change, Readiness, Services};
pub use store::{
    CaseFilter, CasePage, Cursor, DeliveryFilter, DeliveryPage, PageRequest, Replay, StoreError,
};

use case::{CaseStage, Desk, Glance, Recheck};
use citybrain_ingest_config::City;
use citybrain_types::{CameraDirectory, Clock, DetectionBatch, EventKind, FocusRequest, IncidentId};
use delivery::Deliveries;
use evidence::{Evidence, EvidenceStage};
use housekeeping::Housekeeping;
use incident::{Incident, IncidentStage, Incidents};
use intake::{Intake, IntakeStage};
use log::{Compactor, LOG_FOLDER, LogStore, LogWriter, StoreAddressError};
use metrics::Metrics;
use prometheus_client::registry::Registry;
use services::ServiceParts;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use store::{Store, Watermark};
use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Batches between two stages. Deciding takes microseconds and only the commit waits for the disk, so a few are
/// enough to keep it busy; more would hide back-pressure from the bus.
const STAGE_QUEUE: usize = 8;
/// Steps before the commit: what waits here shares one sync of the disk.
const COMMIT_QUEUE: usize = 64;
/// Cases that people have refused, and that the incidents have not been told of: looks come every second.
const RULINGS_QUEUE: usize = 256;
/// Changes a slow listener may be behind; then it is told that it missed some.
const LISTENER_QUEUE: usize = 1024;
/// How long shutdown waits for the sender of the bus to go before it closes the bus itself.
const BUS_PATIENCE: Duration = Duration::from_secs(1);
/// How long shutdown waits for the stages to commit what they hold, and again after it has told them to give up.
const STAGE_PATIENCE: Duration = Duration::from_secs(1);
/// How long shutdown waits for deliveries under way.
const DELIVERY_PATIENCE: Duration = Duration::from_secs(5);

/// What a dispatcher is made of.
pub struct DispatcherParts<'a> {
    /// The configuration in force.
    pub city: Arc<City>,
    /// Published detections.
    pub bus: mpsc::Receiver<DetectionBatch>,
    /// How the cameras stand.
    pub cameras: Arc<dyn CameraDirectory>,
    /// Asks for a camera to be looked at more often.
    pub focus: mpsc::Sender<FocusRequest>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Where the metrics are registered.
    pub registry: &'a mut Registry,
}

/// Why the dispatcher does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data folder cannot be made.
    #[error(
        "the data folder {path} cannot be made: {source}; set site.data_dir to a folder that can be written"
    )]
    DataDir {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The case store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The detection log has no place.
    #[error("{0}; see dispatch.log_url")]
    Log(#[from] StoreAddressError),
}

/// A running dispatcher. Dropping it leaves the tasks running; end it with [`Dispatcher::shutdown`].
pub struct Dispatcher {
    city: watch::Sender<Arc<City>>,
    services: Services,
    store: Store,
    deliveries: Deliveries,
    stages: Vec<JoinHandle<()>>,
    housekeeping: JoinHandle<()>,
    close_bus: CancellationToken,
    abandon_commits: CancellationToken,
    timers: JoinHandle<()>,
    stop_housekeeping: CancellationToken,
    permits: JoinHandle<()>,
    sensors: JoinHandle<()>,
}

/// What the stages share.
#[derive(Clone)]
struct Shared {
    city: watch::Receiver<Arc<City>>,
    store: Store,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    listeners: broadcast::Sender<Change>,
}

/// What the store remembers of the time before.
struct Memory {
    incidents: Vec<Incident>,
    watermarks: Vec<Watermark>,
}

/// Opens the store, goes on with what was open and pending, and takes detections from the bus.
///
/// # Errors
/// [`StartError`] when the data folder cannot be made or the store cannot be opened or read.
pub async fn start(parts: DispatcherParts<'_>) -> Result<Dispatcher, StartError> {
    let DispatcherParts { city, bus, cameras, focus, clock, registry } = parts;
    let city = sensor::with_sensors(city);
    // Refused when the program has chosen a provider already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let data_dir = &city.site.data_dir;
    tokio::fs::create_dir_all(data_dir)
        .await
        .map_err(|source| StartError::DataDir { path: data_dir.clone(), source })?;
    let store = Store::open(data_dir).await?;
    let log = (city.dispatch.log_budget_bytes > 0).then(|| LogStore::of(&city)).transpose()?;
    let memory = Memory { incidents: store.open_incidents().await?, watermarks: store.watermarks().await? };
    let metrics = Metrics::register(registry);
    let (listeners, _) = broadcast::channel(LISTENER_QUEUE);
    let (to_answers, answers) = mpsc::channel(case::ANSWER_QUEUE);
    let deliveries =
        Deliveries::new(store.clone(), Arc::clone(&clock), metrics.clone(), listeners.clone(), to_answers);
    deliveries.reload(&city);

    let register = permit::first_read(&city, &metrics).await;
    let (register_read, register) = watch::channel(Arc::new(register));
    let (rule, rulings) = mpsc::channel(RULINGS_QUEUE);
    let (city_in_force, city) = watch::channel(city);
    let shared = Shared { city, store: store.clone(), clock, metrics, listeners };
    let bus_attached = Arc::new(AtomicBool::new(true));
    let [close_bus, abandon_commits, stop_housekeeping] = std::array::from_fn(|_| CancellationToken::new());
    let mailroom = deliveries.mailroom();
    let desk = Desk {
        city: shared.city.clone(),
        store: store.clone(),
        clock: Arc::clone(&shared.clock),
        mailroom: mailroom.clone(),
        listeners: shared.listeners.clone(),
        metrics: shared.metrics.clone(),
    };
    let timers = tokio::spawn(case::run_timers(desk.clone(), stop_housekeeping.clone()));
    // Ends with the last connection that could hear an answer.
    tokio::spawn(case::run_answers(desk.clone(), answers));
    let services = Services::new(ServiceParts {
        desk: desk.clone(),
        city: shared.city.clone(),
        store: store.clone(),
        cameras: Arc::clone(&cameras),
        clock: Arc::clone(&shared.clock),
        listeners: shared.listeners.clone(),
        bus_attached: Arc::clone(&bus_attached),
        rule,
        wake: Box::new({
            let mailroom = mailroom.clone();
            move || mailroom.wake()
        }),
    });
    let for_recheck = Arc::clone(&cameras);
    let housekeeping = tokio::spawn(housekeeping::run(Housekeeping {
        store: store.clone(),
        cameras,
        listeners: shared.listeners.clone(),
        metrics: shared.metrics.clone(),
        clock: Arc::clone(&shared.clock),
        stop: stop_housekeeping.clone(),
    }));
    let permits = tokio::spawn(permit::keep_read(
        shared.city.clone(),
        register_read,
        shared.metrics.clone(),
        stop_housekeeping.clone(),
    ));
    let (heard, readings) = mpsc::channel(STAGE_QUEUE);
    let sensors = tokio::spawn(sensor::listen(
        shared.city.clone(),
        heard,
        Arc::clone(&shared.clock),
        shared.metrics.clone(),
        stop_housekeeping.clone(),
    ));
    let line = Line {
        bus,
        readings,
        focus,
        mailroom,
        bus_attached,
        close_bus: &close_bus,
        abandon: &abandon_commits,
        register,
        rulings,
        log,
    };
    let (to_recheck, glances) = mpsc::channel(STAGE_QUEUE);
    let recheck = Recheck { desk, cameras: for_recheck };
    let mut stages = line.build(&shared, memory, to_recheck);
    stages.push(tokio::spawn(case::run_recheck(recheck, glances)));
    Ok(Dispatcher {
        city: city_in_force,
        services,
        store,
        deliveries,
        stages,
        housekeeping,
        timers,
        close_bus,
        abandon_commits,
        stop_housekeeping,
        permits,
        sensors,
    })
}

/// The ends of the line of stages.
struct Line<'a> {
    bus: mpsc::Receiver<DetectionBatch>,
    readings: mpsc::Receiver<DetectionBatch>,
    focus: mpsc::Sender<FocusRequest>,
    mailroom: delivery::Mailroom,
    bus_attached: Arc<AtomicBool>,
    close_bus: &'a CancellationToken,
    abandon: &'a CancellationToken,
    register: watch::Receiver<Arc<permit::Register>>,
    rulings: mpsc::Receiver<IncidentId>,
    log: Option<LogStore>,
}

impl Line<'_> {
    /// Builds the stages, the last first; each gets the sender of the next and of no other.
    fn build(
        self,
        shared: &Shared,
        memory: Memory,
        recheck: mpsc::Sender<Vec<Glance>>,
    ) -> Vec<JoinHandle<()>> {
        let city = Arc::clone(&shared.city.borrow());
        let (to_case, steps) = mpsc::channel(COMMIT_QUEUE);
        let case = tokio::spawn(case::run(
            CaseStage {
                city: shared.city.clone(),
                store: shared.store.clone(),
                clock: Arc::clone(&shared.clock),
                mailroom: self.mailroom,
                listeners: shared.listeners.clone(),
                metrics: shared.metrics.clone(),
                recheck,
                abandon: self.abandon.clone(),
            },
            steps,
        ));
        let faulty: Vec<_> = memory
            .incidents
            .iter()
            .filter(|incident| incident.kind.as_str() == EventKind::CAMERA_FAULT)
            .map(|incident| incident.camera.clone())
            .collect();
        let mut incidents = Incidents::new(&city, memory.incidents);
        incidents.use_register(Arc::clone(&self.register.borrow()));
        let (to_incident, looks) = mpsc::channel(STAGE_QUEUE);
        let incident = tokio::spawn(incident::run(
            IncidentStage {
                city: shared.city.clone(),
                incidents,
                register: self.register,
                rulings: self.rulings,
                clock: Arc::clone(&shared.clock),
                next: to_case,
                metrics: shared.metrics.clone(),
            },
            looks,
        ));
        let (to_evidence, frames) = mpsc::channel(STAGE_QUEUE);
        let evidence = tokio::spawn(evidence::run(
            EvidenceStage {
                city: shared.city.clone(),
                evidence: Evidence::new(Arc::clone(&city), faulty),
                clock: Arc::clone(&shared.clock),
                focus: self.focus,
                next: to_incident,
                metrics: shared.metrics.clone(),
            },
            frames,
        ));
        let (to_log, taken) = mpsc::channel(STAGE_QUEUE);
        let log = self.log.map(|store| {
            let folder = city.site.data_dir.join(LOG_FOLDER);
            let (writer, open, closed) = LogWriter::new(folder.clone());
            let (clock, metrics) = (Arc::clone(&shared.clock), shared.metrics.clone());
            let compactor =
                Compactor { store, folder, city: shared.city.clone(), open, closed, clock, metrics };
            tokio::spawn(log::run(writer, taken, compactor, shared.metrics.clone()))
        });
        let intake = tokio::spawn(intake::run(
            IntakeStage {
                city: shared.city.clone(),
                intake: Intake::new(city, memory.watermarks),
                clock: Arc::clone(&shared.clock),
                next: to_evidence,
                log: log.is_some().then_some(to_log),
                metrics: shared.metrics.clone(),
                attached: self.bus_attached,
                close: self.close_bus.clone(),
            },
            self.bus,
            self.readings,
        ));
        [intake, evidence, incident, case].into_iter().chain(log).collect()
    }
}

impl Dispatcher {
    /// Handle for the API and the console.
    #[must_use]
    pub fn services(&self) -> Services {
        self.services.clone()
    }

    /// Goes on under another configuration, from the next batch on; destinations that did not change are not
    /// disturbed.
    pub fn reload(&self, city: Arc<City>) {
        let city = sensor::with_sensors(city);
        self.deliveries.reload(&city);
        self.city.send_replace(city);
    }

    /// Takes what the bus still holds, commits it, and lets deliveries under way finish within five seconds. What
    /// is pending stays in the outbox and goes out after the next start.
    pub async fn shutdown(self) {
        let Self { stages, deliveries, housekeeping, permits, sensors, timers, store, .. } = self;
        let mut all = std::pin::pin!(futures::future::join_all(stages));
        // The sender of the bus is usually gone by now; one that is forgotten must not hold the program up.
        if tokio::time::timeout(BUS_PATIENCE, &mut all).await.is_err() {
            self.close_bus.cancel();
            if tokio::time::timeout(STAGE_PATIENCE, &mut all).await.is_err() {
                self.abandon_commits.cancel();
                if tokio::time::timeout(STAGE_PATIENCE, &mut all).await.is_err() {
                    tracing::error!("the case store does not let go; what it has not committed is lost");
                }
            }
        }
        self.stop_housekeeping.cancel();
        if permits.await.is_err() || sensors.await.is_err() {
            tracing::warn!(
                "the reader of the permit register or the listener to sensors died before the shutdown"
            );
        }
        if timers.await.is_err() {
            tracing::warn!("the task that keeps the clocks of cases died before the shutdown");
        }
        deliveries.shutdown(DELIVERY_PATIENCE).await;
        if housekeeping.await.is_err() {
            tracing::warn!("housekeeping died before the shutdown");
        }
        store.close().await;
    }
}
