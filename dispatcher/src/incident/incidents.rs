//! The decision: which incidents begin, go on, are confirmed or withdrawn, and end.
//!
//! What opens (`opening`), where it lies (`near`), how it goes on (`going_on`), how an alarm is decided (`second_step`)
//! and how it ends (`ending`) are a file each.

mod ending;
mod going_on;
mod near;
mod opening;
mod second_step;

use super::beginning::lost;
use super::book::{Book, Entry};
use super::map::{Located, Plane};
use super::storm::Budgets;
use super::{Cause, Incident, IncidentChange, MAX_REASONS, Reason, Standing, What};
use crate::evidence::{Look, Sighting, Word};
use crate::permit::Register;
use crate::ruling::{Decided, Ruling};
use crate::silence::{Silence, SilenceState};
use citybrain_ingest_config::City;
use citybrain_ingest_config::resolved::IncidentPolicy;
use citybrain_types::{CameraId, EventKind, FrameOutcome, IncidentId, Timestamp, VoidReason};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

/// Most open incidents of one kind at one camera; a further sighting joins the nearest instead of opening a case.
pub const MAX_OPEN_INCIDENTS: usize = 16;
/// Most incidents of one kind at one camera that are over or rejected and remembered; the oldest is forgotten.
pub const MAX_REMEMBERED: usize = 16;

/// Looks of one camera may overtake each other by this much, and clocks of two cameras differ; a camera that is further
/// behind has had its clock set back.
pub(super) const CLOCKS_DIFFER: Duration = Duration::from_secs(30);

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
    /// What people have said opens no case for a while.
    silences: BTreeMap<String, Silence>,
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
            silences: BTreeMap::new(),
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

    /// Takes in what was decided beside the looks.
    pub fn rule(&mut self, ruling: &Ruling) -> Vec<IncidentChange> {
        match &ruling.what {
            Decided::Refused { incident, because: VoidReason::FalseAlarm, .. } => {
                return self.reject(incident, ruling.at);
            }
            // It is a case of somebody else, or another one: what is seen there may open one again.
            Decided::Refused { .. } => {}
            Decided::Silenced { silence } => {
                self.silences.retain(|_, known| known.state(ruling.at) != SilenceState::Expired);
                self.silences.insert(silence.id.clone(), silence.clone());
            }
            Decided::Permits { register } => self.use_register(Arc::clone(register)),
            // Whoever holds the configuration lays the policy over it, and reloads.
            Decided::Thresholds { .. } => {}
        }
        Vec::new()
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
