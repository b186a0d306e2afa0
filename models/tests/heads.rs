//! Every head on a graph in its exporter's layout, against answers worked out by that library or in numpy.
//!
//! The graphs and answers are written by `models/training/fixtures.py` and `fixture_exports.py`.
#![allow(clippy::unwrap_used, reason = "a test stops at what it cannot do")]

mod common;

use citybrain_models::LabelledBox;
use common::{Answers, expect_answers, folders_with_answers, load, pattern};

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
    assert!(folders.len() >= 2, "{folders:?}");
    for folder in folders {
        let (found, answers) = found(&folder);
        expect_answers(&folder, &found, &answers);
        assert!(
            found.windows(2).all(|pair| pair[0].score.get() >= pair[1].score.get()),
            "{folder}: {found:?}"
        );
    }
}
