//! The same frames give the same cases, byte for byte: however they are batched, and with duplicates among them.

use crate::support::city::{START, around, city, dark, look, opinion, with_box};
use citybrain_dispatcher::case::file;
use citybrain_dispatcher::evidence::Evidence;
use citybrain_dispatcher::incident::{IncidentChange, Incidents};
use citybrain_dispatcher::intake::{Intake, Refused};
use citybrain_types::{DetectionBatch, FrameDetections};
use proptest::prelude::*;
use std::path::Path;
use std::sync::Arc;

/// A look as the test makes it up: which camera, and what it shows.
#[derive(Debug, Clone)]
struct Made {
    camera: usize,
    boxes: Vec<(u8, u8, u8)>,
    seen: bool,
    /// A second opinion on the first box: its score, of which one below the log's floor is a no.
    opinion: Option<u8>,
}

fn made() -> impl Strategy<Value = Made> {
    let boxes = proptest::collection::vec((0_u8..=100, 0_u8..4, 0_u8..4), 0..4);
    let opinion = proptest::option::of(0_u8..=100);
    (0_usize..4, boxes, proptest::bool::weighted(0.9), opinion)
        .prop_map(|(camera, boxes, seen, opinion)| Made { camera, boxes, seen, opinion })
}

/// Looks of each camera in its order; a score above 60 is repeated often enough for cases to open.
fn frames(made: &[Made]) -> Vec<FrameDetections> {
    let names = ["gate-1", "gate-2", "gate-3", "gate-4"];
    let mut next = [0_u64; 4];
    let mut frames = Vec::new();
    for made in made {
        for _ in 0..3 {
            let n = next[made.camera];
            next[made.camera] += 1;
            let name = names[made.camera];
            let mut frame = if made.seen { look(name, n) } else { dark(name, n * 20) };
            for (score, x, y) in made.boxes.iter().filter(|_| made.seen) {
                let place = around(f32::from(*x) * 0.3 + 0.05, f32::from(*y) * 0.3 + 0.05);
                frame = with_box(frame, "fire", f32::from(*score) / 100.0, place);
            }
            // Room for an answer before each look.
            frame.sequence = 1_000 + 2 * n;
            frames.extend(second(made, &frame));
            frames.push(frame);
        }
    }
    frames
}

/// The answer that a frame has asked for, where it has.
fn second(made: &Made, asking: &FrameDetections) -> Option<FrameDetections> {
    let (score, place) = (made.opinion?, asking.detections.first()?.bbox);
    let answer = opinion(asking, place.center().0, place.center().1);
    let yes = score >= 5;
    Some(if yes { with_box(answer, "fire", f32::from(score) / 100.0, place) } else { answer })
}

/// Everything the dispatcher decides, as text.
fn cases_of(batches: &[Vec<FrameDetections>]) -> (String, usize) {
    let city = Arc::new(city(Path::new("unused")));
    let now = START.plus(std::time::Duration::from_secs(1_000_000));
    let mut intake = Intake::new(Arc::clone(&city), []);
    let mut evidence = Evidence::new(Arc::clone(&city), []);
    let mut incidents = Incidents::new(&city, []);
    let (mut text, mut opened) = (String::new(), 0);
    for batch in batches {
        let (frames, refused) = intake.unpack(&DetectionBatch::from_frames(batch), now);
        assert!(refused.iter().all(|reason| *reason == Refused::Duplicate), "{refused:?}");
        for frame in frames {
            for change in incidents.take(&evidence.judge(&frame).look) {
                if let IncidentChange::Opened { incident, cause, .. } = &change {
                    let filed = file::open(&city, incident, cause).unwrap();
                    text += &serde_json::to_string(&(&filed.case, &filed.changes)).unwrap();
                    opened += 1;
                }
                text += &format!("{change:?}\n");
            }
        }
    }
    (text, opened)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn batching_and_duplicates_change_nothing(
        made in proptest::collection::vec(made(), 1..40),
        cuts in proptest::collection::vec(1_usize..9, 1..20),
        again in proptest::collection::vec(0_usize..12, 0..60),
    ) {
        let frames = frames(&made);
        let (expected, _) = cases_of(std::slice::from_ref(&frames));
        // The same frames, some of them a second time a little later, cut into other batches.
        let mut with_duplicates = Vec::new();
        for (i, frame) in frames.iter().enumerate() {
            with_duplicates.push(frame.clone());
            if let Some(back) = again.get(i % again.len().max(1)).filter(|back| **back < i.min(10)) {
                with_duplicates.push(frames[i - back].clone());
            }
        }
        let mut rest = with_duplicates.as_slice();
        let mut batches = Vec::new();
        for size in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (batch, after) = rest.split_at((*size).min(rest.len()));
            batches.push(batch.to_vec());
            rest = after;
        }
        prop_assert_eq!(cases_of(&batches).0, expected);
    }
}

#[test]
fn the_stories_that_are_compared_do_have_cases_in_them() {
    let story = |opinion| -> Vec<_> {
        (0..8).map(|i| Made { camera: i % 4, boxes: vec![(95, 1, 1)], seen: i < 6, opinion }).collect()
    };
    let (text, opened) = cases_of(&[frames(&story(None))]);
    assert_eq!(opened, 6, "four fires and two dark cameras: {text}");
    let (confirmed, opened) = cases_of(&[frames(&story(Some(95)))]);
    assert_eq!(opened, 6, "the same, confirmed: {confirmed}");
    let (denied, opened) = cases_of(&[frames(&story(Some(0)))]);
    assert_eq!(opened, 2, "the dark cameras only: {denied}");
}
