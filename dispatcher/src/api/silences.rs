//! `/api/v1/silences`: what opens no case for a while.

use super::Problem;
use super::actions::json;
use super::precondition::Once;
use crate::people::Actor;
use crate::services::Services;
use crate::silence::{Around, Draft, Silence, SilenceError, SilenceState};
use crate::store::StoreError;
use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use citybrain_types::{CameraId, EventKind, Timestamp};
use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Longest id taken, in bytes.
const MAX_ID: usize = 64;

/// A silence as it is asked for. At least one of `kinds`, `cameras`, `areas` and `around` is given; all that are given
/// must fit.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SilenceBody {
    /// Who asks, 1 to 100 characters in one line, where nobody signs in. Else it is whoever has signed in.
    #[serde(default)]
    #[schemars(length(min = 1, max = 100))]
    by: Option<String>,
    /// Why, 1 to 500 characters in one line.
    #[schemars(length(min = 1, max = 500))]
    reason: String,
    /// From when on; at once when not given or past.
    #[serde(default)]
    starts_at: Option<Timestamp>,
    /// Until when, within a year from now.
    ends_at: Timestamp,
    /// Codes of kinds; all when not given.
    #[serde(default)]
    #[schemars(length(max = 1_000))]
    kinds: BTreeSet<EventKind>,
    /// Ids of cameras; all when not given.
    #[serde(default)]
    #[schemars(length(max = 1_000))]
    cameras: BTreeSet<CameraId>,
    /// Areas, each with all that lie in it; all when not given.
    #[serde(default)]
    #[schemars(length(max = 1_000))]
    areas: BTreeSet<String>,
    /// What lies within this circle on the map.
    #[serde(default, deserialize_with = "object")]
    #[schemars(with = "Option<Around>")]
    around: Option<Around>,
}

/// An object, and not a list of its fields in their order, which would pass for one.
fn object<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Around>, D::Error> {
    let Some(fields) = Option::<Map<String, Value>>::deserialize(from)? else { return Ok(None) };
    serde_json::from_value(Value::Object(fields)).map(Some).map_err(D::Error::custom)
}

/// Who ends a silence.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EndBody {
    /// Who, 1 to 100 characters in one line, where nobody signs in. Else it is whoever has signed in.
    #[serde(default)]
    #[schemars(length(min = 1, max = 100))]
    by: Option<String>,
}

/// A silence, with how it stands now.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct SilenceView {
    #[serde(flatten)]
    silence: Silence,
    /// How it stands now.
    state: SilenceState,
}

/// Silences, newest first.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Silences {
    silences: Vec<SilenceView>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SilencesQuery {
    state: Option<SilenceState>,
}

fn view(silence: Silence, now: Timestamp) -> SilenceView {
    SilenceView { state: silence.state(now), silence }
}

fn known_id(id: &str) -> Result<&str, Problem> {
    let is_one = id.len() <= MAX_ID && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    is_one.then_some(id).ok_or_else(|| Problem::not_found("there is no silence of this id"))
}

pub(super) async fn list(
    State(services): State<Services>,
    query: Result<Query<SilencesQuery>, QueryRejection>,
) -> Result<Json<Silences>, Problem> {
    let Query(query) = query?;
    let now = services.now();
    let all = services.silences().await?.into_iter().map(|silence| view(silence, now));
    let silences = all.filter(|view| query.state.is_none_or(|state| view.state == state)).collect();
    Ok(Json(Silences { silences }))
}

pub(super) async fn read(
    State(services): State<Services>,
    Path(id): Path<String>,
) -> Result<Json<SilenceView>, Problem> {
    let silence = services.silence(known_id(&id)?).await?;
    let silence = silence.ok_or_else(|| Problem::not_found(format!("there is no silence {id}")))?;
    Ok(Json(view(silence, services.now())))
}

pub(super) async fn make(
    State(services): State<Services>,
    actor: Actor,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let once = Once::of(&headers, "silences", &body)?;
    if let Some(once) = &once
        && let Some(before) = once.before(&services).await?
    {
        return Ok(before);
    }
    let SilenceBody { by, reason, starts_at, ends_at, kinds, cameras, areas, around } =
        json(&headers, &body)?;
    let by = actor.by(by.as_deref())?;
    let draft = Draft { by, reason, starts_at, ends_at, kinds, cameras, areas, around };
    let now = services.now();
    let keep = |silence: &Silence| {
        let body = serde_json::to_string(&view(silence.clone(), now)).ok()?;
        Some(once.as_ref()?.answer(StatusCode::CREATED, body, now))
    };
    match services.make_silence(draft, keep).await {
        Ok(silence) => {
            let place = HeaderValue::from_str(&format!("/api/v1/silences/{}", silence.id));
            let place = place.unwrap_or(HeaderValue::from_static("/api/v1/silences"));
            Ok((StatusCode::CREATED, [(header::LOCATION, place)], Json(view(silence, services.now())))
                .into_response())
        }
        Err(SilenceError::Store(StoreError::KeyInUse)) => {
            let before = match &once {
                Some(once) => once.before(&services).await?,
                None => None,
            };
            before.ok_or_else(|| StoreError::KeyInUse.into())
        }
        Err(error) => Err(error.into()),
    }
}

pub(super) async fn end(
    State(services): State<Services>,
    Path(id): Path<String>,
    actor: Actor,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<SilenceView>, Problem> {
    let EndBody { by } = json(&headers, &body)?;
    let by = actor.by(by.as_deref())?;
    let ended = services.end_silence(known_id(&id)?, &by).await?;
    Ok(Json(view(ended, services.now())))
}

impl From<SilenceError> for Problem {
    fn from(error: SilenceError) -> Self {
        match error {
            SilenceError::Unknown(_) => Self::not_found(error.to_string()),
            SilenceError::Over(_) | SilenceError::TooMany => {
                Self::new(StatusCode::CONFLICT, error.to_string())
            }
            SilenceError::Invalid(invalid) => Self::invalid(invalid.0),
            SilenceError::Store(error) => error.into(),
            SilenceError::Stopping => Self::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
        }
    }
}
