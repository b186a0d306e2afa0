//! The system page: load, headroom, latency of each stage, coverage of each kind, disk.

use super::page;
use crate::House;
use crate::metrics::Figures;
use crate::rows::Writer;
use crate::shell::{Frame, Visitor};
use askama::Template;
use axum::Router;
use axum::extract::{Extension, State};
use axum::response::Response;
use axum::routing::get;
use citybrain_dispatcher::Services;
use citybrain_types::EventKind;
use std::path::PathBuf;

/// Folders below the data folder that are walked at most so many entries far: a page must not walk for minutes.
const MAX_ENTRIES: usize = 20_000;

/// Its routes.
pub fn routes() -> Router<Services> {
    Router::new().route("/system", get(system))
}

#[derive(Template)]
#[template(path = "system.html")]
struct SystemPage {
    frame: Frame,
    facts: Vec<(String, String, &'static str)>,
    stages: Vec<StageRow>,
    kinds: Vec<KindRow>,
    disk: Vec<DiskRow>,
    drops: Vec<(String, f64)>,
}

struct StageRow {
    name: String,
    count: f64,
    mean: String,
    half: String,
    most: String,
}

struct KindRow {
    name: String,
    coverage: Option<u64>,
    looks: f64,
    missed: f64,
}

struct DiskRow {
    name: String,
    used: String,
    budget: String,
    percent: Option<u64>,
}

fn seconds(value: f64) -> String {
    if value < 1.0 { format!("{:.1} ms", value * 1_000.0) } else { format!("{value:.2} s") }
}

fn stages(figures: &Figures, metric: &str, writer: &Writer) -> Vec<StageRow> {
    let sums = figures.by(&format!("{metric}_sum"), "stage");
    let counts = figures.by(&format!("{metric}_count"), "stage");
    let within = |stage: &str, share| {
        let bound = figures.quantile(metric, ("stage", stage), share);
        bound.map_or_else(|| "–".to_owned(), |bound| format!("≤ {}", seconds(bound)))
    };
    let row = |(stage, count): (&String, &f64)| StageRow {
        name: writer.language.name("system.stage", stage),
        count: *count,
        mean: seconds(sums.get(stage).copied().unwrap_or(0.0) / count.max(1.0)),
        half: within(stage, 0.5),
        most: within(stage, 0.99),
    };
    counts.iter().map(row).collect()
}

fn kinds(figures: &Figures, writer: &Writer) -> Vec<KindRow> {
    let coverage = figures.by("citybrain_coverage", "kind");
    let looks = figures.by("citybrain_looks_total", "kind");
    let missed = figures.by("citybrain_looks_missed_total", "kind");
    let of = |code: &String| KindRow {
        name: writer.kind(&EventKind::new(code)),
        coverage: coverage.get(code).map(|part| (part * 100.0).round().clamp(0.0, 100.0) as u64),
        looks: looks.get(code).copied().unwrap_or(0.0),
        missed: missed.get(code).copied().unwrap_or(0.0),
    };
    let mut codes: Vec<&String> = coverage.keys().chain(looks.keys()).collect();
    codes.sort();
    codes.dedup();
    codes.into_iter().map(of).collect()
}

fn facts(
    figures: &Figures,
    services: &Services,
    ready: bool,
    writer: &Writer,
) -> Vec<(String, String, &'static str)> {
    let language = writer.language;
    let named = |code: &str| language.name("system.fact", code);
    let cameras = services.cameras();
    let live =
        cameras.iter().filter(|camera| matches!(camera.status.state.name(), "live" | "resting")).count();
    let stretch = figures.one("citybrain_look_stretch").unwrap_or(1.0);
    let pending = figures.one("citybrain_outbox_pending").unwrap_or(0.0);
    let spooled = figures.one("citybrain_spool_bytes").unwrap_or(0.0);
    let lost =
        figures.sum("citybrain_detection_log_lost_total") + figures.sum("citybrain_store_failures_total");
    let tone = |bad: bool| if bad { "warn" } else { "good" };
    let yes = |value| if value { language.t("system.yes") } else { language.t("system.no") }.to_owned();
    let mut facts = vec![
        (named("ready"), yes(ready), if ready { "good" } else { "alarm" }),
        (named("cameras"), format!("{live} / {}", cameras.len()), tone(live < cameras.len())),
        // Up to 1 the workers do all they promised; above it slow kinds wait so many times longer.
        (named("stretch"), format!("× {stretch:.2}"), tone(stretch > 1.0)),
        (named("outbox"), format!("{pending:.0}"), tone(pending > 100.0)),
        (named("spool"), bytes(spooled), tone(spooled > 0.0)),
        (named("lost"), format!("{lost:.0}"), tone(lost > 0.0)),
    ];
    if let Some([one, five, _]) = load_average() {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let share = one / cores as f64;
        facts.push((named("load"), format!("{one:.2} · {five:.2} ({cores})"), tone(share > 1.0)));
        let room = ((1.0 - share) * 100.0).clamp(0.0, 100.0);
        facts.push((named("headroom"), format!("{room:.0} %"), tone(room < 20.0)));
    }
    facts
}

/// The machine's load over 1, 5 and 15 minutes; `None` where the system does not tell.
fn load_average() -> Option<[f64; 3]> {
    let text = std::fs::read_to_string("/proc/loadavg").ok()?;
    let mut numbers = text.split_whitespace().map(str::parse::<f64>);
    Some([numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?])
}

fn bytes(value: f64) -> String {
    const UNITS: [&str; 4] = ["B", "KiB", "MiB", "GiB"];
    let mut value = value;
    let mut unit = UNITS[0];
    for next in &UNITS[1..] {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    if unit == "B" { format!("{value:.0} {unit}") } else { format!("{value:.1} {unit}") }
}

/// Bytes of the files below a folder, as far as [`MAX_ENTRIES`] entries tell; the flag says whether those were all.
fn size_of(folder: PathBuf) -> (u64, bool) {
    let mut folders = vec![folder];
    let mut entries = 0;
    let mut size = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            entries += 1;
            if entries > MAX_ENTRIES {
                return (size, false);
            }
            match entry.metadata() {
                Ok(meta) if meta.is_dir() => folders.push(entry.path()),
                Ok(meta) => size += meta.len(),
                Err(_) => {}
            }
        }
    }
    (size, true)
}

async fn disk(services: &Services, writer: &Writer) -> Vec<DiskRow> {
    let city = services.city();
    let root = city.site.data_dir.clone();
    let snapshots = services.snapshot_root();
    let budgets = [
        ("snapshots", snapshots, Some(city.pipeline.snapshot_budget_bytes)),
        ("spool", root.join("spool"), Some(city.pipeline.spool_budget_bytes)),
        ("log", root.join(citybrain_dispatcher::log::LOG_FOLDER), Some(city.dispatch.log_budget_bytes)),
        ("all", root, None),
    ];
    let names = budgets.each_ref().map(|(code, ..)| writer.language.name("system.disk", code));
    let walked = tokio::task::spawn_blocking(move || {
        budgets.map(|(_, folder, budget)| (size_of(folder), budget.filter(|budget| *budget > 0)))
    });
    let Ok(walked) = walked.await else { return Vec::new() };
    let row = |(name, ((used, all), budget)): (String, ((u64, bool), Option<u64>))| DiskRow {
        name,
        used: format!("{}{}", if all { "" } else { "≥ " }, bytes(used as f64)),
        budget: budget.map_or_else(|| "–".to_owned(), |budget| bytes(budget as f64)),
        percent: budget.map(|budget| (used.saturating_mul(100) / budget).min(100)),
    };
    names.into_iter().zip(walked).map(row).collect()
}

async fn system(
    State(services): State<Services>,
    Extension(house): Extension<House>,
    visitor: Visitor,
) -> Response {
    let writer = Writer::new(&services, &visitor);
    let figures = Figures::read(&(house.metrics)());
    let ready = services.readiness().await.ready;
    let mut rows = stages(&figures, "citybrain_pipeline_stage_seconds", &writer);
    rows.extend(stages(&figures, "citybrain_dispatch_stage_seconds", &writer));
    page(&SystemPage {
        frame: Frame::new(&services, &visitor, "system"),
        facts: facts(&figures, &services, ready, &writer),
        stages: rows,
        kinds: kinds(&figures, &writer),
        disk: disk(&services, &writer).await,
        drops: figures.by("citybrain_frames_dropped_total", "reason").into_iter().collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_are_written_for_people() {
        assert_eq!([bytes(12.0), bytes(2048.0), bytes(3.5 * 1_048_576.0)], ["12 B", "2.0 KiB", "3.5 MiB"]);
        assert_eq!([seconds(0.012), seconds(2.5)], ["12.0 ms", "2.50 s"]);
    }

    #[test]
    fn a_folder_is_as_large_as_the_files_in_it() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("a")).unwrap();
        std::fs::write(folder.path().join("a/b"), [0; 100]).unwrap();
        std::fs::write(folder.path().join("c"), [0; 20]).unwrap();
        assert_eq!(size_of(folder.path().to_path_buf()), (120, true));
        assert_eq!(size_of(folder.path().join("none")), (0, true));
    }
}
