//! `/api/v1/review` and `/api/v1/verdicts`: what people say of cases and of what almost opened one; and
//! `/api/v1/calibrations`: what is learnt from it.

use super::Problem;
use super::actions::json;
use crate::people::{Actor, Permission};
use crate::policy::PolicyRecord;
use crate::services::Services;
use crate::verdict::{Given, Item, Judgement, NewCalibration, ReviewItem, Verdict, VerdictError};
use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use citybrain_ingest_config::policy::CalibrationMethod;
use citybrain_types::EventKind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Items of the queue when it is not said how many.
const ITEMS: u32 = 20;

/// What has no verdict yet.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Queue {
    /// Newest first; every fourth is one that almost opened a case, where there are some.
    items: Vec<ReviewItem>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct QueueQuery {
    kind: Option<String>,
    limit: Option<u32>,
}

/// A verdict as it is given.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VerdictBody {
    /// On what: `case:<id>` or `almost:<id>`.
    #[schemars(regex(pattern = "^(case|almost):[A-Za-z0-9_.-]{1,64}$"))]
    pub item: String,
    /// What is said; `withdrawn` takes back what was said before.
    pub verdict: Verdict,
    /// By whom, where nobody signs in; else it is whoever has signed in, and may be left out.
    #[serde(default)]
    #[schemars(length(min = 1, max = 100))]
    pub by: Option<String>,
    /// A note, at most 500 characters in one line.
    #[serde(default)]
    #[schemars(length(max = 500))]
    pub note: String,
    /// The version of the last verdict on it that was seen; 0 for none. Another one is told, and overruled only by its
    /// version.
    #[serde(default)]
    #[schemars(range(max = 1_000_000))]
    pub seen: u32,
    /// `false` on a case makes it void, too, where its state allows it.
    #[serde(default)]
    pub void: bool,
}

/// A verdict that was taken.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Judged {
    #[serde(flatten)]
    judgement: Judgement,
    /// Why the case was not made void, where that was asked for and not possible.
    not_void: Option<String>,
}

/// Every verdict on an item.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Judgements {
    /// The item.
    item: ReviewItem,
    /// Oldest first; the last is in force.
    verdicts: Vec<Judgement>,
}

/// What a calibration is asked for with.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CalibrationBody {
    /// Kinds; all with enough verdicts when empty.
    #[serde(default)]
    #[schemars(length(max = 256))]
    kinds: BTreeSet<EventKind>,
    /// How; by the number of verdicts when not given: Platt below 200, isotonic from there on.
    #[serde(default)]
    method: Option<CalibrationMethod>,
    /// Who asks, where nobody signs in; else it is whoever has signed in, and may be left out.
    #[serde(default)]
    #[schemars(length(min = 1, max = 100))]
    by: Option<String>,
    /// Why, 1 to 500 characters in one line.
    #[schemars(length(min = 1, max = 500))]
    reason: String,
}

/// A calibration as a draft.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Drafted {
    /// What is in force, with the new calibration; it goes live as any policy does.
    draft: PolicyRecord,
    /// Kinds of which there are too few verdicts, and how many.
    too_few: Vec<String>,
}

fn item(text: &str) -> Result<Item, Problem> {
    text.parse().map_err(Problem::bad_request)
}

pub(super) async fn queue(
    State(services): State<Services>,
    query: Result<Query<QueueQuery>, QueryRejection>,
) -> Result<Json<Queue>, Problem> {
    let Query(query) = query?;
    let kind = query.kind.filter(|kind| !kind.is_empty()).map(EventKind::new);
    Ok(Json(Queue { items: services.reviewer().queue(kind.as_ref(), query.limit.unwrap_or(ITEMS)).await? }))
}

pub(super) async fn judge(
    State(services): State<Services>,
    actor: Actor,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Judged>, Problem> {
    let VerdictBody { item: name, verdict, by, note, seen, void } = json(&headers, &body)?;
    let by = actor.by(by.as_deref())?;
    if void && !actor.may(Permission::Act) {
        return Err(Problem::new(StatusCode::FORBIDDEN, "to make a case void needs the permission 'act'"));
    }
    let given = Given { item: item(&name)?, verdict, by, note, seen, void };
    let (judgement, not_void) = services.reviewer().judge(&given).await?;
    Ok(Json(Judged { judgement, not_void }))
}

pub(super) async fn history(
    State(services): State<Services>,
    Path(name): Path<String>,
) -> Result<Json<Judgements>, Problem> {
    let name = item(&name)?;
    let reviewer = services.reviewer();
    let found = reviewer.item(&name).await?;
    let item = found.ok_or_else(|| Problem::not_found(format!("there is no item {name}")))?;
    Ok(Json(Judgements { item, verdicts: reviewer.history(&name).await? }))
}

pub(super) async fn calibrate(
    State(services): State<Services>,
    actor: Actor,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let CalibrationBody { kinds, method, by, reason } = json(&headers, &body)?;
    let by = actor.by(by.as_deref())?;
    let made = services.reviewer().calibrate(NewCalibration { kinds, method, by, reason }).await?;
    let too_few = made.too_few.iter().map(|(kind, few)| format!("{kind}: {few}")).collect();
    Ok((StatusCode::CREATED, Json(Drafted { draft: made.draft, too_few })).into_response())
}

impl From<VerdictError> for Problem {
    fn from(error: VerdictError) -> Self {
        match error {
            VerdictError::Unknown(_) => Self::not_found(error.to_string()),
            VerdictError::Raced(ref first) => {
                let first = first.as_ref().clone();
                Self::new(StatusCode::CONFLICT, error.to_string()).with_verdict(first)
            }
            VerdictError::Invalid(detail) => Self::invalid(detail),
            VerdictError::TooFew(_) => Self::new(StatusCode::CONFLICT, error.to_string()),
            VerdictError::Office(error) => error.into(),
            VerdictError::Store(error) => error.into(),
        }
    }
}
