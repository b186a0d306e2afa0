//! Curves over hit scores, and the policy that meets what was asked for.
//!
//! A miss rate is promised by conformal risk control (Angelopoulos, Bates, Fisch, Lei and Schuster, "Conformal Risk
//! Control", ICLR 2024, theorem 1), which for a loss of 0 or 1 is split conformal prediction: over `n` events that are
//! exchangeable with the next, of which a policy misses `m`, the chance that it misses the next is at most
//! `(m + 1) / (n + 1)` for the strictest policy of a family, ordered by strictness, up to which that bound is at most
//! the rate asked for. So a rate of 2 % needs 49 events at least.

use super::figures::Scene;
use super::proposal::{Proposal, Scope};
use super::report::{Because, Curve, CurvePoint, Figures, Goal, Suggestion};
use super::what_if::{Asked, Per};
use citybrain_ingest_config::policy::{Numbers, Policy, PolicyRule};
use citybrain_types::{CameraId, EventKind};
use std::collections::{BTreeMap, BTreeSet};

/// Most areas or cameras that suggestions are made for.
const MAX_SCOPES: usize = 1_000;

/// The family of a policy: all it says but the hit score of one kind in just the cameras that are looked at.
fn family(policy: &Policy, kind: &EventKind, only: &Scope) -> String {
    let rest = policy.rules.iter().map(|rule| {
        let plain = rule.kind == *kind && only.is_of(rule);
        let hit_score = rule.set.hit_score.filter(|_| !plain);
        PolicyRule { set: Numbers { hit_score, ..rule.set }, ..rule.clone() }
    });
    let rules = rest.filter(|rule| !rule.set.given().is_empty()).collect();
    serde_json::to_string(&Policy { rules, ..policy.clone() }).unwrap_or_default()
}

/// The policies of each family, by rising hit score; a family of one is no curve.
fn families(proposals: &[Proposal], scene: &Scene<'_>, kind: &EventKind) -> Vec<Vec<(usize, f32)>> {
    let mut families: BTreeMap<String, Vec<(usize, f32)>> = BTreeMap::new();
    for (n, proposal) in proposals.iter().enumerate() {
        let Some(hit_score) = scene.only.hit_score(&scene.streets[n].city, kind) else { continue };
        families.entry(family(&proposal.policy, kind, scene.only)).or_default().push((n, hit_score));
    }
    let mut families: Vec<_> = families.into_values().collect();
    for family in &mut families {
        family.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
        // The policy in force, said once more.
        family.dedup_by(|a, b| a.1.to_bits() == b.1.to_bits());
    }
    families
}

/// Kinds that some policy changes of what is in force; all kinds of the city when there are none.
fn kinds(proposals: &[Proposal], scene: &Scene<'_>) -> BTreeSet<EventKind> {
    let live = proposals.first().map(|live| live.policy.rules.as_slice()).unwrap_or_default();
    let rules = proposals.iter().flat_map(|proposal| &proposal.policy.rules);
    let about: BTreeSet<EventKind> =
        rules.filter(|rule| !live.contains(rule)).map(|rule| rule.kind.clone()).collect();
    if !about.is_empty() {
        return about;
    }
    let city = &scene.streets[0].city;
    let cameras = scene.watched.keys().filter_map(|camera| city.cameras.get(camera));
    cameras.flat_map(|camera| camera.kinds.iter().cloned()).collect()
}

/// One curve for each kind and family, over the cameras that are looked at.
pub(super) fn curves(asked: &Asked, proposals: &[Proposal], scene: &Scene<'_>) -> Vec<Curve> {
    let city = &scene.streets[0].city;
    let mut curves = Vec::new();
    for kind in kinds(proposals, scene) {
        for family in families(proposals, scene, &kind).into_iter().filter(|family| family.len() > 1) {
            let points = family.into_iter().map(|(policy, hit_score)| {
                let figures = scene.figures(policy, Some(&kind), &|camera| scene.only.holds(city, camera));
                CurvePoint { policy, hit_score, figures }
            });
            let (points, scope) = (points.collect(), scene.only.clone());
            curves.push(Curve { kind: kind.clone(), scope, points, budget: asked.budget });
        }
    }
    curves
}

/// A suggestion for each kind, scope and goal.
pub(super) fn suggestions(asked: &Asked, proposals: &[Proposal], scene: &Scene<'_>) -> Vec<Suggestion> {
    let goals = [asked.budget.map(Goal::Budget), asked.miss_rate.map(Goal::MissRate)];
    let goals: Vec<Goal> = goals.into_iter().flatten().collect();
    if goals.is_empty() {
        return Vec::new();
    }
    let city = &scene.streets[0].city;
    let mut suggestions = Vec::new();
    for kind in kinds(proposals, scene) {
        let families = families(proposals, scene, &kind);
        for scope in scopes(asked.per, scene, &kind) {
            let camera = |camera: &CameraId| scope.holds(city, camera) && scene.only.holds(city, camera);
            let figures: Vec<Figures> =
                (0..proposals.len()).map(|policy| scene.figures(policy, Some(&kind), &camera)).collect();
            for goal in &goals {
                let (policy, because) = match goal {
                    Goal::Budget(budget) => within_budget(&figures, *budget),
                    Goal::MissRate(rate) => within_miss_rate(&figures, &families, *rate),
                };
                let (kind, scope, goal) = (kind.clone(), scope.clone(), *goal);
                let why = because.to_string();
                suggestions.push(Suggestion { kind, scope, goal, policy, because, why });
            }
        }
    }
    suggestions
}

fn scopes(per: Per, scene: &Scene<'_>, kind: &EventKind) -> Vec<Scope> {
    let city = &scene.streets[0].city;
    let looks =
        |camera: &&CameraId| city.cameras.get(*camera).is_some_and(|camera| camera.kinds.contains(kind));
    let cameras = scene.watched.keys().filter(|camera| scene.only.holds(city, camera)).filter(looks);
    match per {
        Per::City => vec![scene.only.clone()],
        Per::Camera => cameras.take(MAX_SCOPES).cloned().map(Scope::Camera).collect(),
        Per::Area => {
            let areas = cameras.filter_map(|camera| city.cameras.get(camera)?.area.clone());
            let areas: BTreeSet<String> = areas.collect();
            areas.into_iter().take(MAX_SCOPES).map(Scope::Area).collect()
        }
    }
}

/// Of the policies within the budget, the one that catches most; of those the one with the best precision, and then
/// with the most cases, which looks furthest.
fn within_budget(figures: &[Figures], budget: f64) -> (Option<usize>, Because) {
    let within = figures.iter().enumerate().filter(|(_, own)| own.cases_per_camera_day <= budget);
    let rank = |own: &Figures| {
        let share = |share: Option<super::report::Share>| share.map_or(0.0, |share| share.share);
        (share(own.recall), share(own.precision), own.cases_per_camera_day)
    };
    let best = within.max_by(|(m, a), (n, b)| {
        let ((ra, pa, ca), (rb, pb, cb)) = (rank(a), rank(b));
        ra.total_cmp(&rb).then(pa.total_cmp(&pb)).then(ca.total_cmp(&cb)).then(n.cmp(m))
    });
    let Some((n, own)) = best else {
        let all = figures.iter().map(|own| own.cases_per_camera_day);
        return (None, Because::TooMany { budget, fewest: all.min_by(f64::total_cmp).unwrap_or(0.0) });
    };
    (Some(n), Because::Within { cases: own.cases_per_camera_day, budget, recall: own.recall })
}

/// The strictest policy of a family whose chance to miss the next event is bounded by the rate, as are those less strict.
fn within_miss_rate(
    figures: &[Figures],
    families: &[Vec<(usize, f32)>],
    rate: f64,
) -> (Option<usize>, Because) {
    let events = figures.iter().filter_map(|own| own.recall).map(|recall| recall.of).max().unwrap_or(0);
    let least = (1.0 / rate - 1.0).ceil().max(1.0);
    if (events as f64) < least {
        return (None, Because::TooFewEvents { rate, needed: least as u64, of: events });
    }
    let mut best: Option<(usize, u64, f64)> = None;
    for family in families {
        for (policy, _) in family {
            let caught = figures[*policy].recall.map_or(0, |recall| recall.hits);
            let missed = events - caught.min(events);
            if (missed as f64 + 1.0) / (events as f64 + 1.0) > rate {
                break;
            }
            let cases = figures[*policy].cases_per_camera_day;
            if best.is_none_or(|(_, _, least)| cases <= least) {
                best = Some((*policy, missed, cases));
            }
        }
    }
    let Some((policy, missed, cases)) = best else {
        return (None, Because::MissesTooMany { of: events });
    };
    let bound = (missed as f64 + 1.0) / (events as f64 + 1.0);
    (Some(policy), Because::Promised { missed, of: events, bound, cases })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tune::report::Share;

    fn caught(hits: u64, of: u64, cases: f64) -> Figures {
        let recall = Some(Share { share: hits as f64 / of as f64, hits, of });
        Figures { recall, cases_per_camera_day: cases, ..Figures::default() }
    }

    #[test]
    fn a_miss_rate_is_promised_only_with_events_enough() {
        let family = vec![vec![(0, 0.3), (1, 0.5), (2, 0.7)]];
        let of = |n| [caught(n, n, 3.0), caught(n - 1, n, 1.0), caught(n - 4, n, 0.1)];
        assert_eq!(within_miss_rate(&of(48), &family, 0.02).0, None);
        assert_eq!(within_miss_rate(&of(49), &family, 0.02).0, Some(0));
        assert_eq!(within_miss_rate(&of(99), &family, 0.02).0, Some(1));
        assert_eq!(within_miss_rate(&of(249), &family, 0.02).0, Some(2));
    }

    #[test]
    fn within_a_budget_the_policy_that_catches_most_is_chosen() {
        let figures = [caught(9, 10, 0.5), caught(9, 10, 0.09), caught(7, 10, 0.01)];
        assert_eq!(within_budget(&figures, 0.1).0, Some(1));
        assert_eq!(within_budget(&figures, 0.05).0, Some(2));
        assert!(within_budget(&figures, 0.001).1.to_string().contains("the fewest are 0.0100"));
    }
}
