//! A small city and its things, for unit tests.
#![allow(dead_code, reason = "shared with the tests beside the crate, which use more of it")]
#![allow(missing_docs, reason = "for tests")]

#[path = "../tests/it/support/city.rs"]
pub(crate) mod city;

use citybrain_types::{
    BoundingBox, CameraId, Case, CaseId, CaseState, Casework, EventKind, IncidentId, Priority,
};

/// A case as it is first reported.
pub(crate) fn a_case(camera: &str) -> Case {
    let at = city::START;
    Case {
        id: CaseId::new("fire-20261122-0123456789abcdef").unwrap(),
        version: 1,
        incident: IncidentId::new("fire-20261122-0123456789abcdef").unwrap(),
        kind: EventKind::new(EventKind::FIRE),
        state: CaseState::Reported,
        priority: Priority::Immediate,
        camera: Some(CameraId::new(camera).unwrap()),
        bbox: BoundingBox::WHOLE,
        position: None,
        score: 0.9,
        first_seen_at: at,
        last_seen_at: at,
        opened_at: at,
        updated_at: at,
        deadline_at: None,
        departments: vec![],
        snapshots: None,
        work: Casework::default(),
    }
}
