//! Reading cases, their trail, open incidents and watermarks.

use super::body::body;
use super::filter::{Cursor, bound};
use super::{CaseFilter, CasePage, PageRequest, Store, StoreError, Watermark, damaged};
use crate::incident::Incident;
use citybrain_types::{CameraId, Case, CaseChange, CaseId, CaseState, EventKind, Timestamp};
use sqlx::Row;
use sqlx::any::AnyRow;
use std::collections::BTreeMap;

/// Cases of one period that are appraised: a district has some 550 a day.
pub const MAX_APPRAISED: u32 = 100_000;
/// Open cases of one kind among which a report looks for its own; a district has some hundreds.
const MAX_JOINABLE: u32 = 2_000;

impl Store {
    /// One case.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer or the row is damaged.
    pub async fn case(&self, id: &CaseId) -> Result<Option<Case>, StoreError> {
        let row = sqlx::query("SELECT id, body FROM cases WHERE id = $1")
            .bind(id.as_str())
            .fetch_optional(&self.readers)
            .await?;
        row.map(|row| body("cases", &row)).transpose()
    }

    /// Cases, newest first.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer or a row is damaged.
    pub async fn cases(&self, filter: &CaseFilter, page: &PageRequest) -> Result<CasePage, StoreError> {
        let (at, id) = bound(page);
        let rows = sqlx::query(
            "SELECT id, body FROM cases WHERE (opened_at, id) < ($1, $2) AND ($3 IS NULL OR state = $4) \
             AND ($5 IS NULL OR kind = $6) ORDER BY opened_at DESC, id DESC LIMIT $7",
        )
        .bind(at)
        .bind(id)
        .bind(filter.state.map(CaseState::name))
        .bind(filter.state.map(CaseState::name))
        .bind(filter.kind.as_ref().map(EventKind::as_str))
        .bind(filter.kind.as_ref().map(EventKind::as_str))
        .bind(i64::from(page.limit()))
        .fetch_all(&self.readers)
        .await?;
        let cases = rows.iter().map(|row| body("cases", row)).collect::<Result<Vec<Case>, _>>()?;
        let full = cases.len() == page.limit() as usize;
        let next = cases.last().filter(|_| full).map(|last| Cursor::after_case(last).to_string());
        Ok(CasePage { cases, next })
    }

    /// How many cases stand in each state.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn counts_by_state(&self) -> Result<BTreeMap<CaseState, u64>, StoreError> {
        let rows = sqlx::query("SELECT state, COUNT(*) AS n FROM cases GROUP BY state")
            .fetch_all(&self.readers)
            .await?;
        let mut counts = BTreeMap::new();
        for row in rows {
            counts.insert(state(&row, "state")?, u64::try_from(row.try_get::<i64, _>("n")?).unwrap_or(0));
        }
        Ok(counts)
    }

    /// Cases on one of whose clocks something is due at `now`, the longest due first.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer or a row is damaged.
    pub async fn due_cases(&self, now: Timestamp, limit: u32) -> Result<Vec<Case>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, body FROM cases WHERE next_timer_at <= $1 ORDER BY next_timer_at, id LIMIT $2",
        )
        .bind(now.as_micros())
        .bind(i64::from(limit))
        .fetch_all(&self.readers)
        .await?;
        rows.iter().map(|row| body("cases", row)).collect()
    }

    /// Cases that are being re-checked, oldest first.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer or a row is damaged.
    pub async fn rechecking(&self, limit: u32) -> Result<Vec<Case>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, body FROM cases WHERE state = 'rechecking' ORDER BY opened_at, id LIMIT $1",
        )
        .bind(i64::from(limit))
        .fetch_all(&self.readers)
        .await?;
        rows.iter().map(|row| body("cases", row)).collect()
    }

    /// Open cases of a kind, newest first, at most [`MAX_JOINABLE`]: what a report may join.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer or a row is damaged.
    pub async fn open_of_kind(&self, kind: &EventKind) -> Result<Vec<Case>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, body FROM cases WHERE kind = $1 AND state NOT IN ('closed', 'void', 'linked') \
             ORDER BY opened_at DESC, id DESC LIMIT $2",
        )
        .bind(kind.as_str())
        .bind(i64::from(MAX_JOINABLE))
        .fetch_all(&self.readers)
        .await?;
        rows.iter().map(|row| body("cases", row)).collect()
    }

    /// Cases in a state, newest first, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer or a row is damaged.
    pub async fn cases_in(&self, state: CaseState, limit: u32) -> Result<Vec<Case>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, body FROM cases WHERE state = $1 ORDER BY opened_at DESC, id DESC LIMIT $2",
        )
        .bind(state.name())
        .bind(i64::from(limit))
        .fetch_all(&self.readers)
        .await?;
        rows.iter().map(|row| body("cases", row)).collect()
    }

    /// Open cases, newest first, at most `limit` after the first `skip`.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer or a row is damaged.
    pub async fn open_cases(&self, skip: u32, limit: u32) -> Result<Vec<Case>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, body FROM cases WHERE state NOT IN ('closed', 'void', 'linked') \
             ORDER BY opened_at DESC, id DESC LIMIT $1 OFFSET $2",
        )
        .bind(i64::from(limit))
        .bind(i64::from(skip))
        .fetch_all(&self.readers)
        .await?;
        rows.iter().map(|row| body("cases", row)).collect()
    }

    /// Cases opened from a moment on and before another, oldest first, at most [`MAX_APPRAISED`].
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer or a row is damaged.
    pub async fn opened_between(&self, from: Timestamp, to: Timestamp) -> Result<Vec<Case>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, body FROM cases WHERE opened_at >= $1 AND opened_at < $2 ORDER BY opened_at, id LIMIT $3",
        )
        .bind(from.as_micros())
        .bind(to.as_micros())
        .bind(i64::from(MAX_APPRAISED))
        .fetch_all(&self.readers)
        .await?;
        rows.iter().map(|row| body("cases", row)).collect()
    }

    /// When something is due next on any clock.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn next_timer(&self) -> Result<Option<Timestamp>, StoreError> {
        let row = sqlx::query("SELECT MIN(next_timer_at) AS due FROM cases WHERE next_timer_at IS NOT NULL")
            .fetch_one(&self.readers)
            .await?;
        Ok(row.try_get::<Option<i64>, _>("due")?.map(Timestamp::from_micros))
    }

    /// A case's trail, oldest first.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer or a row is damaged.
    pub async fn trail(&self, id: &CaseId) -> Result<Vec<CaseChange>, StoreError> {
        let rows = sqlx::query("SELECT * FROM case_changes WHERE case_id = $1 ORDER BY version")
            .bind(id.as_str())
            .fetch_all(&self.readers)
            .await?;
        rows.iter().map(|row| change(id, row)).collect()
    }

    /// Incidents that were not over when the program last wrote, oldest id first.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer or a row is damaged.
    pub async fn open_incidents(&self) -> Result<Vec<Incident>, StoreError> {
        let rows = sqlx::query("SELECT id, body FROM incidents ORDER BY id").fetch_all(&self.readers).await?;
        rows.iter().map(|row| body("incidents", row)).collect()
    }

    /// Why a case was opened: its incident as it stood last, open or over.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer or the row is damaged.
    pub async fn incident_report(&self, case: &CaseId) -> Result<Option<Incident>, StoreError> {
        let row = sqlx::query("SELECT id, body FROM incident_reports WHERE id = $1")
            .bind(case.as_str())
            .fetch_optional(&self.readers)
            .await?;
        row.map(|row| body("incident_reports", &row)).transpose()
    }

    /// How far each camera was judged.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer or a row is damaged.
    pub async fn watermarks(&self) -> Result<Vec<Watermark>, StoreError> {
        let rows = sqlx::query("SELECT camera, sequence, captured_at FROM watermarks")
            .fetch_all(&self.readers)
            .await?;
        rows.iter().map(watermark).collect()
    }
}

fn state(row: &AnyRow, column: &'static str) -> Result<CaseState, StoreError> {
    let name: String = row.try_get(column)?;
    CaseState::from_name(&name).ok_or_else(|| damaged("cases", &name)(format!("unknown {column}")))
}

fn change(id: &CaseId, row: &AnyRow) -> Result<CaseChange, StoreError> {
    let from: Option<String> = row.try_get("from_state")?;
    let version: i64 = row.try_get("version")?;
    Ok(CaseChange {
        case: id.clone(),
        version: u32::try_from(version).map_err(|e| damaged("case_changes", id.as_str())(e.to_string()))?,
        action: row.try_get("action")?,
        from: from.map(|_| state(row, "from_state")).transpose()?,
        to: state(row, "to_state")?,
        at: Timestamp::from_micros(row.try_get("at")?),
        by: row.try_get("by_whom")?,
        reason: row.try_get("reason")?,
        seen: row.try_get("seen")?,
    })
}

fn watermark(row: &AnyRow) -> Result<Watermark, StoreError> {
    let camera: String = row.try_get("camera")?;
    let sequence: i64 = row.try_get("sequence")?;
    Ok(Watermark {
        camera: CameraId::new(&camera).map_err(|e| damaged("watermarks", &camera)(e.to_string()))?,
        sequence: u64::try_from(sequence).map_err(|e| damaged("watermarks", &camera)(e.to_string()))?,
        captured_at: Timestamp::from_micros(row.try_get("captured_at")?),
    })
}
