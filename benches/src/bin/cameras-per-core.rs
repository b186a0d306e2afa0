//! `./x bench cameras-per-core`: how many cameras a core carries at a look every ten seconds, against what a user would
//! otherwise run, on the same streams with the same model in the same run.
//!
//! The others decode every frame, as they do when nobody tells them otherwise: (a) OpenCV and ONNX Runtime, a thread a
//! camera; (b) `supervision`'s frame generator and ONNX Runtime; (c) GStreamer and OpenVINO. Each is given a few cameras
//! and all the time it wants; what counts is its CPU time per camera, so a busy machine and waiting do not matter. They
//! are Python programs from the package index, installed into a folder of their own (`.citybrain/comparators`).
//! `CITYBRAIN_BENCH_OURS=1` leaves them out and gives no figure: for whoever works on ours.
#![forbid(unsafe_code)]

use anyhow::{Context, ensure};
use citybrain_benches::city::city;
use citybrain_benches::cpu;
use citybrain_benches::farm_process::{FarmProcess, serve_if_asked};
use citybrain_benches::figure::{Bar, Figure};
use citybrain_models::{Manifest, Runtime, SessionOptions};
use citybrain_pipeline::{PipelineParts, open_files};
use citybrain_types::SystemClock;
use prometheus_client::registry::Registry;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// A sub-stream of good quality, and a main stream; each with its bit rate in kbit/s.
const STREAMS: [(&str, (u32, u32), u32); 2] =
    [("cameras_per_core_720p", (1280, 720), 1_500), ("cameras_per_core_1080p", (1920, 1080), 3_000)];
const LOOK_INTERVAL: Duration = Duration::from_secs(10);
/// Ours, and as many as an overloaded machine still lets the others decode in time.
const OUR_CAMERAS: usize = 60;
const THEIR_CAMERAS: usize = 4;
/// Three looks of each camera.
const MEASURED: Duration = Duration::from_secs(30);
const PATIENCE: Duration = Duration::from_secs(120);
const OURS_ALONE: &str = "CITYBRAIN_BENCH_OURS";
const WAYS: [&str; 3] = ["opencv", "supervision", "openvino"];

/// What a comparator prints.
#[derive(Debug, Deserialize)]
struct Spent {
    cpu_seconds: f64,
    wall_seconds: f64,
    frames: u64,
    looks: u64,
}

#[allow(clippy::print_stdout, reason = "a bench speaks to its caller")]
fn main() -> anyhow::Result<()> {
    if serve_if_asked()? {
        return Ok(());
    }
    open_files::allow(OUR_CAMERAS);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let alone = std::env::var_os(OURS_ALONE).is_some();
    let python = if alone { None } else { Some(install(&root)?) };
    let model = root.join("models/zoo/street-lite0");
    let figures = STREAMS
        .iter()
        .map(|stream| compare(*stream, python.as_deref(), &root, &model))
        .collect::<Result<Vec<_>, _>>()?;
    figures.iter().flatten().for_each(|figure| println!("{figure}"));
    Ok(())
}

#[allow(clippy::print_stdout, reason = "a bench speaks to its caller")]
fn compare(
    (name, size, kbps): (&'static str, (u32, u32), u32),
    python: Option<&Path>,
    root: &Path,
    model: &Path,
) -> anyhow::Result<Option<Figure>> {
    let farm = FarmProcess::of_streets(OUR_CAMERAS, size, kbps)?;
    println!(
        "cameras: {size:?} H.264, 25 frames a second, near {kbps} kbit/s; a look every {LOOK_INTERVAL:?}"
    );
    println!("        who | cameras | CPU ms a second | cameras per core | looks a camera and minute");
    let ours = ours(&farm, model)?;
    tell("citybrain", OUR_CAMERAS, &ours);
    let Some(python) = python else { return Ok(None) };
    let mut best = f64::INFINITY;
    for way in WAYS {
        let spent = theirs(python, root, way, model, &farm)?;
        tell(way, THEIR_CAMERAS, &spent);
        best = best.min(per_camera(&spent, THEIR_CAMERAS));
    }
    let value = best / per_camera(&ours, OUR_CAMERAS);
    Ok(Some(Figure { name, value, unit: "x", bar: Bar::AtLeast(20.0) }))
}

/// Cores that one camera takes.
fn per_camera(spent: &Spent, cameras: usize) -> f64 {
    spent.cpu_seconds / spent.wall_seconds / cameras as f64
}

#[allow(clippy::print_stdout, reason = "a bench speaks to its caller")]
fn tell(who: &str, cameras: usize, spent: &Spent) {
    let each = per_camera(spent, cameras);
    let looks = spent.looks as f64 / cameras as f64 / spent.wall_seconds * 60.0;
    println!(
        "{who:>11} | {cameras:>7} | {:>15.2} | {:>16.1} | {looks:.1} ({} frames decoded)",
        each * 1e3,
        1.0 / each,
        spent.frames
    );
}

/// The whole pipeline, from packets to the bus.
fn ours(farm: &FarmProcess, model: &Path) -> anyhow::Result<Spent> {
    let manifest = Manifest::read(model)?;
    let data = tempfile::tempdir()?;
    let city = city(data.path(), model, &manifest.labels, LOOK_INTERVAL, farm.cameras.iter().cloned());
    let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    tokio.block_on(async {
        let (bus, mut batches) = mpsc::channel(64);
        let pipeline = citybrain_pipeline::start(PipelineParts {
            city: Arc::new(city),
            runtime: Runtime::load(None)?,
            session: SessionOptions::default(),
            clock: Arc::new(SystemClock),
            bus,
            registry: &mut Registry::default(),
        })?;
        let began = Instant::now();
        while pipeline.cameras().statuses().iter().any(|status| status.last_look_at.is_none()) {
            ensure!(began.elapsed() < PATIENCE, "not every camera came up");
            tokio::time::sleep(Duration::from_millis(100)).await;
            while batches.try_recv().is_ok() {}
        }
        let (before, from) = (cpu::of_process(), Instant::now());
        let mut looks = 0;
        while from.elapsed() < MEASURED {
            tokio::time::sleep(Duration::from_millis(100)).await;
            while let Ok(batch) = batches.try_recv() {
                looks += batch.to_frames()?.len() as u64;
            }
        }
        let cpu_seconds = cpu::of_process().saturating_sub(before).as_secs_f64();
        let spent = Spent { cpu_seconds, wall_seconds: from.elapsed().as_secs_f64(), frames: looks, looks };
        pipeline.shutdown().await;
        Ok(spent)
    })
}

fn theirs(python: &Path, root: &Path, way: &str, model: &Path, farm: &FarmProcess) -> anyhow::Result<Spent> {
    let urls = farm.cameras.iter().take(THEIR_CAMERAS).map(|(_, url)| url.as_str());
    let output = Command::new(python)
        .arg(root.join("benches/comparators/watch.py"))
        .arg(way)
        .arg("--model")
        .arg(model.join("model.onnx"))
        .args(["--interval", &LOOK_INTERVAL.as_secs().to_string()])
        .args(["--seconds", &MEASURED.as_secs().to_string()])
        .args(urls)
        .output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    let failure = || format!("{way} failed: {}", String::from_utf8_lossy(&output.stderr));
    let line = said.lines().last().with_context(failure)?;
    serde_json::from_str(line).with_context(failure)
}

/// A Python with what the comparators need; made once.
#[allow(clippy::print_stdout, reason = "a bench speaks to its caller")]
fn install(root: &Path) -> anyhow::Result<PathBuf> {
    let folder = root.join(".citybrain/comparators");
    let python = folder.join("bin/python");
    let wanted = root.join("benches/comparators/requirements.txt");
    let done = folder.join("installed.txt");
    if std::fs::read(&done).ok() == Some(std::fs::read(&wanted)?) {
        return Ok(python);
    }
    println!(
        "installing the comparators (OpenCV, supervision, OpenVINO; some 500 MB) into {}",
        folder.display()
    );
    run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "--requirement"]).arg(&wanted))?;
    std::fs::copy(&wanted, &done)?;
    Ok(python)
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status().with_context(|| format!("{command:?} does not start"))?;
    ensure!(status.success(), "{command:?} failed: python3-venv and access to the package index are needed");
    Ok(())
}
