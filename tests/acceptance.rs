//! The real binary against real streams and servers, as a user meets it.

#[path = "support.rs"]
#[allow(dead_code, reason = "each suite uses its part of it")]
mod support;

use serde_json::Value;
use std::time::Duration;
use support::{City, clip, output, root, until};

#[test]
fn a_video_file_needs_no_configuration_and_a_stop_is_quick() {
    let work = tempfile::tempdir().unwrap();
    let (file, data) = (clip(work.path()), work.path().join("data"));
    let city =
        City::start(work.path(), &["--camera", file.to_str().unwrap(), "--data-dir", data.to_str().unwrap()]);
    let looked = until(Duration::from_secs(30), || {
        let camera = city.get("api/v1/cameras")["cameras"][0].clone();
        camera["last_look_at"].is_string().then_some(camera)
    });
    let camera = looked.unwrap_or_else(|| panic!("never looked at:\n{}", city.log()));
    assert_eq!(camera["state"], "live");
    assert_eq!(camera["media"], "H.264 640x360");
    assert_eq!(city.get("readyz")["ready"], Value::Bool(true));
    for stage in ["capture", "schedule", "decode", "detect", "publish"] {
        let counted = format!("citybrain_pipeline_stage_seconds_count{{stage=\"{stage}\"}}");
        // The look is told of before its detections are published, which may wait for more of them.
        let passed = until(Duration::from_secs(10), || {
            let metrics = city.page("metrics");
            metrics.lines().any(|line| line.starts_with(&counted) && !line.ends_with(" 0")).then_some(())
        });
        assert!(passed.is_some(), "nothing passed {stage}:\n{}", city.page("metrics"));
    }
    assert!(city.page("cameras").contains("live"), "the console shows the camera");
    let (status, took) = city.stop();
    assert!(status.success());
    assert!(took < Duration::from_secs(10), "stopping took {took:?}");
}

#[test]
fn every_mistake_of_a_configuration_is_told_at_once() {
    let work = tempfile::tempdir().unwrap();
    let file = work.path().join("citybrain.toml");
    let text = r#"
[site]
nmae = "Harbour"
time_zone = "Asia/Shanghi"

[[cameras]]
id = "gate 3"
url = "rtsp://10.0.0.1/"

[[cameras]]
id = "gate-4"
url = "gopher://10.0.0.2/"

[[routes]]
kinds = ["fire"]
departments = ["fire-brigad"]

[[departments]]
id = "fire-brigade"
district_centre = true
"#;
    std::fs::write(&file, text).unwrap();
    let told = output(&["check", file.to_str().unwrap()]);
    assert!(!told.status.success());
    let told = String::from_utf8(told.stdout).unwrap() + &String::from_utf8(told.stderr).unwrap();
    for mistake in ["nmae", "Asia/Shanghi", "gate 3", "gopher", "fire-brigad'"] {
        assert!(told.contains(mistake), "'{mistake}' is not told:\n{told}");
    }
    let places = told.lines().filter(|line| line.contains("citybrain.toml:")).count();
    assert_eq!(places, 5, "one place a mistake:\n{told}");
}

#[test]
fn a_change_that_is_wrong_is_refused_whole_and_a_right_one_comes_into_force() {
    let work = tempfile::tempdir().unwrap();
    let clip = clip(work.path());
    let config = work.path().join("citybrain.toml");
    let camera = |id: &str| {
        format!("[[cameras]]\nid = \"{id}\"\nurl = \"file://{}\"\nrepeat = true\n", clip.display())
    };
    let site = format!("[site]\ndata_dir = \"{}\"\n", work.path().join("data").display());
    std::fs::write(&config, format!("{site}{}", camera("one"))).unwrap();
    let city = City::start(work.path(), &["--config", config.to_str().unwrap()]);

    std::fs::write(&config, format!("{site}{}colour = 3\n{}", camera("one"), camera("two"))).unwrap();
    city.signal("HUP");
    let refused =
        until(Duration::from_secs(20), || city.log().contains("unknown key 'colour'").then_some(()));
    assert!(refused.is_some(), "the mistake is not logged:\n{}", city.log());
    assert_eq!(city.get("api/v1/cameras")["cameras"].as_array().unwrap().len(), 1);

    std::fs::write(&config, format!("{site}{}{}", camera("one"), camera("two"))).unwrap();
    city.signal("HUP");
    let both = until(Duration::from_secs(30), || {
        let cameras = city.get("api/v1/cameras")["cameras"].as_array().unwrap().clone();
        (cameras.len() == 2 && cameras.iter().all(|camera| camera["last_look_at"].is_string())).then_some(())
    });
    assert!(both.is_some(), "the second camera is not looked at:\n{}", city.log());
}

#[test]
fn a_password_is_neither_logged_nor_shown() {
    let work = tempfile::tempdir().unwrap();
    let data = work.path().join("data");
    let arguments =
        ["--camera", "rtsp://viewer:s3cr3t-word@127.0.0.1:9/main", "--data-dir", data.to_str().unwrap()];
    let city = City::start(work.path(), &arguments);
    let failed = until(Duration::from_secs(20), || {
        let camera = city.get("api/v1/cameras")["cameras"][0].clone();
        (camera["state"] == "failed").then_some(camera)
    });
    let camera = failed.unwrap_or_else(|| panic!("never failed:\n{}", city.log()));
    assert_eq!(camera["reason"], "unreachable");
    for shown in [city.log(), camera.to_string(), city.page("cameras"), city.page("metrics")] {
        assert!(!shown.contains("s3cr3t-word"), "the password is shown:\n{shown}");
    }
}

#[test]
fn a_model_that_is_not_what_it_claims_is_named_and_not_run() {
    let work = tempfile::tempdir().unwrap();
    let data = work.path().join("data");
    for broken in ["truncated-onnx", "label-count-mismatch", "not-onnx"] {
        let model = root().join("models/fixtures/broken").join(broken);
        let arguments = ["run", "--camera", "rtsp://127.0.0.1:9/", "--model"];
        let mut command = support::citybrain();
        command.args(arguments).arg(&model).arg("--data-dir").arg(&data).args(["--listen", "127.0.0.1:0"]);
        let told = command.output().unwrap();
        assert!(!told.status.success(), "{broken} was run");
        let words = String::from_utf8(told.stderr).unwrap();
        assert!(words.contains(broken), "the folder is not named:\n{words}");
    }
}

/// A city whose one kind of event is light, seen by a fixture model with a known answer.
fn city_of_light(work: &std::path::Path, data: &std::path::Path) -> std::path::PathBuf {
    // Dark for six seconds, then white.
    let dark_then_light =
        "color=black:size=640x360:rate=10:duration=60,drawbox=color=white:t=fill:enable='gte(t,6)'";
    let clip = support::film(work, dark_then_light);
    let model = root().join("models/fixtures/brightness_heatmap");
    let config = work.join("citybrain.toml");
    let text = format!(
        "[site]\ndata_dir = \"{}\"\n\n[[cameras]]\nid = \"lamp\"\nurl = \"file://{}\"\nkinds = [\"light\"]\n\n\
         [[kinds]]\ncode = \"light\"\nnames = {{ en = \"Light\" }}\nlabels = [\"bright\"]\ndeadline_secs = 60\n\
         look_interval_secs = 1\nhandle_within_minutes = 60\n\n[[models]]\ndir = \"{}\"\n",
        data.display(),
        clip.display(),
        model.display()
    );
    std::fs::write(&config, text).expect("the configuration can be written");
    config
}

#[test]
fn a_full_disk_for_snapshots_costs_the_pictures_and_not_the_case() {
    let work = tempfile::tempdir().unwrap();
    let data = work.path().join("data");
    let _disk = support::TinyDisk::mount(&data.join("snapshots"), 8);
    let config = city_of_light(work.path(), &data);
    let city = City::start(work.path(), &["--config", config.to_str().unwrap()]);
    let filed = until(Duration::from_secs(60), || {
        let cases = city.get("api/v1/cases")["cases"].as_array().unwrap().clone();
        cases.into_iter().find(|case| case["kind"] == "light")
    });
    let case = filed.unwrap_or_else(|| panic!("no case:\n{}", city.log()));
    assert_eq!(case["snapshots"], Value::Null, "there was no room for pictures");
    let failures = city.page("metrics");
    let counted = failures
        .lines()
        .find(|line| line.starts_with("citybrain_snapshot_failures_total{reason=\"disk_full\"}"));
    assert!(counted.is_some_and(|line| !line.ends_with(" 0")), "the full disk is not counted:\n{failures}");
    assert!(city.log().contains("snapshot"), "the full disk is not logged:\n{}", city.log());
}

#[test]
fn a_case_carries_the_pictures_before_and_at_detection() {
    let work = tempfile::tempdir().unwrap();
    let config = city_of_light(work.path(), &work.path().join("data"));
    let city = City::start(work.path(), &["--config", config.to_str().unwrap()]);
    let filed = until(Duration::from_secs(60), || {
        let cases = city.get("api/v1/cases")["cases"].as_array().unwrap().clone();
        cases.into_iter().find(|case| case["kind"] == "light")
    });
    let case = filed.unwrap_or_else(|| panic!("no case:\n{}", city.log()));
    for picture in ["at", "before"] {
        let path =
            case["snapshots"][picture].as_str().unwrap_or_else(|| panic!("no picture {picture}: {case}"));
        let file = work.path().join("data/snapshots").join(path);
        let bytes = std::fs::read(&file).unwrap();
        assert!(bytes.starts_with(&[0xff, 0xd8]), "{} is no JPEG", file.display());
    }
    let page = city.page(&format!("cases/{}", case["id"].as_str().unwrap()));
    assert!(page.contains("Light") && page.contains(case["snapshots"]["before"].as_str().unwrap()));
}
