//! How the shipped models work together in a city that names none.

use crate::zoo;
use citybrain_ingest_config::resolved::{ASKED_AT_MOST_EVERY, Cascade, Model, Turn};
use citybrain_models::Manifest;
use citybrain_models::manifest::Purpose;

/// A verifier looks at the surroundings of a box, this many times its longer side: what it was fitted on.
const VERIFIER_CROP: f32 = 2.5;

/// The shipped models as a city uses them that names none: every detector in its turn, and every verifier after the
/// first detector that has a label in common with it.
///
/// A verifier delays no pre-alarm: that is given on the detector's own word, and the verifier is heard in the second
/// step, in which the alarm is confirmed or withdrawn. Models that give context are used where a city names them.
pub fn shipped() -> anyhow::Result<Vec<Model>> {
    let mut models = Vec::new();
    let mut labels = Vec::new();
    let mut verifiers = Vec::new();
    for dir in zoo::shipped_models()? {
        let manifest = Manifest::read(&dir)?;
        match manifest.purpose {
            Purpose::Detector => {
                labels.push(manifest.labels);
                models.push(Model::of(dir));
            }
            Purpose::Verifier => verifiers.push((manifest, dir)),
            Purpose::Context => {}
        }
    }
    for (verifier, dir) in verifiers {
        let shared = |known: &Vec<_>| known.iter().any(|label| verifier.labels.contains(label));
        let Some(after) = labels.iter().position(shared) else { continue };
        let cascade =
            Cascade { after, score: None, crop: Some(VERIFIER_CROP), at_most_every: ASKED_AT_MOST_EVERY };
        models.push(Model { turn: Turn::After(cascade), ..Model::of(dir) });
    }
    Ok(models)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]
mod tests {
    use super::*;

    #[test]
    fn a_city_that_names_no_model_gets_the_shipped_detectors_and_verifiers_and_no_others() {
        let used = shipped().unwrap();
        for dir in zoo::shipped_models().unwrap() {
            let purpose = Manifest::read(&dir).unwrap().purpose;
            let model = used.iter().find(|model| model.dir == dir);
            assert_eq!(model.is_some(), purpose != Purpose::Context, "{}", dir.display());
            let asked = model.is_some_and(|model| model.cascade().is_some());
            assert_eq!(asked, purpose == Purpose::Verifier, "{}", dir.display());
        }
        assert!(used.iter().any(|model| model.cascade().is_some()), "the fire verifier is among them");
    }
}
