//! `citybrain eval`: the shipped models, or others, measured on labelled pictures and clips.

mod clips;

use crate::cli::EvalArgs;
use crate::lineup;
use anyhow::Context;
use citybrain_ingest_config::City;
use citybrain_ingest_config::resolved::Model;
use citybrain_models::Runtime;
use citybrain_models::eval::clips::ClipsReport;
use citybrain_models::eval::{self, EvalOptions, EvalReport, Evaluation};
use indicatif::{ProgressBar, ProgressStyle};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Name of a model's card in its folder.
const CARD: &str = "CARD.md";

/// What is measured with: detectors look at pictures, all of them together watch clips.
struct Models {
    detectors: Vec<PathBuf>,
    system: Vec<Model>,
}

/// Measures the models and says what they are worth.
#[allow(clippy::print_stdout, reason = "the figures are what this command is run for")]
pub fn eval(args: &EvalArgs) -> anyhow::Result<ExitCode> {
    let runtime = Runtime::load(None)?;
    let models = models(args)?;
    let evaluation = look_at_pictures(args, &models, &runtime)?;
    let mut report = evaluation.report();
    if !args.no_clips {
        report.clips = watch_clips(args, &models, &runtime)?;
    }
    println!("{}", report.to_text());
    if evaluation.models().len() > 1 {
        let alone = (0..evaluation.models().len()).filter_map(|number| evaluation.report_of(number));
        alone.for_each(|report| println!("alone: {}", report.to_text()));
    }
    for path in write(args, &evaluation, &report)? {
        println!("wrote {}", path.display());
    }
    if args.update_card {
        for path in update_cards(&models, &evaluation, report.clips.as_ref())? {
            println!("wrote {}", path.display());
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn models(args: &EvalArgs) -> anyhow::Result<Models> {
    let in_turn = |dir: &PathBuf| Model::of(dir.clone());
    if !args.model.is_empty() {
        return Ok(Models {
            detectors: args.model.clone(),
            system: args.model.iter().map(in_turn).collect(),
        });
    }
    let system = lineup::shipped()?;
    let detectors = system.iter().filter(|model| model.cascade().is_none()).map(|model| model.dir.clone());
    Ok(Models { detectors: detectors.collect(), system })
}

fn look_at_pictures(args: &EvalArgs, models: &Models, runtime: &Runtime) -> anyhow::Result<Evaluation> {
    let catalogue = City::for_cameras(&["rtsp://127.0.0.1/".to_owned()], Path::new("."), Vec::new())?;
    let kinds = eval::kinds_of(&catalogue);
    let mut options = EvalOptions::new(args.data.clone(), models.detectors.clone(), kinds);
    options.split.clone_from(&args.split);
    options.limit = args.limit;
    let bar = progress_bar("pictures");
    let evaluation = eval::run(&options, runtime, &mut |progress| {
        bar.set_length(progress.total as u64);
        bar.set_position(progress.done as u64);
    });
    bar.finish_and_clear();
    Ok(evaluation?)
}

fn watch_clips(args: &EvalArgs, models: &Models, runtime: &Runtime) -> anyhow::Result<Option<ClipsReport>> {
    let bar = progress_bar("seconds of clips");
    let report = clips::watch(&args.data, &models.system, runtime, &bar);
    bar.finish_and_clear();
    report
}

/// Writes what was asked for, or all of it into the output folder; gives where.
fn write(args: &EvalArgs, evaluation: &Evaluation, report: &EvalReport) -> anyhow::Result<Vec<PathBuf>> {
    let place = |given: &Option<PathBuf>, name: &str| given.clone().unwrap_or_else(|| args.out.join(name));
    let files = [
        (place(&args.html, "report.html"), report.to_html()),
        (place(&args.json, "report.json"), report.to_json()?),
        (place(&args.scores, "scores.csv"), evaluation.scores_csv()?),
    ];
    for (path, text) in &files {
        eval::write(path, text)?;
    }
    Ok(files.map(|(path, _)| path).into())
}

/// Writes each model's own figures into its card; what became of clips is the whole system's.
fn update_cards(
    models: &Models,
    evaluation: &Evaluation,
    clips: Option<&ClipsReport>,
) -> anyhow::Result<Vec<PathBuf>> {
    let mut written = Vec::new();
    for (number, dir) in models.detectors.iter().enumerate() {
        let Some(mut own) = evaluation.report_of(number) else { continue };
        own.clips = clips.cloned();
        let path = dir.join(CARD);
        let card =
            std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        eval::write(&path, &eval::card::with_block(&card, &own.to_markdown()))?;
        written.push(path);
    }
    Ok(written)
}

/// Only on a terminal; elsewhere nothing is drawn.
fn progress_bar(what: &'static str) -> ProgressBar {
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{bar:32} {pos}/{len} {msg}, {eta} left") {
        bar.set_style(style);
    }
    bar.set_message(what);
    bar
}
