//! The stage around the decision: incidents in, commits out, destinations woken, listeners told.

use super::desk::tell;
use super::file::{self, Filed};
use super::recheck::Glance;
use super::verdict;
use crate::delivery::{Committed, Mailroom};
use crate::envelope::EventType;
use crate::fail_point::{self, FailPoint};
use crate::incident::{IncidentChange, Step};
use crate::metrics::{Metrics, Stage};
use crate::outbox;
use crate::services::Change;
use crate::store::{CaseWrite, Commit, Store, StoreError, Watermark};
use citybrain_ingest_config::City;
use citybrain_types::{CameraId, Case, CaseId, CaseState, Clock, EventKind, IncidentId, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{broadcast, mpsc, watch};
use tokio_util::sync::CancellationToken;

/// Steps committed together when they wait: one sync of the disk serves them all.
const GROUP: usize = 64;
/// How far cameras were judged is written at least this often, in steps, when nothing else is.
const WATERMARKS_EVERY_STEPS: u32 = 256;
/// Wait before a commit that failed is tried again.
const COMMIT_RETRY: Duration = Duration::from_secs(1);

/// What the stage is made of.
pub(crate) struct CaseStage {
    pub(crate) city: watch::Receiver<Arc<City>>,
    pub(crate) store: Store,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) mailroom: Mailroom,
    pub(crate) listeners: broadcast::Sender<Change>,
    pub(crate) metrics: Metrics,
    /// Looks again at what was reported done.
    pub(crate) recheck: mpsc::Sender<Vec<Glance>>,
    /// Given up: what cannot be committed is left to the next start.
    pub(crate) abandon: CancellationToken,
}

/// What a group of steps led to.
#[derive(Default)]
struct Outcome {
    commit: Commit,
    told: Vec<Told>,
}

/// What listeners and metrics are told of once it is committed.
struct Told {
    case: Case,
    opened_from: Option<Timestamp>,
}

/// Files cases until incidents are gone; commits what is left.
pub(crate) async fn run(stage: CaseStage, mut steps: mpsc::Receiver<Step>) {
    let mut judged: BTreeMap<CameraId, (u64, Timestamp)> = BTreeMap::new();
    let mut unwritten_steps = 0_u32;
    while let Some(first) = steps.recv().await {
        let started = stage.clock.now();
        let mut changes = Vec::new();
        let mut glances = Vec::new();
        let mut waiting = Some(first);
        for _ in 0..GROUP {
            let Some(step) = waiting.take().or_else(|| steps.try_recv().ok()) else { break };
            changes.extend(step.changes);
            glances.extend(step.glances);
            for (camera, mark) in step.judged {
                let known: &mut (u64, Timestamp) = judged.entry(camera).or_default();
                *known = (*known).max(mark);
            }
            unwritten_steps += 1;
        }
        if !changes.is_empty() || unwritten_steps >= WATERMARKS_EVERY_STEPS {
            unwritten_steps = 0;
            stage.write(&changes, std::mem::take(&mut judged)).await;
            stage.metrics.stage(Stage::Case, stage.clock.now().since(started));
        }
        if !glances.is_empty() && stage.recheck.send(glances).await.is_err() {
            tracing::warn!("nobody re-checks cases by camera any more");
        }
    }
    stage.write(&[], judged).await;
}

impl CaseStage {
    /// Decides, commits and tells; tries again until it is committed, since nothing is dropped after `publish`.
    async fn write(&self, changes: &[IncidentChange], judged: BTreeMap<CameraId, (u64, Timestamp)>) {
        let city = Arc::clone(&self.city.borrow());
        let committed = Committed::new();
        let mut beside = Some(&committed);
        loop {
            // A pre-alarm is sent beside the first try only; a second would tell the same again.
            let error = match self.try_write(&city, changes, &judged, beside.take()).await {
                Ok(()) => {
                    committed.done();
                    return;
                }
                Err(error) => error,
            };
            // Somebody has acted on a case in the meantime: what follows from the incidents is decided anew.
            if matches!(error, StoreError::Conflict(_)) {
                tracing::debug!(%error, "deciding again");
                continue;
            }
            self.metrics.store_failed(&error);
            tracing::error!(reason = error.name(), %error, "cases cannot be committed; trying again");
            tokio::select! {
                () = self.abandon.cancelled() => {
                    tracing::error!(changes = changes.len(), "shut down with uncommitted changes");
                    return;
                }
                () = tokio::time::sleep(COMMIT_RETRY) => {}
            }
        }
    }

    async fn try_write(
        &self,
        city: &City,
        changes: &[IncidentChange],
        judged: &BTreeMap<CameraId, (u64, Timestamp)>,
        beside: Option<&Committed>,
    ) -> Result<(), StoreError> {
        let mut outcome = Outcome::default();
        for change in changes {
            self.decide(city, change, &mut outcome, beside).await?;
        }
        outcome.commit.watermarks = judged
            .iter()
            .map(|(camera, (sequence, captured_at))| Watermark {
                camera: camera.clone(),
                sequence: *sequence,
                captured_at: *captured_at,
            })
            .collect();
        if outcome.commit.is_empty() {
            return Ok(());
        }
        fail_point::hit(FailPoint::BeforeCommit);
        self.store.commit(&outcome.commit).await?;
        fail_point::hit(FailPoint::AfterCommit);
        self.mailroom.wake();
        self.tell(outcome.told);
        Ok(())
    }

    async fn decide(
        &self,
        city: &City,
        change: &IncidentChange,
        outcome: &mut Outcome,
        beside: Option<&Committed>,
    ) -> Result<(), StoreError> {
        match change {
            IncidentChange::Opened { incident, cause, captured_at } => {
                match file::open(city, incident, cause) {
                    Ok(filed) => self.file(city, filed, *captured_at, outcome, beside),
                    Err(illegal) => {
                        tracing::error!(incident = %incident.id, %illegal, "a case cannot be opened")
                    }
                }
                outcome.commit.open_incidents.push(incident.clone());
            }
            IncidentChange::Seen(incident) => {
                if let Some(case) = self.known(&incident.id, outcome).await? {
                    outcome.commit.cases.extend(file::refreshed(&case, incident).map(CaseWrite::Refresh));
                }
                outcome.commit.open_incidents.push(incident.clone());
            }
            IncidentChange::Confirmed { incident, captured_at, at } => {
                if let Some(case) = self.newest(&incident.id, outcome).await? {
                    match verdict::confirm(city, &case, incident, *at) {
                        Ok(heard) => {
                            self.heard(city, EventType::CaseOpened, heard, *captured_at, &[], outcome)
                        }
                        Err(illegal) => {
                            tracing::error!(incident = %incident.id, %illegal, "a case cannot be filed");
                        }
                    }
                }
                outcome.commit.open_incidents.push(incident.clone());
            }
            IncidentChange::Withdrawn { incident, captured_at, at } => {
                if let Some(case) = self.newest(&incident.id, outcome).await? {
                    let told = self.told_of_alarm(&case.id, outcome).await?;
                    let heard = verdict::withdraw(city, &case, incident, *at);
                    self.heard(city, EventType::Withdrawn, heard, *captured_at, &told, outcome);
                }
            }
            IncidentChange::Remembered(incident) => {
                outcome.commit.over_incidents.retain(|id| *id != incident.id);
                outcome.commit.open_incidents.push(incident.clone());
            }
            IncidentChange::Forgotten(id) => {
                outcome.commit.open_incidents.retain(|open| open.id != *id);
                outcome.commit.over_incidents.push(id.clone());
            }
            // The stage before keeps it: it concerns no case.
            IncidentChange::Held { .. } => {}
            IncidentChange::Over { incident, at } => {
                if let Some(case) = self.known(&incident.id, outcome).await? {
                    self.over(city, &case, incident, *at, outcome);
                }
                outcome.commit.open_incidents.retain(|open| open.id != incident.id);
                outcome.commit.over_incidents.push(incident.id.clone());
            }
        }
        Ok(())
    }

    fn file(
        &self,
        city: &City,
        filed: Filed,
        captured_at: Timestamp,
        outcome: &mut Outcome,
        beside: Option<&Committed>,
    ) {
        let Filed { reported, case, changes, pre_alarm } = filed;
        let now = self.clock.now();
        let mut deliveries = Vec::new();
        if pre_alarm {
            deliveries = outbox::deliveries(city, EventType::PreAlarm, &reported, captured_at, now);
            if let Some(committed) = beside {
                deliveries.iter().for_each(|row| self.mailroom.express(row, committed));
            }
        }
        if case.state == CaseState::Dispatched {
            deliveries.extend(outbox::deliveries(city, EventType::CaseOpened, &case, captured_at, now));
        }
        outcome.told.push(Told { case: case.clone(), opened_from: Some(captured_at) });
        outcome.commit.cases.push(CaseWrite::Change { case, changes, deliveries });
    }

    fn over(
        &self,
        city: &City,
        case: &Case,
        incident: &crate::incident::Incident,
        at: Timestamp,
        outcome: &mut Outcome,
    ) {
        let refreshed = file::refreshed(case, incident);
        let case = refreshed.as_ref().unwrap_or(case);
        let is_fault = incident.kind.as_str() == EventKind::CAMERA_FAULT;
        if let Some((case, changes)) = is_fault.then(|| file::close_when_seen_again(city, case, at)).flatten()
        {
            let now = self.clock.now();
            let deliveries = outbox::deliveries(city, EventType::CaseUpdated, &case, at, now);
            outcome.told.push(Told { case: case.clone(), opened_from: None });
            outcome.commit.cases.push(CaseWrite::Change { case, changes, deliveries });
        } else {
            outcome.commit.cases.extend(refreshed.map(CaseWrite::Refresh));
        }
    }

    /// Writes what became of an alarm, and tells those who are responsible and those in `also`.
    fn heard(
        &self,
        city: &City,
        event: EventType,
        heard: Option<verdict::Heard>,
        captured_at: Timestamp,
        also: &[outbox::Told],
        outcome: &mut Outcome,
    ) {
        let Some((case, changes)) = heard else { return };
        let times = (captured_at, self.clock.now());
        let deliveries = outbox::deliveries_also(city, event, &case, times, also);
        outcome.told.push(Told { case: case.clone(), opened_from: None });
        outcome.commit.cases.push(CaseWrite::Change { case, changes, deliveries });
    }

    /// Who got the pre-alarm of a case.
    async fn told_of_alarm(&self, case: &CaseId, outcome: &Outcome) -> Result<Vec<outbox::Told>, StoreError> {
        let mut told = self.store.told(case, EventType::PreAlarm).await?;
        let uncommitted = outcome.commit.cases.iter().filter_map(|write| match write {
            CaseWrite::Change { deliveries, .. } => Some(deliveries),
            CaseWrite::Refresh(_) => None,
        });
        let alarms = uncommitted
            .flatten()
            .filter(|row| row.delivery.case == *case && row.event == EventType::PreAlarm);
        told.extend(alarms.map(|row| (row.delivery.destination.clone(), row.department.clone())));
        Ok(told)
    }

    /// The case of an incident as it will stand after this commit, or as it stands where that is newer: a replay after
    /// a crash finds its work done.
    async fn newest(&self, incident: &IncidentId, outcome: &Outcome) -> Result<Option<Case>, StoreError> {
        let Some(known) = self.known(incident, outcome).await? else { return Ok(None) };
        let stored = self.store.case(&known.id).await?;
        Ok(Some(stored.filter(|stored| stored.version > known.version).unwrap_or(known)))
    }

    /// The case of an incident as it will stand after this commit.
    async fn known(&self, incident: &IncidentId, outcome: &Outcome) -> Result<Option<Case>, StoreError> {
        let written = outcome.commit.cases.iter().rev().find_map(|write| match write {
            CaseWrite::Change { case, .. } | CaseWrite::Refresh(case) if case.incident == *incident => {
                Some(case)
            }
            _ => None,
        });
        if let Some(case) = written {
            return Ok(Some(case.clone()));
        }
        match CaseId::new(incident.as_str()) {
            Ok(id) => self.store.case(&id).await,
            Err(_) => Ok(None),
        }
    }

    fn tell(&self, told: Vec<Told>) {
        let now = self.clock.now();
        for Told { case, opened_from } in told {
            tell(&self.metrics, &self.listeners, &case, opened_from.is_some());
            if let Some(captured_at) = opened_from {
                self.metrics.capture_to_case(&case.kind, now.since(captured_at));
            }
        }
    }
}
