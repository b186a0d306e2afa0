//! `citybrain models`: what a model folder or an ONNX file holds.

use crate::cli::ModelsCommand;
use citybrain_models::{Runtime, inspect};
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
        ModelsCommand::Inspect { file } => print!("{}", inspect::describe(file, &runtime)?),
    }
    Ok(ExitCode::SUCCESS)
}
