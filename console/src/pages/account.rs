//! One's own account: what one may do, password, sessions, tokens.

use super::page;
use super::people::{permission_name, refusal, role_name};
use crate::local_time::LocalTime;
use crate::orders::Entered;
use crate::problem::unavailable;
use crate::shell::{Frame, Visitor};
use askama::Template;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use citybrain_dispatcher::Services;
use citybrain_dispatcher::people::gate::set_cookie;
use citybrain_dispatcher::people::password::MIN_CHARACTERS;
use citybrain_dispatcher::people::{Actor, PeopleError, Permission, Permissions, Way};

/// Its routes.
pub fn routes() -> Router<Services> {
    Router::new()
        .route("/account", get(account))
        .route("/account/password", post(password))
        .route("/account/sessions", post(sign_out_everywhere))
        .route("/account/tokens", post(add_token))
        .route("/account/tokens/{id}/end", post(end_token))
}

/// What a person reads of a session.
struct SessionRow {
    here: bool,
    address: String,
    agent: String,
    since: String,
    seen: String,
}

/// What a person reads of a token.
struct TokenRow {
    id: String,
    name: String,
    scopes: String,
    until: String,
    used: String,
}

struct Scope {
    code: &'static str,
    name: String,
}

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage {
    frame: Frame,
    open: bool,
    /// The user signs in by the provider.
    outside: bool,
    name: String,
    role: String,
    scopes: Vec<Scope>,
    sessions: Vec<SessionRow>,
    tokens: Vec<TokenRow>,
    fault: Option<String>,
    done: Option<String>,
    made: Option<String>,
    least: usize,
}

/// What is said above the page.
#[derive(Default)]
struct Said {
    fault: Option<String>,
    done: Option<String>,
    made: Option<String>,
}

async fn account(State(services): State<Services>, visitor: Visitor, actor: Actor) -> Response {
    show(&services, &visitor, &actor, Said::default()).await
}

async fn show(services: &Services, visitor: &Visitor, actor: &Actor, said: Said) -> Response {
    match shown(services, visitor, actor, said).await {
        Ok(account) => page(&account),
        Err(error) => unavailable(services, visitor, &error),
    }
}

async fn shown(
    services: &Services,
    visitor: &Visitor,
    actor: &Actor,
    said: Said,
) -> Result<AccountPage, PeopleError> {
    let people = services.people();
    let time = LocalTime::of(&services.site().time_zone);
    let open = actor.user.is_empty();
    let (sessions, tokens) = if open {
        (vec![], vec![])
    } else {
        (people.sessions(&actor.user).await?, people.tokens(Some(&actor.user)).await?)
    };
    let here = match &actor.way {
        Way::Session { id_hash, .. } => id_hash.as_str(),
        _ => "",
    };
    let names = |set: Permissions| {
        set.iter().map(|one| permission_name(visitor.language, one)).collect::<Vec<_>>().join(", ")
    };
    let sessions = sessions.into_iter().map(|session| SessionRow {
        here: session.id_hash == here,
        since: time.show(session.created_at),
        seen: time.show(session.seen_at),
        address: session.address,
        agent: session.agent,
    });
    let tokens = tokens.into_iter().map(|token| TokenRow {
        scopes: names(token.scopes),
        until: time.show(token.expires_at),
        used: time.show_or_dash(token.used_at),
        id: token.id,
        name: token.name,
    });
    let scope = |one: Permission| Scope { code: one.name(), name: permission_name(visitor.language, one) };
    Ok(AccountPage {
        frame: Frame::new(services, visitor, "account"),
        open,
        outside: !open && people.user(&actor.user).await?.outside,
        name: actor.name.clone(),
        role: actor.role.map(|role| role_name(visitor.language, role)).unwrap_or_default(),
        scopes: actor.permissions.iter().map(scope).collect(),
        sessions: sessions.collect(),
        tokens: tokens.collect(),
        fault: said.fault,
        done: said.done,
        made: said.made,
        least: MIN_CHARACTERS,
    })
}

/// The page again, with why something was not done.
async fn refused(services: &Services, visitor: &Visitor, actor: &Actor, error: PeopleError) -> Response {
    match refusal(visitor.language, &error) {
        Some((status, words)) => {
            let said = Said { fault: Some(words), ..Said::default() };
            (status, show(services, visitor, actor, said).await).into_response()
        }
        None => unavailable(services, visitor, &error),
    }
}

async fn password(State(services): State<Services>, visitor: Visitor, actor: Actor, body: Bytes) -> Response {
    let entered = Entered::read(&body);
    let (old, new) = (entered.raw("old").unwrap_or_default(), entered.raw("new").unwrap_or_default());
    match services.people().change_own_password(&actor.user, old, new, &actor.address).await {
        Ok(()) => signed_out(&services),
        Err(error) => refused(&services, &visitor, &actor, error).await,
    }
}

/// Every session is over, this one among them.
fn signed_out(services: &Services) -> Response {
    let cookie = set_cookie(&services.city(), "");
    let headers =
        [(header::LOCATION, axum::http::HeaderValue::from_static("/sign-in")), (header::SET_COOKIE, cookie)];
    (StatusCode::SEE_OTHER, headers).into_response()
}

async fn sign_out_everywhere(State(services): State<Services>, visitor: Visitor, actor: Actor) -> Response {
    let people = services.people();
    let ended = match people.user(&actor.user).await {
        Ok(user) => people.sign_out_everywhere(&user).await,
        Err(error) => Err(error),
    };
    match ended {
        Ok(_) => signed_out(&services),
        Err(error) => refused(&services, &visitor, &actor, error).await,
    }
}

async fn add_token(
    State(services): State<Services>,
    visitor: Visitor,
    actor: Actor,
    body: Bytes,
) -> Response {
    let entered = Entered::read(&body);
    let scopes: Permissions = entered.all("scope").filter_map(Permission::from_name).collect();
    let days = entered.one("days").and_then(|days| days.parse().ok()).unwrap_or(0);
    let name = entered.one("name").unwrap_or_default();
    match services.people().add_token(&actor, name, scopes, days).await {
        Ok(made) => {
            let said = Said { made: Some(made.text), ..Said::default() };
            (StatusCode::CREATED, show(&services, &visitor, &actor, said).await).into_response()
        }
        Err(error) => refused(&services, &visitor, &actor, error).await,
    }
}

async fn end_token(
    State(services): State<Services>,
    visitor: Visitor,
    actor: Actor,
    Path(id): Path<String>,
) -> Response {
    match services.people().end_token(&actor, &id).await {
        Ok(()) => {
            let done = Some(visitor.language.t("people.token_ended").to_owned());
            show(&services, &visitor, &actor, Said { done, ..Said::default() }).await
        }
        Err(error) => refused(&services, &visitor, &actor, error).await,
    }
}
