//! What the dispatcher counts and times. Every label value comes from a closed set or from the configuration.

use crate::evidence::Ignored;
use crate::incident::Held;
use crate::intake::Refused;
use crate::sensor::BadReading;
use crate::store::StoreError;
use citybrain_types::{Case, DestinationId, EventKind};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::time::Duration;

type Labels<const N: usize> = [(&'static str, String); N];
type Histograms<const N: usize> = Family<Labels<N>, Histogram>;

/// A stage of the dispatcher, as in the metric label `stage`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Frames are checked.
    Intake,
    /// Frames become evidence.
    Evidence,
    /// Evidence becomes incidents.
    Incident,
    /// Incidents become cases, and are committed.
    Case,
    /// One attempt to deliver.
    Deliver,
}

impl Stage {
    /// The stage's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Intake => "intake",
            Self::Evidence => "evidence",
            Self::Incident => "incident",
            Self::Case => "case",
            Self::Deliver => "deliver",
        }
    }
}

/// The dispatcher's metrics; cloning clones a handle.
#[derive(Debug, Clone)]
pub struct Metrics {
    stages: Histograms<1>,
    capture_to_case: Histograms<1>,
    capture_to_delivery: Histograms<2>,
    frames: Counter,
    refused: Family<Labels<1>, Counter>,
    ignored: Family<Labels<1>, Counter>,
    log_lost: Counter,
    log_torn: Counter,
    log_not_stored: Counter,
    bad_readings: Family<Labels<1>, Counter>,
    held: Family<Labels<2>, Counter>,
    permits: Family<Labels<2>, Gauge>,
    focus: Family<Labels<1>, Counter>,
    cases: Family<Labels<2>, Counter>,
    case_actions: Family<Labels<2>, Counter>,
    timer_lateness: Histogram,
    deliveries: Family<Labels<2>, Counter>,
    store_failures: Family<Labels<1>, Counter>,
    outbox_pending: Gauge,
    destination_down: Family<Labels<1>, Gauge>,
    camera_faults: Gauge,
    candidates: Family<Labels<1>, Counter>,
}

/// A tenth of a millisecond to ten seconds: a step of a stage.
fn step_seconds() -> Histogram {
    Histogram::new([
        0.000_1, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 5.0, 10.0,
    ])
}

/// Tenths of a second to half an hour: from the picture to the desk, by the deadlines of the kinds.
fn way_seconds() -> Histogram {
    Histogram::new([
        0.1, 0.2, 0.5, 1.0, 2.0, 3.0, 5.0, 7.5, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 900.0, 1800.0,
    ])
}

impl Metrics {
    /// Registers every metric of the dispatcher.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            stages: Family::new_with_constructor(step_seconds),
            capture_to_case: Family::new_with_constructor(way_seconds),
            capture_to_delivery: Family::new_with_constructor(way_seconds),
            frames: Counter::default(),
            refused: Family::default(),
            ignored: Family::default(),
            log_lost: Counter::default(),
            log_torn: Counter::default(),
            log_not_stored: Counter::default(),
            bad_readings: Family::default(),
            held: Family::default(),
            permits: Family::default(),
            focus: Family::default(),
            cases: Family::default(),
            case_actions: Family::default(),
            timer_lateness: step_seconds(),
            deliveries: Family::default(),
            store_failures: Family::default(),
            outbox_pending: Gauge::default(),
            destination_down: Family::default(),
            camera_faults: Gauge::default(),
            candidates: Family::default(),
        };
        metrics.register_times(registry);
        metrics.register_counts(registry);
        metrics
    }

    fn register_times(&self, registry: &mut Registry) {
        registry.register(
            "citybrain_dispatch_stage_seconds",
            "Time a stage of the dispatcher took for one batch or attempt",
            self.stages.clone(),
        );
        registry.register(
            "citybrain_timer_lateness_seconds",
            "How late the latest timer of a round was",
            self.timer_lateness.clone(),
        );
        registry.register(
            "citybrain_capture_to_case_seconds",
            "From the frame that decided a case to its commit",
            self.capture_to_case.clone(),
        );
        registry.register(
            "citybrain_capture_to_delivery_seconds",
            "From the frame that decided a case to the acknowledgement of a delivery",
            self.capture_to_delivery.clone(),
        );
    }

    fn register_counts(&self, registry: &mut Registry) {
        registry.register("citybrain_intake_frames", "Frames taken in", self.frames.clone());
        registry.register("citybrain_intake_refused", "Frames refused, by reason", self.refused.clone());
        registry.register(
            "citybrain_detections_ignored",
            "Detections that added nothing to the evidence, by reason",
            self.ignored.clone(),
        );
        registry.register(
            "citybrain_candidates",
            "Batches of what almost opened a case that were kept for the review, or dropped because it was behind",
            self.candidates.clone(),
        );
        registry.register(
            "citybrain_sightings_held",
            "Sightings strong enough for a case that opened none, by kind and reason",
            self.held.clone(),
        );
        registry.register(
            "citybrain_permit_entries",
            "Entries of the permit registers, kept, refused, or unread where a register cannot be read",
            self.permits.clone(),
        );
        registry.register(
            "citybrain_detection_log_lost",
            "Batches of detections that could not be logged",
            self.log_lost.clone(),
        );
        registry.register(
            "citybrain_detection_log_torn",
            "Files of the detection log that were cut off; what was whole in them was recovered, or they were set aside",
            self.log_torn.clone(),
        );
        registry.register(
            "citybrain_detection_log_not_stored",
            "Times the store of the detection log did not answer; segments stay on this machine",
            self.log_not_stored.clone(),
        );
        registry.register(
            "citybrain_sensor_messages_refused",
            "Messages of sensors that are no reading, by reason",
            self.bad_readings.clone(),
        );
        registry.register(
            "citybrain_focus_requests",
            "Requests to look at a camera more often, by outcome",
            self.focus.clone(),
        );
        registry.register("citybrain_cases", "Cases that entered a state, by kind", self.cases.clone());
        registry.register(
            "citybrain_case_actions",
            "Lines written into the trails of cases by people and by the time, by kind and action",
            self.case_actions.clone(),
        );
        registry.register(
            "citybrain_deliveries",
            "Attempts to deliver, by destination and outcome",
            self.deliveries.clone(),
        );
        registry.register(
            "citybrain_store_failures",
            "Times the case store did not do what it was asked, by reason",
            self.store_failures.clone(),
        );
        registry.register(
            "citybrain_destination_down",
            "1 while a destination is left alone because it does not answer",
            self.destination_down.clone(),
        );
        registry.register("citybrain_outbox_pending", "Deliveries waiting", self.outbox_pending.clone());
        registry.register(
            "citybrain_camera_faults",
            "Cameras that have not been seen for too long",
            self.camera_faults.clone(),
        );
    }

    pub(crate) fn stage(&self, stage: Stage, took: Duration) {
        self.stages.get_or_create(&[("stage", stage.name().to_owned())]).observe(took.as_secs_f64());
    }

    pub(crate) fn capture_to_case(&self, kind: &EventKind, took: Duration) {
        self.capture_to_case.get_or_create(&[("kind", kind.to_string())]).observe(took.as_secs_f64());
    }

    pub(crate) fn capture_to_delivery(&self, kind: &EventKind, destination: &DestinationId, took: Duration) {
        let labels = [("kind", kind.to_string()), ("destination", destination.to_string())];
        self.capture_to_delivery.get_or_create(&labels).observe(took.as_secs_f64());
    }

    pub(crate) fn frames(&self, count: usize) {
        self.frames.inc_by(u64::try_from(count).unwrap_or(u64::MAX));
    }

    pub(crate) fn refused(&self, reason: Refused) {
        self.refused.get_or_create(&[("reason", reason.name().to_owned())]).inc();
    }

    pub(crate) fn ignored(&self, reason: Ignored) {
        self.ignored.get_or_create(&[("reason", reason.name().to_owned())]).inc();
    }

    pub(crate) fn held(&self, kind: &EventKind, reason: Held) {
        let labels = [("kind", kind.to_string()), ("reason", reason.name().to_owned())];
        self.held.get_or_create(&labels).inc();
    }

    pub(crate) fn permits(&self, register: &str, kept: usize, refused: usize) {
        for (state, count) in [("kept", kept), ("refused", refused), ("unread", 0)] {
            let labels = [("register", register.to_owned()), ("state", state.to_owned())];
            self.permits.get_or_create(&labels).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }

    pub(crate) fn permits_unread(&self, register: &str) {
        let labels = [("register", register.to_owned()), ("state", "unread".to_owned())];
        self.permits.get_or_create(&labels).set(1);
    }

    pub(crate) fn log_torn(&self) {
        self.log_torn.inc();
    }

    pub(crate) fn log_not_stored(&self) {
        self.log_not_stored.inc();
    }

    pub(crate) fn candidate(&self, kept: bool) {
        let outcome = if kept { "kept" } else { "dropped" };
        self.candidates.get_or_create(&[("outcome", outcome.to_owned())]).inc();
    }

    pub(crate) fn log_lost(&self) {
        self.log_lost.inc();
    }

    pub(crate) fn bad_reading(&self, reason: BadReading) {
        self.bad_readings.get_or_create(&[("reason", reason.name().to_owned())]).inc();
    }

    pub(crate) fn focus_asked(&self, taken: bool) {
        let outcome = if taken { "sent" } else { "dropped" };
        self.focus.get_or_create(&[("outcome", outcome.to_owned())]).inc();
    }

    pub(crate) fn case(&self, case: &Case) {
        let labels = [("kind", case.kind.to_string()), ("state", case.state.name().to_owned())];
        self.cases.get_or_create(&labels).inc();
    }

    pub(crate) fn case_action(&self, kind: &EventKind, action: &str) {
        let labels = [("kind", kind.to_string()), ("action", action.to_owned())];
        self.case_actions.get_or_create(&labels).inc();
    }

    pub(crate) fn timer_lateness(&self, late: Duration) {
        self.timer_lateness.observe(late.as_secs_f64());
    }

    pub(crate) fn delivery(&self, destination: &DestinationId, outcome: &'static str) {
        let labels = [("destination", destination.to_string()), ("outcome", outcome.to_owned())];
        self.deliveries.get_or_create(&labels).inc();
    }

    pub(crate) fn store_failed(&self, error: &StoreError) {
        self.store_failures.get_or_create(&[("reason", error.name().to_owned())]).inc();
    }

    pub(crate) fn destination_down(&self, destination: &DestinationId, down: bool) {
        self.destination_down.get_or_create(&[("destination", destination.to_string())]).set(i64::from(down));
    }

    pub(crate) fn outbox_pending(&self, pending: u64) {
        self.outbox_pending.set(i64::try_from(pending).unwrap_or(i64::MAX));
    }

    pub(crate) fn camera_faults(&self, count: usize) {
        self.camera_faults.set(i64::try_from(count).unwrap_or(i64::MAX));
    }
}
