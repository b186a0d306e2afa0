//! A running capture, the mailboxes it fills and the board it writes.

use citybrain_ingest_config::resolved::{
    Camera, CaseStore, City, Connection, DecodeMode, DispatchLimits, LoadLimits, PipelineLimits, Site,
    Stream, Transport,
};
use citybrain_pipeline::camera_board::CameraBoard;
use citybrain_pipeline::capture::{Capture, CaptureMetrics, CaptureParts};
use citybrain_pipeline::decode::open_picture;
use citybrain_pipeline::picture::Picture;
use citybrain_pipeline::schedule::Mailboxes;
use citybrain_types::{CameraId, CameraState, CameraStatus, FailReason, SystemClock};
use prometheus_client::registry::Registry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Far above what any of these takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(40);

pub fn id(camera: &str) -> CameraId {
    CameraId::new(camera).unwrap()
}

pub fn stream(address: &str) -> Stream {
    Stream {
        address: address.parse().unwrap(),
        credentials: None,
        transport: Transport::Tcp,
        decode: DecodeMode::Auto,
        connection: Connection::Always,
        repeat: false,
    }
}

pub fn city(cameras: &[(&str, Stream)]) -> City {
    let camera = |(name, stream): &(&str, Stream)| Camera {
        id: id(name),
        name: (*name).to_owned(),
        stream: stream.clone(),
        position: None,
        area: None,
        kinds: BTreeSet::new(),
        evidence: BTreeMap::new(),
        ignore: Vec::new(),
        zones: Vec::new(),
        view: citybrain_ingest_config::resolved::View::default(),
    };
    City {
        version: "test".to_owned(),
        site: Site {
            name: "test".to_owned(),
            time_zone: "UTC".to_owned(),
            data_dir: std::env::temp_dir(),
            listen: ([127, 0, 0, 1], 0).into(),
            public_url: "http://127.0.0.1/".parse().unwrap(),
        },
        people: citybrain_ingest_config::resolved::PeopleRules::open(),
        cameras: cameras.iter().map(camera).map(|camera| (camera.id.clone(), camera)).collect(),
        kinds: BTreeMap::new(),
        models: Vec::new(),
        departments: BTreeMap::new(),
        routes: Vec::new(),
        cases: Default::default(),
        destinations: BTreeMap::new(),
        sensors: Vec::new(),
        silences: Vec::new(),
        permits: Vec::new(),
        store: CaseStore::default(),
        pipeline: PipelineLimits {
            workers: 1,
            // A busy machine takes seconds to start an encoder.
            connect_timeout: Duration::from_secs(15),
            stall_after: Duration::from_secs(2),
            reconnect_min: Duration::from_millis(200),
            reconnect_max: Duration::from_millis(800),
            max_access_unit_bytes: 1 << 20,
            snapshot_budget_bytes: 0,
            spool_budget_bytes: 0,
            snapshot_max_side: 640,
            load: LoadLimits::DEFAULT,
        },
        log: citybrain_ingest_config::resolved::LogSettings::default(),
        console: citybrain_ingest_config::resolved::ConsoleSettings::default(),
        dispatch: DispatchLimits {
            concurrent_deliveries: 1,
            max_body_bytes: 1,
            incident_quiet_after: Duration::ZERO,
            join_distance: 0.1,
            camera_fault_after: Duration::ZERO,
            log_budget_bytes: 0,
            alerts: citybrain_ingest_config::resolved::AlertLimits::default(),
        },
    }
}

pub struct Rig {
    pub board: Arc<CameraBoard>,
    pub capture: Capture,
    mailboxes: Mailboxes,
    registry: Registry,
}

impl Rig {
    pub fn start(cameras: &[(&str, Stream)]) -> Self {
        Self::in_city(&city(cameras))
    }

    /// One camera named `cam`, with other limits.
    pub fn limited(stream: Stream, change: impl FnOnce(&mut PipelineLimits)) -> Self {
        let mut city = city(&[("cam", stream)]);
        change(&mut city.pipeline);
        Self::in_city(&city)
    }

    /// All cameras of a city.
    pub fn in_city(city: &City) -> Self {
        let mut registry = Registry::default();
        let metrics = CaptureMetrics::register(&mut registry);
        let clock = Arc::new(SystemClock);
        let board = Arc::new(CameraBoard::new(clock.clone(), metrics.clone()));
        let mailboxes = Mailboxes::default();
        let parts = CaptureParts { clock, board: Arc::clone(&board), metrics, mailboxes: mailboxes.clone() };
        let capture = Capture::start(city, parts).unwrap();
        Self { board, capture, mailboxes, registry }
    }

    /// One camera named `cam`.
    pub fn with(stream: Stream) -> Self {
        Self::start(&[("cam", stream)])
    }

    pub fn status(&self, camera: &str) -> CameraStatus {
        self.board.status(&id(camera)).unwrap()
    }

    pub fn metrics(&self) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).unwrap();
        text
    }

    /// The next `count` pictures of a camera; fewer when they do not come in time.
    pub async fn pictures(&self, camera: &str, count: usize, within: Duration) -> Vec<Picture> {
        let deadline = Instant::now() + within;
        let mut pictures = Vec::new();
        while pictures.len() < count && Instant::now() < deadline {
            match self.mailboxes.take(&id(camera)) {
                Some(picture) => pictures.push(picture),
                None => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
        pictures
    }

    /// The next `count` pictures of camera `cam`, each decoded and of the size given.
    pub async fn expect_pictures(&self, count: usize, size: (u32, u32)) -> Vec<Picture> {
        let pictures = self.pictures("cam", count, PATIENCE).await;
        assert_eq!(
            pictures.len(),
            count,
            "only so many pictures came; {:?}\n{}",
            self.status("cam"),
            self.metrics()
        );
        for picture in &pictures {
            let frame =
                open_picture(picture.clone()).expect("every picture that capture passes on can be decoded");
            assert_eq!((frame.width(), frame.height()), size);
            assert!(picture.captured_at() <= picture.received_at());
        }
        pictures
    }

    /// Waits until the state of a camera is as wanted.
    pub async fn until(&self, camera: &str, wanted: impl Fn(&CameraState) -> bool) -> CameraStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let status = self.status(camera);
            if wanted(&status.state) {
                return status;
            }
            assert!(Instant::now() < deadline, "the state never came: {status:?}\n{}", self.metrics());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub async fn until_live(&self, camera: &str) -> CameraStatus {
        self.until(camera, |state| *state == CameraState::Live).await
    }

    /// Waits until so many failures of a reason were counted: a state may pass unseen, a count does not.
    pub async fn until_failures(&self, reason: FailReason, count: u64) {
        let prefix = format!("citybrain_camera_failures_total{{reason=\"{}\"}} ", reason.name());
        let deadline = Instant::now() + PATIENCE;
        let counted = || {
            let metrics = self.metrics();
            metrics.lines().find_map(|line| line.strip_prefix(&prefix)?.parse().ok()).unwrap_or(0_u64)
        };
        while counted() < count {
            assert!(Instant::now() < deadline, "{:?}\n{}", self.status("cam"), self.metrics());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until camera `cam` has failed, and gives the detail.
    pub async fn until_failed(&self, reason: FailReason) -> String {
        let failed = |state: &CameraState| matches!(state, CameraState::Failed { .. });
        match self.until("cam", failed).await.state {
            CameraState::Failed { reason: found, detail, .. } => {
                assert_eq!(found, reason, "{detail}");
                detail
            }
            other => panic!("{other:?}"),
        }
    }
}
