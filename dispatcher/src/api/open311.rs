//! Open311 GeoReport v2: services, requests, and reports from other systems.
//!
//! Format: <https://wiki.open311.org/GeoReport_v2/>, JSON and XML. Kinds are services, cases are service requests. Errors
//! are lists of `code` and `description`, as that format has them.

use super::Problem;
use super::geo_form::Form;
use crate::case::report::Report;
use crate::people::{Actor, Way};
use crate::services::Services;
use crate::store::{CaseFilter, PageRequest};
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::Response;
use citybrain_ingest_config::resolved::Kind;
use citybrain_types::{Case, CaseId, CaseState, EventKind, Source, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Requests in one answer.
const MAX_REQUESTS: u32 = 200;
/// Ids in one question.
const MAX_IDS: usize = 100;

/// An error in the form of GeoReport.
struct GeoError(StatusCode, String);

#[derive(Serialize, JsonSchema)]
struct GeoProblem {
    code: u16,
    description: String,
}

/// Rows as the address asks for them, or what went wrong.
fn answer<T: Serialize>(
    form: Form,
    names: (&str, &str),
    result: Result<(StatusCode, Vec<T>), GeoError>,
) -> Response {
    match result {
        Ok((status, rows)) => form.answer(status, names, &rows),
        Err(GeoError(status, description)) => {
            form.answer(status, ("errors", "error"), &[GeoProblem { code: status.as_u16(), description }])
        }
    }
}

/// How a list of requests, and one of them, are called.
const REQUESTS: (&str, &str) = ("service_requests", "request");

impl From<Problem> for GeoError {
    fn from(problem: Problem) -> Self {
        // What cannot be followed is a bad request in this format.
        let status = if problem.status() == 422 { StatusCode::BAD_REQUEST } else { problem.status_code() };
        Self(status, problem.detail().to_owned())
    }
}

fn bad(description: impl Into<String>) -> GeoError {
    GeoError(StatusCode::BAD_REQUEST, description.into())
}

/// A kind as a service.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Service {
    service_code: String,
    service_name: String,
    description: String,
    metadata: bool,
    #[serde(rename = "type")]
    answer: &'static str,
    keywords: String,
    group: &'static str,
}

fn service(kind: &Kind) -> Service {
    let name = kind.names.get("en").cloned().unwrap_or_else(|| kind.kind.to_string());
    Service {
        service_code: kind.kind.to_string(),
        description: kind.names.values().cloned().collect::<Vec<_>>().join(" / "),
        service_name: name,
        metadata: false,
        answer: "realtime",
        keywords: kind.labels.iter().map(|label| label.as_str().to_owned()).collect::<Vec<_>>().join(", "),
        group: "city management",
    }
}

pub(super) async fn services(State(services): State<Services>, uri: Uri) -> Response {
    // A camera's fault is nothing a resident reports.
    let told = services.kinds().into_iter().filter(|kind| kind.kind.as_str() != EventKind::CAMERA_FAULT);
    let rows: Vec<Service> = told.map(|kind| service(&kind)).collect();
    answer(Form::of(&uri), ("services", "service"), Ok((StatusCode::OK, rows)))
}

/// A case as a service request.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Request {
    service_request_id: String,
    status: &'static str,
    status_notes: String,
    service_name: String,
    service_code: String,
    description: String,
    agency_responsible: String,
    requested_datetime: Timestamp,
    updated_datetime: Timestamp,
    expected_datetime: Option<Timestamp>,
    address: Option<String>,
    lat: Option<f64>,
    long: Option<f64>,
    media_url: Option<String>,
}

fn request(services: &Services, kinds: &BTreeMap<EventKind, String>, case: &Case) -> Request {
    let is_over = matches!(case.state, CaseState::Closed | CaseState::Void | CaseState::Linked);
    let departments = case.departments.iter().map(|id| id.as_str()).collect::<Vec<_>>().join(", ");
    let picture = case.work.photos.first().or(case.snapshots.as_ref().map(|snapshots| &snapshots.at));
    Request {
        service_request_id: case.id.to_string(),
        status: if is_over { "closed" } else { "open" },
        status_notes: case.state.name().to_owned(),
        service_name: kinds.get(&case.kind).cloned().unwrap_or_else(|| case.kind.to_string()),
        service_code: case.kind.to_string(),
        description: case.work.description.clone().unwrap_or_default(),
        agency_responsible: departments,
        requested_datetime: case.opened_at,
        updated_datetime: case.updated_at,
        expected_datetime: case.deadline_at,
        address: case.work.area.clone(),
        lat: case.position.map(|[_, lat]| lat),
        long: case.position.map(|[long, _]| long),
        media_url: picture.map(|picture| services.snapshot_link(picture).to_string()),
    }
}

fn names(services: &Services) -> BTreeMap<EventKind, String> {
    services.kinds().into_iter().map(|kind| (kind.kind.clone(), service(&kind).service_name)).collect()
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct RequestsQuery {
    service_request_id: Option<String>,
    service_code: Option<String>,
    start_date: Option<String>,
    end_date: Option<String>,
    status: Option<String>,
}

pub(super) async fn requests(
    State(services): State<Services>,
    uri: Uri,
    query: Result<Query<RequestsQuery>, axum::extract::rejection::QueryRejection>,
) -> Response {
    let found = match query {
        Ok(Query(query)) => listed(&services, query).await,
        Err(error) => Err(bad(error.body_text())),
    };
    answer(Form::of(&uri), REQUESTS, found.map(|rows| (StatusCode::OK, rows)))
}

async fn listed(services: &Services, query: RequestsQuery) -> Result<Vec<Request>, GeoError> {
    let kinds = names(services);
    if let Some(ids) = &query.service_request_id {
        let ids: Vec<&str> = ids.split(',').map(str::trim).filter(|id| !id.is_empty()).collect();
        if ids.len() > MAX_IDS {
            return Err(bad(format!("at most {MAX_IDS} ids are taken at once")));
        }
        let mut found = Vec::new();
        for id in ids {
            let id = CaseId::new(id).map_err(|error| bad(error.to_string()))?;
            let view = services.case(&id).await.map_err(Problem::from)?;
            found.extend(view.map(|view| request(services, &kinds, &view.case)));
        }
        return Ok(found);
    }
    let moment = |text: &Option<String>, what: &str| {
        let parsed = text.as_deref().map(|text| text.replace(' ', "+").parse::<Timestamp>());
        parsed
            .transpose()
            .map_err(|_| bad(format!("{what} is no date and time such as 2026-11-25T00:00:00Z")))
    };
    let (from, to) = (moment(&query.start_date, "start_date")?, moment(&query.end_date, "end_date")?);
    let wanted: Vec<&str> = query.status.iter().flat_map(|list| list.split(',')).map(str::trim).collect();
    if let Some(unknown) = wanted.iter().find(|status| !matches!(**status, "open" | "closed")) {
        let shown: String = unknown.chars().take(20).collect();
        return Err(bad(format!("there is no status '{shown}'; use open or closed")));
    }
    let filter = CaseFilter { state: None, kind: query.service_code.map(EventKind::new) };
    let mut found = Vec::new();
    let mut cursor = None;
    // Pages are read until enough are found, or the moment before which none is wanted.
    for _ in 0..20 {
        let page =
            services.cases(&filter, &PageRequest::new(Some(500), cursor)).await.map_err(Problem::from)?;
        for case in &page.cases {
            let in_time =
                from.is_none_or(|from| case.opened_at >= from) && to.is_none_or(|to| case.opened_at <= to);
            let told = request(services, &kinds, case);
            if in_time && (wanted.is_empty() || wanted.contains(&told.status)) {
                found.push(told);
            }
        }
        let is_past = page.cases.last().is_some_and(|case| from.is_some_and(|from| case.opened_at < from));
        found.truncate(MAX_REQUESTS as usize);
        cursor = page.next.as_deref().and_then(|next| next.parse().ok());
        if cursor.is_none() || is_past || found.len() >= MAX_REQUESTS as usize {
            break;
        }
    }
    Ok(found)
}

pub(super) async fn one_request(
    State(services): State<Services>,
    uri: Uri,
    Path(id): Path<String>,
) -> Response {
    let found = one(&services, &id).await;
    answer(Form::of(&uri), REQUESTS, found.map(|row| (StatusCode::OK, vec![row])))
}

async fn one(services: &Services, id: &str) -> Result<Request, GeoError> {
    let id = id.strip_suffix(".json").or_else(|| id.strip_suffix(".xml")).unwrap_or(id);
    let id = CaseId::new(id).map_err(|error| bad(error.to_string()))?;
    let view = services.case(&id).await.map_err(Problem::from)?;
    let view = view.ok_or_else(|| GeoError(StatusCode::NOT_FOUND, format!("there is no request {id}")))?;
    Ok(request(services, &names(services), &view.case))
}

/// A report as GeoReport has it; what a client sends beyond is left alone, as the format asks.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Post {
    service_code: String,
    lat: String,
    long: String,
    address_string: String,
    description: String,
    first_name: String,
    last_name: String,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Posted {
    service_request_id: CaseId,
    service_notice: &'static str,
    account_id: Option<String>,
}

pub(super) async fn post_request(
    State(services): State<Services>,
    actor: Actor,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let posted = posted(&services, &actor, &headers, &body).await;
    answer(Form::of(&uri), REQUESTS, posted.map(|row| (StatusCode::CREATED, vec![row])))
}

async fn posted(
    services: &Services,
    actor: &Actor,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Posted, GeoError> {
    let media = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !media.to_ascii_lowercase().starts_with("application/x-www-form-urlencoded") {
        let what = "send 'application/x-www-form-urlencoded'".to_owned();
        return Err(GeoError(StatusCode::UNSUPPORTED_MEDIA_TYPE, what));
    }
    let mut post = Post::default();
    for (name, value) in url::form_urlencoded::parse(body) {
        let field = match name.as_ref() {
            "service_code" => &mut post.service_code,
            "lat" => &mut post.lat,
            "long" => &mut post.long,
            "address_string" => &mut post.address_string,
            "description" => &mut post.description,
            "first_name" => &mut post.first_name,
            "last_name" => &mut post.last_name,
            _ => continue,
        };
        *field = value.into_owned();
    }
    if post.service_code.is_empty() {
        return Err(bad("service_code was not given"));
    }
    let degrees = |text: &str, what: &str| {
        text.trim().parse::<f64>().map_err(|_| bad(format!("{what} is no number of degrees")))
    };
    let position = match (post.long.is_empty(), post.lat.is_empty()) {
        (true, true) => None,
        _ => Some([degrees(&post.long, "long")?, degrees(&post.lat, "lat")?]),
    };
    let by = format!("{} {}", post.first_name, post.last_name).trim().to_owned();
    let report = Report {
        kind: EventKind::new(&post.service_code),
        source: Source::System,
        by: if by.is_empty() { "Open311".to_owned() } else { by },
        // Anybody may tell of something here, and none of them signs a trail with the name he gives.
        sent_by: match actor.way {
            Way::Open => None,
            Way::Nobody => Some("Open311".to_owned()),
            Way::Session { .. } | Way::Token { .. } => Some(actor.signature()),
        },
        description: post.description,
        position,
        area: Some(post.address_string).filter(|address| !address.is_empty()),
        photos: vec![],
    };
    let (case, joined) = services.report(report, vec![], |_, _| None).await.map_err(Problem::from)?;
    let notice = if joined { "it was known already and has joined an open case" } else { "it was taken in" };
    Ok(Posted { service_request_id: case.id, service_notice: notice, account_id: None })
}
