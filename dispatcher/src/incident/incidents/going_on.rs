//! How an incident goes on: it is seen again, by the same camera or by another.

use super::Incidents;
use crate::evidence::{FirstSight, Look, Sight};
use crate::incident::join::is_same_thing;
use crate::incident::{IncidentChange, Located, Standing, What};
use citybrain_types::{CameraId, EventKind, IncidentId};
use std::time::Duration;

/// An incident that goes on is written down again when it was last written this long ago, by the frames' time.
const REFRESH_AFTER: Duration = Duration::from_secs(10);
/// The same for one that is remembered.
const REFRESH_REMEMBERED_AFTER: Duration = Duration::from_secs(3600);

impl Incidents {
    /// A sighting joins an incident; a camera that is new to it is a witness.
    pub(super) fn join(
        &mut self,
        id: &IncidentId,
        look: &Look,
        sight: &Sight,
        at: Option<Located>,
        changes: &mut Vec<IncidentChange>,
    ) {
        let mast = |camera: &CameraId| self.city.cameras.get(camera)?.view.mast.clone();
        let Some(entry) = self.book.get_mut(id) else { return };
        let is_new = !entry.incident.members.contains_key(&look.camera);
        entry.tracks.insert((look.camera.clone(), sight.track));
        if !is_new {
            return self.touch(id, look, sight, changes);
        }
        let own = mast(&look.camera);
        let counts = own.is_none() || !entry.incident.members.keys().any(|other| mast(other) == own);
        let distance_m = at.zip(entry.origin).map(|(at, origin)| at.metres_to(origin));
        entry.points.extend(at.map(|at| (look.camera.clone(), at)));
        entry.incident.because(look, What::Corroborated { distance_m, counts });
        if let Standing::Alarm(hearing) = &mut entry.incident.standing
            && counts
        {
            hearing.corroborate();
        }
        entry.incident.seen(look, sight);
        entry.written_at = look.captured_at;
        changes.push(IncidentChange::Seen(entry.incident.clone()));
        self.book.take_part(look.camera.clone(), &sight.kind, id);
        self.decide(id, look, true, changes);
    }

    pub(super) fn seen(&mut self, look: &Look, sight: &Sight, changes: &mut Vec<IncidentChange>) {
        let track = (look.camera.clone(), sight.track);
        let ids = self.book.of_camera(&look.camera, &sight.kind).iter();
        let known = ids.filter_map(|id| self.book.get(id)).find(|entry| entry.tracks.contains(&track));
        match known.map(|entry| (entry.incident.id.clone(), &entry.incident)) {
            // It has grown, or moved: no longer what was rejected.
            Some((id, incident))
                if matches!(incident.standing, Standing::Rejected { .. })
                    && !is_same_thing(incident, &look.camera, &sight.seen) =>
            {
                if let Some(entry) = self.book.get_mut(&id) {
                    entry.tracks.remove(&track);
                }
                self.anew(look, sight, changes);
            }
            Some((id, _)) => self.touch(&id, look, sight, changes),
            // Its incident has ended while the evidence had not: what is seen now is a new happening.
            None => self.anew(look, sight, changes),
        }
    }

    pub(super) fn anew(&mut self, look: &Look, sight: &Sight, changes: &mut Vec<IncidentChange>) {
        let here = FirstSight { sequence: look.sequence, captured_at: look.captured_at, place: sight.place };
        self.opened(look, &Sight { first: here, ..sight.clone() }, here, false, changes);
    }

    pub(super) fn touch(
        &mut self,
        id: &IncidentId,
        look: &Look,
        sight: &Sight,
        changes: &mut Vec<IncidentChange>,
    ) {
        let Some(entry) = self.book.get_mut(id) else { return };
        entry.tracks.insert((look.camera.clone(), sight.track));
        entry.incident.seen(look, sight);
        let open = entry.incident.standing.is_open();
        let refresh = if open { REFRESH_AFTER } else { REFRESH_REMEMBERED_AFTER };
        if look.captured_at.since(entry.written_at) < refresh {
            return;
        }
        entry.written_at = look.captured_at;
        let incident = entry.incident.clone();
        changes.push(match open {
            true => IncidentChange::Seen(incident),
            false => IncidentChange::Remembered(incident),
        });
    }

    pub(super) fn closed(&mut self, camera: &CameraId, kind: &EventKind, track: u32) {
        let track = (camera.clone(), track);
        for id in self.book.of_camera(camera, kind).to_vec() {
            if let Some(entry) = self.book.get_mut(&id) {
                entry.tracks.remove(&track);
            }
        }
    }
}
