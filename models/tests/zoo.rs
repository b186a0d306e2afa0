//! Every model that is shipped loads, and what its card says was measured with these very weights.
#![allow(clippy::unwrap_used, reason = "a test stops at what it cannot do")]

mod common;

use citybrain_models::eval::card;
use citybrain_models::heads::HeadSpec;
use citybrain_models::{Detector, SessionOptions};
use common::runtime;
use std::path::{Path, PathBuf};

fn zoo() -> Vec<PathBuf> {
    let zoo = Path::new(env!("CARGO_MANIFEST_DIR")).join("zoo");
    let mut models: Vec<PathBuf> = std::fs::read_dir(zoo)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    models.sort();
    assert!(!models.is_empty());
    models
}

#[test]
fn every_shipped_model_loads_and_its_folder_bears_its_name() {
    for dir in zoo() {
        let detector = Detector::load(&dir, &runtime(), SessionOptions::default()).unwrap();
        let folder = dir.file_name().unwrap().to_str().unwrap();
        assert!(detector.model_id().as_str().starts_with(&format!("{folder}-")), "{:?}", detector.model_id());
    }
}

#[test]
fn every_shipped_model_says_what_it_was_trained_on_and_how_good_it_is() {
    for dir in zoo() {
        let detector = Detector::load(&dir, &runtime(), SessionOptions::default()).unwrap();
        let manifest = detector.manifest();
        assert!(!manifest.training_data.is_empty(), "{}", dir.display());
        for label in &manifest.labels {
            assert!(manifest.accuracy.contains_key(label), "{}: {label} was not measured", dir.display());
        }
    }
}

#[test]
fn figures_in_a_card_are_of_the_weights_beside_it() {
    for dir in zoo() {
        let detector = Detector::load(&dir, &runtime(), SessionOptions::default()).unwrap();
        let text = std::fs::read_to_string(dir.join("CARD.md")).unwrap();
        if let Some(measured) = card::block(&text) {
            let sha256 = &detector.manifest().sha256;
            assert!(measured.contains(sha256), "{}: measure again, the weights have changed", dir.display());
        }
    }
}

#[test]
fn a_shipped_model_answers_any_frame_with_probabilities() {
    for dir in zoo() {
        let mut detector = Detector::load(&dir, &runtime(), SessionOptions::default()).unwrap();
        detector.set_floor(0.0);
        let placement = detector.input().placement(1920, 1080);
        let length = detector.input().frame_bytes();
        for frame in
            [vec![0; length], vec![255; length], (0..length).map(|i| (i * 131 % 251) as u8).collect()]
        {
            let found = detector.detect(&frame, &placement).unwrap();
            // A head that scores whole pictures tells of every label at this floor; one with boxes of things need not.
            let whole = matches!(detector.manifest().head, HeadSpec::Heatmap(_) | HeadSpec::Multilabel(_));
            let told = |label: &citybrain_types::Label| found.iter().any(|f| f.label == *label);
            assert!(!whole || detector.labels().iter().all(told), "{found:?}");
        }
    }
}
