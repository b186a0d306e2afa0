//! Where policies are written, approved, put in force and taken back.

mod ask;
mod change;
mod rehearsal;
mod words;

pub use ask::MAX_FORECAST_DAYS;
pub use change::MAX_SHADOWS;
pub(crate) use rehearsal::Rehearsals;
pub use rehearsal::{MAX_VARIANTS, Question, Rehearsed};

use super::state::{PolicyState, Refusal};
use super::{Difference, InForce, PolicyRecord, PolicySummary, PolicyView, Shadows, fingerprint};
use crate::people::note;
use crate::ruling::Ruling;
use crate::services::Change;
use crate::store::{PolicyWrite, Store, StoreError};
use crate::tune::{Runner, TuneError};
use citybrain_ingest_config::City;
use citybrain_ingest_config::policy::{Policy, PolicyProblem};
use citybrain_types::Clock;
use std::sync::Arc;
use tokio::sync::{broadcast, mpsc, watch};

/// Why a policy was not changed.
#[derive(Debug, thiserror::Error)]
pub enum OfficeError {
    /// There is no such policy.
    #[error("there is no policy {0}")]
    Unknown(String),
    /// It is at another version than whoever acts has seen.
    #[error("the policy has changed: it is at version {now}, and is {state}; read it again", state = .state.name())]
    Stale {
        /// The version it is at.
        now: u32,
        /// The state it is in.
        state: PolicyState,
    },
    /// Somebody else was quicker.
    #[error("another policy was put in force or changed at the same moment; read it again")]
    Raced,
    /// It is not possible.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The numbers do not fit the city.
    #[error("the policy does not fit: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Unfit(Vec<PolicyProblem>),
    /// A title, a name or a reason is missing or too long.
    #[error("{0}")]
    Invalid(String),
    /// What it leads to could not be worked out.
    #[error(transparent)]
    WhatIf(#[from] TuneError),
    /// The stages are gone.
    #[error("the city is being shut down")]
    Stopping,
    /// The store does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Changes policies.
#[derive(Clone)]
pub struct Office {
    pub(crate) city: watch::Receiver<Arc<City>>,
    pub(crate) in_force: watch::Sender<Arc<InForce>>,
    pub(crate) store: Store,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) rule: mpsc::Sender<Ruling>,
    pub(crate) shadows: Shadows,
    pub(crate) listeners: broadcast::Sender<Change>,
    /// Works out what policies would have led to.
    pub(crate) runner: Runner,
    /// What pages have asked to be worked out.
    pub(crate) rehearsals: Rehearsals,
    /// One is put in force at a time, so that the stream has them in the order of the store.
    pub(crate) turn: Arc<tokio::sync::Mutex<()>>,
}

impl std::fmt::Debug for Office {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Office").finish_non_exhaustive()
    }
}

impl Office {
    /// What is in force.
    #[must_use]
    pub fn in_force(&self) -> Arc<InForce> {
        Arc::clone(&self.in_force.borrow())
    }

    /// The configuration under the policy in force.
    #[must_use]
    pub fn city_in_force(&self) -> Arc<City> {
        self.in_force().laid_over(&self.city.borrow())
    }

    /// Every policy, the one changed last first; at most 500.
    ///
    /// # Errors
    /// [`OfficeError::Store`] when the store does not answer.
    pub async fn list(&self) -> Result<Vec<PolicySummary>, OfficeError> {
        let summary = |record: PolicyRecord| PolicySummary { possible: record.possible().to_vec(), record };
        Ok(self.store.policies().await?.into_iter().map(summary).collect())
    }

    /// One policy with all that is known of it.
    ///
    /// # Errors
    /// [`OfficeError`] when there is none of that id, or the store does not answer.
    pub async fn view(&self, id: &str) -> Result<PolicyView, OfficeError> {
        let record = self.read(id).await?;
        let print = fingerprint(&record.policy);
        let (history, forecast) =
            tokio::try_join!(self.store.policy_history(id), self.store.kept_forecast(id, &print))?;
        Ok(PolicyView { possible: record.possible().to_vec(), record, history, forecast })
    }

    /// Where a policy that is or was in shadow differs from the one in force, newest first, and how many batches of
    /// looks it has missed since the program started.
    ///
    /// # Errors
    /// [`OfficeError`] when there is no such policy, or the store does not answer.
    pub async fn differences(&self, id: &str, limit: u32) -> Result<(Vec<Difference>, u64), OfficeError> {
        self.read(id).await?;
        Ok((self.store.differences(id, limit).await?, self.shadows.missed(id)))
    }

    /// What is in force, and each that follows it.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Arc<InForce>> {
        self.in_force.subscribe()
    }

    /// Whether a policy fits the configuration.
    ///
    /// # Errors
    /// [`OfficeError::Unfit`] with every mistake.
    pub fn check(&self, policy: &Policy) -> Result<Arc<City>, OfficeError> {
        let city = Arc::clone(&self.city.borrow());
        policy.laid_over(&city).map(Arc::new).map_err(OfficeError::Unfit)
    }

    async fn read(&self, id: &str) -> Result<PolicyRecord, OfficeError> {
        self.store.policy(id).await?.ok_or_else(|| OfficeError::Unknown(id.chars().take(80).collect()))
    }

    async fn at_version(&self, id: &str, seen: u32) -> Result<PolicyRecord, OfficeError> {
        let record = self.read(id).await?;
        if record.version == seen {
            return Ok(record);
        }
        Err(OfficeError::Stale { now: record.version, state: record.state })
    }

    async fn write(&self, writes: Vec<PolicyWrite>, of: Option<&str>) -> Result<(), OfficeError> {
        if self.store.write_policies(&writes).await? {
            for PolicyWrite { record, change } in writes {
                note(&format!("policy.{}", change.action), &record.id, change.reason);
                // Nobody listening is no failure.
                let _ = self.listeners.send(Change::Policy { policy: record.id, state: record.state });
            }
            return Ok(());
        }
        if let Some(id) = of {
            let now = self.read(id).await?;
            if writes.iter().any(|write| write.record.id == id && write.record.version != now.version + 1) {
                return Err(OfficeError::Stale { now: now.version, state: now.state });
            }
        }
        Err(OfficeError::Raced)
    }
}

/// A policy as the stream carries it.
pub(crate) fn in_force(record: &PolicyRecord) -> InForce {
    InForce { id: record.id.clone(), version: record.version, policy: Arc::new(record.policy.clone()) }
}
