//! The main job from end to end: a simulated street, cases on two desks, judged by the demo's own check.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support.rs"]
#[allow(dead_code, reason = "each suite uses its part of it")]
mod support;

use serde_json::{Value, json};
use std::path::Path;

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
    tuning_finds_what_was_set_wrong(&folder, &rows);
}

/// The street's log, judged again: where no fire would ever have been seen, tuning finds a threshold that sees all.
fn tuning_finds_what_was_set_wrong(folder: &Path, rows: &[Value]) {
    let written = std::fs::read_to_string(folder.join("citybrain.toml")).unwrap();
    let blind = folder.join("blind.toml");
    std::fs::write(&blind, written + "\n[[kinds]]\ncode = \"fire\"\nevidence = { hit_score = 1.0 }\n")
        .unwrap();
    let fires: Vec<Value> = rows
        .iter()
        .filter(|row| row["kind"] == "fire")
        .map(|row| json!({ "camera": row["camera"], "kind": "fire", "from": row["visible_at"], "to": row["confirmed_at"] }))
        .collect();
    let events = folder.join("events.json");
    std::fs::write(&events, serde_json::to_vec(&fires).unwrap()).unwrap();
    let page = folder.join("what-if.html");
    let [blind, events, page] = [&blind, &events, &page].map(|path| path.to_str().unwrap());
    let mut line =
        vec!["tune", "--config", blind, "--kind", "fire", "--hit-score", "0.3..0.9/7", "--events", events];
    line.extend(["--complete", "--budget", "1000", "--json", "--html", page]);
    let shown = support::output(&line);
    assert!(shown.status.success(), "{}", String::from_utf8_lossy(&shown.stderr));
    let report: Value = serde_json::from_slice(&shown.stdout).unwrap();
    let of = |policy: usize| &report["policies"][policy]["by_kind"]["fire"];
    assert_eq!(of(0)["recall"]["hits"], 0, "{report}");
    let suggestion = &report["suggestions"][0];
    let best = usize::try_from(suggestion["policy"].as_u64().unwrap()).unwrap();
    assert_eq!(of(best)["recall"]["hits"], fires.len(), "{suggestion}");
    assert_eq!(of(best)["precision"]["share"], 1.0, "{}", of(best));
    let html = std::fs::read_to_string(page).unwrap();
    assert!(html.contains("<svg") && html.contains("data:image/jpeg;base64,"), "curves and pictures");
}
