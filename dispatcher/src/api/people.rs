//! Who asks, users, tokens and the audit log as JSON.

use super::Problem;
use super::actions::json;
use crate::people::audit::{AuditRow, Head, Verdict};
use crate::people::{Actor, PeopleError, Permission, Permissions, Role, Token, User, Way};
use crate::services::Services;
use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use citybrain_types::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Most rows of the audit log in one answer.
const MAX_ROWS: u32 = 500;

/// Whoever asks.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Me {
    /// The name in trails; `open` where nobody signs in.
    name: String,
    /// How he came in: `session`, `token` or `open`.
    way: &'static str,
    /// What he may do.
    permissions: Vec<Permission>,
}

pub(super) async fn me(actor: Actor) -> Json<Me> {
    let way = match actor.way {
        Way::Session { .. } => "session",
        Way::Token { .. } => "token",
        Way::Open | Way::Nobody => "open",
    };
    Json(Me { name: actor.signature(), way, permissions: actor.permissions.iter().collect() })
}

/// Somebody of flesh and blood, or a problem: where nobody signs in there is nobody to have sessions and tokens.
fn somebody(actor: &Actor) -> Result<&str, Problem> {
    match actor.user.as_str() {
        "" => Err(Problem::new(StatusCode::CONFLICT, "nobody signs in here: there is no user to do it for")),
        user => Ok(user),
    }
}

pub(super) async fn sign_out_everywhere(
    State(services): State<Services>,
    actor: Actor,
) -> Result<StatusCode, Problem> {
    let people = services.people();
    let user = people.user(somebody(&actor)?).await?;
    people.sign_out_everywhere(&user).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A token, without its text.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct TokenView {
    id: String,
    name: String,
    scopes: Vec<Permission>,
    created_at: Timestamp,
    expires_at: Timestamp,
    /// To the minute.
    used_at: Option<Timestamp>,
}

impl From<Token> for TokenView {
    fn from(token: Token) -> Self {
        let Token { id, name, scopes, created_at, expires_at, used_at, .. } = token;
        Self { id, name, scopes: scopes.iter().collect(), created_at, expires_at, used_at }
    }
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Tokens {
    tokens: Vec<TokenView>,
}

pub(super) async fn tokens(State(services): State<Services>, actor: Actor) -> Result<Json<Tokens>, Problem> {
    let tokens = services.people().tokens(Some(somebody(&actor)?)).await?;
    Ok(Json(Tokens { tokens: tokens.into_iter().map(TokenView::from).collect() }))
}

/// A token to make.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenBody {
    /// What you call it, 1 to 40 characters.
    #[schemars(length(min = 1, max = 40))]
    name: String,
    /// What it may do; no more than you may.
    #[schemars(length(min = 1, max = 9))]
    scopes: Vec<Permission>,
    /// How long it is good for.
    #[schemars(range(min = 1, max = 3650))]
    days: u32,
}

/// A token that was made; its text is never shown again.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct MadeToken {
    #[serde(flatten)]
    token: TokenView,
    /// Send it as `Authorization: Bearer …`.
    text: String,
}

pub(super) async fn add_token(
    State(services): State<Services>,
    actor: Actor,
    headers: HeaderMap,
    body: Bytes,
) -> Result<(StatusCode, Json<MadeToken>), Problem> {
    somebody(&actor)?;
    let TokenBody { name, scopes, days } = json(&headers, &body)?;
    let scopes: Permissions = scopes.into_iter().collect();
    let made = services.people().add_token(&actor, &name, scopes, days).await?;
    Ok((StatusCode::CREATED, Json(MadeToken { token: made.token.into(), text: made.text })))
}

pub(super) async fn end_token(
    State(services): State<Services>,
    actor: Actor,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    somebody(&actor)?;
    services.people().end_token(&actor, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct UserList {
    users: Vec<User>,
}

pub(super) async fn users(State(services): State<Services>) -> Result<Json<UserList>, Problem> {
    Ok(Json(UserList { users: services.people().users().await? }))
}

/// A user to make.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UserBody {
    /// 1 to 40 letters, digits, `.`, `_` and `-`.
    #[schemars(length(min = 1, max = 40))]
    name: String,
    role: Role,
    /// At least 12 characters; one is made, and shown once, when none is given.
    #[serde(default)]
    #[schemars(length(min = 12, max = 256))]
    password: Option<String>,
}

/// A user that was made or changed.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct MadeUser {
    #[serde(flatten)]
    user: User,
    /// The password that was made, which is never shown again.
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<String>,
}

fn made(given: Option<String>) -> Result<(String, Option<String>), Problem> {
    match given {
        Some(given) => Ok((given, None)),
        None => {
            let made = crate::people::one_time_password().map_err(PeopleError::from)?;
            Ok((made.clone(), Some(made)))
        }
    }
}

pub(super) async fn add_user(
    State(services): State<Services>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<(StatusCode, Json<MadeUser>), Problem> {
    let UserBody { name, role, password } = json(&headers, &body)?;
    let (password, shown) = made(password)?;
    let user = services.people().add_user(&name, role, &password).await?;
    Ok((StatusCode::CREATED, Json(MadeUser { user, password: shown })))
}

/// What is changed of a user; what is not given stays.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UserChangeBody {
    #[serde(default)]
    role: Option<Role>,
    /// Whether he may not come in.
    #[serde(default)]
    disabled: Option<bool>,
    /// Make a new password, which is shown once.
    #[serde(default)]
    reset_password: bool,
}

pub(super) async fn change_user(
    State(services): State<Services>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<MadeUser>, Problem> {
    let UserChangeBody { role, disabled, reset_password } = json(&headers, &body)?;
    let shown = if reset_password { made(None)?.1 } else { None };
    let user = services.people().change_user(&id, role, disabled, shown.as_deref()).await?;
    Ok(Json(MadeUser { user, password: shown }))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AuditQuery {
    before: Option<u64>,
    limit: Option<u32>,
}

/// A page of the audit log.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct AuditPage {
    /// Newest first.
    rows: Vec<AuditRow>,
    /// The newest row of the whole log: note it elsewhere, and compare.
    head: Head,
    /// `before` of the next page.
    next: Option<u64>,
}

pub(super) async fn audit(
    State(services): State<Services>,
    query: Result<Query<AuditQuery>, QueryRejection>,
) -> Result<Json<AuditPage>, Problem> {
    let Query(query) = query?;
    let limit = query.limit.unwrap_or(100).clamp(1, MAX_ROWS);
    let people = services.people();
    let rows = people.audit(query.before, limit).await?;
    let next = rows.last().map(|row| row.seq).filter(|seq| *seq > 1);
    Ok(Json(AuditPage { rows, head: people.audit_head().await?, next }))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct VerifyQuery {
    expect: Option<String>,
}

pub(super) async fn verify_audit(
    State(services): State<Services>,
    query: Result<Query<VerifyQuery>, QueryRejection>,
) -> Result<Json<Verdict>, Problem> {
    let Query(query) = query?;
    let expected = query.expect.map(|text| text.parse::<Head>()).transpose().map_err(Problem::bad_request)?;
    Ok(Json(services.people().verify_audit(expected).await?))
}
