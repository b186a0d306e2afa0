//! Pages for what cannot be shown.

use crate::pages::{Frame, page};
use askama::Template;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use citybrain_dispatcher::Services;

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage {
    frame: Frame,
    title: &'static str,
    detail: String,
}

/// There is nothing of that name.
pub fn not_found(services: &Services, detail: String) -> Response {
    problem(services, StatusCode::NOT_FOUND, "Not found", detail)
}

/// The request cannot be understood.
pub fn bad_request(services: &Services, detail: String) -> Response {
    problem(services, StatusCode::BAD_REQUEST, "Not understood", detail)
}

/// What was asked for cannot be done with the case as it stands.
pub fn conflict(services: &Services, detail: String) -> Response {
    problem(services, StatusCode::CONFLICT, "Not done", detail)
}

/// The store did not answer; the reason goes to the log, not to the page.
pub fn unavailable(services: &Services, error: &dyn std::error::Error) -> Response {
    tracing::error!(%error, "a page could not be shown");
    let detail =
        "The case store does not answer. Cases are still being taken; try again in a moment.".to_owned();
    problem(services, StatusCode::SERVICE_UNAVAILABLE, "Not available", detail)
}

fn problem(services: &Services, status: StatusCode, title: &'static str, detail: String) -> Response {
    (status, page(&ProblemPage { frame: Frame::new(services, ""), title, detail })).into_response()
}
