//! Where the shipped models lie.

use anyhow::bail;
use std::path::{Path, PathBuf};

/// Environment variable that names the folder of shipped models.
const MODELS_VARIABLE: &str = "CITYBRAIN_MODELS";

/// Every model folder that ships with the program: below `$CITYBRAIN_MODELS`, `<program>/../share/citybrain/models`,
/// or `models/zoo` in the current folder, the program's folder or one above either.
pub fn shipped_models() -> anyhow::Result<Vec<PathBuf>> {
    let Some(zoo) = candidates().into_iter().find(|dir| dir.is_dir()) else {
        bail!(
            "no shipped models found: give --model DIR, or set {MODELS_VARIABLE} to the folder that holds them"
        );
    };
    let entries = std::fs::read_dir(&zoo)?.filter_map(Result::ok).map(|entry| entry.path());
    let mut models: Vec<PathBuf> = entries.filter(|dir| dir.join("model.toml").is_file()).collect();
    models.sort();
    if models.is_empty() {
        bail!("no folder with a model.toml in {}", zoo.display());
    }
    Ok(models)
}

fn candidates() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::env::var_os(MODELS_VARIABLE).map(PathBuf::from).into_iter().collect();
    let program = std::env::current_exe().ok().and_then(|exe| exe.parent().map(Path::to_path_buf));
    found.extend(program.as_ref().map(|dir| dir.join("../share/citybrain/models")));
    for start in [std::env::current_dir().ok(), program].into_iter().flatten() {
        found.extend(start.ancestors().map(|dir| dir.join("models/zoo")));
    }
    found
}
