//! The stages behind the mailboxes, wired last stage first: publish, snapshots, workers, schedule.

use crate::camera_board::CameraBoard;
use crate::detect::{Handover, Workbench, Worker};
use crate::loaded_models::{LoadedModels, labels_of, load};
use crate::metrics::PipelineMetrics;
use crate::past::PastKeeper;
use crate::publish::{Publisher, Spool, SpoolError};
use crate::schedule::plan::{plans, unscored_kinds};
use crate::schedule::{Limits, Mailboxes, ModelLabels, Schedule, Sight, SightOf};
use crate::snapshot::{SnapshotKeeper, SnapshotStore};
use citybrain_ingest_config::resolved::{Blur, City};
use citybrain_models::coverage::NeverAsked;
use citybrain_models::{LoadError, Runtime, SessionOptions};
use citybrain_types::{CameraState, Clock, DetectionBatch, FailReason, FocusRequest, ModelId};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::mpsc::Sender;

/// Workers get this long at shutdown to end the look they are at.
const FINISH_WITHIN: Duration = Duration::from_secs(5);

/// Folder of snapshots below the city's data folder; a [`citybrain_types::SnapshotRef`] is a path in it.
pub const SNAPSHOT_FOLDER: &str = "snapshots";
/// Folder of the originals of snapshots in which something was covered, beside it.
pub const ORIGINAL_FOLDER: &str = "originals";
/// Folder of what cameras have shown for weeks, below the city's data folder.
pub const PAST_FOLDER: &str = "past";
/// Folder of the spool below the city's data folder.
pub const SPOOL_FOLDER: &str = "spool";

/// Why the pipeline cannot start, or not with that city.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A model cannot be loaded.
    #[error("model {dir}: {source}", dir = .dir.display())]
    Model {
        /// Its folder.
        dir: PathBuf,
        /// Why.
        source: LoadError,
    },
    /// The folder holds another model than the configuration pins.
    #[error("model {dir} is {found}, the configuration asks for {wanted}; correct 'id' or 'dir' of the model", dir = .dir.display())]
    OtherModel {
        /// Its folder.
        dir: PathBuf,
        /// What is pinned.
        wanted: ModelId,
        /// What lies there.
        found: ModelId,
    },
    /// A model waits for another one to find something that concerns it, which cannot be.
    #[error(transparent)]
    NeverAsked(#[from] NeverAsked),
    /// The spool cannot be used.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// The operating system gives no thread.
    #[error("cannot start a thread: {0}")]
    Thread(#[from] std::io::Error),
    /// `capture` cannot start.
    #[error(transparent)]
    Capture(#[from] crate::capture::CaptureError),
    /// Something was changed that is fixed while the program runs.
    #[error("'{0}' cannot be changed while running; restart to change it")]
    NeedsRestart(&'static str),
}

/// What the stages are given.
#[derive(Debug)]
pub struct LookParts {
    /// The city.
    pub city: Arc<City>,
    /// ONNX Runtime.
    pub runtime: Runtime,
    /// How sessions are opened; provider and precision are each model's own.
    pub session: SessionOptions,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Where batches go.
    pub bus: Sender<DetectionBatch>,
    /// Where cameras stand.
    pub board: Arc<CameraBoard>,
    /// What is counted.
    pub metrics: PipelineMetrics,
}

/// The running stages.
#[derive(Debug)]
pub struct LookStages {
    schedule: Arc<Schedule>,
    keeper: Arc<SnapshotKeeper>,
    past: Arc<PastKeeper>,
    runtime: Runtime,
    session: SessionOptions,
    spool_budget: Arc<AtomicU64>,
    snapshot_budget: Arc<AtomicU64>,
    original_budget: Arc<AtomicU64>,
    handovers: Vec<Handover>,
    loaded: Mutex<Loaded>,
    workers: Vec<JoinHandle<()>>,
    writers: [JoinHandle<()>; 2],
    publisher: Publisher,
}

/// What is in force.
#[derive(Debug)]
struct Loaded {
    generation: u64,
    labels: Vec<ModelLabels>,
    city: Arc<City>,
}

impl LookStages {
    /// Loads the models, once for each worker, and starts the threads.
    ///
    /// # Errors
    /// [`StartError`]; nothing is left running.
    pub fn start(parts: LookParts) -> Result<Self, StartError> {
        let models = LoadedModels::load(&parts.city, &parts.runtime, parts.session)?;
        Self::start_with(parts, models)
    }

    /// As [`LookStages::start`], with the city's models as they were loaded before.
    ///
    /// # Errors
    /// [`StartError`]; nothing is left running.
    pub fn start_with(parts: LookParts, models: LoadedModels) -> Result<Self, StartError> {
        let LookParts { city, runtime, session, clock, bus, board, metrics } = parts;
        let LoadedModels { sets } = models;
        let labels = labels_of(&city, &sets)?;
        let data_dir = &city.site.data_dir;
        let spool_budget = Arc::new(AtomicU64::new(city.pipeline.spool_budget_bytes));
        let [snapshot_budget, original_budget] = budgets(&city).map(|bytes| Arc::new(AtomicU64::new(bytes)));

        let spool = Spool::open(&data_dir.join(SPOOL_FOLDER), Arc::clone(&spool_budget))?;
        let (publisher, outbox) = Publisher::start(bus, spool, Arc::clone(&clock), metrics.clone())?;
        let folder = data_dir.join(SNAPSHOT_FOLDER);
        let (store, writer) = SnapshotStore::start(folder, Arc::clone(&snapshot_budget), metrics.clone())?;
        let folder = data_dir.join(ORIGINAL_FOLDER);
        let (originals, original_writer) =
            SnapshotStore::start(folder, Arc::clone(&original_budget), metrics.clone())?;
        let max_side = city.pipeline.snapshot_max_side;
        let keeper =
            Arc::new(SnapshotKeeper::new(store, originals, max_side, city.people.blur, metrics.clone()));
        let sight = sight_of(Arc::clone(&board));
        let schedule =
            Arc::new(Schedule::new(limits_of(&city), Arc::clone(&clock), sight, metrics.drops.clone()));
        let mut stages = Self {
            schedule,
            keeper,
            past: Arc::new(PastKeeper::new(data_dir.join(PAST_FOLDER))),
            runtime,
            session,
            spool_budget,
            snapshot_budget,
            original_budget,
            handovers: Vec::new(),
            loaded: Mutex::new(Loaded { generation: 0, labels, city: Arc::clone(&city) }),
            workers: Vec::new(),
            writers: [writer, original_writer],
            publisher,
        };
        for (number, models) in sets.into_iter().enumerate() {
            let handover = Handover::default();
            stages.handovers.push(Arc::clone(&handover));
            let worker = Worker {
                schedule: Arc::clone(&stages.schedule),
                models,
                handover,
                board: Arc::clone(&board),
                keeper: Arc::clone(&stages.keeper),
                past: Arc::clone(&stages.past),
                outbox: outbox.clone(),
                clock: Arc::clone(&clock),
                metrics: metrics.clone(),
                bench: Workbench::default(),
            };
            let thread =
                std::thread::Builder::new().name(format!("look-{number}")).spawn(move || worker.run());
            match thread {
                Ok(thread) => stages.workers.push(thread),
                Err(error) => {
                    // Those that run end with the schedule; the publisher ends with the last outbox.
                    stages.schedule.close();
                    return Err(error.into());
                }
            }
        }
        stages.put_in_force(&city);
        Ok(stages)
    }

    /// The mailboxes that pictures are put into.
    #[must_use]
    pub fn mailboxes(&self) -> Mailboxes {
        Mailboxes::new(Arc::clone(&self.schedule))
    }

    /// Looks at a camera more often for a while; `false` when nothing is looked for there.
    pub fn focus(&self, request: &FocusRequest) -> bool {
        self.schedule.focus(request)
    }

    /// The schedule, for whoever passes focus requests on.
    #[must_use]
    pub fn schedule(&self) -> Arc<Schedule> {
        Arc::clone(&self.schedule)
    }

    /// Puts another city in force: cameras, kinds, thresholds, budgets, and models where they changed.
    ///
    /// # Errors
    /// [`StartError`] when a model cannot be loaded or a setting is fixed; the running city stays in force.
    pub fn reload(&self, city: &Arc<City>) -> Result<(), StartError> {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if loaded.city.site.data_dir != city.site.data_dir {
            return Err(StartError::NeedsRestart("site.data_dir"));
        }
        if loaded.city.pipeline.workers != city.pipeline.workers {
            return Err(StartError::NeedsRestart("pipeline.workers"));
        }
        if loaded.city.models != city.models {
            let generation = loaded.generation + 1;
            let sets = load(city, self.handovers.len(), &self.runtime, self.session, generation)?;
            loaded.labels = labels_of(city, &sets)?;
            loaded.generation = generation;
            for (handover, set) in self.handovers.iter().zip(sets) {
                *handover.lock().unwrap_or_else(PoisonError::into_inner) = Some(set);
            }
        }
        loaded.city = Arc::clone(city);
        drop(loaded);
        self.put_in_force(city);
        Ok(())
    }

    fn put_in_force(&self, city: &City) {
        self.spool_budget.store(city.pipeline.spool_budget_bytes, Ordering::Relaxed);
        let [snapshots, originals] = budgets(city);
        self.snapshot_budget.store(snapshots, Ordering::Relaxed);
        self.original_budget.store(originals, Ordering::Relaxed);
        let max_side = city.pipeline.snapshot_max_side;
        self.keeper.reload(|camera| city.cameras.contains_key(camera), max_side, city.people.blur);
        self.past.forget_others(|camera| city.cameras.contains_key(camera));
        let loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        for kind in unscored_kinds(city, &loaded.labels) {
            tracing::warn!(%kind, "no loaded model scores this kind: cameras are not looked at for it");
        }
        self.schedule.replan(plans(city, &loaded.labels, loaded.generation), limits_of(city));
    }

    /// Ends the looks under way, sends or spools what was found, and ends the threads. Blocks for a few seconds
    /// at most.
    pub fn shutdown(self) {
        self.schedule.close();
        let until = std::time::Instant::now() + FINISH_WITHIN;
        let mut all_ended = true;
        for worker in self.workers {
            while !worker.is_finished() && std::time::Instant::now() < until {
                std::thread::sleep(Duration::from_millis(5));
            }
            if !worker.is_finished() {
                tracing::error!("a look did not end in time and is left behind");
                all_ended = false;
            } else if worker.join().is_err() {
                tracing::error!("a worker had panicked");
            }
        }
        if !all_ended {
            // The publisher waits for the last worker's outbox, which will not be closed.
            return;
        }
        self.publisher.join();
        drop(self.keeper);
        for writer in self.writers {
            if writer.join().is_err() {
                tracing::error!("a writer of snapshots had panicked");
            }
        }
    }
}

/// Disk for snapshots and for their originals: the second half goes to the originals where there are any.
fn budgets(city: &City) -> [u64; 2] {
    let all = city.pipeline.snapshot_budget_bytes;
    match city.people.blur {
        Blur::Off => [all, 0],
        Blur::FacesAndPlates => [all - all / 2, all / 2],
    }
}

pub(crate) fn limits_of(city: &City) -> Limits {
    Limits {
        stall_after: city.pipeline.stall_after,
        connect_timeout: city.pipeline.connect_timeout,
        urgent_share_percent: city.pipeline.load.urgent_share_percent,
    }
}

fn sight_of(board: Arc<CameraBoard>) -> SightOf {
    Arc::new(move |camera| match board.status(camera).map(|status| status.state) {
        // A camera that rests is due at its next turn; one that is late for it becomes a failed one.
        Some(CameraState::Live | CameraState::Resting { .. }) => Sight::Live,
        Some(
            CameraState::Stalled
            | CameraState::Failed { reason: FailReason::NoKeyframes | FailReason::Undecodable, .. },
        ) => Sight::Stalled,
        Some(CameraState::Connecting | CameraState::Failed { .. }) => Sight::Disconnected,
        // Not on the board: it has just been taken out of the city.
        Some(CameraState::Ended) | None => Sight::Ended,
    })
}
