//! A city of cameras for a bench: one kind with a pre-alarm, scored by one model.

use citybrain_ingest_config::resolved::{
    Camera, CaseStore, City, Connection, DecodeMode, DispatchLimits, EvidencePolicy, Kind, LoadLimits, Model,
    PipelineLimits, Site, Stream, Transport,
};
use citybrain_types::{CameraId, EventKind, Label};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;
use url::Url;

/// Cameras with their addresses, each looked at every `look_interval` for a kind that `labels` speak for, by one
/// worker.
#[must_use]
pub fn city(
    data_dir: &Path,
    model: &Path,
    labels: &[Label],
    look_interval: Duration,
    cameras: impl IntoIterator<Item = (CameraId, Url)>,
) -> City {
    let fire = EventKind::new(EventKind::FIRE);
    City {
        version: "bench".to_owned(),
        site: Site {
            name: "bench".to_owned(),
            time_zone: "UTC".to_owned(),
            data_dir: data_dir.to_owned(),
            listen: ([127, 0, 0, 1], 0).into(),
            public_url: nowhere(),
        },
        people: citybrain_ingest_config::resolved::PeopleRules::open(),
        cameras: cameras.into_iter().map(|(id, address)| (id.clone(), camera(id, address, &fire))).collect(),
        kinds: BTreeMap::from([(fire.clone(), kind(fire, labels, look_interval))]),
        models: vec![Model::of(model.to_owned())],
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
            max_body_bytes: 1,
            incident_quiet_after: Duration::ZERO,
            join_distance: 0.0,
            camera_fault_after: Duration::ZERO,
            log_budget_bytes: 0,
            alerts: citybrain_ingest_config::resolved::AlertLimits::default(),
        },
    }
}

/// An address that nobody connects to.
#[must_use]
pub fn nowhere() -> Url {
    Url::parse("http://127.0.0.1/").expect("the address is a constant that parses")
}

fn camera(id: CameraId, address: Url, kind: &EventKind) -> Camera {
    Camera {
        name: id.to_string(),
        id,
        stream: Stream {
            address,
            credentials: None,
            transport: Transport::Tcp,
            decode: DecodeMode::Keyframes,
            connection: Connection::Always,
            repeat: false,
        },
        position: None,
        area: None,
        kinds: BTreeSet::from([kind.clone()]),
        evidence: BTreeMap::new(),
        ignore: Vec::new(),
        zones: Vec::new(),
        view: citybrain_ingest_config::resolved::View::default(),
    }
}

fn kind(kind: EventKind, labels: &[Label], look_interval: Duration) -> Kind {
    Kind {
        kind,
        names: BTreeMap::new(),
        labels: labels.iter().cloned().collect(),
        deadline: Duration::from_secs(10),
        look_interval,
        pre_alarm: true,
        handle_within: Duration::from_secs(60),
        evidence: EvidencePolicy {
            log_floor: 0.1,
            // Out of reach: a street in which nothing happens, as it is nearly all the time.
            hit_score: 1.1,
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

const fn limits() -> PipelineLimits {
    PipelineLimits {
        workers: 1,
        connect_timeout: Duration::from_secs(30),
        stall_after: Duration::from_secs(600),
        reconnect_min: Duration::from_secs(1),
        reconnect_max: Duration::from_secs(1),
        max_access_unit_bytes: 4 << 20,
        snapshot_budget_bytes: 64 << 20,
        spool_budget_bytes: 64 << 20,
        snapshot_max_side: 960,
        load: LoadLimits::DEFAULT,
    }
}
