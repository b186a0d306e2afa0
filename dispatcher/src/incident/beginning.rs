//! How an incident begins, and how it goes on.

use super::id::incident_id;
use super::{Hearing, Incident, MAX_REASONS, Member, Reason, Standing, What};
use crate::evidence::{FirstSight, Look, Sight};
use citybrain_ingest_config::City;
use citybrain_types::{BoundingBox, EventKind, IncidentId, Timestamp};
use std::collections::BTreeMap;
use std::time::Duration;

/// A camera looks for a kind this often where nothing else is known.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);

/// An incident that a sighting begins.
pub(super) fn begin(
    city: &City,
    look: &Look,
    sight: &Sight,
    first: FirstSight,
    previous: Option<IncidentId>,
) -> Incident {
    let kind = city.kinds.get(&sight.kind);
    let within = kind.and_then(|kind| kind.incident.confirm_within);
    let interval = kind.map_or(LOOK_INTERVAL, |kind| kind.look_interval);
    let standing = within.map_or(Standing::Open, |within| {
        Standing::Alarm(Hearing::open(first.captured_at, look.captured_at, within, interval))
    });
    let mut incident = Incident {
        id: incident_id(&look.camera, &sight.kind, Some(first.sequence), first.captured_at, &first.place),
        camera: look.camera.clone(),
        kind: sight.kind.clone(),
        place: sight.place,
        last_place: sight.place,
        score: sight.score.get(),
        first_seen_at: first.captured_at,
        last_seen_at: look.captured_at,
        opened_at: look.decided_at,
        standing,
        members: BTreeMap::from([(look.camera.clone(), member(look, sight))]),
        previous,
        storm_of: None,
        permit: None,
        reasons: Vec::new(),
    };
    incident.because(
        look,
        What::Crossed {
            score: sight.score.get(),
            change: sight.change.map(citybrain_types::Score::get),
            evidence_micronats: sight.evidence,
            open_at_micronats: sight.open_at,
            hits: sight.hits,
            looks_counted: sight.looks_counted,
        },
    );
    incident
}

/// The incident of a camera that is not seen.
pub(super) fn lost(look: &Look, since: Timestamp) -> Incident {
    let kind = EventKind::new(EventKind::CAMERA_FAULT);
    Incident {
        id: incident_id(&look.camera, &kind, None, since, &BoundingBox::WHOLE),
        camera: look.camera.clone(),
        kind,
        place: BoundingBox::WHOLE,
        last_place: BoundingBox::WHOLE,
        score: 1.0,
        first_seen_at: since,
        last_seen_at: look.captured_at,
        opened_at: look.decided_at,
        standing: Standing::Open,
        members: BTreeMap::new(),
        previous: None,
        storm_of: None,
        permit: None,
        reasons: Vec::new(),
    }
}

fn member(look: &Look, sight: &Sight) -> Member {
    Member { place: sight.place, last_place: sight.place, last_seen_at: look.captured_at }
}

impl Incident {
    /// Takes in that a camera sees it.
    pub(super) fn seen(&mut self, look: &Look, sight: &Sight) {
        self.last_seen_at = self.last_seen_at.max(look.captured_at);
        self.last_place = sight.place;
        self.score = self.score.max(sight.score.get());
        let member = self.members.entry(look.camera.clone()).or_insert_with(|| member(look, sight));
        member.last_place = sight.place;
        member.last_seen_at = member.last_seen_at.max(look.captured_at);
    }

    /// Writes down why, as long as there is room.
    pub(super) fn because(&mut self, look: &Look, what: What) {
        // The last line is kept for how it ended.
        let full = matches!(what, What::Corroborated { .. }) && self.reasons.len() + 1 >= MAX_REASONS;
        if !full && self.reasons.len() < MAX_REASONS {
            let (camera, sequence) = (look.camera.clone(), look.sequence);
            self.reasons.push(Reason { at: look.captured_at, camera, sequence, what });
        }
    }
}
