//! All cameras: one task each, started, changed and stopped without touching the others.

use super::camera_task::CameraTask;
use super::connect_pace::ConnectPace;
use super::events::CaptureMetrics;
use super::intake::Channel;
use super::poll::poll_interval;
use crate::camera_board::CameraBoard;
use crate::gate::Gate;
use crate::schedule::Mailboxes;
use citybrain_ingest_config::resolved::{Camera, City, PipelineLimits, Stream};
use citybrain_types::{CameraId, Clock};
use gstreamer as gst;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Connections being made at once. A connection takes some 20 ms of a camera's and a few round trips of the
/// network's time, so 1,000 cameras are up within seconds, and neither a switch nor an address resolver sees
/// 1,000 requests in one instant. One that does not answer gives its place up after a second.
pub const CONNECTS_AT_ONCE: usize = 32;

/// How long the tasks get to close their connections.
const SHUTDOWN_WITHIN: Duration = Duration::from_millis(1_500);

/// Raw frames are put no more often than this, whatever the look interval.
const SHORTEST_RAW_INTERVAL: Duration = Duration::from_millis(100);

/// Why capture cannot start.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// GStreamer does not come up.
    #[error(
        "GStreamer cannot be initialised: {0}: install GStreamer 1.22 or later with its base and good plug-ins"
    )]
    GStreamer(#[from] gst::glib::Error),
}

/// What `capture` is given.
#[derive(Debug, Clone)]
pub struct CaptureParts {
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Where states are written.
    pub board: Arc<CameraBoard>,
    /// What is counted.
    pub metrics: CaptureMetrics,
    /// The mailboxes of the next stage.
    pub mailboxes: Mailboxes,
}

/// The running cameras. Lives inside a tokio runtime.
#[derive(Debug)]
pub struct Capture {
    parts: CaptureParts,
    limits: Arc<Mutex<PipelineLimits>>,
    connects: Arc<Semaphore>,
    pace: Arc<ConnectPace>,
    polls: Arc<Semaphore>,
    polls_at_once: usize,
    running: BTreeMap<CameraId, Running>,
}

#[derive(Debug)]
struct Running {
    stream: Stream,
    poll: Option<Duration>,
    raw_interval: Arc<AtomicU64>,
    gate: Arc<Mutex<Gate>>,
    cancel: CancellationToken,
    task: JoinHandle<()>,
}

impl Capture {
    /// Starts a task for each camera of the city. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// [`CaptureError`] when GStreamer does not come up.
    pub fn start(city: &City, parts: CaptureParts) -> Result<Self, CaptureError> {
        gst::init()?;
        super::hardware::prefer();
        let mut capture = Self {
            parts,
            limits: Arc::new(Mutex::new(city.pipeline)),
            connects: Arc::new(Semaphore::new(CONNECTS_AT_ONCE)),
            pace: Arc::new(ConnectPace::new(city.pipeline.load.connects_per_second)),
            polls: Arc::new(Semaphore::new(city.pipeline.load.polled_connections)),
            polls_at_once: city.pipeline.load.polled_connections,
            running: BTreeMap::new(),
        };
        capture.reload(city);
        Ok(capture)
    }

    /// Makes the cameras those of `city`: removed ones are closed, new ones started, those with another stream
    /// connected again. The others are not touched; changed limits hold from their next connection on.
    pub fn reload(&mut self, city: &City) {
        *self.limits.lock().unwrap_or_else(PoisonError::into_inner) = city.pipeline;
        self.pace.set(city.pipeline.load.connects_per_second);
        self.open_polls(city.pipeline.load.polled_connections);
        let gone: Vec<_> =
            self.running.keys().filter(|id| !city.cameras.contains_key(*id)).cloned().collect();
        for id in gone {
            if let Some(running) = self.running.remove(&id) {
                running.cancel.cancel();
                self.parts.board.remove(&id);
            }
        }
        // Cameras that are looked at most often come first: after a start no fire waits for a rubbish bin.
        let mut cameras: Vec<(&Camera, Duration)> =
            city.cameras.values().map(|camera| (camera, raw_interval(city, camera))).collect();
        cameras.sort_by_key(|(_, interval)| *interval);
        for (camera, interval) in cameras {
            let interval = micros(interval);
            let poll = poll_interval(city, camera);
            match self.running.remove(&camera.id) {
                Some(running) if running.stream == camera.stream && running.poll == poll => {
                    running.raw_interval.store(interval, Ordering::Relaxed);
                    self.running.insert(camera.id.clone(), running);
                }
                changed => {
                    let started = self.start_camera(camera, poll, interval, changed);
                    self.running.insert(camera.id.clone(), started);
                }
            }
        }
    }

    /// Closes every connection. Returns within two seconds.
    pub async fn shutdown(self) {
        for running in self.running.values() {
            running.cancel.cancel();
        }
        let mut tasks: Vec<_> = self.running.into_values().map(|running| running.task).collect();
        let all = futures::future::join_all(tasks.iter_mut());
        if tokio::time::timeout(SHUTDOWN_WITHIN, all).await.is_err() {
            tracing::warn!("some cameras did not close in time and were cut off");
            tasks.iter().for_each(JoinHandle::abort);
        }
    }

    /// Makes so many connections to polled cameras possible at once; those that are open are not cut off.
    fn open_polls(&mut self, at_once: usize) {
        if at_once > self.polls_at_once {
            self.polls.add_permits(at_once - self.polls_at_once);
            self.polls_at_once = at_once;
        } else {
            self.polls_at_once -= self.polls.forget_permits(self.polls_at_once - at_once);
        }
    }

    fn start_camera(
        &self,
        camera: &Camera,
        poll: Option<Duration>,
        raw_interval: u64,
        before: Option<Running>,
    ) -> Running {
        let raw_interval = Arc::new(AtomicU64::new(raw_interval));
        let cancel = CancellationToken::new();
        // What is known of a stream holds for that stream, however it is taken in from now on.
        let known = before.as_ref().filter(|before| before.stream.address == camera.stream.address);
        let gate = known.map(|before| Arc::clone(&before.gate)).unwrap_or_default();
        let channel = Channel {
            camera: camera.id.clone(),
            mailbox: self.parts.mailboxes.slot(&camera.id),
            board: Arc::clone(&self.parts.board),
            metrics: self.parts.metrics.clone(),
            clock: Arc::clone(&self.parts.clock),
            // Both are set for each connection from the limits then in force.
            max_access_unit_bytes: 0,
            stall_after: Duration::ZERO,
            raw_interval: Arc::clone(&raw_interval),
            mode: camera.stream.decode,
            decode_in_full: Arc::new(AtomicBool::new(false)),
            gate: Arc::clone(&gate),
        };
        let task = CameraTask {
            stream: camera.stream.clone(),
            channel,
            limits: Arc::clone(&self.limits),
            connects: Arc::clone(&self.connects),
            pace: Arc::clone(&self.pace),
            cancel: cancel.clone(),
        };
        self.parts.board.add(&camera.id, camera.stream.address.as_str());
        if let Some(before) = &before {
            before.cancel.cancel();
        }
        let polls = Arc::clone(&self.polls);
        let task = tokio::spawn(async move {
            if let Some(before) = before {
                // A device or a camera with one free session must be let go of first.
                let _ = before.task.await;
            }
            match poll {
                Some(interval) => task.run_polled(interval, polls).await,
                None => task.run().await,
            }
        });
        Running { stream: camera.stream.clone(), poll, raw_interval, gate, cancel, task }
    }
}

/// Half of the shortest look interval of the camera's kinds, so that a look never waits a whole interval for a
/// fresh frame; below half of the stall limit, so that a slow camera is not taken for a dead one.
pub(crate) fn raw_interval(city: &City, camera: &Camera) -> Duration {
    let looks = camera.kinds.iter().filter_map(|kind| city.kinds.get(kind)).map(|kind| kind.look_interval);
    let shortest = looks.min().unwrap_or(city.pipeline.stall_after);
    (shortest / 2).min(city.pipeline.stall_after / 2).max(SHORTEST_RAW_INTERVAL)
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}
