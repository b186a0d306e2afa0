//! `./x bench what-if`: sixteen policies over a log of ten million detections, beside DuckDB's plain counts of the same
//! thresholds on the same files; and what the log costs to write and to keep.
//!
//! The log is made once, through the writer that a city uses, and kept below `target/`.
#![forbid(unsafe_code)]

use anyhow::{Context, ensure};
use citybrain_benches::cpu;
use citybrain_benches::figure::{Bar, Figure};
use citybrain_benches::happenings::Dice;
use citybrain_dispatcher::log::{LogStore, LogWriter, compact_all};
use citybrain_dispatcher::policy::rules::{Numbers, Policy};
use citybrain_dispatcher::tune::{Asked, Proposal, Scope, Truth, WhatIf};
use citybrain_ingest_config::City;
use citybrain_types::{
    BoundingBox, CameraId, Detection, DetectionBatch, EventKind, FrameDetections, FrameOutcome, Label,
    ModelId, Score, SnapshotRef, Snapshots, StageTimes, Timestamp,
};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

const CAMERAS: usize = 250;
const DISTRICTS: usize = 10;
const DETECTIONS: u64 = 10_000_000;
const POLICIES: usize = 16;
/// A frame of the simulated street has 2.9 detections above the floor; so have these, nearly.
const SPOTS: usize = 6;
/// Frames that come over the bus at once: a tenth of a second of the city.
const BATCH: usize = 13;
/// Detections a second that the cost of writing is told for.
const RATE: f64 = 500.0;
/// Detections of the log that writing is timed with.
const TIMED: u64 = 200_000;
const START: Timestamp = Timestamp::from_millis(1_790_000_000_000);

#[allow(clippy::print_stdout, reason = "a bench speaks to its caller")]
fn main() -> anyhow::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the benches lie in the repository")?;
    let python = install(root)?;
    let city = Arc::new(city()?);
    let mut figures = writing(&city)?;
    let log = root.join("target/what-if-log");
    let size = made(&city, &log)?;
    figures.push(figure("log_bytes_per_detection", size as f64 / DETECTIONS as f64, "B", Bar::AtMost(24.0)));
    let policies = policies();
    let (first, whole) = what_if(&city, &log, &policies)?;
    figures.push(figure("what_if_16_policies", whole.as_secs_f64(), "s", Bar::AtMost(5.0)));
    figures.push(figure("what_if_first_curve", first.as_secs_f64(), "s", Bar::AtMost(1.0)));
    let counts = duckdb(root, &python, &log, &policies)?;
    println!(
        "DuckDB counts {} detections of {} cameras under the same thresholds in {:.3} s; what-if takes {:.1} times that, \
         and keeps evidence and incidents for each of them",
        counts.counted,
        counts.cameras,
        counts.secs,
        whole.as_secs_f64() / counts.secs
    );
    for figure in &figures {
        println!("{figure}");
    }
    ensure!(figures.iter().all(Figure::is_ok), "a figure fell short of its bar");
    Ok(())
}

const fn figure(name: &'static str, value: f64, unit: &'static str, bar: Bar) -> Figure {
    Figure { name, value, unit, bar }
}

/// 250 cameras in ten districts that look for everything in the built-in catalogue.
fn city() -> anyhow::Result<City> {
    let addresses: Vec<String> = (0..CAMERAS).map(|n| format!("rtsp://127.0.0.1:9/{n}")).collect();
    let mut city = City::for_cameras(&addresses, Path::new("unused"), Vec::new())?;
    for (n, camera) in city.cameras.values_mut().enumerate() {
        camera.area = Some(format!("district-{}", n % DISTRICTS));
    }
    Ok(city)
}

/// Hit scores of fire from 0.30 to 0.75, the one in force beside them.
fn policies() -> Vec<Proposal> {
    let policy = |n: usize| {
        let score = (30.0 + 3.0 * n as f64) / 100.0;
        let set = Numbers { hit_score: Some(score), ..Numbers::default() };
        let rules = vec![Scope::City.rule(EventKind::new("fire"), set)];
        Proposal { name: format!("fire {score:.2}"), policy: Policy { rules, ..Policy::default() } }
    };
    (0..POLICIES).map(policy).collect()
}

/// What one camera shows: spots that the model half takes for something, and now and then an episode.
struct Scene {
    camera: CameraId,
    dice: Dice,
    spots: [(usize, [f64; 4]); SPOTS],
    noise: f64,
    episode: Option<(usize, f64, u32)>,
    sequence: u64,
    phase_us: i64,
}

const KINDS: [(&str, &str); 4] = [
    ("fire", "smoke"),
    ("littering", "litter"),
    ("waterlogging", "waterlogging"),
    ("illegal_construction", "machinery"),
];

impl Scene {
    fn new(n: usize, camera: CameraId) -> Self {
        let mut dice = Dice::new(n as u64 + 1);
        let spots = std::array::from_fn(|_| {
            let (x, y) = (dice.between(0.05, 0.85), dice.between(0.05, 0.85));
            let (w, h) = (dice.between(0.02, 0.12), dice.between(0.02, 0.12));
            ((dice.next() % 4) as usize, [x, y, x + w, y + h])
        });
        let noise = dice.between(0.1, 0.75);
        let phase_us = (dice.share() * 2e6) as i64;
        Self { camera, dice, spots, noise, episode: None, sequence: START.as_micros() as u64, phase_us }
    }

    fn look(&mut self, round: i64) -> FrameDetections {
        let dice = &mut self.dice;
        let captured =
            START.as_micros() + round * 2_000_000 + self.phase_us + (dice.about_zero() * 3_000.0) as i64;
        let mut at = captured;
        let mut later = |from: f64, to: f64| {
            at += (dice.between(from, to) * 1_000.0) as i64;
            Timestamp::from_micros(at)
        };
        let stages = StageTimes {
            received_at: later(20.0, 45.0),
            scheduled_at: later(0.05, 8.0),
            decoded_at: later(3.0, 6.0),
            detected_at: later(8.0, 12.0),
        };
        let mut detections = Vec::new();
        for (kind, spot) in self.spots {
            if self.dice.share() < self.noise {
                // Most of what lies above the floor lies just above it.
                let score = 0.05 - 0.05 * self.dice.share().max(1e-9).ln();
                detections.extend(found(&mut self.dice, kind, spot, score));
            }
        }
        self.episode = match self.episode.take() {
            Some((_, _, 0)) | None => {
                // A happening, or what looks like one, every few days of a camera.
                (self.dice.share() < 1.0 / 60_000.0).then(|| {
                    let spot = (self.dice.next() % SPOTS as u64) as usize;
                    (spot, self.dice.between(0.35, 0.95), 20 + (self.dice.next() % 200) as u32)
                })
            }
            Some((spot, score, left)) => Some((spot, score, left - 1)),
        };
        let mut hit = false;
        if let Some((spot, score, _)) = self.episode {
            let (kind, spot) = self.spots[spot];
            let score = score + 0.06 * self.dice.about_zero();
            hit = score >= 0.5;
            detections.extend(found(&mut self.dice, kind, spot, score));
        }
        self.sequence += 1;
        let picture =
            hit.then(|| SnapshotRef::new(format!("{}/{}.jpg", self.camera, self.sequence)).ok()).flatten();
        FrameDetections {
            camera: self.camera.clone(),
            sequence: self.sequence,
            captured_at: Timestamp::from_micros(captured),
            model: MODEL.clone(),
            outcome: FrameOutcome::Analysed,
            asked: None,
            looked_for: KINDS.map(|(kind, _)| EventKind::new(kind)).to_vec(),
            detections,
            snapshots: picture.map(|at| Snapshots { at, before: None }),
            snapshot_lost: false,
            stages,
        }
    }
}

static MODEL: std::sync::LazyLock<ModelId> =
    std::sync::LazyLock::new(|| ModelId::new("street-lite0-1.1.0").expect("letters and digits"));

fn found(dice: &mut Dice, kind: usize, spot: [f64; 4], score: f64) -> Option<Detection> {
    let (kind, label) = KINDS[kind];
    let [left, top, right, bottom] = spot.map(|edge| (edge + 0.002 * dice.about_zero()) as f32);
    Some(Detection {
        kind: EventKind::new(kind),
        label: Label::new(label),
        score: Score::new((score as f32).clamp(0.05, 0.999))?,
        bbox: BoundingBox::clipped(left, top, right, bottom)?,
        change: None,
    })
}

/// Writes frames as a city does, until there are so many detections; gives how many there are.
fn write(city: &City, folder: &Path, detections: u64) -> anyhow::Result<u64> {
    let mut scenes: Vec<Scene> =
        city.cameras.keys().enumerate().map(|(n, camera)| Scene::new(n, camera.clone())).collect();
    // In the order in which they come.
    scenes.sort_by_key(|scene| scene.phase_us);
    let mut writer = LogWriter::alone(folder.to_owned());
    let mut written = 0;
    for round in 0.. {
        let frames: Vec<FrameDetections> = scenes.iter_mut().map(|scene| scene.look(round)).collect();
        for batch in frames.chunks(BATCH) {
            let at = batch.last().map_or(START, |frame| frame.stages.detected_at);
            writer.write(&DetectionBatch::from_frames(batch), at)?;
            written += batch.iter().map(|frame| frame.detections.len() as u64).sum::<u64>();
        }
        if written >= detections {
            break;
        }
    }
    writer.close();
    Ok(written)
}

fn compact(city: &Arc<City>, segments: &Path, log: &Path) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let store = LogStore::folder(log)?;
    let (_, torn) = runtime.block_on(compact_all(segments, &store, city))?;
    ensure!(torn == 0, "{torn} segments were torn");
    Ok(())
}

/// What writing takes of a core at 500 detections a second: appending, and making Parquet of it.
fn writing(city: &Arc<City>) -> anyhow::Result<Vec<Figure>> {
    let folder = tempfile::tempdir()?;
    let scenes = cpu::of_process();
    let mut dry: Vec<Scene> =
        city.cameras.keys().enumerate().map(|(n, id)| Scene::new(n, id.clone())).collect();
    let mut made = 0;
    for round in 0.. {
        made += dry.iter_mut().map(|scene| scene.look(round).detections.len() as u64).sum::<u64>();
        if made >= TIMED {
            break;
        }
    }
    let scenes = cpu::of_process() - scenes;
    let started = cpu::of_process();
    let written = write(city, folder.path(), TIMED)?;
    compact(city, folder.path(), folder.path())?;
    // Making up the frames is not writing them.
    let spent = (cpu::of_process() - started).saturating_sub(scenes).as_secs_f64();
    let share = 100.0 * spent / written as f64 * RATE;
    Ok(vec![figure("log_writing_share_of_core", share, "%", Bar::AtMost(1.0))])
}

/// Makes the log where it is not there yet; gives its bytes.
#[allow(clippy::print_stdout, reason = "a bench speaks to its caller")]
fn made(city: &Arc<City>, log: &Path) -> anyhow::Result<u64> {
    let done = log.join("made.txt");
    if !done.exists() {
        println!("making a log of {DETECTIONS} detections in {}", log.display());
        if log.exists() {
            std::fs::remove_dir_all(log)?;
        }
        let segments = log.join("segments");
        std::fs::create_dir_all(&segments)?;
        let written = write(city, &segments, DETECTIONS)?;
        compact(city, &segments, log)?;
        std::fs::remove_dir_all(&segments)?;
        std::fs::write(&done, written.to_string())?;
    }
    let files = citybrain_dispatcher::log::parts(log)?;
    let mut bytes = 0;
    for part in files {
        if let citybrain_dispatcher::log::Part::Parquet(files) = part {
            for file in files {
                bytes += std::fs::metadata(file)?.len();
            }
        }
    }
    Ok(bytes)
}

/// The time to the first curve and to the whole report, the files being in memory.
#[allow(clippy::print_stdout, reason = "a bench speaks to its caller")]
fn what_if(city: &Arc<City>, log: &Path, policies: &[Proposal]) -> anyhow::Result<(Duration, Duration)> {
    let mut best: Option<(Duration, Duration)> = None;
    for round in 0..3 {
        let asked = Asked { budget: Some(0.1), ..Asked::default() };
        let what_if = WhatIf::new(Arc::clone(city), Arc::default(), asked);
        let started = Instant::now();
        let mut first = None;
        let report = what_if.run(&[log.to_owned()], policies, &Truth::default(), &mut |progress| {
            if first.is_none() && !(progress.so_far)().curves.is_empty() {
                first = Some(started.elapsed());
            }
            true
        })?;
        let whole = started.elapsed();
        ensure!(report.log.detections >= DETECTIONS, "only {} detections were read", report.log.detections);
        let first = first.context("there was no curve")?;
        if round == 0 {
            let cases: Vec<u64> = report.policies.iter().map(|own| own.all.cases).collect();
            println!("{} frames, {} detections; cases {cases:?}", report.log.frames, report.log.detections);
        } else if best.is_none_or(|(_, least)| whole < least) {
            best = Some((first, whole));
        }
    }
    best.context("there was no warm run")
}

#[derive(Deserialize)]
struct Counts {
    secs: f64,
    cameras: u64,
    counted: u64,
}

fn duckdb(root: &Path, python: &Path, log: &Path, policies: &[Proposal]) -> anyhow::Result<Counts> {
    let scores = policies.iter().flat_map(|own| &own.policy.rules).filter_map(|rule| rule.set.hit_score);
    let output = Command::new(python)
        .arg(root.join("benches/what-if/counts.py"))
        .arg(log)
        .arg("fire")
        .args(scores.map(|score| score.to_string()))
        .output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    let failure = || format!("DuckDB failed: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_str(said.lines().last().with_context(failure)?).with_context(failure)
}

/// A Python with what reads the log; made once, by the tests or here.
fn install(root: &Path) -> anyhow::Result<PathBuf> {
    let status = Command::new("bash")
        .current_dir(root)
        .args(["-c", "set -e; say() { echo \"$@\" >&2; }; . deploy/install/readers.sh; install_readers"])
        .status()?;
    ensure!(status.success(), "python3-venv and access to the package index are needed");
    Ok(root.join(".citybrain/readers/bin/python"))
}
