//! How the stages are wired, the last first, and what runs beside them.

use crate::STAGE_QUEUE;
use crate::case::{self, CaseStage, Desk, Glance};
use crate::delivery::Mailroom;
use crate::evidence::{self, Evidence, EvidenceStage, Look};
use crate::housekeeping::{self, Housekeeping};
use crate::incident::{self, Incident, IncidentStage, Incidents, Step};
use crate::intake::{self, Intake, IntakeStage};
use crate::log::{self, Compactor, LOG_FOLDER, LogStore, LogWriter};
use crate::metrics::Metrics;
use crate::people::People;
use crate::permit::{self, Register, RegisterKeeper};
use crate::policy::{self, Office, PolicyState, Rehearsals, Shadows};
use crate::ruling::{Decided, Input, Ruling};
use crate::sensor;
use crate::services::{Change, ServiceParts, Services};
use crate::silence::SilenceKeeper;
use crate::store::{Store, StoreError, Watermark};
use crate::tune::Runner;
use crate::verdict::{Candidate, Reviewer};
use citybrain_ingest_config::City;
use citybrain_types::{
    CameraDirectory, CameraId, Clock, DetectionBatch, EventKind, FocusRequest, FrameDetections, Timestamp,
};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Steps before the commit: what waits here shares one sync of the disk.
const COMMIT_QUEUE: usize = 64;

/// What the stages share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) city: watch::Receiver<Arc<City>>,
    pub(crate) store: Store,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: Metrics,
    pub(crate) listeners: broadcast::Sender<Change>,
    /// Policies that judge beside the one in force.
    pub(crate) shadows: Shadows,
    /// Where what almost opened goes.
    pub(crate) candidates: mpsc::Sender<Vec<Candidate>>,
}

/// What the store remembers of the time before.
pub(crate) struct Memory {
    pub(crate) incidents: Vec<Incident>,
    pub(crate) watermarks: Vec<Watermark>,
}

impl Shared {
    /// Where cases are changed by people and by the time.
    pub(crate) fn desk(
        &self,
        mailroom: Mailroom,
        rule: mpsc::Sender<Ruling>,
        silences: SilenceKeeper,
    ) -> Desk {
        Desk {
            city: self.city.clone(),
            store: self.store.clone(),
            clock: Arc::clone(&self.clock),
            mailroom,
            listeners: self.listeners.clone(),
            metrics: self.metrics.clone(),
            rule,
            silences,
        }
    }

    /// What the API and the console ask.
    pub(crate) fn services(
        &self,
        desk: &Desk,
        silences: SilenceKeeper,
        office: Office,
        people: People,
        cameras: Arc<dyn CameraDirectory>,
        bus_attached: Arc<AtomicBool>,
    ) -> Services {
        let reviewer = Reviewer {
            store: self.store.clone(),
            desk: desk.clone(),
            office: office.clone(),
            clock: Arc::clone(&self.clock),
        };
        let mailroom = desk.mailroom.clone();
        Services::new(ServiceParts {
            desk: desk.clone(),
            city: self.city.clone(),
            store: self.store.clone(),
            cameras,
            clock: Arc::clone(&self.clock),
            listeners: self.listeners.clone(),
            bus_attached,
            silences,
            office,
            reviewer,
            people,
            wake: Box::new(move || mailroom.wake()),
        })
    }

    /// Where policies are changed; those that were in shadow are again.
    pub(crate) async fn office(&self, rule: mpsc::Sender<Ruling>) -> Result<Office, StoreError> {
        let live = self.store.policies_in(PolicyState::Live).await?;
        let (in_force, _) = watch::channel(Arc::new(live.first().map(policy::in_force).unwrap_or_default()));
        let office = Office {
            city: self.city.clone(),
            in_force,
            store: self.store.clone(),
            clock: Arc::clone(&self.clock),
            rule,
            shadows: self.shadows.clone(),
            listeners: self.listeners.clone(),
            runner: Runner::default(),
            rehearsals: Rehearsals::default(),
            turn: Arc::default(),
        };
        office.run_shadows().await?;
        Ok(office)
    }

    /// What was decided before the stream begins.
    pub(crate) fn said_before(
        &self,
        register: Arc<Register>,
        silences: &SilenceKeeper,
        office: &Office,
    ) -> Vec<Ruling> {
        let mut said = silences.rulings();
        let live = office.in_force();
        // A log that begins here tells what it was judged under.
        if !live.id.is_empty() {
            let what = Decided::Thresholds { live: live.as_ref().clone() };
            said.push(Ruling { at: self.clock.now(), what });
        }
        // A city without registers has nothing that a replay would have to know.
        if !self.city.borrow().permits.is_empty() {
            said.push(Ruling { at: self.clock.now(), what: Decided::Permits { register } });
        }
        said
    }

    /// Starts what runs beside the stages until it is stopped.
    pub(crate) fn beside(
        &self,
        desk: &Desk,
        cameras: &Arc<dyn CameraDirectory>,
        rule: mpsc::Sender<Ruling>,
        first: Arc<Register>,
        heard: mpsc::Sender<DetectionBatch>,
        stop: CancellationToken,
    ) -> Beside {
        let (city, clock, metrics) = (self.city.clone(), Arc::clone(&self.clock), self.metrics.clone());
        let timers = tokio::spawn(case::run_timers(desk.clone(), stop.clone()));
        let permits = tokio::spawn(permit::keep_read(RegisterKeeper {
            city: city.clone(),
            first,
            rule,
            clock: Arc::clone(&clock),
            metrics: metrics.clone(),
            stop: stop.clone(),
        }));
        let sensors =
            tokio::spawn(sensor::listen(city, heard, Arc::clone(&clock), metrics.clone(), stop.clone()));
        let housekeeping = tokio::spawn(housekeeping::run(Housekeeping {
            store: self.store.clone(),
            cameras: Arc::clone(cameras),
            listeners: self.listeners.clone(),
            metrics,
            clock,
            stop: stop.clone(),
        }));
        Beside { timers, permits, sensors, housekeeping, stop }
    }
}

/// What runs beside the stages.
pub(crate) struct Beside {
    timers: JoinHandle<()>,
    permits: JoinHandle<()>,
    sensors: JoinHandle<()>,
    housekeeping: JoinHandle<()>,
    /// Ends all of it.
    pub(crate) stop: CancellationToken,
}

impl Beside {
    /// Waits for those that give the stages something to do.
    pub(crate) async fn sources_ended(&mut self) {
        let (permits, sensors) = tokio::join!(&mut self.permits, &mut self.sensors);
        if permits.is_err() || sensors.is_err() {
            tracing::warn!(
                "the reader of the permit register or the listener to sensors died before the shutdown"
            );
        }
        if (&mut self.timers).await.is_err() {
            tracing::warn!("the task that keeps the clocks of cases died before the shutdown");
        }
    }

    /// Waits for the last round.
    pub(crate) async fn housekeeping_ended(self) {
        if self.housekeeping.await.is_err() {
            tracing::warn!("housekeeping died before the shutdown");
        }
    }
}

/// The ends of the line of stages.
pub(crate) struct Line<'a> {
    pub(crate) bus: mpsc::Receiver<DetectionBatch>,
    pub(crate) readings: mpsc::Receiver<DetectionBatch>,
    pub(crate) focus: mpsc::Sender<FocusRequest>,
    pub(crate) mailroom: Mailroom,
    pub(crate) bus_attached: Arc<AtomicBool>,
    pub(crate) close_bus: &'a CancellationToken,
    pub(crate) abandon: &'a CancellationToken,
    /// What was decided before the first look.
    pub(crate) before: Vec<Ruling>,
    pub(crate) rulings: mpsc::Receiver<Ruling>,
    pub(crate) recheck: mpsc::Sender<Vec<Glance>>,
    /// Where the log is kept, where one is.
    pub(crate) log: Option<LogStore>,
}

impl Line<'_> {
    /// Builds the stages, the last first; each gets the sender of the next and of no other.
    pub(crate) fn build(mut self, shared: &Shared, memory: Memory) -> Vec<JoinHandle<()>> {
        let (to_case, steps) = mpsc::channel(COMMIT_QUEUE);
        let case = self.cases(shared, steps);
        let faulty = faulty(&memory.incidents);
        let (to_incident, looks) = mpsc::channel(STAGE_QUEUE);
        let incident = incidents(shared, memory.incidents, looks, to_case);
        let (to_evidence, frames) = mpsc::channel(STAGE_QUEUE);
        let evidence = self.evidence(shared, faulty, frames, to_incident);
        let (to_log, taken) = mpsc::channel(STAGE_QUEUE);
        let log = self.log.take().map(|store| logbook(shared, store, taken));
        let intake = self.intake(shared, memory.watermarks, to_evidence, log.is_some().then_some(to_log));
        [intake, evidence, incident, case].into_iter().chain(log).collect()
    }

    fn cases(&self, shared: &Shared, steps: mpsc::Receiver<Step>) -> JoinHandle<()> {
        let stage = CaseStage {
            city: shared.city.clone(),
            store: shared.store.clone(),
            clock: Arc::clone(&shared.clock),
            mailroom: self.mailroom.clone(),
            listeners: shared.listeners.clone(),
            metrics: shared.metrics.clone(),
            recheck: self.recheck.clone(),
            abandon: self.abandon.clone(),
        };
        tokio::spawn(case::run(stage, steps))
    }

    fn evidence(
        &self,
        shared: &Shared,
        faulty: Vec<CameraId>,
        frames: mpsc::Receiver<Input<FrameDetections>>,
        next: mpsc::Sender<Input<Look>>,
    ) -> JoinHandle<()> {
        let city = Arc::clone(&shared.city.borrow());
        let stage = EvidenceStage {
            city: shared.city.clone(),
            evidence: Evidence::new(city, faulty),
            clock: Arc::clone(&shared.clock),
            focus: self.focus.clone(),
            next,
            metrics: shared.metrics.clone(),
            shadows: shared.shadows.clone(),
            candidates: shared.candidates.clone(),
        };
        tokio::spawn(evidence::run(stage, frames))
    }

    fn intake(
        self,
        shared: &Shared,
        watermarks: Vec<Watermark>,
        next: mpsc::Sender<Input<FrameDetections>>,
        log: Option<mpsc::Sender<(Input<FrameDetections>, Timestamp)>>,
    ) -> JoinHandle<()> {
        let stage = IntakeStage {
            city: shared.city.clone(),
            intake: Intake::new(Arc::clone(&shared.city.borrow()), watermarks),
            clock: Arc::clone(&shared.clock),
            next,
            log,
            metrics: shared.metrics.clone(),
            attached: self.bus_attached,
            close: self.close_bus.clone(),
            before: self.before,
        };
        tokio::spawn(intake::run(stage, self.bus, self.readings, self.rulings))
    }
}

/// Cameras that are known not to be seen.
fn faulty(incidents: &[Incident]) -> Vec<CameraId> {
    let faults = incidents.iter().filter(|incident| incident.kind.as_str() == EventKind::CAMERA_FAULT);
    faults.map(|incident| incident.camera.clone()).collect()
}

fn incidents(
    shared: &Shared,
    known: Vec<Incident>,
    looks: mpsc::Receiver<Input<Look>>,
    next: mpsc::Sender<Step>,
) -> JoinHandle<()> {
    let stage = IncidentStage {
        city: shared.city.clone(),
        incidents: Incidents::new(&shared.city.borrow(), known),
        clock: Arc::clone(&shared.clock),
        next,
        metrics: shared.metrics.clone(),
        shadows: shared.shadows.clone(),
    };
    tokio::spawn(incident::run(stage, looks))
}

/// What writes the log.
fn logbook(
    shared: &Shared,
    store: LogStore,
    taken: mpsc::Receiver<(Input<FrameDetections>, Timestamp)>,
) -> JoinHandle<()> {
    let folder = shared.city.borrow().site.data_dir.join(LOG_FOLDER);
    let (writer, open, closed) = LogWriter::new(folder.clone());
    let (clock, metrics) = (Arc::clone(&shared.clock), shared.metrics.clone());
    let compactor = Compactor { store, folder, city: shared.city.clone(), open, closed, clock, metrics };
    tokio::spawn(log::run(writer, taken, compactor, shared.metrics.clone()))
}
