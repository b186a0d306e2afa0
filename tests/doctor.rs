//! `citybrain doctor` as the engineer who installs meets it.

#[path = "support.rs"]
#[allow(dead_code, reason = "each suite uses its part of it")]
mod support;

#[path = "../dispatcher/tests/it/support/s3.rs"]
#[allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each suite uses its part of it; a test that cannot go on has failed"
)]
mod s3;

use s3::{S3, SECRET_KEY};
use serde_json::Value;
use std::net::TcpListener;
use support::output;

#[test]
fn a_doctor_names_what_does_not_answer_and_tells_no_secret() {
    let work = tempfile::tempdir().unwrap();
    let there = TcpListener::bind("127.0.0.1:0").unwrap();
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let text = format!(
        r#"
[site]
name = "Harbour"
time_zone = "UTC"
data_dir = "{}"
listen = "127.0.0.1:0"

[[cameras]]
id = "gate-1"
url = "rtsp://{}/main?token=geheim"
user = "viewer"
password = "geheim"

[[cameras]]
id = "gate-2"
url = "rtsp://{gone}/main"
user = "viewer"
password = "geheim"

[[departments]]
id = "centre"
name = "Centre"
district_centre = true
destinations = ["desk"]

[[sinks]]
id = "desk"
webhook = {{ url = "http://{}/geheim", secret = "whsec_Z2VoZWltZ2VoZWltZ2VoZWltZ2VoZWlt" }}
"#,
        work.path().join("data").display(),
        there.local_addr().unwrap(),
        there.local_addr().unwrap(),
    );
    let file = work.path().join("citybrain.toml");
    std::fs::write(&file, text).unwrap();
    let answer = output(&["doctor", "--json", "--config", file.to_str().unwrap()]);
    let said = String::from_utf8(answer.stdout).unwrap();
    assert!(!said.contains("geheim"), "{said}");
    let findings: Vec<Value> = serde_json::from_str(&said).unwrap();
    let verdict = |check: &str| {
        let found = findings.iter().find(|finding| finding["check"].as_str().unwrap().starts_with(check));
        found.unwrap_or_else(|| panic!("nothing of {check}: {said}"))["verdict"].as_str().unwrap().to_owned()
    };
    for check in ["GStreamer", "libavcodec", "ONNX Runtime", "model ", "data folder", "destination desk"] {
        assert_eq!(verdict(check), "ok", "{check}");
    }
    assert_eq!(verdict("camera gate-2"), "failure");
    assert!(!said.contains("camera gate-1"), "what answers is counted only: {said}");
    assert!(said.contains("1 of 2 take connections"), "{said}");
    assert_eq!(answer.status.code(), Some(1), "something does not work");
}

#[test]
fn a_doctor_tries_the_store_of_the_detection_log_and_says_what_is_wrong_with_it() {
    let server = S3::start();
    let work = tempfile::tempdir().unwrap();
    let file = work.path().join("citybrain.toml");
    let asked = |bucket: &str, environment: &[(&str, String)]| {
        let text = format!(
            "[site]\nname = \"Harbour\"\ntime_zone = \"UTC\"\ndata_dir = \"{}\"\nlisten = \"127.0.0.1:0\"\n\
             [dispatch]\nlog_url = \"s3://{bucket}/log\"\n\
             [[departments]]\nid = \"centre\"\nname = \"Centre\"\ndistrict_centre = true\n",
            work.path().join("data").display(),
        );
        std::fs::write(&file, text).unwrap();
        let mut doctor = support::citybrain();
        doctor.args(["doctor", "--config"]).arg(&file).envs(environment.iter().cloned());
        let answer = doctor.output().unwrap();
        let said = String::from_utf8(answer.stdout).unwrap();
        assert!(!said.contains(SECRET_KEY), "{said}");
        said
    };
    let right = server.environment();
    let said = asked(s3::BUCKET, &right);
    assert!(
        said.contains("ok    detection log: s3://detections/log lists, takes and gives up files"),
        "{said}"
    );
    let said = asked("no-such-bucket", &right);
    assert!(said.contains("FAIL  detection log: s3://no-such-bucket/log: there is no such bucket"), "{said}");
    let mut wrong = right.clone();
    wrong[1].1 = "falsch".to_owned();
    let said = asked(s3::BUCKET, &wrong);
    assert!(
        said.contains("FAIL  detection log") && said.contains("the keys are refused: see AWS_ACCESS_KEY_ID"),
        "{said}"
    );
    let said = asked(s3::BUCKET, &right[..1]);
    assert!(said.contains("needs AWS_SECRET_ACCESS_KEY in the environment, which is not set"), "{said}");
}

#[test]
fn a_doctor_names_a_configuration_that_cannot_be_read_and_looks_at_the_rest() {
    let answer = output(&["doctor", "--config", "no-such-file.toml"]);
    let said = String::from_utf8(answer.stdout).unwrap();
    assert!(said.contains("FAIL  configuration") && said.contains("ok    libavcodec"), "{said}");
    assert!(!answer.status.success());
}

#[test]
fn shells_and_manual_readers_are_served() {
    for shell in ["bash", "zsh", "fish"] {
        let answer = output(&["completions", shell]);
        let said = String::from_utf8(answer.stdout).unwrap();
        assert!(answer.status.success() && said.contains("doctor"), "{shell}");
    }
    let manual = String::from_utf8(output(&["man"]).stdout).unwrap();
    assert!(manual.contains(".TH citybrain 1") && manual.contains("doctor"));
}
