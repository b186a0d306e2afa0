//! The log of a city that was killed, full of duplicates and cut off, leads to the same cases byte for byte.

use crate::support::House;
use crate::support::city::{around, burning, camera_id, city, dark, fire, look, opinion, with_box};
use arrow_ipc::writer::StreamWriter;
use citybrain_dispatcher::log::{self, LOG_FOLDER};
use citybrain_dispatcher::replay::Replay;
use citybrain_ingest_config::City;
use citybrain_types::{DetectionBatch, FrameDetections};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

fn two_steps(folder: &Path) -> City {
    let mut city = city(folder);
    city.dispatch.log_budget_bytes = 1 << 30;
    let row = city.kinds.get_mut(&fire()).unwrap();
    row.incident.confirm_within = Some(Duration::from_secs(30));
    row.incident.join_within_m = 50.0;
    city.cameras.get_mut(&camera_id("gate-2")).unwrap().position = Some([121.6, 31.2]);
    city
}

/// A fire that is confirmed, one that is withdrawn, rubbish that comes back, and a camera that goes dark.
fn story() -> Vec<FrameDetections> {
    let mut frames = Vec::new();
    for n in 0..120_u64 {
        // Room for an answer before each look.
        let numbered = |frame: FrameDetections| FrameDetections { sequence: 1_000 + 2 * n, ..frame };
        frames.push(numbered(if n < 60 { burning("gate-1", n) } else { look("gate-1", n) }));
        let orange = numbered(burning("gate-2", n));
        frames.extend([opinion(&orange, 0.5, 0.5), orange]);
        let litter = with_box(look("gate-3", n), "littering", 0.9, around(0.3, 0.7));
        frames.push(numbered(if n % 90 < 20 { litter } else { look("gate-3", n) }));
        frames.push(numbered(if n < 10 { look("gate-4", n) } else { dark("gate-4", n) }));
    }
    frames
}

/// What a log leads to, as `citybrain replay` prints it.
fn replayed(log: &Path) -> (String, usize) {
    let mut replay = Replay::new(Arc::new(two_steps(Path::new("unused"))), Arc::default());
    let mut torn = 0;
    log::read(log, |batch| replay.take(&batch), |_| torn += 1).unwrap();
    let lines = replay.cases().map(|case| serde_json::to_string(case).unwrap() + "\n");
    (lines.collect(), torn)
}

fn write(path: &Path, batches: &[Vec<FrameDetections>]) {
    let mut writer =
        StreamWriter::try_new(std::fs::File::create(path).unwrap(), &DetectionBatch::schema()).unwrap();
    for batch in batches {
        writer.write(DetectionBatch::from_frames(batch).record_batch()).unwrap();
    }
    writer.finish().unwrap();
}

#[test]
fn however_a_log_is_batched_and_whatever_is_in_it_twice_the_cases_are_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let story = story();
    let whole = folder.path().join("whole.arrows");
    write(&whole, std::slice::from_ref(&story));
    let (expected, _) = replayed(&whole);
    for state in ["\"state\":\"dispatched\"", "\"state\":\"void\"", "camera_fault"] {
        assert!(expected.contains(state), "{state} is not in {expected}");
    }
    for size in [1, 7, 64] {
        let mut batches: Vec<Vec<FrameDetections>> = story.chunks(size).map(<[_]>::to_vec).collect();
        // Every third batch comes again, after the next.
        for n in (0..batches.len().saturating_sub(1)).rev().filter(|n| n % 3 == 0) {
            let again = batches[n].clone();
            batches.insert(n + 2, again);
        }
        let path = folder.path().join(format!("by-{size}.arrows"));
        write(&path, &batches);
        assert_eq!(replayed(&path).0, expected, "in batches of {size}");
    }
}

#[test]
fn a_log_that_was_cut_off_anywhere_is_read_up_to_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.arrows");
    let batches: Vec<Vec<FrameDetections>> = story().chunks(10).map(<[_]>::to_vec).collect();
    write(&path, &batches);
    let bytes = std::fs::read(&path).unwrap();
    let (_, torn) = replayed(&path);
    assert_eq!(torn, 0);
    for cut in [bytes.len() - 200, bytes.len() / 2, bytes.len() / 2 + 1] {
        std::fs::write(&path, &bytes[..cut]).unwrap();
        let (mut whole, mut torn) = (0, 0);
        log::read(&path, |_| whole += 1, |_| torn += 1).unwrap();
        assert!(torn <= 1 && whole < batches.len(), "{whole} batches are whole after {cut} bytes");
        let up_to_there = folder.path().join("up-to-there.arrows");
        write(&up_to_there, &batches[..whole]);
        assert_eq!(replayed(&path).0, replayed(&up_to_there).0);
    }
    std::fs::write(&path, b"this is no log").unwrap();
    let error = log::read(&path, |_| {}, |_| {}).unwrap_err();
    assert!(error.to_string().contains("is no detection log"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_city_that_was_stopped_twice_and_given_frames_again_leaves_the_log_of_one_that_was_not() {
    let folder = tempfile::tempdir().unwrap();
    let story = story();
    let third = story.len() / 3;
    // What lay in the spool when it stopped comes again after each start.
    for (from, to) in [(0, third), (third - 40, 2 * third), (2 * third - 40, story.len())] {
        let house = House::open(two_steps(folder.path())).await;
        for batch in story[from..to].chunks(16) {
            house.publish(batch).await;
        }
        house.close().await;
    }
    let whole = folder.path().join("whole.arrows");
    write(&whole, std::slice::from_ref(&story));
    assert_eq!(replayed(&folder.path().join(LOG_FOLDER)).0, replayed(&whole).0);
}
