//! Review queue, policies and tuner, asked as a browser asks them: of a running dispatcher over HTTP.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use citybrain_dispatcher::{City, Dispatcher, DispatcherParts};
use citybrain_ingest_config::resolved::PeopleRules;
use citybrain_types::{
    BoundingBox, CameraDirectory, CameraStatus, Clock, Detection, DetectionBatch, EventKind, FrameDetections,
    FrameOutcome, Label, ModelId, Score, StageTimes, SystemClock, Timestamp,
};
use prometheus_client::registry::Registry;
use reqwest::{Client, StatusCode};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Everything happens within this, also on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(60);
const HOSTILE: &str = "<img src=x onerror=alert(1)>\"'&";

struct NoCameras;

impl CameraDirectory for NoCameras {
    fn statuses(&self) -> Vec<CameraStatus> {
        Vec::new()
    }
}

struct Console {
    _folder: tempfile::TempDir,
    dispatcher: Dispatcher,
    bus: mpsc::Sender<DetectionBatch>,
    base: String,
    client: Client,
    start: Timestamp,
}

impl Console {
    async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = "rtsp://127.0.0.1:9/gate".to_owned();
        let mut city = City::for_cameras(&[address], folder.path(), Vec::new()).unwrap();
        city.people = PeopleRules::open();
        let (bus, batches) = mpsc::channel(16);
        let (focus, _) = mpsc::channel(16);
        let mut registry = Registry::default();
        let dispatcher = citybrain_dispatcher::start(DispatcherParts {
            city: Arc::new(city),
            bus: batches,
            cameras: Arc::new(NoCameras),
            focus,
            clock: Arc::new(SystemClock),
            registry: &mut registry,
        })
        .await
        .unwrap();
        let services = dispatcher.services();
        let around = citybrain_console::House { metrics: Arc::new(String::new), configurator: None };
        let routes = citybrain_dispatcher::api::router(services.clone(), Arc::new(registry))
            .merge(citybrain_console::router(services, around));
        let port = std::env::var("CONSOLE_PORT").unwrap_or_else(|_| "0".to_owned());
        let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        let start = SystemClock.now().minus(Duration::from_secs(3_600));
        let client = Client::builder().no_proxy().build().unwrap();
        Self { _folder: folder, dispatcher, bus, base, client, start }
    }

    /// Looks at the same in some corners of the picture, two seconds apart.
    async fn looks(&self, kind: &str, corners: &[(f32, f32)], count: u64, score: f32) {
        let camera = self.dispatcher.services().city().cameras.keys().next().unwrap().clone();
        let frame = |n: u64| {
            let captured_at = self.start.plus(Duration::from_secs(2 * n));
            let detection = |(x, y): &(f32, f32)| Detection {
                kind: EventKind::new(kind),
                label: Label::new(kind),
                score: Score::new(score).unwrap(),
                bbox: BoundingBox::clipped(*x, *y, x + 0.1, y + 0.1).unwrap(),
                change: None,
            };
            FrameDetections {
                camera: camera.clone(),
                sequence: 1_000 + n,
                captured_at,
                model: ModelId::new("model-1").unwrap(),
                outcome: FrameOutcome::Analysed,
                asked: None,
                looked_for: vec![EventKind::new(kind)],
                detections: corners.iter().map(detection).collect(),
                snapshots: None,
                snapshot_lost: false,
                stages: StageTimes { detected_at: captured_at, ..StageTimes::default() },
            }
        };
        let frames: Vec<_> = (0..count).map(frame).collect();
        self.bus.send(DetectionBatch::from_frames(&frames)).await.unwrap();
    }

    async fn page(&self, path: &str) -> String {
        let response = self.client.get(format!("{}{path}", self.base)).send().await.unwrap();
        let (status, text) = (response.status(), response.text().await.unwrap());
        assert_eq!(status, StatusCode::OK, "{path}: {text}");
        text
    }

    /// The page once it shows some words.
    async fn page_with(&self, path: &str, words: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let text = self.page(path).await;
            if text.contains(words) {
                return text;
            }
            assert!(Instant::now() < deadline, "{path} does not show '{words}': {text}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// What a form leads to, and where.
    async fn post(&self, path: &str, fields: &[(&str, &str)]) -> (StatusCode, String, String) {
        let body: String = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = self.client.post(format!("{}{path}", self.base)).body(body);
        let response =
            request.header("content-type", "application/x-www-form-urlencoded").send().await.unwrap();
        (response.status(), response.url().path().to_owned(), response.text().await.unwrap())
    }
}

fn urlencoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// The value of the first field of a name.
fn field(page: &str, name: &str) -> String {
    let at =
        page.split(&format!("name=\"{name}\" value=\"")).nth(1).unwrap_or_else(|| panic!("{name}: {page}"));
    at.split('"').next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verdict_is_one_form_undone_by_another_and_one_that_came_second_is_told() {
    let console = Console::open().await;
    console.looks("fire", &[(0.4, 0.4)], 4, 0.95).await;
    let page = console.page_with("/review", "id=\"item\"").await;
    let item = field(&page, "item");
    assert!(item.starts_with("case:fire-"), "{item}");
    let judge = |verdict: &'static str, by: &'static str, seen: &'static str| {
        let item = item.clone();
        let console = &console;
        async move {
            let fields = [("item", item.as_str()), ("verdict", verdict), ("by", by), ("seen", seen)];
            console.post("/review", &fields).await
        }
    };
    let (status, _, page) = judge("real", HOSTILE, "0").await;
    assert!(status == StatusCode::OK && page.contains("id=\"undo\""), "{page}");
    let (status, _, page) = judge("false", "Wang Fang", "0").await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(page.contains("&#60;img src=x") && !page.contains("<img src=x"), "{page}");
    let (status, _, page) = judge("withdrawn", "Wang Fang", "1").await;
    assert!(status == StatusCode::OK && page.contains("id=\"judge\""), "{page}");
    assert_eq!(field(&page, "seen"), "2");
    console.dispatcher.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_tuned_becomes_a_draft_and_goes_live_on_the_pages_and_hostile_words_stay_words() {
    let console = Console::open().await;
    console.looks("littering", &[(0.05, 0.05), (0.85, 0.05), (0.05, 0.85)], 8, 0.7).await;
    console.page_with("/review", "id=\"item\"").await;
    let tuned = "/tuner?kind=littering&hit_score=0.9&budget=0.5&miss=5&days=1&go=1";
    let page = console.page_with(tuned, "class=\"cases\"").await;
    for shown in ["class=\"budget\"", "name=\"title\"", "0.9"] {
        assert!(page.contains(shown), "{shown} is not in {page}");
    }
    // The curve as a table, and a suggestion that is a form of its own.
    for shown in ["<caption>", "class=\"main suggested\"", "name=\"reason\" value=\"For at most 0.5 cases"] {
        assert!(page.contains(shown), "{shown} is not in {page}");
    }
    let suggested = field(page.split("suggestion").nth(1).unwrap(), "hit_score");
    let fields = [
        ("kind", "littering"),
        ("hit_score", suggested.as_str()),
        ("title", "As suggested"),
        ("by", "Li Wei"),
    ];
    let (status, place, page) =
        console.post("/tuner", &[&fields[..], &[("reason", "budget")]].concat()).await;
    assert!(status == StatusCode::OK && place.starts_with("/policies/policy-"), "{place}: {page}");
    assert!(page.contains("<b>0.9</b>"), "{page}");
    let wrong = format!("/tuner?kind=littering&go=1&events={}", urlencoded(HOSTILE));
    let page = console.page(&wrong).await;
    assert!(page.contains("This line is no event") && !page.contains("<img src=x"), "{page}");
    let fields = [
        ("kind", "littering"),
        ("hit_score", "0.9"),
        ("title", HOSTILE),
        ("by", "Li Wei"),
        ("reason", HOSTILE),
    ];
    let (status, place, page) = console.post("/tuner", &fields).await;
    assert_eq!(status, StatusCode::OK, "{page}");
    assert!(place.starts_with("/policies/policy-"), "{place}");
    assert!(!page.contains("<img src=x"), "{page}");
    let (status, _, _) = console.post(&format!("{place}/forecast"), &[("days", "1")]).await;
    assert_eq!(status, StatusCode::OK);
    let mut version = field(&console.page(&place).await, "version");
    for (action, by, confirm, expected) in [
        ("shadow", "Li Wei", "", StatusCode::OK),
        // Whoever has written it does not approve it, and nobody does without having confirmed that every case closes.
        ("approve", "Li Wei", "1", StatusCode::CONFLICT),
        ("approve", "Wang Fang", "", StatusCode::CONFLICT),
        ("approve", "Wang Fang", "1", StatusCode::OK),
        ("go_live", "Wang Fang", "1", StatusCode::OK),
    ] {
        let fields = [
            ("action", action),
            ("by", by),
            ("reason", "as agreed"),
            ("confirm", confirm),
            ("version", version.as_str()),
        ];
        let (status, _, page) = console.post(&place, &fields).await;
        assert_eq!(status, expected, "{action} by {by}: {page}");
        version = field(&page, "version");
    }
    assert!(!console.page("/policies").await.contains("<img src=x"));
    let stale = [("action", "roll_back"), ("by", "Wang Fang"), ("reason", "r"), ("version", "1")];
    assert_eq!(console.post(&place, &stale).await.0, StatusCode::PRECONDITION_FAILED);
    if std::env::var("CONSOLE_PORT").is_ok() {
        tokio::time::sleep(Duration::from_secs(600)).await;
    }
    console.dispatcher.shutdown().await;
}
