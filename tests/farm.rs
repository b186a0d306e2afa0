//! A farm of cameras and a city on it, as a user tries whether his machine is enough.

#[path = "support.rs"]
#[allow(dead_code, reason = "each suite uses its part of it")]
mod support;

use serde_json::Value;
use std::process::{Child, Stdio};
use std::time::Duration;
use support::{City, citybrain, output, until};

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_city_that_a_farm_wrote_sees_every_camera_but_the_mute_one() {
    let work = tempfile::tempdir().unwrap();
    let (file, announced) = (work.path().join("farm.toml"), work.path().join("farm.json"));
    let small = [
        "--size",
        "320x184",
        "--fps",
        "5",
        "--bitrate-kbps",
        "100",
        "--keyframe-secs",
        "1",
        "--clip-secs",
        "2",
    ];
    let farm = citybrain()
        .args([
            "simulate",
            "--rtsp",
            "127.0.0.1:0",
            "--cameras",
            "24",
            "--fault",
            "mute=1",
            "--kinds",
            "littering",
        ])
        .args(small)
        .arg("--city")
        .arg(&file)
        .arg("--announce")
        .arg(&announced)
        .stdout(Stdio::null())
        .spawn();
    let _farm = Running(farm.unwrap());
    let told = until(Duration::from_secs(60), || std::fs::read(&announced).ok()).expect("the farm is served");
    let told: Value = serde_json::from_slice(&told).unwrap();
    assert_eq!(told["cameras"].as_array().map(Vec::len), Some(24));
    assert_eq!(told["cameras"][23]["faults"][0], "mute");

    let city = City::start(work.path(), &["--config", file.to_str().unwrap()]);
    let live = |state: &str| {
        let cameras = city.get("api/v1/cameras?limit=100");
        cameras["cameras"].as_array().unwrap().iter().filter(|camera| camera["state"] == state).count()
    };
    let up = until(Duration::from_secs(60), || (live("live") == 23).then_some(()));
    assert!(up.is_some(), "{} of 23 are live:\n{}", live("live"), city.log());
    assert!(city.stop().0.success());
}

#[test]
fn a_farm_that_cannot_be_says_why() {
    let cases = [
        (vec!["--cameras", "0"], "1 to 4000"),
        (vec!["--cameras", "2", "--fault", "stall=3"], "there are 2"),
        (vec!["--cameras", "2", "--fault", "flood=1"], "use stall, drop"),
        (vec!["--cameras", "2", "--size", "321x184"], "multiple of 8"),
        (vec!["--cameras", "2", "--codec", "mjpeg"], "use h264 or h265"),
        (vec!["--fault", "stall=3"], "--cameras"),
    ];
    for (arguments, expected) in cases {
        let quick = ["simulate", "--rtsp", "127.0.0.1:0"];
        let answer = output(&[&quick[..], &arguments].concat());
        let said = String::from_utf8_lossy(&answer.stderr);
        assert!(!answer.status.success() && said.contains(expected), "{arguments:?}: {said}");
    }
}
