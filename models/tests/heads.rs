//! Every head on a graph in its exporter's layout, against answers worked out by that library or in numpy.
//!
//! The graphs and answers are written by `models/training/fixtures.py` and `fixture_exports.py`.
#![allow(clippy::unwrap_used, reason = "a test stops at what it cannot do")]

mod common;

use citybrain_models::LabelledBox;
use citybrain_models::Manifest;
use citybrain_models::heads::HeadSpec;
use common::{Answers, expect_answers, fixtures, folders_with_answers, load, pattern};

fn found(folder: &str) -> (Vec<LabelledBox>, Answers) {
    let answers = Answers::read(folder);
    let mut detector = load(folder).unwrap_or_else(|error| panic!("{folder}: {error}"));
    detector.set_floor(answers.floor);
    let (width, height) = (detector.input().width, detector.input().height);
    let placement = detector.input().placement(answers.picture.0, answers.picture.1);
    (detector.detect(&pattern(width, height), &placement).unwrap(), answers)
}

#[test]
fn every_fixture_is_answered_as_its_own_library_answers() {
    let folders = folders_with_answers();
    assert_eq!(folders.len(), 18, "{folders:?}");
    for folder in folders {
        let (found, answers) = found(&folder);
        expect_answers(&folder, &found, &answers);
        for label in found.iter().map(|f| &f.label) {
            let own: Vec<f32> = found.iter().filter(|f| f.label == *label).map(|f| f.score.get()).collect();
            assert!(own.is_sorted_by(|a, b| a >= b), "{folder}: the surest of {label} is not first: {own:?}");
        }
    }
}

#[test]
fn every_head_has_a_fixture_and_a_row_in_the_guide() {
    let manifests: Vec<String> = std::fs::read_dir(fixtures())
        .unwrap()
        .filter_map(|entry| std::fs::read_to_string(entry.unwrap().path().join("model.toml")).ok())
        .collect();
    let guide = std::fs::read_to_string(fixtures().join("../../docs/guide/models.md")).unwrap();
    for kind in HeadSpec::KINDS {
        let line = format!("kind = \"{kind}\"\n");
        assert!(manifests.iter().any(|manifest| manifest.contains(&line)), "no fixture of {kind}");
        assert!(guide.contains(&format!("| `{kind}` |")), "no row of {kind} in docs/guide/models.md");
    }
}

/// A fixture's manifest with something replaced.
fn edited(folder: &str, old: &str, new: &str) -> Vec<String> {
    let text = std::fs::read_to_string(fixtures().join(folder).join("model.toml")).unwrap();
    assert!(text.contains(old), "{folder} has no {old}");
    let problems = Manifest::parse(&text.replacen(old, new, 1)).unwrap_err();
    problems.into_iter().map(|problem| problem.message).collect()
}

#[test]
fn keys_of_a_head_that_are_wrong_are_refused_all_at_once() {
    let wrong = "output = \"output\"\nmax_iou = 1.5\nmax_boxes = 0\niou = 0.5";
    assert_eq!(
        edited("yolox_raw", "output = \"output\"", wrong),
        [
            "head.max_iou = 1.5 is not within 0..=1",
            "head.max_boxes 0 is not within 1..=1000",
            "unknown key 'head.iou'",
        ]
    );
    let strides = "head.strides is to be one to eight numbers within 1..=512";
    assert_eq!(edited("yolox_raw", "[8, 16, 32]", "[8, 0]"), [strides]);
    assert_eq!(
        edited("yolox_decoded", "layout = \"decoded\"", "layout = \"decoded\"\nstrides = [8]"),
        ["boxes decoded in the graph need no strides: leave them out"]
    );
    assert_eq!(
        edited("nanodet_split", "\"cls_8\", ", ""),
        ["score_outputs, box_outputs and strides are to be of one length, not 2, 3 and 3"]
    );
    assert_eq!(
        edited("nanodet_split", "person = 2", "person = 1\ncat = 4"),
        [
            "head.classes.cat is for no label of this model: labels are person, vehicle",
            "head.classes.vehicle: class 1 is there twice"
        ]
    );
    assert_eq!(
        edited("detr_raw", "kind = \"detr\"", "kind = \"detr\"\nsize_input = \"size\""),
        ["with logits_output there is no labels_output, scores_output or size_input"]
    );
    assert_eq!(
        edited("segmentation", "layout = \"logits\"", "layout = \"logits\"\ncut = 0.5"),
        ["cut is for layout = \"probabilities\" and \"sigmoid\": leave it out"]
    );
}
