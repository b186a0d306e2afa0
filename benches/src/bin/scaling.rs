//! `./x bench scaling`: what a second worker adds, and what that predicts for a large city.
//!
//! Cameras ask for more looks than two workers can make (640×360, H.264, the shipped detector). With one worker and with
//! two, in turn, three things are measured: looks a second as they came out, CPU time a look, and the part of the time in
//! which the workers had something to do, running or waiting for a core. Other programs take cores away from two workers
//! more than from one; what the workers would do on a machine of their own is `workers · busy / CPU time a look`, and the
//! figure is the ratio of these. From it follows the one number of the scaling law, `X(n) = n·X(1) / (1 + σ·(n - 1))`
//! (Gunther's law without the second term, which two points cannot tell), for machines with more cores. Machines beside
//! each other share nothing but the bus.
//!
//! The city is that of the reference: 11,000 cameras, 550 of them for fire, 5,500 for litter, both connected, and 4,950
//! for construction, polled, with sub-streams of 640×360; its demand is what `citybrain plan` says, of costs that are
//! measured in this very run.
#![forbid(unsafe_code)]

use anyhow::ensure;
use bytes::Bytes;
use citybrain_benches::city::{city, nowhere};
use citybrain_benches::fed::FedStages;
use citybrain_benches::figure::{Bar, Figure, median};
use citybrain_benches::{cpu, footage};
use citybrain_ingest_config::City;
use citybrain_ingest_config::resolved::Model;
use citybrain_models::{Manifest, Runtime, SessionOptions};
use citybrain_pipeline::LoadedModels;
use citybrain_pipeline::capacity::{Capacity, Pictures, Plan};
use citybrain_types::{CameraId, Clock, FrameOutcome, SystemClock};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const SIZE: (u32, u32) = (640, 360);
const SCENES: u64 = 12;
/// With a look every 100 ms they ask for four times what two workers make.
const CAMERAS: usize = 64;
const ROUNDS: usize = 3;
const SETTLED: Duration = Duration::from_secs(3);
const MEASURED: Duration = Duration::from_secs(8);
/// Cameras of the reference city, by kind.
const REFERENCE: [(&str, usize); 3] = [("fire", 550), ("littering", 5_500), ("illegal_construction", 4_950)];
/// What `citybrain plan` plans with of each core.
const USABLE: f64 = 0.9;

struct Setup {
    model: PathBuf,
    manifest: Manifest,
    runtime: Runtime,
    /// Of each scene two keyframes.
    footage: Vec<[Bytes; 2]>,
    data: tempfile::TempDir,
}

/// What so many workers do.
#[derive(Debug, Default)]
struct Rates {
    looks_per_sec: Vec<f64>,
    cpu_ms: Vec<f64>,
    /// Looks a second on a machine of their own.
    alone: Vec<f64>,
}

#[allow(clippy::print_stdout, reason = "a bench speaks to its caller")]
fn main() -> anyhow::Result<()> {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/zoo/street-lite0");
    let manifest = Manifest::read(&model)?;
    let footage = footage::h264_scenes(SIZE.0, SIZE.1, SCENES)?;
    let setup = Setup { model, manifest, runtime: Runtime::load(None)?, footage, data: tempfile::tempdir()? };
    let cores = std::thread::available_parallelism()?.get();
    println!(
        "workers | looks a second | CPU ms a look | busy | looks a second on a machine of their own ({cores} cores)"
    );
    let mut rates = [Rates::default(), Rates::default()];
    for _ in 0..ROUNDS {
        for (workers, rates) in (1_usize..).zip(&mut rates) {
            let (looks, cpu_ms, busy) = measure(&setup, workers)?;
            let alone = workers as f64 * busy * 1e3 / cpu_ms;
            println!("{workers:>7} | {looks:>14.1} | {cpu_ms:>13.2} | {:>3.0} % | {alone:.1}", busy * 100.0);
            rates.looks_per_sec.push(looks);
            rates.cpu_ms.push(cpu_ms);
            rates.alone.push(alone);
        }
    }
    let [one, two] = &mut rates;
    let ratio = |two: &mut [f64], one: &mut [f64]| median(two) / median(one);
    let came_out = ratio(&mut two.looks_per_sec, &mut one.looks_per_sec);
    let speedup = ratio(&mut two.alone, &mut one.alone);
    let dearer = ratio(&mut two.cpu_ms, &mut one.cpu_ms);
    println!("two workers beside whatever else runs here: {came_out:.2} times the looks of one");
    predict(&setup, speedup, dearer)?;
    let figures = [
        Figure { name: "scaling_two_workers", value: speedup, unit: "x", bar: Bar::AtLeast(1.8) },
        Figure { name: "scaling_cpu_per_look", value: dearer, unit: "x", bar: Bar::AtMost(1.1) },
    ];
    figures.iter().for_each(|figure| println!("{figure}"));
    Ok(())
}

/// Looks a second, CPU milliseconds a look, and the part of the time in which each worker has something to do.
fn measure(setup: &Setup, workers: usize) -> anyhow::Result<(f64, f64, f64)> {
    let ids = (0..CAMERAS).map(|n| CameraId::new(format!("camera-{n:02}")));
    let cameras: Vec<_> = ids.map(|id| id.map(|id| (id, nowhere()))).collect::<Result<_, _>>()?;
    let folder = setup.data.path().join(workers.to_string());
    let mut city = city(&folder, &setup.model, &setup.manifest.labels, Duration::from_millis(100), cameras);
    city.pipeline.workers = workers;
    let mut fed = FedStages::open(city, &setup.runtime)?;
    let mut turn = 0;
    run(&mut fed, &setup.footage, SETTLED, &mut turn)?;
    let (began, before, busy_before) = (Instant::now(), cpu::of_process(), worked()?);
    let looks = run(&mut fed, &setup.footage, MEASURED, &mut turn)?;
    let (span, spent) = (began.elapsed(), cpu::of_process().saturating_sub(before));
    let busy = worked()?.saturating_sub(busy_before).as_secs_f64() / span.as_secs_f64() / workers as f64;
    fed.shutdown();
    ensure!(looks > 0, "no look came out of {workers} workers");
    Ok((looks as f64 / span.as_secs_f64(), spent.as_secs_f64() * 1e3 / looks as f64, busy.min(1.0)))
}

/// How long the workers' threads have run or waited for a core, from `/proc/self/task`.
fn worked() -> anyhow::Result<Duration> {
    let mut sum = Duration::ZERO;
    for task in std::fs::read_dir("/proc/self/task")?.flatten() {
        let name = std::fs::read_to_string(task.path().join("comm")).unwrap_or_default();
        if !name.starts_with("look-") {
            continue;
        }
        let times = std::fs::read_to_string(task.path().join("schedstat"))?;
        let nanos = times.split_whitespace().take(2).map(str::parse::<u64>);
        for nanos in nanos {
            sum += Duration::from_nanos(nanos?);
        }
    }
    Ok(sum)
}

/// Feeds every camera ten times a second; gives the looks that came out.
fn run(
    fed: &mut FedStages,
    footage: &[[Bytes; 2]],
    span: Duration,
    turn: &mut usize,
) -> anyhow::Result<usize> {
    let (began, mut looks) = (Instant::now(), 0);
    while began.elapsed() < span {
        *turn += 1;
        for camera in 0..fed.slots.len() {
            let of_scene = &footage[camera % footage.len()];
            fed.put(camera, of_scene[*turn % of_scene.len()].clone(), SystemClock.now());
        }
        std::thread::sleep(Duration::from_millis(100));
        while let Ok(batch) = fed.bus.try_recv() {
            looks +=
                batch.to_frames()?.iter().filter(|frame| frame.outcome == FrameOutcome::Analysed).count();
        }
    }
    Ok(looks)
}

#[allow(clippy::print_stdout, reason = "a bench speaks to its caller")]
fn predict(setup: &Setup, speedup: f64, dearer: f64) -> anyhow::Result<()> {
    let sigma = (2.0 / speedup - 1.0).max(0.0);
    let of_cores = |n: f64| n / (1.0 + sigma * (n - 1.0));
    println!(
        "sigma {sigma:.3}: one machine of 2, 4, 8, 16 cores does {:.2}, {:.2}, {:.2}, {:.2} times the looks of one core",
        of_cores(2.0),
        of_cores(4.0),
        of_cores(8.0),
        of_cores(16.0)
    );
    let city = reference_city(setup)?;
    let mut models = LoadedModels::load(&city, &setup.runtime, SessionOptions::default())?;
    let capacity = Capacity::measure(&city, models.of_one_worker())?;
    let plan = Plan::of(&city, &capacity, &Pictures::all(SIZE))?;
    // A look costs that much more where two workers share a machine.
    let demand = plan.demand.total() - plan.demand.receive;
    let asked = plan.demand.receive + demand * dearer.max(1.0);
    println!(
        "{} cameras: {:.1} looks a second, {asked:.2} CPU seconds a second ({:.2} of them receiving)",
        plan.cameras, plan.looks_per_sec, plan.demand.receive
    );
    for cores in [2.0, 4.0, 8.0, 16.0_f64] {
        let machine = of_cores(cores) * USABLE;
        println!("machines of {cores:.0} cores needed: {:.0}", (asked / machine).ceil());
    }
    Ok(())
}

/// The reference city on the built-in catalogue.
fn reference_city(setup: &Setup) -> anyhow::Result<City> {
    let mut text = String::from("[pipeline]\nworkers = 2\n");
    for (kind, count) in REFERENCE {
        for n in 0..count {
            let _ = write!(
                text,
                "[[cameras]]\nid = \"{kind}-{n}\"\nurl = \"rtsp://127.0.0.1/{kind}/{n}\"\nkinds = [\"{kind}\"]\n"
            );
        }
    }
    let file = setup.data.path().join("reference.toml");
    std::fs::write(&file, text)?;
    let mut city = citybrain_ingest_config::load(&file)?.city;
    city.models = vec![Model::of(setup.model.clone())];
    Ok(city)
}
