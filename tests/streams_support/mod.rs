//! A simulated street, the real pipeline on it with a model whose answers are known, and what came out.

use citybrain_ingest_config::resolved::{
    Camera, CaseStore, City, Connection, Credentials, DecodeMode, DispatchLimits, EvidencePolicy, Kind,
    LoadLimits, Model, PipelineLimits, Site, Stream, Transport,
};
use citybrain_models::{Runtime, SessionOptions};
use citybrain_pipeline::{Pipeline, PipelineParts};
use citybrain_simulator::{SimulatedStreet, Street, StreetOptions};
use citybrain_types::{
    CameraDirectory, CameraId, CameraState, CameraStatus, EventKind, FrameDetections, FrameOutcome, Label,
    SystemClock,
};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Far above what anything here takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// A look is wanted this often.
pub const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// No keyframe for this long is a stall.
pub const STALL_AFTER: Duration = Duration::from_secs(2);
/// First wait before connecting again.
pub const RECONNECT_MIN: Duration = Duration::from_millis(300);
/// The healthy camera's colour.
pub const GREEN: [u8; 3] = [30, 200, 60];
/// The bad camera's colour.
pub const RED: [u8; 3] = [210, 40, 30];

const LABELS: [&str; 3] = ["red", "green", "blue"];

/// A street being analysed.
pub struct Rig {
    pub street: SimulatedStreet,
    pipeline: Pipeline,
    directory: Arc<dyn CameraDirectory>,
    frames: Arc<Mutex<Vec<FrameDetections>>>,
    history: Arc<Mutex<Vec<CameraStatus>>>,
    tasks: Vec<JoinHandle<()>>,
    _data: tempfile::TempDir,
}

/// A healthy green camera `good`, and a red one `bad` of which `more` says what is wrong.
pub fn good_and_bad(more: &str) -> String {
    camera("good", GREEN, "") + &camera("bad", RED, more)
}

/// A small camera of one colour.
pub fn camera(id: &str, [red, green, blue]: [u8; 3], more: &str) -> String {
    format!(
        "[[camera]]\nid = \"{id}\"\nwidth = 320\nheight = 184\nfps = 5\nkeyframe_interval_secs = 0.4\n\
         bitrate_kbps = 200\npattern = \"solid:#{red:02x}{green:02x}{blue:02x}\"\n{more}\n"
    )
}

impl Rig {
    /// Serves the script and looks at every camera of it; `change` may change the city before it starts.
    pub async fn start(script: &str, change: impl FnOnce(&mut City)) -> Self {
        let script = Street::parse(script).unwrap();
        let street = SimulatedStreet::start(script, StreetOptions::default()).await.unwrap();
        let data = tempfile::tempdir().unwrap();
        let mut city = city(&street, data.path());
        change(&mut city);
        // Two seconds of batches of every camera; the collector below is never that late.
        let (bus, mut batches) = mpsc::channel(256);
        let pipeline = citybrain_pipeline::start(PipelineParts {
            city: Arc::new(city),
            runtime: Runtime::load(None).unwrap(),
            session: SessionOptions::default(),
            clock: Arc::new(SystemClock),
            bus,
            registry: &mut prometheus_client::registry::Registry::default(),
        });
        let pipeline = pipeline.unwrap();
        let frames = Arc::<Mutex<Vec<FrameDetections>>>::default();
        let collected = Arc::clone(&frames);
        let collecting = tokio::spawn(async move {
            while let Some(batch) = batches.recv().await {
                collected.lock().unwrap().extend(batch.to_frames().unwrap());
            }
        });
        let directory = pipeline.cameras();
        let history = Arc::default();
        let watching = tokio::spawn(keep_history(Arc::clone(&directory), Arc::clone(&history)));
        let tasks = vec![collecting, watching];
        Self { street, pipeline, directory, frames, history, tasks, _data: data }
    }

    /// How a camera stands.
    pub fn status(&self, camera: &str) -> CameraStatus {
        let all = self.directory.statuses();
        all.into_iter().find(|status| status.camera.as_str() == camera).expect("a camera of the city")
    }

    /// Every state that a camera was seen in, in order, without repetition.
    pub fn states(&self, camera: &str) -> Vec<CameraState> {
        let history = self.history.lock().unwrap();
        history
            .iter()
            .filter(|status| status.camera.as_str() == camera)
            .map(|status| status.state.clone())
            .collect()
    }

    /// Each wait between a failure and the next try.
    pub fn waits_before_reconnecting(&self, camera: &str) -> Vec<Duration> {
        let history = self.history.lock().unwrap();
        let wait = |status: &CameraStatus| match &status.state {
            CameraState::Failed { retry_at, .. } => Some(retry_at.since(status.since)),
            _ => None,
        };
        history.iter().filter(|status| status.camera.as_str() == camera).filter_map(wait).collect()
    }

    /// Every frame of a camera that was looked at, or could not be.
    pub fn frames(&self, camera: &str) -> Vec<FrameDetections> {
        let frames = self.frames.lock().unwrap();
        frames.iter().filter(|frame| frame.camera.as_str() == camera).cloned().collect()
    }

    /// The frames of a camera in which a model answered.
    pub fn analysed(&self, camera: &str) -> Vec<FrameDetections> {
        let mut frames = self.frames(camera);
        frames.retain(|frame| frame.outcome == FrameOutcome::Analysed);
        frames
    }

    /// Waits until something holds.
    pub async fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !holds(self) {
            let statuses = self.directory.statuses();
            assert!(start.elapsed() < PATIENCE, "{what} did not happen; {statuses:#?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The healthy camera stayed live, was looked at all the time, and every answer was its own.
    pub async fn good_is_untouched(&self) {
        self.until("looks at the healthy camera", |rig| rig.analysed("good").len() >= 4).await;
        let states = self.states("good");
        let after_live = states.iter().skip_while(|state| **state != CameraState::Live);
        let others: Vec<_> = after_live.filter(|state| **state != CameraState::Live).collect();
        assert!(others.is_empty(), "the healthy camera went through {others:?}");
        let frames = self.analysed("good");
        // Eight intervals: the machine may be busy, but not that busy.
        for pair in frames.windows(2) {
            let gap = pair[1].captured_at.since(pair[0].captured_at);
            assert!(gap < LOOK_INTERVAL * 8, "the healthy camera was not looked at for {gap:?}");
        }
        frames.iter().for_each(|frame| assert_shows(frame, GREEN));
    }

    /// Ends everything.
    pub async fn end(self) {
        self.pipeline.shutdown().await;
        for task in self.tasks {
            task.abort();
        }
        self.street.shutdown().await;
    }
}

async fn keep_history(directory: Arc<dyn CameraDirectory>, history: Arc<Mutex<Vec<CameraStatus>>>) {
    let mut last: BTreeMap<CameraId, CameraState> = BTreeMap::new();
    loop {
        for status in directory.statuses() {
            if last.get(&status.camera) != Some(&status.state) {
                last.insert(status.camera.clone(), status.state.clone());
                history.lock().unwrap().push(status);
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// How far a mean of a decoded colour may be off: eight-bit 4:2:0 and the quantiser of a small bit rate.
const TOLERANCE: f32 = 0.06;

/// Whether the answers in a frame are those of a picture of one colour.
pub fn shows(frame: &FrameDetections, colour: [u8; 3]) -> bool {
    LABELS.iter().zip(colour).all(|(label, part)| {
        let found = frame.detections.iter().find(|detection| detection.label.as_str() == *label);
        found.is_some_and(|detection| (detection.score.get() - f32::from(part) / 255.0).abs() < TOLERANCE)
    })
}

/// Fails when a frame's answers are those of another colour.
pub fn assert_shows(frame: &FrameDetections, colour: [u8; 3]) {
    assert!(
        shows(frame, colour),
        "camera {} does not show {colour:?} but {:?}",
        frame.camera,
        frame.detections
    );
}

fn city(street: &SimulatedStreet, data: &Path) -> City {
    let kinds: BTreeMap<EventKind, Kind> =
        LABELS.iter().map(|name| (EventKind::new(name), kind(name))).collect();
    let wanted: BTreeSet<EventKind> = kinds.keys().cloned().collect();
    let cameras = street.cameras().iter().map(|camera| {
        let login = camera.login.clone();
        let credentials = login.map(|login| Credentials { user: login.user, password: login.password });
        (camera.id.clone(), of_city(&camera.id, &camera.url, credentials, &wanted))
    });
    City {
        version: "test".to_owned(),
        site: Site {
            name: "test".to_owned(),
            time_zone: "UTC".to_owned(),
            data_dir: data.to_owned(),
            listen: ([127, 0, 0, 1], 0).into(),
            public_url: "http://127.0.0.1/".parse().unwrap(),
        },
        people: citybrain_ingest_config::resolved::PeopleRules::open(),
        cameras: cameras.collect(),
        kinds,
        models: vec![Model::of(
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/fixtures/color_classifier"),
        )],
        departments: BTreeMap::new(),
        routes: Vec::new(),
        cases: Default::default(),
        destinations: BTreeMap::new(),
        sensors: Vec::new(),
        silences: Vec::new(),
        permits: Vec::new(),
        store: CaseStore::default(),
        pipeline: limits(),
        log: citybrain_ingest_config::resolved::LogSettings::default(),
        console: citybrain_ingest_config::resolved::ConsoleSettings::default(),
        dispatch: DispatchLimits {
            concurrent_deliveries: 1,
            max_body_bytes: 1 << 20,
            incident_quiet_after: Duration::from_secs(60),
            join_distance: 0.2,
            camera_fault_after: Duration::from_secs(60),
            log_budget_bytes: 0,
            alerts: citybrain_ingest_config::resolved::AlertLimits::default(),
        },
    }
}

fn limits() -> PipelineLimits {
    PipelineLimits {
        workers: 2,
        connect_timeout: Duration::from_secs(3),
        stall_after: STALL_AFTER,
        reconnect_min: RECONNECT_MIN,
        reconnect_max: Duration::from_secs(2),
        max_access_unit_bytes: 1 << 21,
        snapshot_budget_bytes: 1 << 26,
        spool_budget_bytes: 1 << 26,
        snapshot_max_side: 320,
        load: LoadLimits::DEFAULT,
    }
}

/// A kind that one label of the colour classifier speaks for; every score is written down.
fn kind(name: &str) -> Kind {
    Kind {
        kind: EventKind::new(name),
        names: BTreeMap::new(),
        labels: BTreeSet::from([Label::new(name)]),
        deadline: Duration::from_secs(60),
        look_interval: LOOK_INTERVAL,
        pre_alarm: false,
        handle_within: Duration::from_secs(3_600),
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

fn of_city(
    id: &CameraId,
    url: &str,
    credentials: Option<Credentials>,
    kinds: &BTreeSet<EventKind>,
) -> Camera {
    Camera {
        id: id.clone(),
        name: id.to_string(),
        stream: Stream {
            address: url.parse().unwrap(),
            credentials,
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
