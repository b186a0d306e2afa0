//! A town with API and console on a free port: the real dispatcher, store and pages; looks come from whoever tests.

use anyhow::Context;
use citybrain_console::House;
use citybrain_dispatcher::case::report::Report;
use citybrain_dispatcher::{Dispatcher, DispatcherParts, Services};
use citybrain_ingest_config::City;
use citybrain_types::{
    BoundingBox, CameraDirectory, CameraFault, CameraId, CameraParts, CameraState, CameraStatus, Case,
    ConfigChange, ConfigRefusal, Configurator, Detection, DetectionBatch, EventKind, FaultKind, FocusRequest,
    FrameDetections, FrameOutcome, Label, ModelId, Score, Source, StageTimes, SystemClock, Timestamp,
};
use prometheus_client::registry::Registry;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Text that would run as a script, break out of an attribute or of a script, or be taken for markup.
pub const HOSTILE: &str =
    "\"'><img src=x onerror=window.hurt=1><script>window.hurt=1</script></title>{{7*7}}${7*7}`&lt;b&gt;";

/// Every camera is live; the second one is covered, the third one has failed.
struct Street(Vec<CameraId>);

impl CameraDirectory for Street {
    fn statuses(&self) -> Vec<CameraStatus> {
        let now = Timestamp::from_millis(1_795_300_000_000);
        let status = |(index, camera): (usize, &CameraId)| CameraStatus {
            camera: camera.clone(),
            address: "rtsp://127.0.0.1:9/none".to_owned(),
            state: if index == 2 {
                CameraState::Failed {
                    reason: citybrain_types::FailReason::Unauthorized,
                    detail: HOSTILE.to_owned(),
                    retry_at: now,
                }
            } else {
                CameraState::Live
            },
            since: now,
            last_keyframe_at: Some(now),
            last_look_at: Some(now),
            media: Some(format!("H.264 1280x720 {HOSTILE}")),
            connects: 1,
            snapshot: None,
            coverage: BTreeMap::from([
                (EventKind::new(EventKind::FIRE), 97),
                (EventKind::new("littering"), 40),
            ]),
            faults: if index == 1 {
                vec![CameraFault { fault: FaultKind::Covered, since: now }]
            } else {
                vec![]
            },
        };
        self.0.iter().enumerate().map(status).collect()
    }
}

/// A running town.
pub struct Town {
    /// Where its console is, without a slash at its end.
    pub home: String,
    /// What it may be asked.
    pub services: Services,
    /// Its configuration's file.
    #[allow(dead_code, reason = "each user of this file needs a part of it")]
    pub file: PathBuf,
    _dispatcher: Arc<Dispatcher>,
    bus: mpsc::Sender<DetectionBatch>,
    _focus: mpsc::Receiver<FocusRequest>,
    server: tokio::task::JoinHandle<()>,
    _folder: tempfile::TempDir,
}

/// Changes the files as the program does.
struct Editor {
    file: PathBuf,
    dispatcher: Arc<Dispatcher>,
}

impl Configurator for Editor {
    fn set_parts(&self, camera: CameraId, parts: CameraParts, seen: String) -> ConfigChange {
        let made = (|| {
            if self.dispatcher.services().city().version != seen {
                return Err(ConfigRefusal::Stale);
            }
            let edit = citybrain_ingest_config::camera_parts(&self.file, &camera, &parts, &|_| None)
                .map_err(|error| ConfigRefusal::Invalid(vec![error.to_string()]))?;
            edit.write().map_err(|error| ConfigRefusal::Unwritable(error.to_string()))?;
            let version = edit.loaded.city.version.clone();
            self.dispatcher.reload(Arc::new(edit.loaded.city));
            Ok(version)
        })();
        Box::pin(async move { made })
    }
}

fn configuration(folder: &Path, cameras: usize, people: &str) -> String {
    let mut text = format!(
        "[site]\nname = \"Harbour \\\"<b>x</b>\"\ntime_zone = \"Asia/Shanghai\"\ndata_dir = {:?}\n\n[people]\n{people}\n\n",
        folder.join("data").display().to_string()
    );
    text.push_str(
        "[[areas]]\nname = \"harbour\"\nlevel = \"district\"\n\n[[areas]]\nname = \"grid-1\"\nwithin = \"harbour\"\n\
         outline = [[121.46, 31.19], [121.50, 31.19], [121.50, 31.22], [121.46, 31.22]]\n\n\
         [[departments]]\nid = \"brigade\"\nname = \"Fire brigade <i>\"\ndestinations = [\"desk\"]\n\n\
         [[departments]]\nid = \"centre\"\nname = \"District centre\"\ndistrict_centre = true\n\n\
         [[routes]]\nkinds = [\"fire\"]\ndepartments = [\"brigade\"]\n\n\
         [[sinks]]\nid = \"desk\"\nretry_after_secs = []\nurgent_retry_after_secs = []\n\
         webhook = { url = \"http://127.0.0.1:9/\", secret = \"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\" }\n\n",
    );
    for n in 0..cameras {
        let (longitude, latitude) = (121.47 + (n % 50) as f64 * 0.003, 31.20 + (n / 50) as f64 * 0.003);
        let _ = write!(
            text,
            "[[cameras]]\nid = \"gate-{n}\"\nname = \"Gate {n}\"\nurl = \"rtsp://127.0.0.1:9/{n}\"\n\
             position = [{longitude}, {latitude}]\narea = \"grid-1\"\nkinds = [\"fire\", \"littering\"]\n\n"
        );
    }
    text
}

#[allow(dead_code, reason = "each user of this file needs a part of it")]
impl Town {
    /// Opens a town with so many cameras.
    pub async fn open(cameras: usize) -> anyhow::Result<Self> {
        Self::with(cameras, "sign_in = \"open\"").await
    }

    /// The same, with what stands in `[people]`.
    pub async fn with(cameras: usize, people: &str) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("citybrain.toml");
        std::fs::write(&file, configuration(folder.path(), cameras, people))?;
        let city: City = citybrain_ingest_config::load(&file)?.city;
        let (bus, batches) = mpsc::channel(16);
        let (asked, focus) = mpsc::channel(64);
        let mut registry = Registry::default();
        let street = Arc::new(Street(city.cameras.keys().cloned().collect()));
        let dispatcher = citybrain_dispatcher::start(DispatcherParts {
            city: Arc::new(city),
            bus: batches,
            cameras: street,
            focus: asked,
            clock: Arc::new(SystemClock),
            registry: &mut registry,
        })
        .await?;
        let dispatcher = Arc::new(dispatcher);
        let services = dispatcher.services();
        let registry = Arc::new(registry);
        let for_console = Arc::clone(&registry);
        let metrics = move || {
            let mut text = String::new();
            let _ = prometheus_client::encoding::text::encode(&mut text, &for_console);
            text
        };
        let editor = Editor { file: file.clone(), dispatcher: Arc::clone(&dispatcher) };
        let house = House { metrics: Arc::new(metrics), configurator: Some(Arc::new(editor)) };
        let routes = citybrain_dispatcher::api::router(services.clone(), registry)
            .merge(citybrain_console::router(services.clone(), house));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let home = format!("http://{}", listener.local_addr()?);
        let server = tokio::spawn(async move {
            let _ = axum::serve(listener, routes).await;
        });
        Ok(Self {
            home,
            services,
            file,
            _dispatcher: dispatcher,
            bus,
            _focus: focus,
            server,
            _folder: folder,
        })
    }

    /// Looks of a camera over the last seconds in which a fire is seen: enough for a pre-alarm, too few for a verdict.
    pub async fn burn(&self, camera: &str) -> anyhow::Result<()> {
        let now = citybrain_types::Clock::now(&SystemClock);
        let looks: Vec<FrameDetections> = (0..5)
            .map(|n| burning(camera, now.minus(Duration::from_secs(5 - n)), n))
            .collect::<anyhow::Result<_>>()?;
        self.bus.send(DetectionBatch::from_frames(&looks)).await.context("the dispatcher takes looks")
    }

    /// A case that a resident has told of.
    pub async fn tell(&self, kind: &str, words: &str, position: [f64; 2]) -> anyhow::Result<Case> {
        let report = Report {
            kind: EventKind::new(kind),
            source: Source::Resident,
            by: format!("Neighbour {HOSTILE}").chars().take(100).collect(),
            description: words.to_owned(),
            position: Some(position),
            area: None,
            photos: Vec::new(),
            sent_by: None,
        };
        let (case, _) = self.services.report(report, Vec::new(), |_, _| None).await?;
        Ok(case)
    }
}

fn burning(camera: &str, at: Timestamp, n: u64) -> anyhow::Result<FrameDetections> {
    let fire = EventKind::new(EventKind::FIRE);
    let detection = Detection {
        kind: fire.clone(),
        label: Label::new("fire"),
        score: Score::new(0.8).context("a score")?,
        bbox: BoundingBox::new(0.4, 0.4, 0.6, 0.6)?,
        change: None,
    };
    Ok(FrameDetections {
        camera: CameraId::new(camera)?,
        sequence: u64::try_from(at.as_millis()).unwrap_or(0) + n,
        captured_at: at,
        model: ModelId::new("model-1")?,
        outcome: FrameOutcome::Analysed,
        asked: None,
        looked_for: vec![fire, EventKind::new("littering")],
        detections: vec![detection],
        snapshots: None,
        snapshot_lost: false,
        stages: StageTimes { detected_at: at.plus(Duration::from_millis(40)), ..StageTimes::default() },
    })
}

impl Drop for Town {
    fn drop(&mut self) {
        self.server.abort();
    }
}
