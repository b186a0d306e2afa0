//! Verdicts, what almost opened, and the queue of what has no verdict yet.

use super::body::{body, body_of, json};
use super::{Store, StoreError, damaged};
use crate::verdict::{Candidate, Item, Judgement, Labelled, Seen, Verdict};
use citybrain_types::{Case, EventKind, Timestamp};
use sqlx::Row;
use sqlx::any::AnyRow;

/// Candidates that are kept; the oldest go, with or without a verdict.
pub const MAX_CANDIDATES: u32 = 5_000;
/// Verdicts that a calibration is fitted from at most, the newest.
const MAX_LABELLED: i64 = 50_000;

/// A judged or unjudged thing of the queue, as it is read.
#[derive(Debug, Clone, PartialEq)]
pub enum Reviewed {
    /// A case.
    Case(Box<Case>, Option<Judgement>),
    /// What almost opened one.
    Almost(Candidate, Option<Judgement>),
}

impl Store {
    /// Keeps candidates; one that is there already stays.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn keep_candidates(&self, candidates: &[Candidate]) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        for candidate in candidates {
            sqlx::query(
                "INSERT INTO candidates (id, kind, camera, at, body) VALUES ($1, $2, $3, $4, $5) \
                 ON CONFLICT (id) DO NOTHING",
            )
            .bind(&candidate.id)
            .bind(candidate.kind.as_str())
            .bind(candidate.camera.as_str())
            .bind(candidate.at.as_micros())
            .bind(json(candidate)?)
            .execute(&mut *transaction)
            .await?;
        }
        sqlx::query(
            "DELETE FROM candidates WHERE id NOT IN \
             (SELECT id FROM candidates ORDER BY at DESC, id DESC LIMIT $1)",
        )
        .bind(i64::from(MAX_CANDIDATES))
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// The verdict in force on an item; one that was taken back is told as such.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer or the row is damaged.
    pub async fn judgement(&self, item: &str) -> Result<Option<Judgement>, StoreError> {
        let row = sqlx::query(
            "SELECT item, version, verdict, at, by_whom, note FROM verdicts WHERE item = $1 AND is_current = 1",
        )
        .bind(item)
        .fetch_optional(&self.readers)
        .await?;
        row.map(|row| judged(&row)).transpose()
    }

    /// Every verdict that was given on an item, oldest first.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer or a row is damaged.
    pub async fn judgements(&self, item: &str) -> Result<Vec<Judgement>, StoreError> {
        let rows = sqlx::query(
            "SELECT item, version, verdict, at, by_whom, note FROM verdicts WHERE item = $1 ORDER BY version",
        )
        .bind(item)
        .fetch_all(&self.readers)
        .await?;
        rows.iter().map(judged).collect()
    }

    /// Writes a verdict that continues the version before it; `false` when somebody else has given one in the meantime.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn write_judgement(&self, judgement: &Judgement) -> Result<bool, StoreError> {
        let mut transaction = self.begin().await?;
        let before = i64::from(judgement.version) - 1;
        let set_aside = sqlx::query(
            "UPDATE verdicts SET is_current = 0 WHERE item = $1 AND version = $2 AND is_current = 1",
        )
        .bind(&judgement.item)
        .bind(before)
        .execute(&mut *transaction)
        .await?
        .rows_affected();
        let inserted = sqlx::query(
            "INSERT INTO verdicts (item, version, is_current, verdict, at, by_whom, note) \
             VALUES ($1, $2, 1, $3, $4, $5, $6) ON CONFLICT (item, version) DO NOTHING",
        )
        .bind(&judgement.item)
        .bind(i64::from(judgement.version))
        .bind(judgement.verdict.name())
        .bind(judgement.at.as_micros())
        .bind(&judgement.by)
        .bind(&judgement.note)
        .execute(&mut *transaction)
        .await?
        .rows_affected();
        if inserted != 1 || (before > 0 && set_aside != 1) {
            transaction.rollback().await?;
            return Ok(false);
        }
        transaction.commit().await?;
        Ok(true)
    }

    /// A case or a candidate with what was said of it.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer or a row is damaged.
    pub async fn reviewed(&self, item: &Item) -> Result<Option<Reviewed>, StoreError> {
        let judgement = self.judgement(&item.to_string()).await?;
        match item {
            Item::Case(id) => Ok(self.case(id).await?.map(|case| Reviewed::Case(Box::new(case), judgement))),
            Item::Almost(id) => {
                let row = sqlx::query("SELECT id, body FROM candidates WHERE id = $1")
                    .bind(id)
                    .fetch_optional(&self.readers)
                    .await?;
                let Some(row) = row else { return Ok(None) };
                Ok(Some(Reviewed::Almost(body("candidates", &row)?, judgement)))
            }
        }
    }

    /// Cases without a verdict, newest first; faults of cameras are no matter for one.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer or a row is damaged.
    pub async fn unjudged_cases(
        &self,
        kind: Option<&EventKind>,
        limit: u32,
    ) -> Result<Vec<Reviewed>, StoreError> {
        let rows = sqlx::query(
            "SELECT cases.id, cases.body, verdicts.* FROM cases LEFT JOIN verdicts ON verdicts.is_current = 1 \
             AND verdicts.item = 'case:' || cases.id WHERE cases.kind <> 'camera_fault' \
             AND (verdicts.item IS NULL OR verdicts.verdict = 'withdrawn') AND ($1 = '' OR cases.kind = $2) \
             ORDER BY cases.opened_at DESC, cases.id DESC LIMIT $3",
        )
        .bind(kind.map_or("", EventKind::as_str))
        .bind(kind.map_or("", EventKind::as_str))
        .bind(i64::from(limit))
        .fetch_all(&self.readers)
        .await?;
        rows.iter().map(|row| Ok(Reviewed::Case(Box::new(body("cases", row)?), taken_back(row)?))).collect()
    }

    /// Candidates without a verdict, newest first.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer or a row is damaged.
    pub async fn unjudged_candidates(
        &self,
        kind: Option<&EventKind>,
        limit: u32,
    ) -> Result<Vec<Reviewed>, StoreError> {
        let rows = sqlx::query(
            "SELECT candidates.id, candidates.body, verdicts.* FROM candidates \
             LEFT JOIN verdicts ON verdicts.is_current = 1 \
             AND verdicts.item = 'almost:' || candidates.id \
             WHERE (verdicts.item IS NULL OR verdicts.verdict = 'withdrawn') AND ($1 = '' OR candidates.kind = $2) \
             ORDER BY candidates.at DESC, candidates.id DESC LIMIT $3",
        )
        .bind(kind.map_or("", EventKind::as_str))
        .bind(kind.map_or("", EventKind::as_str))
        .bind(i64::from(limit))
        .fetch_all(&self.readers)
        .await?;
        rows.iter().map(|row| Ok(Reviewed::Almost(body("candidates", row)?, taken_back(row)?))).collect()
    }

    /// Verdicts in force of a kind that say whether it was there, with scores; the newest of very many.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer or a row is damaged.
    pub async fn labelled(&self, kind: &EventKind) -> Result<Vec<Labelled>, StoreError> {
        let mut labelled = Vec::new();
        let rows = sqlx::query(
            "SELECT verdicts.item AS item, verdicts.verdict AS verdict, cases.body AS body FROM verdicts \
             JOIN cases ON verdicts.item = 'case:' || cases.id WHERE verdicts.is_current = 1 AND cases.kind = $1 \
             ORDER BY verdicts.at DESC LIMIT $2",
        )
        .bind(kind.as_str())
        .bind(MAX_LABELLED)
        .fetch_all(&self.readers)
        .await?;
        for row in &rows {
            let item: String = row.try_get("item")?;
            let case: Case = body_of("cases", &item, row)?;
            // What a person has told has no score of a model.
            let Some(real) = is_real(&row.try_get::<String, _>("verdict")?).filter(|_| case.camera.is_some())
            else {
                continue;
            };
            let (from, to) = (case.first_seen_at, case.last_seen_at);
            let seen = case.camera.clone().map(|camera| Seen { camera, from, to });
            labelled.push(Labelled { item, score: case.score, real, weight: 1.0, seen });
        }
        let rows = sqlx::query(
            "SELECT verdicts.item AS item, verdicts.verdict AS verdict, candidates.body AS body FROM verdicts \
             JOIN candidates ON verdicts.item = 'almost:' || candidates.id \
             WHERE verdicts.is_current = 1 AND candidates.kind = $1 ORDER BY verdicts.at DESC LIMIT $2",
        )
        .bind(kind.as_str())
        .bind(MAX_LABELLED)
        .fetch_all(&self.readers)
        .await?;
        for row in &rows {
            let item: String = row.try_get("item")?;
            let candidate: Candidate = body_of("candidates", &item, row)?;
            let Some(real) = is_real(&row.try_get::<String, _>("verdict")?) else { continue };
            let (weight, camera, at) = (f64::from(candidate.one_in), candidate.camera, candidate.at);
            let seen = Some(Seen { camera, from: at, to: at });
            labelled.push(Labelled { item, score: candidate.score, real, weight, seen });
        }
        Ok(labelled)
    }
}

/// Whether a verdict says that it was there; `None` for one that says neither.
fn is_real(verdict: &str) -> Option<bool> {
    match Verdict::from_name(verdict)? {
        Verdict::Real | Verdict::Duplicate => Some(true),
        Verdict::False => Some(false),
        Verdict::Unsure | Verdict::Withdrawn => None,
    }
}

/// The verdict in a row that may have none: of what waits for one, that is one that was taken back.
fn taken_back(row: &AnyRow) -> Result<Option<Judgement>, StoreError> {
    row.try_get::<Option<String>, _>("item")?.map(|_| judged(row)).transpose()
}

fn judged(row: &AnyRow) -> Result<Judgement, StoreError> {
    let item: String = row.try_get("item")?;
    let wrong = |problem: &str| damaged("verdicts", &item)(problem.to_owned());
    let (version, verdict): (i64, String) = (row.try_get("version")?, row.try_get("verdict")?);
    Ok(Judgement {
        version: u32::try_from(version).map_err(|_| wrong("no version"))?,
        verdict: Verdict::from_name(&verdict).ok_or_else(|| wrong("unknown verdict"))?,
        at: Timestamp::from_micros(row.try_get("at")?),
        by: row.try_get("by_whom")?,
        note: row.try_get("note")?,
        item,
    })
}
