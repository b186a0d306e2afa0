//! Policies, their history, forecasts and the differences of those in shadow.

use super::body::{body, body_of, json};
use super::{Store, StoreError, damaged};
use crate::policy::{Difference, Forecast, PolicyChange, PolicyRecord, PolicyState};
use citybrain_types::Timestamp;
use sqlx::Row;

/// Most policies in a list; the newest.
const MAX_LISTED: i64 = 500;
/// Differences kept of one policy; the oldest go.
pub const MAX_DIFFERENCES: u32 = 2_000;

/// One policy that changes; all of a list are written or none.
#[derive(Debug, Clone, PartialEq)]
pub struct PolicyWrite {
    /// As it stands then.
    pub record: PolicyRecord,
    /// The line of its history.
    pub change: PolicyChange,
}

impl Store {
    /// Writes policies with their lines of history. `false` when one of them is not at the version before any more, or
    /// another has gone live: then nothing is written.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn write_policies(&self, writes: &[PolicyWrite]) -> Result<bool, StoreError> {
        let mut transaction = self.begin().await?;
        // What leaves 'live' goes first: there is never more than one.
        let mut ordered: Vec<&PolicyWrite> = writes.iter().collect();
        ordered.sort_by_key(|write| write.record.state == PolicyState::Live);
        for PolicyWrite { record, change } in ordered {
            let query = if change.from.is_none() {
                sqlx::query(
                    "INSERT INTO policies (state, updated_at, body, version, id) VALUES ($1, $2, $3, $4, $5) \
                     ON CONFLICT DO NOTHING",
                )
            } else {
                sqlx::query(
                    "UPDATE policies SET state = $1, updated_at = $2, body = $3, version = $4 \
                     WHERE id = $5 AND version = $6",
                )
            };
            let query = query
                .bind(record.state.name())
                .bind(record.updated_at.as_micros())
                .bind(json(record)?)
                .bind(i64::from(record.version))
                .bind(&record.id);
            let query = if change.from.is_none() { query } else { query.bind(i64::from(record.version) - 1) };
            let written = match query.execute(&mut *transaction).await {
                Ok(done) => done.rows_affected() == 1,
                Err(sqlx::Error::Database(error)) if error.is_unique_violation() => false,
                Err(error) => return Err(error.into()),
            };
            if !written {
                transaction.rollback().await?;
                return Ok(false);
            }
            sqlx::query(
                "INSERT INTO policy_changes (policy_id, version, action, from_state, to_state, at, by_whom, reason) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            )
            .bind(&record.id)
            .bind(i64::from(change.version))
            .bind(&change.action)
            .bind(change.from.map(PolicyState::name))
            .bind(change.to.name())
            .bind(change.at.as_micros())
            .bind(&change.by)
            .bind(&change.reason)
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        Ok(true)
    }

    /// One policy.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer or the row is damaged.
    pub async fn policy(&self, id: &str) -> Result<Option<PolicyRecord>, StoreError> {
        let row = sqlx::query("SELECT id, body FROM policies WHERE id = $1")
            .bind(id)
            .fetch_optional(&self.readers)
            .await?;
        row.map(|row| body("policies", &row)).transpose()
    }

    /// The policies, the one changed last first; at most 500.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer or a row is damaged.
    pub async fn policies(&self) -> Result<Vec<PolicyRecord>, StoreError> {
        let rows = sqlx::query("SELECT id, body FROM policies ORDER BY updated_at DESC, id DESC LIMIT $1")
            .bind(MAX_LISTED)
            .fetch_all(&self.readers)
            .await?;
        rows.iter().map(|row| body("policies", row)).collect()
    }

    /// The policies in a state, the one changed last first; at most 500.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer or a row is damaged.
    pub async fn policies_in(&self, state: PolicyState) -> Result<Vec<PolicyRecord>, StoreError> {
        let rows =
            sqlx::query("SELECT id, body FROM policies WHERE state = $1 ORDER BY updated_at DESC LIMIT $2")
                .bind(state.name())
                .bind(MAX_LISTED)
                .fetch_all(&self.readers)
                .await?;
        rows.iter().map(|row| body("policies", row)).collect()
    }

    /// A policy's history, oldest first.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer or a row is damaged.
    pub async fn policy_history(&self, id: &str) -> Result<Vec<PolicyChange>, StoreError> {
        let rows = sqlx::query(
            "SELECT version, action, from_state, to_state, at, by_whom, reason FROM policy_changes \
             WHERE policy_id = $1 ORDER BY version",
        )
        .bind(id)
        .fetch_all(&self.readers)
        .await?;
        let state = |name: String| {
            PolicyState::from_name(&name)
                .ok_or_else(|| damaged("policy_changes", id)("unknown state".to_owned()))
        };
        let change = |row: &_| {
            let row: &sqlx::any::AnyRow = row;
            let from: Option<String> = row.try_get("from_state")?;
            let version: i64 = row.try_get("version")?;
            Ok(PolicyChange {
                version: u32::try_from(version).map_err(|e| damaged("policy_changes", id)(e.to_string()))?,
                action: row.try_get("action")?,
                from: from.map(state).transpose()?,
                to: state(row.try_get("to_state")?)?,
                at: Timestamp::from_micros(row.try_get("at")?),
                by: row.try_get("by_whom")?,
                reason: row.try_get("reason")?,
            })
        };
        rows.iter().map(change).collect()
    }

    /// Keeps a forecast for the numbers that it was worked out for; the one before goes.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn keep_forecast(
        &self,
        id: &str,
        fingerprint: &str,
        forecast: &Forecast,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO policy_forecasts (policy_id, fingerprint, at, body) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (policy_id) DO UPDATE SET fingerprint = excluded.fingerprint, at = excluded.at, \
             body = excluded.body",
        )
        .bind(id)
        .bind(fingerprint)
        .bind(forecast.made_at.as_micros())
        .bind(json(forecast)?)
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    /// The forecast that was worked out for these numbers.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer or the row is damaged.
    pub async fn kept_forecast(&self, id: &str, fingerprint: &str) -> Result<Option<Forecast>, StoreError> {
        let row = sqlx::query("SELECT body FROM policy_forecasts WHERE policy_id = $1 AND fingerprint = $2")
            .bind(id)
            .bind(fingerprint)
            .fetch_optional(&self.readers)
            .await?;
        row.map(|row| body_of("policy_forecasts", id, &row)).transpose()
    }

    /// Writes differences that are new and takes back those that have turned out to be none; keeps at most
    /// [`MAX_DIFFERENCES`] of a policy.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn write_differences(
        &self,
        policy: &str,
        found: &[Difference],
        taken_back: &[String],
    ) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        for difference in found {
            sqlx::query(
                "INSERT INTO shadow_differences (id, policy_id, opened_at, body) VALUES ($1, $2, $3, $4) \
                 ON CONFLICT (id) DO NOTHING",
            )
            .bind(&difference.id)
            .bind(policy)
            .bind(difference.opened_at.as_micros())
            .bind(json(difference)?)
            .execute(&mut *transaction)
            .await?;
        }
        for id in taken_back {
            sqlx::query("DELETE FROM shadow_differences WHERE id = $1")
                .bind(id)
                .execute(&mut *transaction)
                .await?;
        }
        sqlx::query(
            "DELETE FROM shadow_differences WHERE policy_id = $1 AND id NOT IN \
             (SELECT id FROM shadow_differences WHERE policy_id = $2 ORDER BY opened_at DESC, id DESC LIMIT $3)",
        )
        .bind(policy)
        .bind(policy)
        .bind(i64::from(MAX_DIFFERENCES))
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Differences of a policy, newest first, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer or a row is damaged.
    pub async fn differences(&self, policy: &str, limit: u32) -> Result<Vec<Difference>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, body FROM shadow_differences WHERE policy_id = $1 ORDER BY opened_at DESC, id DESC LIMIT $2",
        )
        .bind(policy)
        .bind(i64::from(limit.min(MAX_DIFFERENCES)))
        .fetch_all(&self.readers)
        .await?;
        rows.iter().map(|row| body("shadow_differences", row)).collect()
    }
}
