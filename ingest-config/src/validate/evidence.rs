//! `[kinds.evidence]` laid over the policy it starts from.

use std::time::Duration;

use super::Context;
use crate::raw::RawEvidence;
use crate::resolved::EvidencePolicy;
use crate::row::Place;

/// The policy with the keys that are given changed, and what they must keep to checked.
pub(super) fn overlay(
    raw: &RawEvidence,
    base: EvidencePolicy,
    place: &Place<'_>,
    context: &mut Context<'_>,
) -> EvidencePolicy {
    let policy = merged(raw, base);
    check(&policy, place, context);
    policy
}

/// The policy with the keys that are given changed.
pub(crate) fn merged(raw: &RawEvidence, base: EvidencePolicy) -> EvidencePolicy {
    let score = |given: Option<f64>, base: f32| given.map_or(base, |value| value as f32);
    let span = |given: Option<f64>, base: Duration| given.map_or(base, Duration::from_secs_f64);
    EvidencePolicy {
        log_floor: score(raw.log_floor, base.log_floor),
        hit_score: score(raw.hit_score, base.hit_score),
        half_life: span(raw.half_life_secs, base.half_life),
        open_at: score(raw.open_at, base.open_at),
        close_at: score(raw.close_at, base.close_at),
        max: score(raw.max, base.max),
        hold: span(raw.hold_secs, base.hold),
        hits_needed: raw.hits_needed.unwrap_or(base.hits_needed),
        looks_counted: raw.looks_counted.unwrap_or(base.looks_counted),
        change_nats: score(raw.change_nats, base.change_nats),
    }
}

/// What does not fit together, with the two keys that it is about.
pub(crate) fn faults(policy: &EvidencePolicy) -> Vec<([&'static str; 2], String)> {
    let mut faults = Vec::new();
    let mut order = |is_right: bool, keys: [&'static str; 2], sentence: String| {
        if !is_right {
            faults.push((keys, sentence));
        }
    };
    let (open, close, max) = (policy.open_at, policy.close_at, policy.max);
    order(
        close < open,
        ["close_at", "open_at"],
        format!("does not fit: 'close_at' {close} must be below 'open_at' {open}"),
    );
    order(
        open <= max,
        ["max", "open_at"],
        format!("does not fit: 'max' {max} must be at least 'open_at' {open}"),
    );
    let (floor, hit) = (policy.log_floor, policy.hit_score);
    order(
        floor <= hit,
        ["log_floor", "hit_score"],
        format!("does not fit: 'log_floor' {floor} must be at most 'hit_score' {hit}"),
    );
    let (hits, looks) = (policy.hits_needed, policy.looks_counted);
    order(
        hits <= looks,
        ["hits_needed", "looks_counted"],
        format!("does not fit: 'hits_needed' {hits} must be at most 'looks_counted' {looks}"),
    );
    faults
}

fn check(policy: &EvidencePolicy, place: &Place<'_>, context: &mut Context<'_>) {
    for (keys, sentence) in faults(policy) {
        // With one of the two not readable, the other is no mistake yet.
        if keys.iter().any(|key| place.lost(key)) {
            continue;
        }
        let key = if place.has(keys[0]) { keys[0] } else { keys[1] };
        place.report(&mut context.problems, key, sentence);
    }
}
