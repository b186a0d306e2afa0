//! What is other under one city than under another.

use crate::resolved::{Camera, City, EvidencePolicy};
use citybrain_types::{CameraId, EventKind};
use std::collections::{BTreeMap, BTreeSet};

/// A number that is other.
#[derive(Debug, Clone, PartialEq)]
pub struct NumberChange {
    /// Of which kind; `None` for the alert budget.
    pub kind: Option<EventKind>,
    /// Which.
    pub key: &'static str,
    /// Before, where it was set.
    pub before: Option<f64>,
    /// After, where it is set.
    pub after: Option<f64>,
    /// In which cameras; none for what holds for the whole kind.
    pub cameras: BTreeSet<CameraId>,
    /// In which zone of theirs, where it is not all of their picture.
    pub zone: Option<String>,
}

/// As it is written in a file: a number of 32 bits, shown with as few digits as it needs.
fn plain(value: f32) -> f64 {
    value.to_string().parse().unwrap_or_else(|_| f64::from(value))
}

/// Numbers of a policy by key, as the configuration writes them.
fn numbers(policy: &EvidencePolicy) -> [(&'static str, f64); 8] {
    [
        ("hit_score", plain(policy.hit_score)),
        ("half_life_secs", policy.half_life.as_secs_f64()),
        ("open_at", plain(policy.open_at)),
        ("close_at", plain(policy.close_at)),
        ("max", plain(policy.max)),
        ("hold_secs", policy.hold.as_secs_f64()),
        ("hits_needed", f64::from(policy.hits_needed)),
        ("looks_counted", f64::from(policy.looks_counted)),
    ]
}

/// Every number that a policy can set and that is other in `after`: for a kind, and for cameras where they differ
/// from what holds for their kind. Cameras with the same change stand together.
#[must_use]
pub fn changes(before: &City, after: &City) -> Vec<NumberChange> {
    let mut changes = Vec::new();
    for (kind, row) in &after.kinds {
        let Some(old) = before.kinds.get(kind) else { continue };
        let change = |key, before, after| NumberChange {
            kind: Some(kind.clone()),
            key,
            before,
            after,
            cameras: BTreeSet::new(),
            zone: None,
        };
        for ((key, was), (_, is)) in numbers(&old.evidence).into_iter().zip(numbers(&row.evidence)) {
            if was.to_bits() != is.to_bits() {
                changes.push(change(key, Some(was), Some(is)));
            }
        }
        let quiet = |kind: &crate::resolved::Kind| kind.incident.quiet_after.map(|span| span.as_secs_f64());
        if quiet(old) != quiet(row) {
            changes.push(change("quiet_after_secs", quiet(old), quiet(row)));
        }
        changes.extend(in_cameras(before, after, kind));
        changes.extend(in_zones(before, after, kind));
    }
    let budget = |city: &City| city.dispatch.alerts.cases_per_camera_and_day as f64;
    if before.dispatch.alerts != after.dispatch.alerts {
        changes.push(NumberChange {
            kind: None,
            key: "cases_per_camera_and_day",
            before: Some(budget(before)),
            after: Some(budget(after)),
            cameras: BTreeSet::new(),
            zone: None,
        });
    }
    changes
}

/// Cameras in which the change is another than that of their kind.
fn in_cameras(before: &City, after: &City, kind: &EventKind) -> Vec<NumberChange> {
    let mut groups: BTreeMap<(&'static str, u64, u64), BTreeSet<CameraId>> = BTreeMap::new();
    let common = before.kinds.get(kind).zip(after.kinds.get(kind)).map(|(a, b)| (a.evidence, b.evidence));
    for camera in after.cameras.values().filter(|camera| camera.kinds.contains(kind)) {
        let pair = before.evidence_policy(&camera.id, kind).zip(after.evidence_policy(&camera.id, kind));
        let Some((was, is)) = pair.filter(|pair| Some(*pair) != common) else { continue };
        for ((key, was), (_, is)) in numbers(&was).into_iter().zip(numbers(&is)) {
            if was.to_bits() != is.to_bits() {
                groups.entry((key, was.to_bits(), is.to_bits())).or_default().insert(camera.id.clone());
            }
        }
    }
    let change = |((key, was, is), cameras): ((_, u64, u64), _)| NumberChange {
        kind: Some(kind.clone()),
        key,
        before: Some(f64::from_bits(was)),
        after: Some(f64::from_bits(is)),
        cameras,
        zone: None,
    };
    groups.into_iter().map(change).collect()
}

/// Zones whose hit score is other.
fn in_zones(before: &City, after: &City, kind: &EventKind) -> Vec<NumberChange> {
    let mut found = Vec::new();
    for camera in after.cameras.values() {
        let Some(old) = before.cameras.get(&camera.id) else { continue };
        for zone in &camera.zones {
            let own = |camera: &Camera| {
                let zone = camera.zones.iter().find(|own| own.name == zone.name)?;
                zone.hit_scores.get(kind).copied().map(plain)
            };
            let (was, is) = (own(old), own(camera));
            if was != is {
                found.push(NumberChange {
                    kind: Some(kind.clone()),
                    key: "hit_score",
                    before: was,
                    after: is,
                    cameras: BTreeSet::from([camera.id.clone()]),
                    zone: Some(zone.name.clone()),
                });
            }
        }
    }
    found
}
