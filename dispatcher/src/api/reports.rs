//! `POST /api/v1/reports`: what people and other systems tell, with photos. And a confirmed fire as a CAP alert.

use super::Problem;
use super::actions::json;
use super::precondition::Once;
use crate::cap;
use crate::case::OrderError;
use crate::case::report::{MAX_PHOTOS, Report};
use crate::people::{Actor, Way};
use crate::photo;
use crate::services::Services;
use crate::store::StoreError;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use citybrain_types::{Case, CaseId, EventKind, Source};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Longest kind and area, in bytes.
const MAX_NAME: usize = 200;

/// A report as it is sent.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportBody {
    /// Code of a kind in the catalogue.
    pub kind: String,
    /// Who or what tells: `hotline`, `grid_worker`, `resident`, `sensor` or `system`.
    pub source: Source,
    /// By what name, 1 to 100 characters in one line.
    #[schemars(length(min = 1, max = 100))]
    pub by: String,
    /// In words, at most 2,000 characters.
    #[serde(default)]
    #[schemars(length(max = 2_000))]
    pub description: String,
    /// Longitude and latitude in degrees (WGS 84).
    #[serde(default)]
    pub position: Option<[f64; 2]>,
    /// Area, where there is no position.
    #[serde(default)]
    pub area: Option<String>,
    /// JPEG files in base64, at most 8, each at most 6 MiB.
    #[serde(default)]
    #[schemars(length(max = 8))]
    pub photos: Vec<String>,
}

/// What came of a report.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Reported {
    /// The case it opened or joined.
    pub case: Case,
    /// It joined a case that was open.
    pub joined: bool,
}

impl ReportBody {
    /// The report, and its photos cleaned.
    fn into_report(self) -> Result<(Report, Vec<Vec<u8>>), Problem> {
        if self.photos.len() > MAX_PHOTOS {
            return Err(Problem::invalid(format!("at most {MAX_PHOTOS} photos are taken")));
        }
        if self.kind.len() > MAX_NAME || self.area.as_ref().is_some_and(|area| area.len() > MAX_NAME) {
            return Err(Problem::invalid(format!("'kind' or 'area' is longer than {MAX_NAME} bytes")));
        }
        let decode = |text: &String| {
            let bytes =
                STANDARD.decode(text.trim()).map_err(|_| Problem::invalid("a photo is not base64"))?;
            photo::cleaned(&bytes).map_err(|error| Problem::invalid(error.to_string()))
        };
        let photos = self.photos.iter().map(decode).collect::<Result<_, _>>()?;
        let report = Report {
            kind: EventKind::new(self.kind),
            source: self.source,
            by: self.by,
            sent_by: None,
            description: self.description,
            position: self.position,
            area: self.area,
            photos: vec![],
        };
        Ok((report, photos))
    }
}

pub(super) async fn report(
    State(services): State<Services>,
    actor: Actor,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let once = Once::of(&headers, "reports", &body)?;
    if let Some(once) = &once
        && let Some(before) = once.before(&services).await?
    {
        return Ok(before);
    }
    let (report, photos) = json::<ReportBody>(&headers, &body)?.into_report()?;
    let sent_by = (actor.way != Way::Open).then(|| actor.signature());
    let report = Report { sent_by, ..report };
    let now = services.now();
    let keep = |case: &Case, joined: bool| {
        let once = once.as_ref()?;
        let body = serde_json::to_string(&Reported { case: case.clone(), joined }).ok()?;
        Some(once.answer(status(joined), body, now))
    };
    match services.report(report, photos, keep).await {
        Ok((case, joined)) => Ok(answer(&Reported { case, joined })),
        Err(OrderError::Store(StoreError::KeyInUse)) => {
            let before = match &once {
                Some(once) => once.before(&services).await?,
                None => None,
            };
            before.ok_or_else(|| StoreError::KeyInUse.into())
        }
        Err(error) => Err(error.into()),
    }
}

const fn status(joined: bool) -> StatusCode {
    if joined { StatusCode::OK } else { StatusCode::CREATED }
}

fn answer(reported: &Reported) -> Response {
    let place = HeaderValue::from_str(&format!("/api/v1/cases/{}", reported.case.id));
    let place = place.unwrap_or(HeaderValue::from_static("/api/v1/cases"));
    (status(reported.joined), [(header::LOCATION, place)], axum::Json(reported)).into_response()
}

/// `GET /api/v1/cases/{id}/cap`.
pub(super) async fn cap_alert(
    State(services): State<Services>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let id = CaseId::new(&id)?;
    let view =
        services.case(&id).await?.ok_or_else(|| Problem::not_found(format!("there is no case {id}")))?;
    if !cap::is_confirmed_fire(&view.case) {
        return Err(Problem::not_found("there are alerts of confirmed fires only"));
    }
    // The moment of the first is that of the opening; what has changed since is an update of it.
    let first = view.case.updated_at == view.case.opened_at;
    let link = services.link(&id);
    let alert = cap::alert(&view.case, &services.source(), first, &link, None);
    Ok(([(header::CONTENT_TYPE, HeaderValue::from_static(cap::CONTENT_TYPE))], alert).into_response())
}
