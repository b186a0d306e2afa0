//! All incidents that play a part, found by their id, by camera and kind, and by where on the map they began.

use super::join::DIAMETER_CAP;
use super::map::Located;
use super::{Incident, Standing};
use crate::evidence::MicroNats;
use citybrain_types::{CameraId, EventKind, IncidentId, Timestamp};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// An incident with what is known of it while the program runs.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) incident: Incident,
    /// Where it began, on the map.
    pub(super) origin: Option<Located>,
    /// Where its cameras see it, on the map.
    pub(super) points: Vec<(CameraId, Located)>,
    /// The places that are it, by the camera and the name of its track.
    pub(super) tracks: BTreeSet<(CameraId, u32)>,
    pub(super) written_at: Timestamp,
    /// When a camera that has part in it last looked for it, and since when such looks have come without a gap: while
    /// nobody could look, nothing gets quiet.
    pub(super) looked: Option<(Timestamp, Timestamp)>,
    /// Of something rejected: what the model that is asked has said for it since, and how often.
    pub(super) again: (MicroNats, u32),
}

impl Entry {
    pub(super) fn new(incident: Incident, origin: Option<Located>) -> Self {
        let written_at = incident.last_seen_at;
        let points = origin.map(|at| (incident.camera.clone(), at)).into_iter().collect();
        Self {
            incident,
            origin,
            points,
            tracks: BTreeSet::new(),
            written_at,
            looked: None,
            again: (MicroNats::ZERO, 0),
        }
    }
}

type Cell = (i64, i64);

/// The book of incidents.
#[derive(Debug, Default)]
pub(super) struct Book {
    entries: BTreeMap<IncidentId, Entry>,
    by_camera: HashMap<CameraId, BTreeMap<EventKind, Vec<IncidentId>>>,
    grid: HashMap<EventKind, HashMap<Cell, Vec<IncidentId>>>,
    /// Alarms that are being heard, by when they are decided at the latest.
    alarms: BTreeSet<(Timestamp, IncidentId)>,
}

impl Book {
    pub(super) fn get(&self, id: &IncidentId) -> Option<&Entry> {
        self.entries.get(id)
    }

    pub(super) fn get_mut(&mut self, id: &IncidentId) -> Option<&mut Entry> {
        self.entries.get_mut(id)
    }

    /// Ids of the incidents of one kind that a camera has part in.
    pub(super) fn of_camera(&self, camera: &CameraId, kind: &EventKind) -> &[IncidentId] {
        self.by_camera.get(camera).and_then(|kinds| kinds.get(kind)).map_or(&[], Vec::as_slice)
    }

    /// Ids of the incidents that a camera has part in, by kind.
    pub(super) fn kinds_of(&self, camera: &CameraId) -> impl Iterator<Item = (&EventKind, &[IncidentId])> {
        let kinds = self.by_camera.get(camera).into_iter().flatten();
        kinds.map(|(kind, ids)| (kind, ids.as_slice()))
    }

    /// When the first of the alarms that are being heard is decided at the latest.
    pub(super) fn next_decision(&self) -> Option<Timestamp> {
        self.alarms.first().map(|(decide_by, _)| *decide_by)
    }

    /// Incidents of one kind that began within twice the join distance of a point, and some beyond.
    pub(super) fn near<'b>(
        &'b self,
        kind: &EventKind,
        at: Located,
        join_within_mm: i64,
    ) -> impl Iterator<Item = &'b Entry> {
        let (east, north) = at.cell(side(join_within_mm));
        let cells = self.grid.get(kind);
        let around = (-1..=1).flat_map(move |x| (-1..=1).map(move |y| (east + x, north + y)));
        let ids = around.filter_map(move |cell| cells?.get(&cell)).flatten();
        ids.filter_map(|id| self.entries.get(id))
    }

    /// Puts an incident in; `join_within_mm` is the distance of its kind.
    pub(super) fn put(&mut self, entry: Entry, join_within_mm: i64) {
        let (id, kind) = (entry.incident.id.clone(), entry.incident.kind.clone());
        if let Some(origin) = entry.origin.filter(|_| join_within_mm > 0) {
            let cells = self.grid.entry(kind.clone()).or_default();
            cells.entry(origin.cell(side(join_within_mm))).or_default().push(id.clone());
        }
        self.watch(&entry.incident);
        let cameras: Vec<CameraId> = match entry.incident.members.is_empty() {
            true => vec![entry.incident.camera.clone()],
            false => entry.incident.members.keys().cloned().collect(),
        };
        cameras.into_iter().for_each(|camera| self.take_part(camera, &kind, &id));
        self.entries.insert(id, entry);
    }

    /// Notes that a camera has part in an incident.
    pub(super) fn take_part(&mut self, camera: CameraId, kind: &EventKind, id: &IncidentId) {
        let ids = self.by_camera.entry(camera).or_default().entry(kind.clone()).or_default();
        if !ids.contains(id) {
            ids.push(id.clone());
        }
    }

    /// Takes an incident out.
    pub(super) fn remove(&mut self, id: &IncidentId, join_within_mm: i64) -> Option<Entry> {
        let entry = self.entries.remove(id)?;
        let incident = &entry.incident;
        self.unwatch(incident);
        for camera in incident.members.keys().chain([&incident.camera]) {
            let Some(kinds) = self.by_camera.get_mut(camera) else { continue };
            if let Some(ids) = kinds.get_mut(&incident.kind) {
                ids.retain(|other| other != id);
                if ids.is_empty() {
                    kinds.remove(&incident.kind);
                }
            }
            if kinds.is_empty() {
                self.by_camera.remove(camera);
            }
        }
        if let (Some(origin), Some(cells)) = (entry.origin, self.grid.get_mut(&incident.kind)) {
            let cell = origin.cell(side(join_within_mm));
            if let Some(ids) = cells.get_mut(&cell) {
                ids.retain(|other| other != id);
                if ids.is_empty() {
                    cells.remove(&cell);
                }
            }
        }
        Some(entry)
    }

    /// Takes everything out.
    pub(super) fn empty(&mut self) -> Vec<Entry> {
        let entries = std::mem::take(&mut self.entries).into_values().collect();
        *self = Self::default();
        entries
    }

    fn watch(&mut self, incident: &Incident) {
        if let Standing::Alarm(hearing) = &incident.standing {
            self.alarms.insert((hearing.decide_by(), incident.id.clone()));
        }
    }

    fn unwatch(&mut self, incident: &Incident) {
        if let Standing::Alarm(hearing) = &incident.standing {
            self.alarms.remove(&(hearing.decide_by(), incident.id.clone()));
        }
    }

    /// An alarm is decided.
    pub(super) fn decided(&mut self, id: &IncidentId) {
        if let Some(entry) = self.entries.get(id)
            && let Standing::Alarm(hearing) = &entry.incident.standing
        {
            self.alarms.remove(&(hearing.decide_by(), id.clone()));
        }
    }

    /// Alarms that were to be decided by `at`.
    pub(super) fn overdue(&self, at: Timestamp) -> Vec<IncidentId> {
        let due = self.alarms.iter().take_while(|(decide_by, _)| *decide_by <= at);
        due.map(|(_, id)| id.clone()).collect()
    }
}

/// The grid's cells are as wide as an incident can reach, so that its neighbours hold all that can belong together.
fn side(join_within_mm: i64) -> i64 {
    join_within_mm.saturating_mul(i64::from(DIAMETER_CAP))
}
