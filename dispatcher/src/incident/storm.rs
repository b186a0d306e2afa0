//! Budgets: one cloudburst must not open four hundred cases, nor one camera a hundred a day.

use super::Incident;
use citybrain_ingest_config::resolved::{AlertLimits, Camera};
use citybrain_types::{CameraId, EventKind, IncidentId, Timestamp};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

/// Most moments that are remembered of one area and kind, or of one camera: budgets may not be larger.
const MAX_COUNTED: usize = 100_000;
/// The camera's budget is for this long.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

type AreaKind = (String, EventKind);

/// What was opened lately.
#[derive(Debug, Default)]
pub(super) struct Budgets {
    areas: HashMap<AreaKind, VecDeque<Timestamp>>,
    storms: HashMap<AreaKind, IncidentId>,
    cameras: HashMap<CameraId, VecDeque<Timestamp>>,
}

/// Forgets moments that are further back than `window`; a clock that was set back forgets those ahead.
fn forget(moments: &mut VecDeque<Timestamp>, at: Timestamp, window: Duration) {
    moments.retain(|moment| at.since(*moment) < window && moment.since(at) < window);
}

impl Budgets {
    /// Takes in an incident of the time before a restart.
    pub(super) fn remember(&mut self, cameras: &BTreeMap<CameraId, Camera>, incident: &Incident) {
        let Some(area) = cameras.get(&incident.camera).and_then(|camera| camera.area.clone()) else { return };
        let key = (area, incident.kind.clone());
        if incident.storm_of.is_some() && incident.standing.is_open() {
            self.storms.insert(key.clone(), incident.id.clone());
        }
        self.areas.entry(key).or_default().push_back(incident.opened_at);
        self.cameras.entry(incident.camera.clone()).or_default().push_back(incident.opened_at);
    }

    /// Whether a camera may open one more case.
    pub(super) fn camera_has_left(&mut self, camera: &CameraId, at: Timestamp, budget: usize) -> bool {
        self.cameras.get_mut(camera).is_none_or(|moments| {
            forget(moments, at, DAY);
            moments.len() < budget
        })
    }

    pub(super) fn count_camera(&mut self, camera: &CameraId, at: Timestamp) {
        let moments = self.cameras.entry(camera.clone()).or_default();
        moments.push_back(at);
        if moments.len() > MAX_COUNTED {
            moments.pop_front();
        }
    }

    /// Counts a case of an area; `true` when it is one more than the budget, and stands for all that follow.
    pub(super) fn count_area(
        &mut self,
        key: AreaKind,
        at: Timestamp,
        limits: AlertLimits,
        id: &IncidentId,
    ) -> bool {
        let moments = self.areas.entry(key.clone()).or_default();
        forget(moments, at, limits.storm_window);
        moments.push_back(at);
        if moments.len() > MAX_COUNTED {
            moments.pop_front();
        }
        let too_many = moments.len() > limits.storm_cases;
        if too_many {
            self.storms.insert(key, id.clone());
        }
        too_many
    }

    /// The case that stands for an area's many.
    pub(super) fn storm(&self, area: &str, kind: &EventKind) -> Option<&IncidentId> {
        // A look-up by parts of a pair needs the pair; there is one only while it storms.
        if self.storms.is_empty() {
            return None;
        }
        self.storms.get(&(area.to_owned(), kind.clone()))
    }

    /// It is over.
    pub(super) fn calm(&mut self, area: &str, kind: &EventKind) {
        self.storms.remove(&(area.to_owned(), kind.clone()));
    }
}
