//! `./x bench fusion`: is one happening one case, and at what speed and size.
//!
//! Three scripted streets with what happens on them known: every incident is put beside the happening it is. Then the
//! CPU time of evidence and incidents for a frame report, and the memory of a city of 11,000 cameras and 16 kinds.
#![forbid(unsafe_code)]

use anyhow::ensure;
use citybrain_benches::figure::{Bar, Figure};
use citybrain_benches::happenings::{Dice, Script, on_street};
use citybrain_benches::{cpu, memory};
use citybrain_dispatcher::evidence::Evidence;
use citybrain_dispatcher::incident::{Incident, IncidentChange, Incidents, Plane};
use citybrain_ingest_config::City;
use citybrain_ingest_config::resolved::Camera;
use citybrain_types::{
    BoundingBox, CameraId, Detection, EventKind, FrameDetections, FrameOutcome, IncidentId, Label, ModelId,
    Score, StageTimes, Timestamp,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

const SEEDS: [u64; 3] = [1, 2, 3];
const HAPPENINGS: usize = 240;
/// An incident this far from every happening, in metres, is none of them.
const STRAY_M: f64 = 60.0;
const SPEED_CAMERAS: usize = 2_000;
const SPEED_ROUNDS: u64 = 200;
const CITY_CAMERAS: usize = 11_000;
const CITY_KINDS: usize = 16;

#[allow(clippy::print_stdout, reason = "a bench speaks to its caller")]
fn main() -> anyhow::Result<()> {
    let mut figures = street_figures()?;
    figures.push(speed());
    figures.push(city_memory()?);
    for figure in &figures {
        println!("{figure}");
    }
    ensure!(figures.iter().all(Figure::is_ok), "a figure fell short of its bar");
    Ok(())
}

/// What became of the happenings of all streets.
#[derive(Debug, Default)]
struct Tally {
    happenings: usize,
    duplicates: usize,
    merged: usize,
    missed: usize,
    strays: usize,
    /// For each camera's part in an incident: precision and recall.
    precision: Vec<f64>,
    recall: Vec<f64>,
}

#[allow(clippy::print_stdout, reason = "a bench speaks to its caller")]
fn street_figures() -> anyhow::Result<Vec<Figure>> {
    let mut tally = Tally::default();
    for seed in SEEDS {
        let mut script = Script::new(seed, HAPPENINGS);
        ensure!(script.happenings.len() >= 200, "only {} happenings fit", script.happenings.len());
        let incidents = play(&mut script);
        judge(&script, &incidents, &mut tally);
    }
    let all = tally.happenings as f64;
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (p, r) = (mean(&tally.precision), mean(&tally.recall));
    println!(
        "{} happenings on {} streets: {} duplicates, {} merged, {} missed, {} cases where nothing was",
        tally.happenings,
        SEEDS.len(),
        tally.duplicates,
        tally.merged,
        tally.missed,
        tally.strays
    );
    let percent = |count: usize| 100.0 * count as f64 / all;
    let figure = |name, value, unit, bar| Figure { name, value, unit, bar };
    Ok(vec![
        figure("fusion_duplicates", percent(tally.duplicates), "%", Bar::AtMost(1.0)),
        figure("fusion_merged", percent(tally.merged), "%", Bar::AtMost(1.0)),
        figure("fusion_missed", percent(tally.missed), "%", Bar::AtMost(2.0)),
        figure("fusion_strays", percent(tally.strays), "%", Bar::AtMost(1.0)),
        figure("fusion_bcubed_f1", 2.0 * p * r / (p + r), "F1", Bar::AtLeast(0.98)),
    ])
}

/// Every incident as it stood last; withdrawn alarms are none.
fn play(script: &mut Script) -> BTreeMap<IncidentId, Incident> {
    let city = script.city();
    let mut incidents = Incidents::new(&city, []);
    let mut evidence = Evidence::new(Arc::new(city), []);
    let mut last: BTreeMap<IncidentId, Incident> = BTreeMap::new();
    while let Some(frames) = script.reports() {
        for frame in frames {
            for change in incidents.take(&evidence.judge(&frame).look) {
                match change {
                    IncidentChange::Opened { incident, .. }
                    | IncidentChange::Seen(incident)
                    | IncidentChange::Confirmed { incident, .. }
                    | IncidentChange::Over { incident, .. } => {
                        last.insert(incident.id.clone(), incident);
                    }
                    IncidentChange::Withdrawn { incident, .. } => {
                        last.remove(&incident.id);
                    }
                    IncidentChange::Remembered(_)
                    | IncidentChange::Forgotten(_)
                    | IncidentChange::Held { .. } => {}
                }
            }
        }
    }
    last.retain(|_, incident| incident.kind.as_str() != EventKind::CAMERA_FAULT);
    last
}

/// Puts incidents beside happenings; the items of B³ are the parts that cameras have in incidents.
fn judge(script: &Script, incidents: &BTreeMap<IncidentId, Incident>, tally: &mut Tally) {
    let mut city_script = Script::new(0, 1);
    let city = city_script.city();
    let Some(plane) = Plane::of(&city) else { return };
    let mut items: Vec<(&IncidentId, usize)> = Vec::new();
    for (id, incident) in incidents {
        for (camera, member) in &incident.members {
            let place = plane.locate(&city.cameras[camera], &member.place);
            let at = place.map(|place| on_street(plane.position(place)));
            let look = script.look_at(incident.first_seen_at.max(incident.opened_at));
            let nearest = at.and_then(|at| script.nearest(&incident.kind, at, look));
            match nearest.filter(|(_, away)| *away <= STRAY_M) {
                Some((happening, _)) => items.push((id, happening)),
                None => tally.strays += 1,
            }
        }
    }
    let count =
        |matches: &dyn Fn(&(&IncidentId, usize)) -> bool| items.iter().filter(|item| matches(item)).count();
    for item in &items {
        let both = count(&|other| other == item) as f64;
        tally.precision.push(both / count(&|other| other.0 == item.0) as f64);
        tally.recall.push(both / count(&|other| other.1 == item.1) as f64);
    }
    // The happening an incident is: that of most of its parts.
    let mut is: BTreeMap<&IncidentId, BTreeMap<usize, usize>> = BTreeMap::new();
    for (id, happening) in &items {
        *is.entry(id).or_default().entry(*happening).or_default() += 1;
    }
    let mut cases: BTreeMap<usize, usize> = BTreeMap::new();
    for parts in is.values() {
        if let Some((happening, _)) = parts.iter().max_by_key(|(n, count)| (**count, usize::MAX - **n)) {
            *cases.entry(*happening).or_default() += 1;
        }
    }
    if std::env::var_os("CITYBRAIN_BENCH_DETAIL").is_some() {
        detail(script, incidents, &items);
    }
    let touched: BTreeSet<usize> = items.iter().map(|(_, happening)| *happening).collect();
    tally.happenings += script.happenings.len();
    tally.duplicates += cases.values().map(|count| count - 1).sum::<usize>();
    tally.merged += touched.iter().filter(|happening| !cases.contains_key(happening)).count();
    tally.missed += (0..script.happenings.len()).filter(|n| !touched.contains(n)).count();
}

/// What went wrong, for whoever looks into it.
#[allow(clippy::print_stdout, reason = "it was asked for")]
fn detail(script: &Script, incidents: &BTreeMap<IncidentId, Incident>, items: &[(&IncidentId, usize)]) {
    for (n, happening) in script.happenings.iter().enumerate() {
        let cases: BTreeSet<&IncidentId> =
            items.iter().filter(|item| item.1 == n).map(|item| item.0).collect();
        if cases.len() != 1 {
            println!("{n} {happening:?}");
            for id in cases {
                let incident = &incidents[id];
                let (from, to) = (script.look_at(incident.opened_at), script.look_at(incident.last_seen_at));
                println!(
                    "    {id} looks {from} to {to}, {:?} {:?}",
                    incident.standing,
                    incident.members.keys()
                );
            }
        }
    }
}

/// Frame reports a second that one core takes through evidence and incidents.
fn speed() -> Figure {
    let city = big_city(SPEED_CAMERAS, 4);
    let mut dice = Dice::new(7);
    let cameras: Vec<CameraId> = city.cameras.keys().cloned().collect();
    let kinds: Vec<EventKind> = kinds(4);
    let mut incidents = Incidents::new(&city, []);
    let mut evidence = Evidence::new(Arc::new(city), []);
    let (mut spent, mut reports) = (Duration::ZERO, 0_u64);
    for round in 0..SPEED_ROUNDS {
        let frames: Vec<FrameDetections> =
            cameras.iter().map(|camera| report(camera, round, &kinds, &mut dice)).collect();
        let before = cpu::of_thread();
        for frame in &frames {
            std::hint::black_box(incidents.take(&evidence.judge(frame).look));
        }
        spent += cpu::of_thread() - before;
        reports += frames.len() as u64;
    }
    let value = reports as f64 / spent.as_secs_f64();
    Figure { name: "fusion_reports_per_core", value, unit: "/s", bar: Bar::AtLeast(200_000.0) }
}

/// A report as cities have them: nine in ten find nothing, one in a hundred finds a hit, and a few cameras see something
/// that stays.
fn report(camera: &CameraId, round: u64, kinds: &[EventKind], dice: &mut Dice) -> FrameDetections {
    let stays = camera.as_str().ends_with("77");
    let score = match dice.share() {
        _ if stays => Some(0.95),
        share if share < 0.01 => Some(0.7),
        share if share < 0.1 => Some(0.2),
        _ => None,
    };
    let place =
        if stays { (0.5, 0.5) } else { (dice.between(0.1, 0.9) as f32, dice.between(0.1, 0.9) as f32) };
    let found = score.and_then(|score| found(&kinds[0], score, place));
    frame(camera, round, kinds, found.into_iter().collect())
}

/// Resident memory that evidence and incidents of a whole city take, every kind with a place that is followed.
fn city_memory() -> anyhow::Result<Figure> {
    let city = big_city(CITY_CAMERAS, CITY_KINDS);
    let kinds = kinds(CITY_KINDS);
    let cameras: Vec<CameraId> = city.cameras.keys().cloned().collect();
    let city = Arc::new(city);
    let before = memory::resident()?;
    let mut incidents = Incidents::new(&city, []);
    let mut evidence = Evidence::new(Arc::clone(&city), []);
    for round in 0..2 {
        for camera in &cameras {
            let found = kinds.iter().filter_map(|kind| found(kind, 0.7, (0.5, 0.5))).collect();
            incidents.take(&evidence.judge(&frame(camera, round, &kinds, found)).look);
        }
    }
    let value = memory::resident()?.saturating_sub(before) as f64 / f64::from(1 << 20);
    drop((incidents, evidence));
    Ok(Figure { name: "fusion_memory_11000x16", value, unit: "MiB", bar: Bar::AtMost(512.0) })
}

fn kinds(count: usize) -> Vec<EventKind> {
    (0..count).map(|n| EventKind::new(format!("kind_{n}"))).collect()
}

/// A city of cameras that look for so many kinds, laid out in a grid.
fn big_city(cameras: usize, count: usize) -> City {
    let mut script = Script::new(0, 1);
    let mut city = script.city();
    let pattern: Camera = city.cameras.values().next().expect("there is one").clone();
    let row = city.kinds.values().next().expect("there is one").clone();
    city.kinds = kinds(count)
        .into_iter()
        .map(|kind| (kind.clone(), citybrain_ingest_config::resolved::Kind { kind, ..row.clone() }))
        .collect();
    let wanted: BTreeSet<EventKind> = kinds(count).into_iter().collect();
    let camera = |n: usize| {
        let id = CameraId::new(format!("camera-{n:05}")).expect("it is an id");
        let position = Some([121.0 + (n % 100) as f64 * 0.001, 31.0 + (n / 100) as f64 * 0.001]);
        let (id, kinds, view) = (id, wanted.clone(), Default::default());
        (id.clone(), Camera { id, kinds, position, view, ..pattern.clone() })
    };
    city.cameras = (0..cameras).map(camera).collect();
    city
}

fn found(kind: &EventKind, score: f32, (x, y): (f32, f32)) -> Option<Detection> {
    let bbox = BoundingBox::clipped(x - 0.05, y - 0.05, x + 0.05, y + 0.05)?;
    Some(Detection {
        kind: kind.clone(),
        label: Label::new("thing"),
        score: Score::new(score)?,
        bbox,
        change: None,
    })
}

fn frame(camera: &CameraId, round: u64, kinds: &[EventKind], detections: Vec<Detection>) -> FrameDetections {
    let captured_at = Timestamp::from_millis(1_780_000_000_000).plus(Duration::from_secs(2 * round));
    FrameDetections {
        camera: camera.clone(),
        sequence: round + 1,
        captured_at,
        model: ModelId::new("script-1").expect("it is an id"),
        outcome: FrameOutcome::Analysed,
        asked: None,
        looked_for: kinds.to_vec(),
        detections,
        snapshots: None,
        snapshot_lost: false,
        stages: StageTimes { detected_at: captured_at, ..StageTimes::default() },
    }
}
