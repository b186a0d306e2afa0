//! The HTTP API: `/api/v1`, the snapshots, and what a supervisor asks (`/healthz`, `/readyz`, `/metrics`).
//!
//! Errors are problem documents (RFC 9457). Binding a listener is the binary's business.

mod access;
mod actions;
mod appraisal;
mod cases;
mod events;
mod geo_form;
mod health;
mod open311;
mod openapi;
mod people;
mod policies;
mod precondition;
mod problem;
mod reports;
mod silences;
mod snapshots;
mod verdicts;

pub use actions::ActionBody;
pub use openapi::openapi;
pub use problem::Problem;
pub use reports::{ReportBody, Reported};

use crate::people::gate::{Gate, keep, refuse_as_problem};
use crate::services::Services;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware;
use axum::routing::{delete, get, patch, post};
use prometheus_client::registry::Registry;
use std::sync::Arc;
use std::time::Duration;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::timeout::TimeoutLayer;

/// Longest time a request may take to be answered; a stream of events is answered when it begins.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);

/// Largest report taken: eight photos from telephones, in base64.
const MAX_REPORT_BYTES: usize = 24 << 20;

/// Every route of the API. The router has no fallback at its root, so that the console's can be merged with it.
pub fn router(services: Services, registry: Arc<Registry>) -> Router {
    let gate = Gate { services: services.clone(), table: access::TABLE, refuse: refuse_as_problem };
    let max_body_bytes = services.city().dispatch.max_body_bytes;
    let reports = Router::new()
        .route("/api/v1/reports", post(reports::report))
        .method_not_allowed_fallback(problem::method_not_allowed)
        .layer(DefaultBodyLimit::disable())
        .layer(RequestBodyLimitLayer::new(MAX_REPORT_BYTES.max(max_body_bytes)));
    let open311 = Router::new()
        .route("/services.json", get(open311::services))
        .route("/services.xml", get(open311::services))
        .route("/requests.json", get(open311::requests).post(open311::post_request))
        .route("/requests.xml", get(open311::requests).post(open311::post_request))
        .route("/requests/{id}", get(open311::one_request))
        .fallback(problem::no_such_route)
        .method_not_allowed_fallback(problem::method_not_allowed);
    let api = Router::new()
        .route("/appraisal", get(appraisal::appraisal))
        .route("/cameras", get(cases::cameras))
        .route("/cases", get(cases::cases))
        .route("/cases/{id}", get(cases::case))
        .route("/cases/{id}/why", get(cases::why))
        .route("/cases/{id}/actions", post(actions::act))
        .route("/cases/{id}/cap", get(reports::cap_alert))
        .route("/deliveries", get(cases::deliveries))
        .route("/deliveries/{key}/replay", post(cases::replay))
        .route("/destinations/{id}/replay", post(cases::replay_all))
        .route("/kinds", get(cases::kinds))
        .route("/silences", get(silences::list).post(silences::make))
        .route("/silences/{id}", get(silences::read))
        .route("/silences/{id}/end", post(silences::end))
        .route("/policies", get(policies::list).post(policies::create))
        .route("/policies/{id}", get(policies::read).put(policies::edit))
        .route("/policies/{id}/actions", post(policies::act))
        .route("/policies/{id}/differences", get(policies::differences))
        .route("/policies/{id}/forecast", post(policies::forecast))
        .route("/what-if", post(policies::what_if))
        .route("/review", get(verdicts::queue))
        .route("/verdicts", post(verdicts::judge))
        .route("/verdicts/{item}", get(verdicts::history))
        .route("/calibrations", post(verdicts::calibrate))
        .route("/openapi.json", get(openapi::document))
        .route("/me", get(people::me))
        .route("/me/sessions", delete(people::sign_out_everywhere))
        .route("/me/tokens", get(people::tokens).post(people::add_token))
        .route("/me/tokens/{id}", delete(people::end_token))
        .route("/users", get(people::users).post(people::add_user))
        .route("/users/{id}", patch(people::change_user))
        .route("/audit", get(people::audit))
        .route("/audit/verify", get(people::verify_audit))
        .route("/events", get(events::events))
        .fallback(problem::no_such_route)
        .method_not_allowed_fallback(problem::method_not_allowed);
    Router::new()
        .nest("/api/v1", api)
        .nest("/open311/v2", open311)
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(move || health::metrics(Arc::clone(&registry))))
        .route("/snapshots/{*path}", get(snapshots::snapshot))
        .route("/pictures/{*path}", get(snapshots::linked))
        .route("/originals/{*path}", get(snapshots::original))
        .layer(RequestBodyLimitLayer::new(max_body_bytes))
        .merge(reports)
        .with_state(services)
        .layer(middleware::from_fn_with_state(gate, keep))
        .layer(middleware::map_response(problem::in_form))
        .layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, REQUEST_TIMEOUT))
        .layer(SetResponseHeaderLayer::if_not_present(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ))
        .layer(CatchPanicLayer::custom(problem::panicked))
}
