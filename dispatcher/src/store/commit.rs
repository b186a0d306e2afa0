//! One transaction: what a step of the stream led to, and that it was taken.

use super::answers::{Answer, write_answer};
use super::batch::{places, portions};
use super::body::json;
use super::{OutboxRow, Store, StoreError, storable};
use crate::case::clocks;
use crate::incident::Incident;
use citybrain_types::{CameraId, Case, CaseChange, IncidentId, Timestamp};
use sqlx::{Any, AnyConnection, Row};
use std::collections::{BTreeMap, BTreeSet};

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
        self.writer.within(self.write(commit)).await
    }

    /// What comes later for a case or an incident stands for what came before: each is written once.
    async fn write(&self, commit: &Commit) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        let connection: &mut AnyConnection = &mut transaction;
        let mut opened = write_new_cases(connection, &commit.cases).await?;
        let (mut trail, mut deliveries, mut refreshed) = (Vec::new(), Vec::new(), BTreeMap::new());
        for write in &commit.cases {
            match write {
                CaseWrite::Change { case, changes, deliveries: rows } => {
                    if is_new(changes) && !opened.remove(case.id.as_str()) {
                        continue;
                    }
                    if !is_new(changes) {
                        update_case(connection, case, changes).await?;
                    }
                    trail.extend(changes);
                    deliveries.extend(rows);
                    refreshed.remove(&case.id);
                }
                CaseWrite::Refresh(case) => drop(refreshed.insert(&case.id, case)),
            }
        }
        for case in refreshed.into_values() {
            refresh_case(connection, case).await?;
        }
        write_trail(connection, &trail).await?;
        write_deliveries(connection, &deliveries, false).await?;
        let open: BTreeMap<_, _> = commit.open_incidents.iter().map(|open| (&open.id, open)).collect();
        write_incidents(connection, &open.into_values().collect::<Vec<_>>()).await?;
        for id in &commit.over_incidents {
            let delete = sqlx::query::<Any>("DELETE FROM incidents WHERE id = $1").bind(id.as_str());
            delete.execute(&mut *connection).await?;
        }
        let judged: BTreeMap<_, _> = commit.watermarks.iter().map(|mark| (&mark.camera, mark)).collect();
        write_watermarks(connection, &judged.into_values().collect::<Vec<_>>()).await?;
        if let Some(answer) = &commit.answer {
            write_answer(connection, answer).await?;
        }
        transaction.commit().await?;
        Ok(())
    }
}

/// Whether these changes begin a trail.
fn is_new(changes: &[CaseChange]) -> bool {
    changes.first().is_none_or(|first| first.from.is_none())
}

/// Ids of the cases that were not there already.
async fn write_new_cases(
    to: &mut AnyConnection,
    writes: &[CaseWrite],
) -> Result<BTreeSet<String>, StoreError> {
    let new = writes.iter().filter_map(|write| match write {
        CaseWrite::Change { case, changes, .. } if is_new(changes) => Some(case),
        _ => None,
    });
    let mut opened = BTreeSet::new();
    for cases in portions(&new.collect::<Vec<_>>()) {
        let insert = format!(
            "INSERT INTO cases (version, state, body, next_timer_at, id, incident, kind, camera, opened_at) \
             VALUES {} ON CONFLICT (id) DO NOTHING RETURNING id",
            places(cases.len(), 9)
        );
        let mut query = sqlx::query(sqlx::AssertSqlSafe(insert));
        for case in cases {
            query = query
                .bind(i64::from(case.version))
                .bind(case.state.name())
                .bind(json(case)?)
                .bind(clocks::next_at(case).map(Timestamp::as_micros))
                .bind(case.id.as_str())
                .bind(case.incident.as_str())
                .bind(case.kind.as_str())
                .bind(case.camera.as_ref().map_or("", CameraId::as_str))
                .bind(case.opened_at.as_micros());
        }
        for row in query.fetch_all(&mut *to).await? {
            opened.insert(row.try_get("id")?);
        }
    }
    Ok(opened)
}

async fn update_case(to: &mut AnyConnection, case: &Case, changes: &[CaseChange]) -> Result<(), StoreError> {
    let before = changes.first().map_or(case.version, |first| first.version.saturating_sub(1));
    let written = sqlx::query(
        "UPDATE cases SET version = $1, state = $2, body = $3, next_timer_at = $4 WHERE id = $5 AND version = $6",
    )
    .bind(i64::from(case.version))
    .bind(case.state.name())
    .bind(json(case)?)
    .bind(clocks::next_at(case).map(Timestamp::as_micros))
    .bind(case.id.as_str())
    .bind(i64::from(before))
    .execute(to)
    .await?;
    if written.rows_affected() == 1 { Ok(()) } else { Err(StoreError::Conflict(case.id.clone())) }
}

async fn refresh_case(to: &mut AnyConnection, case: &Case) -> Result<(), StoreError> {
    sqlx::query("UPDATE cases SET body = $1 WHERE id = $2 AND version = $3")
        .bind(json(case)?)
        .bind(case.id.as_str())
        .bind(i64::from(case.version))
        .execute(to)
        .await?;
    Ok(())
}

async fn write_trail(to: &mut AnyConnection, changes: &[&CaseChange]) -> Result<(), StoreError> {
    for lines in portions(changes) {
        let insert = format!(
            "INSERT INTO case_changes (case_id, version, action, from_state, to_state, at, by_whom, reason, seen) \
             VALUES {}",
            places(lines.len(), 9)
        );
        let mut query = sqlx::query(sqlx::AssertSqlSafe(insert));
        for line in lines {
            query = query
                .bind(line.case.as_str())
                .bind(i64::from(line.version))
                .bind(&line.action)
                .bind(line.from.map(citybrain_types::CaseState::name))
                .bind(line.to.name())
                .bind(line.at.as_micros())
                .bind(storable(&line.by).into_owned())
                .bind(storable(&line.reason).into_owned())
                .bind(storable(&line.seen).into_owned());
        }
        query.execute(&mut *to).await?;
    }
    Ok(())
}

/// Puts rows into the outbox. One whose key is there already is an error, or left as it is.
pub(super) async fn write_deliveries(
    to: &mut AnyConnection,
    deliveries: &[&OutboxRow],
    may_be_there: bool,
) -> Result<(), StoreError> {
    let conflict = if may_be_there { "ON CONFLICT (key) DO NOTHING" } else { "" };
    for rows in portions(deliveries) {
        let insert = format!(
            "INSERT INTO deliveries (key, case_id, case_version, destination, event, kind, camera, department, \
             captured_at, body, state, attempts, created_at, next_attempt_at, urgent, waiting_since) VALUES {} \
             {conflict}",
            places(rows.len(), 16)
        );
        let mut query = sqlx::query(sqlx::AssertSqlSafe(insert));
        for row in rows {
            let delivery = &row.delivery;
            query = query
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
                .bind(delivery.created_at.as_micros());
        }
        query.execute(&mut *to).await?;
    }
    Ok(())
}

/// Writes incidents as they stand, and what stays of them when they are over.
async fn write_incidents(to: &mut AnyConnection, incidents: &[&Incident]) -> Result<(), StoreError> {
    for portion in portions(incidents) {
        let bodies = portion.iter().map(json).collect::<Result<Vec<_>, _>>()?;
        let insert = format!(
            "INSERT INTO incidents (id, camera, kind, last_seen_at, body) VALUES {} \
             ON CONFLICT (id) DO UPDATE SET last_seen_at = excluded.last_seen_at, body = excluded.body",
            places(portion.len(), 5)
        );
        let mut query = sqlx::query(sqlx::AssertSqlSafe(insert));
        for (incident, body) in portion.iter().zip(&bodies) {
            query = query
                .bind(incident.id.as_str())
                .bind(incident.camera.as_str())
                .bind(incident.kind.as_str())
                .bind(incident.last_seen_at.as_micros())
                .bind(body);
        }
        query.execute(&mut *to).await?;
        let insert = format!(
            "INSERT INTO incident_reports (id, body) VALUES {} \
             ON CONFLICT (id) DO UPDATE SET body = excluded.body",
            places(portion.len(), 2)
        );
        let mut query = sqlx::query(sqlx::AssertSqlSafe(insert));
        for (incident, body) in portion.iter().zip(bodies) {
            query = query.bind(incident.id.as_str()).bind(body);
        }
        query.execute(&mut *to).await?;
    }
    Ok(())
}

async fn write_watermarks(to: &mut AnyConnection, watermarks: &[&Watermark]) -> Result<(), StoreError> {
    for portion in portions(watermarks) {
        let insert = format!(
            "INSERT INTO watermarks (camera, sequence, captured_at) VALUES {} ON CONFLICT (camera) \
             DO UPDATE SET sequence = excluded.sequence, captured_at = excluded.captured_at",
            places(portion.len(), 3)
        );
        let mut query = sqlx::query(sqlx::AssertSqlSafe(insert));
        for mark in portion {
            query = query
                .bind(mark.camera.as_str())
                .bind(i64::try_from(mark.sequence).unwrap_or(i64::MAX))
                .bind(mark.captured_at.as_micros());
        }
        query.execute(&mut *to).await?;
    }
    Ok(())
}
