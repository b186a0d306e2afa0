//! `./x bench efficiency`: CPU time per analysed frame of the whole pipeline against the sum of its bare parts (decode
//! alone, scale alone, `session.run` alone), on the same keyframes in the same run.
//!
//! Two figures: `efficiency`, from the mailbox to the bus, with a worker that never waits; and `efficiency_live`, from
//! the RTSP packet to the bus, with cameras served by another process and a look a second. Pipeline and bare parts
//! take turns, so that other load on the machine meets both; a figure is the median over the rounds. The CPU time of
//! the whole process is counted, with feeder and receiver.
#![forbid(unsafe_code)]

use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use citybrain_benches::bare::{Bare, Parts};
use citybrain_benches::city::{city, nowhere};
use citybrain_benches::farm_process::{FarmProcess, serve_if_asked};
use citybrain_benches::fed::FedStages;
use citybrain_benches::figure::{Bar, Figure, median};
use citybrain_benches::{cpu, footage};
use citybrain_models::manifest::Purpose;
use citybrain_models::{Manifest, Runtime, SessionOptions};
use citybrain_pipeline::{Pipeline, PipelineParts};
use citybrain_simulator::clip::Clip;
use citybrain_types::{CameraId, Clock, DetectionBatch, FrameOutcome, SystemClock};
use prometheus_client::registry::Registry;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

const SIZES: [(u32, u32); 2] = [(640, 360), (1280, 720)];
/// Different pictures of each size, so that caches and branch predictors meet no single one.
const PICTURES: u64 = 12;
/// Cameras of each size: with a look every 100 ms they ask for more than a core can give, so the worker never waits.
const CAMERAS: usize = 8;
const ROUNDS: usize = 9;
/// Frames a round takes through the pipeline and, the same number, through the bare parts.
const FRAMES: usize = 96;
/// Live cameras of each size, with a keyframe and a look a second.
const LIVE_CAMERAS: usize = 6;
const LIVE_ROUNDS: usize = 3;
const LIVE_ROUND: Duration = Duration::from_secs(6);
const LIVE_SECONDS: u32 = 4;
const BAR: Bar = Bar::AtMost(1.15);
const PATIENCE: Duration = Duration::from_secs(60);

/// The model and what runs it.
struct Setup {
    model: PathBuf,
    manifest: Manifest,
    runtime: Runtime,
    data: tempfile::TempDir,
}

#[allow(clippy::print_stdout, reason = "a bench speaks to its caller")]
fn main() -> anyhow::Result<()> {
    if serve_if_asked()? {
        return Ok(());
    }
    let model = model_folder()?;
    let manifest = Manifest::read(&model)?;
    println!("whole pipeline against its bare parts: model {}, one worker, H.264", manifest.id);
    let setup = Setup { model, manifest, runtime: Runtime::load(None)?, data: tempfile::tempdir()? };
    let mut bare = Bare::open(&setup.model, &setup.manifest, &setup.runtime)?;
    let fed = fed(&setup, &mut bare)?;
    let live = live(&setup, &mut bare)?;
    println!("{fed}");
    println!("{live}");
    Ok(())
}

/// The first shipped detector; the environment may name another folder.
fn model_folder() -> anyhow::Result<PathBuf> {
    if let Some(folder) = std::env::var_os("CITYBRAIN_BENCH_MODEL") {
        return Ok(folder.into());
    }
    let zoo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/zoo");
    let folders = std::fs::read_dir(&zoo).with_context(|| format!("no models in {}", zoo.display()))?;
    let mut models: Vec<PathBuf> =
        folders.flatten().map(|entry| entry.path()).filter(|path| path.join("model.toml").exists()).collect();
    models.sort();
    for model in models {
        if Manifest::read(&model)?.purpose == Purpose::Detector {
            return Ok(model);
        }
    }
    bail!("no detector in {}", zoo.display())
}

/// Rounds of one figure.
struct Rounds {
    name: &'static str,
    ratios: Vec<f64>,
}

impl Rounds {
    #[allow(clippy::print_stdout, reason = "a bench speaks to its caller")]
    fn new(name: &'static str, footage: &[Vec<Bytes>]) -> Self {
        for ((width, height), keyframes) in SIZES.iter().zip(footage) {
            let bytes: usize = keyframes.iter().map(Bytes::len).sum();
            println!(
                "{name}: {width}x{height}, keyframes of {} kB on average",
                bytes / keyframes.len().max(1) / 1_000
            );
        }
        println!("CPU ms a frame:  pipeline | bare = decode + scale + session.run | ratio");
        Self { name, ratios: Vec::new() }
    }

    #[allow(clippy::print_stdout, reason = "a bench speaks to its caller")]
    fn add(&mut self, whole: f64, parts: Parts) {
        let (sum, Parts { decode, scale, run }) = (parts.sum(), parts);
        println!("{whole:>26.3} | {sum:.3} = {decode:.3} + {scale:.3} + {run:.3} | {:.3}", whole / sum);
        self.ratios.push(whole / sum);
    }

    fn figure(mut self) -> Figure {
        Figure { name: self.name, value: median(&mut self.ratios), unit: "x", bar: BAR }
    }
}

/// From the mailbox to the bus.
fn fed(setup: &Setup, bare: &mut Bare) -> anyhow::Result<Figure> {
    let footage: Vec<Vec<Bytes>> = SIZES
        .map(|(width, height)| footage::h264_keyframes(width, height, PICTURES))
        .into_iter()
        .collect::<Result<_, _>>()?;
    let mixed = in_turn(&footage, FRAMES);
    let mut fed = Fed::start(setup)?;
    fed.round(&footage, FRAMES / 2)?;
    bare.measure(&mixed)?;
    let mut rounds = Rounds::new("efficiency", &footage);
    for _ in 0..ROUNDS {
        let whole = fed.round(&footage, FRAMES)?;
        rounds.add(whole, bare.measure(&mixed)?);
    }
    fed.fed.shutdown();
    Ok(rounds.figure())
}

/// One of each size in turn.
fn in_turn(footage: &[Vec<Bytes>], count: usize) -> Vec<Bytes> {
    (0..count)
        .map(|n| &footage[n % footage.len()][n / footage.len() % footage[n % footage.len()].len()])
        .cloned()
        .collect()
}

/// The look stages with their mailboxes filled by hand.
struct Fed {
    fed: FedStages,
    turn: usize,
}

impl Fed {
    fn start(setup: &Setup) -> anyhow::Result<Self> {
        let ids = (0..CAMERAS * SIZES.len()).map(|n| CameraId::new(format!("camera-{n:02}")));
        let cameras: Vec<_> = ids.map(|id| id.map(|id| (id, nowhere()))).collect::<Result<_, _>>()?;
        let interval = Duration::from_millis(100);
        let city =
            city(&setup.data.path().join("fed"), &setup.model, &setup.manifest.labels, interval, cameras);
        Ok(Self { fed: FedStages::open(city, &setup.runtime)?, turn: 0 })
    }

    /// CPU milliseconds a frame over at least `frames` frames.
    fn round(&mut self, footage: &[Vec<Bytes>], frames: usize) -> anyhow::Result<f64> {
        // The pictures of a camera show different places: what is known of their health begins anew.
        for slot in &self.fed.slots {
            self.fed.board.add(slot.camera(), "bench");
            self.fed.board.keyframe(slot.camera(), SystemClock.now());
        }
        // What earlier rounds left on the way is not counted.
        analysed(&mut self.fed.bus)?;
        let deadline = Instant::now() + PATIENCE;
        let before = cpu::of_process();
        let mut count = 0;
        while count < frames {
            ensure!(Instant::now() < deadline, "only {count} frames came out of the pipeline");
            self.feed(footage);
            std::thread::sleep(Duration::from_millis(20));
            count += analysed(&mut self.fed.bus)?;
        }
        let spent = cpu::of_process().saturating_sub(before);
        // Let the worker empty the mailboxes, so that it does not run into the bare parts.
        std::thread::sleep(Duration::from_millis(700));
        Ok(spent.as_secs_f64() * 1e3 / count as f64)
    }

    /// Half of the cameras show small pictures, half large ones.
    fn feed(&mut self, footage: &[Vec<Bytes>]) {
        let now = SystemClock.now();
        self.turn += 1;
        for index in 0..self.fed.slots.len() {
            let pictures = &footage[index % footage.len()];
            self.fed.put(index, pictures[(index + self.turn) % pictures.len()].clone(), now);
        }
    }
}

/// Takes what lies on the bus; gives the number of frames, each of which a model has answered for.
fn analysed(bus: &mut mpsc::Receiver<DetectionBatch>) -> anyhow::Result<usize> {
    let mut count = 0;
    loop {
        match bus.try_recv() {
            Ok(batch) => {
                let frames = batch.to_frames()?;
                let missed = frames.iter().find(|frame| frame.outcome != FrameOutcome::Analysed);
                ensure!(missed.is_none(), "a frame was not analysed: {missed:?}");
                count += frames.len();
            }
            Err(mpsc::error::TryRecvError::Empty) => return Ok(count),
            Err(mpsc::error::TryRecvError::Disconnected) => bail!("the pipeline has ended"),
        }
    }
}

/// From the RTSP packet to the bus.
fn live(setup: &Setup, bare: &mut Bare) -> anyhow::Result<Figure> {
    let mut files = Vec::new();
    for (width, height) in SIZES {
        let path = setup.data.path().join(format!("{height}.mkv"));
        footage::h264_file(&path, width, height, LIVE_SECONDS)?;
        files.push(path);
    }
    let keyframes = |path: &PathBuf| -> anyhow::Result<Vec<Bytes>> {
        let clip = Clip::read(path)?;
        Ok(clip.units().iter().filter(|unit| unit.starts).map(|unit| unit.data.clone()).collect())
    };
    let footage: Vec<Vec<Bytes>> = files.iter().map(keyframes).collect::<Result<_, _>>()?;
    let farm = FarmProcess::start(&files, LIVE_CAMERAS * SIZES.len())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(live_rounds(setup, bare, &footage, &farm))
}

async fn live_rounds(
    setup: &Setup,
    bare: &mut Bare,
    footage: &[Vec<Bytes>],
    farm: &FarmProcess,
) -> anyhow::Result<Figure> {
    let interval = Duration::from_secs(1);
    let cameras = farm.cameras.clone();
    let data = setup.data.path().join("live");
    let city = Arc::new(city(&data, &setup.model, &setup.manifest.labels, interval, cameras));
    let mut registry = Registry::default();
    let (sender, mut bus) = mpsc::channel(64);
    let pipeline: Pipeline = citybrain_pipeline::start(PipelineParts {
        city,
        runtime: setup.runtime.clone(),
        session: SessionOptions::default(),
        clock: Arc::new(SystemClock),
        bus: sender,
        registry: &mut registry,
    })?;
    let mixed = in_turn(footage, FRAMES);
    let mut rounds = Rounds::new("efficiency_live", footage);
    // Until every camera is connected and shown.
    let deadline = Instant::now() + PATIENCE;
    while !pipeline.cameras().statuses().iter().all(|status| status.last_look_at.is_some()) {
        ensure!(Instant::now() < deadline, "not every camera came up: {:?}", pipeline.cameras().statuses());
        tokio::time::sleep(Duration::from_millis(50)).await;
        while bus.try_recv().is_ok() {}
    }
    for _ in 0..LIVE_ROUNDS {
        while bus.try_recv().is_ok() {}
        let before = cpu::of_process();
        tokio::time::sleep(LIVE_ROUND).await;
        let spent = cpu::of_process().saturating_sub(before);
        let count = analysed(&mut bus)?;
        ensure!(count > 0, "no frame came out of the pipeline");
        // The cameras go on meanwhile; the bare parts count their own thread only.
        rounds.add(spent.as_secs_f64() * 1e3 / count as f64, paced(bare, &mixed)?);
    }
    pipeline.shutdown().await;
    Ok(rounds.figure())
}

/// The bare parts as the live cameras ask for them: one frame at a time with a pause before it, so that caches are as cold and
/// the core as slow as there. A pause costs no CPU time.
fn paced(bare: &mut Bare, keyframes: &[Bytes]) -> anyhow::Result<Parts> {
    let pause = Duration::from_secs(1) / u32::try_from(LIVE_CAMERAS * SIZES.len())?;
    let mut sum = Parts { decode: 0.0, scale: 0.0, run: 0.0 };
    for keyframe in keyframes {
        std::thread::sleep(pause);
        let Parts { decode, scale, run } = bare.measure(std::slice::from_ref(keyframe))?;
        sum = Parts { decode: sum.decode + decode, scale: sum.scale + scale, run: sum.run + run };
    }
    let count = keyframes.len().max(1) as f64;
    Ok(Parts { decode: sum.decode / count, scale: sum.scale / count, run: sum.run / count })
}
