//! The pages operators use, over the dispatcher's services.
//!
//! Design decision: pages are rendered on the server and hold no state. A small script listens to the server's events
//! and, when something has changed, fetches the page again and swaps its live parts; so a page is never fresher or
//! staler than what the server would say, and every text in it has been escaped by the template.
//!
//! To add a page:
//! 1. `pages/x.rs` with `pub fn routes() -> Router<Services>`, merged below; handlers take [`shell::Visitor`].
//! 2. `templates/x.html` extends `base.html` and holds `frame: Frame`; set its section to `built` in `shell.rs`.
//! 3. Words go to `i18n/{en,zh}/x.toml` (a line in `i18n.rs`) and come by `frame.t("x.key")`: a test checks every key.
//! 4. `<div id="…" data-live="case camera">` is swapped when such an event comes; forms stand outside of it, post, and
//!    `{% include "csrf.html" %}`; a script of its own is an `assets/x.js` (a line in `assets.rs`), as a module in block `head`,
//!    importing `onEvent`/`onSwap` from `/assets/live.js`; no inline script or style: the policy below forbids both.
//! 5. `access.rs` says who may ask for it: a route without a line there is refused to everybody.
//! 6. What others wrote goes to `assets/vendor` with a line in its `manifest.toml`; a test checks checksums and licences.
#![forbid(unsafe_code)]

mod access;
mod actions;
mod assets;
mod i18n;
mod local_time;
mod metrics;
mod orders;
mod pages;
mod pictures;
mod problem;
mod rows;
mod shell;

pub use access::TABLE as ACCESS;
pub use shell::Account;

use axum::Router;
use axum::extract::{Extension, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use citybrain_dispatcher::Services;
use citybrain_dispatcher::people::gate::{Gate, keep};
use citybrain_types::Configurator;
use std::sync::Arc;

/// Only what this server sent may run or be shown. `data:` and `blob:` pictures are what the map draws its signs with.
const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; \
     base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
/// The one page that may ask the server of the map's tiles, where the configuration names one, for pictures.
const MAP: &str = "/map";

/// What the program around the console lends to its pages.
#[derive(Clone)]
pub struct House {
    /// Writes the metrics down, as `/metrics` shows them.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
    /// Changes the configuration; `None` where it was not read from a file.
    pub configurator: Option<Arc<dyn Configurator>>,
}

/// The console's pages and assets. The API's event stream and snapshots must be served on the same address.
pub fn router(services: Services, house: House) -> Router {
    let gate = Gate { services: services.clone(), table: access::TABLE, refuse: access::refuse };
    Router::new()
        .merge(pages::alarms::routes())
        .merge(pages::cases::routes())
        .merge(pages::case::routes())
        .merge(pages::map::routes())
        .merge(pages::cameras::routes())
        .merge(pages::deliveries::routes())
        .merge(pages::review::routes())
        .merge(pages::policies::routes())
        .merge(pages::tuner::routes())
        .merge(pages::reports::routes())
        .merge(pages::system::routes())
        .merge(pages::sign_in::routes())
        .merge(pages::account::routes())
        .merge(pages::users::routes())
        .merge(pages::audit::routes())
        .route("/preferences", post(shell::prefer))
        .route("/assets/{*name}", get(assets::asset))
        .layer(Extension(house))
        .layer(middleware::from_fn_with_state(gate, keep))
        .layer(middleware::from_fn_with_state(map_policy(&services), harden))
        .with_state(services)
}

/// The policy of the map's page: as everywhere, and pictures from where its tiles are.
fn map_policy(services: &Services) -> HeaderValue {
    let everywhere = HeaderValue::from_static(CONTENT_SECURITY_POLICY);
    let Some(tiles) = services.city().console.tiles.clone() else { return everywhere };
    let with = |directive: &str| format!("{directive} 'self' {}", tiles.origin);
    let policy = CONTENT_SECURITY_POLICY.replace("img-src 'self'", &with("img-src"));
    HeaderValue::from_str(&format!("{policy}; {}", with("connect-src"))).unwrap_or(everywhere)
}

async fn harden(State(map_policy): State<HeaderValue>, request: Request, next: Next) -> Response {
    let policy = match request.uri().path() {
        MAP => map_policy,
        _ => HeaderValue::from_static(CONTENT_SECURITY_POLICY),
    };
    // A page of another site must not act with the visitor's browser.
    let mut response = if request.method().is_safe() || is_from_here(request.headers()) {
        next.run(request).await
    } else {
        (StatusCode::FORBIDDEN, "a page of another site may not change anything here").into_response()
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(HeaderName::from_static("referrer-policy"), HeaderValue::from_static("same-origin"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Whether a request that changes something comes from a page of this server, or from no page at all. Browsers name
/// the origin of every form they send; those that know `Sec-Fetch-Site` send it over secure connections only.
fn is_from_here(headers: &HeaderMap) -> bool {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let site = text(HeaderName::from_static("sec-fetch-site"));
    let origin = text(header::ORIGIN).map(|origin| origin.split_once("://").map_or(origin, |(_, host)| host));
    let same_host = match (origin, text(header::HOST)) {
        (Some(origin), Some(host)) => origin.eq_ignore_ascii_case(host),
        (Some(_), None) => false,
        (None, _) => true,
    };
    // Behind a proxy that changes the host, a browser's own word counts.
    match site {
        Some("same-origin" | "none") => true,
        Some(_) => false,
        None => same_host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(pairs: &[(&'static str, &'static str)]) -> bool {
        let pairs = pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        is_from_here(&pairs.collect())
    }

    #[test]
    fn a_page_of_another_site_changes_nothing() {
        assert!(from(&[("host", "city:8080")]));
        assert!(from(&[("host", "city:8080"), ("origin", "http://city:8080")]));
        assert!(from(&[("host", "inner"), ("origin", "https://city"), ("sec-fetch-site", "same-origin")]));
        assert!(!from(&[("host", "city:8080"), ("origin", "http://evil.example")]));
        assert!(!from(&[("host", "city:8080"), ("origin", "null")]));
        assert!(!from(&[("host", "city"), ("origin", "http://city"), ("sec-fetch-site", "cross-site")]));
    }
}
