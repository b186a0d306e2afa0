//! Which incident lies where something is seen: in the same picture, beside it on the map, before it in time.

use super::{Incidents, MAX_OPEN_INCIDENTS};
use crate::evidence::{Look, Sight, centre_distance};
use crate::incident::book::Entry;
use crate::incident::join::{self, in_picture, on_map, takes_more};
use crate::incident::{Incident, Located, Standing};
use citybrain_types::IncidentId;

impl Incidents {
    /// The open incident of this camera a place belongs to; the nearest of all when no further one may be opened. Where
    /// the ground in its picture was surveyed the map says how far apart two places are: far away, what is a street
    /// apart lies close together in the picture.
    pub(super) fn in_same_picture(
        &self,
        look: &Look,
        sight: &Sight,
        at: Option<Located>,
    ) -> Option<IncidentId> {
        let reach = self.reach_mm(&sight.kind);
        let surveyed = self.city.cameras.get(&look.camera).is_some_and(|camera| camera.view.ground.is_some());
        let at = at.filter(|_| surveyed && reach > 0);
        let ids = self.book.of_camera(&look.camera, &sight.kind).iter();
        let open = ids.filter_map(|id| self.book.get(id)).filter(|entry| takes_more(&entry.incident));
        let open: Vec<&Entry> = open.collect();
        let full = open.len() >= MAX_OPEN_INCIDENTS;
        let distance = |entry: &Entry| {
            let incident = &entry.incident;
            let near = match at.zip(entry.origin) {
                // Only an order of distances is needed; `as` is exact enough for it.
                Some((at, origin)) => on_map(origin, &entry.points, at, reach).map(|squared| squared as f32),
                None => in_picture(incident, &look.camera, &sight.place, self.city.dispatch.join_distance),
            };
            let far = || full.then(|| (true, centre_distance(&incident.place, &sight.place)));
            near.map(|distance| (false, distance)).or_else(far)
        };
        let near = open.into_iter().filter_map(|entry| Some((distance(entry)?, &entry.incident.id)));
        let first = near.min_by(|(a, _), (b, _)| a.0.cmp(&b.0).then_with(|| a.1.total_cmp(&b.1)));
        first.map(|(_, id)| id.clone())
    }

    /// The open incident of other cameras that lies here on the map. One that this camera sees at another place of its
    /// picture is another happening: it sees the two apart.
    pub(super) fn beside_on_map(
        &self,
        look: &Look,
        sight: &Sight,
        at: Option<Located>,
    ) -> Option<IncidentId> {
        let (at, reach) = (at?, self.reach_mm(&sight.kind));
        if reach <= 0 {
            return None;
        }
        let quiet_after = self.quiet_after(&sight.kind);
        let near = self.book.near(&sight.kind, at, reach).filter(|entry| {
            takes_more(&entry.incident)
                && !entry.incident.members.contains_key(&look.camera)
                && look.captured_at.since(entry.incident.last_seen_at) < quiet_after
        });
        let near = near
            .filter_map(|entry| Some((on_map(entry.origin?, &entry.points, at, reach)?, &entry.incident.id)));
        near.min().map(|(_, id)| id.clone())
    }

    /// Something that explains what is seen is going on near it.
    pub(super) fn is_inhibited(&self, look: &Look, sight: &Sight, at: Option<Located>) -> bool {
        self.inhibitors.iter().any(|kind| {
            let policy = self.policy(kind);
            if !policy.inhibits.contains(&sight.kind) {
                return false;
            }
            let goes_on = |incident: &Incident| {
                takes_more(incident) && look.captured_at.since(incident.last_seen_at) < self.quiet_after(kind)
            };
            let reach = f32::from(join::DIAMETER_CAP) * self.city.dispatch.join_distance;
            let mut seen = self.book.of_camera(&look.camera, kind).iter().filter_map(|id| self.book.get(id));
            let in_picture = seen.any(|entry| {
                let member = entry.incident.members.get(&look.camera);
                let place = member.map_or(&entry.incident.last_place, |member| &member.last_place);
                goes_on(&entry.incident) && centre_distance(place, &sight.place) <= reach
            });
            let reach = self.reach_mm(kind);
            let on_map = || {
                at.is_some_and(|at| {
                    self.book.near(kind, at, reach).any(|entry| {
                        goes_on(&entry.incident)
                            && entry.origin.is_some_and(|origin| origin.is_within(at, reach))
                    })
                })
            };
            in_picture || (reach > 0 && on_map())
        })
    }

    /// The incident that was here before and is over.
    pub(super) fn was_here(&self, look: &Look, sight: &Sight, at: Option<Located>) -> Option<IncidentId> {
        let recurs_within = self.policy(&sight.kind).recurs_within;
        let over = |incident: &Incident| {
            matches!(incident.standing, Standing::Over { .. })
                && look.captured_at.since(incident.last_seen_at) < recurs_within
        };
        let seen = self.book.of_camera(&look.camera, &sight.kind).iter().filter_map(|id| self.book.get(id));
        let distance = self.city.dispatch.join_distance;
        let here = seen.map(|entry| &entry.incident).filter(|incident| {
            over(incident) && in_picture(incident, &look.camera, &sight.place, distance).is_some()
        });
        let here = here.max_by_key(|incident| (incident.last_seen_at, &incident.id));
        if let Some(incident) = here {
            return Some(incident.id.clone());
        }
        let (at, reach) = (at?, self.reach_mm(&sight.kind));
        let near = self.book.near(&sight.kind, at, reach.max(1)).filter(|entry| {
            over(&entry.incident) && entry.origin.is_some_and(|origin| origin.is_within(at, reach))
        });
        let last = near.max_by_key(|entry| (entry.incident.last_seen_at, &entry.incident.id));
        last.map(|entry| entry.incident.id.clone())
    }
}
