//! `./x bench handoff`: from a published detection to the first attempt to deliver its case, and ten thousand cases
//! with all their clocks running, with SQLite on disk, and then the same on a PostgreSQL server of the bench's own.
//!
//! Handing over: 250 cameras publish 500 frames a second with a detection each; places change so that some fifty cases
//! a second open. A webhook receiver in this process notes when each case arrives, against the moment at which the
//! frame that decided it was published. Then again with all 250 opening one within half a second, every five seconds.
//!
//! Clocks: ten thousand cases whose yellow cards fall due over twenty seconds. In the middle the dispatcher is stopped
//! and started again. A card is late by the span from its moment, or from the moment the dispatcher was ready again,
//! to the moment in its trail.
#![forbid(unsafe_code)]

// The server is started as the tests start theirs, and keeps what it has committed as in earnest.
#[path = "../../../dispatcher/tests/it/support/postgres.rs"]
#[allow(dead_code, clippy::unwrap_used, clippy::expect_used, reason = "without a server there is no bench")]
mod postgres;

use anyhow::{Context, bail, ensure};
use axum::Router;
use axum::extract::State;
use axum::routing::post;
use citybrain_benches::city::{city, nowhere};
use citybrain_benches::figure::{Bar, Figure};
use citybrain_dispatcher::case::clocks;
use citybrain_dispatcher::store::{CaseWrite, Commit, Store};
use citybrain_dispatcher::{Dispatcher, DispatcherParts};
use citybrain_ingest_config::City;
use citybrain_ingest_config::resolved::{
    BodyFormat, CaseStore, Channel, Credentials, Database, Department, Destination, EvidencePolicy, Route,
    Secret, When,
};
use citybrain_types::{
    BoundingBox, CameraDirectory, CameraId, CameraStatus, Case, CaseChange, CaseId, CaseState, Casework,
    Clock, DepartmentId, DestinationId, Detection, DetectionBatch, EventKind, FrameDetections, FrameOutcome,
    IncidentId, Label, ModelId, Priority, Score, StageTimes, SystemClock, Timestamp,
};
use prometheus_client::registry::Registry;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

const KIND: &str = "littering";
const CAMERAS: usize = 250;
/// Frames a second over all cameras.
const RATE: usize = 500;
const SECONDS: usize = 20;
/// The first seconds warm up caches and connections.
const WARM_UP_SECONDS: usize = 3;
/// A camera shows another place after so many of its frames: each opens a case.
const FRAMES_AT_A_PLACE: usize = 10;
const CASES: usize = 10_000;
/// Cards fall due over this span.
const SPREAD: Duration = Duration::from_secs(20);
/// The first falls due so long after the start.
const LEAD: Duration = Duration::from_secs(4);
const ACCEPT_WITHIN: Duration = Duration::from_secs(4_000);
const PATIENCE: Duration = Duration::from_secs(120);

#[allow(clippy::print_stdout, reason = "a bench speaks to its caller")]
fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    // Beside the build, so that it is a disk and no memory.
    let folder = tempfile::tempdir_in("target").context("run it from the repository: ./x bench handoff")?;
    let server = postgres::Server::start(postgres::Durability::Full);
    for on in [On::Sqlite, On::Postgres] {
        for (name, cases) in [("handoff", Cases::OneAfterTheOther), ("burst", Cases::AllAtOnce)] {
            let city = a_city(&folder.path().join(format!("{on:?}-{name}")), on.store(&server, name)?)?;
            for figure in runtime.block_on(hand_over(city, cases, on))? {
                println!("{figure}");
            }
        }
        let city = a_city(&folder.path().join(format!("{on:?}-clocks")), on.store(&server, "clocks")?)?;
        for figure in runtime.block_on(keep_clocks(city, on))? {
            println!("{figure}");
        }
    }
    Ok(())
}

/// Where the cases are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum On {
    Sqlite,
    Postgres,
}

impl On {
    /// A database of its own for each part of the bench.
    fn store(self, server: &postgres::Server, name: &str) -> anyhow::Result<CaseStore> {
        let database = match self {
            Self::Sqlite => Database::Sqlite,
            Self::Postgres => {
                postgres::create(&server.url(), name);
                let credentials = Credentials { user: "citybrain".to_owned(), password: String::new() };
                Database::Postgres { url: server.url().join(name)?, credentials: Some(credentials) }
            }
        };
        Ok(CaseStore { database, ..CaseStore::default() })
    }

    /// A figure's name.
    const fn named(self, sqlite: &'static str, postgres: &'static str) -> &'static str {
        match self {
            Self::Sqlite => sqlite,
            Self::Postgres => postgres,
        }
    }
}

/// When the cameras' places change: each change opens a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cases {
    /// In turn, so that cases open evenly.
    OneAfterTheOther,
    /// All within half a second, every five seconds: a cloudburst.
    AllAtOnce,
}

/// No camera is connected: frames come from this bench.
struct Nobody;

impl CameraDirectory for Nobody {
    fn statuses(&self) -> Vec<CameraStatus> {
        Vec::new()
    }
}

struct House {
    dispatcher: Dispatcher,
    bus: mpsc::Sender<DetectionBatch>,
}

async fn open(city: City) -> anyhow::Result<House> {
    let (bus, batches) = mpsc::channel(64);
    let (focus, _) = mpsc::channel(16);
    let dispatcher = citybrain_dispatcher::start(DispatcherParts {
        city: Arc::new(city),
        bus: batches,
        cameras: Arc::new(Nobody),
        focus,
        clock: Arc::new(SystemClock),
        registry: &mut Registry::default(),
    })
    .await?;
    Ok(House { dispatcher, bus })
}

impl House {
    async fn close(self) {
        drop(self.bus);
        self.dispatcher.shutdown().await;
    }
}

fn a_city(data_dir: &Path, store: CaseStore) -> anyhow::Result<City> {
    let ids = (0..CAMERAS).map(|n| Ok((CameraId::new(format!("cam-{n}"))?, nowhere())));
    let ids = ids.collect::<anyhow::Result<Vec<_>>>()?;
    let interval = Duration::from_secs(1);
    let mut city = city(data_dir, Path::new("none"), &[Label::new(KIND)], interval, ids);
    city.models.clear();
    city.store = store;
    let kind = EventKind::new(KIND);
    let (_, mut row) = city.kinds.pop_first().context("a kind")?;
    row.kind = kind.clone();
    row.pre_alarm = false;
    row.handle_within = ACCEPT_WITHIN * 10;
    row.evidence = EvidencePolicy { hit_score: 0.5, hits_needed: 2, looks_counted: 4, ..row.evidence };
    city.kinds.insert(kind.clone(), row);
    for camera in city.cameras.values_mut() {
        camera.kinds = BTreeSet::from([kind.clone()]);
    }
    let department = DepartmentId::new("cleaning")?;
    let row =
        Department { id: department.clone(), name: "Cleaning".to_owned(), destinations: BTreeSet::new() };
    city.departments.insert(department.clone(), row);
    city.routes = vec![Route {
        kinds: BTreeSet::new(),
        areas: BTreeSet::new(),
        when: When::Always,
        departments: BTreeSet::from([department]),
        lead: None,
        rota: None,
    }];
    city.cases.limits.accept_within = ACCEPT_WITHIN;
    city.dispatch.concurrent_deliveries = 32;
    city.dispatch.max_body_bytes = 1 << 20;
    city.dispatch.incident_quiet_after = Duration::from_secs(600);
    city.dispatch.join_distance = 0.1;
    city.dispatch.camera_fault_after = Duration::from_secs(3_600);
    Ok(city)
}

/// Spans from published to arrived, of cases that arrived.
type Arrivals = Arc<Mutex<Vec<(Timestamp, Duration)>>>;

async fn receiver() -> anyhow::Result<(String, Arrivals)> {
    async fn take(State(arrivals): State<Arrivals>, body: axum::body::Bytes) {
        let now = SystemClock.now();
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let at = body["data"]["case"]["last_seen_at"].as_str().and_then(|at| at.parse::<Timestamp>().ok());
        if let (Some(at), Ok(mut arrivals)) = (at, arrivals.lock()) {
            arrivals.push((at, now.since(at)));
        }
    }
    let arrivals = Arrivals::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/hook", listener.local_addr()?);
    let app = Router::new().route("/hook", post(take)).with_state(Arc::clone(&arrivals));
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok((url, arrivals))
}

async fn hand_over(mut city: City, cases: Cases, on: On) -> anyhow::Result<Vec<Figure>> {
    let (url, arrivals) = receiver().await?;
    let id = DestinationId::new("desk")?;
    let destination = Destination {
        id: id.clone(),
        channel: Channel::Webhook {
            url: url.parse()?,
            secret: Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned()),
            old_secret: None,
            format: BodyFormat::CloudEvents,
        },
        timeout: Duration::from_secs(10),
        urgent_retry_after: vec![],
        retry_after: vec![Duration::from_secs(1); 30],
        second: None,
    };
    city.destinations.insert(id.clone(), destination);
    city.departments.values_mut().for_each(|department| {
        department.destinations.insert(id.clone());
    });
    let house = open(city).await?;
    let begun = SystemClock.now();
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    let per_tick = RATE / 10;
    for tick in 0..SECONDS * 10 {
        ticks.tick().await;
        // Frames of one camera are two seconds' quarter apart; a batch holds what came in a tenth of a second.
        let frames =
            (0..per_tick).map(|n| frame(tick * per_tick + n, cases)).collect::<anyhow::Result<Vec<_>>>()?;
        house.bus.send(DetectionBatch::from_frames(&frames)).await?;
    }
    let opened = expected_cases(cases);
    let deadline = Instant::now() + PATIENCE;
    while arrivals.lock().is_ok_and(|arrivals| arrivals.len() < opened) && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    house.close().await;
    let warm = begun.plus(Duration::from_secs(WARM_UP_SECONDS as u64));
    let all = arrivals.lock().map(|arrivals| arrivals.clone()).unwrap_or_default();
    ensure!(all.len() >= opened, "{} of {opened} cases arrived", all.len());
    let mut spans: Vec<f64> =
        all.iter().filter(|(at, _)| *at >= warm).map(|(_, span)| span.as_secs_f64() * 1_000.0).collect();
    spans.sort_by(f64::total_cmp);
    let at = |part: f64| spans[((spans.len() - 1) as f64 * part) as usize];
    if cases == Cases::AllAtOnce {
        let p99 = at(0.99);
        return Ok(vec![Figure {
            name: on.named("handoff_burst_p99", "handoff_postgres_burst_p99"),
            value: p99,
            unit: "ms",
            bar: Bar::AtMost(200.0),
        }]);
    }
    Ok(vec![
        Figure {
            name: on.named("handoff_p50", "handoff_postgres_p50"),
            value: at(0.5),
            unit: "ms",
            bar: Bar::AtMost(100.0),
        },
        Figure {
            name: on.named("handoff_p99", "handoff_postgres_p99"),
            value: at(0.99),
            unit: "ms",
            bar: Bar::AtMost(200.0),
        },
        Figure {
            name: on.named("handoff_cases", "handoff_postgres_cases"),
            value: spans.len() as f64,
            unit: "cases",
            bar: Bar::AtLeast(500.0),
        },
    ])
}

/// Each camera opens one case at each place it shows at least two frames of.
fn expected_cases(cases: Cases) -> usize {
    let frames_of_each = RATE * SECONDS / CAMERAS;
    let of_one = |camera| {
        let mut frames = std::collections::BTreeMap::<usize, usize>::new();
        (0..frames_of_each).for_each(|turn| *frames.entry(place(camera, turn, cases)).or_default() += 1);
        frames.values().filter(|frames| **frames >= 2).count()
    };
    (0..CAMERAS).map(of_one).sum()
}

/// The place a camera shows.
fn place(camera: usize, turn: usize, cases: Cases) -> usize {
    let ahead = if cases == Cases::OneAfterTheOther { camera % FRAMES_AT_A_PLACE } else { 0 };
    (turn + ahead) / FRAMES_AT_A_PLACE
}

/// The `n`-th frame of all: cameras take turns.
fn frame(n: usize, cases: Cases) -> anyhow::Result<FrameDetections> {
    let (camera, turn) = (n % CAMERAS, n / CAMERAS);
    let now = SystemClock.now();
    // Sixteen places, far enough apart that no two are one happening.
    let place = place(camera, turn, cases) % 16;
    let (x, y) = (0.05 + 0.25 * (place % 4) as f32, 0.05 + 0.25 * (place / 4) as f32);
    let kind = EventKind::new(KIND);
    Ok(FrameDetections {
        camera: CameraId::new(format!("cam-{camera}"))?,
        sequence: turn as u64 + 1,
        captured_at: now,
        model: ModelId::new("bench-1")?,
        outcome: FrameOutcome::Analysed,
        asked: None,
        looked_for: vec![kind.clone()],
        detections: vec![Detection {
            kind,
            label: Label::new(KIND),
            score: Score::new(0.97).context("a score lies between 0 and 1")?,
            bbox: BoundingBox::new(x, y, x + 0.08, y + 0.08)?,
            change: None,
        }],
        snapshots: None,
        snapshot_lost: false,
        stages: StageTimes { detected_at: now, ..StageTimes::default() },
    })
}

fn a_case(city: &City, n: usize, at: Timestamp) -> anyhow::Result<(Case, CaseChange)> {
    let name = format!("littering-20261125-{n:016x}");
    let mut case = Case {
        id: CaseId::new(&name)?,
        version: 1,
        incident: IncidentId::new(&name)?,
        kind: EventKind::new(KIND),
        state: CaseState::Dispatched,
        priority: Priority::Normal,
        camera: Some(CameraId::new(format!("cam-{}", n % CAMERAS))?),
        bbox: BoundingBox::WHOLE,
        position: None,
        score: 0.9,
        first_seen_at: at,
        last_seen_at: at,
        opened_at: at,
        updated_at: at,
        deadline_at: None,
        departments: vec![DepartmentId::new("cleaning")?],
        snapshots: None,
        work: Casework::default(),
    };
    clocks::settle(city, &mut case, at);
    let change = CaseChange {
        case: case.id.clone(),
        version: 1,
        action: "dispatched".to_owned(),
        from: None,
        to: CaseState::Dispatched,
        at,
        by: "bench".to_owned(),
        reason: "to run its clocks".to_owned(),
        seen: "{}".to_owned(),
    };
    Ok((case, change))
}

async fn fill(city: &City) -> anyhow::Result<Vec<(CaseId, Timestamp)>> {
    tokio::fs::create_dir_all(&city.site.data_dir).await?;
    let store = Store::open_configured(&city.store, &city.site.data_dir).await?;
    // Filling takes a while: cards fall due after it, so the base is taken from the whole span.
    let yellow_after = ACCEPT_WITHIN.mul_f64(city.cases.limits.yellow_at);
    let reserve = Duration::from_secs(20);
    let base = SystemClock.now().plus(reserve).plus(LEAD).minus(yellow_after);
    let mut due = Vec::with_capacity(CASES);
    let step = SPREAD / u32::try_from(CASES)?;
    for chunk in (0..CASES).collect::<Vec<_>>().chunks(1_000) {
        let mut commit = Commit::default();
        for n in chunk {
            let (case, change) = a_case(city, *n, base.plus(step * u32::try_from(*n)?))?;
            due.push((case.id.clone(), case.work.clocks[0].yellow_at));
            commit.cases.push(CaseWrite::Change { case, changes: vec![change], deliveries: vec![] });
        }
        store.commit(&commit).await?;
    }
    store.close().await;
    let first = due.first().map(|(_, at)| *at).unwrap_or_default();
    ensure!(SystemClock.now() < first, "filling the store took longer than {reserve:?}");
    Ok(due)
}

/// Opens the house and waits until it says that it is ready.
async fn open_ready(city: &City) -> anyhow::Result<(House, Duration)> {
    let begun = Instant::now();
    let house = open(city.clone()).await?;
    while !house.dispatcher.services().readiness().await.ready {
        if begun.elapsed() > PATIENCE {
            bail!("it does not become ready");
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok((house, begun.elapsed()))
}

async fn keep_clocks(city: City, on: On) -> anyhow::Result<Vec<Figure>> {
    let due = fill(&city).await?;
    let (house, first_ready) = open_ready(&city).await?;
    let middle = due[CASES / 2].1;
    tokio::time::sleep(middle.since(SystemClock.now())).await;
    let down_from = SystemClock.now();
    house.close().await;
    let (house, ready) = open_ready(&city).await?;
    let up_at = SystemClock.now();
    let last = due.last().map(|(_, at)| *at).unwrap_or_default();
    tokio::time::sleep(last.since(SystemClock.now()) + Duration::from_secs(3)).await;
    house.close().await;

    let store = Store::open_configured(&city.store, &city.site.data_dir).await?;
    let (mut latest, mut wrong) = (Duration::ZERO, 0_usize);
    for (id, at) in &due {
        let trail = store.trail(id).await?;
        let shown: Vec<_> = trail.iter().filter(|line| line.action == "yellow_card").collect();
        match shown.as_slice() {
            [card] => {
                // What fell due while nothing ran is late from when it ran again.
                let from = if (down_from..up_at).contains(at) { up_at } else { *at };
                latest = latest.max(card.at.since(from));
            }
            _ => wrong += 1,
        }
    }
    store.close().await;
    let seconds = |span: Duration| span.as_secs_f64();
    Ok(vec![
        Figure {
            name: on.named("timers_latest", "timers_postgres_latest"),
            value: seconds(latest),
            unit: "s",
            bar: Bar::AtMost(1.0),
        },
        Figure {
            name: on.named("timers_lost_or_doubled", "timers_postgres_lost_or_doubled"),
            value: wrong as f64,
            unit: "cards",
            bar: Bar::AtMost(0.0),
        },
        Figure {
            name: on.named("restart_ready", "restart_postgres_ready"),
            value: seconds(ready.max(first_ready)),
            unit: "s",
            bar: Bar::AtMost(1.0),
        },
    ])
}
