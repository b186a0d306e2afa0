//! The stages from mailbox to published frames in lock-step with a clock that is moved by hand: what they would have
//! answered, as fast as they can answer it.
//!
//! Design decision: this is not another pipeline but the same parts with the same settings (schedule, worker, snapshots),
//! without threads between them. The same pictures give the same frames, however slow the machine is.

use crate::camera_board::CameraBoard;
use crate::capture::CaptureMetrics;
use crate::capture::supervisor::raw_interval;
use crate::detect::{Handover, Workbench, Worker};
use crate::loaded_models::{labels_of, load};
use crate::look_stages::{SNAPSHOT_FOLDER, StartError, limits_of};
use crate::metrics::PipelineMetrics;
use crate::picture::Picture;
use crate::publish::{Outbox, Outgoing};
use crate::schedule::plan::plans;
use crate::schedule::{Mailboxes, Schedule, Sight};
use crate::snapshot::{SnapshotKeeper, SnapshotStore};
use citybrain_ingest_config::City;
use citybrain_ingest_config::resolved::Blur;
use citybrain_models::{Runtime, SessionOptions};
use citybrain_types::{CameraId, Clock, FocusRequest, FrameDetections, ManualClock, Timestamp};
use prometheus_client::registry::Registry;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::Receiver;
use std::time::Duration;

/// A timer that brings no work moves the clock by this much, so that a replay always comes to its end.
const NUDGE: Duration = Duration::from_millis(1);

/// One worker with its schedule and its clock.
#[derive(Debug)]
pub struct Replay {
    clock: ManualClock,
    schedule: Arc<Schedule>,
    mailboxes: Mailboxes,
    worker: Worker,
    frames: Receiver<Outgoing>,
    /// Raw pictures of a camera are put no more often than this, and when the last was.
    raw: HashMap<CameraId, (Duration, Option<Timestamp>)>,
}

impl Replay {
    /// Loads the city's models; every camera is connected from `start` on. Snapshots go below `folder`.
    ///
    /// # Errors
    /// [`StartError`] when a model cannot be loaded or there is no thread for snapshots.
    pub fn start(
        city: &City,
        runtime: &Runtime,
        session: SessionOptions,
        start: Timestamp,
        folder: &Path,
    ) -> Result<Self, StartError> {
        let sets = load(city, 1, runtime, session, 0)?;
        let labels = labels_of(city, &sets)?;
        let clock = ManualClock::starting_at(start);
        let shared: Arc<dyn Clock> = Arc::new(clock.clone());
        let mut registry = Registry::default();
        let metrics = PipelineMetrics::register(&mut registry);
        let board = CameraBoard::new(Arc::clone(&shared), CaptureMetrics::register(&mut registry));
        let budget = Arc::new(AtomicU64::new(city.pipeline.snapshot_budget_bytes));
        let (store, _) = SnapshotStore::start(folder.join(SNAPSHOT_FOLDER), budget, metrics.clone())?;
        let max_side = city.pipeline.snapshot_max_side;
        // Who replays a clip has the clip.
        let keeper = SnapshotKeeper::new(store.clone(), store, max_side, Blur::Off, metrics.clone());
        let live = Arc::new(|_: &CameraId| Sight::Live);
        let schedule =
            Arc::new(Schedule::new(limits_of(city), Arc::clone(&shared), live, metrics.drops.clone()));
        schedule.replan(plans(city, &labels, 0), limits_of(city));
        let (outbox, frames) = Outbox::unpublished();
        let models =
            sets.into_iter().next().ok_or(std::io::ErrorKind::NotFound).map_err(std::io::Error::from)?;
        let worker = Worker {
            schedule: Arc::clone(&schedule),
            models,
            handover: Handover::default(),
            board: Arc::new(board),
            keeper: Arc::new(keeper),
            past: Arc::new(crate::past::PastKeeper::new(folder.join(crate::look_stages::PAST_FOLDER))),
            outbox,
            clock: shared,
            metrics,
            bench: Workbench::default(),
        };
        let raw = city.cameras.values().map(|camera| (camera.id.clone(), (raw_interval(city, camera), None)));
        let mailboxes = Mailboxes::new(Arc::clone(&schedule));
        Ok(Self { clock, schedule, mailboxes, worker, frames, raw: raw.collect() })
    }

    /// What time it is there.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Lays a picture into its camera's mailbox. The clock is to stand at the picture's time: see [`Replay::step`].
    pub fn put(&mut self, picture: Picture) {
        self.lay(picture, false);
    }

    /// As [`Replay::put`], of a picture that shows something new.
    pub fn put_eager(&mut self, picture: Picture) {
        self.lay(picture, true);
    }

    fn lay(&mut self, picture: Picture, eager: bool) {
        if let Picture::Raw(frame) = &picture
            && let Some((interval, last)) = self.raw.get_mut(&frame.camera)
        {
            if last.is_some_and(|last| frame.captured_at.since(last) < *interval) {
                return;
            }
            *last = Some(frame.captured_at);
        }
        let mailbox = self.mailboxes.slot(picture.camera());
        // What is dropped here is dropped there: it is counted by the schedule.
        let _ = if eager { mailbox.put_eager(picture) } else { mailbox.put(picture) };
    }

    /// Does the next piece of work that is due until then, with the clock at its time, and gives the frames it led to.
    /// `None` when there is no more; the clock stands at `until` then.
    pub fn step(&mut self, until: Timestamp) -> Option<Vec<FrameDetections>> {
        loop {
            let (work, timer) = self.schedule.poll();
            if let Some(work) = work {
                self.worker.work(work);
                return Some(self.frames.try_iter().map(|outgoing| outgoing.frame).collect());
            }
            let now = self.clock.now();
            match timer.map(|timer| timer.max(now.plus(NUDGE))) {
                Some(timer) if timer <= until => self.clock.set(timer),
                _ => {
                    self.clock.set(until.max(now));
                    return None;
                }
            }
        }
    }

    /// Looks at a camera more often for a while, as the dispatcher asks for.
    pub fn focus(&self, request: &FocusRequest) -> bool {
        self.schedule.focus(request)
    }
}
