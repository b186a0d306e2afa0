//! How the shipped models work together in a city that names none.

use crate::zoo;
use citybrain_ingest_config::resolved::{ASKED_AT_MOST_EVERY, Cascade, Model, Turn};
use citybrain_models::Manifest;
use citybrain_models::manifest::Purpose;
use std::path::PathBuf;

/// A shipped verifier looks at the surroundings of what was found, so many times the box's longer side: enough to see
/// what a glow belongs to.
const VERIFIER_CROP: f32 = 2.5;

/// The shipped models as a city uses them that names none: every detector in its turn, every verifier after the first
/// detector that it shares a label with. Models that give context are used where a city names them.
pub fn shipped() -> anyhow::Result<Vec<Model>> {
    let mut shipped = Vec::new();
    for dir in zoo::shipped_models()? {
        let manifest = Manifest::read(&dir)?;
        shipped.push((dir, manifest));
    }
    Ok(line_up(&shipped))
}

fn line_up(shipped: &[(PathBuf, Manifest)]) -> Vec<Model> {
    let of = |purpose| shipped.iter().filter(move |(_, manifest)| manifest.purpose == purpose);
    let mut models: Vec<Model> = of(Purpose::Detector).map(|(dir, _)| Model::of(dir.clone())).collect();
    for (dir, verifier) in of(Purpose::Verifier) {
        let shares =
            |detector: &Manifest| detector.labels.iter().any(|label| verifier.labels.contains(label));
        match of(Purpose::Detector).position(|(_, detector)| shares(detector)) {
            Some(after) => {
                let cascade = Cascade {
                    after,
                    score: None,
                    crop: Some(VERIFIER_CROP),
                    at_most_every: ASKED_AT_MOST_EVERY,
                };
                models.push(Model { turn: Turn::After(cascade), ..Model::of(dir.clone()) });
            }
            None => {
                tracing::warn!(model = %verifier.id, "no shipped detector has a label of this verifier: it is left out");
            }
        }
    }
    models
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]
mod tests {
    use super::*;
    use citybrain_types::Label;
    use std::path::Path;

    fn shipped(name: &str, purpose: Purpose, labels: &[&str]) -> (PathBuf, Manifest) {
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/fixtures/color_classifier");
        let labels = labels.iter().map(Label::new).collect();
        (PathBuf::from(name), Manifest { purpose, labels, ..Manifest::read(&fixture).unwrap() })
    }

    #[test]
    fn shipped_verifiers_follow_the_detector_they_share_a_label_with_and_context_is_not_loaded() {
        let zoo = [
            shipped("fire-verifier", Purpose::Verifier, &["fire"]),
            shipped("people", Purpose::Context, &["person"]),
            shipped("rubbish", Purpose::Detector, &["litter"]),
            shipped("street", Purpose::Detector, &["fire", "waterlogging"]),
            shipped("stray", Purpose::Verifier, &["nothing-else-has-this"]),
        ];
        let models = line_up(&zoo);
        let names: Vec<&str> = models.iter().map(|model| model.name.as_str()).collect();
        assert_eq!(names, ["rubbish", "street", "fire-verifier"]);
        assert!(models[0].cascade().is_none() && models[1].cascade().is_none());
        let cascade = models[2].cascade().unwrap();
        assert_eq!(models[cascade.after].name, "street");
        assert!(cascade.crop.is_some());
    }

    #[test]
    fn the_models_in_the_zoo_work_together() {
        let models = super::shipped().unwrap();
        assert!(models.iter().any(|model| model.cascade().is_none()), "{models:?}");
    }
}
