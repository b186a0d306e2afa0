//! How an incident ends, is remembered, and is forgotten.

use super::{CLOCKS_DIFFER, Incidents, MAX_REMEMBERED};
use crate::evidence::Look;
use crate::incident::{IncidentChange, Standing};
use citybrain_types::{CameraId, EventKind, IncidentId};

impl Incidents {
    /// Ends incidents that were looked for and not seen for long enough, and forgets what was remembered for long
    /// enough. A look that could not see ends nothing.
    pub(super) fn end_quiet(&mut self, look: &Look) -> Vec<IncidentChange> {
        let mut changes = Vec::new();
        for kind in &look.looked_for {
            if self.book.of_camera(&look.camera, kind).is_empty() {
                continue;
            }
            for id in self.book.of_camera(&look.camera, kind).to_vec() {
                self.end_one(look, &id, &mut changes);
            }
        }
        changes
    }

    pub(super) fn end_one(&mut self, look: &Look, id: &IncidentId, changes: &mut Vec<IncidentChange>) {
        let Some(kind) = self.book.get(id).map(|entry| entry.incident.kind.clone()) else { return };
        let (quiet_after, gap) = self.quiet_and_gap(&kind);
        let Some(entry) = self.book.get_mut(id) else { return };
        let watched_since = match entry.looked {
            Some((last, since)) if look.captured_at.since(last) <= gap => since.min(look.captured_at),
            _ => look.captured_at,
        };
        let last = entry.looked.map_or(look.captured_at, |(last, _)| last.max(look.captured_at));
        entry.looked = Some((last, watched_since));
        let incident = &mut entry.incident;
        // A clock that was set back becomes the new base.
        if incident.last_seen_at > look.captured_at.plus(CLOCKS_DIFFER) {
            incident.last_seen_at = look.captured_at;
        }
        let unseen = look.captured_at.since(incident.last_seen_at);
        let quiet = look.captured_at.since(incident.last_seen_at.max(watched_since));
        let standing = incident.standing.clone();
        match standing {
            Standing::Open | Standing::Confirmed { .. } if quiet >= quiet_after => {
                self.end(look, id, changes)
            }
            Standing::Open | Standing::Confirmed { .. } | Standing::Alarm(_) => {}
            Standing::Rejected { .. } if unseen >= self.policy(&kind).rejected_for => {
                self.forget(id, changes)
            }
            Standing::Over { .. } if unseen >= self.policy(&kind).recurs_within => self.forget(id, changes),
            Standing::Rejected { .. } | Standing::Over { .. } => {}
        }
    }

    /// An incident is over, and remembered where its kind may come back.
    pub(super) fn end(&mut self, look: &Look, id: &IncidentId, changes: &mut Vec<IncidentChange>) {
        let Some(entry) = self.book.get_mut(id) else { return };
        entry.tracks.clear();
        let over = entry.incident.clone();
        entry.incident.standing = Standing::Over { at: look.decided_at };
        let remembered = entry.incident.clone();
        let kind = over.kind.clone();
        changes.push(IncidentChange::Over { incident: over, at: look.decided_at });
        if self.policy(&kind).recurs_within.is_zero() {
            let reach = self.reach_mm(&kind);
            self.book.remove(id, reach);
            return;
        }
        changes.push(IncidentChange::Remembered(remembered));
        self.bound_memory(&look.camera, &kind, changes);
    }

    /// Forgets the oldest of what is remembered where that is too much.
    pub(super) fn bound_memory(
        &mut self,
        camera: &CameraId,
        kind: &EventKind,
        changes: &mut Vec<IncidentChange>,
    ) {
        let ids = self.book.of_camera(camera, kind).iter();
        let remembered = ids.filter_map(|id| self.book.get(id)).map(|entry| &entry.incident);
        let mut remembered: Vec<_> = remembered
            .filter(|incident| !incident.standing.is_open())
            .map(|incident| (incident.last_seen_at, incident.id.clone()))
            .collect();
        remembered.sort();
        let surplus = remembered.len().saturating_sub(MAX_REMEMBERED);
        for (_, id) in &remembered[..surplus] {
            self.forget(id, changes);
        }
    }

    pub(super) fn forget(&mut self, id: &IncidentId, changes: &mut Vec<IncidentChange>) {
        let Some(kind) = self.book.get(id).map(|entry| entry.incident.kind.clone()) else { return };
        let reach = self.reach_mm(&kind);
        self.book.remove(id, reach);
        changes.push(IncidentChange::Forgotten(id.clone()));
    }
}
