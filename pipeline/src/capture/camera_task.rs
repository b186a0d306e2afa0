//! One camera's life: connect, watch, and when it breaks say why, wait, and connect again.

use super::connect_pace::ConnectPace;
use super::failure::Failure;
use super::gst;
use super::intake::{Channel, Intake};
use super::pulse::Pulse;
use super::rtsp::{self, RtspEnd};
use crate::backoff::Backoff;
use citybrain_ingest_config::resolved::{PipelineLimits, Stream, Transport};
use citybrain_types::{FailReason, Timestamp};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

/// A camera that does not answer gives its place among those that connect to others after this time: dead
/// cameras must not hold up the living.
const PERMIT_HELD: Duration = Duration::from_secs(1);

/// A repeated file is started at most this often, so that a file of one picture does not become a busy loop.
const SHORTEST_REPEAT: Duration = Duration::from_secs(1);

/// What a camera's task needs; it owns nothing of the next stage but the mailbox in `channel`.
pub(super) struct CameraTask {
    pub(super) stream: Stream,
    pub(super) channel: Channel,
    pub(super) limits: Arc<Mutex<PipelineLimits>>,
    pub(super) connects: Arc<Semaphore>,
    pub(super) pace: Arc<ConnectPace>,
    pub(super) cancel: CancellationToken,
}

/// How a connection ended.
pub(super) enum End {
    Cancelled,
    /// The stream came to its own end.
    Finished,
    /// Keyframes came, and then none for too long.
    Stalled,
    Failed(Failure),
}

impl CameraTask {
    pub(super) async fn run(mut self) {
        let limits = self.limits();
        let camera = self.channel.camera.clone();
        let mut backoff = Backoff::new(&camera, limits.reconnect_min, limits.reconnect_max);
        let mut is_replay = false;
        loop {
            if !is_replay {
                self.channel.board.connecting(&camera);
            }
            let Some(permit) = self.permit().await else { return };
            let pulse = Arc::new(Pulse::new());
            let end = Box::pin(self.connection(&pulse, permit)).await;
            if let Some(first) = pulse.first_keyframe_at() {
                backoff.live(self.now().minus(first.elapsed()));
            }
            is_replay = false;
            let wait = match end {
                End::Cancelled => return,
                End::Finished if self.stream.repeat => {
                    is_replay = true;
                    SHORTEST_REPEAT.saturating_sub(pulse.age())
                }
                End::Finished if self.stream.address.scheme() == "file" => {
                    self.channel.board.ended(&camera);
                    return;
                }
                End::Finished => self.failed(&mut backoff, disconnected()),
                End::Stalled => {
                    self.channel.board.stalled(&camera);
                    backoff.wait_after_failure(self.now())
                }
                End::Failed(failure) => self.failed(&mut backoff, failure),
            };
            tokio::select! {
                () = self.cancel.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    fn failed(&self, backoff: &mut Backoff, failure: Failure) -> Duration {
        let wait = backoff.wait_after_failure(self.now());
        self.fail(failure, wait);
        wait
    }

    /// Says that the camera is not connected, and tried again after `wait`.
    pub(super) fn fail(&self, failure: Failure, wait: Duration) {
        let failure = failure.without(self.stream.credentials.as_ref());
        let retry_at = self.now().plus(wait);
        self.channel.board.failed(&self.channel.camera, failure.reason, failure.detail, retry_at);
    }

    /// The permission to make a connection, in its turn; `None` when the camera is to be closed.
    pub(super) async fn permit(&self) -> Option<OwnedSemaphorePermit> {
        let in_turn = async {
            let permit = Arc::clone(&self.connects).acquire_owned().await.ok();
            self.pace.wait().await;
            permit
        };
        tokio::select! {
            () = self.cancel.cancelled() => None,
            permit = in_turn => permit,
        }
    }

    async fn connection(&mut self, pulse: &Arc<Pulse>, permit: OwnedSemaphorePermit) -> End {
        let limits = self.take_limits();
        let media = Box::pin(play(&self.stream, &self.channel, pulse));
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => End::Cancelled,
            end = media => end,
            end = watch(pulse, &limits, &self.channel, permit) => end,
        }
    }

    /// The limits in force, for the next connection.
    pub(super) fn take_limits(&mut self) -> PipelineLimits {
        let limits = self.limits();
        self.channel.max_access_unit_bytes = limits.max_access_unit_bytes;
        self.channel.stall_after = limits.stall_after;
        limits
    }

    pub(super) fn limits(&self) -> PipelineLimits {
        *self.limits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now(&self) -> Timestamp {
        self.channel.clock.now()
    }
}

pub(super) fn disconnected() -> Failure {
    Failure::new(FailReason::Disconnected, "the stream ended")
}

/// Takes in media until it ends.
pub(super) async fn play(stream: &Stream, channel: &Channel, pulse: &Arc<Pulse>) -> End {
    let intake = || Intake::new(channel.clone(), Arc::clone(pulse));
    let through_gstreamer = match (stream.address.scheme(), stream.transport) {
        ("rtsp", Transport::Tcp) => match rtsp::run(stream, intake()).await {
            RtspEnd::Failed(failure) => return End::Failed(failure),
            RtspEnd::OtherCodec(codec) => {
                tracing::info!(camera = %channel.camera, codec, "this codec is decoded in full by GStreamer");
                gst::run(stream, intake()).await
            }
        },
        ("rtsp", Transport::Udp) | ("file" | "http" | "https" | "v4l2", _) => {
            gst::run(stream, intake()).await
        }
        ("rtsps", _) => Err(Failure::new(
            FailReason::UnsupportedMedia,
            "rtsps is not supported: use rtsp:// inside a network you trust, or a TLS tunnel to the camera",
        )),
        (scheme, _) => Err(Failure::new(
            FailReason::UnsupportedMedia,
            format!(
                "addresses of the form {scheme}:// are not supported: use rtsp, http, https, file or v4l2"
            ),
        )),
    };
    match through_gstreamer {
        Ok(()) => End::Finished,
        // What was connected before has been lost; GStreamer's errors do not tell the two apart.
        Err(failure) if failure.reason == FailReason::Unreachable && pulse.connected_at().is_some() => {
            End::Failed(Failure { reason: FailReason::Disconnected, ..failure })
        }
        Err(failure) => End::Failed(failure),
    }
}

/// Ends when a connection takes too long to be made or shows no keyframe for too long.
pub(super) async fn watch(
    pulse: &Pulse,
    limits: &PipelineLimits,
    channel: &Channel,
    permit: OwnedSemaphorePermit,
) -> End {
    let begun = tokio::time::Instant::now();
    let first_part = limits.connect_timeout.min(PERMIT_HELD);
    let _ = tokio::time::timeout(first_part, pulse.until_connected()).await;
    drop(permit);
    if tokio::time::timeout_at(begun + limits.connect_timeout, pulse.until_connected()).await.is_err() {
        return no_answer(limits);
    }
    loop {
        let seen = pulse.last_keyframe_at().or_else(|| pulse.connected_at());
        let deadline = seen.unwrap_or_else(tokio::time::Instant::now) + limits.stall_after;
        tokio::time::sleep_until(deadline).await;
        let newer = pulse.last_keyframe_at().or_else(|| pulse.connected_at());
        if newer <= seen {
            return stalled(pulse, limits, channel);
        }
    }
}

fn no_answer(limits: &PipelineLimits) -> End {
    let detail = format!("no answer within {} s", limits.connect_timeout.as_secs_f64());
    End::Failed(Failure::new(FailReason::Timeout, detail))
}

/// Says what it means that no keyframe has come, from what has come instead.
fn stalled(pulse: &Pulse, limits: &PipelineLimits, channel: &Channel) -> End {
    let since = pulse.since_keyframe();
    let waited = limits.stall_after.as_secs_f64();
    if since.unusable_keyframes > 0 {
        let detail = format!(
            "{} keyframes in {waited} s, but their parameter sets (SPS, PPS or VPS) never came",
            since.unusable_keyframes
        );
        return End::Failed(Failure::new(FailReason::Undecodable, detail));
    }
    if since.pictures > 0 {
        let detail = if channel.decode_in_full("pictures come, but no keyframe within the stall limit") {
            format!(
                "{} pictures in {waited} s, but no keyframe: every frame is decoded from now on",
                since.pictures
            )
        } else {
            format!("{} pictures in {waited} s, but none that can be decoded alone", since.pictures)
        };
        return End::Failed(Failure::new(FailReason::NoKeyframes, detail));
    }
    if pulse.last_keyframe_at().is_some() {
        return End::Stalled;
    }
    End::Failed(Failure::new(
        FailReason::NoKeyframes,
        format!("connected, but no picture came in {waited} s"),
    ))
}
