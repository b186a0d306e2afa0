//! What happens in `capture`, seen from outside: each event emits its log line and its metric together.

use crate::gate::{Reading, Verdict};
use crate::keyframe::{KeyframeKind, Unusable};
use crate::picture::Codec;
use citybrain_types::{CameraFault, CameraId, CameraState, FailReason};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::time::Duration;

/// Why `capture` let go of something a camera sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CaptureDrop {
    /// The access unit was of no use.
    Unusable(Unusable),
    /// The decoder of a camera that is decoded in full did not keep up.
    DecoderOverflow,
    /// RTP packets were lost, and with them the picture they were part of.
    PacketLoss,
    /// RTP packets that do not make a picture.
    BadPacket,
}

impl CaptureDrop {
    /// The reason's name, as metric label and log field.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unusable(reason) => reason.name(),
            Self::DecoderOverflow => "decoder_overflow",
            Self::PacketLoss => "packet_loss",
            Self::BadPacket => "bad_packet",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabel {
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CodecLabel {
    codec: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct VerdictLabel {
    verdict: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FaultLabel {
    fault: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PollLabel {
    outcome: &'static str,
}

/// How a turn of a polled camera ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PollOutcome {
    /// A keyframe was fetched.
    Fetched,
    /// It could not be connected, or the connection broke.
    Failed,
    /// Connected, but no keyframe came in time.
    NoKeyframe,
}

impl PollOutcome {
    const fn name(self) -> &'static str {
        match self {
            Self::Fetched => "fetched",
            Self::Failed => "failed",
            Self::NoKeyframe => "no_keyframe",
        }
    }
}

/// From one keyframe to the next: streams in the field have half a second to ten, more is a mistake in a camera.
fn gop_histogram() -> Histogram {
    Histogram::new([0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0])
}

/// The metrics of `capture`; clones count together.
#[derive(Debug, Clone)]
pub struct CaptureMetrics {
    cameras: Family<StateLabel, Gauge>,
    failures: Family<ReasonLabel, Counter>,
    keyframes: Family<CodecLabel, Counter>,
    dropped: Family<ReasonLabel, Counter>,
    pub(crate) connects: Counter,
    gate: Family<VerdictLabel, Counter>,
    gop: Histogram,
    faults: Family<FaultLabel, Gauge>,
    polls: Family<PollLabel, Counter>,
}

impl Default for CaptureMetrics {
    fn default() -> Self {
        Self {
            cameras: Family::default(),
            failures: Family::default(),
            keyframes: Family::default(),
            dropped: Family::default(),
            connects: Counter::default(),
            gate: Family::default(),
            gop: gop_histogram(),
            faults: Family::default(),
            polls: Family::default(),
        }
    }
}

impl CaptureMetrics {
    /// Makes the metrics and registers them under their full names.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "citybrain_cameras",
            "Cameras by state of their connection",
            metrics.cameras.clone(),
        );
        registry.register(
            "citybrain_camera_connects",
            "Connections made to cameras",
            metrics.connects.clone(),
        );
        registry.register(
            "citybrain_camera_failures",
            "Connections that failed or ended",
            metrics.failures.clone(),
        );
        registry.register(
            "citybrain_keyframes",
            "Pictures that can be decoded alone",
            metrics.keyframes.clone(),
        );
        registry.register(
            "citybrain_capture_dropped",
            "Access units and frames let go before the mailbox",
            metrics.dropped.clone(),
        );
        registry.register(
            "citybrain_gate",
            "Keyframes by what the packets before them say, without decoding",
            metrics.gate.clone(),
        );
        registry.register("citybrain_gop_seconds", "Time from keyframe to keyframe", metrics.gop.clone());
        registry.register(
            "citybrain_cameras_impaired",
            "Cameras that send pictures with a fault, by fault",
            metrics.faults.clone(),
        );
        registry.register("citybrain_polls", "Turns of polled cameras, by outcome", metrics.polls.clone());
        metrics
    }

    pub(crate) fn cameras_in(&self, state: &'static str) -> Gauge {
        self.cameras.get_or_create_owned(&StateLabel { state })
    }

    pub(crate) fn gate(&self, reading: &Reading) {
        self.gate.get_or_create_owned(&VerdictLabel { verdict: reading.verdict.name() }).inc();
        if reading.verdict != Verdict::Learning && reading.gop_pictures > 0 {
            self.gop.observe(reading.gop.as_secs_f64());
        }
    }

    pub(crate) fn poll(&self, outcome: PollOutcome) {
        self.polls.get_or_create_owned(&PollLabel { outcome: outcome.name() }).inc();
    }

    pub(crate) fn failures(&self, reason: FailReason) -> Counter {
        self.failures.get_or_create_owned(&ReasonLabel { reason: reason.name() })
    }
}

/// A camera's state is another one now; `None` stands for "not on the board".
pub(crate) struct StateChanged<'a> {
    pub(crate) camera: &'a CameraId,
    pub(crate) from: Option<&'a CameraState>,
    pub(crate) to: Option<&'a CameraState>,
    pub(crate) media: Option<&'a str>,
}

impl StateChanged<'_> {
    pub(crate) fn emit(&self, metrics: &CaptureMetrics) {
        if let Some(from) = self.from {
            metrics.cameras_in(from.name()).dec();
        }
        if let Some(to) = self.to {
            metrics.cameras_in(to.name()).inc();
        }
        let camera = self.camera.as_str();
        let from = self.from.map_or("absent", CameraState::name);
        match self.to {
            Some(CameraState::Failed { reason, detail, retry_at }) => {
                tracing::warn!(camera, from, to = "failed", reason = reason.name(), detail, %retry_at, "camera failed");
            }
            Some(CameraState::Stalled) => tracing::warn!(camera, from, to = "stalled", "camera stalled"),
            // Turns of polled cameras are many and say nothing new.
            Some(to @ CameraState::Resting { .. }) => {
                tracing::debug!(camera, from, to = to.name(), "camera resting");
            }
            Some(to) if from == "resting" => {
                tracing::debug!(camera, from, to = to.name(), "camera {}", to.name());
            }
            Some(to) => {
                tracing::info!(camera, from, to = to.name(), media = self.media, "camera {}", to.name())
            }
            None => tracing::info!(camera, from, to = "absent", "camera removed"),
        }
    }
}

/// What is wrong with a camera's pictures or stream has changed.
pub(crate) struct FaultChanged<'a> {
    pub(crate) camera: &'a CameraId,
    pub(crate) before: &'a [CameraFault],
    pub(crate) after: &'a [CameraFault],
}

impl FaultChanged<'_> {
    /// The camera is gone, or begins anew.
    pub(crate) fn all_over(camera: &CameraId, before: &[CameraFault], metrics: &CaptureMetrics) {
        FaultChanged { camera, before, after: &[] }.emit(metrics);
    }

    pub(crate) fn emit(&self, metrics: &CaptureMetrics) {
        let camera = self.camera.as_str();
        let has = |faults: &[CameraFault], fault| faults.iter().any(|known| known.fault == fault);
        let gauge = |fault: &CameraFault| {
            metrics.faults.get_or_create_owned(&FaultLabel { fault: fault.fault.name() })
        };
        for fault in self.after.iter().filter(|fault| !has(self.before, fault.fault)) {
            gauge(fault).inc();
            tracing::warn!(camera, fault = fault.fault.name(), since = %fault.since, "camera impaired");
        }
        for fault in self.before.iter().filter(|fault| !has(self.after, fault.fault)) {
            gauge(fault).dec();
            tracing::info!(camera, fault = fault.fault.name(), "camera no longer impaired");
        }
    }
}

/// A picture that can be decoded alone was passed on.
pub(crate) struct KeyframePassed<'a> {
    pub(crate) camera: &'a CameraId,
    pub(crate) codec: Codec,
    pub(crate) kind: KeyframeKind,
    pub(crate) bytes: usize,
    pub(crate) age: Duration,
}

impl KeyframePassed<'_> {
    pub(crate) fn emit(&self, metrics: &CaptureMetrics) {
        let codec = self.codec.name();
        metrics.keyframes.get_or_create(&CodecLabel { codec }).inc();
        let (camera, kind, bytes, age) = (self.camera.as_str(), self.kind, self.bytes, self.age);
        tracing::trace!(camera, codec, ?kind, bytes, ?age, "keyframe");
    }
}

/// Something a camera sent was let go.
pub(crate) struct Dropped<'a> {
    pub(crate) camera: &'a CameraId,
    pub(crate) reason: CaptureDrop,
    pub(crate) count: u64,
}

impl Dropped<'_> {
    pub(crate) fn emit(&self, metrics: &CaptureMetrics) {
        let reason = self.reason.name();
        metrics.dropped.get_or_create(&ReasonLabel { reason }).inc_by(self.count);
        tracing::debug!(camera = self.camera.as_str(), reason, count = self.count, "dropped in capture");
    }
}

/// A camera's stream has no keyframes of its own and is decoded in full from now on.
pub(crate) struct FullDecodingBegan<'a> {
    pub(crate) camera: &'a CameraId,
    pub(crate) because: &'static str,
}

/// A camera that was decoded in full sends keyframes again.
pub(crate) struct FullDecodingEnded<'a> {
    pub(crate) camera: &'a CameraId,
}

impl FullDecodingEnded<'_> {
    pub(crate) fn emit(&self) {
        tracing::info!(
            camera = self.camera.as_str(),
            "keyframes come again: only they are decoded from now on"
        );
    }
}

impl FullDecodingBegan<'_> {
    pub(crate) fn emit(&self) {
        tracing::warn!(
            camera = self.camera.as_str(),
            because = self.because,
            "every frame of this camera is decoded from now on; set a keyframe interval of 1 to 4 s in the camera to save it"
        );
    }
}
