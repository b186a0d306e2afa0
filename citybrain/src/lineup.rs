//! How the shipped models work together in a city that names none.

use crate::zoo;
use citybrain_ingest_config::resolved::Model;
use citybrain_models::Manifest;
use citybrain_models::manifest::Purpose;

/// The shipped models as a city uses them that names none: every detector in its turn.
///
/// Verifiers and models that give context are used where a city names them. A verifier's word counts in place of the
/// detector's from the first look on, so it costs a pre-alarm 1 to 4 seconds of its 10: that is a city's choice to make.
pub fn shipped() -> anyhow::Result<Vec<Model>> {
    let mut detectors = Vec::new();
    for dir in zoo::shipped_models()? {
        if Manifest::read(&dir)?.purpose == Purpose::Detector {
            detectors.push(Model::of(dir));
        }
    }
    Ok(detectors)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]
mod tests {
    use super::*;
    use std::path::PathBuf;

    #[test]
    fn a_city_that_names_no_model_gets_the_shipped_detectors_and_no_others() {
        let used: Vec<PathBuf> = shipped().unwrap().into_iter().map(|model| model.dir).collect();
        assert!(!used.is_empty());
        for dir in zoo::shipped_models().unwrap() {
            let detects = Manifest::read(&dir).unwrap().purpose == Purpose::Detector;
            assert_eq!(used.contains(&dir), detects, "{}", dir.display());
        }
    }
}
