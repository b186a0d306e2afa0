//! The whole pipeline, wired last stage first; a stage holds the sender of the next one only.

use crate::camera_board::CameraBoard;
use crate::capacity::PictureKeeper;
use crate::capture::{Capture, CaptureMetrics, CaptureParts};
use crate::loaded_models::LoadedModels;
use crate::look_stages::{LookParts, LookStages, StartError};
use crate::metrics::PipelineMetrics;
use crate::schedule::Schedule;
use citybrain_ingest_config::resolved::City;
use citybrain_models::{Runtime, SessionOptions};
use citybrain_types::{CameraDirectory, Clock, DetectionBatch, FocusRequest};
use prometheus_client::registry::Registry;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Focus requests on their way in: a handful of fires at once is a bad day, and the dispatcher may wait.
const FOCUS_QUEUE: usize = 64;

/// How often coverage is computed: a few microseconds a camera.
const TELL_PROMISES_EVERY: Duration = Duration::from_secs(2);
/// How often it is asked whether a camera's pictures have another size; the file is written when one has.
const KEEP_PICTURES_EVERY: Duration = Duration::from_secs(10);

/// What the pipeline is given.
#[derive(Debug)]
pub struct PipelineParts<'a> {
    /// The city.
    pub city: Arc<City>,
    /// ONNX Runtime; the models are loaded from the city's folders, once for each worker.
    pub runtime: Runtime,
    /// How model sessions are opened.
    pub session: SessionOptions,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// The bus to the dispatcher.
    pub bus: mpsc::Sender<DetectionBatch>,
    /// Where metrics are registered.
    pub registry: &'a mut Registry,
}

/// The running pipeline.
#[derive(Debug)]
pub struct Pipeline {
    board: Arc<CameraBoard>,
    stages: LookStages,
    // Locked for reloads only; `capture` changes its own tables.
    capture: Mutex<Capture>,
    focus: mpsc::Sender<FocusRequest>,
    focus_task: JoinHandle<()>,
    promises_task: JoinHandle<()>,
    pictures_task: JoinHandle<()>,
}

/// Starts every stage. Must be called inside a tokio runtime.
///
/// # Errors
/// [`StartError`] when a model, the spool or GStreamer cannot be used.
pub fn start(parts: PipelineParts<'_>) -> Result<Pipeline, StartError> {
    let models = LoadedModels::load(&parts.city, &parts.runtime, parts.session)?;
    start_with(parts, models)
}

/// As [`start`], with the city's models as they were loaded before.
///
/// # Errors
/// [`StartError`] when the spool or GStreamer cannot be used.
pub fn start_with(parts: PipelineParts<'_>, models: LoadedModels) -> Result<Pipeline, StartError> {
    let PipelineParts { city, runtime, session, clock, bus, registry } = parts;
    let told = Arc::clone(&clock);
    let capture_metrics = CaptureMetrics::register(registry);
    let board = Arc::new(CameraBoard::new(Arc::clone(&clock), capture_metrics.clone()));
    let metrics = PipelineMetrics::register(registry);
    let promises = metrics.clone();
    let look_parts = LookParts {
        city: Arc::clone(&city),
        runtime,
        session,
        clock: Arc::clone(&clock),
        bus,
        board: Arc::clone(&board),
        metrics,
    };
    let stages = LookStages::start_with(look_parts, models)?;
    let mailboxes = stages.mailboxes();
    let parts = CaptureParts { clock, board: Arc::clone(&board), metrics: capture_metrics, mailboxes };
    let capture = match Capture::start(&city, parts) {
        Ok(capture) => Mutex::new(capture),
        Err(error) => {
            stages.shutdown();
            return Err(error.into());
        }
    };
    let (focus, mut requests) = mpsc::channel::<FocusRequest>(FOCUS_QUEUE);
    let schedule = stages.schedule();
    let focus_task = tokio::spawn(async move {
        while let Some(request) = requests.recv().await {
            let known = schedule.focus(&request);
            tracing::info!(camera = %request.camera, kind = %request.kind, known, "asked to look more often");
        }
    });
    let promises_task = tokio::spawn(watch_promises(stages.schedule(), Arc::clone(&board), promises, told));
    let pictures_task = tokio::spawn(keep_pictures(Arc::clone(&board), city.site.data_dir.clone()));
    Ok(Pipeline { board, stages, capture, focus, focus_task, promises_task, pictures_task })
}

/// Tells every few seconds how well the promised looks are kept.
async fn watch_promises(
    schedule: Arc<Schedule>,
    board: Arc<CameraBoard>,
    metrics: PipelineMetrics,
    clock: Arc<dyn Clock>,
) {
    let mut tick = tokio::time::interval(TELL_PROMISES_EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let coverage = schedule.coverage();
        metrics.promises(&coverage, board.sweep(clock.now()));
        board.covered(coverage.cameras);
    }
}

/// Writes down how large the cameras' pictures are, for the next plan.
async fn keep_pictures(board: Arc<CameraBoard>, folder: PathBuf) {
    let mut keeper = PictureKeeper::open(&folder);
    let mut tick = tokio::time::interval(KEEP_PICTURES_EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        if let Err(error) = keeper.keep(&board, &folder) {
            tracing::warn!(%error, folder = %folder.display(), "the sizes of the cameras' pictures cannot be kept");
        }
    }
}

impl Pipeline {
    /// How every camera stands.
    #[must_use]
    pub fn cameras(&self) -> Arc<dyn CameraDirectory> {
        Arc::clone(&self.board) as Arc<dyn CameraDirectory>
    }

    /// Where the dispatcher asks for a camera to be looked at more often.
    #[must_use]
    pub fn focus(&self) -> mpsc::Sender<FocusRequest> {
        self.focus.clone()
    }

    /// Puts another city in force without a restart. Must be called inside a tokio runtime. Loading changed
    /// models blocks for as long as that takes; looks go on meanwhile.
    ///
    /// # Errors
    /// [`StartError`] when a model cannot be loaded or a setting is fixed while running; then nothing changes.
    pub fn reload(&self, city: &Arc<City>) -> Result<(), StartError> {
        self.stages.reload(city)?;
        self.capture.lock().unwrap_or_else(PoisonError::into_inner).reload(city);
        Ok(())
    }

    /// Closes the connections, ends the looks under way, and sends or spools what was found. Takes some seconds
    /// at most. The bus's sender is dropped, so the dispatcher knows that nothing more comes.
    pub async fn shutdown(self) {
        self.focus_task.abort();
        self.promises_task.abort();
        self.pictures_task.abort();
        let capture = self.capture.into_inner().unwrap_or_else(PoisonError::into_inner);
        capture.shutdown().await;
        let stages = self.stages;
        if tokio::task::spawn_blocking(move || stages.shutdown()).await.is_err() {
            tracing::error!("the pipeline's last stages did not shut down cleanly");
        }
    }
}
