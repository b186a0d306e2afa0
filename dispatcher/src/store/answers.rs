//! What was answered to requests that carry an idempotency key.

use super::{Store, StoreError, storable};
use citybrain_types::Timestamp;
use sqlx::{AnyConnection, Row};

/// An answer that is kept, so that the same request is answered the same again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The idempotency key.
    pub key: String,
    /// Hash of the request; another request must not use the key.
    pub fingerprint: String,
    /// HTTP status.
    pub status: u16,
    /// The body, JSON.
    pub body: String,
    /// When it was given.
    pub created_at: Timestamp,
}

impl Store {
    /// The answer kept under a key.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn answer(&self, key: &str) -> Result<Option<Answer>, StoreError> {
        let row = sqlx::query("SELECT * FROM answers WHERE key = $1")
            .bind(storable(key).into_owned())
            .fetch_optional(&self.readers)
            .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(Answer {
            key: row.try_get("key")?,
            fingerprint: row.try_get("fingerprint")?,
            status: u16::try_from(row.try_get::<i64, _>("status")?).unwrap_or(500),
            body: row.try_get("body")?,
            created_at: Timestamp::from_micros(row.try_get("created_at")?),
        }))
    }

    /// Forgets answers given before a moment.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn forget_answers(&self, before: Timestamp) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM answers WHERE created_at < $1")
            .bind(before.as_micros())
            .execute(&self.writer)
            .await?;
        Ok(())
    }
}

/// Keeps an answer; a key that is in use already undoes the whole commit.
pub(super) async fn write_answer(to: &mut AnyConnection, answer: &Answer) -> Result<(), StoreError> {
    let written = sqlx::query(
        "INSERT INTO answers (key, fingerprint, status, body, created_at) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (key) DO NOTHING",
    )
    .bind(storable(&answer.key).into_owned())
    .bind(&answer.fingerprint)
    .bind(i64::from(answer.status))
    .bind(&answer.body)
    .bind(answer.created_at.as_micros())
    .execute(to)
    .await?;
    if written.rows_affected() == 1 { Ok(()) } else { Err(StoreError::KeyInUse) }
}
