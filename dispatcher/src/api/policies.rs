//! `/api/v1/policies`: thresholds that are changed while the city runs; and `/api/v1/what-if`.

use super::Problem;
use super::actions::json;
use super::precondition::{tagged, version_seen};
use crate::people::{Actor, role::may_do};
use crate::policy::{
    Difference, Forecast, InForce, MAX_FORECAST_DAYS, NewPolicy, OfficeError, PolicyAction, PolicySummary,
    Refusal,
};
use crate::services::Services;
use crate::tune::TuneError;
use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use citybrain_ingest_config::policy::Policy;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Days of the log that a forecast reads when it is not said.
const FORECAST_DAYS: u32 = 7;
/// Differences that are listed when it is not said.
const DIFFERENCES: u32 = 100;

/// Policies, the one changed last first.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Policies {
    /// The policy in force; empty for the configuration's own numbers.
    live: String,
    policies: Vec<PolicySummary>,
}

/// A policy as it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PolicyDraft {
    /// Who writes, where nobody signs in; else it is whoever has signed in, and may be left out.
    #[serde(default)]
    #[schemars(length(min = 1, max = 100))]
    by: Option<String>,
    /// Why, 1 to 500 characters in one line.
    #[schemars(length(min = 1, max = 500))]
    reason: String,
    /// What people call it, 1 to 200 characters in one line.
    #[schemars(length(min = 1, max = 200))]
    title: String,
    /// What it changes.
    policy: Policy,
}

/// What is done with a policy.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PolicyOrder {
    /// What; `edit` is done by `PUT`.
    action: PolicyAction,
    /// Who, where nobody signs in; else it is whoever has signed in, and may be left out. Whoever has written the policy
    /// may not approve it.
    #[serde(default)]
    #[schemars(length(min = 1, max = 100))]
    by: Option<String>,
    /// Why, 1 to 500 characters in one line.
    #[schemars(length(min = 1, max = 500))]
    reason: String,
    /// `approve`, `go_live`: yes to what the forecast warns of.
    #[serde(default)]
    confirm: bool,
}

/// How far back.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Days {
    /// Days of the log to read, up to now; 7 when not given.
    #[schemars(range(min = 1, max = 31))]
    days: Option<u32>,
}

/// A policy that nobody has stored.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WhatIf {
    /// What it changes.
    policy: Policy,
    /// Days of the log to read, up to now; 7 when not given.
    #[serde(default)]
    #[schemars(range(min = 1, max = 31))]
    days: Option<u32>,
}

/// Where a policy in shadow differs from the one in force.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Differences {
    /// Newest first.
    differences: Vec<Difference>,
    /// Batches of looks that it has missed since the program started, because the machine was behind.
    missed: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DifferencesQuery {
    limit: Option<u32>,
}

impl PolicyDraft {
    fn into_new(self, actor: &Actor) -> Result<NewPolicy, Problem> {
        let Self { by, reason, title, policy } = self;
        Ok(NewPolicy { title, policy, by: actor.by(by.as_deref())?, reason })
    }
}

/// The version that must be named: what is changed is what was seen.
fn seen(headers: &HeaderMap) -> Result<u32, Problem> {
    version_seen(headers)?.ok_or_else(|| {
        let detail = "send 'If-Match' with the ETag of the policy as it was read";
        Problem::new(StatusCode::PRECONDITION_REQUIRED, detail)
    })
}

fn days(days: Option<u32>) -> Result<u32, Problem> {
    let days = days.unwrap_or(FORECAST_DAYS);
    let fits = (1..=MAX_FORECAST_DAYS).contains(&days);
    fits.then_some(days)
        .ok_or_else(|| Problem::invalid(format!("'days' must be from 1 to {MAX_FORECAST_DAYS}")))
}

pub(super) async fn list(State(services): State<Services>) -> Result<Json<Policies>, Problem> {
    let InForce { id, .. } = services.policies().in_force().as_ref().clone();
    Ok(Json(Policies { live: id, policies: services.policies().list().await? }))
}

pub(super) async fn create(
    State(services): State<Services>,
    actor: Actor,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let new = json::<PolicyDraft>(&headers, &body)?.into_new(&actor)?;
    let record = services.policies().create(new).await?;
    let place = HeaderValue::from_str(&format!("/api/v1/policies/{}", record.id));
    let place = place.unwrap_or(HeaderValue::from_static("/api/v1/policies"));
    let mut response = tagged(&HeaderMap::new(), record.version, &record);
    *response.status_mut() = StatusCode::CREATED;
    response.headers_mut().insert(header::LOCATION, place);
    Ok(response)
}

pub(super) async fn read(
    State(services): State<Services>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let view = services.policies().view(&id).await?;
    Ok(tagged(&headers, view.record.version, &view))
}

pub(super) async fn edit(
    State(services): State<Services>,
    Path(id): Path<String>,
    actor: Actor,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let seen = seen(&headers)?;
    let new = json::<PolicyDraft>(&headers, &body)?.into_new(&actor)?;
    let record = services.policies().edit(&id, seen, new).await?;
    Ok(tagged(&HeaderMap::new(), record.version, &record))
}

pub(super) async fn act(
    State(services): State<Services>,
    Path(id): Path<String>,
    actor: Actor,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let seen = seen(&headers)?;
    let PolicyOrder { action, by, reason, confirm } = json(&headers, &body)?;
    if action == PolicyAction::Edit {
        return Err(Problem::invalid("a policy is written over by PUT"));
    }
    may_do(&actor, action)?;
    let by = actor.by(by.as_deref())?;
    let record = services.policies().act(&id, seen, action, (&by, &reason), confirm).await?;
    Ok(tagged(&HeaderMap::new(), record.version, &record))
}

pub(super) async fn differences(
    State(services): State<Services>,
    Path(id): Path<String>,
    query: Result<Query<DifferencesQuery>, QueryRejection>,
) -> Result<Json<Differences>, Problem> {
    let Query(query) = query?;
    let (differences, missed) =
        services.policies().differences(&id, query.limit.unwrap_or(DIFFERENCES).max(1)).await?;
    Ok(Json(Differences { differences, missed }))
}

pub(super) async fn forecast(
    State(services): State<Services>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Forecast>, Problem> {
    let Days { days: asked } = json(&headers, &body)?;
    Ok(Json(services.policies().forecast(&id, days(asked)?).await?))
}

pub(super) async fn what_if(
    State(services): State<Services>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Forecast>, Problem> {
    let WhatIf { policy, days: asked } = json(&headers, &body)?;
    Ok(Json(services.policies().what_if(&policy, days(asked)?).await?))
}

impl From<OfficeError> for Problem {
    fn from(error: OfficeError) -> Self {
        match error {
            OfficeError::Unknown(_) => Self::not_found(error.to_string()),
            OfficeError::Stale { .. } => Self::new(StatusCode::PRECONDITION_FAILED, error.to_string()),
            OfficeError::Raced | OfficeError::Refused(Refusal::NotNow { .. } | Refusal::Unconfirmed(_)) => {
                Self::new(StatusCode::CONFLICT, error.to_string())
            }
            OfficeError::Refused(Refusal::OwnWork(_)) => Self::new(StatusCode::FORBIDDEN, error.to_string()),
            OfficeError::Unfit(problems) => {
                Self::invalid("the policy does not fit this city; 'problems' holds every mistake")
                    .with_problems(problems)
            }
            OfficeError::Invalid(detail) => Self::invalid(detail),
            OfficeError::WhatIf(TuneError::TooLong(_)) => {
                Self::new(StatusCode::GATEWAY_TIMEOUT, error.to_string())
            }
            OfficeError::WhatIf(TuneError::Busy(_)) => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
            }
            OfficeError::WhatIf(error) => {
                tracing::error!(%error, "what a policy would have led to could not be worked out");
                Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "the detection log cannot be read; this program's log says why",
                )
            }
            OfficeError::Stopping => Self::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
            OfficeError::Store(error) => error.into(),
        }
    }
}

impl IntoResponse for OfficeError {
    fn into_response(self) -> Response {
        Problem::from(self).into_response()
    }
}
