//! The detection log on a real disk: what is whole survives, what is torn is set aside, and nothing is ever fatal.

use crate::support::city::{around, burning, camera_id, city, look, with_box};
use crate::support::{House, PATIENCE};
use citybrain_dispatcher::log::{self, LOG_FOLDER, LogStore, Part, compact_all};
use citybrain_dispatcher::replay::Replay;
use citybrain_ingest_config::City;
use citybrain_types::FrameDetections;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

fn logging(folder: &Path) -> City {
    let mut city = city(folder);
    city.dispatch.log_budget_bytes = 1 << 30;
    city.cameras.get_mut(&camera_id("gate-2")).unwrap().area = Some("东港/1".to_owned());
    city
}

/// Two fires and rubbish, over midnight.
fn story() -> Vec<FrameDetections> {
    let mut frames = Vec::new();
    for n in 0..200_u64 {
        let far = |mut frame: FrameDetections| {
            frame.captured_at = frame.captured_at.plus(Duration::from_secs(64_500));
            frame.stages.detected_at = frame.stages.detected_at.plus(Duration::from_secs(64_500));
            frame
        };
        frames.push(far(if n < 90 { burning("gate-1", n) } else { look("gate-1", n) }));
        frames.push(far(if n > 120 { burning("gate-2", n) } else { look("gate-2", n) }));
        let score = 0.05 + (n as f32 * 0.618).fract() * 0.9;
        frames.push(far(with_box(look("gate-3", n), "littering", score, around(0.3, 0.7))));
    }
    frames
}

/// What a log leads to, and how many files of it are torn.
fn replayed(log: &Path) -> (String, usize) {
    let mut replay = Replay::new(Arc::new(logging(Path::new("unused"))), Arc::default());
    let mut torn = 0;
    log::read(log, |batch| replay.take(&batch), |_| torn += 1).unwrap();
    let lines = replay.cases().map(|case| serde_json::to_string(case).unwrap() + "\n");
    (lines.collect(), torn)
}

async fn live(city: City, frames: &[FrameDetections]) {
    let house = House::open(city).await;
    for batch in frames.chunks(16) {
        house.publish(batch).await;
    }
    house.close().await;
}

fn parquet(log: &Path) -> Vec<PathBuf> {
    let parts = log::parts(log).unwrap();
    let files = parts.into_iter().map(|part| match part {
        Part::Parquet(files) => files,
        Part::Segment(_) | Part::Ruling(_) => Vec::new(),
    });
    files.flatten().collect()
}

async fn until(what: &str, done: impl Fn() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < PATIENCE * 2, "{what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn segments_become_parquet_by_day_and_district_and_lead_to_the_same_cases() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join(LOG_FOLDER);
    live(logging(folder.path()), &story()).await;
    let before = replayed(&log).0;
    assert!(before.lines().count() >= 3, "{before}");
    let city = Arc::new(logging(folder.path()));
    let store = LogStore::folder(&log).unwrap();
    assert_eq!(compact_all(&log, &store, &city).await.unwrap(), (1, 0));
    let files = parquet(&log);
    let names: Vec<String> =
        files.iter().map(|path| path.strip_prefix(&log).unwrap().display().to_string()).collect();
    for part in ["day=2025-06-01/district=harbour/", "day=2025-06-02/district=harbour/"] {
        assert!(names.iter().any(|name| name.starts_with(part)), "{part} is not in {names:?}");
    }
    assert_eq!(names.len(), 4, "{names:?}");
    assert_eq!(replayed(&log), (before, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_segment_that_is_there_beside_its_parquet_is_read_once() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join(LOG_FOLDER);
    live(logging(folder.path()), &story()).await;
    let segment = std::fs::read_dir(&log).unwrap().next().unwrap().unwrap().path();
    let kept = std::fs::read(&segment).unwrap();
    let city = Arc::new(logging(folder.path()));
    compact_all(&log, &LogStore::folder(&log).unwrap(), &city).await.unwrap();
    // As a crash leaves it: written, and not removed yet.
    std::fs::write(&segment, kept).unwrap();
    let mut frames = 0;
    log::read(&log, |batch| frames += batch.len(), |_| {}).unwrap();
    assert_eq!(frames, story().len());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_torn_is_recovered_or_set_aside_and_the_city_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join(LOG_FOLDER);
    let story = story();
    live(logging(folder.path()), &story[..300]).await;
    let segment = std::fs::read_dir(&log).unwrap().next().unwrap().unwrap().path();
    let bytes = std::fs::read(&segment).unwrap();
    std::fs::write(&segment, &bytes[..bytes.len() / 2]).unwrap();
    let torn = log.join("day=2025-06-01/district=harbour/00000000000000000001.parquet");
    std::fs::create_dir_all(torn.parent().unwrap()).unwrap();
    std::fs::write(&torn, b"PAR1 and then the power went").unwrap();
    std::fs::write(log.join("00000000000000000002.arrows"), b"no segment").unwrap();
    assert_eq!(replayed(&log).1, 3, "three files are torn, and none is fatal");

    let house = House::open(logging(folder.path())).await;
    let aside = |path: &Path| PathBuf::from(format!("{}.torn", path.display()));
    until("the torn file is set aside", || aside(&torn).exists()).await;
    until("the half of the segment becomes Parquet", || !segment.exists() && !parquet(&log).is_empty()).await;
    until("what is no segment is set aside", || aside(&log.join("00000000000000000002.arrows")).exists())
        .await;
    // It is counted after that, and on a busy machine a moment later.
    let counted = "citybrain_detection_log_torn_total 3";
    until("three are counted", || house.metrics().contains(counted)).await;
    house.publish(&story[300..]).await;
    house.close().await;
    let (cases, torn) = replayed(&log);
    assert!(torn == 0 && !cases.is_empty(), "{torn} {cases}");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_store_takes_nothing_segments_stay_and_are_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join(LOG_FOLDER);
    let elsewhere = folder.path().join("elsewhere");
    std::fs::create_dir_all(&elsewhere).unwrap();
    // A file where a folder is to be: nothing can be put there.
    let block = elsewhere.join("day=2025-06-01");
    std::fs::write(&block, b"in the way").unwrap();
    let city = || {
        let mut city = logging(folder.path());
        city.log.url = Some(url::Url::from_file_path(&elsewhere).unwrap());
        city
    };
    live(city(), &story()).await;
    let segments = || std::fs::read_dir(&log).unwrap().count();
    let house = House::open(city()).await;
    until("the store is said not to answer", || {
        house.metrics().contains("citybrain_detection_log_not_stored_total 2")
    })
    .await;
    assert_eq!(segments(), 1);
    let before = replayed(&log).0;
    std::fs::remove_file(&block).unwrap();
    until("the segment is stored", || segments() == 0).await;
    house.close().await;
    assert_eq!(replayed(&elsewhere), (before, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn old_days_go_and_the_rest_is_kept_within_its_budget() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join(LOG_FOLDER);
    live(logging(folder.path()), &story()).await;
    let store = LogStore::folder(&log).unwrap();
    compact_all(&log, &store, &Arc::new(logging(folder.path()))).await.unwrap();
    let bytes = |files: &[PathBuf]| files.iter().map(|path| path.metadata().unwrap().len()).sum::<u64>();
    let all = bytes(&parquet(&log));
    let mut city = logging(folder.path());
    city.dispatch.log_budget_bytes = all - 1;
    let house = House::open(city).await;
    until("the oldest is removed", || parquet(&log).len() == 3).await;
    house.close().await;
    assert!(parquet(&log).iter().any(|path| path.display().to_string().contains("day=2025-06-02")));
    let mut city = logging(folder.path());
    city.log.retention = Some(Duration::from_secs(30 * 86_400));
    let house = House::open(city).await;
    // The story lies in the past: all of it is older than a month.
    until("old days are removed", || parquet(&log).is_empty()).await;
    house.close().await;
}

#[test]
fn a_log_of_a_version_from_the_future_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let store = LogStore::folder(folder.path()).unwrap();
    let logged = vec![log::Logged { position: 1, frame: look("gate-1", 1) }];
    runtime.block_on(log::write_segment(&store, &logging(folder.path()), "1", logged)).unwrap();
    let file = parquet(folder.path()).remove(0);
    let mut bytes = std::fs::read(&file).unwrap();
    // The version stands in the footer, behind its key: a string of one digit.
    let key = log::ROWS_VERSION_KEY.as_bytes();
    let at = bytes.windows(key.len()).position(|part| part == key).unwrap() + key.len();
    let digit = at + bytes[at..].iter().position(|byte| *byte == b'1').unwrap();
    bytes[digit] = b'9';
    std::fs::write(&file, bytes).unwrap();
    let error = log::read(folder.path(), |_| {}, |_| {}).unwrap_err().to_string();
    assert!(error.contains("version 9") && error.contains("reads 1 to 1"), "{error}");
}
