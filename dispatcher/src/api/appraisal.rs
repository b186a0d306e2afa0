//! `GET /api/v1/appraisal`: how departments did, as JSON, HTML or CSV.

use super::Problem;
use crate::appraisal::{Period, PeriodKind, csv, html};
use crate::services::Services;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Deserialize;

/// In which form.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Form {
    /// For programs.
    #[default]
    Json,
    /// For people.
    Html,
    /// For a spreadsheet.
    Csv,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AppraisalQuery {
    period: Option<PeriodKind>,
    day: Option<String>,
    #[serde(default)]
    format: Form,
}

pub(super) async fn appraisal(
    State(services): State<Services>,
    query: Result<Query<AppraisalQuery>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(query) = query?;
    let site = services.site();
    let kind = query.period.unwrap_or(PeriodKind::Week);
    let period = match &query.day {
        Some(day) => Period::of_day(kind, day, &site.time_zone),
        None => Period::containing(kind, services.now(), &site.time_zone),
    };
    let period = period.map_err(|error| Problem::bad_request(error.to_string()))?;
    let found = services.appraisal(&period).await?;
    let text = |media: &'static str, body: String| {
        ([(header::CONTENT_TYPE, HeaderValue::from_static(media))], body).into_response()
    };
    Ok(match query.format {
        Form::Json => axum::Json(found).into_response(),
        Form::Html => text("text/html; charset=utf-8", html(&found, &site.name)),
        Form::Csv => text("text/csv; charset=utf-8", csv(&found)),
    })
}
