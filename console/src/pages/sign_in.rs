//! Signing in and out, and the making of the first admin.

use super::people::refusal;
use super::{go_to, page};
use crate::problem::unavailable;
use crate::shell::{Frame, Visitor, is_own_path};
use askama::Template;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Form, Router};
use citybrain_dispatcher::Services;
use citybrain_dispatcher::people::gate::{outside_cookie, set_cookie, set_outside_cookie};
use citybrain_dispatcher::people::oidc::Answer;
use citybrain_dispatcher::people::password::MIN_CHARACTERS;
use citybrain_dispatcher::people::{Actor, PeopleError, User, Way};
use serde::Deserialize;
use url::form_urlencoded::byte_serialize;

/// Its routes.
pub fn routes() -> Router<Services> {
    Router::new()
        .route("/sign-in", get(ask).post(sign_in))
        .route("/sign-in/oidc", get(go_outside))
        .route("/sign-in/oidc/answer", get(come_back))
        .route("/sign-out", post(sign_out))
        .route("/set-up", get(ask_first).post(set_up))
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    frame: Frame,
    fault: Option<String>,
    name: String,
    next: String,
    /// What stands on the provider's button, and where it leads; `None` without a provider.
    outside: Option<Outside>,
    /// Only admins have passwords: the form is folded away.
    admins_only: bool,
}

struct Outside {
    label: String,
    to: String,
}

#[derive(Template)]
#[template(path = "set_up.html")]
struct SetUpPage {
    frame: Frame,
    fault: Option<String>,
    name: String,
    least: usize,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SignInForm {
    name: String,
    password: String,
    next: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SetUpForm {
    code: String,
    name: String,
    password: String,
}

fn to(path: &str) -> Response {
    go_to(if is_own_path(path) { path } else { "/" })
}

/// Where the visitor goes instead of to this page, if anywhere.
async fn elsewhere(services: &Services, visitor: &Visitor, actor: &Actor, first: bool) -> Option<Response> {
    if actor.way == Way::Open {
        return Some(to("/"));
    }
    match services.people().awaits_set_up().await {
        Ok(awaited) => (awaited != first).then(|| to(if awaited { "/set-up" } else { "/sign-in" })),
        Err(error) => Some(unavailable(services, visitor, &error)),
    }
}

async fn ask(
    State(services): State<Services>,
    visitor: Visitor,
    actor: Actor,
    Query(form): Query<SignInForm>,
) -> Response {
    match elsewhere(&services, &visitor, &actor, false).await {
        Some(elsewhere) => elsewhere,
        None => show(&services, &visitor, SignInForm { next: form.next, ..SignInForm::default() }, None),
    }
}

fn show(services: &Services, visitor: &Visitor, form: SignInForm, fault: Option<String>) -> Response {
    let frame = Frame::new(services, visitor, "");
    let rules = &services.city().people;
    let outside = rules.oidc.as_ref().map(|oidc| Outside {
        label: oidc.label.clone(),
        to: match is_own_path(&form.next) {
            true => {
                format!("/sign-in/oidc?next={}", byte_serialize(form.next.as_bytes()).collect::<String>())
            }
            false => "/sign-in/oidc".to_owned(),
        },
    });
    let admins_only = rules.passwords.are_for_admins_only();
    page(&SignInPage { frame, fault, name: form.name, next: form.next, outside, admins_only })
}

/// Sends the browser to the provider.
async fn go_outside(
    State(services): State<Services>,
    visitor: Visitor,
    actor: Actor,
    Query(form): Query<SignInForm>,
) -> Response {
    if let Some(elsewhere) = elsewhere(&services, &visitor, &actor, false).await {
        return elsewhere;
    }
    let next = if is_own_path(&form.next) { form.next.as_str() } else { "/" };
    let city = services.city();
    match services.people().begin_outside(&city, next).await {
        Ok(begun) => {
            let mut response = go_to(begun.to.as_str());
            response.headers_mut().append(header::SET_COOKIE, set_outside_cookie(&city, &begun.cookie));
            response
        }
        Err(error) => not_in(&services, &visitor, form, error),
    }
}

/// Takes what the browser brings back from the provider.
async fn come_back(
    State(services): State<Services>,
    visitor: Visitor,
    actor: Actor,
    headers: HeaderMap,
    Query(answer): Query<Answer>,
) -> Response {
    if let Some(elsewhere) = elsewhere(&services, &visitor, &actor, false).await {
        return elsewhere;
    }
    let city = services.city();
    let round = outside_cookie(&headers, &city);
    let people = services.people();
    let came = people.sign_in_outside(&city, round, &answer, &actor.address, agent(&headers)).await;
    let mut response = match came {
        Ok(came) => signed_in(&services, &came.session, &came.next),
        Err(error) => not_in(&services, &visitor, SignInForm::default(), error),
    };
    // A round ends once.
    response.headers_mut().append(header::SET_COOKIE, set_outside_cookie(&city, ""));
    response
}

/// The page to sign in on again, with why nobody came in.
fn not_in(services: &Services, visitor: &Visitor, form: SignInForm, error: PeopleError) -> Response {
    match refusal(visitor.language, &error) {
        Some((status, words)) => {
            let mut response = (status, show(services, visitor, form, Some(words))).into_response();
            if let PeopleError::Wait(wait) = error {
                let secs = HeaderValue::from(wait.as_secs().max(1));
                response.headers_mut().insert(header::RETRY_AFTER, secs);
            }
            response
        }
        None => unavailable(services, visitor, &error),
    }
}

fn agent(headers: &HeaderMap) -> &str {
    headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn signed_in(services: &Services, id: &str, next: &str) -> Response {
    let mut response = to(next);
    response.headers_mut().append(header::SET_COOKIE, set_cookie(&services.city(), id));
    response
}

async fn sign_in(
    State(services): State<Services>,
    visitor: Visitor,
    actor: Actor,
    headers: HeaderMap,
    Form(form): Form<SignInForm>,
) -> Response {
    if actor.way == Way::Open {
        return to("/");
    }
    let city = services.city();
    let agent = agent(&headers);
    let came =
        services.people().sign_in(&city.people, &form.name, &form.password, &actor.address, agent).await;
    match came {
        Ok((id, _)) => signed_in(&services, &id, &form.next),
        Err(error) => not_in(&services, &visitor, form, error),
    }
}

async fn sign_out(State(services): State<Services>, visitor: Visitor, actor: Actor) -> Response {
    match services.people().sign_out(&actor).await {
        Ok(()) => signed_in(&services, "", "/sign-in"),
        Err(error) => unavailable(&services, &visitor, &error),
    }
}

async fn ask_first(State(services): State<Services>, visitor: Visitor, actor: Actor) -> Response {
    match elsewhere(&services, &visitor, &actor, true).await {
        Some(elsewhere) => elsewhere,
        None => show_first(&services, &visitor, String::new(), None),
    }
}

fn show_first(services: &Services, visitor: &Visitor, name: String, fault: Option<String>) -> Response {
    page(&SetUpPage { frame: Frame::new(services, visitor, ""), fault, name, least: MIN_CHARACTERS })
}

async fn set_up(
    State(services): State<Services>,
    visitor: Visitor,
    actor: Actor,
    headers: HeaderMap,
    Form(form): Form<SetUpForm>,
) -> Response {
    match first(&services, &actor, agent(&headers), &form).await {
        Ok(id) => signed_in(&services, &id, "/"),
        Err(error) => match refusal(visitor.language, &error) {
            Some((status, words)) => {
                (status, show_first(&services, &visitor, form.name, Some(words))).into_response()
            }
            None => unavailable(&services, &visitor, &error),
        },
    }
}

async fn first(
    services: &Services,
    actor: &Actor,
    agent: &str,
    form: &SetUpForm,
) -> Result<String, PeopleError> {
    let people = services.people();
    let admin: User = people.set_up(&form.code, form.name.trim(), &form.password, &actor.address).await?;
    people.begin_session(&services.city().people, &admin, &actor.address, agent).await
}
