//! The main job from end to end: a simulated street, cases on two desks, judged by the demo's own check.

#[path = "support.rs"]
#[allow(dead_code, reason = "each suite uses its part of it")]
mod support;

use serde_json::Value;

#[test]
fn every_scripted_event_becomes_exactly_one_case_in_time_and_quiet_cameras_none() {
    let work = tempfile::tempdir().unwrap();
    let rows = work.path().join("rows.json");
    let folder = work.path().join("demo");
    let arguments =
        ["demo", "--check", "--json", rows.to_str().unwrap(), "--work-dir", folder.to_str().unwrap()];
    let shown = support::output(&arguments);
    let words = String::from_utf8_lossy(&shown.stdout);
    let log = std::fs::read_to_string(folder.join("city.log")).unwrap_or_default();
    assert!(shown.status.success(), "{words}\n{}\n{log}", String::from_utf8_lossy(&shown.stderr));

    let rows: Vec<Value> = serde_json::from_slice(&std::fs::read(&rows).unwrap()).unwrap();
    for (kind, least) in [("fire", 3), ("waterlogging", 1), ("littering", 1), ("illegal_construction", 1)] {
        assert!(rows.iter().filter(|row| row["kind"] == kind).count() >= least, "no {kind}:\n{words}");
    }
    for row in &rows {
        assert_eq!(row["ok"], true, "{row}");
        assert!(row["delay_s"].as_f64().unwrap() <= row["deadline_s"].as_f64().unwrap(), "{row}");
        assert!(row["deliveries"]["webhook"].as_u64() >= Some(1), "{row}");
        assert!(row["deliveries"]["mqtt"].as_u64() >= Some(1), "{row}");
    }
}
