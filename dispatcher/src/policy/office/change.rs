//! Drafts are written, approved, put in force and taken back.

use super::words::{check_title, check_words, line, moved, name};
use super::{Office, OfficeError, in_force};
use crate::policy::state::{self, PolicyAction, PolicyState, Refusal};
use crate::policy::{InForce, NewPolicy, PolicyRecord, fingerprint};
use crate::ruling::{Decided, Ruling};
use crate::store::{PolicyWrite, StoreError};
use citybrain_types::Timestamp;
use std::sync::Arc;

/// Policies in shadow at once; each costs what judging costs.
pub const MAX_SHADOWS: usize = 3;

impl Office {
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
        let warnings: Vec<String> = forecast.warnings.iter().map(ToString::to_string).collect();
        Err(Refusal::Unconfirmed(warnings.join("; ")).into())
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
