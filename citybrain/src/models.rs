//! `citybrain models`: what a model folder or an ONNX file holds.

use crate::cli::ModelsCommand;
use anyhow::Context;
use citybrain_models::{Runtime, inspect};
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

/// Runs the command and prints what it found.
#[allow(clippy::print_stdout, reason = "the table is what this command is run for")]
pub fn models(command: &ModelsCommand) -> anyhow::Result<ExitCode> {
    let runtime = Runtime::load(None)?;
    match command {
        ModelsCommand::Check { dir, image, out } => {
            let checked = inspect::check(dir, &runtime, image.as_deref())?;
            print!("{checked}");
            if let Some(out) = out {
                checked.write_annotated(out)?;
            }
        }
        ModelsCommand::Inspect { file, draft, write } => {
            inspect_file(file, draft.as_deref(), write.as_deref(), &runtime)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Describes an ONNX file, says what it seems to be, and prints or writes a draft of its manifest.
#[allow(clippy::print_stdout, reason = "the description is what this command is run for")]
fn inspect_file(
    file: &Path,
    draft: Option<&Path>,
    folder: Option<&Path>,
    runtime: &Runtime,
) -> anyhow::Result<()> {
    let described = inspect::describe(file, runtime)?;
    print!("{described}");
    let name = file.file_name().context("the ONNX file has no name")?.to_string_lossy();
    let Some(guess) = described.draft(&name) else {
        anyhow::ensure!(
            draft.is_none() && folder.is_none(),
            "no head reads a graph like this: nothing is written"
        );
        println!("\nno head reads a graph like this; docs/guide/models.md lists what is read");
        return Ok(());
    };
    println!();
    for reason in &guess.why {
        println!("{reason}");
    }
    match (draft, folder) {
        (Some(draft), _) => create(draft, &guess.text)?,
        (None, Some(folder)) => {
            fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
            create(&folder.join("model.toml"), &guess.text)?;
            let copy = folder.join(&*name);
            anyhow::ensure!(!copy.exists(), "{} exists and is left alone", copy.display());
            fs::copy(file, &copy).with_context(|| copy.display().to_string())?;
        }
        (None, None) => print!("\n{}", guess.text),
    }
    Ok(())
}

/// Writes a new file; one that exists may hold what a person has filled in.
fn create(path: &Path, text: &str) -> anyhow::Result<()> {
    let mut file = File::create_new(path).with_context(|| path.display().to_string())?;
    file.write_all(text.as_bytes()).with_context(|| path.display().to_string())
}
