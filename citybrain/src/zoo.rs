//! Where the shipped models lie.

use anyhow::{Context, bail};
use std::path::{Path, PathBuf};

/// Environment variable that names the folder of shipped models.
const MODELS_VARIABLE: &str = "CITYBRAIN_MODELS";

/// The `purpose` of a model that looks at every picture, and of one that does not say.
const DETECTOR: &str = "detector";

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

/// Those of the models that look at every picture; the others are asked about what these found, or say what is around it.
pub fn detectors(models: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut detectors = Vec::new();
    for dir in models {
        let path = dir.join("model.toml");
        let text =
            std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let manifest: toml::Table =
            toml::from_str(&text).with_context(|| format!("{} is damaged", path.display()))?;
        if manifest.get("purpose").and_then(toml::Value::as_str).unwrap_or(DETECTOR) == DETECTOR {
            detectors.push(dir.clone());
        }
    }
    Ok(detectors)
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
