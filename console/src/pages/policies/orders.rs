//! What is done with a policy, sent by the forms of its page.

use super::{DAYS, shown, told};
use crate::orders::Entered;
use crate::pages::go_to;
use crate::problem::{bad_request, unavailable};
use crate::shell::Visitor;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use citybrain_dispatcher::Services;
use citybrain_dispatcher::people::Actor;
use citybrain_dispatcher::people::role::may_do;
use citybrain_dispatcher::policy::{OfficeError, PolicyAction};
use citybrain_dispatcher::verdict::{NewCalibration, VerdictError};
use std::collections::BTreeSet;

pub(super) async fn act(
    State(services): State<Services>,
    visitor: Visitor,
    actor: Actor,
    Path(id): Path<String>,
    body: Bytes,
) -> Response {
    let entered = Entered::read(&body);
    let action = entered.one("action").and_then(PolicyAction::from_name);
    let version = entered.one("version").and_then(|version| version.parse().ok());
    let (Some(action), Some(version)) = (action, version) else {
        return bad_request(&services, &visitor, visitor.language.t("policy.no_action").to_owned());
    };
    if let Err(forbidden) = may_do(&actor, action) {
        let page = shown(&services, &visitor, &id, Some(forbidden.to_string())).await;
        return (StatusCode::FORBIDDEN, page).into_response();
    }
    let by = match actor.by(entered.one("by")) {
        Ok(by) => by,
        Err(problem) => return bad_request(&services, &visitor, problem.detail().to_owned()),
    };
    let reason = entered.one("reason").unwrap_or_default();
    let confirmed = entered.one("confirm").is_some();
    match services.policies().act(&id, version, action, (&by, reason), confirmed).await {
        Ok(_) => go_to(&format!("/policies/{id}")),
        Err(error @ (OfficeError::Unknown(_) | OfficeError::Store(_))) => told(&services, &visitor, &error),
        Err(error) => {
            let status = match error {
                OfficeError::Stale { .. } => StatusCode::PRECONDITION_FAILED,
                OfficeError::Invalid(_) | OfficeError::Unfit(_) => StatusCode::UNPROCESSABLE_ENTITY,
                _ => StatusCode::CONFLICT,
            };
            (status, shown(&services, &visitor, &id, Some(error.to_string())).await).into_response()
        }
    }
}

pub(super) async fn forecast(
    State(services): State<Services>,
    visitor: Visitor,
    Path(id): Path<String>,
    body: Bytes,
) -> Response {
    let entered = Entered::read(&body);
    let days = entered.one("days").and_then(|days| days.parse().ok()).unwrap_or(DAYS);
    match services.policies().forecast(&id, days).await {
        Ok(_) => go_to(&format!("/policies/{id}#forecast")),
        Err(error) => told(&services, &visitor, &error),
    }
}

pub(super) async fn calibrate(
    State(services): State<Services>,
    visitor: Visitor,
    actor: Actor,
    body: Bytes,
) -> Response {
    let entered = Entered::read(&body);
    let by = match actor.by(entered.one("by")) {
        Ok(by) => by,
        Err(problem) => return bad_request(&services, &visitor, problem.detail().to_owned()),
    };
    let new = NewCalibration {
        kinds: BTreeSet::new(),
        method: None,
        by,
        reason: entered.one("reason").unwrap_or_default().to_owned(),
    };
    match services.reviewer().calibrate(new).await {
        Ok(made) => go_to(&format!("/policies/{}", made.draft.id)),
        Err(VerdictError::Office(error)) => told(&services, &visitor, &error),
        Err(VerdictError::Store(error)) => unavailable(&services, &visitor, &error),
        Err(error) => bad_request(&services, &visitor, error.to_string()),
    }
}
