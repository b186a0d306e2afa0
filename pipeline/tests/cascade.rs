//! Several models on one camera: each in its own interval, and models that ask each other, on the real stages.
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod look_support;

use citybrain_ingest_config::resolved::{Cascade, City, ExecutionProvider, Model, Turn};
use citybrain_models::LoadError;
use citybrain_pipeline::StartError;
use citybrain_pipeline::picture::{Picture, RawFrame, Yuv420};
use citybrain_types::{BoundingBox, EventKind, FrameDetections, FrameOutcome, NoAnswer};
use look_support::pictures::flat;
use look_support::street::{Street, city, fixture, id, kind, now};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

const QUICK: Duration = Duration::from_millis(100);
const SIDE: u32 = 640;
const DETECTOR: &str = "brightness-heatmap-1.0.0";
const VERIFIER: &str = "brightness-heatmap-2.0.0";

/// A dark picture with white squares: left, top and side in pixels.
fn squares(places: &[(u32, u32, u32)]) -> Picture {
    let mut yuv: Yuv420 = flat(SIDE, SIDE, [16, 128, 128]);
    for &(left, top, side) in places {
        for row in top..top + side {
            let start = (row * SIDE + left) as usize;
            yuv.y[start..start + side as usize].fill(235);
        }
    }
    let at = now();
    Picture::Raw(RawFrame { camera: id("gate"), captured_at: at, received_at: at, yuv })
}

/// One square that fills a quarter of one of the detector's 4 × 4 cells: a score of a quarter.
fn doubtful() -> Picture {
    squares(&[(160, 160, 80)])
}

/// A fixture under another version, so that the log tells the two apart.
fn second(folder: &Path, source: &str) -> PathBuf {
    let source = fixture(source);
    std::fs::copy(source.join("model.onnx"), folder.join("model.onnx")).unwrap();
    let manifest = std::fs::read_to_string(source.join("model.toml")).unwrap();
    std::fs::write(folder.join("model.toml"), manifest.replace("\"1.0.0\"", "\"2.0.0\"")).unwrap();
    folder.to_owned()
}

/// A detector that looks at everything, and what it asks from a score of 0.2 on.
fn with_verifier(data: &Path, verifier: PathBuf, crop: Option<f32>, at_most_every: Duration) -> City {
    let fire = kind("fire", &["bright"], QUICK);
    let mut city = city(data, &["gate"], vec![fire], fixture("brightness_heatmap"));
    let cascade = Cascade { after: 0, score: Some(0.2), crop, at_most_every };
    city.models.push(Model { turn: Turn::After(cascade), ..Model::of(verifier) });
    city
}

/// Puts pictures until the frames that came of them are enough.
fn show(
    street: &mut Street,
    picture: impl Fn() -> Picture,
    mut enough: impl FnMut(&[FrameDetections]) -> bool,
) -> Vec<FrameDetections> {
    let slot = street.stages.mailboxes().slot(&id("gate"));
    let mut put = Instant::now() - QUICK;
    street.frames_until(|frames| {
        if put.elapsed() >= Duration::from_millis(20) {
            slot.put(picture());
            put = Instant::now();
        }
        enough(frames)
    })
}

fn by<'f>(frames: &'f [FrameDetections], model: &str) -> Vec<&'f FrameDetections> {
    frames.iter().filter(|frame| frame.model.as_str() == model).collect()
}

#[test]
fn each_model_looks_in_its_own_interval_and_only_kinds_that_listen_hear_it() {
    let (data, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let kinds = vec![kind("fire", &["bright"], QUICK), kind("glare", &["bright"], QUICK)];
    let mut city = city(data.path(), &["gate"], kinds, fixture("brightness_heatmap"));
    let turn = Turn::Every(Some(Duration::from_secs(600)));
    let kinds = [EventKind::new("glare")].into();
    city.models.push(Model { turn, kinds, ..Model::of(second(other.path(), "brightness_heatmap")) });
    let mut street = Street::start(&city);
    let frames = show(&mut street, doubtful, |frames| by(frames, DETECTOR).len() >= 8);
    let seldom = by(&frames, VERIFIER);
    assert_eq!(seldom.len(), 1, "once in ten minutes");
    assert_eq!(seldom[0].looked_for, [EventKind::new("glare")]);
    assert!(by(&frames, DETECTOR).iter().all(|frame| frame.looked_for.len() == 2));
    assert!(frames.iter().all(|frame| frame.asked.is_none()));
    street.stages.shutdown();
}

#[test]
fn a_verifier_is_asked_only_about_hits_and_its_answer_stands_before_the_question() {
    let (data, verifier) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let verifier = second(verifier.path(), "brightness_heatmap");
    let mut street = Street::start(&with_verifier(data.path(), verifier, None, QUICK));
    let frames = show(&mut street, || squares(&[]), |frames| frames.len() >= 5);
    assert!(by(&frames, VERIFIER).is_empty(), "nothing was found to ask about");

    let frames = show(&mut street, doubtful, |frames| by(frames, VERIFIER).len() >= 2);
    assert!(frames.is_sorted_by_key(|frame| frame.sequence), "out of order");
    for answer in by(&frames, VERIFIER) {
        let asked = answer.asked.unwrap();
        assert_eq!(asked.region, BoundingBox::WHOLE);
        let Some(asking) = frames.iter().find(|frame| frame.sequence == asked.by) else { continue };
        assert_eq!((asking.model.as_str(), asking.captured_at), (DETECTOR, answer.captured_at));
        assert!(asking.asked.is_none() && asking.sequence > answer.sequence);
        assert!(asking.detections.iter().any(|found| found.score.get() >= 0.2));
    }
    street.stages.shutdown();
}

#[test]
fn a_crop_is_taken_in_full_resolution_and_its_boxes_lie_in_the_picture() {
    let (data, verifier) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let verifier = second(verifier.path(), "brightness_heatmap");
    let mut street = Street::start(&with_verifier(data.path(), verifier, Some(2.0), QUICK));
    let frames = show(&mut street, doubtful, |frames| by(frames, VERIFIER).len() >= 2);
    // The detector sees a cell of 160 pixels, a quarter of it white.
    let coarse = &by(&frames, DETECTOR).last().unwrap().detections[0];
    assert_eq!(coarse.bbox, BoundingBox::new(0.25, 0.25, 0.5, 0.5).unwrap());
    assert!((coarse.score.get() - 0.25).abs() < 0.05, "{coarse:?}");
    // Twice that around its middle, in cells of 80 pixels, of which one is the square.
    let answer = by(&frames, VERIFIER)[0];
    assert_eq!(answer.asked.unwrap().region, BoundingBox::new(0.125, 0.125, 0.625, 0.625).unwrap());
    let fine = &answer.detections[0];
    let square = BoundingBox::new(0.25, 0.25, 0.375, 0.375).unwrap();
    assert!(fine.bbox.iou(&square) > 0.99 && fine.score.get() > 0.9, "{fine:?}");
    assert!(
        street
            .metrics_text()
            .contains(&format!("citybrain_cascade_total{{model=\"{VERIFIER}\",outcome=\"confirmed\"}}"))
    );
    street.stages.shutdown();
}

#[test]
fn a_verifier_is_asked_about_one_camera_no_more_often_than_it_may_be() {
    let (data, verifier) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let verifier = second(verifier.path(), "brightness_heatmap");
    let spacing = Duration::from_millis(600);
    let mut street = Street::start(&with_verifier(data.path(), verifier, Some(2.0), spacing));
    let frames = show(&mut street, doubtful, |frames| by(frames, DETECTOR).len() >= 20);
    let answers = by(&frames, VERIFIER).len();
    // A look's moment is taken when it is scheduled, just before the verifier may be asked.
    let scheduled = frames.iter().map(|frame| frame.stages.scheduled_at);
    let lasted = scheduled.clone().max().unwrap().since(scheduled.min().unwrap());
    let allowed = 2 + lasted.as_millis() / spacing.as_millis();
    assert!(answers >= 1 && answers as u128 <= allowed, "{answers} answers in {lasted:?}");
    assert!(street.metrics_text().contains("outcome=\"too_soon\""), "{}", street.metrics_text());
    street.stages.shutdown();
}

#[test]
fn a_picture_full_of_hits_is_asked_about_in_two_places_at_most() {
    let (data, verifier) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let verifier = second(verifier.path(), "brightness_heatmap");
    let crowd = || squares(&[(0, 0, 160), (480, 0, 160), (0, 480, 160), (480, 480, 160)]);
    let mut street =
        Street::start(&with_verifier(data.path(), verifier, Some(1.0), Duration::from_secs(600)));
    let frames = show(&mut street, crowd, |frames| by(frames, DETECTOR).len() >= 3);
    let asked: Vec<_> = by(&frames, VERIFIER).iter().map(|answer| answer.asked.unwrap()).collect();
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert_eq!(asked[0].by, asked[1].by);
    assert!(asked[0].region.intersection(&asked[1].region) == 0.0, "{asked:?}");
    let crowded = format!("citybrain_cascade_total{{model=\"{VERIFIER}\",outcome=\"crowded\"}} 2");
    assert!(street.metrics_text().contains(&crowded), "{}", street.metrics_text());
    street.stages.shutdown();
}

#[test]
fn a_third_model_can_be_asked_by_the_second() {
    let (data, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let verifier = second(two.path(), "brightness_heatmap");
    let mut city = with_verifier(data.path(), verifier, Some(2.0), QUICK);
    // Listed before the one that asks it.
    let last = Cascade { after: 2, score: None, crop: None, at_most_every: QUICK };
    let last = Model { turn: Turn::After(last), ..Model::of(fixture("color_classifier")) };
    city.models.insert(1, last);
    city.kinds.values_mut().for_each(|kind| kind.labels.extend([citybrain_types::Label::new("red")]));
    let mut street = Street::start(&city);
    let third = "color-classifier-1.0.0";
    let frames = show(&mut street, doubtful, |frames| by(frames, third).len() >= 2);
    let answer = by(&frames, third)[0];
    let asking = frames.iter().find(|frame| frame.sequence == answer.asked.unwrap().by).unwrap();
    assert_eq!(asking.model.as_str(), VERIFIER);
    assert!(asking.asked.unwrap().by > asking.sequence && asking.sequence > answer.sequence);
    street.stages.shutdown();
}

/// A model that passes its first run on grey and gives a score of two for white.
fn model_that_exaggerates(folder: &Path) -> PathBuf {
    let source = fixture("broken/score-above-one");
    let mut graph = std::fs::read(source.join("model.onnx")).unwrap();
    let at = (0..graph.len() - 4).find(|at| graph[*at..at + 4] == 3.0_f32.to_le_bytes());
    let at = at.expect("the fixture's factor of 3 is where it was");
    graph[at..at + 4].copy_from_slice(&2.0_f32.to_le_bytes());
    let sum: String = Sha256::digest(&graph).iter().map(|byte| format!("{byte:02x}")).collect();
    let manifest = std::fs::read_to_string(source.join("model.toml")).unwrap();
    let with_sum =
        |line: &str| if line.starts_with("sha256") { format!("sha256 = \"{sum}\"") } else { line.to_owned() };
    let manifest: Vec<String> = manifest.lines().map(with_sum).collect();
    std::fs::write(folder.join("model.onnx"), graph).unwrap();
    std::fs::write(folder.join("model.toml"), manifest.join("\n")).unwrap();
    folder.to_owned()
}

#[test]
fn a_verifier_that_answers_nonsense_costs_its_own_answer_and_not_the_detectors() {
    let (data, verifier) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let verifier = model_that_exaggerates(verifier.path());
    let mut street = Street::start(&with_verifier(data.path(), verifier, None, QUICK));
    let white = || squares(&[(0, 0, SIDE)]);
    let frames = show(&mut street, white, |frames| frames.iter().any(|frame| frame.asked.is_some()));
    let answer = frames.iter().find(|frame| frame.asked.is_some()).unwrap();
    assert_eq!(answer.outcome, FrameOutcome::NoAnswer(NoAnswer::InvalidOutput));
    let frames = show(&mut street, white, |frames| !by(frames, DETECTOR).is_empty());
    let asking = by(&frames, DETECTOR)[0];
    assert!(asking.outcome == FrameOutcome::Analysed && !asking.detections.is_empty(), "{asking:?}");
    assert!(street.metrics_text().contains("outcome=\"no_answer\""));
    street.stages.shutdown();
}

#[test]
fn a_cascade_that_cannot_be_is_refused_and_the_running_one_stays_in_force() {
    let (data, verifier) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let verifier = second(verifier.path(), "brightness_heatmap");
    let running = with_verifier(data.path(), verifier.clone(), Some(2.0), QUICK);
    let mut street = Street::start(&running);
    let cascade = |model: Model| {
        let mut city = running.clone();
        city.models[1] = Model { turn: running.models[1].turn.clone(), ..model };
        Arc::new(city)
    };
    let refused = |street: &Street, city: Arc<City>| street.stages.reload(&city).unwrap_err();

    for broken in ["nan-output", "truncated-onnx", "external-data-outside"] {
        let error = refused(&street, cascade(Model::of(fixture(&format!("broken/{broken}")))));
        assert!(matches!(error, StartError::Model { .. }), "{broken}: {error}");
    }
    let error = refused(&street, cascade(Model::of(fixture("color_classifier"))));
    assert!(matches!(error, StartError::NeverAsked(_)), "{error}");
    assert!(error.to_string().contains("'color_classifier' is asked after 'brightness_heatmap'"), "{error}");
    for provider in [ExecutionProvider::OpenVino, ExecutionProvider::Cuda, ExecutionProvider::TensorRt] {
        let error = refused(&street, cascade(Model { provider, ..Model::of(verifier.clone()) }));
        let StartError::Model { source: LoadError::Provider { .. }, .. } = &error else { panic!("{error}") };
        assert!(error.to_string().contains(provider.name()), "{error}");
    }
    let frames = show(&mut street, doubtful, |frames| by(frames, VERIFIER).len() >= 2);
    assert!(frames.iter().all(|frame| frame.outcome == FrameOutcome::Analysed));
    // What can be is taken: the verifier looks at the whole picture from now on.
    let mut whole = running.clone();
    let cascade = Cascade { after: 0, score: Some(0.2), crop: None, at_most_every: QUICK };
    whole.models[1].turn = Turn::After(cascade);
    street.stages.reload(&Arc::new(whole)).unwrap();
    show(&mut street, doubtful, |frames| {
        by(frames, VERIFIER).last().is_some_and(|answer| answer.asked.unwrap().region == BoundingBox::WHOLE)
    });
    street.stages.shutdown();
}
