//! `citybrain plan`, and the same question at the start and at a reload: does the city fit on this machine?

use crate::cli::PlanArgs;
use crate::run::with_models;
use anyhow::{Context, bail};
use citybrain_ingest_config::City;
use citybrain_ingest_config::resolved::Admission;
use citybrain_models::Runtime;
use citybrain_pipeline::LoadedModels;
use citybrain_pipeline::capacity::{ASSUMED_PICTURE, Capacity, MeasureError, Pictures, Plan};
use std::process::ExitCode;

/// Holds a city against this machine; exit code 1 when it does not fit.
#[allow(clippy::print_stdout, reason = "the table is what this command is run for")]
pub fn plan(args: &PlanArgs) -> anyhow::Result<ExitCode> {
    let city = with_models(citybrain_ingest_config::load(&args.config)?.city)?;
    let pictures = match args.picture {
        Some(size) => Pictures::all(in_range(size)?),
        None => Pictures::last_seen(&city, ASSUMED_PICTURE),
    };
    let capacity = Capacity::of(&city, &Runtime::load(None)?, args.calibrate)?;
    let plan = Plan::of(&city, &capacity, &pictures)?;
    if args.json {
        let report = serde_json::json!({ "plan": plan, "capacity": capacity, "fits": plan.fits() });
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{plan}");
    }
    Ok(if plan.fits() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn in_range(size: (u32, u32)) -> anyhow::Result<(u32, u32)> {
    match size {
        (16..=8_192, 16..=8_192) => Ok(size),
        (width, height) => {
            bail!("--picture {width}x{height} is no size of a picture: each side is from 16 to 8192")
        }
    }
}

/// Says whether a city fits before it is put in force, at a start: its models are loaded already, and measured where this
/// machine was not yet.
///
/// # Errors
/// When it does not fit, or it is not known whether it does, and the city is to be refused then.
pub fn admit(city: &City, models: &mut LoadedModels) -> anyhow::Result<()> {
    judge(city, Capacity::of_loaded(city, models))
}

/// The same at a reload.
///
/// # Errors
/// As [`admit`].
pub fn admit_again(city: &City, runtime: &Runtime) -> anyhow::Result<()> {
    judge(city, Capacity::of(city, runtime, false))
}

fn judge(city: &City, capacity: Result<Capacity, MeasureError>) -> anyhow::Result<()> {
    let refuse = city.pipeline.load.admission == Admission::Refuse;
    let pictures = Pictures::last_seen(city, ASSUMED_PICTURE);
    let held =
        capacity.map_err(anyhow::Error::from).and_then(|capacity| Ok(Plan::of(city, &capacity, &pictures)?));
    let plan = match held {
        Ok(plan) => plan,
        Err(error) if refuse => {
            return Err(error)
                .context("it is not known whether the city fits, and 'admission' says to refuse then");
        }
        Err(error) => {
            tracing::warn!("it is not known whether the city fits on this machine: {error:#}");
            return Ok(());
        }
    };
    let Some(broken) = &plan.first_broken else {
        let headroom = plan.headroom_percent.round();
        tracing::info!(headroom_percent = headroom, looks_per_sec = plan.looks_per_sec, "the city fits");
        return Ok(());
    };
    let remedies: Vec<String> = plan.remedies.iter().map(ToString::to_string).collect();
    if refuse {
        bail!(
            "the city does not fit on this machine: {broken}; it would fit with {}",
            remedies.join(", or ")
        );
    }
    tracing::warn!(
        first_broken_promise = %broken,
        it_would_fit_with = remedies.join(", or "),
        "the city does not fit on this machine; it is watched all the same"
    );
    Ok(())
}
