//! Every claim of a manifest is checked, and a model that does not keep one is refused with the words that say which.
#![allow(clippy::unwrap_used, reason = "a test stops at what it cannot do")]

mod common;

use citybrain_models::{Detector, LoadError, Runtime, RuntimeError, SessionOptions};
use common::{fixtures, load, runtime};

/// The message of a broken fixture, with the folder of the fixtures left out.
fn refusal(case: &str) -> String {
    let error = match load(&format!("broken/{case}")) {
        Ok(_) => panic!("{case} was loaded"),
        Err(error) => error,
    };
    let folder = format!("{}/", fixtures().join("broken").join(case).display());
    error.to_string().replace(&folder, "")
}

#[test]
fn whole_models_are_loaded_and_say_what_they_are() {
    let detector = load("brightness_heatmap").unwrap();
    assert_eq!(detector.model_id().as_str(), "brightness-heatmap-1.0.0");
    assert_eq!((detector.input().width, detector.input().height, detector.input().pad), (64, 64, 114));
    assert_eq!(detector.labels().iter().map(|label| label.as_str()).collect::<Vec<_>>(), ["bright"]);
    assert_eq!(detector.threshold(&detector.labels()[0]), Some(0.5));
    for folder in ["color_classifier", "color_classifier_f32"] {
        assert_eq!(load(folder).unwrap().labels().len(), 3);
    }
}

#[test]
fn a_manifest_that_is_wrong_is_refused_with_its_line() {
    let expected = [
        ("unknown-key", "model.toml:2: unknown key 'confidence'"),
        ("unknown-format-version", "model.toml:1: format_version 2 is not known: this build reads 1"),
        (
            "unknown-head",
            "model.toml:20: unknown head 'tea-leaves': this build reads classifier, detr, heatmap, multilabel, nanodet, picodet, segmentation, ssd, yolov10, yolov5, yolov8, yolox",
        ),
        ("threshold-out-of-range", "model.toml:25: thresholds.bright = 1.5 is not within 0..=1"),
        (
            "threshold-for-unknown-label",
            "model.toml:26: thresholds.dark is for no label of this model: labels are bright",
        ),
        (
            "file-outside",
            "model.toml:4: file '../../brightness_heatmap/model.onnx' leaves the model's folder: give the name of a file in it",
        ),
    ];
    for (case, message) in expected {
        assert_eq!(refusal(case), message);
    }
}

#[test]
fn a_folder_without_a_manifest_is_refused_and_told_what_a_model_is() {
    let folder = tempfile::tempdir().unwrap();
    let error = Detector::load(folder.path(), &runtime(), SessionOptions::default()).unwrap_err().to_string();
    assert!(
        error.ends_with(
            "model.toml: No such file or directory (os error 2); a model is a folder that holds model.toml"
        ),
        "{error}"
    );
}

#[test]
fn a_file_with_another_checksum_is_refused() {
    let expected = "model.onnx has sha256 b8c6b98e1fd73e8fb40c20b15e7c151b1b70996657b7a01c1f544a0a2971b7b3, model.toml says 0000000000000000000000000000000000000000000000000000000000000000; fetch the file again or correct the manifest";
    assert_eq!(refusal("wrong-sha256"), expected);
}

#[test]
fn a_file_that_is_no_graph_is_refused_before_or_by_the_runtime() {
    let cut =
        "model.onnx is not a model that onnx runtime can run: it is no protobuf message, or is cut short";
    assert_eq!(refusal("truncated-onnx"), cut);
    assert_eq!(refusal("not-onnx"), cut);
    assert_eq!(
        refusal("empty-file"),
        "model.onnx is not a model that onnx runtime can run: the file is empty"
    );
    // A whole protobuf message, of some other kind.
    let (folder, manifest) = copy_of("brightness_heatmap");
    let other = b"\x0a\x05hello";
    std::fs::write(folder.path().join("model.onnx"), other).unwrap();
    let found = match Detector::load(folder.path(), &runtime(), SessionOptions::default()) {
        Err(LoadError::Checksum { found, .. }) => found,
        other => panic!("{other:?}"),
    };
    std::fs::write(folder.path().join("model.toml"), with_sha256(&manifest, &found)).unwrap();
    let error = Detector::load(folder.path(), &runtime(), SessionOptions::default()).unwrap_err();
    assert!(matches!(error, LoadError::NotOnnx { .. }), "{error}");
}

#[test]
fn data_outside_the_file_is_refused_although_it_is_there_and_fits() {
    assert!(fixtures().join("outside-weights.bin").is_file());
    let expected = "model.onnx: tensor 'luminance_weights' keeps its data outside, in '../../outside-weights.bin'; save the model as one file";
    assert_eq!(refusal("external-data-outside"), expected);
}

#[test]
fn a_graph_that_is_not_as_the_manifest_says_is_refused_with_both_sides() {
    let expected = [
        ("wrong-input-name", "model.onnx: model.toml says the input is 'pixels', the graph has 'frame'"),
        (
            "wrong-input-shape",
            "model.onnx: model.toml says input 'frame' is uint8 [1,64,128,3], the graph has uint8 [1,64,64,3]",
        ),
        (
            "wrong-input-dtype",
            "model.onnx: model.toml says input 'frame' is float32 [1,64,64,3], the graph has uint8 [1,64,64,3]",
        ),
        (
            "missing-output",
            "model.onnx: model.toml says head.heat_output is 'heatmap', the graph has 'heat', 'image_score'",
        ),
    ];
    for (case, message) in expected {
        assert_eq!(refusal(case), message);
    }
}

#[test]
fn labels_that_the_graph_does_not_score_are_refused() {
    assert_eq!(refusal("label-count-mismatch"), "model.toml:24: thresholds.dark is missing");
    let (folder, manifest) = copy_of("broken/label-count-mismatch");
    std::fs::write(folder.path().join("model.toml"), format!("{manifest}dark = 0.5\n")).unwrap();
    let error = Detector::load(folder.path(), &runtime(), SessionOptions::default()).unwrap_err().to_string();
    let way_out = "name each in labels (\"\" leaves one out), or choose some with [head.classes]";
    let expected = ["heat", "image_score"].map(|output| {
        format!("model.onnx: model.toml speaks of 2 classes, output '{output}' of the graph has 1; {way_out}")
    });
    assert_eq!(error.replace(&format!("{}/", folder.path().display()), ""), expected.join("\n"));
}

#[test]
fn a_model_whose_first_answer_is_no_probability_is_refused() {
    let nan = "model.onnx: a first run on a grey frame failed: output 'image_score' holds NaN";
    assert_eq!(refusal("nan-output"), nan);
    let above = refusal("score-above-one");
    let start = "model.onnx: a first run on a grey frame failed: output 'image_score' holds 1.34";
    assert!(above.starts_with(start), "{above}");
}

#[test]
fn a_file_larger_than_allowed_is_refused_unread() {
    let options = SessionOptions { max_file_bytes: 100, ..SessionOptions::default() };
    let error = Detector::load(&fixtures().join("brightness_heatmap"), &runtime(), options).unwrap_err();
    assert!(matches!(error, LoadError::TooLarge { limit: 100, .. }), "{error}");
}

#[test]
fn weights_that_are_a_folder_are_refused() {
    let (folder, _) = copy_of("brightness_heatmap");
    std::fs::remove_file(folder.path().join("model.onnx")).unwrap();
    std::fs::create_dir(folder.path().join("model.onnx")).unwrap();
    let error = Detector::load(folder.path(), &runtime(), SessionOptions::default()).unwrap_err();
    assert!(error.to_string().ends_with("model.onnx: not a file"), "{error}");
}

#[test]
fn a_second_library_is_not_loaded_beside_the_first() {
    let first = runtime();
    assert!(first.is_pinned(), "{first:?}");
    assert!(Runtime::load(Some(first.path())).is_ok());
    let error = Runtime::load(Some("/nowhere/libonnxruntime.so".as_ref())).unwrap_err();
    assert!(matches!(error, RuntimeError::AlreadyLoaded { .. }), "{error}");
}

fn copy_of(model: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    for name in ["model.toml", "model.onnx"] {
        std::fs::copy(fixtures().join(model).join(name), folder.path().join(name)).unwrap();
    }
    let manifest = std::fs::read_to_string(folder.path().join("model.toml")).unwrap();
    (folder, manifest)
}

fn with_sha256(manifest: &str, digest: &str) -> String {
    let lines = manifest.lines().map(|line| match line.starts_with("sha256") {
        true => format!("sha256 = \"{digest}\""),
        false => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}
