//! `./x bench connections`: what a connected camera costs that is received, parsed and classified, and never decoded.
//!
//! A farm in a process of its own serves rendered 1080p streets at 25 frames a second; this process takes them in as a
//! city does, up to the mailboxes. CPU time and resident memory are read at 100, 500, 1,000 and 2,000 cameras, in
//! turn, and compared with an empty process and with each other: cost must grow with the number of cameras and no
//! faster. At 1,000 it is held for longer, and every connection that is lost counts.
//!
//! `CITYBRAIN_BENCH_HOLD_SECS` is how long (default 60; the bar speaks of 600).
#![forbid(unsafe_code)]

use anyhow::ensure;
use citybrain_benches::city::city;
use citybrain_benches::farm_process::{FarmProcess, serve_if_asked};
use citybrain_benches::figure::{Bar, Figure};
use citybrain_benches::{cpu, memory};
use citybrain_pipeline::camera_board::CameraBoard;
use citybrain_pipeline::capture::{Capture, CaptureMetrics, CaptureParts};
use citybrain_pipeline::open_files;
use citybrain_pipeline::schedule::Mailboxes;
use citybrain_types::{CameraDirectory, CameraState, Clock, Label, SystemClock};
use prometheus_client::registry::Registry;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

const SIZE: (u32, u32) = (1920, 1080);
/// The bar asks for 500 kbit/s or more.
const KBPS: u32 = 600;
const COUNTS: [usize; 4] = [100, 500, 1_000, 2_000];
/// The count that the bars speak of.
const HELD: usize = 1_000;
const MEASURED: Duration = Duration::from_secs(20);
const UP_WITHIN: Duration = Duration::from_secs(180);
const HOLD_SECS: &str = "CITYBRAIN_BENCH_HOLD_SECS";

/// What so many cameras cost.
struct Cost {
    cameras: usize,
    up_after: Duration,
    cores: f64,
    bytes: u64,
    reconnects: u64,
    lost: usize,
    span: Duration,
}

#[allow(clippy::print_stdout, reason = "a bench speaks to its caller")]
fn main() -> anyhow::Result<()> {
    if serve_if_asked()? {
        return Ok(());
    }
    let most = COUNTS.into_iter().max().unwrap_or_default();
    open_files::allow(most);
    let farm = FarmProcess::of_streets(most, SIZE, KBPS)?;
    println!(
        "{most} cameras are served: {SIZE:?} H.264, 25 frames a second, near {KBPS} kbit/s, a keyframe every 2 s"
    );
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let empty = memory::resident()?;
    println!(
        "cameras | up after s | cores | ms a second and camera | MiB each | reconnects in s | not live at the end"
    );
    let mut costs = Vec::new();
    for count in COUNTS {
        let hold = std::env::var(HOLD_SECS)
            .ok()
            .and_then(|secs| secs.parse().ok())
            .map_or(MEASURED * 3, Duration::from_secs);
        let span = if count == HELD { hold } else { MEASURED };
        let cost = runtime.block_on(measure(&farm, count, span))?;
        let each = cost.bytes.saturating_sub(empty) as f64 / count as f64 / f64::from(1 << 20);
        println!(
            "{count:>7} | {:>10.1} | {:>5.3} | {:>22.3} | {each:>8.3} | {} in {:.0} | {}",
            cost.up_after.as_secs_f64(),
            cost.cores,
            cost.cores * 1e3 / count as f64,
            cost.reconnects,
            cost.span.as_secs_f64(),
            cost.lost
        );
        costs.push(cost);
    }
    figures(&costs, empty).iter().for_each(|figure| println!("{figure}"));
    Ok(())
}

fn figures(costs: &[Cost], empty: u64) -> Vec<Figure> {
    let at = |cameras: usize| costs.iter().find(|cost| cost.cameras == cameras);
    let each = |cost: &Cost| cost.cores / cost.cameras as f64;
    let held = |of: fn(&Cost, u64) -> f64| at(HELD).map_or(f64::NAN, |cost| of(cost, empty));
    let growth = at(2_000).zip(at(500)).map_or(f64::NAN, |(many, few)| each(many) / each(few));
    let figure = |name, value, unit, bar| Figure { name, value, unit, bar: Bar::AtMost(bar) };
    vec![
        figure("connections_1000_cpu", held(|cost, _| cost.cores), "cores", 1.0),
        figure(
            "connections_1000_memory",
            held(|cost, empty| {
                cost.bytes.saturating_sub(empty) as f64 / cost.cameras as f64 / f64::from(1 << 20)
            }),
            "MiB/camera",
            0.5,
        ),
        figure(
            "connections_1000_lost",
            held(|cost, _| cost.reconnects as f64 + cost.lost as f64),
            "disconnects",
            0.0,
        ),
        figure("connections_1000_up", held(|cost, _| cost.up_after.as_secs_f64()), "s", 60.0),
        // Cost of a camera among 2,000 against one among 500.
        figure("connections_growth", growth, "x", 1.25),
    ]
}

async fn measure(farm: &FarmProcess, count: usize, span: Duration) -> anyhow::Result<Cost> {
    let cameras = farm.cameras.iter().take(count).cloned();
    let interval = Duration::from_secs(10);
    let city = city(Path::new("."), Path::new("."), &[Label::new("fire")], interval, cameras);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let metrics = CaptureMetrics::register(&mut Registry::default());
    let board = Arc::new(CameraBoard::new(Arc::clone(&clock), metrics.clone()));
    let mailboxes = Mailboxes::default();
    let began = Instant::now();
    let capture =
        Capture::start(&city, CaptureParts { clock, board: Arc::clone(&board), metrics, mailboxes })?;
    let not_live = || board.statuses().iter().filter(|status| status.state != CameraState::Live).count();
    while not_live() > 0 {
        ensure!(began.elapsed() < UP_WITHIN, "{} of {count} cameras did not come up", not_live());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let up_after = began.elapsed();
    // Whoever reconnected while all came up has done so.
    let connects = || board.statuses().iter().map(|status| status.connects).sum::<u64>();
    let (before, cpu_before, from) = (connects(), cpu::of_process(), Instant::now());
    tokio::time::sleep(span).await;
    let spent = cpu::of_process().saturating_sub(cpu_before);
    let cost = Cost {
        cameras: count,
        up_after,
        cores: spent.as_secs_f64() / from.elapsed().as_secs_f64(),
        bytes: memory::resident()?,
        reconnects: connects() - before,
        lost: not_live(),
        span,
    };
    capture.shutdown().await;
    Ok(cost)
}
