//! What a second opinion does to the first.

use super::{Evidence, Judged, Sighting};
use crate::testing::city::{START, around, burning, city, fire, look, opinion, with_box};
use citybrain_types::{
    Asked, BoundingBox, EventKind, FrameDetections, FrameOutcome, NoAnswer, SnapshotRef, Snapshots, Timestamp,
};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

fn evidence() -> Evidence {
    Evidence::new(Arc::new(city(Path::new("unused"))), [])
}

/// The look and the opinion it asked for, in the order of the log; a score of nothing is a no.
fn asked(asking: FrameDetections, score: Option<f32>) -> [FrameDetections; 2] {
    let mut answer = opinion(&asking, 0.5, 0.5);
    if let Some(score) = score {
        answer = with_box(answer, "fire", score, around(0.5, 0.5));
    }
    [answer, asking]
}

fn judge(evidence: &mut Evidence, frames: impl IntoIterator<Item = FrameDetections>) -> Vec<Judged> {
    frames.into_iter().map(|frame| evidence.judge(&frame)).collect()
}

fn opened(judged: &[Judged]) -> usize {
    let sightings = judged.iter().flat_map(|judged| &judged.look.sightings);
    sightings.filter(|sighting| matches!(sighting, Sighting::Opened(_))).count()
}

fn doubtful(n: u64) -> FrameDetections {
    with_box(look("gate-1", n), "fire", 0.65, around(0.5, 0.5))
}

/// What is said of the sight that opens last.
fn last_sight(judged: &[Judged]) -> &super::Sight {
    let sightings = judged.iter().flat_map(|judged| &judged.look.sightings);
    let mut sights = sightings.filter_map(|sighting| match sighting {
        Sighting::Opened(sight) | Sighting::Seen(sight) => Some(sight),
        _ => None,
    });
    sights.next_back().unwrap_or_else(|| panic!("nothing was seen: {judged:?}"))
}

#[test]
fn a_second_opinion_counts_in_place_of_the_first_and_not_beside_it() {
    let alone = judge(&mut evidence(), (0..3).map(|n| burning("gate-1", n)));
    // Another first score, the same second: the same evidence to the millionth.
    let twice = judge(&mut evidence(), (0..3).flat_map(|n| asked(doubtful(n), Some(0.95))));
    let (alone, twice) = (last_sight(&alone), last_sight(&twice));
    assert_eq!((alone.evidence, alone.hits, alone.score), (twice.evidence, twice.hits, twice.score));
}

#[test]
fn a_yes_opens_what_the_first_alone_would_not_yet() {
    let alone = judge(&mut evidence(), (0..2).map(doubtful));
    assert_eq!(opened(&alone), 0);
    let twice = judge(&mut evidence(), (0..2).flat_map(|n| asked(doubtful(n), Some(0.97))));
    assert_eq!(opened(&twice), 1);
    assert_eq!(twice[3].look.sightings.len(), 1, "with the look that asked, and not one later: {twice:?}");
}

#[test]
fn a_confident_no_keeps_a_sure_first_from_ever_opening() {
    let judged = judge(&mut evidence(), (0..50).flat_map(|n| asked(burning("gate-1", n), None)));
    assert_eq!(opened(&judged), 0);
    assert!(judged.iter().all(|judged| judged.suspects.is_empty()), "what is denied needs no more looks");
}

#[test]
fn a_no_pulls_down_what_had_opened_already() {
    let mut evidence = evidence();
    assert_eq!(opened(&judge(&mut evidence, (0..3).map(|n| burning("gate-1", n)))), 1);
    let judged = judge(&mut evidence, (3..20).flat_map(|n| asked(burning("gate-1", n), None)));
    let sightings: Vec<_> = judged.iter().flat_map(|judged| &judged.look.sightings).collect();
    assert!(matches!(sightings.as_slice(), [Sighting::Closed { .. }]), "{sightings:?}");
}

#[test]
fn an_opinion_says_nothing_of_what_lies_outside_its_part_of_the_picture() {
    let elsewhere = |n| with_box(look("gate-1", n), "fire", 0.95, around(0.1, 0.9));
    let judged = judge(&mut evidence(), (0..2).flat_map(|n| asked(elsewhere(n), None)));
    assert_eq!(opened(&judged), 1);
}

#[test]
fn without_an_answer_or_with_one_that_failed_the_first_stands() {
    let failed = |n| {
        let [answer, asking] = asked(burning("gate-1", n), None);
        let outcome = FrameOutcome::NoAnswer(NoAnswer::RuntimeError);
        [FrameDetections { outcome, ..answer }, asking]
    };
    let judged = judge(&mut evidence(), (0..2).flat_map(failed));
    assert_eq!(opened(&judged), 1);
}

#[test]
fn a_model_that_fails_when_asked_makes_no_camera_fault() {
    let failed = |n: u64| {
        let asking = look("gate-1", n * 20);
        let outcome = FrameOutcome::NoAnswer(NoAnswer::RuntimeError);
        [FrameDetections { outcome, ..opinion(&asking, 0.5, 0.5) }, asking]
    };
    let judged = judge(&mut evidence(), (0..10).flat_map(failed));
    assert!(judged.iter().all(|judged| judged.look.sightings.is_empty()), "{judged:?}");
}

/// Looks every half second, of which every second one is asked about.
fn quick(second: Option<f32>) -> impl Iterator<Item = FrameDetections> {
    (0..40).flat_map(move |n| {
        let captured_at = START.plus(Duration::from_millis(500 * n));
        let asking = FrameDetections { captured_at, sequence: 1_000 + 2 * n, ..burning("gate-1", 0) };
        let [answer, asking] = asked(asking, second);
        let answer = (n % 2 == 0).then_some(answer);
        answer.into_iter().chain([asking])
    })
}

#[test]
fn looks_between_two_opinions_do_not_outvote_them() {
    assert_eq!(opened(&judge(&mut evidence(), quick(None))), 0);
    assert_eq!(opened(&judge(&mut evidence(), quick(Some(0.95)))), 1);
}

#[test]
fn two_seconds_after_an_opinion_the_first_counts_again() {
    let mut evidence = evidence();
    judge(&mut evidence, asked(burning("gate-1", 0), None));
    assert_eq!(opened(&judge(&mut evidence, (1..3).map(|n| burning("gate-1", n)))), 1);
}

#[test]
fn the_look_is_decided_when_the_second_has_answered_and_shows_its_picture() {
    let at = SnapshotRef::new("gate-1/at.jpg").unwrap();
    let picture = Snapshots { at, before: None };
    let frames = (0..2).flat_map(|n| {
        let [answer, asking] = asked(burning("gate-1", n), Some(0.95));
        [FrameDetections { snapshots: Some(picture.clone()), ..answer }, asking]
    });
    let judged = judge(&mut evidence(), frames);
    let (answer, look) = (&judged[2].look, &judged[3].look);
    assert!(answer.sightings.is_empty() && answer.looked_for.is_empty());
    assert_eq!(look.decided_at, answer.decided_at);
    assert_eq!(last_sight(&judged).snapshots.as_ref(), Some(&picture));
}

#[test]
fn a_third_opinion_has_the_word_after_the_second() {
    let chain = |n: u64, third: Option<f32>| {
        let asking = FrameDetections { sequence: 1_000 + 3 * n, ..doubtful(n) };
        let [second, asking] = asked(asking, Some(0.97));
        let [third, second] = asked(second, third);
        [third, second, asking]
    };
    assert_eq!(opened(&judge(&mut evidence(), (0..20).flat_map(|n| chain(n, None)))), 0);
    assert_eq!(opened(&judge(&mut evidence(), (0..20).flat_map(|n| chain(n, Some(0.9))))), 1);
}

#[test]
fn what_only_the_second_speaks_of_is_looked_for_in_its_part_only() {
    let littering = EventKind::new("littering");
    let litter = |frame, x, y| with_box(frame, "littering", 0.95, around(x, y));
    // Rubbish in two places, seen by a model that looks at everything.
    let both = |n| litter(litter(look("gate-1", n), 0.5, 0.5), 0.1, 0.9);
    let mut evidence = evidence();
    assert_eq!(opened(&judge(&mut evidence, (0..3).map(both))), 2);
    // From now on only a second opinion speaks of it, and finds nothing in the middle.
    let quiet = |n| {
        let asking = FrameDetections { looked_for: vec![fire()], ..look("gate-1", n) };
        let answer = FrameDetections { looked_for: vec![littering.clone()], ..opinion(&asking, 0.5, 0.5) };
        [answer, asking]
    };
    let judged = judge(&mut evidence, (3..12).flat_map(quiet));
    let closed: Vec<_> = judged.iter().flat_map(|judged| &judged.look.sightings).collect();
    assert!(matches!(closed.as_slice(), [Sighting::Closed { .. }]), "{closed:?}");
    assert!(judged.iter().all(|judged| !judged.look.looked_for.contains(&littering)));
}

#[test]
fn answers_whose_question_never_comes_are_forgotten() {
    let mut evidence = evidence();
    for n in 0..10_000_u64 {
        let lost = FrameDetections {
            sequence: n,
            asked: Some(Asked { by: 1_000_000 + n, region: BoundingBox::WHOLE }),
            captured_at: Timestamp::from_micros(START.as_micros() + 1),
            ..look("gate-1", 0)
        };
        evidence.judge(&lost);
    }
    let kept = evidence.cameras.values().map(|camera| camera.laid_by.len()).max();
    assert_eq!(kept, Some(16));
}
