//! DuckDB, pandas and Polars read the detection log as it stands, and say the same of it.

use crate::support::city::{around, camera_id, city, fire, look, with_box};
use citybrain_dispatcher::log::{LogStore, Logged, write_segment};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

#[test]
fn duckdb_pandas_and_polars_count_what_was_written() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let python = root.join(".citybrain/readers/bin/python");
    assert!(python.exists(), "{} is missing: ./x install --all makes it", python.display());
    let folder = tempfile::tempdir().unwrap();
    let mut city = city(folder.path());
    city.cameras.get_mut(&camera_id("gate-2")).unwrap().area = Some("东港".to_owned());
    city.cameras.get_mut(&camera_id("gate-3")).unwrap().area = None;
    let mut frames = Vec::new();
    for n in 0..400_u64 {
        for camera in ["gate-1", "gate-2", "gate-3"] {
            let mut frame = look(camera, n);
            for box_ in 0..n % 4 {
                let kind = if box_ == 0 { "fire" } else { "littering" };
                let score = 0.05 + (n % 90) as f32 / 100.0;
                frame = with_box(frame, kind, score, around(0.2 + 0.1 * box_ as f32, 0.5));
            }
            frames.push(Logged { position: 10 + frames.len() as u64, frame });
        }
    }
    let found = || frames.iter().flat_map(|logged| &logged.frame.detections);
    let hits = found().filter(|found| found.kind == fire() && found.score.get() >= 0.5).count();
    let score: f64 = found().map(|found| f64::from(found.score.get())).sum();
    let (count, detections) = (frames.len(), found().count());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let log = folder.path().join("log");
    let store = LogStore::folder(&log).unwrap();
    runtime.block_on(write_segment(&store, &city, "00000000000000000010", frames)).unwrap();

    let output =
        Command::new(python).arg(root.join("benches/what-if/readers.py")).arg(&log).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    for reader in ["duckdb", "pandas", "polars"] {
        let said = &said[reader];
        assert_eq!(said["frames"], json!(count), "{reader}: {said}");
        assert_eq!(said["detections"], json!(detections), "{reader}: {said}");
        assert_eq!(said["hits"], json!(hits), "{reader}: {said}");
        assert_eq!(said["districts"], json!(["harbour", "none", "东港"]), "{reader}: {said}");
        assert!((said["score"].as_f64().unwrap() - score).abs() < 0.01, "{reader}: {said}");
    }
}
