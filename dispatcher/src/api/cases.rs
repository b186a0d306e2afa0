//! Cameras, kinds, cases and deliveries as JSON.

use super::Problem;
use super::precondition::tagged;
use crate::incident::Incident;
use crate::services::{CameraView, Services};
use crate::store::{CaseFilter, CasePage, Cursor, DeliveryFilter, DeliveryPage, PageRequest, Replay};
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use citybrain_types::{CaseId, CaseState, Delivery, DeliveryState, DestinationId, EventKind};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Longest cursor taken, in bytes; ours are a number, a dot and an id.
const MAX_CURSOR: usize = 96;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CasesQuery {
    state: Option<String>,
    kind: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DeliveriesQuery {
    state: Option<String>,
    destination: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Cameras {
    cameras: Vec<CameraView>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Kinds {
    kinds: Vec<KindView>,
}

/// A row of the event catalogue. Spans are seconds.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct KindView {
    kind: EventKind,
    names: BTreeMap<String, String>,
    deadline_secs: f64,
    look_interval_secs: f64,
    handle_within_secs: f64,
    pre_alarm: bool,
}

fn page(limit: Option<u32>, cursor: Option<&str>) -> Result<PageRequest, Problem> {
    let cursor =
        cursor.map(|text| if text.len() <= MAX_CURSOR { text.parse::<Cursor>() } else { "".parse() });
    Ok(PageRequest::new(limit, cursor.transpose()?))
}

pub(super) async fn cases(
    State(services): State<Services>,
    query: Result<Query<CasesQuery>, QueryRejection>,
) -> Result<Json<CasePage>, Problem> {
    let Query(query) = query?;
    let state = query.state.map(|name| {
        CaseState::from_name(&name).ok_or_else(|| {
            let names = CaseState::ALL.iter().map(|state| state.name()).collect::<Vec<_>>().join(", ");
            Problem::bad_request(format!("there is no such state; use one of {names}"))
        })
    });
    let filter = CaseFilter { state: state.transpose()?, kind: query.kind.map(EventKind::new) };
    let page = page(query.limit, query.cursor.as_deref())?;
    Ok(Json(services.cases(&filter, &page).await?))
}

pub(super) async fn case(
    State(services): State<Services>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id = CaseId::new(&id)?;
    let view = services.case(&id).await?;
    let view = view.ok_or_else(|| Problem::not_found(format!("there is no case {id}")))?;
    Ok(tagged(&headers, view.case.version, &view))
}

/// Why a case was opened.
pub(super) async fn why(
    State(services): State<Services>,
    Path(id): Path<String>,
) -> Result<Json<Incident>, Problem> {
    let id = CaseId::new(&id)?;
    let incident = services.why(&id).await?;
    incident.map(Json).ok_or_else(|| Problem::not_found(format!("there is no incident behind a case {id}")))
}

pub(super) async fn deliveries(
    State(services): State<Services>,
    query: Result<Query<DeliveriesQuery>, QueryRejection>,
) -> Result<Json<DeliveryPage>, Problem> {
    let Query(query) = query?;
    let state = query.state.map(|name| {
        DeliveryState::from_name(&name).ok_or_else(|| {
            Problem::bad_request("there is no such state; use one of pending, delivered, dead")
        })
    });
    let filter = DeliveryFilter {
        state: state.transpose()?,
        destination: query.destination.map(DestinationId::new).transpose()?,
    };
    let page = page(query.limit, query.cursor.as_deref())?;
    Ok(Json(services.deliveries(&filter, &page).await?))
}

pub(super) async fn replay(
    State(services): State<Services>,
    Path(key): Path<String>,
) -> Result<(StatusCode, Json<Delivery>), Problem> {
    match services.replay(&key).await? {
        Replay::Queued(delivery) => Ok((StatusCode::ACCEPTED, Json(delivery))),
        Replay::NotDead(delivery) => Err(Problem::new(
            StatusCode::CONFLICT,
            format!(
                "the delivery is {}; only one that was given up can be sent again",
                delivery.state.name()
            ),
        )),
        Replay::Unknown => Err(Problem::not_found("there is no delivery with this key")),
    }
}

/// How many dead deliveries are sent again.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Replayed {
    queued: u64,
}

pub(super) async fn replay_all(
    State(services): State<Services>,
    Path(destination): Path<String>,
) -> Result<(StatusCode, Json<Replayed>), Problem> {
    let destination = DestinationId::new(&destination)?;
    if !services.city().destinations.contains_key(&destination) {
        return Err(Problem::not_found(format!("there is no destination {destination}")));
    }
    let queued = services.replay_all(&destination).await?;
    Ok((StatusCode::ACCEPTED, Json(Replayed { queued })))
}

pub(super) async fn cameras(State(services): State<Services>) -> Json<Cameras> {
    Json(Cameras { cameras: services.cameras() })
}

pub(super) async fn kinds(State(services): State<Services>) -> Json<Kinds> {
    let view = |kind: citybrain_ingest_config::resolved::Kind| KindView {
        kind: kind.kind,
        names: kind.names,
        deadline_secs: kind.deadline.as_secs_f64(),
        look_interval_secs: kind.look_interval.as_secs_f64(),
        handle_within_secs: kind.handle_within.as_secs_f64(),
        pre_alarm: kind.pre_alarm,
    };
    Json(Kinds { kinds: services.kinds().into_iter().map(view).collect() })
}
