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
mod line;
pub mod log;
pub mod metrics;
pub mod outbox;
pub mod people;
pub mod permit;
pub mod photo;
pub mod policy;
pub mod replay;
pub mod ruling;
pub mod seats;
pub mod sensor;
pub mod services;
pub mod silence;
pub mod store;
#[cfg(test)]
mod testing;
pub mod tune;
pub mod verdict;

pub use case::OrderError;
pub use citybrain_ingest_config::City;
pub use services::{CameraView, CaseView, Change, Readiness, Services};
pub use store::{
    CaseFilter, CasePage, Cursor, DeliveryFilter, DeliveryPage, PageRequest, Replay, StoreError,
};

use case::Recheck;
use citybrain_ingest_config::resolved::SignIn;
use citybrain_types::{CameraDirectory, Clock, DetectionBatch, FocusRequest};
use delivery::Deliveries;
use line::{Beside, Line, Memory, Shared};
use log::{LogStore, StoreAddressError};
use metrics::Metrics;
use prometheus_client::registry::Registry;
use silence::SilenceKeeper;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use store::Store;
use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Batches between two stages. Deciding takes microseconds and only the commit waits for the disk, so a few are
/// enough to keep it busy; more would hide back-pressure from the bus.
const STAGE_QUEUE: usize = 8;
/// What was decided beside the looks and is not taken in yet; whoever decides waits while there are more.
const RULINGS_QUEUE: usize = 256;
/// Changes a slow listener may be behind; then it is told that it missed some.
const LISTENER_QUEUE: usize = 1024;
/// Batches of what almost opened, on their way to the store; one that does not fit is dropped from the sample.
const CANDIDATE_QUEUE: usize = 64;
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
    /// Nobody could be let in.
    #[error(transparent)]
    People(#[from] people::PeopleError),
    /// Everybody would be let in from everywhere.
    #[error(
        "people.sign_in is 'open' while {0} can be reached by others: listen on 127.0.0.1, or have people sign in"
    )]
    OpenToStrangers(std::net::SocketAddr),
}

/// A running dispatcher. Dropping it leaves the tasks running; end it with [`Dispatcher::shutdown`].
pub struct Dispatcher {
    city: watch::Sender<Arc<City>>,
    services: Services,
    store: Store,
    deliveries: Deliveries,
    stages: Vec<JoinHandle<()>>,
    beside: Beside,
    close_bus: CancellationToken,
    abandon_commits: CancellationToken,
}

/// Opens the store, goes on with what was open and pending, and takes detections from the bus.
///
/// # Errors
/// [`StartError`] when the data folder cannot be made or the store cannot be opened or read.
pub async fn start(parts: DispatcherParts<'_>) -> Result<Dispatcher, StartError> {
    let DispatcherParts { city, bus, cameras, focus, clock, registry } = parts;
    if city.is_open_to_strangers() {
        return Err(StartError::OpenToStrangers(city.site.listen));
    }
    let city = sensor::with_sensors(city);
    // Refused when the program has chosen a provider already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let store = open_store(&city).await?;
    let log = (city.dispatch.log_budget_bytes > 0).then(|| LogStore::of(&city)).transpose()?;
    let memory = Memory { incidents: store.open_incidents().await?, watermarks: store.watermarks().await? };
    let metrics = Metrics::register(registry);
    let people = people(&city, &store, &clock, registry).await?;
    let pictures = people::PictureLinks::new(people.seal().await?, &city);
    let (listeners, _) = broadcast::channel(LISTENER_QUEUE);
    let (to_answers, answers) = mpsc::channel(case::ANSWER_QUEUE);
    let deliveries = Deliveries::new(
        store.clone(),
        Arc::clone(&clock),
        metrics.clone(),
        listeners.clone(),
        to_answers,
        pictures,
    );
    deliveries.reload(&city);
    let register = Arc::new(permit::first_read(&city, &metrics).await);
    let (rule, rulings) = mpsc::channel(RULINGS_QUEUE);
    let (city_in_force, city) = watch::channel(city);
    let (candidates, almost) = mpsc::channel(CANDIDATE_QUEUE);
    tokio::spawn(verdict::keep_candidates(store.clone(), almost));
    let shadows = policy::Shadows::new(store.clone());
    let shared = Shared { city, store, clock, metrics, listeners, shadows, candidates };
    let silences = SilenceKeeper::open(
        shared.city.clone(),
        shared.store.clone(),
        Arc::clone(&shared.clock),
        rule.clone(),
    )
    .await?;
    let desk = shared.desk(deliveries.mailroom(), rule.clone(), silences.clone());
    let bus_attached = Arc::new(AtomicBool::new(true));
    let office = shared.office(rule.clone()).await?;
    let services = shared.services(
        &desk,
        silences.clone(),
        office.clone(),
        people,
        Arc::clone(&cameras),
        Arc::clone(&bus_attached),
    );
    let [close_bus, abandon_commits, stop] = std::array::from_fn(|_| CancellationToken::new());
    let (heard, readings) = mpsc::channel(STAGE_QUEUE);
    let beside = shared.beside(&desk, &cameras, rule, Arc::clone(&register), heard, stop);
    // Ends with the last connection that could hear an answer.
    tokio::spawn(case::run_answers(desk.clone(), answers));
    let (to_recheck, glances) = mpsc::channel(STAGE_QUEUE);
    let line = Line {
        bus,
        readings,
        focus,
        mailroom: deliveries.mailroom(),
        bus_attached,
        close_bus: &close_bus,
        abandon: &abandon_commits,
        before: shared.said_before(register, &silences, &office),
        rulings,
        recheck: to_recheck,
        log,
    };
    let mut stages = line.build(&shared, memory);
    stages.push(tokio::spawn(case::run_recheck(Recheck { desk, cameras }, glances)));
    let store = shared.store;
    Ok(Dispatcher {
        city: city_in_force,
        services,
        store,
        deliveries,
        stages,
        beside,
        close_bus,
        abandon_commits,
    })
}

/// Users and the audit log; where nobody can sign in yet, the way for the first admin.
async fn people(
    city: &City,
    store: &Store,
    clock: &Arc<dyn Clock>,
    registry: &mut Registry,
) -> Result<people::People, StartError> {
    let metrics = people::PeopleMetrics::register(registry);
    let data_dir = &city.site.data_dir;
    let people = people::People::new(store.clone(), data_dir, Arc::clone(clock), metrics)?;
    if city.people.sign_in == SignIn::Required {
        let page = city.site.public_url.join("set-up").map_or_else(|_| String::new(), String::from);
        people.await_first_admin(data_dir, &page).await?;
    }
    let head = people.audit_head().await?;
    tracing::info!(%head, "the audit log goes on after this row");
    Ok(people)
}

async fn open_store(city: &City) -> Result<Store, StartError> {
    let data_dir = &city.site.data_dir;
    tokio::fs::create_dir_all(data_dir)
        .await
        .map_err(|source| StartError::DataDir { path: data_dir.clone(), source })?;
    Ok(Store::open_configured(&city.store, data_dir).await?)
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
        let Self { stages, deliveries, mut beside, store, .. } = self;
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
        beside.stop.cancel();
        beside.sources_ended().await;
        deliveries.shutdown(DELIVERY_PATIENCE).await;
        beside.housekeeping_ended().await;
        store.close().await;
    }
}
