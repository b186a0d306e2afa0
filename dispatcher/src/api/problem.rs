//! Errors as problem documents: <https://www.rfc-editor.org/rfc/rfc9457>.

use crate::store::{BadCursor, StoreError};
use crate::verdict::Judgement;
use axum::extract::rejection::QueryRejection;
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use citybrain_ingest_config::policy::PolicyProblem;
use citybrain_types::{CaseAction, IdError};
use schemars::JsonSchema;
use serde::Serialize;
use std::any::Any;

const PROBLEM: &str = "application/problem+json";

/// An error in the form of RFC 9457, `application/problem+json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Problem {
    /// `about:blank`: the status says what kind of problem it is.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The status in words.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What is wrong, and what to do about it.
    detail: String,
    /// What a case allows instead of what was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed: Option<Vec<CaseAction>>,
    /// Every mistake of a policy that does not fit.
    #[serde(skip_serializing_if = "Option::is_none")]
    problems: Option<Vec<PolicyProblem>>,
    /// The verdict that somebody else has given in the meantime.
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<Box<Judgement>>,
}

impl Problem {
    /// A problem of that status.
    #[must_use]
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Unknown"),
            status: status.as_u16(),
            detail: detail.into(),
            allowed: None,
            problems: None,
            verdict: None,
        }
    }

    /// The HTTP status as a number.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// The HTTP status.
    #[must_use]
    pub fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// What is wrong.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The same with what a case allows.
    #[must_use]
    pub fn with_allowed(self, allowed: Vec<CaseAction>) -> Self {
        Self { allowed: Some(allowed), ..self }
    }

    /// The same with every mistake of a policy.
    #[must_use]
    pub fn with_problems(self, problems: Vec<PolicyProblem>) -> Self {
        Self { problems: Some(problems), ..self }
    }

    /// The same with the verdict that somebody else has given.
    #[must_use]
    pub fn with_verdict(self, verdict: Judgement) -> Self {
        Self { verdict: Some(Box::new(verdict)), ..self }
    }

    /// The request is understood and cannot be followed.
    #[must_use]
    pub fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
    }

    /// Something that was asked for is not there.
    #[must_use]
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// The request cannot be understood.
    #[must_use]
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status_code();
        let body = serde_json::to_vec(&self).unwrap_or_default();
        (status, [(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM))], body).into_response()
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        if matches!(error, StoreError::Conflict(_) | StoreError::KeyInUse) {
            return Self::new(StatusCode::CONFLICT, error.to_string());
        }
        // The log has the cause; a stranger needs none of its paths.
        tracing::error!(reason = error.name(), %error, "a request found the case store failing");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "the case store does not answer; try again")
    }
}

impl From<BadCursor> for Problem {
    fn from(error: BadCursor) -> Self {
        Self::bad_request(error.to_string())
    }
}

impl From<IdError> for Problem {
    fn from(error: IdError) -> Self {
        Self::bad_request(error.to_string())
    }
}

impl From<QueryRejection> for Problem {
    fn from(error: QueryRejection) -> Self {
        Self::bad_request(error.body_text())
    }
}

pub(super) async fn no_such_route(uri: Uri) -> Problem {
    Problem::not_found(format!("there is nothing at {}", uri.path()))
}

pub(super) async fn method_not_allowed(method: Method, uri: Uri) -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, format!("{} does not take {method}", uri.path()))
}

/// Gives what a layer refused in plain words the form of every other refusal.
pub(super) async fn in_form(response: Response) -> Response {
    let status = response.status();
    if status != StatusCode::PAYLOAD_TOO_LARGE || is_problem(&response) {
        return response;
    }
    Problem::new(status, "the body is larger than this address takes").into_response()
}

fn is_problem(response: &Response) -> bool {
    response.headers().get(header::CONTENT_TYPE).is_some_and(|media| media == PROBLEM)
}

pub(super) fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "this program has failed; the log says how")
        .into_response()
}
