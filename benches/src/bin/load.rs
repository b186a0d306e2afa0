//! `./x bench load`: what becomes of looks at 80, 100 and 150 % of what one worker can do.
//!
//! Open loop: every camera's keyframes come at moments planned beforehand, whether the pipeline keeps up or not, and a
//! look's age is counted from the planned moment to the moment its answer is on the bus, so a stall that holds up the
//! feeding is counted too. A third of the demand is fire (a look every 2 s), the rest waterlogging (every 10 s); a tenth of
//! the cameras stalls halfway, every 20 s all keyframes come at once, and every 15 s the bus is not read for 300 ms.
//!
//! What one worker can do is measured first in the same run, and so are the bare parts of a look: the physical limit.
//! `CITYBRAIN_BENCH_LOAD_SECS` is how long each load is held (default 60; the bar speaks of 600).
#![forbid(unsafe_code)]

use anyhow::ensure;
use bytes::Bytes;
use citybrain_benches::bare::Bare;
use citybrain_benches::city::{city, nowhere};
use citybrain_benches::fed::FedStages;
use citybrain_benches::figure::{Bar, Figure};
use citybrain_benches::{footage, memory};
use citybrain_ingest_config::City;
use citybrain_models::{Manifest, Runtime};
use citybrain_types::{CameraId, Clock, EventKind, FrameOutcome, Label, SystemClock};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const SIZE: (u32, u32) = (640, 360);
const SCENES: u64 = 12;
const FIRE_EVERY: Duration = Duration::from_secs(2);
const SLOW_EVERY: Duration = Duration::from_secs(10);
/// Share of the demand that is fire.
const FIRE_SHARE: f64 = 0.3;
const KEYFRAME_EVERY: Duration = Duration::from_secs(1);
const LOADS: [f64; 3] = [0.8, 1.0, 1.5];
const CALIBRATED: Duration = Duration::from_secs(15);
/// After this the schedule has found its stretch, and measuring begins.
const SETTLED: Duration = Duration::from_secs(25);
const BURST_EVERY: u64 = 20;
const BUS_STOPS_EVERY: u64 = 15;
const BUS_STOPS_FOR: Duration = Duration::from_millis(300);
const WATERLOGGING: &str = "waterlogging";
const LOAD_SECS: &str = "CITYBRAIN_BENCH_LOAD_SECS";

struct Setup {
    model: PathBuf,
    manifest: Manifest,
    runtime: Runtime,
    /// Of each scene two keyframes.
    footage: Vec<[Bytes; 2]>,
    data: tempfile::TempDir,
}

impl Setup {
    fn keyframes(&self) -> Vec<Bytes> {
        self.footage.iter().flatten().cloned().collect()
    }
}

/// What one load gave.
struct Outcome {
    load: f64,
    /// Planned moment to bus, in seconds, by kind; sorted.
    ages: BTreeMap<EventKind, Vec<f64>>,
    cameras: BTreeMap<EventKind, usize>,
    looks_per_sec: f64,
    unseen: usize,
    memory_grew: f64,
    span: Duration,
}

#[allow(clippy::print_stdout, reason = "a bench speaks to its caller")]
fn main() -> anyhow::Result<()> {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/zoo/street-lite0");
    let manifest = Manifest::read(&model)?;
    let footage = footage::h264_scenes(SIZE.0, SIZE.1, SCENES)?;
    let setup = Setup { model, manifest, runtime: Runtime::load(None)?, footage, data: tempfile::tempdir()? };
    let secs = std::env::var(LOAD_SECS).ok().and_then(|secs| secs.parse().ok()).unwrap_or(60);
    let mut bare = Bare::open(&setup.model, &setup.manifest, &setup.runtime)?;
    let parts = bare.measure(&setup.keyframes())?;
    let capacity = calibrate(&setup)?;
    println!(
        "one worker does {capacity:.1} looks a second; the bare parts alone would do {:.1}",
        1e3 / parts.sum()
    );
    println!("load | kind | cameras | looks | p50 s | p99 s | p99.9 s | late | interval stretched");
    let mut outcomes = Vec::new();
    for load in LOADS {
        let outcome = hold(&setup, load, capacity, Duration::from_secs(secs))?;
        outcome.tell();
        outcomes.push(outcome);
    }
    // The machine may have become slower or faster meanwhile.
    let bare_again = bare.measure(&setup.keyframes())?;
    let limit = 1e3 / parts.sum().midpoint(bare_again.sum());
    figures(&outcomes, limit).iter().for_each(|figure| println!("{figure}"));
    Ok(())
}

fn figures(outcomes: &[Outcome], limit: f64) -> Vec<Figure> {
    let (fire, slow) = (EventKind::new(EventKind::FIRE), EventKind::new(WATERLOGGING));
    let worst = |of: &dyn Fn(&Outcome) -> f64| outcomes.iter().map(of).fold(f64::MIN, f64::max);
    let at = |load: f64| outcomes.iter().find(|outcome| outcome.load.total_cmp(&load).is_eq());
    let most = |name, value, unit, bar| Figure { name, value, unit, bar: Bar::AtMost(bar) };
    let least = |name, value, unit, bar| Figure { name, value, unit, bar: Bar::AtLeast(bar) };
    let over = |of: &dyn Fn(&Outcome) -> f64| at(1.5).map_or(f64::NAN, of);
    let goodput =
        at(1.5).zip(at(1.0)).map_or(f64::NAN, |(over, full)| over.looks_per_sec / full.looks_per_sec);
    vec![
        most("load_fire_p999", worst(&|o| quantile(&o.ages[&fire], 0.999)), "s", 2.0),
        most("load_fire_missed", worst(&|o| o.late(&fire, FIRE_EVERY) * 100.0), "%", 0.1),
        most("load_slow_age_150", over(&|o| quantile(&o.ages[&slow], 0.999)), "s", SLOW_EVERY.as_secs_f64()),
        most("load_slow_stretch_150", over(&|o| o.stretch(&slow, SLOW_EVERY)), "x", 4.0),
        least("load_goodput_150", goodput, "x", 0.9),
        most("load_memory_150", over(&|o| o.memory_grew), "MiB", 32.0),
        least("load_physical_share", at(1.0).map_or(f64::NAN, |o| o.looks_per_sec / limit), "x", 0.85),
    ]
}

/// The value below which this share of sorted values lies; NaN when there is none.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let index = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(index.saturating_sub(1).min(sorted.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}

impl Outcome {
    fn late(&self, kind: &EventKind, limit: Duration) -> f64 {
        let ages = &self.ages[kind];
        let late = ages.iter().filter(|age| **age > limit.as_secs_f64()).count();
        late as f64 / ages.len().max(1) as f64
    }

    fn stretch(&self, kind: &EventKind, interval: Duration) -> f64 {
        let wanted = self.cameras[kind] as f64 * self.span.as_secs_f64() / interval.as_secs_f64();
        wanted / self.ages[kind].len().max(1) as f64
    }

    #[allow(clippy::print_stdout, reason = "a bench speaks to its caller")]
    fn tell(&self) {
        for (kind, ages) in &self.ages {
            let interval = if kind.as_str() == EventKind::FIRE { FIRE_EVERY } else { SLOW_EVERY };
            println!(
                "{:>3.0} % | {kind} | {} | {} | {:.3} | {:.3} | {:.3} | {:.2} % | {:.2} x",
                self.load * 100.0,
                self.cameras[kind],
                ages.len(),
                quantile(ages, 0.5),
                quantile(ages, 0.99),
                quantile(ages, 0.999),
                self.late(kind, interval) * 100.0,
                self.stretch(kind, interval)
            );
        }
        println!(
            "      {:.1} looks a second, {} reported as not seen, memory {:+.1} MiB",
            self.looks_per_sec, self.unseen, self.memory_grew
        );
    }
}

/// Looks a second of one worker that never waits.
fn calibrate(setup: &Setup) -> anyhow::Result<f64> {
    let mut street = Street::open(setup, "calibrate", 32, 0, Duration::from_millis(200))?;
    street.run(&setup.footage, Duration::from_secs(5), Duration::from_millis(200), false, |_, _| {})?;
    let mut looks = 0_usize;
    let began = Instant::now();
    street.run(&setup.footage, CALIBRATED, Duration::from_millis(200), false, |_, _| looks += 1)?;
    let capacity = looks as f64 / began.elapsed().as_secs_f64();
    street.fed.shutdown();
    ensure!(looks > 0, "no look came out of the pipeline");
    Ok(capacity)
}

fn hold(setup: &Setup, load: f64, capacity: f64, span: Duration) -> anyhow::Result<Outcome> {
    let fires = (load * capacity * FIRE_SHARE * FIRE_EVERY.as_secs_f64()).round() as usize;
    let slows = (load * capacity * (1.0 - FIRE_SHARE) * SLOW_EVERY.as_secs_f64()).round() as usize;
    let name = format!("load-{:.0}", load * 100.0);
    let mut street = Street::open(setup, &name, fires, slows, FIRE_EVERY)?;
    street.run(&setup.footage, SETTLED, KEYFRAME_EVERY, true, |_, _| {})?;
    let (fire, slow) = (EventKind::new(EventKind::FIRE), EventKind::new(WATERLOGGING));
    let mut ages = BTreeMap::from([(fire.clone(), Vec::new()), (slow.clone(), Vec::new())]);
    let (memory_before, began, unseen) = (memory::resident()?, Instant::now(), street.unseen);
    street.run(&setup.footage, span, KEYFRAME_EVERY, true, |camera, age| {
        let kind = if camera.as_str().starts_with("fire") { &fire } else { &slow };
        if let Some(ages) = ages.get_mut(kind) {
            ages.push(age.as_secs_f64());
        }
    })?;
    let span = began.elapsed();
    let grew = (memory::resident()? as f64 - memory_before as f64) / f64::from(1 << 20);
    let unseen = street.unseen - unseen;
    street.fed.shutdown();
    ages.values_mut().for_each(|ages| ages.sort_by(f64::total_cmp));
    let looks = ages.values().map(Vec::len).sum::<usize>();
    Ok(Outcome {
        load,
        ages,
        cameras: BTreeMap::from([(fire, fires), (slow, slows)]),
        looks_per_sec: looks as f64 / span.as_secs_f64(),
        unseen,
        memory_grew: grew,
        span,
    })
}

/// The look stages with cameras whose keyframes come by the clock.
struct Street {
    fed: FedStages,
    unseen: usize,
    stalled: bool,
}

impl Street {
    fn open(setup: &Setup, name: &str, fires: usize, slows: usize, every: Duration) -> anyhow::Result<Self> {
        let city = two_kinds(setup, name, fires, slows, every)?;
        Ok(Self { fed: FedStages::open(city, &setup.runtime)?, unseen: 0, stalled: false })
    }

    /// Feeds for `span`; `looked` hears of each answer, with its age since the planned moment of its keyframe.
    fn run(
        &mut self,
        footage: &[[Bytes; 2]],
        span: Duration,
        every: Duration,
        disturbed: bool,
        mut looked: impl FnMut(&CameraId, Duration),
    ) -> anyhow::Result<()> {
        let (began, began_at) = (Instant::now(), SystemClock.now());
        let count = self.fed.slots.len().max(1) as u32;
        let mut next: Vec<Duration> = (0..count).map(|n| every * n / count).collect();
        while began.elapsed() < span {
            let now = began.elapsed();
            self.stalled |= disturbed && now > span / 2;
            for (index, due) in next.iter_mut().enumerate() {
                while planned(*due, disturbed) <= now {
                    let at = began_at.plus(planned(*due, disturbed));
                    *due += every;
                    if self.stalled && index % 10 == 9 {
                        continue;
                    }
                    let turn = due.as_micros() / every.as_micros().max(1);
                    self.fed.put(index, picture_of(footage, index, turn).clone(), at);
                }
            }
            let bus_stops = disturbed && now.as_secs() % BUS_STOPS_EVERY == BUS_STOPS_EVERY - 1;
            if !bus_stops || Duration::from_nanos(now.subsec_nanos().into()) > BUS_STOPS_FOR {
                self.read(&mut looked)?;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    fn read(&mut self, looked: &mut impl FnMut(&CameraId, Duration)) -> anyhow::Result<()> {
        while let Ok(batch) = self.fed.bus.try_recv() {
            let now = SystemClock.now();
            for frame in batch.to_frames()? {
                match frame.outcome {
                    FrameOutcome::Analysed => looked(&frame.camera, now.since(frame.captured_at)),
                    _ => self.unseen += 1,
                }
            }
        }
        Ok(())
    }
}

/// A camera's own scene, in which something moves: one that jumps about or stands still is a fault, and not looked at.
fn picture_of(footage: &[[Bytes; 2]], camera: usize, turn: u128) -> &Bytes {
    &footage[camera % footage.len()][usize::from(turn.is_multiple_of(2))]
}

/// When a keyframe comes: in the second of a burst all come at its beginning.
fn planned(due: Duration, disturbed: bool) -> Duration {
    let second = due.as_secs();
    if disturbed && second.is_multiple_of(BURST_EVERY) { Duration::from_secs(second) } else { due }
}

/// So many cameras that look for fire, and so many that look for standing water.
fn two_kinds(setup: &Setup, name: &str, fires: usize, slows: usize, every: Duration) -> anyhow::Result<City> {
    let ids = (0..fires).map(|n| format!("fire-{n:04}")).chain((0..slows).map(|n| format!("slow-{n:04}")));
    let cameras: Vec<_> =
        ids.map(|id| CameraId::new(id).map(|id| (id, nowhere()))).collect::<Result<_, _>>()?;
    let labels = [Label::new("fire"), Label::new("smoke")];
    let mut city = city(&setup.data.path().join(name), &setup.model, &labels, every, cameras);
    let slow = EventKind::new(WATERLOGGING);
    let fire = city.kinds.values().next().cloned();
    if let Some(fire) = fire {
        let water = citybrain_ingest_config::resolved::Kind {
            kind: slow.clone(),
            labels: BTreeSet::from([Label::new("waterlogging")]),
            look_interval: SLOW_EVERY,
            pre_alarm: false,
            ..fire
        };
        city.kinds.insert(slow.clone(), water);
    }
    for (id, camera) in &mut city.cameras {
        if id.as_str().starts_with("slow") {
            camera.kinds = BTreeSet::from([slow.clone()]);
        }
    }
    Ok(city)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_the_value_below_which_that_share_lies() {
        let values: Vec<f64> = (1..=1_000).map(f64::from).collect();
        assert!((quantile(&values, 0.5) - 500.0).abs() < 1e-9);
        assert!((quantile(&values, 0.999) - 999.0).abs() < 1e-9);
        assert!(quantile(&[], 0.5).is_nan());
    }
}
