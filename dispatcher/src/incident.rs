//! From sightings to incidents: one happening in the city is one incident.
//!
//! Sightings of the same camera and kind near an open incident join it. Not seen for `incident_quiet_after`, it
//! is over, and the next sighting is a new one. A camera that is not seen is an incident too, until it is back.
//! [`Incidents`] is the decision, without clock or I/O; [`run`] is the stage around it.

use crate::case::Glance;
use crate::evidence::{FirstSight, Look, Sight, Sighting, centre_distance, same_place};
use crate::metrics::{Metrics, Stage};
use citybrain_ingest_config::City;
use citybrain_types::{BoundingBox, CameraId, Clock, EventKind, FrameOutcome, IncidentId, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// Most open incidents of one kind at one camera; a further sighting joins the nearest instead of opening a case.
pub const MAX_OPEN_INCIDENTS: usize = 16;

/// An incident that goes on is written down again when it was last written this long ago, by the frames' time.
const REFRESH_AFTER: Duration = Duration::from_secs(10);

/// A place joined to an incident lies no further from where it began than this many join distances, so that a
/// chain of neighbours does not swallow the whole picture.
const DIAMETER_CAP: f32 = 2.0;

/// One happening.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// From its first event; the case has the same.
    pub id: IncidentId,
    /// The camera that sees it.
    pub camera: CameraId,
    /// What kind of event.
    pub kind: EventKind,
    /// Where it began, in the picture.
    pub place: BoundingBox,
    /// Where it was seen last.
    pub last_place: BoundingBox,
    /// The highest score so far.
    pub score: f32,
    /// The first frame in which it was seen.
    pub first_seen_at: Timestamp,
    /// The last frame in which it was seen.
    pub last_seen_at: Timestamp,
    /// When it opened.
    pub opened_at: Timestamp,
}

/// Why an incident opened.
#[derive(Debug, Clone, PartialEq)]
pub enum Cause {
    /// Evidence in the picture.
    Seen(Sight),
    /// The camera is not seen.
    CameraLost(FrameOutcome),
}

/// What became of an incident.
#[derive(Debug, Clone, PartialEq)]
pub enum IncidentChange {
    /// It began.
    Opened {
        /// As it stands.
        incident: Incident,
        /// Why.
        cause: Cause,
        /// When the frame that decided it was taken.
        captured_at: Timestamp,
    },
    /// It goes on; written down now and then.
    Seen(Incident),
    /// It has not been seen for long enough, or the camera is back.
    Over {
        /// As it stood at last.
        incident: Incident,
        /// When that was known.
        at: Timestamp,
    },
}

#[derive(Debug, Clone)]
struct Open {
    incident: Incident,
    tracks: BTreeSet<u32>,
    written_at: Timestamp,
}

/// All open incidents of a city.
#[derive(Debug)]
pub struct Incidents {
    open: BTreeMap<(CameraId, EventKind), Vec<Open>>,
    quiet_after: Duration,
    join_distance: f32,
}

impl Incidents {
    /// Goes on with what was open.
    #[must_use]
    pub fn new(city: &City, open: impl IntoIterator<Item = Incident>) -> Self {
        let mut incidents = Self { open: BTreeMap::new(), quiet_after: Duration::ZERO, join_distance: 0.0 };
        for incident in open {
            let key = (incident.camera.clone(), incident.kind.clone());
            let written_at = incident.last_seen_at;
            incidents.open.entry(key).or_default().push(Open {
                incident,
                tracks: BTreeSet::new(),
                written_at,
            });
        }
        incidents.reload(city);
        incidents
    }

    /// Goes on under another configuration.
    pub fn reload(&mut self, city: &City) {
        self.quiet_after = city.dispatch.incident_quiet_after;
        self.join_distance = city.dispatch.join_distance;
    }

    /// How many cameras are not seen.
    #[must_use]
    pub fn camera_faults(&self) -> usize {
        self.open
            .iter()
            .filter(|((_, kind), open)| kind.as_str() == EventKind::CAMERA_FAULT && !open.is_empty())
            .count()
    }

    /// Takes in one look of one camera.
    pub fn take(&mut self, look: &Look) -> Vec<IncidentChange> {
        let mut changes = self.end_quiet(look);
        for sighting in &look.sightings {
            match sighting {
                Sighting::Opened(sight) => changes.extend(self.opened(look, sight)),
                Sighting::Seen(sight) => changes.extend(self.seen(look, sight)),
                Sighting::Closed { kind, track } => self.closed(&look.camera, kind, *track),
                Sighting::CameraLost { since, outcome } => {
                    changes.extend(self.camera_lost(look, *since, *outcome))
                }
                Sighting::CameraBack => changes.extend(self.camera_back(look)),
            }
        }
        changes
    }

    /// Ends incidents that were looked for and not seen for long enough. A look that could not see ends nothing.
    fn end_quiet(&mut self, look: &Look) -> Vec<IncidentChange> {
        let mut over = Vec::new();
        for kind in &look.looked_for {
            let key = (look.camera.clone(), kind.clone());
            let Some(open) = self.open.get_mut(&key) else { continue };
            let quiet = |open: &mut Open| {
                // A clock that was set back becomes the new base.
                open.incident.last_seen_at = open.incident.last_seen_at.min(look.captured_at);
                look.captured_at.since(open.incident.last_seen_at) >= self.quiet_after
            };
            over.extend(open.extract_if(.., quiet).map(|open| open.incident));
            if open.is_empty() {
                self.open.remove(&key);
            }
        }
        over.into_iter().map(|incident| IncidentChange::Over { incident, at: look.decided_at }).collect()
    }

    fn opened(&mut self, look: &Look, sight: &Sight) -> Option<IncidentChange> {
        let key = (look.camera.clone(), sight.kind.clone());
        let open = self.open.entry(key).or_default();
        if let Some(nearest) = nearest(open, &sight.place, self.join_distance) {
            open[nearest].tracks.insert(sight.track);
            return touch(&mut open[nearest], look, sight);
        }
        let incident = begin(look, sight, sight.first);
        open.push(Open {
            incident: incident.clone(),
            tracks: BTreeSet::from([sight.track]),
            written_at: look.captured_at,
        });
        let cause = Cause::Seen(sight.clone());
        Some(IncidentChange::Opened { incident, cause, captured_at: look.captured_at })
    }

    fn seen(&mut self, look: &Look, sight: &Sight) -> Option<IncidentChange> {
        let key = (look.camera.clone(), sight.kind.clone());
        let open = self.open.entry(key).or_default();
        match open.iter_mut().find(|open| open.tracks.contains(&sight.track)) {
            Some(open) => touch(open, look, sight),
            // Its incident has ended while the evidence had not: what is seen now is a new happening.
            None => {
                let here =
                    FirstSight { sequence: look.sequence, captured_at: look.captured_at, place: sight.place };
                self.opened(look, &Sight { first: here, ..sight.clone() })
            }
        }
    }

    fn closed(&mut self, camera: &CameraId, kind: &EventKind, track: u32) {
        for open in self.open.get_mut(&(camera.clone(), kind.clone())).into_iter().flatten() {
            open.tracks.remove(&track);
        }
    }

    fn camera_lost(
        &mut self,
        look: &Look,
        since: Timestamp,
        outcome: FrameOutcome,
    ) -> Option<IncidentChange> {
        let kind = EventKind::new(EventKind::CAMERA_FAULT);
        let open = self.open.entry((look.camera.clone(), kind.clone())).or_default();
        if !open.is_empty() {
            return None;
        }
        let incident = Incident {
            id: incident_id(&look.camera, &kind, None, since, &BoundingBox::WHOLE),
            camera: look.camera.clone(),
            kind,
            place: BoundingBox::WHOLE,
            last_place: BoundingBox::WHOLE,
            score: 1.0,
            first_seen_at: since,
            last_seen_at: look.captured_at,
            opened_at: look.decided_at,
        };
        open.push(Open { incident: incident.clone(), tracks: BTreeSet::new(), written_at: look.captured_at });
        let cause = Cause::CameraLost(outcome);
        Some(IncidentChange::Opened { incident, cause, captured_at: look.captured_at })
    }

    fn camera_back(&mut self, look: &Look) -> Vec<IncidentChange> {
        let kind = EventKind::new(EventKind::CAMERA_FAULT);
        let over = self.open.remove(&(look.camera.clone(), kind)).unwrap_or_default();
        over.into_iter()
            .map(|open| IncidentChange::Over { incident: open.incident, at: look.decided_at })
            .collect()
    }
}

fn begin(look: &Look, sight: &Sight, first: FirstSight) -> Incident {
    Incident {
        id: incident_id(&look.camera, &sight.kind, Some(first.sequence), first.captured_at, &first.place),
        camera: look.camera.clone(),
        kind: sight.kind.clone(),
        place: sight.place,
        last_place: sight.place,
        score: sight.score.get(),
        first_seen_at: first.captured_at,
        last_seen_at: look.captured_at,
        opened_at: look.decided_at,
    }
}

/// The open incident a place belongs to, if any; the nearest of all when no further one may be opened.
fn nearest(open: &[Open], place: &BoundingBox, join_distance: f32) -> Option<usize> {
    let belongs = |open: &Open| {
        let within = centre_distance(&open.incident.place, place) <= DIAMETER_CAP * join_distance;
        same_place(&open.incident.place, place, join_distance)
            || (within && same_place(&open.incident.last_place, place, join_distance))
    };
    let full = open.len() >= MAX_OPEN_INCIDENTS;
    let candidates = open.iter().enumerate().filter(|(_, open)| full || belongs(open));
    let distance = |open: &Open| centre_distance(&open.incident.place, place);
    candidates.min_by(|(_, a), (_, b)| distance(a).total_cmp(&distance(b))).map(|(index, _)| index)
}

fn touch(open: &mut Open, look: &Look, sight: &Sight) -> Option<IncidentChange> {
    let incident = &mut open.incident;
    incident.last_seen_at = incident.last_seen_at.max(look.captured_at);
    incident.last_place = sight.place;
    incident.score = incident.score.max(sight.score.get());
    if look.captured_at.since(open.written_at) < REFRESH_AFTER {
        return None;
    }
    open.written_at = look.captured_at;
    Some(IncidentChange::Seen(open.incident.clone()))
}

/// `<kind>-<day>-<hash>` of the first event: a replay names it the same.
fn incident_id(
    camera: &CameraId,
    kind: &EventKind,
    sequence: Option<u64>,
    at: Timestamp,
    place: &BoundingBox,
) -> IncidentId {
    let edges = <[f32; 4]>::from(*place).map(f32::to_bits);
    let event = format!("{camera}\n{kind}\n{sequence:?}\n{}\n{edges:?}", at.as_micros());
    let mut id = String::with_capacity(64);
    // A kind may have any name; of a name that is not an id, what can stand in one is kept.
    let letters = kind.as_str().chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_');
    id.extend(letters.take(24));
    if id.is_empty() {
        id.push_str("event");
    }
    let day = at.to_string();
    id.push('-');
    id.extend(day.chars().take_while(|c| *c != 'T').filter(char::is_ascii_digit).take(8));
    id.push('-');
    for byte in Sha256::digest(event.as_bytes()).iter().take(8) {
        let _ = write!(id, "{byte:02x}");
    }
    IncidentId::new(id).expect("letters, digits, '_' and '-', at most 24 + 1 + 8 + 1 + 16 characters")
}

/// What goes from incidents to cases: what changed, and how far each camera was judged.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Step {
    pub(crate) changes: Vec<IncidentChange>,
    pub(crate) judged: BTreeMap<CameraId, (u64, Timestamp)>,
    pub(crate) glances: Vec<Glance>,
}

/// What the stage is made of.
pub(crate) struct IncidentStage {
    pub(crate) city: watch::Receiver<Arc<City>>,
    pub(crate) incidents: Incidents,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) next: mpsc::Sender<Step>,
    pub(crate) metrics: Metrics,
}

/// Takes looks until evidence is gone, then lets go of the next stage.
pub(crate) async fn run(mut stage: IncidentStage, mut looks: mpsc::Receiver<Vec<Look>>) {
    while let Some(batch) = looks.recv().await {
        let started = stage.clock.now();
        if stage.city.has_changed().unwrap_or(false) {
            let city = Arc::clone(&stage.city.borrow_and_update());
            stage.incidents.reload(&city);
        }
        let mut step = Step::default();
        for look in &batch {
            step.changes.extend(stage.incidents.take(look));
            step.glances.extend(Glance::of(look));
            // An overtaken look comes after a later one: the mark does not go back.
            let mark = step.judged.entry(look.camera.clone()).or_default();
            *mark = (*mark).max((look.sequence, look.captured_at));
        }
        stage.metrics.camera_faults(stage.incidents.camera_faults());
        stage.metrics.stage(Stage::Incident, stage.clock.now().since(started));
        if stage.next.send(step).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
#[path = "incident_tests.rs"]
mod tests;
