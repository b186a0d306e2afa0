//! Deciding again what a log leads to: the same cases, byte for byte, however the log is batched, with duplicates in it,
//! and whatever crashed while it was written or read.
//!
//! Nothing is kept on disk and no clock is read, so a replay that was cut off is simply run again. Of what people did,
//! the log holds what bears on further cases: that one is void, and silences. Beside that a case is told as it stands
//! before anybody has touched it.

use crate::case::action::{Action, Order, act};
use crate::case::{file, verdict};
use crate::evidence::Evidence;
use crate::incident::{Incident, IncidentChange, Incidents};
use crate::intake::{Intake, Refused};
use crate::log::Entry;
use crate::permit::Register;
use crate::ruling::{Decided, Ruling};
use crate::sensor::with_sensors;
use citybrain_ingest_config::City;
use citybrain_ingest_config::policy::Calibration;
use citybrain_types::{Case, CaseChange, DetectionBatch, EventKind, IncidentId, Timestamp};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Later than every frame: a log holds nothing from the future.
const END: Timestamp = Timestamp::from_millis(253_402_300_799_000);

/// A case that a log leads to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Replayed {
    /// The case.
    pub case: Case,
    /// Its trail.
    pub trail: Vec<CaseChange>,
    /// The incident behind it, with all its reasons.
    pub incident: Incident,
}

/// A city that reads a log.
#[derive(Debug)]
pub struct Replay {
    city: Arc<City>,
    intake: Intake,
    evidence: Evidence,
    incidents: Incidents,
    cases: BTreeMap<IncidentId, Replayed>,
    refused: BTreeMap<&'static str, u64>,
}

impl Replay {
    /// Nothing has happened yet. `register` is asked until the log brings what the registers held then.
    #[must_use]
    pub fn new(city: Arc<City>, register: Arc<Register>) -> Self {
        let city = with_sensors(city);
        let mut incidents = Incidents::new(&city, []);
        incidents.use_register(register);
        Self {
            intake: Intake::new(Arc::clone(&city), []),
            evidence: Evidence::new(Arc::clone(&city), []),
            incidents,
            cases: BTreeMap::new(),
            refused: BTreeMap::new(),
            city,
        }
    }

    /// Takes an entry of the log.
    pub fn entry(&mut self, entry: &Entry) {
        match entry {
            Entry::Frames(batch) => self.take(batch),
            Entry::Ruling(ruling) => self.rule(ruling),
        }
    }

    /// Takes in what was decided between the frames.
    pub fn rule(&mut self, ruling: &Ruling) {
        if let Decided::Refused { incident, because, by, department, reason, .. } = &ruling.what {
            let (action, by) = (Action::Void(*because), by.clone());
            let order = Order { action, by, department: department.clone(), reason: reason.clone() };
            if let Some(known) = self.cases.get_mut(incident)
                && let Ok((case, changes)) = act(&self.city, &known.case, &order, ruling.at)
            {
                known.case = case;
                known.trail.extend(changes);
            }
        }
        if let Decided::Thresholds { live } = &ruling.what {
            let laid = live.laid_over(&self.city);
            self.incidents.reload(&laid);
            self.evidence.calibrate(live.policy.sound_calibrations());
            self.evidence.reload(laid);
        }
        for change in self.incidents.rule(ruling) {
            self.decide(change);
        }
    }

    /// Takes scores for these probabilities, until the log says otherwise.
    pub fn calibrate(&mut self, calibration: BTreeMap<EventKind, Calibration>) {
        self.evidence.calibrate(calibration);
    }

    /// Takes a batch of the log.
    pub fn take(&mut self, batch: &DetectionBatch) {
        let (frames, refused) = self.intake.unpack(batch, END);
        for reason in refused.iter().copied().map(Refused::name) {
            *self.refused.entry(reason).or_default() += 1;
        }
        for frame in frames {
            for change in self.incidents.take(&self.evidence.judge(&frame).look) {
                self.decide(change);
            }
        }
    }

    /// Frames that were refused, by reason.
    #[must_use]
    pub const fn refused(&self) -> &BTreeMap<&'static str, u64> {
        &self.refused
    }

    /// The cases, in the order of their ids.
    pub fn cases(&self) -> impl Iterator<Item = &Replayed> {
        self.cases.values()
    }

    fn decide(&mut self, change: IncidentChange) {
        let city = Arc::clone(&self.city);
        match change {
            IncidentChange::Opened { incident, cause, .. } => {
                let Ok(filed) = file::open(&self.city, &incident, &cause) else { return };
                let (id, case, trail) = (incident.id.clone(), filed.case, filed.changes);
                self.cases.insert(id, Replayed { case, trail, incident });
            }
            IncidentChange::Seen(incident) | IncidentChange::Remembered(incident) => self.refresh(incident),
            IncidentChange::Confirmed { incident, at, .. } => {
                let heard = |case: &Case| verdict::confirm(&city, case, &incident, at).ok().flatten();
                self.heard(&incident, heard);
            }
            IncidentChange::Withdrawn { incident, at, .. } => {
                self.heard(&incident, |case| verdict::withdraw(&city, case, &incident, at));
            }
            IncidentChange::Over { incident, at } => {
                self.refresh(incident.clone());
                if incident.kind.as_str() == EventKind::CAMERA_FAULT {
                    self.heard(&incident, |case| file::close_when_seen_again(&city, case, at));
                }
            }
            IncidentChange::Forgotten(_) | IncidentChange::Held { .. } => {}
        }
    }

    fn refresh(&mut self, incident: Incident) {
        let Some(known) = self.cases.get_mut(&incident.id) else { return };
        if let Some(case) = file::refreshed(&known.case, &incident) {
            known.case = case;
        }
        known.incident = incident;
    }

    fn heard(&mut self, incident: &Incident, heard: impl Fn(&Case) -> Option<verdict::Heard>) {
        let Some(known) = self.cases.get_mut(&incident.id) else { return };
        if let Some((case, changes)) = heard(&known.case) {
            known.case = case;
            known.trail.extend(changes);
        }
        known.incident = incident.clone();
    }
}
