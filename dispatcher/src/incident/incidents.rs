//! The decision: which incidents begin, go on, are confirmed or withdrawn, and end.

use super::beginning::{begin, lost};
use super::book::{Book, Entry};
use super::join::{self, in_picture, is_same_thing, on_map, takes_more};
use super::map::{Located, Plane};
use super::storm::Budgets;
use super::{Cause, Held, Incident, IncidentChange, MAX_REASONS, Reason, Standing, Verdict, What};
use crate::evidence::{FirstSight, Look, MicroNats, Sight, Sighting, Word, centre_distance};
use crate::permit::{PermitFinding, Register};
use citybrain_ingest_config::City;
use citybrain_ingest_config::resolved::IncidentPolicy;
use citybrain_types::{CameraId, EventKind, FrameOutcome, IncidentId, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

/// Most open incidents of one kind at one camera; a further sighting joins the nearest instead of opening a case.
pub const MAX_OPEN_INCIDENTS: usize = 16;
/// Most incidents of one kind at one camera that are over or rejected and remembered; the oldest is forgotten.
pub const MAX_REMEMBERED: usize = 16;

/// An incident that goes on is written down again when it was last written this long ago, by the frames' time.
const REFRESH_AFTER: Duration = Duration::from_secs(10);
/// The same for one that is remembered.
const REFRESH_REMEMBERED_AFTER: Duration = Duration::from_secs(3600);
/// Looks of one camera may overtake each other by this much, and clocks of two cameras differ; a camera that is further
/// behind has had its clock set back.
pub(super) const CLOCKS_DIFFER: Duration = Duration::from_secs(30);
/// The case of a storm is written down at most this often while cameras are added to it.
const STORM_WRITTEN_EVERY: Duration = Duration::from_secs(2);
/// What was rejected is an alarm again when the model that is asked has said this much for it …
const AGAIN_AT: MicroNats = MicroNats::from_micros(6_000_000);
/// … in at least this many looks.
const AGAIN_LOOKS: u32 = 3;

static UNKNOWN_KIND: LazyLock<IncidentPolicy> = LazyLock::new(IncidentPolicy::default);

/// All incidents of a city.
#[derive(Debug)]
pub struct Incidents {
    city: Arc<City>,
    plane: Option<Plane>,
    book: Book,
    /// Kinds that explain others.
    inhibitors: Vec<EventKind>,
    /// Cameras that are not seen.
    faults: usize,
    budgets: Budgets,
    register: Arc<Register>,
}

impl Incidents {
    /// Goes on with what was open or remembered.
    #[must_use]
    pub fn new(city: &City, known: impl IntoIterator<Item = Incident>) -> Self {
        let mut incidents = Self {
            city: Arc::new(city.clone()),
            plane: None,
            book: Book::default(),
            inhibitors: Vec::new(),
            faults: 0,
            budgets: Budgets::default(),
            register: Arc::default(),
        };
        for incident in known {
            incidents.budgets.remember(&city.cameras, &incident);
            incidents.faults += usize::from(incident.kind.as_str() == EventKind::CAMERA_FAULT);
            incidents.book.put(Entry::new(incident, None), 0);
        }
        incidents.reload(city);
        incidents
    }

    /// Goes on under another configuration.
    pub fn reload(&mut self, city: &City) {
        self.city = Arc::new(city.clone());
        self.plane = Plane::of(city);
        let inhibits = self.city.kinds.values().filter(|kind| !kind.incident.inhibits.is_empty());
        self.inhibitors = inhibits.map(|kind| kind.kind.clone()).collect();
        // Where things lie on the map, and how far they reach, may be other than before.
        for mut entry in self.book.empty() {
            let members = entry.incident.members.iter();
            let points = members
                .filter_map(|(camera, member)| Some((camera.clone(), self.locate(camera, &member.place)?)));
            entry.points = points.collect();
            entry.origin = self.locate(&entry.incident.camera, &entry.incident.place);
            let reach = self.reach_mm(&entry.incident.kind);
            self.book.put(entry, reach);
        }
    }

    /// Asks this register of permits from now on.
    pub fn use_register(&mut self, register: Arc<Register>) {
        self.register = register;
    }

    /// How many cameras are not seen.
    #[must_use]
    pub const fn camera_faults(&self) -> usize {
        self.faults
    }

    /// Takes in one look of one camera.
    pub fn take(&mut self, look: &Look) -> Vec<IncidentChange> {
        let mut changes = self.end_quiet(look);
        let mut words: BTreeMap<IncidentId, (Word, u32)> = BTreeMap::new();
        for sighting in &look.sightings {
            match sighting {
                Sighting::Opened(sight) => self.opened(look, sight, sight.first, true, &mut changes),
                Sighting::Seen(sight) => self.seen(look, sight, &mut changes),
                Sighting::Weighed { kind, track, word } => self.weigh(look, kind, *track, *word, &mut words),
                Sighting::Closed { kind, track } => self.closed(&look.camera, kind, *track),
                Sighting::CameraLost { since, outcome } => {
                    changes.extend(self.camera_lost(look, *since, *outcome));
                }
                Sighting::CameraBack => changes.extend(self.camera_back(look)),
            }
        }
        self.hear(look, words, &mut changes);
        self.decide_overdue(look, &mut changes);
        changes
    }

    /// A person says that an incident is no case: what is seen at its place opens nothing from now on, until it has not
    /// been seen for the kind's time.
    pub fn reject(&mut self, id: &IncidentId, at: Timestamp) -> Vec<IncidentChange> {
        self.book.decided(id);
        let Some(entry) = self.book.get_mut(id) else { return Vec::new() };
        entry.incident.standing = Standing::Rejected { at };
        if entry.incident.reasons.len() < MAX_REASONS {
            let camera = entry.incident.camera.clone();
            entry.incident.reasons.push(Reason { at, camera, sequence: 0, what: What::Refused });
        }
        vec![IncidentChange::Remembered(entry.incident.clone())]
    }

    pub(super) const fn book(&self) -> &Book {
        &self.book
    }

    pub(super) const fn book_mut(&mut self) -> &mut Book {
        &mut self.book
    }

    /// What a camera has part in, by kind.
    pub(super) fn entries_of(&self, camera: &CameraId) -> Vec<(EventKind, Vec<&Entry>)> {
        let entries = |ids: &[IncidentId]| ids.iter().filter_map(|id| self.book.get(id)).collect();
        self.book.kinds_of(camera).map(|(kind, ids)| (kind.clone(), entries(ids))).collect()
    }

    /// How long a kind is not seen until it is over, and how far apart looks may be to count as one run.
    pub(super) fn quiet_and_gap(&self, kind: &EventKind) -> (Duration, Duration) {
        let quiet_after = self.quiet_after(kind);
        let interval = self.city.kinds.get(kind).map_or(Duration::ZERO, |row| row.look_interval);
        (quiet_after, (quiet_after / 4).max(interval * 3))
    }

    pub(super) fn policy(&self, kind: &EventKind) -> &IncidentPolicy {
        self.city.kinds.get(kind).map_or(&UNKNOWN_KIND, |row| &row.incident)
    }

    fn quiet_after(&self, kind: &EventKind) -> Duration {
        self.policy(kind).quiet_after.unwrap_or(self.city.dispatch.incident_quiet_after)
    }

    fn reach_mm(&self, kind: &EventKind) -> i64 {
        // At most ten kilometres, by the configuration; `as` saturates.
        (self.policy(kind).join_within_m * 1_000.0).round() as i64
    }

    fn locate(&self, camera: &CameraId, place: &citybrain_types::BoundingBox) -> Option<Located> {
        self.plane?.locate(self.city.cameras.get(camera)?, place)
    }

    /// Ends incidents that were looked for and not seen for long enough, and forgets what was remembered for long
    /// enough. A look that could not see ends nothing.
    fn end_quiet(&mut self, look: &Look) -> Vec<IncidentChange> {
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

    fn end_one(&mut self, look: &Look, id: &IncidentId, changes: &mut Vec<IncidentChange>) {
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
    fn end(&mut self, look: &Look, id: &IncidentId, changes: &mut Vec<IncidentChange>) {
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
    fn bound_memory(&mut self, camera: &CameraId, kind: &EventKind, changes: &mut Vec<IncidentChange>) {
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

    fn forget(&mut self, id: &IncidentId, changes: &mut Vec<IncidentChange>) {
        let Some(kind) = self.book.get(id).map(|entry| entry.incident.kind.clone()) else { return };
        let reach = self.reach_mm(&kind);
        self.book.remove(id, reach);
        changes.push(IncidentChange::Forgotten(id.clone()));
    }

    /// Evidence is strong enough: it joins, is held, or begins an incident. What is held is told once, when `new`.
    fn opened(
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
        if let Some(reason) = self.is_kept_quiet(look, sight, permit.as_ref()) {
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

    fn held(&self, look: &Look, sight: &Sight, reason: Held, new: bool, changes: &mut Vec<IncidentChange>) {
        if new {
            let (camera, kind) = (look.camera.clone(), sight.kind.clone());
            changes.push(IncidentChange::Held { camera, kind, reason });
        }
    }

    /// What the permit register says, where the kind needs a permit.
    fn permit(&self, look: &Look, sight: &Sight, at: Option<Located>) -> Option<PermitFinding> {
        if !self.policy(&sight.kind).needs_permit {
            return None;
        }
        let position = at.zip(self.plane).map(|(at, plane)| plane.position(at));
        let area = self.city.cameras.get(&look.camera).and_then(|camera| camera.area.as_deref());
        Some(self.register.ask(position, area, look.captured_at))
    }

    /// Silences, permits and the camera's budget.
    fn is_kept_quiet(&mut self, look: &Look, sight: &Sight, permit: Option<&PermitFinding>) -> Option<Held> {
        let area = self.city.cameras.get(&look.camera).and_then(|camera| camera.area.as_deref());
        let holds = |silence: &citybrain_ingest_config::resolved::Silence| {
            silence.holds(&sight.kind, &look.camera, area, look.captured_at)
        };
        if self.city.silences.iter().any(holds) {
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

    /// A kind with a pre-alarm has a lane of its own: no budget holds it, and nothing else can use it up.
    fn is_urgent(&self, kind: &EventKind) -> bool {
        self.city.kinds.get(kind).is_some_and(|row| row.pre_alarm)
    }

    /// The case of the whole area, where there are so many of this kind that there is one.
    fn storm_here(&mut self, look: &Look, sight: &Sight) -> Option<IncidentId> {
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
    fn join_storm(&mut self, id: &IncidentId, look: &Look, sight: &Sight, changes: &mut Vec<IncidentChange>) {
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
    fn count_case(&mut self, look: &Look, sight: &Sight, id: &IncidentId) -> Option<String> {
        if self.is_urgent(&sight.kind) {
            return None;
        }
        let limits = self.city.dispatch.alerts;
        self.budgets.count_camera(&look.camera, look.captured_at);
        let area = self.city.cameras.get(&look.camera)?.area.clone()?;
        let key = (area.clone(), sight.kind.clone());
        self.budgets.count_area(key, look.captured_at, limits, id).then_some(area)
    }

    fn rejected_here(&self, look: &Look, sight: &Sight) -> Option<IncidentId> {
        let ids = self.book.of_camera(&look.camera, &sight.kind).iter();
        let mut rejected = ids.filter_map(|id| self.book.get(id)).map(|entry| &entry.incident);
        let here = rejected.find(|incident| {
            matches!(incident.standing, Standing::Rejected { .. })
                && is_same_thing(incident, &look.camera, &sight.seen)
        });
        here.map(|incident| incident.id.clone())
    }

    /// The open incident of this camera a place belongs to; the nearest of all when no further one may be opened. Where
    /// the ground in its picture was surveyed the map says how far apart two places are: far away, what is a street
    /// apart lies close together in the picture.
    fn in_same_picture(&self, look: &Look, sight: &Sight, at: Option<Located>) -> Option<IncidentId> {
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
    fn beside_on_map(&self, look: &Look, sight: &Sight, at: Option<Located>) -> Option<IncidentId> {
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
    fn is_inhibited(&self, look: &Look, sight: &Sight, at: Option<Located>) -> bool {
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
    fn was_here(&self, look: &Look, sight: &Sight, at: Option<Located>) -> Option<IncidentId> {
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

    /// A sighting joins an incident; a camera that is new to it is a witness.
    fn join(
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

    fn seen(&mut self, look: &Look, sight: &Sight, changes: &mut Vec<IncidentChange>) {
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

    fn anew(&mut self, look: &Look, sight: &Sight, changes: &mut Vec<IncidentChange>) {
        let here = FirstSight { sequence: look.sequence, captured_at: look.captured_at, place: sight.place };
        self.opened(look, &Sight { first: here, ..sight.clone() }, here, false, changes);
    }

    fn touch(&mut self, id: &IncidentId, look: &Look, sight: &Sight, changes: &mut Vec<IncidentChange>) {
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

    fn closed(&mut self, camera: &CameraId, kind: &EventKind, track: u32) {
        let track = (camera.clone(), track);
        for id in self.book.of_camera(camera, kind).to_vec() {
            if let Some(entry) = self.book.get_mut(&id) {
                entry.tracks.remove(&track);
            }
        }
    }

    /// Sorts what a look says of its open places by incident; of two places of one incident the better word counts.
    fn weigh(
        &self,
        look: &Look,
        kind: &EventKind,
        track: u32,
        word: Word,
        words: &mut BTreeMap<IncidentId, (Word, u32)>,
    ) {
        let track = (look.camera.clone(), track);
        let ids = self.book.of_camera(&look.camera, kind).iter();
        let known = ids.filter_map(|id| self.book.get(id)).find(|entry| entry.tracks.contains(&track));
        let Some(entry) = known else { return };
        let so_far = words.entry(entry.incident.id.clone()).or_insert((word, track.1));
        so_far.0.first = so_far.0.first.max(word.first);
        so_far.0.second = so_far.0.second.max(word.second);
    }

    fn hear(
        &mut self,
        look: &Look,
        words: BTreeMap<IncidentId, (Word, u32)>,
        changes: &mut Vec<IncidentChange>,
    ) {
        for (id, (word, _)) in words {
            let Some(entry) = self.book.get_mut(&id) else { continue };
            match &mut entry.incident.standing {
                Standing::Alarm(hearing) => {
                    hearing.hear(word, look.captured_at);
                    self.decide(&id, look, true, changes);
                }
                Standing::Rejected { .. } => {
                    let Some(says) = word.second else { continue };
                    let (weight, yes) = &mut entry.again;
                    *weight = weight.plus(says).held(AGAIN_AT);
                    *yes = if says > MicroNats::ZERO { *yes + 1 } else { 0 };
                    if *weight >= AGAIN_AT && *yes >= AGAIN_LOOKS {
                        // The next look at it finds nothing that holds it, and gives the alarm.
                        self.forget(&id, changes);
                    }
                }
                Standing::Open | Standing::Confirmed { .. } | Standing::Over { .. } => {}
            }
        }
    }

    /// Alarms that are overdue are decided by the clock of any camera: theirs may have fallen silent.
    fn decide_overdue(&mut self, look: &Look, changes: &mut Vec<IncidentChange>) {
        for id in self.book.overdue(look.captured_at) {
            let own = self.book.get(&id).is_some_and(|e| e.incident.members.contains_key(&look.camera));
            self.decide(&id, look, own, changes);
        }
    }

    fn decide(&mut self, id: &IncidentId, look: &Look, own: bool, changes: &mut Vec<IncidentChange>) {
        let Some(entry) = self.book.get(id) else { return };
        let Standing::Alarm(hearing) = &entry.incident.standing else { return };
        let Some(verdict) = hearing.verdict(look.captured_at, own) else { return };
        let hearing = hearing.clone();
        self.book.decided(id);
        let Some(entry) = self.book.get_mut(id) else { return };
        let (captured_at, at) = (look.captured_at, look.decided_at);
        entry.incident.because(
            look,
            What::Heard {
                confirmed: verdict == Verdict::Confirmed,
                weight_micronats: hearing.weight(),
                second_micronats: hearing.second(),
                witnesses: hearing.witnesses(),
            },
        );
        match verdict {
            Verdict::Confirmed => {
                entry.incident.standing = Standing::Confirmed { at };
                let incident = entry.incident.clone();
                changes.push(IncidentChange::Confirmed { incident, captured_at, at });
            }
            Verdict::Withdrawn => {
                // Without a second voice it was only not found often enough: when evidence goes and comes again, that is
                // another alarm.
                entry.incident.standing = match hearing.second() {
                    Some(_) => Standing::Rejected { at },
                    None => Standing::Over { at },
                };
                let incident = entry.incident.clone();
                let (camera, kind) = (incident.camera.clone(), incident.kind.clone());
                changes.push(IncidentChange::Withdrawn { incident: incident.clone(), captured_at, at });
                changes.push(IncidentChange::Remembered(incident));
                self.bound_memory(&camera, &kind, changes);
            }
        }
    }

    fn camera_lost(
        &mut self,
        look: &Look,
        since: Timestamp,
        outcome: FrameOutcome,
    ) -> Option<IncidentChange> {
        let kind = EventKind::new(EventKind::CAMERA_FAULT);
        if !self.book.of_camera(&look.camera, &kind).is_empty() {
            return None;
        }
        let incident = lost(look, since);
        self.faults += 1;
        self.book.put(Entry::new(incident.clone(), None), 0);
        let cause = Cause::CameraLost(outcome);
        Some(IncidentChange::Opened { incident, cause, captured_at: look.captured_at })
    }

    fn camera_back(&mut self, look: &Look) -> Vec<IncidentChange> {
        let kind = EventKind::new(EventKind::CAMERA_FAULT);
        let ids: BTreeSet<IncidentId> = self.book.of_camera(&look.camera, &kind).iter().cloned().collect();
        self.faults = self.faults.saturating_sub(ids.len());
        let over = ids.iter().filter_map(|id| self.book.remove(id, 0));
        over.map(|entry| IncidentChange::Over { incident: entry.incident, at: look.decided_at }).collect()
    }
}
