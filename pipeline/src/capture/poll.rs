//! Cameras that are fetched in turns: connect, take one keyframe, leave.
//!
//! Design decision: each polled camera keeps its own clock and asks for one of a bounded number of connections when its
//! turn comes. There is no list that is walked, so a camera that hangs costs one connection until its time is up, and
//! holds nobody's turn but its own. A camera whose keyframe is of another size than usual has its next turn in half of the
//! time, where a connection is free.

use super::camera_task::{CameraTask, End, disconnected, play, watch};
use super::events::PollOutcome;
use super::failure::Failure;
use super::pulse::Pulse;
use crate::backoff::Backoff;
use citybrain_ingest_config::resolved::{Camera, City, Connection, DecodeMode, Transport, Turn};
use citybrain_types::{CameraId, FailReason};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A turn comes after this part of the look interval, so that a slow connection is no broken promise.
const TURN_AFTER: f64 = 0.95;

/// A turn comes after this part of the usual time when the last keyframe showed something new.
const EAGER_TURN: f64 = 0.5;

/// How a turn ended.
enum Fetch {
    Cancelled,
    Fetched {
        /// The keyframe shows something new.
        eager: bool,
    },
    Ended(End),
}

/// The interval in which a camera is polled; `None` for one that stays connected.
///
/// Left to choose, a camera is polled when it speaks RTSP over TCP, none of its kinds has a pre-alarm, and it is looked
/// at no more often than the city's `polled_from`.
#[must_use]
pub fn poll_interval(city: &City, camera: &Camera) -> Option<Duration> {
    let stream = &camera.stream;
    let can_be = stream.address.scheme() == "rtsp"
        && stream.transport == Transport::Tcp
        && stream.decode != DecodeMode::Full;
    let kinds = || camera.kinds.iter().filter_map(|kind| city.kinds.get(kind));
    let of_models = city.models.iter().filter_map(|model| match model.turn {
        Turn::Every(Some(own)) if camera.kinds.iter().any(|kind| model.speaks_to(kind)) => Some(own),
        _ => None,
    });
    let shortest = kinds().map(|kind| kind.look_interval).chain(of_models).min()?;
    let polled = match stream.connection {
        Connection::Always => false,
        Connection::Polled => true,
        Connection::Auto => shortest >= city.pipeline.load.polled_from && !kinds().any(|kind| kind.pre_alarm),
    };
    (polled && can_be).then_some(shortest)
}

impl CameraTask {
    /// Fetches a keyframe in each interval until the camera is to be closed. `budget` bounds how many cameras are
    /// fetched at once.
    pub(super) async fn run_polled(mut self, interval: Duration, budget: Arc<Semaphore>) {
        let period = interval.mul_f64(TURN_AFTER);
        let camera = self.channel.camera.clone();
        let limits = self.limits();
        let mut backoff = Backoff::new(&camera, limits.reconnect_min, limits.reconnect_max);
        // The first sweep is as fast as the budget allows; after it the turns are spread over the interval.
        let mut wait = period.mul_f64(0.5 + 0.5 * place_in_sweep(&camera));
        loop {
            let Some(slot) = self.slot(&budget).await else { return };
            let Some(permit) = self.permit().await else { return };
            let fetched = self.fetch(permit).await;
            drop(slot);
            wait = match fetched {
                Fetch::Cancelled => return,
                Fetch::Fetched { eager } => {
                    self.channel.metrics.poll(PollOutcome::Fetched);
                    backoff = Backoff::new(&camera, limits.reconnect_min, limits.reconnect_max);
                    // Others' turns come first: only a connection that nobody waits for is taken for this.
                    let eager = eager && budget.available_permits() > 0;
                    let wait = if eager { wait.mul_f64(EAGER_TURN) } else { wait };
                    self.channel.board.resting(&camera, self.now().plus(wait));
                    wait
                }
                Fetch::Ended(end) => {
                    let failure = failure_of(end);
                    let silent = failure.reason == FailReason::NoKeyframes;
                    let outcome = if silent { PollOutcome::NoKeyframe } else { PollOutcome::Failed };
                    self.channel.metrics.poll(outcome);
                    let failed_wait = backoff.wait_after_failure(self.now()).clamp(period / 8, period);
                    self.fail(failure, failed_wait);
                    failed_wait
                }
            };
            tokio::select! {
                () = self.cancel.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
            }
            wait = period;
        }
    }

    async fn slot(&self, budget: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
        tokio::select! {
            () = self.cancel.cancelled() => None,
            slot = Arc::clone(budget).acquire_owned() => slot.ok(),
        }
    }

    async fn fetch(&mut self, permit: OwnedSemaphorePermit) -> Fetch {
        let limits = self.take_limits();
        let pulse = Arc::new(Pulse::new());
        let media = Box::pin(play(&self.stream, &self.channel, &pulse));
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Fetch::Cancelled,
            () = pulse.until_keyframe() => Fetch::Fetched { eager: pulse.is_eager() },
            end = media => Fetch::Ended(end),
            end = watch(&pulse, &limits, &self.channel, permit) => Fetch::Ended(end),
        }
    }
}

fn failure_of(end: End) -> Failure {
    match end {
        End::Failed(failure) => failure,
        End::Stalled => Failure::new(FailReason::NoKeyframes, "no keyframe came in time"),
        End::Finished | End::Cancelled => disconnected(),
    }
}

/// Where in a sweep a camera has its turn, from 0 to 1: the same after every start.
fn place_in_sweep(camera: &CameraId) -> f64 {
    let mut hasher = DefaultHasher::new();
    camera.hash(&mut hasher);
    (hasher.finish() >> 11) as f64 / (1_u64 << 53) as f64
}
