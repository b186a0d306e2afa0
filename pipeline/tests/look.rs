//! The stages from mailbox to bus, on real pictures and a model with known answers.
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod look_support;

use citybrain_pipeline::StartError;
use citybrain_pipeline::picture::{Codec, Picture, RawFrame};
use citybrain_pipeline::publish::SpoolLoss;
use citybrain_pipeline::schedule::{DropReason, Mailboxes, Put};
use citybrain_pipeline::snapshot::SnapshotFailure;
use citybrain_types::{
    CameraId, EventKind, FocusRequest, FrameDetections, FrameOutcome, NoAnswer, NotSeen, Polygon, Timestamp,
};
use look_support::pictures::{CODECS, Colour, colours, encode, flat, keyframe, picture};
use look_support::street::{PATIENCE, Street, city, fixture, id, kind, now};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

const QUICK: Duration = Duration::from_millis(100);
const WHITE: Colour = [235, 128, 128];
const BLACK: Colour = [16, 128, 128];
const GREY: Colour = [126, 128, 128];

fn three_kinds(interval: Duration) -> Vec<citybrain_ingest_config::resolved::Kind> {
    ["red", "green", "blue"].map(|colour| kind(colour, &[colour], interval)).to_vec()
}

fn raw(camera: &CameraId, colour: Colour) -> Picture {
    let at = now();
    Picture::Raw(RawFrame {
        camera: camera.clone(),
        captured_at: at,
        received_at: at,
        yuv: flat(160, 90, colour),
    })
}

fn h264(camera: &CameraId, colour: Colour) -> Picture {
    let data = encode(Codec::H264, &[flat(320, 192, colour)]).remove(0);
    Picture::Keyframe(keyframe(camera, Codec::H264, data, now()))
}

/// What the classifier must say of a colour: BT.601, in the range that the codec's samples have.
fn expected(codec: Codec, [y, u, v]: Colour) -> [f64; 3] {
    let (black, luma, chroma) = if codec == Codec::Jpeg { (0.0, 255.0, 255.0) } else { (16.0, 219.0, 224.0) };
    let (y, u, v) =
        ((f64::from(y) - black) / luma, (f64::from(u) - 128.0) / chroma, (f64::from(v) - 128.0) / chroma);
    [y + 1.402 * v, y - 0.344_136 * u - 0.714_136 * v, y + 1.772 * u].map(|part| part.clamp(0.0, 1.0))
}

fn answer(frame: &FrameDetections) -> [f64; 3] {
    ["red", "green", "blue"].map(|label| {
        let found = frame.detections.iter().find(|d| d.label.as_str() == label);
        f64::from(found.unwrap_or_else(|| panic!("no {label} in {frame:?}")).score.get())
    })
}

#[test]
fn no_answer_is_ever_given_to_another_camera_or_frame() {
    let colours = colours(24);
    let names: Vec<String> = (0..colours.len()).map(|n| format!("camera-{n:02}")).collect();
    let names_ref: Vec<&str> = names.iter().map(String::as_str).collect();
    // Each camera shows its colour and, every other frame, its opposite; the frame's moment says which.
    let shows =
        |n: usize, turn: usize| if turn.is_multiple_of(2) { colours[n] } else { colours[(n + 12) % 24] };
    let pictures: Vec<Vec<Picture>> = names
        .iter()
        .enumerate()
        .map(|(n, name)| {
            let codec = CODECS[n % 3];
            let two = [picture(320, 192, shows(n, 0), 1), picture(320, 192, shows(n, 1), 2)];
            let units = encode(codec, &two).into_iter();
            units.map(|unit| Picture::Keyframe(keyframe(&id(name), codec, unit, Timestamp::EPOCH))).collect()
        })
        .collect();
    let data = tempfile::tempdir().unwrap();
    let mut street =
        Street::start(&city(data.path(), &names_ref, three_kinds(QUICK), fixture("color_classifier")));
    let mailboxes = street.stages.mailboxes();
    let slots: Vec<_> = names.iter().map(|name| mailboxes.slot(&id(name))).collect();
    let until = Instant::now() + Duration::from_secs(6);
    let mut frames = Vec::new();
    let mut turn = 0;
    while Instant::now() < until {
        for (n, slot) in slots.iter().enumerate() {
            let Picture::Keyframe(mut keyframe) = pictures[n][turn % 2].clone() else { unreachable!() };
            let at = now();
            // Odd microseconds mark the opposite colour.
            keyframe.captured_at = Timestamp::from_micros(at.as_micros() / 2 * 2 + (turn % 2) as i64);
            keyframe.received_at = at;
            if (turn + n) % 7 == 3 {
                keyframe.data = keyframe.data.slice(..keyframe.data.len() * 2 / 3);
            }
            slot.put(Picture::Keyframe(keyframe));
        }
        turn += 1;
        std::thread::sleep(Duration::from_millis(11));
        while let Ok(batch) = street.bus.try_recv() {
            frames.extend(batch.to_frames().unwrap());
        }
    }
    let (mut analysed, mut undecodable) = (0, 0);
    let mut last = BTreeMap::new();
    for frame in &frames {
        let n = names.iter().position(|name| *name == frame.camera.as_str()).unwrap();
        assert!(last.insert(n, frame.sequence) < Some(frame.sequence), "sequences of {} fall", frame.camera);
        match frame.outcome {
            FrameOutcome::Analysed => {
                let want = expected(CODECS[n % 3], shows(n, (frame.captured_at.as_micros() % 2) as usize));
                let got = answer(frame);
                let near = got.iter().zip(want).all(|(got, want)| (got - want).abs() < 0.05);
                assert!(near, "{} shows {got:?}, not {want:?}", frame.camera);
                analysed += 1;
            }
            FrameOutcome::NotSeen(NotSeen::Undecodable) => undecodable += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(analysed >= 150, "only {analysed} frames were looked at");
    assert!(undecodable >= 5, "only {undecodable} damaged keyframes were reported");
    assert!(street.metrics.drops.get(DropReason::Replaced) > 0);
    street.stages.shutdown();
}

#[test]
fn a_camera_that_is_not_connected_is_an_event_and_a_quiet_one_a_heartbeat() {
    let data = tempfile::tempdir().unwrap();
    let city = city(data.path(), &["dead", "quiet"], three_kinds(QUICK), fixture("color_classifier"));
    let mut street = Street::start(&city);
    let slot = street.stages.mailboxes().slot(&id("quiet"));
    let mut at = Instant::now();
    let frames = street.frames_until(|frames| {
        if at.elapsed() > Duration::from_millis(50) {
            slot.put(raw(&id("quiet"), GREY));
            at = Instant::now();
        }
        let count = |name: &str| frames.iter().filter(|f| f.camera.as_str() == name).count();
        count("dead") >= 2 && count("quiet") >= 5
    });
    for frame in &frames {
        if frame.camera.as_str() == "dead" {
            assert_eq!(frame.outcome, FrameOutcome::NotSeen(NotSeen::Disconnected));
            assert!(frame.detections.is_empty());
        } else {
            assert_eq!(frame.outcome, FrameOutcome::Analysed);
        }
        assert_eq!(frame.looked_for.len(), 3);
        assert_eq!(frame.model.as_str(), "color-classifier-1.0.0");
    }
    let text = street.metrics_text();
    assert!(text.contains("citybrain_looks_total{kind=\"red\",outcome=\"disconnected\"}"), "{text}");
    for stage in ["capture", "schedule", "decode", "detect", "publish"] {
        assert!(
            text.contains(&format!("citybrain_pipeline_stage_seconds_count{{stage=\"{stage}\"}}")),
            "{text}"
        );
    }
    assert!(street.board.status(&id("quiet")).unwrap().last_look_at.is_some());
    street.stages.shutdown();
}

#[test]
fn what_is_seen_through_a_camera_that_went_black_counts_as_not_seen() {
    let data = tempfile::tempdir().unwrap();
    let city = city(data.path(), &["gate"], three_kinds(QUICK), fixture("color_classifier"));
    let mut street = Street::start(&city);
    let slot = street.stages.mailboxes().slot(&id("gate"));
    let mut outcomes = Vec::new();
    for n in 0..8 {
        let Picture::Raw(mut frame) = raw(&id("gate"), BLACK) else { unreachable!() };
        // Five seconds apart for whoever judges, as fast as can be for who waits here.
        frame.captured_at = Timestamp::from_millis(1_000_000 + n * 5_000);
        slot.put(Picture::Raw(frame));
        outcomes.push(street.frames_until(|frames| !frames.is_empty())[0].outcome);
    }
    assert_eq!(outcomes[..4], [FrameOutcome::Analysed; 4], "four looks are not enough");
    assert_eq!(outcomes[4..], [FrameOutcome::NotSeen(NotSeen::Black); 4]);
    let faults = street.board.status(&id("gate")).unwrap().faults;
    assert_eq!(faults[0].since, Timestamp::from_millis(1_000_000), "{faults:?}");
    street.stages.shutdown();
}

/// A model that passes its first run on grey and gives a score of two for white.
fn model_that_exaggerates(folder: &Path) {
    let source = fixture("broken/score-above-one");
    let mut graph = std::fs::read(source.join("model.onnx")).unwrap();
    let factor: Vec<usize> =
        (0..graph.len() - 4).filter(|at| graph[*at..at + 4] == 3.0_f32.to_le_bytes()).collect();
    assert_eq!(factor.len(), 1, "the fixture's factor of 3 is not where it was");
    graph[factor[0]..factor[0] + 4].copy_from_slice(&2.0_f32.to_le_bytes());
    let sum: String = Sha256::digest(&graph).iter().map(|byte| format!("{byte:02x}")).collect();
    let manifest = std::fs::read_to_string(source.join("model.toml")).unwrap();
    let with_sum =
        |line: &str| if line.starts_with("sha256") { format!("sha256 = \"{sum}\"") } else { line.to_owned() };
    let manifest: Vec<String> = manifest.lines().map(with_sum).collect();
    std::fs::write(folder.join("model.onnx"), graph).unwrap();
    std::fs::write(folder.join("model.toml"), manifest.join("\n")).unwrap();
}

#[test]
fn a_model_that_answers_nonsense_is_reported_as_such() {
    let (data, model) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    model_that_exaggerates(model.path());
    let kinds = vec![kind("fire", &["bright"], QUICK)];
    let mut street = Street::start(&city(data.path(), &["gate"], kinds, model.path().to_owned()));
    street.stages.mailboxes().slot(&id("gate")).put(raw(&id("gate"), WHITE));
    let frames = street.frames_until(|frames| !frames.is_empty());
    assert_eq!(frames[0].outcome, FrameOutcome::NoAnswer(NoAnswer::InvalidOutput));
    assert!(frames[0].detections.is_empty());
    let text = street.metrics_text();
    assert!(text.contains("citybrain_looks_total{kind=\"fire\",outcome=\"invalid_output\"} 1"), "{text}");
    street.stages.shutdown();
}

#[test]
fn nothing_counts_in_an_ignored_part_of_the_picture() {
    let data = tempfile::tempdir().unwrap();
    let mut city =
        city(data.path(), &["gate"], vec![kind("fire", &["bright"], QUICK)], fixture("brightness_heatmap"));
    let whole = Polygon::new(vec![[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]).unwrap();
    let mut street = Street::start(&city);
    let slot = street.stages.mailboxes().slot(&id("gate"));
    slot.put(raw(&id("gate"), WHITE));
    let frames = street.frames_until(|frames| !frames.is_empty());
    assert!(frames[0].detections.iter().any(|d| d.score.get() > 0.9), "{:?}", frames[0]);
    city.cameras.get_mut(&id("gate")).unwrap().ignore.push(whole);
    street.stages.reload(&Arc::new(city)).unwrap();
    let mut put = Instant::now();
    let frames = street.frames_until(|frames| {
        if put.elapsed() > Duration::from_millis(150) {
            slot.put(raw(&id("gate"), WHITE));
            put = Instant::now();
        }
        frames.iter().any(|frame| frame.detections.is_empty())
    });
    assert_eq!(frames.last().unwrap().outcome, FrameOutcome::Analysed);
    street.stages.shutdown();
}

#[test]
fn a_hit_is_kept_as_pictures_before_and_at_detection() {
    let data = tempfile::tempdir().unwrap();
    let mut street = Street::start(&city(
        data.path(),
        &["gate"],
        vec![kind("fire", &["bright"], QUICK)],
        fixture("brightness_heatmap"),
    ));
    let slot = street.stages.mailboxes().slot(&id("gate"));
    slot.put(h264(&id("gate"), BLACK));
    street.frames_until(|frames| !frames.is_empty());
    std::thread::sleep(Duration::from_millis(120));
    slot.put(h264(&id("gate"), WHITE));
    let frames = street.frames_until(|frames| frames.iter().any(|frame| frame.snapshots.is_some()));
    let frame = frames.iter().find(|frame| frame.snapshots.is_some()).unwrap();
    let kept = frame.snapshots.clone().unwrap();
    let open = |place: &citybrain_types::SnapshotRef| {
        image::open(data.path().join("snapshots").join(place.as_str())).unwrap().into_rgb8()
    };
    let (at, before) = (open(&kept.at), open(kept.before.as_ref().unwrap()));
    assert_eq!((at.dimensions(), before.dimensions()), ((320, 192), (320, 192)));
    let light =
        |image: &image::RgbImage| image.pixels().filter(|p| p.0.iter().all(|part| *part > 200)).count();
    assert!(light(&at) > 40_000, "the frame itself is white");
    assert!(light(&at) < 320 * 192 - 500, "and holds a box with its caption");
    assert_eq!(light(&before), 0, "the frame before is black");
    assert!(kept.at.as_str().starts_with("gate/20") && kept.at.as_str().ends_with("-at.jpg"), "{}", kept.at);
    assert!(!frame.snapshot_lost);
    // A second hit a moment later is not another picture.
    std::thread::sleep(Duration::from_millis(150));
    slot.put(h264(&id("gate"), WHITE));
    let frames = street.frames_until(|frames| !frames.is_empty());
    assert!(frames[0].snapshots.is_none() && !frames[0].snapshot_lost, "{:?}", frames[0]);
    let latest = street.board.status(&id("gate")).unwrap().snapshot.unwrap();
    assert_eq!(latest.as_str(), "gate/latest.jpg");
    street.stages.shutdown();
    assert!(data.path().join("snapshots/gate/latest.jpg").exists());
}

/// Pairs of neighbours in the middle of a picture that differ as black does from white.
fn edges(image: &image::RgbImage) -> usize {
    let value = |x: u32, y: u32| i32::from(image.get_pixel(x, y).0[0]);
    let pairs = (88..104).flat_map(|y| (152..168).map(move |x| (x, y)));
    pairs.filter(|(x, y)| (value(*x, *y) - value(x + 1, *y)).abs() > 90).count()
}

#[test]
fn where_blurring_is_asked_for_the_picture_for_everybody_is_covered_and_the_original_lies_apart() {
    let data = tempfile::tempdir().unwrap();
    let mut city =
        city(data.path(), &["gate"], vec![kind("fire", &["bright"], QUICK)], fixture("brightness_heatmap"));
    city.people.blur = citybrain_ingest_config::resolved::Blur::FacesAndPlates;
    let mut street = Street::start(&city);
    let slot = street.stages.mailboxes().slot(&id("gate"));
    let mut shown = flat(320, 192, WHITE);
    // Something as fine as a plate in the middle of the picture.
    for (x, y) in (88..104).flat_map(|y| (152..168).map(move |x| (x, y))) {
        shown.y[y * 320 + x] = if (x / 2 + y / 2) % 2 == 0 { 16 } else { 235 };
    }
    let frame = RawFrame { camera: id("gate"), captured_at: now(), received_at: now(), yuv: shown };
    slot.put(Picture::Raw(frame));
    let frames = street.frames_until(|frames| frames.iter().any(|frame| frame.snapshots.is_some()));
    let kept = frames.iter().find_map(|frame| frame.snapshots.clone()).unwrap();
    street.stages.shutdown();
    let open =
        |folder: &str| image::open(data.path().join(folder).join(kept.at.as_str())).unwrap().into_rgb8();
    let (public, original) = (open("snapshots"), open("originals"));
    assert!(edges(&original) > 80, "{} edges in the original", edges(&original));
    assert!(edges(&public) < 30, "{} edges in what everybody sees", edges(&public));
    let latest = image::open(data.path().join("snapshots/gate/latest.jpg")).unwrap().into_rgb8();
    assert!(edges(&latest) < 30, "{} edges in the last look", edges(&latest));
}

struct Unmount(std::path::PathBuf);
impl Drop for Unmount {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(&self.0).status();
    }
}

/// A file system with no room, where this machine lets us mount one; else a file where the folder should be.
fn without_room(folder: &Path) -> (bool, Option<Unmount>) {
    std::fs::create_dir_all(folder).unwrap();
    let mount = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=4k", "tmpfs"])
        .arg(folder)
        .output();
    if mount.is_ok_and(|output| output.status.success()) {
        std::fs::write(folder.join("full"), vec![0; 4_096]).unwrap();
        return (true, Some(Unmount(folder.to_owned())));
    }
    std::fs::remove_dir(folder).unwrap();
    std::fs::write(folder, "in the way").unwrap();
    (false, None)
}

#[test]
fn a_full_disk_costs_the_picture_and_not_the_detection() {
    let data = tempfile::tempdir().unwrap();
    let (mounted, _unmount) = without_room(&data.path().join("snapshots"));
    let mut street = Street::start(&city(
        data.path(),
        &["gate"],
        vec![kind("fire", &["bright"], QUICK)],
        fixture("brightness_heatmap"),
    ));
    street.stages.mailboxes().slot(&id("gate")).put(h264(&id("gate"), WHITE));
    let frames = street.frames_until(|frames| !frames.is_empty());
    assert!(frames[0].detections.iter().any(|d| d.score.get() > 0.9));
    assert!(frames[0].snapshot_lost && frames[0].snapshots.is_none(), "{:?}", frames[0]);
    let reason = if mounted { SnapshotFailure::DiskFull } else { SnapshotFailure::Io };
    assert!(street.metrics.snapshot_failures(reason) > 0, "{}", street.metrics_text());
    street.stages.shutdown();
}

fn looks(mailboxes: &Mailboxes, turns: u32) {
    let slot = mailboxes.slot(&id("gate"));
    for _ in 0..turns {
        slot.put(raw(&id("gate"), GREY));
        std::thread::sleep(Duration::from_millis(130));
    }
}

#[test]
fn what_the_bus_does_not_take_survives_a_restart_in_order_and_a_torn_file_costs_itself_only() {
    let data = tempfile::tempdir().unwrap();
    let city = city(data.path(), &["gate"], three_kinds(QUICK), fixture("color_classifier"));
    let mut street = Street::start(&city);
    // The dispatcher is gone.
    street.bus.close();
    looks(&street.stages.mailboxes(), 25);
    street.stages.shutdown();
    let spool = data.path().join("spool");
    let files = || {
        let mut files: Vec<_> =
            std::fs::read_dir(&spool).unwrap().flatten().map(|entry| entry.path()).collect();
        files.sort();
        files
    };
    assert!(files().len() >= 2, "{:?}", files());
    let torn = files()[0].clone();
    let bytes = std::fs::read(&torn).unwrap();
    std::fs::write(&torn, &bytes[..bytes.len() / 2]).unwrap();

    let mut street = Street::start_with_bus(&city, 1);
    looks(&street.stages.mailboxes(), 2);
    let frames = street.frames_until(|frames| frames.len() >= 15);
    assert!(frames.is_sorted_by_key(|frame| frame.sequence), "out of order");
    assert_eq!(street.metrics.spool_losses(SpoolLoss::Torn), 1);
    let deadline = Instant::now() + PATIENCE;
    while files().iter().any(|file| file.extension().is_some_and(|e| e == "arrow")) {
        assert!(Instant::now() < deadline, "{:?}", files());
        let _ = street.bus.try_recv();
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(files()[0].extension().is_some_and(|e| e == "torn"));
    street.stages.shutdown();
}

#[test]
fn a_full_bus_keeps_nobody_waiting_and_loses_nothing() {
    let data = tempfile::tempdir().unwrap();
    let city = city(data.path(), &["gate"], three_kinds(QUICK), fixture("color_classifier"));
    let mut street = Street::start_with_bus(&city, 1);
    looks(&street.stages.mailboxes(), 30);
    let mut frames = Vec::new();
    let deadline = Instant::now() + PATIENCE;
    while frames.len() < 25 {
        assert!(Instant::now() < deadline, "only {} came\n{}", frames.len(), street.metrics_text());
        match street.bus.try_recv() {
            Ok(batch) => frames.extend(batch.to_frames().unwrap()),
            Err(_) => std::thread::sleep(Duration::from_millis(5)),
        }
    }
    let sequences: Vec<u64> = frames.iter().map(|frame| frame.sequence).collect();
    assert!(sequences.windows(2).all(|pair| pair[1] == pair[0] + 1), "{sequences:?}");
    street.stages.shutdown();
}

#[test]
fn shutting_down_hands_over_what_was_found() {
    let data = tempfile::tempdir().unwrap();
    let city = city(data.path(), &["gate"], three_kinds(QUICK), fixture("color_classifier"));
    let mut street = Street::start(&city);
    let mailboxes = street.stages.mailboxes();
    mailboxes.slot(&id("gate")).put(raw(&id("gate"), GREY));
    let deadline = Instant::now() + PATIENCE;
    while street.board.status(&id("gate")).unwrap().last_look_at.is_none() {
        assert!(Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(1));
    }
    let began = Instant::now();
    street.stages.shutdown();
    assert!(began.elapsed() < Duration::from_secs(5));
    let batch = street.bus.try_recv().expect("the frame looked at last is on the bus");
    assert_eq!(batch.len(), 1);
    assert!(street.bus.try_recv().is_err_and(|e| e == tokio::sync::mpsc::error::TryRecvError::Disconnected));
    let put = mailboxes.slot(&id("gate")).put(raw(&id("gate"), GREY));
    assert_eq!(put, Put::Dropped(DropReason::Closed));
}

#[test]
fn a_reload_swaps_cameras_thresholds_and_models_and_refuses_what_it_cannot_do() {
    let data = tempfile::tempdir().unwrap();
    let first = city(data.path(), &["gate"], three_kinds(QUICK), fixture("color_classifier"));
    let mut street = Street::start(&first);
    let mailboxes = street.stages.mailboxes();

    let mut other_model = city(
        data.path(),
        &["yard"],
        vec![kind("fire", &["bright"], QUICK)],
        fixture("broken/truncated-onnx"),
    );
    assert!(matches!(street.stages.reload(&Arc::new(other_model.clone())), Err(StartError::Model { .. })));
    let mut moved = first.clone();
    moved.site.data_dir = "/elsewhere".into();
    assert!(matches!(street.stages.reload(&Arc::new(moved)), Err(StartError::NeedsRestart("site.data_dir"))));
    mailboxes.slot(&id("gate")).put(raw(&id("gate"), WHITE));
    let frames = street.frames_until(|frames| !frames.is_empty());
    assert_eq!(frames[0].model.as_str(), "color-classifier-1.0.0", "the old city is still in force");

    other_model.models[0].dir = fixture("brightness_heatmap");
    street.stages.reload(&Arc::new(other_model)).unwrap();
    assert_eq!(mailboxes.slot(&id("gate")).put(raw(&id("gate"), WHITE)), Put::Dropped(DropReason::NotWanted));
    mailboxes.slot(&id("yard")).put(raw(&id("yard"), WHITE));
    let frames = street.frames_until(|frames| !frames.is_empty());
    assert_eq!((frames[0].camera.as_str(), frames[0].model.as_str()), ("yard", "brightness-heatmap-1.0.0"));
    assert_eq!(frames[0].outcome, FrameOutcome::Analysed);
    street.stages.shutdown();
}

#[test]
fn a_focus_request_brings_more_looks() {
    let data = tempfile::tempdir().unwrap();
    let slow = Duration::from_secs(600);
    let mut street =
        Street::start(&city(data.path(), &["gate"], three_kinds(slow), fixture("color_classifier")));
    let request = FocusRequest {
        camera: id("gate"),
        kind: EventKind::new("red"),
        look_interval: QUICK,
        until: now().plus(Duration::from_secs(60)),
        verify: false,
    };
    let unknown = FocusRequest { kind: EventKind::new("unknown"), ..request.clone() };
    assert!(!street.stages.focus(&unknown));
    assert!(street.stages.focus(&request));
    let slot = street.stages.mailboxes().slot(&id("gate"));
    let mut put = Instant::now();
    street.frames_until(|frames| {
        if put.elapsed() > Duration::from_millis(20) {
            slot.put(raw(&id("gate"), GREY));
            put = Instant::now();
        }
        frames.len() >= 5
    });
    street.stages.shutdown();
}
