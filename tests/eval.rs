//! `citybrain eval` as a user meets it: a folder of made pictures and clips in, figures out.
#![allow(clippy::unwrap_used, reason = "a test stops at what it cannot do")]

#[path = "support.rs"]
#[allow(dead_code, reason = "each suite uses its part of it")]
mod support;

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use support::{citybrain, root};

/// Runs ffmpeg, which the tests install.
fn ffmpeg(arguments: &[&str], file: &Path) {
    let output = Command::new("ffmpeg")
        .args(["-nostdin", "-loglevel", "error", "-y"])
        .args(arguments)
        .arg(file)
        .output()
        .expect("ffmpeg is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A model that takes brightness for fire: the fixture's graph under another label.
fn brightness_as_fire(folder: &Path) -> PathBuf {
    let fixture = root().join("models/fixtures/brightness_heatmap");
    let model = folder.join("model");
    std::fs::create_dir_all(&model).unwrap();
    std::fs::copy(fixture.join("model.onnx"), model.join("model.onnx")).unwrap();
    let manifest = std::fs::read_to_string(fixture.join("model.toml")).unwrap();
    let manifest = manifest.replace("\"bright\"", "\"fire\"").replace("bright = ", "fire = ");
    std::fs::write(model.join("model.toml"), manifest).unwrap();
    std::fs::write(model.join("CARD.md"), "# A model\n\n## Known limits\n\nIt takes brightness for fire.\n")
        .unwrap();
    model
}

/// Two pictures, and clips of a dark street with a light that is on from one second to another.
fn data(folder: &Path) -> PathBuf {
    let data = folder.join("data");
    std::fs::create_dir_all(data.join("images")).unwrap();
    std::fs::create_dir_all(data.join("clips")).unwrap();
    for (name, colour) in [("bright", "white"), ("dark", "black")] {
        let source = format!("color={colour}:size=64x64");
        ffmpeg(&["-f", "lavfi", "-i", &source, "-frames:v", "1"], &data.join(format!("images/{name}.png")));
    }
    let image = |id: u8, name: &str, fire: u8| {
        format!(
            r#"{{"id": {id}, "file_name": "images/{name}.png", "width": 64, "height": 64, "source": "made", "group": "{name}",
            "split": "val", "labels": {{"fire": {fire}}}}}"#
        )
    };
    let annotations = format!(
        r#"{{"categories": [{{"id": 1, "name": "fire"}}], "images": [{}, {}], "annotations": []}}"#,
        image(1, "bright", 1),
        image(2, "dark", 0)
    );
    std::fs::write(data.join("annotations.json"), annotations).unwrap();
    let light = |from: u32, to: u32| {
        format!(
            "color=black:size=128x128:rate=10:duration=24,drawbox=x=32:y=64:w=32:h=32:color=white:t=fill:\
             enable='between(t,{from},{to})'"
        )
    };
    // Keyframes every second are enough for a look every two; one keyframe at the start is not. MPEG-4 is decoded by
    // GStreamer. The flash is too short for an alarm.
    let x264 = ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-bf", "2"];
    for (name, light, coding) in [
        ("keyframes.mp4", light(4, 24), [&x264[..], &["-g", "10"]].concat()),
        ("sparse.mp4", light(4, 24), [&x264[..], &["-g", "999", "-sc_threshold", "0"]].concat()),
        ("old.avi", light(4, 24), vec!["-c:v", "mpeg4"]),
        ("flash.mp4", light(10, 11), [&x264[..], &["-g", "10"]].concat()),
        ("unlabelled.mp4", light(4, 24), [&x264[..], &["-g", "10"]].concat()),
    ] {
        let arguments = [&["-f", "lavfi", "-i", light.as_str()], coding.as_slice()].concat();
        ffmpeg(&arguments, &data.join("clips").join(name));
    }
    std::fs::write(data.join("clips/damaged.mp4"), "this is no video").unwrap();
    ffmpeg(&["-f", "lavfi", "-i", "sine=duration=3", "-c:a", "aac"], &data.join("clips/sound.mp4"));
    let list = "file,fps,duration_s,kind,start_s,end_s,note\n\
                keyframes.mp4,10,24,fire,4,24,\"on, and stays on\"\n\
                sparse.mp4,10,24,fire,4,24,\n\
                old.avi,10,24,fire,4,24,\n\
                flash.mp4,10,24,none,,,\n\
                unlabelled.mp4,10,24,none,,,\n\
                damaged.mp4,10,24,fire,0,9,\n\
                sound.mp4,10,3,none,,,\n\
                gone.mp4,10,24,fire,0,9,\n";
    std::fs::write(data.join("clips.csv"), list).unwrap();
    data
}

fn eval(arguments: &[&str]) -> Output {
    citybrain().arg("eval").args(arguments).env_remove("DATA").output().expect("the binary starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn pictures_and_clips_are_measured_as_the_whole_system_answers() {
    let folder = tempfile::tempdir().unwrap();
    let (model, data, out) =
        (brightness_as_fire(folder.path()), data(folder.path()), folder.path().join("out"));
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let scores = folder.path().join("elsewhere.csv");
    let run = eval(&[
        "--data",
        &path(&data),
        "--model",
        &path(&model),
        "--out",
        &path(&out),
        "--scores",
        &path(&scores),
        "--update-card",
    ]);
    let said = text(&run.stdout);
    assert!(run.status.success(), "{}", text(&run.stderr));
    assert!(said.contains("2 of 2 pictures") && said.contains("report.html"), "{said}");

    let csv = std::fs::read_to_string(scores).unwrap();
    assert_eq!(csv.lines().next(), Some("file_name,kind,score"));
    assert_eq!(
        csv.lines().count(),
        3,
        "one row for each picture, since kind and category are both called fire: {csv}"
    );
    assert!(!out.join("scores.csv").exists(), "it was to be written elsewhere");
    let card = std::fs::read_to_string(model.join("CARD.md")).unwrap();
    assert!(card.contains("It takes brightness for fire.") && card.contains("<!-- eval:begin -->"), "{card}");
    assert!(std::fs::read_to_string(out.join("report.html")).unwrap().contains("false alarm at"));

    let report: Value = serde_json::from_slice(&std::fs::read(out.join("report.json")).unwrap()).unwrap();
    let clips = &report["clips"];
    let named = |list: &Value, key: &str| -> Vec<String> {
        list.as_array().unwrap().iter().map(|entry| entry[key].as_str().unwrap().to_owned()).collect()
    };
    for clip in clips["unplayed"].as_array().unwrap() {
        let reason = clip["reason"].as_str().unwrap();
        assert!(!reason.contains("nothing came out"), "{clip} was given up on instead of understood");
    }
    assert_eq!(named(&clips["unplayed"], "file_name"), ["damaged.mp4", "sound.mp4", "gone.mp4"], "{clips}");
    let expected = ["keyframes", "every_frame", "every_frame", "keyframes", "keyframes"];
    assert_eq!(named(&clips["clips"], "decoding"), expected, "{clips}");
    let fire = &clips["kinds"][0];
    assert_eq!((&fire["kind"], clips["kinds"].as_array().unwrap().len()), (&Value::from("fire"), 1));
    // Found in three clips; the flash is no alarm, and what the list does not own up to is one.
    assert_eq!(
        (&fire["recall"]["hits"], &fire["recall"]["total"]),
        (&Value::from(3), &Value::from(3)),
        "{fire}"
    );
    assert_eq!(fire["in_time"]["hits"], 3, "{fire}");
    assert_eq!(fire["false_alarms"], 1, "{fire}");
    for clip in clips["clips"].as_array().unwrap() {
        let duration = clip["duration_secs"].as_f64().unwrap();
        assert!((duration - 24.0).abs() < 0.3, "{clip}");
        assert_eq!(clip["failed"], 0, "{clip}");
    }
    let quiet = fire["quiet_hours"].as_f64().unwrap() * 3600.0;
    assert!((quiet - (3.0 * 4.0 + 2.0 * 24.0)).abs() < 2.0, "{quiet}");
}

#[test]
fn the_same_clips_give_the_same_incidents_again() {
    let folder = tempfile::tempdir().unwrap();
    let (model, data) = (brightness_as_fire(folder.path()), data(folder.path()));
    let reports = ["first", "second"].map(|name| {
        let out = folder.path().join(name);
        let run = eval(&[
            "--data",
            data.to_str().unwrap(),
            "--model",
            model.to_str().unwrap(),
            "--out",
            out.to_str().unwrap(),
        ]);
        assert!(run.status.success(), "{}", text(&run.stderr));
        std::fs::read_to_string(out.join("report.json")).unwrap()
    });
    assert_eq!(reports[0], reports[1]);
}

#[test]
fn a_folder_that_holds_no_data_is_an_error_that_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let model = brightness_as_fire(folder.path());
    let run = eval(&["--data", folder.path().to_str().unwrap(), "--model", model.to_str().unwrap()]);
    assert!(!run.status.success());
    assert!(text(&run.stderr).contains("the folder is to hold annotations.json"), "{}", text(&run.stderr));
}
