//! A small city and frames of its cameras.

use citybrain_ingest_config::City;
use citybrain_ingest_config::resolved::{
    BodyFormat, Camera, CaseLimits, CaseRules, CaseStore, Channel, Connection, DecodeMode, Department,
    Destination, DispatchLimits, EvidencePolicy, IncidentPolicy, Kind, LoadLimits, PipelineLimits, Route,
    Secret, Site, Stream, Transport, When,
};
use citybrain_types::{
    Asked, BoundingBox, CameraId, DepartmentId, DestinationId, Detection, EventKind, FrameDetections,
    FrameOutcome, Label, ModelId, NotSeen, Score, StageTimes, Timestamp,
};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;
use url::Url;

/// 1 June 2025, 06:00 UTC: when every story begins; past, so that nothing is from the future.
pub const START: Timestamp = Timestamp::from_millis(1_748_757_600_000);

/// The signing secret of every webhook.
pub const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

pub fn camera_id(name: &str) -> CameraId {
    CameraId::new(name).unwrap()
}

pub fn fire() -> EventKind {
    EventKind::new(EventKind::FIRE)
}

/// Longer than any story lies in the past.
const LONG: Duration = Duration::from_secs(100 * 366 * 24 * 60 * 60);

/// Rules under which nothing is ever overdue.
pub fn patient() -> CaseRules {
    let limits = CaseLimits {
        verify_within: LONG,
        dispatch_within: LONG,
        accept_within: LONG,
        accept_urgent_within: LONG,
        accept_immediate_within: LONG,
        recheck_within: LONG,
        approve_within: LONG,
        repeat_after: LONG,
        ..CaseLimits::default()
    };
    CaseRules { limits, ..CaseRules::default() }
}

pub fn policy() -> EvidencePolicy {
    EvidencePolicy {
        log_floor: 0.05,
        hit_score: 0.6,
        half_life: Duration::from_secs(20),
        open_at: 3.0,
        close_at: 1.0,
        max: 8.0,
        hold: Duration::from_secs(10),
        hits_needed: 2,
        looks_counted: 4,
        change_nats: 0.0,
    }
}

fn kind(code: &str, pre_alarm: bool) -> Kind {
    Kind {
        kind: EventKind::new(code),
        names: BTreeMap::from([("en".to_owned(), code.to_owned())]),
        labels: BTreeSet::from([Label::new(code)]),
        deadline: Duration::from_secs(10),
        look_interval: Duration::from_secs(2),
        pre_alarm,
        // Stories are told in the past: no clock of theirs may run out today.
        handle_within: LONG,
        evidence: policy(),
        incident: IncidentPolicy::default(),
    }
}

pub fn camera(name: &str) -> Camera {
    Camera {
        id: camera_id(name),
        name: name.to_owned(),
        stream: Stream {
            address: Url::parse("rtsp://127.0.0.1:9/none").unwrap(),
            credentials: None,
            transport: Transport::Tcp,
            decode: DecodeMode::Auto,
            connection: Connection::Always,
            repeat: false,
        },
        position: Some([121.5, 31.2]),
        area: Some("harbour".to_owned()),
        kinds: BTreeSet::from([fire(), EventKind::new("littering")]),
        evidence: BTreeMap::new(),
        ignore: vec![],
        zones: Vec::new(),
        view: citybrain_ingest_config::resolved::View::default(),
    }
}

pub const PIPELINE: PipelineLimits = PipelineLimits {
    workers: 1,
    connect_timeout: Duration::from_secs(1),
    stall_after: Duration::from_secs(1),
    reconnect_min: Duration::from_secs(1),
    reconnect_max: Duration::from_secs(1),
    max_access_unit_bytes: 1 << 20,
    snapshot_budget_bytes: 1 << 20,
    spool_budget_bytes: 1 << 20,
    snapshot_max_side: 640,
    load: LoadLimits::DEFAULT,
};

/// Four cameras, two kinds, one department without destinations that gets everything.
pub fn city(data_dir: &Path) -> City {
    let cameras = ["gate-1", "gate-2", "gate-3", "gate-4"].map(|name| (camera_id(name), camera(name)));
    let brigade = DepartmentId::new("brigade").unwrap();
    City {
        version: "test".to_owned(),
        site: Site {
            name: "Test Harbour".to_owned(),
            time_zone: "Asia/Shanghai".to_owned(),
            data_dir: data_dir.to_owned(),
            listen: ([127, 0, 0, 1], 0).into(),
            public_url: Url::parse("http://127.0.0.1:8080").unwrap(),
        },
        people: citybrain_ingest_config::resolved::PeopleRules::open(),
        cameras: cameras.into(),
        kinds: [kind("camera_fault", false), kind("fire", true), kind("littering", false)]
            .map(|kind| (kind.kind.clone(), kind))
            .into(),
        models: vec![],
        departments: [(
            brigade.clone(),
            Department {
                id: brigade.clone(),
                name: "Fire brigade".to_owned(),
                destinations: BTreeSet::new(),
            },
        )]
        .into(),
        routes: vec![Route {
            kinds: BTreeSet::new(),
            areas: BTreeSet::new(),
            when: When::Always,
            departments: BTreeSet::from([brigade]),
            lead: None,
            rota: None,
        }],
        cases: patient(),
        destinations: BTreeMap::new(),
        sensors: Vec::new(),
        silences: Vec::new(),
        permits: Vec::new(),
        store: CaseStore::default(),
        pipeline: PIPELINE,
        log: citybrain_ingest_config::resolved::LogSettings::default(),
        console: citybrain_ingest_config::resolved::ConsoleSettings::default(),
        dispatch: DispatchLimits {
            concurrent_deliveries: 8,
            max_body_bytes: 64 << 10,
            incident_quiet_after: Duration::from_secs(120),
            join_distance: 0.2,
            camera_fault_after: Duration::from_secs(60),
            log_budget_bytes: 0,
            alerts: citybrain_ingest_config::resolved::AlertLimits::default(),
        },
    }
}

/// Adds a destination and has the department's cases go there.
pub fn send_to(city: &mut City, id: &str, channel: Channel, timeout: Duration, retry_after: &[Duration]) {
    let id = DestinationId::new(id).unwrap();
    let destination = Destination {
        id: id.clone(),
        channel,
        timeout,
        urgent_retry_after: vec![],
        retry_after: retry_after.to_vec(),
        second: None,
    };
    city.destinations.insert(id.clone(), destination);
    for department in city.departments.values_mut() {
        department.destinations.insert(id.clone());
    }
}

pub fn webhook(url: &str) -> Channel {
    Channel::Webhook {
        url: Url::parse(url).unwrap(),
        secret: Secret(SECRET.to_owned()),
        old_secret: None,
        format: BodyFormat::CloudEvents,
    }
}

/// A box around a point, a tenth of the picture wide and high.
pub fn around(x: f32, y: f32) -> BoundingBox {
    BoundingBox::clipped(x - 0.05, y - 0.05, x + 0.05, y + 0.05).unwrap()
}

/// The `n`-th look of a camera, two seconds after the one before, in which nothing was found.
pub fn look(camera: &str, n: u64) -> FrameDetections {
    let captured_at = START.plus(Duration::from_secs(2 * n));
    FrameDetections {
        camera: camera_id(camera),
        sequence: 1_000 + n,
        captured_at,
        model: ModelId::new("model-1").unwrap(),
        outcome: FrameOutcome::Analysed,
        asked: None,
        looked_for: vec![fire(), EventKind::new("littering")],
        detections: vec![],
        snapshots: None,
        snapshot_lost: false,
        stages: StageTimes {
            detected_at: captured_at.plus(Duration::from_millis(40)),
            ..StageTimes::default()
        },
    }
}

pub fn with_box(mut frame: FrameDetections, kind: &str, score: f32, bbox: BoundingBox) -> FrameDetections {
    frame.detections.push(Detection {
        kind: EventKind::new(kind),
        label: Label::new(kind),
        score: Score::new(score).unwrap(),
        bbox,
        change: None,
    });
    frame
}

/// A look that sees a fire in the middle of the picture.
pub fn burning(camera: &str, n: u64) -> FrameDetections {
    with_box(look(camera, n), "fire", 0.95, around(0.5, 0.5))
}

/// A second opinion on fire around a point, which the look `asking` has asked for and which stands before it in the log.
pub fn opinion(asking: &FrameDetections, x: f32, y: f32) -> FrameDetections {
    let region = BoundingBox::clipped(x - 0.2, y - 0.2, x + 0.2, y + 0.2).unwrap();
    FrameDetections {
        sequence: asking.sequence - 1,
        model: ModelId::new("verifier-1").unwrap(),
        asked: Some(Asked { by: asking.sequence, region }),
        looked_for: vec![fire()],
        detections: vec![],
        stages: StageTimes {
            detected_at: asking.stages.detected_at.plus(Duration::from_millis(60)),
            ..asking.stages
        },
        ..asking.clone()
    }
}

/// A look for which there was no picture.
pub fn dark(camera: &str, n: u64) -> FrameDetections {
    FrameDetections { outcome: FrameOutcome::NotSeen(NotSeen::Disconnected), ..look(camera, n) }
}
