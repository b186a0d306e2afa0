//! Where policies are written, approved, put in force and taken back.

use super::record::{MAX_TITLE, hex};
use super::state::{self, PolicyAction, PolicyState, Refusal};
use super::{
    Difference, Forecast, InForce, Known, NewPolicy, PolicyChange, PolicyRecord, PolicySummary, PolicyView,
    Shadows, fingerprint, forecasts,
};
use crate::people::note;
use crate::ruling::{Decided, Ruling};
use crate::services::Change;
use crate::store::{PolicyWrite, Store, StoreError};
use citybrain_ingest_config::City;
use citybrain_ingest_config::policy::{Policy, PolicyProblem};
use citybrain_types::{Clock, Timestamp};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{broadcast, mpsc, watch};

/// Policies in shadow at once; each costs what judging costs.
pub const MAX_SHADOWS: usize = 3;
/// Longest reason, in characters.
const MAX_REASON: usize = 500;
/// Longest name of a person, in characters.
const MAX_NAME: usize = 100;
/// Policies that one pass over the log is worked out for.
pub const MAX_WHAT_IFS: usize = 16;
/// Days of the log that a forecast reads at most.
pub const MAX_FORECAST_DAYS: u32 = 31;

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
    /// The log cannot be read.
    #[error("the detection log cannot be read: {0}")]
    Log(String),
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
    /// One forecast at a time: each reads the log with a core of its own.
    pub(crate) forecasting: Arc<tokio::sync::Mutex<()>>,
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

    /// Begins a draft.
    ///
    /// # Errors
    /// [`OfficeError`] when it is not sound, or the store does not answer.
    pub async fn create(&self, new: NewPolicy) -> Result<PolicyRecord, OfficeError> {
        check_words(&new.by, &new.reason)?;
        check_title(&new.title)?;
        self.check(&new.policy)?;
        let now = self.clock.now();
        let record = PolicyRecord {
            id: name(&new, now),
            version: 1,
            state: PolicyState::Draft,
            title: new.title.trim().to_owned(),
            authors: vec![new.by.trim().to_owned()],
            policy: new.policy,
            created_at: now,
            updated_at: now,
            live_at: None,
            replaced: None,
        };
        let change = line(&record, "create", None, (&new.by, &new.reason), now);
        self.write(vec![PolicyWrite { record: record.clone(), change }], None).await?;
        Ok(record)
    }

    /// Writes a draft over. `seen` is the version that whoever writes has read.
    ///
    /// # Errors
    /// [`OfficeError`] when it is not a draft any more, has changed, is not sound, or the store does not answer.
    pub async fn edit(&self, id: &str, seen: u32, new: NewPolicy) -> Result<PolicyRecord, OfficeError> {
        check_words(&new.by, &new.reason)?;
        check_title(&new.title)?;
        let before = self.at_version(id, seen).await?;
        let to = state::next(&before, PolicyAction::Edit, &new.by)?;
        self.check(&new.policy)?;
        let now = self.clock.now();
        let mut authors = before.authors.clone();
        if !before.is_written_by(&new.by) {
            authors.push(new.by.trim().to_owned());
        }
        let record = PolicyRecord {
            title: new.title.trim().to_owned(),
            authors,
            policy: new.policy,
            ..moved(&before, to, now)
        };
        let change = line(&record, "edit", Some(before.state), (&new.by, &new.reason), now);
        self.write(vec![PolicyWrite { record: record.clone(), change }], Some(id)).await?;
        Ok(record)
    }

    /// Does something with a policy. `seen` is the version that whoever acts has read; `confirmed` says yes to what the
    /// forecast warns of.
    ///
    /// # Errors
    /// [`OfficeError`] when it is not possible, the policy has changed, or the store does not answer.
    pub async fn act(
        &self,
        id: &str,
        seen: u32,
        action: PolicyAction,
        (by, reason): (&str, &str),
        confirmed: bool,
    ) -> Result<PolicyRecord, OfficeError> {
        check_words(by, reason)?;
        let _turn = self.turn.lock().await;
        let before = self.at_version(id, seen).await?;
        let to = state::next(&before, action, by)?;
        if matches!(action, PolicyAction::Shadow | PolicyAction::Approve | PolicyAction::GoLive) {
            self.check(&before.policy)?;
        }
        if action == PolicyAction::Shadow
            && self.store.policies_in(PolicyState::Shadow).await?.len() >= MAX_SHADOWS
        {
            let message =
                format!("{MAX_SHADOWS} policies are in shadow already; approve or redraft one of them");
            return Err(OfficeError::Invalid(message));
        }
        if matches!(action, PolicyAction::Approve | PolicyAction::GoLive) && !confirmed {
            self.must_be_known(&before).await?;
        }
        let now = self.clock.now();
        let mut record = moved(&before, to, now);
        let mut writes = Vec::new();
        match action {
            PolicyAction::GoLive => {
                let live = self.store.policies_in(PolicyState::Live).await?.into_iter().next();
                record.live_at = Some(now);
                record.replaced = live.as_ref().map(|live| live.id.clone());
                if let Some(live) = live {
                    let reason = format!("{id} has taken its place: {reason}");
                    let after = moved(&live, PolicyState::Superseded, now);
                    let change = line(&after, "supersede", Some(live.state), (by, &reason), now);
                    writes.push(PolicyWrite { record: after, change });
                }
            }
            PolicyAction::RollBack => {
                if let Some(back) = &before.replaced {
                    let earlier = self.read(back).await?;
                    let reason = format!("{id} was rolled back: {reason}");
                    let after =
                        PolicyRecord { live_at: Some(now), ..moved(&earlier, PolicyState::Live, now) };
                    let change = line(&after, "restore", Some(earlier.state), (by, &reason), now);
                    writes.push(PolicyWrite { record: after, change });
                }
            }
            _ => {}
        }
        let change = line(&record, action.name(), Some(before.state), (by, reason), now);
        writes.push(PolicyWrite { record: record.clone(), change });
        let live = writes.iter().find(|write| write.record.state == PolicyState::Live);
        let live = live.map(|write| in_force(&write.record)).unwrap_or_default();
        self.write(writes, Some(id)).await?;
        match action {
            PolicyAction::GoLive | PolicyAction::RollBack => self.put_in_force(live, now).await?,
            _ => {}
        }
        self.run_shadows().await?;
        tracing::info!(
            policy = id,
            action = action.name(),
            by,
            reason,
            state = record.state.name(),
            "a policy has changed"
        );
        Ok(record)
    }

    /// What the last `days` of the log lead to under a policy, against what is in force; kept with it.
    ///
    /// # Errors
    /// [`OfficeError`] when there is no such policy, it does not fit, or the log or the store cannot be read.
    pub async fn forecast(&self, id: &str, days: u32) -> Result<Forecast, OfficeError> {
        let record = self.read(id).await?;
        let office = self.clone();
        // Whoever asks may not wait so long: it is kept all the same, and shown when it is there.
        let made = tokio::spawn(async move {
            let made = office.what_if(&record.policy, days).await?;
            office.store.keep_forecast(&record.id, &fingerprint(&record.policy), &made).await?;
            Ok(made)
        });
        made.await.map_err(|error| OfficeError::Log(error.to_string()))?
    }

    /// What the last `days` of the log lead to under a policy that nobody has stored.
    ///
    /// # Errors
    /// [`OfficeError`] when it does not fit or the log cannot be read.
    pub async fn what_if(&self, policy: &Policy, days: u32) -> Result<Forecast, OfficeError> {
        let made = self.what_ifs(std::slice::from_ref(policy), days).await?;
        made.into_iter().next().ok_or_else(|| OfficeError::Log("nothing was worked out".to_owned()))
    }

    /// The same for several policies in one pass over the log, at most [`MAX_WHAT_IFS`].
    ///
    /// # Errors
    /// [`OfficeError`] when one does not fit or the log cannot be read.
    pub async fn what_ifs(&self, policies: &[Policy], days: u32) -> Result<Vec<Forecast>, OfficeError> {
        let live = self.in_force();
        let city = live.laid_over(&self.city.borrow());
        let mut sides = vec![(Arc::clone(&city), live.policy.sound_calibrations())];
        for policy in policies.iter().take(MAX_WHAT_IFS) {
            sides.push((self.check(policy)?, policy.sound_calibrations()));
        }
        let mut known = Vec::new();
        for kind in city.kinds.keys() {
            known.extend(self.store.labelled(kind).await?.into_iter().filter_map(|labelled| {
                let (camera, at) = labelled.seen?;
                Some(Known { kind: kind.clone(), camera, at, real: labelled.real })
            }));
        }
        let now = self.clock.now();
        let days = days.clamp(1, MAX_FORECAST_DAYS);
        let from = now.minus(Duration::from_secs(u64::from(days) * 86_400));
        let one = Arc::clone(&self.forecasting).lock_owned().await;
        crate::log::bring(&city, Some(from)).await.map_err(|error| OfficeError::Log(error.to_string()))?;
        let made = tokio::task::spawn_blocking(move || {
            let made = forecasts(sides, &known, from, now);
            drop(one);
            made
        })
        .await;
        made.map_err(|error| OfficeError::Log(error.to_string()))?
            .map_err(|error| OfficeError::Log(error.to_string()))
    }

    /// Refuses what nobody has worked out, and what would do harm, with the numbers.
    async fn must_be_known(&self, record: &PolicyRecord) -> Result<(), OfficeError> {
        let kept = self.store.kept_forecast(&record.id, &fingerprint(&record.policy)).await?;
        let Some(forecast) = kept else {
            let message = "nobody has worked out what this policy leads to: ask for its forecast first";
            return Err(Refusal::Unconfirmed(message.to_owned()).into());
        };
        if forecast.warnings.is_empty() {
            return Ok(());
        }
        Err(Refusal::Unconfirmed(forecast.warnings.join("; ")).into())
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

    /// From the next look on, everywhere, and in the log.
    async fn put_in_force(&self, live: InForce, at: Timestamp) -> Result<(), OfficeError> {
        let ruling = Ruling { at, what: Decided::Thresholds { live: live.clone() } };
        self.rule.send(ruling).await.map_err(|_| OfficeError::Stopping)?;
        self.in_force.send_replace(Arc::new(live));
        Ok(())
    }

    /// Runs in shadow what the store says is, and nothing else.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub(crate) async fn run_shadows(&self) -> Result<(), StoreError> {
        let records = self.store.policies_in(PolicyState::Shadow).await?;
        let known = self.store.open_incidents().await?;
        self.shadows.run(&self.city.borrow(), &records, &known);
        Ok(())
    }
}

/// A policy as the stream carries it.
pub(crate) fn in_force(record: &PolicyRecord) -> InForce {
    InForce { id: record.id.clone(), version: record.version, policy: Arc::new(record.policy.clone()) }
}

fn moved(before: &PolicyRecord, to: PolicyState, now: Timestamp) -> PolicyRecord {
    PolicyRecord { version: before.version + 1, state: to, updated_at: now, ..before.clone() }
}

fn line(
    record: &PolicyRecord,
    action: &str,
    from: Option<PolicyState>,
    (by, reason): (&str, &str),
    at: Timestamp,
) -> PolicyChange {
    PolicyChange {
        version: record.version,
        action: action.to_owned(),
        from,
        to: record.state,
        at,
        by: by.trim().to_owned(),
        reason: reason.chars().take(MAX_REASON + 100).collect(),
    }
}

/// `policy-<day>-<hash>`.
fn name(new: &NewPolicy, now: Timestamp) -> String {
    let first = format!("{}\n{}\n{}\n{}", new.title, new.by, now.as_micros(), fingerprint(&new.policy));
    let day: String =
        now.to_string().chars().take_while(|c| *c != 'T').filter(char::is_ascii_digit).collect();
    format!("policy-{day}-{}", hex(&Sha256::digest(first.as_bytes())[..6]))
}

fn check_title(title: &str) -> Result<(), OfficeError> {
    one_line("title", title, 1, MAX_TITLE)
}

/// Who and why.
pub(crate) fn check_words(by: &str, reason: &str) -> Result<(), OfficeError> {
    one_line("by", by, 1, MAX_NAME)?;
    one_line("reason", reason, 1, MAX_REASON)
}

fn one_line(what: &str, text: &str, least: usize, most: usize) -> Result<(), OfficeError> {
    let length = text.trim().chars().count();
    if (least..=most).contains(&length) && !text.chars().any(char::is_control) {
        return Ok(());
    }
    Err(OfficeError::Invalid(format!("'{what}' must have {least} to {most} characters in one line")))
}
