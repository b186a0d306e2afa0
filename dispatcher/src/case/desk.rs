//! Where cases are changed by people and by the time: read, decided, written under their version, and told.

use super::action::{Action, Order, Refused, act};
use super::clocks;
use super::file::SYSTEM;
use super::recheck::Verdict;
use super::reminders;
use super::report::{self, Report};
use super::state::{self, Because};
use crate::delivery::Mailroom;
use crate::envelope::EventType;
use crate::metrics::Metrics;
use crate::outbox;
use crate::ruling::{Decided, Ruling};
use crate::services::Change;
use crate::silence::{Scene, SilenceKeeper};
use crate::store::{Answer, CaseWrite, Commit, Store, StoreError};
use citybrain_ingest_config::City;
use citybrain_types::{Case, CaseChange, CaseId, CaseState, Clock, DestinationId, SnapshotRef, Timestamp};
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::{broadcast, mpsc, watch};

/// So many times is a case decided anew because somebody else was quicker.
const TRIES: u32 = 8;

/// What changes cases.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) city: watch::Receiver<Arc<City>>,
    pub(crate) store: Store,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) mailroom: Mailroom,
    pub(crate) listeners: broadcast::Sender<Change>,
    pub(crate) metrics: Metrics,
    /// Tells the incidents what a person has refused.
    pub(crate) rule: mpsc::Sender<Ruling>,
    /// What is silenced is not told again.
    pub(crate) silences: SilenceKeeper,
}

/// Why an order was not followed.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// There is no such case.
    #[error("there is no case {0}")]
    Unknown(CaseId),
    /// The case is at another version than whoever acts has seen.
    #[error("the case has changed: it is at version {now}; read it again")]
    Stale {
        /// The version it is at.
        now: u32,
    },
    /// The case does not allow it, or the order is wrong.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// Photos cannot be written.
    #[error("photos cannot be kept: {0}")]
    Photos(std::io::Error),
    /// The store did not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A case after a change, ready to be written.
pub(super) struct Changed {
    pub(super) case: Case,
    pub(super) changes: Vec<CaseChange>,
    pub(super) event: EventType,
    /// Only these are told; all who are responsible when not given.
    pub(super) only: Option<BTreeSet<DestinationId>>,
}

impl Changed {
    /// A change that everybody who is responsible is told of.
    pub(super) const fn told(case: Case, changes: Vec<CaseChange>, event: EventType) -> Self {
        Self { case, changes, event, only: None }
    }
}

impl Desk {
    /// Follows an order. With `seen`, only when the case is at that version. `answer` makes what is kept under an
    /// idempotency key, in the transaction of the change.
    pub(crate) async fn act(
        &self,
        id: &CaseId,
        order: &Order,
        seen: Option<u32>,
        answer: impl Fn(&Case) -> Option<Answer>,
    ) -> Result<Case, OrderError> {
        let mut tries = 0;
        loop {
            let case = self.store.case(id).await?.ok_or_else(|| OrderError::Unknown(id.clone()))?;
            if let Some(seen) = seen
                && seen != case.version
            {
                return Err(OrderError::Stale { now: case.version });
            }
            let city = Arc::clone(&self.city.borrow());
            let (changed, changes) = act(&city, &case, order, self.clock.now())?;
            let kept = answer(&changed);
            let mut all = vec![Changed::told(changed.clone(), changes, EventType::CaseUpdated)];
            all.extend(self.other_end(&city, &changed, order).await?);
            match self.commit(&city, all, kept).await {
                Ok(()) => {
                    self.rule_out(&changed, order).await;
                    return Ok(changed);
                }
                Err(StoreError::Conflict(_)) if tries < TRIES => tries += 1,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// What a person has called no case does not open one again at once, nor in a replay.
    async fn rule_out(&self, case: &Case, order: &Order) {
        let Action::Void(because) = order.action else { return };
        let what = Decided::Refused {
            case: case.id.clone(),
            incident: case.incident.clone(),
            because,
            by: order.by.clone(),
            department: order.department.clone(),
            reason: order.reason.clone(),
        };
        if self.rule.send(Ruling { at: case.updated_at, what }).await.is_err() {
            tracing::warn!(case = %case.id, "its place is not remembered as rejected: the program is being stopped");
        }
    }

    /// The case that another one was joined to knows of it.
    async fn other_end(
        &self,
        city: &City,
        linked: &Case,
        order: &Order,
    ) -> Result<Option<Changed>, OrderError> {
        let super::action::Action::Link(to) = &order.action else { return Ok(None) };
        let target = self
            .store
            .case(to)
            .await?
            .ok_or_else(|| Refused::Invalid(format!("there is no case {to} to link it to")))?;
        let joined = super::join::linked(city, &target, linked, order, self.clock.now())?;
        Ok(Some(joined))
    }

    /// Lets time pass for cases that are due; those that somebody else has changed come again.
    pub(super) async fn tick(&self, due: &[Case]) -> Result<usize, StoreError> {
        let city = Arc::clone(&self.city.borrow());
        let now = self.clock.now();
        let ticked = |case: &Case| {
            let shown = clocks::tick(&city, case, now);
            let shown = shown.map(|(case, changes, event)| Changed::told(case, changes, event));
            shown.or_else(|| self.reminded(&city, case, now))
        };
        let all: Vec<Changed> = due.iter().filter_map(ticked).collect();
        let count = all.len();
        match self.commit(&city, all, None).await {
            Err(StoreError::Conflict(_)) => {}
            done => return done.map(|()| count),
        }
        let mut done = 0;
        for changed in due.iter().filter_map(ticked) {
            match self.commit(&city, vec![changed], None).await {
                Ok(()) => done += 1,
                Err(StoreError::Conflict(case)) => tracing::debug!(%case, "changed in the meantime"),
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    /// A case whose turn to be told again has come.
    fn reminded(&self, city: &City, case: &Case, now: Timestamp) -> Option<Changed> {
        let scene = Scene {
            kind: &case.kind,
            camera: case.camera.as_ref(),
            area: case.work.area.as_deref(),
            position: case.position,
        };
        let silenced = || self.silences.is_silenced(city, &scene, now);
        let due = case.work.reminders.as_ref()?.next_at.is_some_and(|next| next <= now);
        let reminders::Due { case, changes, to } = reminders::tick(city, case, now, due && silenced())?;
        Some(Changed { only: Some(to), ..Changed::told(case, changes, EventType::Waiting) })
    }

    /// What the camera says of a case that was reported done; nothing when somebody else has decided.
    pub(super) async fn recheck(
        &self,
        id: &CaseId,
        verdict: Verdict,
        after: Option<SnapshotRef>,
    ) -> Result<(), StoreError> {
        for _ in 0..TRIES {
            let Some(case) = self.store.case(id).await? else { return Ok(()) };
            let city = Arc::clone(&self.city.borrow());
            let now = self.clock.now();
            let Some(changed) = rechecked(&city, &case, verdict, after.clone(), now) else { return Ok(()) };
            match self.commit(&city, vec![changed], None).await {
                Err(StoreError::Conflict(_)) => {}
                done => return done,
            }
        }
        Err(StoreError::Conflict(id.clone()))
    }

    /// Takes in what a person or another system tells: joins the case it belongs to, or opens one.
    pub(crate) async fn report(
        &self,
        report: &Report,
        answer: impl Fn(&Case, bool) -> Option<Answer>,
    ) -> Result<(Case, bool), OrderError> {
        let mut tries = 0;
        loop {
            let city = Arc::clone(&self.city.borrow());
            let now = self.clock.now();
            let open = self.store.open_of_kind(&report.kind).await?;
            let (changed, joined) = report::taken(&city, &open, report, now)?;
            let case = changed.case.clone();
            match self.commit(&city, vec![changed], answer(&case, joined)).await {
                Ok(()) => return Ok((case, joined)),
                Err(StoreError::Conflict(_)) if tries < TRIES => tries += 1,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Writes changes with their deliveries, and tells of them.
    pub(super) async fn commit(
        &self,
        city: &City,
        all: Vec<Changed>,
        answer: Option<Answer>,
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        let mut told = Vec::with_capacity(all.len());
        let mut commit = Commit { answer, ..Commit::default() };
        for Changed { case, changes, event, only } in all {
            for change in &changes {
                self.metrics.case_action(&case.kind, &change.action);
            }
            let opened = changes.first().is_some_and(|first| first.from.is_none());
            let mut deliveries = outbox::deliveries(city, event, &case, now, now);
            if let Some(only) = only {
                deliveries.retain(|row| only.contains(&row.delivery.destination));
            }
            told.push((case.clone(), opened));
            commit.cases.push(CaseWrite::Change { case, changes, deliveries });
        }
        self.store.commit(&commit).await?;
        self.mailroom.wake();
        for (case, opened) in told {
            tell(&self.metrics, &self.listeners, &case, opened);
        }
        Ok(())
    }
}

/// A case that was reported done, closed or reopened; `None` when it is not being re-checked any more.
fn rechecked(
    city: &City,
    case: &Case,
    verdict: Verdict,
    after: Option<SnapshotRef>,
    now: Timestamp,
) -> Option<Changed> {
    if case.state != CaseState::Rechecking {
        return None;
    }
    let looks = city.cases.limits.recheck_looks;
    let mut case = case.clone();
    let (to, reason) = match verdict {
        Verdict::Gone => (CaseState::Closed, format!("{looks} looks of the camera found nothing left")),
        Verdict::Still => (CaseState::Reopened, format!("{looks} looks of the camera found it again")),
    };
    let seen = serde_json::json!({ "camera": case.camera, "looks": looks, "after": after }).to_string();
    if verdict == Verdict::Still {
        super::action::reopen(&mut case);
    } else {
        case.work.clear_looks = looks;
        case.work.after = after;
    }
    let because = Because { at: now, by: SYSTEM.to_owned(), reason, seen };
    let change = state::advance(&mut case, to, because).ok()?;
    clocks::settle(city, &mut case, now);
    Some(Changed::told(case, vec![change], EventType::CaseUpdated))
}

/// Log line, metric and word to listeners for a case that was committed.
pub(super) fn tell(metrics: &Metrics, listeners: &broadcast::Sender<Change>, case: &Case, opened: bool) {
    let camera = case.camera.as_ref().map_or("–", |camera| camera.as_str());
    tracing::info!(case = %case.id, kind = %case.kind, camera, state = %case.state, "case committed");
    metrics.case(case);
    // Nobody listening is no failure.
    let _ = listeners.send(Change::Case { case: Box::new(case.clone()), opened });
}
