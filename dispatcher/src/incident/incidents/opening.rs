//! What becomes of evidence that is strong enough: it joins, is held, or begins an incident.

use super::Incidents;
use crate::case::routing;
use crate::evidence::{FirstSight, Look, Sight};
use crate::incident::beginning::begin;
use crate::incident::book::Entry;
use crate::incident::join::{is_same_thing, takes_more};
use crate::incident::{Cause, Held, IncidentChange, Located, Standing};
use crate::permit::PermitFinding;
use crate::silence::Scene;
use citybrain_types::{EventKind, IncidentId};
use std::time::Duration;

/// The case of a storm is written down at most this often while cameras are added to it.
const STORM_WRITTEN_EVERY: Duration = Duration::from_secs(2);

impl Incidents {
    /// Evidence is strong enough: it joins, is held, or begins an incident. What is held is told once, when `new`.
    pub(super) fn opened(
        &mut self,
        look: &Look,
        sight: &Sight,
        first: FirstSight,
        new: bool,
        changes: &mut Vec<IncidentChange>,
    ) {
        if let Some(id) = self.rejected_here(look, sight) {
            self.touch(&id, look, sight, changes);
            return self.held(look, sight, Held::Rejected, new, changes);
        }
        let at = self.locate(&look.camera, &sight.place);
        if let Some(id) =
            self.in_same_picture(look, sight, at).or_else(|| self.beside_on_map(look, sight, at))
        {
            return self.join(&id, look, sight, at, changes);
        }
        if self.is_inhibited(look, sight, at) {
            return self.held(look, sight, Held::Inhibited, new, changes);
        }
        let permit = self.permit(look, sight, at);
        if let Some(reason) = self.is_kept_quiet(look, sight, at, permit.as_ref()) {
            return self.held(look, sight, reason, new, changes);
        }
        if let Some(id) = self.storm_here(look, sight) {
            self.join_storm(&id, look, sight, changes);
            return self.held(look, sight, Held::Storm, new, changes);
        }
        let previous = self.was_here(look, sight, at);
        let mut incident = begin(&self.city, look, sight, first, previous.clone());
        incident.permit = permit;
        incident.storm_of = self.count_case(look, sight, &incident.id);
        previous.into_iter().for_each(|id| self.forget(&id, changes));
        let mut entry = Entry::new(incident.clone(), at);
        entry.tracks.insert((look.camera.clone(), sight.track));
        let reach = self.reach_mm(&sight.kind);
        self.book.put(entry, reach);
        let cause = Cause::Seen(sight.clone());
        changes.push(IncidentChange::Opened { incident, cause, captured_at: look.captured_at });
    }

    pub(super) fn held(
        &self,
        look: &Look,
        sight: &Sight,
        reason: Held,
        new: bool,
        changes: &mut Vec<IncidentChange>,
    ) {
        if new {
            let (camera, kind) = (look.camera.clone(), sight.kind.clone());
            changes.push(IncidentChange::Held { camera, kind, reason });
        }
    }

    /// What the permit register says, where the kind needs a permit.
    pub(super) fn permit(&self, look: &Look, sight: &Sight, at: Option<Located>) -> Option<PermitFinding> {
        if !self.policy(&sight.kind).needs_permit {
            return None;
        }
        let position = at.zip(self.plane).map(|(at, plane)| plane.position(at));
        let area = self.city.cameras.get(&look.camera).and_then(|camera| camera.area.as_deref());
        Some(self.register.ask(position, area, look.captured_at))
    }

    /// Silences, permits and the camera's budget.
    pub(super) fn is_kept_quiet(
        &mut self,
        look: &Look,
        sight: &Sight,
        at: Option<Located>,
        permit: Option<&PermitFinding>,
    ) -> Option<Held> {
        let area = self.city.cameras.get(&look.camera).and_then(|camera| camera.area.as_deref());
        let holds = |silence: &citybrain_ingest_config::resolved::Silence| {
            silence.holds(&sight.kind, &look.camera, area, look.captured_at)
        };
        if self.city.silences.iter().any(holds) || self.is_silenced(look, sight, at) {
            return Some(Held::Silenced);
        }
        if matches!(permit, Some(PermitFinding::Covered { .. })) {
            return Some(Held::Permitted);
        }
        let budget = self.city.dispatch.alerts.cases_per_camera_and_day;
        let over = !self.is_urgent(&sight.kind)
            && !self.budgets.camera_has_left(&look.camera, look.captured_at, budget);
        over.then_some(Held::OverBudget)
    }

    /// Whether somebody has silenced it while the program runs.
    fn is_silenced(&self, look: &Look, sight: &Sight, at: Option<Located>) -> bool {
        if self.silences.is_empty() {
            return false;
        }
        let area = routing::area_of(&self.city, &look.camera);
        let scene = Scene {
            kind: &sight.kind,
            camera: Some(&look.camera),
            area: area.as_deref(),
            position: at.zip(self.plane).map(|(at, plane)| plane.position(at)),
        };
        self.silences.values().any(|silence| silence.holds(&self.city, &scene, look.captured_at))
    }

    /// A kind with a pre-alarm has a lane of its own: no budget holds it, and nothing else can use it up.
    pub(super) fn is_urgent(&self, kind: &EventKind) -> bool {
        self.city.kinds.get(kind).is_some_and(|row| row.pre_alarm)
    }

    /// The case of the whole area, where there are so many of this kind that there is one.
    pub(super) fn storm_here(&mut self, look: &Look, sight: &Sight) -> Option<IncidentId> {
        let area = self.city.cameras.get(&look.camera)?.area.clone()?;
        let id = self.budgets.storm(&area, &sight.kind)?.clone();
        let goes_on = self.book.get(&id).is_some_and(|entry| {
            takes_more(&entry.incident)
                && look.captured_at.since(entry.incident.last_seen_at) < self.quiet_after(&sight.kind)
        });
        if !goes_on {
            self.budgets.calm(&area, &sight.kind);
        }
        goes_on.then_some(id)
    }

    /// A sighting becomes a part of its area's case.
    pub(super) fn join_storm(
        &mut self,
        id: &IncidentId,
        look: &Look,
        sight: &Sight,
        changes: &mut Vec<IncidentChange>,
    ) {
        let Some(entry) = self.book.get_mut(id) else { return };
        entry.tracks.insert((look.camera.clone(), sight.track));
        entry.incident.seen(look, sight);
        if look.captured_at.since(entry.written_at) >= STORM_WRITTEN_EVERY {
            entry.written_at = look.captured_at;
            changes.push(IncidentChange::Seen(entry.incident.clone()));
        }
        self.book.take_part(look.camera.clone(), &sight.kind, id);
    }

    /// Counts a case that is about to be opened. Gives the area that it stands for when it is one too many.
    pub(super) fn count_case(&mut self, look: &Look, sight: &Sight, id: &IncidentId) -> Option<String> {
        if self.is_urgent(&sight.kind) {
            return None;
        }
        let limits = self.city.dispatch.alerts;
        self.budgets.count_camera(&look.camera, look.captured_at);
        let area = self.city.cameras.get(&look.camera)?.area.clone()?;
        let key = (area.clone(), sight.kind.clone());
        self.budgets.count_area(key, look.captured_at, limits, id).then_some(area)
    }

    pub(super) fn rejected_here(&self, look: &Look, sight: &Sight) -> Option<IncidentId> {
        let ids = self.book.of_camera(&look.camera, &sight.kind).iter();
        let mut rejected = ids.filter_map(|id| self.book.get(id)).map(|entry| &entry.incident);
        let here = rejected.find(|incident| {
            matches!(incident.standing, Standing::Rejected { .. })
                && is_same_thing(incident, &look.camera, &sight.seen)
        });
        here.map(|incident| incident.id.clone())
    }
}
