//! `citybrain tune`: what other thresholds would have done.

mod calibrate;
mod html;
mod sweep;
mod table;

pub use sweep::{Range, parse_hits};

use crate::cli::TuneArgs;
use crate::replay::register;
use anyhow::{Context, bail, ensure};
use citybrain_dispatcher::log::LogStore;
use citybrain_dispatcher::policy::rules::Policy;
use citybrain_dispatcher::services::SNAPSHOT_FOLDER;
use citybrain_dispatcher::tune::{Asked, KnownEvent, Per, Proposal, Report, Truth, WhatIf};
use citybrain_ingest_config::City;
use indicatif::{ProgressBar, ProgressStyle};
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// Goes through the log and tells what each policy leads to.
#[allow(clippy::print_stdout, reason = "the report is what this command is run for")]
pub fn tune(args: &TuneArgs) -> anyhow::Result<ExitCode> {
    let city = Arc::new(citybrain_ingest_config::load(&args.config)?.city);
    if args.calibrate {
        calibrate::calibrate(args, &city)?;
        return Ok(ExitCode::SUCCESS);
    }
    let log = match &args.recorded {
        Some(log) => vec![log.clone()],
        None => {
            crate::replay::bring(&city)?;
            LogStore::folders(&city)
        }
    };
    let missing = log.iter().find(|log| !log.exists()).map_or(&city.site.data_dir, |log| log);
    let is_there = !log.is_empty() && log.iter().all(|log| log.exists());
    ensure!(is_there, "there is no detection log at {}; give its folder", missing.display());
    let policies = policies(args, &city)?;
    let truth = truth(args)?;
    let report = run(args, &city, &log, &policies, &truth)?;
    let snapshots = args.snapshots.clone().unwrap_or_else(|| city.site.data_dir.join(SNAPSHOT_FOLDER));
    if let Some(file) = &args.html {
        let page = html::page(&city.site.name, &report, &snapshots);
        std::fs::write(file, page).with_context(|| format!("{} cannot be written", file.display()))?;
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{}", table::table(&report));
    }
    Ok(ExitCode::SUCCESS)
}

fn run(
    args: &TuneArgs,
    city: &Arc<City>,
    log: &[PathBuf],
    policies: &[Proposal],
    truth: &Truth,
) -> anyhow::Result<Report> {
    let per = match args.per {
        crate::cli::TunePer::City => Per::City,
        crate::cli::TunePer::Area => Per::Area,
        crate::cli::TunePer::Camera => Per::Camera,
    };
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    let (budget, miss_rate, only) = (args.budget, args.miss_rate, sweep::scope(args)?);
    let asked = Asked { budget, miss_rate, only, per, threads, ..Asked::default() };
    let what_if = WhatIf::new(Arc::clone(city), Arc::new(register(city)?), asked);
    // Hides itself where nobody looks at a terminal.
    let bar = ProgressBar::new(0);
    if let Ok(style) =
        ProgressStyle::with_template("{bar:32} {pos} of {len} parts of the log, {elapsed}, {eta} left")
    {
        bar.set_style(style);
    }
    let report = what_if.run(log, policies, truth, &mut |progress| {
        bar.set_length(progress.of as u64);
        bar.set_position(progress.read as u64);
        true
    });
    bar.finish_and_clear();
    Ok(report?)
}

/// Policies from files and from ranges.
fn policies(args: &TuneArgs, city: &City) -> anyhow::Result<Vec<Proposal>> {
    let mut policies = Vec::new();
    for file in &args.policy {
        policies.push(proposal(file)?);
    }
    policies.extend(sweep::policies(args, city)?);
    if policies.is_empty() {
        bail!(
            "nothing to compare: give a range such as --hit-score 0.3..0.8, or a policy with --policy FILE"
        );
    }
    Ok(policies)
}

fn truth(args: &TuneArgs) -> anyhow::Result<Truth> {
    let mut truth: Truth = args.truth.as_deref().map_or_else(|| Ok(Truth::default()), read)?;
    if let Some(file) = &args.events {
        let events: Vec<KnownEvent> = read(file)?;
        truth.events.extend(events);
    }
    truth.complete |= args.complete;
    Ok(truth)
}

/// A policy as the API and the pages take it, with a name if somebody has given it one.
fn proposal(file: &Path) -> anyhow::Result<Proposal> {
    let mut body: serde_json::Map<String, serde_json::Value> = read(file)?;
    let name = match body.remove("name") {
        Some(name) => name.as_str().map(str::to_owned),
        None => file.file_stem().map(|stem| stem.to_string_lossy().into_owned()),
    };
    let wrong = || format!("{} is no policy", file.display());
    let policy: Policy = serde_json::from_value(body.into()).with_context(wrong)?;
    Ok(Proposal { name: name.with_context(wrong)?, policy })
}

fn read<T: DeserializeOwned>(file: &Path) -> anyhow::Result<T> {
    let text = std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("{} is not what it should be", file.display()))
}

/// A number above zero.
pub fn parse_positive(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite() && *number > 0.0);
    number.ok_or_else(|| format!("'{text}' is not a number above 0"))
}

/// A share between nothing and all.
pub fn parse_share(text: &str) -> Result<f64, String> {
    let share = parse_positive(text)?;
    if share < 1.0 { Ok(share) } else { Err(format!("'{text}' is not a share between 0 and 1")) }
}
