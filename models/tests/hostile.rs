//! Graphs that ask for too much or answer oddly: a clear error in bounded time and memory, and the process lives on.
#![allow(clippy::unwrap_used, reason = "a test stops at what it cannot do")]

mod common;

use citybrain_models::{Detector, LoadError, SessionOptions};
use citybrain_types::NoAnswer;
use common::{fixtures, load, pattern, runtime};
use std::time::{Duration, Instant};

/// Generous: what is refused from the bytes takes milliseconds.
const SOON: Duration = Duration::from_secs(60);

fn refusal(case: &str) -> LoadError {
    let started = Instant::now();
    let error = load(&format!("broken/{case}")).err().unwrap_or_else(|| panic!("{case} was loaded"));
    assert!(started.elapsed() < SOON, "{case} took {:?}", started.elapsed());
    error
}

#[test]
fn what_a_file_claims_is_refused_before_the_runtime_sees_it() {
    let expected = [
        ("huge-tensor", "tensor 'weights' claims 1000000×1000000 elements and holds "),
        ("huge-shape", "'means' is declared with 1000000×1000000 elements, 268435456 at most are run"),
        ("huge-fill", "node 'filled' makes 1000000×1000000 elements, 268435456 at most are run"),
        (
            "custom-operator",
            "node 'dreamt' is the operator 'Dream' of 'city.dreams', which onnx runtime has not",
        ),
        ("cyclic-graph", "its nodes run in a circle through 'first'"),
        ("empty-graph", "it holds no graph, or one without nodes"),
    ];
    for (case, message) in expected {
        let error = refusal(case);
        assert!(matches!(error, LoadError::NotOnnx { .. }), "{case}: {error}");
        assert!(error.to_string().contains(message), "{case}: {error}");
    }
}

#[test]
fn an_output_that_explodes_at_run_time_is_an_error_and_not_the_end_of_the_process() {
    let error = refusal("exploding-output");
    let LoadError::FirstRun { source, .. } = &error else { panic!("{error}") };
    assert_eq!(source.no_answer(), NoAnswer::RuntimeError, "{error}");
    assert!(load("brightness_heatmap").is_ok(), "another model still loads");
}

#[test]
fn a_graph_that_never_ends_is_stopped() {
    let options = SessionOptions { patience: Duration::from_secs(2), ..SessionOptions::default() };
    let started = Instant::now();
    let error = Detector::load(&fixtures().join("broken/endless-loop"), &runtime(), options).unwrap_err();
    assert!(matches!(error, LoadError::FirstRun { .. }), "{error}");
    assert!(started.elapsed() < SOON, "took {:?}", started.elapsed());
}

#[test]
fn an_answer_that_makes_no_sense_is_named() {
    let expected = [
        ("unknown-class", "output 'output' tells class 7, the manifest speaks of 1"),
        ("nan-box", "output 'output' holds NaN"),
        ("infinite-score", "output 'output' holds inf"),
        ("wrong-class-count-at-run", "output 'output' came as 3 classes, the manifest speaks of 1"),
    ];
    for (case, message) in expected {
        let error = refusal(case);
        let LoadError::FirstRun { source, .. } = &error else { panic!("{case}: {error}") };
        assert_eq!(source.no_answer(), NoAnswer::InvalidOutput, "{case}: {error}");
        assert!(error.to_string().ends_with(message), "{case}: {error}");
    }
    let error = refusal("wrong-class-count").to_string();
    assert!(error.contains("model.toml speaks of 1 classes, output 'output' of the graph has 3"), "{error}");
}

#[test]
fn a_graph_that_finds_nothing_answers_with_nothing() {
    let mut detector = load("odd/zero-detections").unwrap();
    detector.set_floor(0.0);
    let placement = detector.input().placement(640, 480);
    assert_eq!(detector.detect(&pattern(64, 64), &placement).unwrap(), vec![]);
}

#[test]
fn thousands_of_boxes_become_few_in_bounded_time() {
    let mut detector = load("odd/thousands-of-boxes").unwrap();
    detector.set_floor(0.0);
    let placement = detector.input().placement(640, 640);
    let started = Instant::now();
    let found = detector.detect(&pattern(64, 64), &placement).unwrap();
    assert!(started.elapsed() < SOON, "took {:?}", started.elapsed());
    assert!((2..=100).contains(&found.len()), "{}", found.len());
    // What sticks out of the picture is cut off after suppression, so only whole boxes are compared.
    let whole = |b: &citybrain_types::BoundingBox| {
        b.left() > 0.0 && b.top() > 0.0 && b.right() < 1.0 && b.bottom() < 1.0
    };
    let found: Vec<_> = found.iter().filter(|one| whole(&one.bbox)).collect();
    assert!(!found.is_empty());
    for (index, one) in found.iter().enumerate() {
        assert!(found[..index].iter().all(|other| other.bbox.iou(&one.bbox) < 0.5), "{one:?}");
    }
}
