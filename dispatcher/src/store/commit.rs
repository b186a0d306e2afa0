//! One transaction: what a step of the stream led to, and that it was taken.

use super::answers::{Answer, write_answer};
use super::{OutboxRow, Store, StoreError};
use crate::case::clocks;
use crate::incident::Incident;
use citybrain_types::{CameraId, Case, CaseChange, IncidentId, Timestamp};
use sqlx::{Sqlite, SqliteConnection};

/// How far a camera was judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watermark {
    /// The camera.
    pub camera: CameraId,
    /// Its last frame that was judged. At most `i64::MAX`; intake refuses more.
    pub sequence: u64,
    /// When that frame was taken.
    pub captured_at: Timestamp,
}

/// What is written of one case.
#[derive(Debug, Clone, PartialEq)]
pub enum CaseWrite {
    /// A case with the changes that led to this version, and the deliveries it sends out.
    Change {
        /// The case as it stands after the changes.
        case: Case,
        /// The new lines of its trail; the first continues the stored version.
        changes: Vec<CaseChange>,
        /// Deliveries of these changes.
        deliveries: Vec<OutboxRow>,
    },
    /// When and how surely it was last seen; no new version, no delivery.
    Refresh(Case),
}

/// What is written together or not at all.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Commit {
    /// Cases that change.
    pub cases: Vec<CaseWrite>,
    /// Incidents that are open, as they stand now.
    pub open_incidents: Vec<Incident>,
    /// Incidents that are over.
    pub over_incidents: Vec<IncidentId>,
    /// How far cameras were judged.
    pub watermarks: Vec<Watermark>,
    /// What was answered to a request that may come again.
    pub answer: Option<Answer>,
}

impl Commit {
    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cases.is_empty()
            && self.open_incidents.is_empty()
            && self.over_incidents.is_empty()
            && self.watermarks.is_empty()
            && self.answer.is_none()
    }
}

impl Store {
    /// Writes all of `commit`, or nothing.
    ///
    /// A case that is stored already, at this version or a later one, with its trail and deliveries is left
    /// alone when it is opened again: a replay after a crash finds its work done.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be written, [`StoreError::Conflict`] when a case
    /// was changed since it was read.
    pub async fn commit(&self, commit: &Commit) -> Result<(), StoreError> {
        let mut transaction = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        let connection: &mut SqliteConnection = &mut transaction;
        for write in &commit.cases {
            match write {
                CaseWrite::Change { case, changes, deliveries } => {
                    if write_case(connection, case, changes).await? {
                        write_trail(connection, changes).await?;
                        write_deliveries(connection, deliveries, false).await?;
                    }
                }
                CaseWrite::Refresh(case) => refresh_case(connection, case).await?,
            }
        }
        for incident in &commit.open_incidents {
            write_incident(connection, incident).await?;
        }
        for id in &commit.over_incidents {
            let delete = sqlx::query::<Sqlite>("DELETE FROM incidents WHERE id = ?").bind(id.as_str());
            delete.execute(&mut *connection).await?;
        }
        for watermark in &commit.watermarks {
            write_watermark(connection, watermark).await?;
        }
        if let Some(answer) = &commit.answer {
            write_answer(connection, answer).await?;
        }
        transaction.commit().await?;
        Ok(())
    }
}

fn json<T: serde::Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|e| StoreError::Unavailable(sqlx::Error::Encode(Box::new(e))))
}

/// `false` when the case was there already, whole.
async fn write_case(
    to: &mut SqliteConnection,
    case: &Case,
    changes: &[CaseChange],
) -> Result<bool, StoreError> {
    let body = json(case)?;
    let is_new = changes.first().is_none_or(|first| first.from.is_none());
    let query = if is_new {
        sqlx::query(
            "INSERT INTO cases (version, state, body, next_timer_at, id, incident, kind, camera, opened_at) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING",
        )
    } else {
        sqlx::query(
            "UPDATE cases SET version = ?, state = ?, body = ?, next_timer_at = ? WHERE id = ? AND version = ?",
        )
    };
    let timer = clocks::next_at(case).map(Timestamp::as_micros);
    let query = query.bind(i64::from(case.version)).bind(case.state.name()).bind(body).bind(timer);
    let query = query.bind(case.id.as_str());
    let query = if is_new {
        query
            .bind(case.incident.as_str())
            .bind(case.kind.as_str())
            .bind(case.camera.as_ref().map_or("", CameraId::as_str))
            .bind(case.opened_at.as_micros())
    } else {
        let before = changes.first().map_or(case.version, |first| first.version.saturating_sub(1));
        query.bind(i64::from(before))
    };
    let written = query.execute(to).await?.rows_affected() == 1;
    if !written && !is_new {
        return Err(StoreError::Conflict(case.id.clone()));
    }
    Ok(written)
}

async fn refresh_case(to: &mut SqliteConnection, case: &Case) -> Result<(), StoreError> {
    sqlx::query("UPDATE cases SET body = ? WHERE id = ? AND version = ?")
        .bind(json(case)?)
        .bind(case.id.as_str())
        .bind(i64::from(case.version))
        .execute(to)
        .await?;
    Ok(())
}

async fn write_trail(to: &mut SqliteConnection, changes: &[CaseChange]) -> Result<(), StoreError> {
    for change in changes {
        sqlx::query(
            "INSERT INTO case_changes (case_id, version, action, from_state, to_state, at, by_whom, reason, seen) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(change.case.as_str())
        .bind(i64::from(change.version))
        .bind(&change.action)
        .bind(change.from.map(citybrain_types::CaseState::name))
        .bind(change.to.name())
        .bind(change.at.as_micros())
        .bind(&change.by)
        .bind(&change.reason)
        .bind(&change.seen)
        .execute(&mut *to)
        .await?;
    }
    Ok(())
}

/// Puts rows into the outbox. One whose key is there already is an error, or left as it is.
pub(super) async fn write_deliveries(
    to: &mut SqliteConnection,
    rows: &[OutboxRow],
    may_be_there: bool,
) -> Result<(), StoreError> {
    let conflict = if may_be_there { "ON CONFLICT (key) DO NOTHING" } else { "" };
    let insert = format!(
        "INSERT INTO deliveries (key, case_id, case_version, destination, event, kind, camera, department, \
         captured_at, body, state, attempts, created_at, next_attempt_at, urgent) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) {conflict}"
    );
    for row in rows {
        let delivery = &row.delivery;
        sqlx::query(sqlx::AssertSqlSafe(insert.as_str()))
            .bind(&delivery.key)
            .bind(delivery.case.as_str())
            .bind(i64::from(delivery.case_version))
            .bind(delivery.destination.as_str())
            .bind(row.event.name())
            .bind(row.kind.as_str())
            .bind(row.camera.as_ref().map_or("", CameraId::as_str))
            .bind(row.department.as_str())
            .bind(row.captured_at.as_micros())
            .bind(&row.body)
            .bind(delivery.state.name())
            .bind(i64::from(delivery.attempts))
            .bind(delivery.created_at.as_micros())
            .bind(delivery.next_attempt_at.map(Timestamp::as_micros))
            .bind(i64::from(row.urgent))
            .execute(&mut *to)
            .await?;
    }
    Ok(())
}

async fn write_incident(to: &mut SqliteConnection, incident: &Incident) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO incidents (id, camera, kind, last_seen_at, body) VALUES (?, ?, ?, ?, ?) \
         ON CONFLICT (id) DO UPDATE SET last_seen_at = excluded.last_seen_at, body = excluded.body",
    )
    .bind(incident.id.as_str())
    .bind(incident.camera.as_str())
    .bind(incident.kind.as_str())
    .bind(incident.last_seen_at.as_micros())
    .bind(json(incident)?)
    .execute(&mut *to)
    .await?;
    write_report(to, incident).await
}

/// What stays when the incident is over.
async fn write_report(to: &mut SqliteConnection, incident: &Incident) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO incident_reports (id, body) VALUES (?, ?) \
         ON CONFLICT (id) DO UPDATE SET body = excluded.body",
    )
    .bind(incident.id.as_str())
    .bind(json(incident)?)
    .execute(to)
    .await?;
    Ok(())
}

async fn write_watermark(to: &mut SqliteConnection, watermark: &Watermark) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO watermarks (camera, sequence, captured_at) VALUES (?, ?, ?) \
         ON CONFLICT (camera) DO UPDATE SET sequence = excluded.sequence, captured_at = excluded.captured_at",
    )
    .bind(watermark.camera.as_str())
    .bind(i64::try_from(watermark.sequence).unwrap_or(i64::MAX))
    .bind(watermark.captured_at.as_micros())
    .execute(to)
    .await?;
    Ok(())
}
