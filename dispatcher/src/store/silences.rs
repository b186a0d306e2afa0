//! Silences, those that are over with them.

use super::answers::{Answer, write_answer};
use super::body::{body, json};
use super::{Store, StoreError};
use crate::silence::Silence;
use citybrain_types::Timestamp;
use sqlx::AnyConnection;

/// Most silences in one answer; the newest.
const MAX_LISTED: i64 = 1_000;

impl Store {
    /// Writes a silence as it stands now, with what was answered to the request that asked for it.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer, or the answer's key was used in the meantime.
    pub async fn put_silence(&self, silence: &Silence, answer: Option<&Answer>) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        let connection: &mut AnyConnection = &mut transaction;
        sqlx::query(
            "INSERT INTO silences (id, created_at, ends_at, body) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (id) DO UPDATE SET ends_at = excluded.ends_at, body = excluded.body",
        )
        .bind(&silence.id)
        .bind(silence.created_at.as_micros())
        .bind(silence.ends_at.as_micros())
        .bind(json(silence)?)
        .execute(&mut *connection)
        .await?;
        if let Some(answer) = answer {
            write_answer(connection, answer).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Silences, newest first, at most 1,000; with a moment, those that are not over by then.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer or a row is damaged.
    pub async fn silences(&self, not_over_at: Option<Timestamp>) -> Result<Vec<Silence>, StoreError> {
        let after = not_over_at.map_or(i64::MIN, Timestamp::as_micros);
        let rows = sqlx::query(
            "SELECT id, body FROM silences WHERE ends_at > $1 ORDER BY created_at DESC, id DESC LIMIT $2",
        )
        .bind(after)
        .bind(MAX_LISTED)
        .fetch_all(&self.readers)
        .await?;
        rows.iter().map(|row| body("silences", row)).collect()
    }

    /// One silence.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer or the row is damaged.
    pub async fn silence(&self, id: &str) -> Result<Option<Silence>, StoreError> {
        let row = sqlx::query("SELECT id, body FROM silences WHERE id = $1")
            .bind(id)
            .fetch_optional(&self.readers)
            .await?;
        row.map(|row| body("silences", &row)).transpose()
    }

    /// Forgets silences that were over before a moment.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn forget_silences(&self, before: Timestamp) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM silences WHERE ends_at < $1")
            .bind(before.as_micros())
            .execute(&self.writer)
            .await?;
        Ok(())
    }
}
