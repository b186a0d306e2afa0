//! What a supervisor and a scraper ask.

use super::Problem;
use crate::services::{Readiness, Services};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use prometheus_client::registry::Registry;
use std::sync::Arc;

/// Media type of the text form.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The process is alive and its store answers: what restarting could mend.
pub(super) async fn healthz(State(services): State<Services>) -> Result<&'static str, Problem> {
    if services.readiness().await.store {
        return Ok("ok\n");
    }
    Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the case store does not answer"))
}

/// The dispatcher does its work, or which part of it does not.
pub(super) async fn readyz(State(services): State<Services>) -> (StatusCode, Json<Readiness>) {
    let readiness = services.readiness().await;
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness))
}

pub(super) async fn metrics(registry: Arc<Registry>) -> Response {
    let mut text = String::new();
    if prometheus_client::encoding::text::encode(&mut text, &registry).is_err() {
        return Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be written")
            .into_response();
    }
    ([(header::CONTENT_TYPE, HeaderValue::from_static(OPEN_METRICS))], text).into_response()
}
