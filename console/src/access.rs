//! Who may ask for which page. A page that is not here is refused to everybody.

use crate::problem;
use crate::shell::Visitor;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use citybrain_dispatcher::Services;
use citybrain_dispatcher::people::Permission::{Act, Audit, Users, View};
use citybrain_dispatcher::people::gate::Who::{Anyone, May, SignedIn};
use citybrain_dispatcher::people::gate::{Refusal, Rule};
use url::form_urlencoded::byte_serialize;

/// The table. What an action on a case needs beyond is asked for where it is followed.
pub const TABLE: &[Rule] = &[
    ("GET", "/assets/{*name}", Anyone),
    ("POST", "/preferences", Anyone),
    ("GET", "/sign-in", Anyone),
    ("POST", "/sign-in", Anyone),
    ("GET", "/set-up", Anyone),
    ("POST", "/set-up", Anyone),
    ("POST", "/sign-out", SignedIn),
    ("GET", "/account", SignedIn),
    ("POST", "/account/password", SignedIn),
    ("POST", "/account/sessions", SignedIn),
    ("POST", "/account/tokens", SignedIn),
    ("POST", "/account/tokens/{id}/end", SignedIn),
    ("GET", "/users", May(Users)),
    ("POST", "/users", May(Users)),
    ("POST", "/users/{id}", May(Users)),
    ("GET", "/audit", May(Audit)),
    ("GET", "/", May(View)),
    ("GET", "/cases", May(View)),
    ("GET", "/cases/{id}", May(View)),
    ("POST", "/cases/{id}/actions", May(Act)),
    ("GET", "/cameras", May(View)),
    ("GET", "/deliveries", May(View)),
];

/// How the console refuses: whoever is not known is asked to sign in, and comes back to the page.
pub fn refuse(services: &Services, parts: &Parts, refusal: Refusal) -> Response {
    match refusal {
        Refusal::SignIn(next) => {
            let next = next
                .filter(|next| next != "/")
                .map(|next| format!("?next={}", byte_serialize(next.as_bytes()).collect::<String>()));
            let to = format!("/sign-in{}", next.unwrap_or_default());
            (StatusCode::SEE_OTHER, [(header::LOCATION, to)]).into_response()
        }
        Refusal::Forbidden(why) => problem::forbidden(services, &Visitor::of(parts), why),
        Refusal::Unavailable => problem::silent(services, &Visitor::of(parts)),
    }
}
