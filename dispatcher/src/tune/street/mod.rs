//! A city under one policy, going through the log.
//!
//! Design decision: nothing is decided here. Frames go through [`Alone`], which is the evidence's own code, and looks
//! through [`Incidents`], in the order of the log. What is added is only which of them can be passed over: a frame is
//! judged where its camera follows a place or a box may begin one, and a look at nothing is told where it ends something,
//! comes after a gap, or may decide an alarm. A test holds that against a replay, which passes over nothing.

mod walk;

use super::chunk::Chunk;
use super::proposal::{PolicyError, Proposal};
use crate::evidence::{Alone, Together};
use crate::incident::{Cause, Incident, IncidentChange, Incidents, Watch};
use crate::permit::Register;
use crate::policy::InForce;
use crate::ruling::{Decided, Ruling};
use citybrain_ingest_config::City;
use citybrain_types::{CameraId, EventKind, IncidentId, Snapshots, Timestamp};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use walk::Walk;

/// A case under a policy.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) incident: Incident,
    pub(super) snapshots: Option<Snapshots>,
    pub(super) withdrawn: bool,
}

/// A watch, and when the camera itself last looked.
#[derive(Debug, Clone)]
struct Own {
    watch: Watch,
    last: Timestamp,
}

#[derive(Debug)]
struct CameraState {
    alone: Alone,
    /// By the number of the kind; grows with the names.
    relevant: BTreeMap<EventKind, f32>,
    watches: Vec<Own>,
    /// The next look is told in any case.
    force: bool,
}

/// A city under one policy.
#[derive(Debug)]
pub(super) struct Street {
    /// The city under the policy, and under what was in force when the log was written.
    pub(super) city: Arc<City>,
    /// As it is configured.
    configured: Arc<City>,
    /// As it is configured, under the policy.
    alone: Arc<City>,
    proposal: Proposal,
    /// Takes the place of what was in force when the log was written, and is not laid over it.
    replaces: bool,
    /// Most cases that are kept; further ones are counted.
    most_cases: usize,
    /// Where the policy does not fit what was in force for a time.
    pub(super) misfit: Option<PolicyError>,
    together: Together,
    incidents: Incidents,
    cameras: HashMap<CameraId, CameraState>,
    pub(super) cases: BTreeMap<IncidentId, Found>,
    /// Cases that were not kept.
    pub(super) uncounted: HashMap<(CameraId, EventKind), u64>,
    /// Frames that were judged.
    pub(super) judged: u64,
}

impl Street {
    /// The city under a policy; nothing has happened yet.
    pub(super) fn new(
        configured: Arc<City>,
        proposal: Proposal,
        replaces: bool,
        most_cases: usize,
        register: Arc<Register>,
    ) -> Result<Self, PolicyError> {
        let city = Arc::new(proposal.lay(&configured)?);
        let mut together = Together::default();
        together.calibrate(proposal.policy.sound_calibrations());
        together.reload(&city);
        let mut incidents = Incidents::new(&city, []);
        incidents.use_register(register);
        let cameras = city.cameras.keys().filter_map(|camera| {
            let alone = Alone::new(&city, camera)?;
            let relevant = alone.relevant(&together);
            Some((camera.clone(), CameraState { alone, relevant, watches: Vec::new(), force: false }))
        });
        let cameras = cameras.collect();
        Ok(Self {
            alone: Arc::clone(&city),
            city,
            configured,
            proposal,
            replaces,
            most_cases,
            misfit: None,
            together,
            incidents,
            cameras,
            cases: BTreeMap::new(),
            uncounted: HashMap::new(),
            judged: 0,
        })
    }

    /// By kind, the score below which no box of a camera begins a place.
    pub(super) fn relevant(&self, camera: &CameraId) -> Option<&BTreeMap<EventKind, f32>> {
        self.cameras.get(camera).map(|state| &state.relevant)
    }

    /// The kinds of a list that a camera looks for.
    pub(super) fn looked_for(&self, camera: &CameraId, listed: &[EventKind]) -> Vec<EventKind> {
        self.cameras.get(camera).map(|state| state.alone.looked_for(listed)).unwrap_or_default()
    }

    /// Takes in what was decided between two stretches of the log. Where other thresholds came into force the policy has
    /// the last word on what it names, and they on the rest; `true` when they did.
    pub(super) fn rule(&mut self, ruling: &Ruling) -> bool {
        let live = match &ruling.what {
            Decided::Thresholds { .. } if self.replaces => return false,
            Decided::Thresholds { live } => Some(live),
            _ => None,
        };
        if let Some(live) = live {
            let city = self.under(live);
            self.incidents.reload(&city);
            let mut calibration = live.policy.sound_calibrations();
            calibration.extend(self.proposal.policy.sound_calibrations());
            self.together.calibrate(calibration);
            self.together.reload(&city);
            for state in self.cameras.values_mut() {
                state.alone.reload(&city);
                state.relevant = state.alone.relevant(&self.together);
            }
            self.city = city;
        }
        for change in self.incidents.rule(ruling) {
            self.note(change);
        }
        live.is_some()
    }

    /// The city under what was in force, and under the policy. Where the two do not fit together the policy counts alone.
    fn under(&mut self, live: &InForce) -> Arc<City> {
        match self.proposal.lay(&live.laid_over(&self.configured)) {
            Ok(city) => Arc::new(city),
            Err(misfit) => {
                self.misfit.get_or_insert(misfit);
                Arc::clone(&self.alone)
            }
        }
    }

    /// Goes through a stretch of the log.
    pub(super) fn take(&mut self, chunk: &Chunk) {
        Walk::new(self, chunk).run();
    }
}

impl Street {
    /// Writes down what became of an incident; gives the cameras that have part in it.
    fn note(&mut self, change: IncidentChange) -> Vec<CameraId> {
        let (incident, withdrawn) = match change {
            IncidentChange::Opened { incident, cause, .. } => {
                let members = incident.members.keys().cloned().collect();
                if self.cases.len() >= self.most_cases {
                    *self.uncounted.entry((incident.camera, incident.kind)).or_default() += 1;
                    return members;
                }
                let snapshots = match cause {
                    Cause::Seen(sight) => sight.snapshots,
                    Cause::CameraLost(_) => None,
                };
                self.cases.insert(incident.id.clone(), Found { incident, snapshots, withdrawn: false });
                return members;
            }
            IncidentChange::Withdrawn { incident, .. } => (incident, true),
            IncidentChange::Seen(incident)
            | IncidentChange::Remembered(incident)
            | IncidentChange::Confirmed { incident, .. }
            | IncidentChange::Over { incident, .. } => (incident, false),
            IncidentChange::Forgotten(_) | IncidentChange::Held { .. } => return Vec::new(),
        };
        let members = incident.members.keys().cloned().collect();
        if let Some(known) = self.cases.get_mut(&incident.id) {
            known.withdrawn |= withdrawn;
            known.incident = incident;
        }
        members
    }
}
