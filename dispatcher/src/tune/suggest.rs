//! Curves over hit scores, and the policy that meets what was asked for.
//!
//! A miss rate is promised by conformal risk control (Angelopoulos, Bates, Fisch, Lei and Schuster, "Conformal Risk
//! Control", ICLR 2024, theorem 1), which for a loss of 0 or 1 is split conformal prediction: over `n` events that are
//! exchangeable with the next, of which a policy misses `m`, the chance that it misses the next is at most
//! `(m + 1) / (n + 1)` for the strictest policy of a family, ordered by strictness, up to which that bound is at most
//! the rate asked for. So a rate of 2 % needs 49 events at least.

use super::figures::Scene;
use super::policy::{Override, Policy, Scope};
use super::report::{Curve, CurvePoint, Figures, Goal, Suggestion};
use super::what_if::{Asked, Per, in_scope};
use citybrain_ingest_config::City;
use citybrain_types::{CameraId, EventKind};
use std::collections::{BTreeMap, BTreeSet};

/// Most areas or cameras that suggestions are made for.
const MAX_SCOPES: usize = 1_000;

/// The family of a policy: all it says but the hit score of one kind in the whole city.
fn family(policy: &Policy, kind: &EventKind) -> String {
    let rest = policy.overrides.iter().map(|change| {
        let plain = change.kind == *kind && change.scope == Scope::City;
        Override { hit_score: change.hit_score.filter(|_| !plain), ..change.clone() }
    });
    let says_something =
        |change: &Override| *change != Override::of(change.kind.clone(), change.scope.clone());
    let rest: Vec<Override> = rest.filter(says_something).collect();
    serde_json::to_string(&rest).unwrap_or_default()
}

/// The policies of each family, by rising hit score; a family of one is no curve.
fn families(policies: &[Policy], scene: &Scene<'_>, kind: &EventKind) -> Vec<Vec<(usize, f32)>> {
    let mut families: BTreeMap<String, Vec<(usize, f32)>> = BTreeMap::new();
    for (n, policy) in policies.iter().enumerate() {
        let Some(row) = scene.streets[n].city.kinds.get(kind) else { continue };
        families.entry(family(policy, kind)).or_default().push((n, row.evidence.hit_score));
    }
    let mut families: Vec<_> = families.into_values().collect();
    for family in &mut families {
        family.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
        // The policy in force, said once more.
        family.dedup_by(|a, b| a.1.to_bits() == b.1.to_bits());
    }
    families
}

/// Kinds that some policy is about; all kinds of the city when there are none.
fn kinds(policies: &[Policy], scene: &Scene<'_>) -> BTreeSet<EventKind> {
    let about: BTreeSet<EventKind> =
        policies.iter().flat_map(|policy| &policy.overrides).map(|change| change.kind.clone()).collect();
    if !about.is_empty() {
        return about;
    }
    let city = &scene.streets[0].city;
    let cameras = scene.watched.keys().filter_map(|camera| city.cameras.get(camera));
    cameras.flat_map(|camera| camera.kinds.iter().cloned()).collect()
}

/// One curve for each kind and family.
pub(super) fn curves(asked: &Asked, policies: &[Policy], scene: &Scene<'_>) -> Vec<Curve> {
    let mut curves = Vec::new();
    for kind in kinds(policies, scene) {
        for family in families(policies, scene, &kind).into_iter().filter(|family| family.len() > 1) {
            let points = family.into_iter().map(|(policy, hit_score)| {
                let figures = scene.figures(policy, Some(&kind), &|_| true);
                CurvePoint {
                    policy,
                    hit_score,
                    cases_per_day: figures.cases_per_day,
                    cases_per_camera_day: figures.cases_per_camera_day,
                    precision: figures.precision.map(|share| share.share),
                    recall: figures.recall.map(|share| share.share),
                }
            });
            curves.push(Curve { kind: kind.clone(), points: points.collect(), budget: asked.budget });
        }
    }
    curves
}

/// A suggestion for each kind, scope and goal.
pub(super) fn suggestions(
    asked: &Asked,
    city: &City,
    policies: &[Policy],
    scene: &Scene<'_>,
) -> Vec<Suggestion> {
    let goals = [asked.budget.map(Goal::Budget), asked.miss_rate.map(Goal::MissRate)];
    let goals: Vec<Goal> = goals.into_iter().flatten().collect();
    if goals.is_empty() {
        return Vec::new();
    }
    let mut suggestions = Vec::new();
    for kind in kinds(policies, scene) {
        for scope in scopes(asked.per, city, scene, &kind) {
            let camera = |camera: &CameraId| in_scope(city, &scope, camera);
            let figures: Vec<Figures> =
                (0..policies.len()).map(|policy| scene.figures(policy, Some(&kind), &camera)).collect();
            for goal in &goals {
                let (policy, why) = match goal {
                    Goal::Budget(budget) => within_budget(&figures, *budget),
                    Goal::MissRate(rate) => {
                        within_miss_rate(&figures, &families(policies, scene, &kind), *rate)
                    }
                };
                let (kind, scope, goal) = (kind.clone(), scope.clone(), *goal);
                suggestions.push(Suggestion { kind, scope, goal, policy, why });
            }
        }
    }
    suggestions
}

fn scopes(per: Per, city: &City, scene: &Scene<'_>, kind: &EventKind) -> Vec<Scope> {
    let looks =
        |camera: &&CameraId| city.cameras.get(*camera).is_some_and(|camera| camera.kinds.contains(kind));
    let cameras = scene.watched.keys().filter(looks);
    match per {
        Per::City => vec![Scope::City],
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
fn within_budget(figures: &[Figures], budget: f64) -> (Option<usize>, String) {
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
        let least = figures.iter().map(|own| own.cases_per_camera_day).min_by(f64::total_cmp).unwrap_or(0.0);
        return (
            None,
            format!("no policy opens at most {budget} cases a camera and day; the fewest are {least:.4}"),
        );
    };
    let recall = own.recall.map_or_else(
        || "no event is known, so it is the one that opens most within it".to_owned(),
        |recall| {
            format!("it catches {} of {} known events, as many as any within it", recall.hits, recall.of)
        },
    );
    (Some(n), format!("{:.4} cases a camera and day are within {budget}; {recall}", own.cases_per_camera_day))
}

/// The strictest policy of a family whose chance to miss the next event is bounded by the rate, as are those less strict.
fn within_miss_rate(
    figures: &[Figures],
    families: &[Vec<(usize, f32)>],
    rate: f64,
) -> (Option<usize>, String) {
    let events = figures.iter().filter_map(|own| own.recall).map(|recall| recall.of).max().unwrap_or(0);
    let least = (1.0 / rate - 1.0).ceil().max(1.0);
    if (events as f64) < least {
        let why =
            format!("a miss rate of {rate} can be promised from {least} known events on; there are {events}");
        return (None, why);
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
        return (None, format!("no policy misses few enough of the {events} known events"));
    };
    let bound = (missed as f64 + 1.0) / (events as f64 + 1.0);
    let why = format!(
        "it misses {missed} of {events} known events, so the next with a chance of at most ({missed} + 1) / ({events} + 1) \
         = {bound:.4}, at {cases:.4} cases a camera and day"
    );
    (Some(policy), why)
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
        assert!(within_budget(&figures, 0.001).1.contains("the fewest are 0.0100"));
    }
}
