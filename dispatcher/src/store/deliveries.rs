//! The outbox: what is to be sent, what was acknowledged, what was given up.

use super::commit::write_deliveries;
use super::filter::{Cursor, bound};
use super::{DeliveryFilter, DeliveryPage, PageRequest, Store, StoreError, damaged, storable};
use crate::envelope::EventType;
use citybrain_types::{
    CameraId, CaseId, Delivery, DeliveryState, DepartmentId, DestinationId, EventKind, Timestamp,
};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

/// A delivery with all that is needed to send it: the same bytes at every attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxRow {
    /// Where it stands.
    pub delivery: Delivery,
    /// What it tells.
    pub event: EventType,
    /// Kind of the case.
    pub kind: EventKind,
    /// The camera that saw it first, if a camera did.
    pub camera: Option<CameraId>,
    /// The department it is for.
    pub department: DepartmentId,
    /// When the frame that led to it was taken.
    pub captured_at: Timestamp,
    /// The envelope, as JSON.
    pub body: String,
    /// It is told at once: a fire does not wait.
    pub urgent: bool,
    /// Attempts made before an operator had it replayed; the retry schedule counts from here.
    pub attempts_before: u32,
}

/// How an attempt ended, as it is written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attempt {
    /// The destination acknowledged it.
    Acknowledged {
        /// When.
        at: Timestamp,
    },
    /// It is tried again.
    Retry {
        /// When.
        next_attempt_at: Timestamp,
        /// What this attempt met with.
        error: String,
    },
    /// It is given up until an operator has it replayed.
    Dead {
        /// What the last attempt met with.
        error: String,
    },
}

/// How one attempt ended, to be written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Key of the delivery.
    pub key: String,
    /// How it ended.
    pub attempt: Attempt,
    /// A delivery to a second channel, put into the outbox with it; one that is there already stays as it is.
    pub second: Option<OutboxRow>,
}

/// What came of asking for a replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replay {
    /// It is pending again, and due at once.
    Queued(Delivery),
    /// It is not dead, so there is nothing to replay.
    NotDead(Delivery),
    /// There is no such delivery.
    Unknown,
}

impl Store {
    /// Pending deliveries to one destination that are due at `now`, urgent ones first, then oldest first. One that is due later than
    /// `horizon` counts as due: the clock has been set back, and waiting for it would delay the delivery.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer or a row is damaged.
    pub async fn due(
        &self,
        destination: &DestinationId,
        now: Timestamp,
        horizon: Timestamp,
        limit: usize,
    ) -> Result<Vec<OutboxRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM deliveries WHERE destination = $1 AND state = 'pending' \
             AND (next_attempt_at <= $2 OR next_attempt_at > $3) ORDER BY urgent DESC, next_attempt_at, seq LIMIT $4",
        )
        .bind(destination.as_str())
        .bind(now.as_micros())
        .bind(horizon.as_micros())
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(&self.readers)
        .await?;
        rows.iter().map(outbox_row).collect()
    }

    /// When the next pending delivery to a destination is due after `now`, if any is.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn next_due(
        &self,
        destination: &DestinationId,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        let row = sqlx::query(
            "SELECT MIN(next_attempt_at) AS due FROM deliveries \
             WHERE destination = $1 AND state = 'pending' AND next_attempt_at > $2",
        )
        .bind(destination.as_str())
        .bind(now.as_micros())
        .fetch_one(&self.readers)
        .await?;
        Ok(row.try_get::<Option<i64>, _>("due")?.map(Timestamp::from_micros))
    }

    /// How many deliveries are pending, to all destinations.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn pending(&self) -> Result<u64, StoreError> {
        let row = sqlx::query("SELECT COUNT(*) AS n FROM deliveries WHERE state = 'pending'")
            .fetch_one(&self.readers)
            .await?;
        Ok(u64::try_from(row.try_get::<i64, _>("n")?).unwrap_or(0))
    }

    /// Writes down how an attempt ended. A delivery that was acknowledged stays so, whatever a second, slower
    /// attempt says.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn record(&self, key: &str, attempt: &Attempt) -> Result<(), StoreError> {
        self.record_all(&[Record { key: key.to_owned(), attempt: attempt.clone(), second: None }]).await
    }

    /// The same for several attempts, in one transaction: one sync of the disk serves them all.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer; none of them is written then.
    pub async fn record_all(&self, records: &[Record]) -> Result<(), StoreError> {
        self.writer.within(self.write_records(records)).await
    }

    async fn write_records(&self, records: &[Record]) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        for Record { key, attempt, second } in records {
            record(&mut transaction, key, attempt).await?;
            if let Some(second) = second {
                write_deliveries(&mut transaction, &[second], true).await?;
            }
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Makes a dead delivery pending again, due at once, under the same key and with the same body.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer or the row is damaged.
    pub async fn replay(&self, key: &str, now: Timestamp) -> Result<Replay, StoreError> {
        let changed = sqlx::query(
            "UPDATE deliveries SET state = 'pending', next_attempt_at = $1, attempts_before = attempts \
             WHERE key = $2 AND state = 'dead' RETURNING *",
        )
        .bind(now.as_micros())
        .bind(key)
        .fetch_optional(&self.writer)
        .await?;
        if let Some(row) = changed {
            return Ok(Replay::Queued(outbox_row(&row)?.delivery));
        }
        let row = sqlx::query("SELECT * FROM deliveries WHERE key = $1")
            .bind(key)
            .fetch_optional(&self.readers)
            .await?;
        row.map_or(Ok(Replay::Unknown), |row| Ok(Replay::NotDead(outbox_row(&row)?.delivery)))
    }

    /// Who was told of an event of a case: destinations, with the departments they were told for.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer or a row is damaged.
    pub async fn told(
        &self,
        case: &CaseId,
        event: EventType,
    ) -> Result<Vec<(DestinationId, DepartmentId)>, StoreError> {
        let rows = sqlx::query("SELECT * FROM deliveries WHERE case_id = $1 AND event = $2 ORDER BY seq")
            .bind(case.as_str())
            .bind(event.name())
            .fetch_all(&self.readers)
            .await?;
        let told = rows.iter().map(outbox_row);
        told.map(|row| row.map(|row| (row.delivery.destination, row.department))).collect()
    }

    /// Makes every dead delivery to a destination pending again; says how many.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn replay_all(&self, destination: &DestinationId, now: Timestamp) -> Result<u64, StoreError> {
        let changed = sqlx::query(
            "UPDATE deliveries SET state = 'pending', next_attempt_at = $1, attempts_before = attempts \
             WHERE destination = $2 AND state = 'dead'",
        )
        .bind(now.as_micros())
        .bind(destination.as_str())
        .execute(&self.writer)
        .await?;
        Ok(changed.rows_affected())
    }

    /// A delivery with all that is needed to send it.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer or the row is damaged.
    pub async fn delivery(&self, key: &str) -> Result<Option<OutboxRow>, StoreError> {
        let row = sqlx::query("SELECT * FROM deliveries WHERE key = $1")
            .bind(key)
            .fetch_optional(&self.readers)
            .await?;
        row.as_ref().map(outbox_row).transpose()
    }

    /// Deliveries of one case, oldest first.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer or a row is damaged.
    pub async fn deliveries_of(&self, case: &CaseId) -> Result<Vec<Delivery>, StoreError> {
        let rows = sqlx::query("SELECT * FROM deliveries WHERE case_id = $1 ORDER BY seq")
            .bind(case.as_str())
            .fetch_all(&self.readers)
            .await?;
        rows.iter().map(|row| Ok(outbox_row(row)?.delivery)).collect()
    }

    /// Deliveries, newest first.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer or a row is damaged.
    pub async fn deliveries(
        &self,
        filter: &DeliveryFilter,
        page: &PageRequest,
    ) -> Result<DeliveryPage, StoreError> {
        let (before, _) = bound(page);
        let rows = sqlx::query(
            "SELECT * FROM deliveries WHERE seq < $1 AND ($2 IS NULL OR state = $3) \
             AND ($4 IS NULL OR destination = $5) ORDER BY seq DESC LIMIT $6",
        )
        .bind(before)
        .bind(filter.state.map(DeliveryState::name))
        .bind(filter.state.map(DeliveryState::name))
        .bind(filter.destination.as_ref().map(DestinationId::as_str))
        .bind(filter.destination.as_ref().map(DestinationId::as_str))
        .bind(i64::from(page.limit()))
        .fetch_all(&self.readers)
        .await?;
        let full = rows.len() == page.limit() as usize;
        let last = rows.last().filter(|_| full).map(|row| row.try_get::<i64, _>("seq")).transpose()?;
        let deliveries =
            rows.iter().map(|row| Ok(outbox_row(row)?.delivery)).collect::<Result<Vec<_>, StoreError>>()?;
        Ok(DeliveryPage { deliveries, next: last.map(|seq| Cursor::after_row(seq).to_string()) })
    }
}

async fn record(to: &mut AnyConnection, key: &str, attempt: &Attempt) -> Result<(), StoreError> {
    let (state, next, delivered, error) = match attempt {
        Attempt::Acknowledged { at } => (DeliveryState::Delivered, None, Some(at.as_micros()), None),
        Attempt::Retry { next_attempt_at, error } => {
            (DeliveryState::Pending, Some(next_attempt_at.as_micros()), None, Some(error))
        }
        Attempt::Dead { error } => (DeliveryState::Dead, None, None, Some(error)),
    };
    sqlx::query(
        "UPDATE deliveries SET state = $1, attempts = attempts + 1, next_attempt_at = $2, delivered_at = $3, \
         last_error = coalesce($4, last_error) WHERE key = $5 AND state <> 'delivered'",
    )
    .bind(state.name())
    .bind(next)
    .bind(delivered)
    .bind(error.map(|error| storable(error).into_owned()))
    .bind(key)
    .execute(to)
    .await?;
    Ok(())
}

fn outbox_row(row: &AnyRow) -> Result<OutboxRow, StoreError> {
    let key: String = row.try_get("key")?;
    let bad = |problem: String| damaged("deliveries", &key)(problem);
    let text = |column: &'static str| row.try_get::<String, _>(column);
    let count = |column: &'static str| -> Result<u32, StoreError> {
        u32::try_from(row.try_get::<i64, _>(column)?).map_err(|e| bad(e.to_string()))
    };
    let moment =
        |column: &'static str| row.try_get::<Option<i64>, _>(column).map(|at| at.map(Timestamp::from_micros));
    let event = text("event")?;
    let state = text("state")?;
    let delivery = Delivery {
        key: key.clone(),
        case: CaseId::new(text("case_id")?).map_err(|e| bad(e.to_string()))?,
        case_version: count("case_version")?,
        destination: DestinationId::new(text("destination")?).map_err(|e| bad(e.to_string()))?,
        state: DeliveryState::from_name(&state).ok_or_else(|| bad(format!("unknown state {state}")))?,
        attempts: count("attempts")?,
        created_at: Timestamp::from_micros(row.try_get("created_at")?),
        next_attempt_at: moment("next_attempt_at")?,
        delivered_at: moment("delivered_at")?,
        last_error: row.try_get("last_error")?,
    };
    Ok(OutboxRow {
        delivery,
        event: EventType::from_name(&event).ok_or_else(|| bad(format!("unknown event {event}")))?,
        kind: EventKind::new(text("kind")?),
        camera: Some(text("camera")?)
            .filter(|camera| !camera.is_empty())
            .map(CameraId::new)
            .transpose()
            .map_err(|e| bad(e.to_string()))?,
        department: DepartmentId::new(text("department")?).map_err(|e| bad(e.to_string()))?,
        captured_at: Timestamp::from_micros(row.try_get("captured_at")?),
        body: text("body")?,
        urgent: row.try_get::<i64, _>("urgent")? != 0,
        attempts_before: count("attempts_before")?,
    })
}
