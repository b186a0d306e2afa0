//! A city of cameras without streams, and the look stages that run on it.

use citybrain_ingest_config::resolved::{
    Camera, CaseStore, City, Connection, DecodeMode, DispatchLimits, EvidencePolicy, Kind, LoadLimits, Model,
    PipelineLimits, Site, Stream, Transport,
};
use citybrain_models::{Runtime, SessionOptions};
use citybrain_pipeline::camera_board::CameraBoard;
use citybrain_pipeline::capture::CaptureMetrics;
use citybrain_pipeline::look_stages::{LookParts, LookStages};
use citybrain_pipeline::metrics::PipelineMetrics;
use citybrain_types::{
    CameraId, Clock, DetectionBatch, EventKind, FrameDetections, Label, SystemClock, Timestamp,
};
use prometheus_client::registry::Registry;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Far above what anything here takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub fn id(camera: &str) -> CameraId {
    CameraId::new(camera).unwrap()
}

pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/fixtures").join(name)
}

pub fn kind(name: &str, labels: &[&str], look_interval: Duration) -> Kind {
    Kind {
        kind: EventKind::new(name),
        names: BTreeMap::new(),
        labels: labels.iter().map(Label::new).collect(),
        deadline: Duration::from_secs(60),
        look_interval,
        pre_alarm: name == "fire",
        handle_within: Duration::from_secs(3600),
        evidence: EvidencePolicy {
            log_floor: 0.0,
            hit_score: 0.9,
            half_life: Duration::from_secs(5),
            open_at: 2.0,
            close_at: 1.0,
            max: 6.0,
            hold: Duration::from_secs(5),
            hits_needed: 2,
            looks_counted: 3,
            change_nats: 0.0,
        },
        incident: citybrain_ingest_config::resolved::IncidentPolicy::default(),
    }
}

/// A city whose cameras all want all of its kinds.
pub fn city(data_dir: &Path, cameras: &[&str], kinds: Vec<Kind>, model: PathBuf) -> City {
    let wanted: BTreeSet<EventKind> = kinds.iter().map(|kind| kind.kind.clone()).collect();
    City {
        version: "test".to_owned(),
        site: Site {
            name: "test".to_owned(),
            time_zone: "UTC".to_owned(),
            data_dir: data_dir.to_owned(),
            listen: ([127, 0, 0, 1], 0).into(),
            public_url: "http://127.0.0.1/".parse().unwrap(),
        },
        people: citybrain_ingest_config::resolved::PeopleRules::open(),
        cameras: cameras.iter().map(|name| (id(name), camera(name, &wanted))).collect(),
        kinds: kinds.into_iter().map(|kind| (kind.kind.clone(), kind)).collect(),
        models: vec![Model::of(model)],
        departments: BTreeMap::new(),
        routes: Vec::new(),
        cases: Default::default(),
        destinations: BTreeMap::new(),
        sensors: Vec::new(),
        silences: Vec::new(),
        permits: Vec::new(),
        store: CaseStore::default(),
        pipeline: PipelineLimits {
            workers: 2,
            connect_timeout: Duration::from_secs(1),
            stall_after: Duration::from_secs(20),
            reconnect_min: Duration::from_secs(1),
            reconnect_max: Duration::from_secs(1),
            max_access_unit_bytes: 1 << 20,
            snapshot_budget_bytes: 1 << 24,
            spool_budget_bytes: 1 << 24,
            snapshot_max_side: 320,
            load: LoadLimits::DEFAULT,
        },
        log: citybrain_ingest_config::resolved::LogSettings::default(),
        console: citybrain_ingest_config::resolved::ConsoleSettings::default(),
        dispatch: DispatchLimits {
            concurrent_deliveries: 1,
            max_body_bytes: 1,
            incident_quiet_after: Duration::ZERO,
            join_distance: 0.0,
            camera_fault_after: Duration::ZERO,
            log_budget_bytes: 0,
            alerts: citybrain_ingest_config::resolved::AlertLimits::default(),
        },
    }
}

fn camera(name: &str, kinds: &BTreeSet<EventKind>) -> Camera {
    Camera {
        id: id(name),
        name: name.to_owned(),
        stream: Stream {
            address: "rtsp://127.0.0.1:1/none".parse().unwrap(),
            credentials: None,
            transport: Transport::Tcp,
            decode: DecodeMode::Auto,
            connection: Connection::Always,
            repeat: false,
        },
        position: None,
        area: None,
        kinds: kinds.clone(),
        evidence: BTreeMap::new(),
        ignore: Vec::new(),
        zones: Vec::new(),
        view: citybrain_ingest_config::resolved::View::default(),
    }
}

/// Running look stages and the far end of their bus.
pub struct Street {
    pub stages: LookStages,
    pub board: Arc<CameraBoard>,
    pub metrics: PipelineMetrics,
    pub registry: Registry,
    pub bus: mpsc::Receiver<DetectionBatch>,
}

impl Street {
    pub fn start(city: &City) -> Self {
        Self::start_with_bus(city, 64)
    }

    pub fn start_with_bus(city: &City, capacity: usize) -> Self {
        let mut registry = Registry::default();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let board = Arc::new(CameraBoard::new(Arc::clone(&clock), CaptureMetrics::register(&mut registry)));
        city.cameras.keys().for_each(|camera| board.add(camera, "test"));
        let metrics = PipelineMetrics::register(&mut registry);
        let (sender, bus) = mpsc::channel(capacity);
        let stages = LookStages::start(LookParts {
            city: Arc::new(city.clone()),
            runtime: Runtime::load(None).unwrap(),
            session: SessionOptions::default(),
            clock,
            bus: sender,
            board: Arc::clone(&board),
            metrics: metrics.clone(),
        });
        Self { stages: stages.unwrap(), board, metrics, registry, bus }
    }

    pub fn metrics_text(&self) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).unwrap();
        text
    }

    /// The next frames until `enough` says so; fails when they do not come.
    pub fn frames_until(
        &mut self,
        mut enough: impl FnMut(&[FrameDetections]) -> bool,
    ) -> Vec<FrameDetections> {
        let deadline = Instant::now() + PATIENCE;
        let mut frames = Vec::new();
        while !enough(&frames) {
            assert!(Instant::now() < deadline, "only {} frames came\n{}", frames.len(), self.metrics_text());
            match self.bus.try_recv() {
                Ok(batch) => frames.extend(batch.to_frames().unwrap()),
                Err(_) => std::thread::sleep(Duration::from_millis(2)),
            }
        }
        frames
    }
}

pub fn now() -> Timestamp {
    SystemClock.now()
}
