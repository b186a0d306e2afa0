//! Pages for what cannot be shown.

use crate::pages::page;
use crate::shell::{Frame, Visitor};
use askama::Template;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use citybrain_dispatcher::Services;

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage {
    frame: Frame,
    title: String,
    detail: String,
}

/// There is nothing of that name.
pub fn not_found(services: &Services, visitor: &Visitor, detail: String) -> Response {
    problem(services, visitor, StatusCode::NOT_FOUND, visitor.language.t("shell.not_found"), detail)
}

/// The request cannot be understood.
pub fn bad_request(services: &Services, visitor: &Visitor, detail: String) -> Response {
    problem(services, visitor, StatusCode::BAD_REQUEST, visitor.language.t("shell.bad_request"), detail)
}

/// What was asked for cannot be done as things stand.
pub fn conflict(services: &Services, visitor: &Visitor, detail: String) -> Response {
    problem(services, visitor, StatusCode::CONFLICT, visitor.language.t("shell.not_done"), detail)
}

/// Whoever asks may not.
pub fn forbidden(services: &Services, visitor: &Visitor, detail: String) -> Response {
    problem(services, visitor, StatusCode::FORBIDDEN, visitor.language.t("shell.forbidden"), detail)
}

/// The store did not answer, which was logged.
pub fn silent(services: &Services, visitor: &Visitor) -> Response {
    let detail = visitor.language.t("shell.store_silent").to_owned();
    let title = visitor.language.t("shell.unavailable");
    problem(services, visitor, StatusCode::SERVICE_UNAVAILABLE, title, detail)
}

/// The store did not answer; the reason goes to the log, not to the page.
pub fn unavailable(services: &Services, visitor: &Visitor, error: &dyn std::error::Error) -> Response {
    tracing::error!(%error, "a page could not be shown");
    silent(services, visitor)
}

fn problem(
    services: &Services,
    visitor: &Visitor,
    status: StatusCode,
    title: &str,
    detail: String,
) -> Response {
    let frame = Frame::new(services, visitor, "");
    (status, page(&ProblemPage { frame, title: title.to_owned(), detail })).into_response()
}
