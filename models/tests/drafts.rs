//! `models inspect` drafts a manifest for every fixture; with what a person has to fill in, it answers like the fixture's.
#![allow(clippy::unwrap_used, reason = "a test stops at what it cannot do")]

mod common;

use citybrain_models::{Detector, SessionOptions, inspect};
use common::{Answers, expect_answers, fixtures, folders_with_answers, pattern, runtime};

/// What a person fills in beside `labels`, `[thresholds]` and `[head.classes]`: keys whose guess is another exporter's
/// habit, and keys with a default that this fixture does not keep to. `-` takes a key out.
const FILLED: [(&str, &[(&str, &str)]); 18] = [
    ("classifier", &[]),
    ("detr_deploy", &[]),
    ("detr_raw", &[("max_boxes", "20")]),
    ("multilabel_logits", &[("kind", "\"multilabel\"")]),
    ("nanodet_plus", &[]),
    ("nanodet_split", &[("scores", "\"logits\""), ("resize", "\"letterbox\""), ("pad", "114")]),
    ("picodet_cells", &[]),
    ("picodet_nms", &[]),
    ("segmentation", &[("min_area", "0.01")]),
    ("segmentation_classes", &[("min_area", "0.02")]),
    ("ssd_tensorflow", &[]),
    ("ssd_torchvision", &[]),
    ("yolov10", &[]),
    ("yolov5", &[]),
    ("yolov8", &[("max_iou", "0.5")]),
    ("yolov9", &[("boxes", "\"edges\""), ("max_iou", "0.6"), ("resize", "\"stretch\""), ("pad", "-")]),
    ("yolox_decoded", &[("layout", "\"decoded\""), ("strides", "-")]),
    ("yolox_raw", &[]),
];

/// The lines of a manifest from one that starts so to the next empty one.
fn block(manifest: &str, start: &str) -> String {
    let lines =
        manifest.lines().skip_while(|line| !line.starts_with(start)).take_while(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join("\n")
}

/// The table a key stands in where a draft has it not.
fn table_of(key: &str) -> &'static str {
    if key == "pad" { "[input]" } else { "[head]" }
}

/// The draft with lines of the fixture's manifest where a person fills in.
fn filled(draft: &str, own: &str, keys: &[(&str, &str)]) -> String {
    let mut lines: Vec<String> = draft.lines().map(str::to_owned).collect();
    let mut set = |key: &str, line: Option<String>| {
        // `layout` is a key of [input] and of [head]: the head's comes last.
        let index = lines.iter().rposition(|old| old.split(" = ").next() == Some(key));
        match (index, line) {
            (Some(index), Some(line)) => lines[index] = line,
            (Some(index), None) => drop(lines.remove(index)),
            (None, Some(line)) => {
                let table = lines.iter().position(|old| old == table_of(key)).unwrap();
                lines.insert(table + 1, line);
            }
            (None, None) => panic!("the draft has no {key} to take out"),
        }
    };
    set("labels", Some(block(own, "labels").lines().next().unwrap().to_owned()));
    for (key, value) in keys {
        set(key, (*value != "-").then(|| format!("{key} = {value}")));
    }
    let draft = lines.join("\n");
    let head = draft.split("\n[thresholds]").next().unwrap().to_owned();
    format!("{head}\n{}\n\n{}\n", block(own, "[head.classes]"), block(own, "[thresholds]"))
}

#[test]
fn a_draft_of_every_fixture_loads_and_answers_as_the_fixtures_own_manifest() {
    let names: Vec<&str> = FILLED.iter().map(|(name, _)| *name).collect();
    assert_eq!(folders_with_answers(), names);
    for (name, keys) in FILLED {
        let file = fixtures().join(name).join("model.onnx");
        let described = inspect::describe(&file, &runtime()).unwrap();
        let draft = described.draft("model.onnx").unwrap_or_else(|| panic!("{name}: no guess"));
        let own = std::fs::read_to_string(fixtures().join(name).join("model.toml")).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let text = filled(&draft.text, &own, keys);
        std::fs::write(folder.path().join("model.toml"), &text).unwrap();
        std::fs::copy(&file, folder.path().join("model.onnx")).unwrap();
        let mut detector = Detector::load(folder.path(), &runtime(), SessionOptions::default())
            .unwrap_or_else(|error| panic!("{name}: {error}\n{text}"));
        let answers = Answers::read(name);
        detector.set_floor(answers.floor);
        let placement = detector.input().placement(answers.picture.0, answers.picture.1);
        let frame = pattern(detector.input().width, detector.input().height);
        expect_answers(name, &detector.detect(&frame, &placement).unwrap(), &answers);
    }
}

#[test]
fn a_draft_loads_as_it_is_and_says_what_it_does_not_know() {
    // Its classes are counted but not named, so placeholders stand in.
    let file = fixtures().join("yolox_raw/model.onnx");
    let draft = inspect::describe(&file, &runtime()).unwrap().draft("model.onnx").unwrap();
    assert!(draft.text.contains("labels = [\"class_0\", \"class_1\", \"class_2\"]  # ?"), "{}", draft.text);
    assert!(draft.text.contains("license = \"unknown\"  # ?"), "{}", draft.text);
    assert!(draft.why[0].contains("YOLOX"), "{:?}", draft.why);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("model.toml"), &draft.text).unwrap();
    std::fs::copy(&file, folder.path().join("model.onnx")).unwrap();
    Detector::load(folder.path(), &runtime(), SessionOptions::default()).unwrap();
}

#[test]
fn names_in_the_file_become_labels() {
    let file = fixtures().join("yolov5/model.onnx");
    let draft = inspect::describe(&file, &runtime()).unwrap().draft("model.onnx").unwrap();
    assert!(draft.text.contains("labels = [\"person\", \"car\", \"bus\"]\n"), "{}", draft.text);
}

#[test]
fn a_draft_of_the_project_s_own_models_names_their_heads() {
    for (name, kind) in [("brightness_heatmap", "heatmap"), ("color_classifier", "multilabel")] {
        let file = fixtures().join(name).join("model.onnx");
        let draft = inspect::describe(&file, &runtime()).unwrap().draft("model.onnx").unwrap();
        assert!(draft.text.contains(&format!("kind = \"{kind}\"")), "{}", draft.text);
    }
}
