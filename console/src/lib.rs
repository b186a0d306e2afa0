//! The pages operators use, over the dispatcher's services.
//!
//! Design decision: pages are rendered on the server and hold no state. A script of forty lines listens to the
//! server's events and, when something has changed, fetches the page again and swaps its live part; so a page is
//! never fresher or staler than what the server would say, and every text in it has been escaped by the template.
#![forbid(unsafe_code)]

mod assets;
mod local_time;
mod orders;
mod pages;
mod problem;
mod rows;

use axum::Router;
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::{self, Next};
use axum::routing::{get, post};
use citybrain_dispatcher::Services;

/// Only what this server sent may run or be shown.
const CONTENT_SECURITY_POLICY: &str =
    "default-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// The console's pages and assets. The API's event stream and snapshots must be served on the same address.
pub fn router(services: Services) -> Router {
    Router::new()
        .route("/", get(pages::cases))
        .route("/cases/{id}", get(pages::case))
        .route("/cases/{id}/actions", post(orders::act))
        .route("/cameras", get(pages::cameras))
        .route("/deliveries", get(pages::deliveries))
        .route("/assets/{name}", get(assets::asset))
        .layer(middleware::from_fn(harden))
        .with_state(services)
}

async fn harden(request: axum::extract::Request, next: Next) -> axum::response::Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_SECURITY_POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(HeaderName::from_static("referrer-policy"), HeaderValue::from_static("same-origin"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}
