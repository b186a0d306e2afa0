//! `citybrain eval`: models measured on labelled pictures.

use crate::cli::EvalArgs;
use crate::zoo;
use anyhow::Context;
use citybrain_ingest_config::City;
use citybrain_models::eval::{self, EvalOptions, EvalReport};
use citybrain_models::{Manifest, Runtime};
use indicatif::{ProgressBar, ProgressStyle};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Name of a model's card in its folder.
const CARD: &str = "CARD.md";

/// Measures each model and prints what it is worth.
#[allow(clippy::print_stdout, reason = "the figures are what this command is run for")]
pub fn eval(args: &EvalArgs) -> anyhow::Result<ExitCode> {
    let runtime = Runtime::load(None)?;
    let models = if args.model.is_empty() { zoo::shipped_models()? } else { args.model.clone() };
    let several = models.len() > 1;
    for dir in &models {
        let report = measure(args, dir, &runtime, several)?;
        println!("{}", report.to_markdown());
        let named = |path: &Path| for_model(path, dir, several);
        if let Some(path) = &args.json {
            eval::write(&named(path)?, &report.to_json()?)?;
        }
        if let Some(path) = &args.html {
            eval::write(&named(path)?, &report.to_html())?;
        }
        if args.update_card {
            let path = dir.join(CARD);
            let card =
                std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            eval::write(&path, &eval::card::with_block(&card, &report.to_markdown()))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn measure(args: &EvalArgs, dir: &Path, runtime: &Runtime, several: bool) -> anyhow::Result<EvalReport> {
    let catalogue = City::for_cameras(&["rtsp://127.0.0.1/".to_owned()], Path::new("."), Vec::new())?;
    let mut options = EvalOptions::new(args.data.clone(), dir.to_owned(), eval::kinds_of(&catalogue));
    options.split.clone_from(&args.split);
    options.limit = args.limit;
    options.scores = args.scores.as_deref().map(|path| for_model(path, dir, several)).transpose()?;
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{msg} {bar:32} {pos}/{len} pictures, {eta} left") {
        bar.set_style(style);
    }
    bar.set_message(Manifest::read(dir)?.id.to_string());
    let report = eval::run(&options, runtime, &mut |progress| {
        bar.set_length(progress.total as u64);
        bar.set_position(progress.done as u64);
    });
    bar.finish_and_clear();
    Ok(report?)
}

/// With several models each gets files of its own: `scores.csv` becomes `scores-<model>.csv`.
fn for_model(path: &Path, dir: &Path, several: bool) -> anyhow::Result<PathBuf> {
    if !several {
        return Ok(path.to_owned());
    }
    let id = Manifest::read(dir)?.id;
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let name = match path.extension() {
        Some(extension) => format!("{stem}-{id}.{}", extension.to_string_lossy()),
        None => format!("{stem}-{id}"),
    };
    Ok(path.with_file_name(name))
}
