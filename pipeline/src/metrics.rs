//! What the pipeline counts and times. Each closed enum of reasons is also a label.

use crate::decode::DecodeFailure;
use crate::detect::CascadeOutcome;
use crate::picture::Codec;
use crate::publish::SpoolLoss;
use crate::schedule::{Coverage, DropReason};
use crate::snapshot::SnapshotFailure;
use citybrain_types::{EventKind, FrameOutcome, ModelId};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

/// A stage of the pipeline, as in the label `stage`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// From the moment a picture was taken until its last byte had arrived.
    Capture,
    /// Until a worker took it.
    Schedule,
    /// Until it was decoded and scaled.
    Decode,
    /// Until the model had answered.
    Detect,
    /// Until the bus or the spool had it.
    Publish,
}

impl Stage {
    const ALL: [Self; 5] = [Self::Capture, Self::Schedule, Self::Decode, Self::Detect, Self::Publish];

    const fn name(self) -> &'static str {
        match self {
            Self::Capture => "capture",
            Self::Schedule => "schedule",
            Self::Decode => "decode",
            Self::Detect => "detect",
            Self::Publish => "publish",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StageLabel {
    stage: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LookLabels {
    kind: String,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CascadeLabels {
    model: String,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabel {
    kind: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DecodeLabels {
    codec: &'static str,
    reason: &'static str,
}

/// Frames dropped, by reason.
#[derive(Debug, Clone)]
pub struct DropCounters(Arc<[Counter; DropReason::ALL.len()]>, Family<ReasonLabel, Counter>);

impl Default for DropCounters {
    fn default() -> Self {
        let family = Family::<ReasonLabel, Counter>::default();
        let counters = DropReason::ALL.map(|r| family.get_or_create_owned(&ReasonLabel { reason: r.name() }));
        Self(Arc::new(counters), family)
    }
}

impl DropCounters {
    /// Counts dropped frames.
    pub fn count(&self, reason: DropReason, frames: u64) {
        if frames > 0 {
            self.0[reason as usize].inc_by(frames);
        }
    }

    /// Frames dropped for that reason so far.
    #[must_use]
    pub fn get(&self, reason: DropReason) -> u64 {
        self.0[reason as usize].get()
    }
}

/// All metrics of the stages from `schedule` to `publish`. Cheap to clone; clones share the counts.
#[derive(Debug, Clone)]
pub struct PipelineMetrics {
    /// Frames dropped in front of `decode`.
    pub drops: DropCounters,
    stages: Arc<[Histogram; Stage::ALL.len()]>,
    looks: Family<LookLabels, Counter>,
    look_age: Family<KindLabel, Histogram, fn() -> Histogram>,
    missed: Family<KindLabel, Counter>,
    coverage: Family<KindLabel, Gauge<f64, AtomicU64>>,
    stretch: Gauge<f64, AtomicU64>,
    polled: Gauge,
    sweep: Gauge<f64, AtomicU64>,
    cascades: Family<CascadeLabels, Counter>,
    decode_failures: Family<DecodeLabels, Counter>,
    snapshot_failures: Family<ReasonLabel, Counter>,
    spool_losses: Family<ReasonLabel, Counter>,
    /// Bytes of published detections that lie on disk.
    pub spool_bytes: Gauge,
    /// Files of published detections that lie on disk.
    pub spool_files: Gauge,
    /// Frames handed to the bus.
    pub published_frames: Counter,
}

fn stage_histogram() -> Histogram {
    // 1 ms to 33 s in steps of 2: a decoded 360p keyframe to a picture that waited for an overloaded worker.
    Histogram::new((0..16).map(|power| 0.001 * f64::from(1_u32 << power)))
}

fn age_histogram() -> Histogram {
    Histogram::new([0.5, 1.0, 2.0, 2.5, 5.0, 10.0, 15.0, 30.0, 60.0, 300.0, 600.0, 1200.0, 3600.0])
}

impl PipelineMetrics {
    /// Makes the metrics and registers them under the prefix `citybrain_`.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        let stage_family =
            Family::<StageLabel, Histogram, fn() -> Histogram>::new_with_constructor(stage_histogram);
        let stages = Stage::ALL.map(|s| stage_family.get_or_create_owned(&StageLabel { stage: s.name() }));
        let metrics = Self {
            drops: DropCounters::default(),
            stages: Arc::new(stages),
            looks: Family::default(),
            look_age: Family::new_with_constructor(age_histogram),
            missed: Family::default(),
            coverage: Family::default(),
            stretch: Gauge::default(),
            polled: Gauge::default(),
            sweep: Gauge::default(),
            cascades: Family::default(),
            decode_failures: Family::default(),
            snapshot_failures: Family::default(),
            spool_losses: Family::default(),
            spool_bytes: Gauge::default(),
            spool_files: Gauge::default(),
            published_frames: Counter::default(),
        };
        let mut add = Adder(registry);
        add.metric("pipeline_stage_seconds", "Time a frame spent in each stage", stage_family);
        add.metric("frames_dropped", "Frames dropped in front of decode", metrics.drops.1.clone());
        add.metric("looks", "Looks at a camera for a kind, by outcome", metrics.looks.clone());
        add.metric(
            "look_age_seconds",
            "Time between two looks at a camera for a kind",
            metrics.look_age.clone(),
        );
        add.metric(
            "looks_missed",
            "Looks at a camera for a kind that were promised and did not take place",
            metrics.missed.clone(),
        );
        add.metric(
            "coverage",
            "Part of the promised looks for a kind that takes place, mean of the cameras",
            metrics.coverage.clone(),
        );
        add.metric(
            "look_stretch",
            "By which factor intervals of kinds without pre-alarm are stretched for want of workers",
            metrics.stretch.clone(),
        );
        add.metric("polled_cameras", "Cameras that are fetched in turns", metrics.polled.clone());
        add.metric(
            "sweep_seconds",
            "How long ago the polled camera was seen that has waited longest",
            metrics.sweep.clone(),
        );
        let help = "Times a model was asked, or was to be asked, because of another one's hit, by outcome";
        add.metric("cascade", help, metrics.cascades.clone());
        add.metric("decode_failures", "Keyframes that could not be decoded", metrics.decode_failures.clone());
        add.metric(
            "snapshot_failures",
            "Snapshots that could not be kept",
            metrics.snapshot_failures.clone(),
        );
        add.metric("spool_losses", "Spool files lost or set aside", metrics.spool_losses.clone());
        add.metric("spool_bytes", "Published detections waiting on disk", metrics.spool_bytes.clone());
        add.metric(
            "spool_files",
            "Files of published detections waiting on disk",
            metrics.spool_files.clone(),
        );
        add.metric("published_frames", "Frames handed to the bus", metrics.published_frames.clone());
        metrics
    }

    /// A frame has passed a stage.
    pub fn stage(&self, stage: Stage, took: Duration) {
        self.stages[stage as usize].observe(took.as_secs_f64());
    }

    /// A look for a kind has ended; `age` is the time since the look before it.
    pub fn look(&self, kind: &EventKind, outcome: FrameOutcome, age: Option<Duration>, interval: Duration) {
        let kind = kind.as_str().to_owned();
        if let Some(age) = age {
            let passed = (age.as_secs_f64() / interval.as_secs_f64().max(1e-3)).round();
            let missed = self.missed.get_or_create_owned(&KindLabel { kind: kind.clone() });
            missed.inc_by((passed - 1.0).max(0.0) as u64);
            self.look_age.get_or_create(&KindLabel { kind: kind.clone() }).observe(age.as_secs_f64());
        }
        self.looks.get_or_create(&LookLabels { kind, outcome: outcome.name() }).inc();
    }

    /// How well the promises are kept at this moment, and how the sweep of polled cameras stands.
    pub fn promises(&self, coverage: &Coverage, (polled, sweep): (usize, Duration)) {
        // A kind that is no longer looked for has no coverage.
        self.coverage.clear();
        for (kind, covered) in &coverage.kinds {
            self.coverage.get_or_create_owned(&KindLabel { kind: kind.to_string() }).set(covered.covered);
        }
        self.stretch.set(coverage.stretch);
        self.polled.set(i64::try_from(polled).unwrap_or(i64::MAX));
        self.sweep.set(sweep.as_secs_f64());
    }

    /// A model was asked, or was to be asked, because of what another one found.
    pub fn cascade(&self, model: &ModelId, outcome: CascadeOutcome) {
        let labels = CascadeLabels { model: model.to_string(), outcome: outcome.name() };
        self.cascades.get_or_create(&labels).inc();
    }

    /// A keyframe could not be decoded.
    pub fn decode_failure(&self, codec: Option<Codec>, reason: DecodeFailure) {
        let codec = codec.map_or("raw", Codec::name);
        self.decode_failures.get_or_create(&DecodeLabels { codec, reason: reason.name() }).inc();
    }

    /// A snapshot could not be kept.
    pub fn snapshot_failure(&self, reason: SnapshotFailure) {
        self.snapshot_failures.get_or_create(&ReasonLabel { reason: reason.name() }).inc();
    }

    /// Snapshots that could not be kept for that reason so far.
    #[must_use]
    pub fn snapshot_failures(&self, reason: SnapshotFailure) -> u64 {
        self.snapshot_failures.get_or_create(&ReasonLabel { reason: reason.name() }).get()
    }

    /// A spool file was lost or set aside.
    pub fn spool_loss(&self, reason: SpoolLoss) {
        self.spool_losses.get_or_create(&ReasonLabel { reason: reason.name() }).inc();
    }

    /// Spool files lost or set aside for that reason so far.
    #[must_use]
    pub fn spool_losses(&self, reason: SpoolLoss) -> u64 {
        self.spool_losses.get_or_create(&ReasonLabel { reason: reason.name() }).get()
    }
}

struct Adder<'a>(&'a mut Registry);

impl Adder<'_> {
    fn metric(&mut self, name: &str, help: &str, metric: impl prometheus_client::registry::Metric) {
        self.0.register(format!("citybrain_{name}"), help, metric);
    }
}
