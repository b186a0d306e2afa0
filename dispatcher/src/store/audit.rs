//! The audit log's rows. Nothing here changes or removes one.

use super::{Store, StoreError};
use crate::people::audit::{AuditRow, Head};
use citybrain_types::Timestamp;
use sqlx::Row;
use sqlx::any::AnyRow;

impl Store {
    /// The newest row's number and hash.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn audit_head(&self) -> Result<Head, StoreError> {
        let row = sqlx::query("SELECT seq, hash FROM audit_log ORDER BY seq DESC LIMIT 1")
            .fetch_optional(&self.writer)
            .await?;
        let Some(row) = row else { return Ok(Head::beginning()) };
        Ok(Head { seq: number(row.try_get("seq")?), hash: row.try_get("hash")? })
    }

    /// Writes a row; `false` when somebody else has written one of that number.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn append_audit(&self, row: &AuditRow) -> Result<bool, StoreError> {
        let written = sqlx::query(
            "INSERT INTO audit_log (seq, at, by_whom, address, event, subject, detail, before_hash, hash) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (seq) DO NOTHING",
        )
        .bind(i64::try_from(row.seq).unwrap_or(i64::MAX))
        .bind(row.at.as_micros())
        .bind(&row.by)
        .bind(&row.address)
        .bind(&row.event)
        .bind(&row.subject)
        .bind(&row.detail)
        .bind(&row.before)
        .bind(&row.hash)
        .execute(&self.writer)
        .await?;
        Ok(written.rows_affected() == 1)
    }

    /// Rows with a number above `after`, oldest first.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn audit_after(&self, after: u64, limit: u32) -> Result<Vec<AuditRow>, StoreError> {
        let rows = sqlx::query("SELECT * FROM audit_log WHERE seq > $1 ORDER BY seq LIMIT $2")
            .bind(i64::try_from(after).unwrap_or(i64::MAX))
            .bind(i64::from(limit))
            .fetch_all(&self.readers)
            .await?;
        rows.iter().map(audit_row).collect()
    }

    /// Rows with a number below `before`, newest first.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn audit_before(&self, before: u64, limit: u32) -> Result<Vec<AuditRow>, StoreError> {
        let rows = sqlx::query("SELECT * FROM audit_log WHERE seq < $1 ORDER BY seq DESC LIMIT $2")
            .bind(i64::try_from(before).unwrap_or(i64::MAX))
            .bind(i64::from(limit))
            .fetch_all(&self.readers)
            .await?;
        rows.iter().map(audit_row).collect()
    }
}

fn number(seq: i64) -> u64 {
    u64::try_from(seq).unwrap_or(0)
}

fn audit_row(row: &AnyRow) -> Result<AuditRow, StoreError> {
    Ok(AuditRow {
        seq: number(row.try_get("seq")?),
        at: Timestamp::from_micros(row.try_get("at")?),
        by: row.try_get("by_whom")?,
        address: row.try_get("address")?,
        event: row.try_get("event")?,
        subject: row.try_get("subject")?,
        detail: row.try_get("detail")?,
        before: row.try_get("before_hash")?,
        hash: row.try_get("hash")?,
    })
}
