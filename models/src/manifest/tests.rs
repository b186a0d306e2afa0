use super::*;

const GOOD: &str = r#"format_version = 1
name = "lamp"
version = "1.0.0"
file = "model.onnx"
sha256 = "b8c6b98e1fd73e8fb40c20b15e7c151b1b70996657b7a01c1f544a0a2971b7b3"
license = "Apache-2.0"
labels = ["fire", "smoke"]

[input]
name = "frame"
layout = "nhwc"
dtype = "u8"
width = 416
height = 256
color = "rgb"
resize = "letterbox"
pad = 114

[head]
kind = "heatmap"
heat_output = "heat"
score_output = "image_score"

[thresholds]
fire = 0.5
smoke = 0.25

[[training_data]]
source = "a street"
licence = "CC0-1.0"
pictures = 12

[accuracy.fire]
auc = 0.99
precision = 0.9
recall = 1
"#;

fn problems(text: &str) -> Vec<(usize, String)> {
    Manifest::parse(text).unwrap_err().into_iter().map(|p| (p.line, p.message)).collect()
}

fn with(old: &str, new: &str) -> Vec<(usize, String)> {
    assert!(GOOD.contains(old));
    problems(&GOOD.replacen(old, new, 1))
}

#[test]
fn a_model_is_a_detector_unless_its_purpose_is_another() {
    assert_eq!(Manifest::parse(GOOD).unwrap().purpose, Purpose::Detector);
    let with_purpose =
        |purpose: &str| GOOD.replacen("labels =", &format!("purpose = {purpose}\nlabels ="), 1);
    assert_eq!(Manifest::parse(&with_purpose("\"verifier\"")).unwrap().purpose, Purpose::Verifier);
    assert_eq!(Manifest::parse(&with_purpose("\"context\"")).unwrap().purpose, Purpose::Context);
    let message = "purpose 'judge' is not one of detector, verifier, context".to_owned();
    assert_eq!(problems(&with_purpose("\"judge\"")), [(7, message)]);
}

#[test]
fn a_whole_manifest_is_read() {
    let manifest = Manifest::parse(GOOD).unwrap();
    assert_eq!(manifest.id.as_str(), "lamp-1.0.0");
    assert_eq!(manifest.threshold(&Label::new("smoke")), Some(0.25));
    assert_eq!(manifest.threshold(&Label::new("rain")), None);
    assert_eq!(manifest.input.shape(), [1, 256, 416, 3]);
    assert_eq!(manifest.training_data[0].pictures, 12);
    assert_eq!(manifest.accuracy[&Label::new("fire")].recall, 1.0);
}

#[test]
fn every_problem_is_reported_at_once_with_its_line() {
    let text = GOOD
        .replace("width = 416", "width = 2\nconfidence = 0.5")
        .replace("\"nhwc\"", "\"hwc\"")
        .replace("fire = 0.5", "fire = 1.5\nrain = 0.1")
        .replace("version = \"1.0.0\"\n", "");
    let expected = [
        (1, "version is missing"),
        (10, "input.layout 'hwc' is not one of nhwc, nchw"),
        (12, "width 2 is not within 8..=4096"),
        (13, "unknown key 'input.confidence'"),
        (25, "thresholds.fire = 1.5 is not within 0..=1"),
        (26, "thresholds.rain is for no label of this model: labels are fire, smoke"),
    ];
    let expected: Vec<(usize, String)> = expected.into_iter().map(|(l, m)| (l, m.to_owned())).collect();
    // `version = …` also ends the line of format_version, which starts the file.
    assert_eq!(problems(&text), expected);
}

#[test]
fn a_misspelt_key_is_named_with_the_key_meant() {
    let found = with("license =", "licence =");
    assert_eq!(
        found,
        [
            (1, "license is missing".to_owned()),
            (6, "unknown key 'licence': did you mean 'license'?".to_owned()),
        ]
    );
}

#[test]
fn a_later_format_is_not_picked_apart_as_this_one() {
    let found = with("format_version = 1", "format_version = 2\nsoul = true");
    assert_eq!(found, [(1, "format_version 2 is not known: this build reads 1".to_owned())]);
}

#[test]
fn a_file_outside_the_folder_is_refused() {
    for outside in ["../model.onnx", "/etc/passwd", "a/model.onnx", "..", ".hidden", "model.onnx/"] {
        let found = with("file = \"model.onnx\"", &format!("file = \"{outside}\""));
        let message = format!("file '{outside}' leaves the model's folder: give the name of a file in it");
        assert_eq!(found, [(4, message)]);
    }
}

#[test]
fn numbers_of_the_wrong_kind_are_refused() {
    assert_eq!(with("pad = 114", "pad = 256"), [(17, "pad 256 is not within 0..=255".to_owned())]);
    assert_eq!(with("pad = 114", "pad = nan"), [(17, "input.pad is to be an integer, not float".to_owned())]);
    let found = with("fire = 0.5", "fire = inf");
    assert_eq!(found, [(25, "thresholds.fire is to be a finite number, not float".to_owned())]);
    let found = with("pictures = 12", "pictures = -1");
    assert_eq!(found, [(31, "pictures -1 is not a count".to_owned())]);
}

#[test]
fn padding_and_normalisation_are_refused_where_they_would_be_ignored() {
    let stretched = "a stretched picture has no padding: leave pad out, or set resize = \"letterbox\"";
    assert_eq!(with("\"letterbox\"", "\"stretch\""), [(17, stretched.to_owned())]);
    let in_graph = "a u8 input is normalised in the graph: leave mean, std and scale out";
    assert_eq!(with("pad = 114", "pad = 114\nscale = 1.0"), [(18, in_graph.to_owned())]);
}

#[test]
fn a_float_input_without_normalisation_is_fed_pixels_as_they_are() {
    let manifest = Manifest::parse(&GOOD.replace("\"u8\"", "\"f32\"")).unwrap();
    assert_eq!(manifest.input.normalisation, Normalisation::IDENTITY);
    let text = GOOD
        .replace("\"u8\"", "\"f32\"")
        .replace("pad = 114", "pad = 0\nmean = [0, 0, 0]\nstd = [1, 0, 1]\nscale = 0.5");
    assert_eq!(problems(&text), [(19, "std holds a zero, by which nothing can be divided".to_owned())]);
    let two = GOOD.replace("\"u8\"", "\"f32\"").replace("pad = 114", "pad = 0\nmean = [0, 0]");
    let message = "input.mean is to be an array of three finite numbers, not array";
    assert_eq!(problems(&two), [(18, message.to_owned())]);
}

#[test]
fn labels_are_there_and_differ() {
    assert_eq!(
        with("labels = [\"fire\", \"smoke\"]", "labels = []"),
        [(7, "labels is empty: name each of the model's outputs".to_owned())]
    );
    let twice = with("[\"fire\", \"smoke\"]", "[\"fire\", \"fire\"]");
    assert_eq!(
        twice,
        [(
            7,
            "label 'fire' is there twice: to tell several classes as one, list them in [head.classes]"
                .to_owned()
        )]
    );
}

#[test]
fn text_that_is_not_toml_is_refused_with_its_line() {
    let found = problems("format_version = 1\nname = \n");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].0, 2);
}
