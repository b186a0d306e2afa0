//! The gate: who asks, whether he may, and what is written down of it.
//!
//! One table says for every route who may ask it. A route that is not in the table is refused to everybody, so that a new one
//! is decided on and not forgotten.

use super::PeopleError;
use super::actor::{Actor, VISIT, Visit, Way};
use super::audit::Entry;
use super::metrics::Turned;
use super::role::Permission;
use crate::api::Problem;
use crate::services::Services;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use citybrain_ingest_config::City;
use citybrain_ingest_config::resolved::SignIn;
use std::net::{IpAddr, SocketAddr};

/// Name of the session's cookie, in clear and behind TLS. With the prefix a browser takes it over TLS only, and for this
/// host only.
const COOKIES: [&str; 2] = ["citybrain_session", "__Host-citybrain_session"];
/// The header by which scripts send what forms carry in a field.
pub const CSRF_HEADER: &str = "x-csrf-token";
/// The same for the cookie of a round to the provider.
const OUTSIDE_COOKIES: [&str; 2] = ["citybrain_outside", "__Host-citybrain_outside"];
/// The field in which forms carry it.
pub const CSRF_FIELD: &str = "csrf";
/// Largest form that is looked into.
const MAX_FORM_BYTES: usize = 1 << 20;
/// Longest address to come back to after signing in.
const MAX_NEXT: usize = 500;

/// Who may ask a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// Anyone who reaches the listener.
    Anyone,
    /// Whoever has signed in.
    SignedIn,
    /// Whoever has this permission.
    May(Permission),
}

/// A row of the table: method, path as the router has it, who may.
pub type Rule = (&'static str, &'static str, Who);

/// Why a request was turned away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Nobody has signed in. Holds where to come back to, where a page was asked for.
    SignIn(Option<String>),
    /// Whoever it is lacks this permission.
    Lacks(Permission),
    /// Whoever it is may not, and why.
    Forbidden(String),
    /// It cannot be known who asks: the store does not answer.
    Unavailable,
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::SignIn(_) => {
                Self::new(StatusCode::UNAUTHORIZED, "sign in, or send a token that is good")
            }
            Refusal::Lacks(permission) => {
                let why = format!("this needs the permission '{}'", permission.name());
                Self::new(StatusCode::FORBIDDEN, why)
            }
            Refusal::Forbidden(why) => Self::new(StatusCode::FORBIDDEN, why),
            Refusal::Unavailable => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "the case store does not answer; try again")
            }
        }
    }
}

/// What stands before a router; use it with `axum::middleware::from_fn_with_state(gate, keep)`.
#[derive(Clone)]
pub struct Gate {
    /// Where people and rules are known.
    pub services: Services,
    /// Who may ask what.
    pub table: &'static [Rule],
    /// How a refusal looks.
    pub refuse: fn(&Services, &Parts, Refusal) -> Response,
}

/// Lets a request through, or not.
pub async fn keep(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let admitted = match gate.admit(&mut parts).await {
        Ok(actor) => gate.take_body(&parts, body, &actor).await.map(|body| (actor, body)),
        Err(turned) => Err(turned),
    };
    match admitted {
        Ok((actor, body)) => gate.answer(Request::from_parts(parts, body), actor, next).await,
        Err((turned, refusal)) => {
            gate.services.people().0.metrics.turned_away(turned);
            (gate.refuse)(&gate.services, &parts, refusal)
        }
    }
}

/// Whether a request may change something.
fn changes(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

type TurnedAway = (Turned, Refusal);

fn forbidden(turned: Turned, why: &str) -> TurnedAway {
    (turned, Refusal::Forbidden(why.to_owned()))
}

impl Gate {
    /// Who asks, when he may. The request knows him from then on, refused or not: a refusal is shown to him as a page of his.
    async fn admit(&self, parts: &mut Parts) -> Result<Actor, TurnedAway> {
        let city = self.services.city();
        let who = self.who(parts)?;
        if changes(&parts.method) && !is_of_this_site(&parts.headers, &city) {
            return Err(forbidden(Turned::Foreign, "a page of another site may not change anything here"));
        }
        let address = client_address(parts, &city);
        let actor = match city.people.sign_in {
            SignIn::Open => Actor::open(address),
            SignIn::Required => self.known(parts, &city, address).await?,
        };
        parts.extensions.insert(actor.clone());
        let allowed = match who {
            Who::Anyone => true,
            Who::SignedIn => actor.is_known(),
            Who::May(permission) => actor.may(permission),
        };
        if !allowed && !actor.is_known() {
            return Err((Turned::Unknown, Refusal::SignIn(comes_back(parts))));
        }
        if !allowed {
            let refusal = match who {
                Who::May(permission) => Refusal::Lacks(permission),
                Who::Anyone | Who::SignedIn => Refusal::Forbidden(String::new()),
            };
            return Err((Turned::Forbidden, refusal));
        }
        Ok(actor)
    }

    /// The body, once it is known that a page of this session has sent it.
    async fn take_body(&self, parts: &Parts, body: Body, actor: &Actor) -> Result<Body, TurnedAway> {
        match &actor.way {
            Way::Session { csrf, .. } if changes(&parts.method) => carries(parts, body, csrf).await,
            _ => Ok(body),
        }
    }

    /// What the table says of the route.
    fn who(&self, request: &Parts) -> Result<Who, TurnedAway> {
        // Where nothing is, whoever has signed in is told so.
        let Some(path) = request.extensions.get::<MatchedPath>() else { return Ok(Who::SignedIn) };
        let method = match request.method {
            Method::HEAD => "GET",
            ref method => method.as_str(),
        };
        let mut of_path = self.table.iter().filter(|(_, known, _)| *known == path.as_str()).peekable();
        if of_path.peek().is_none() {
            tracing::error!(path = path.as_str(), "no rule says who may ask this route: it is refused");
            return Err(forbidden(Turned::NoRule, "no rule says who may do this"));
        }
        let rule = of_path.find(|(known, ..)| *known == method);
        Ok(rule.map_or(Who::SignedIn, |(_, _, who)| *who))
    }

    /// Who asks, by token or by cookie.
    async fn known(&self, request: &Parts, city: &City, address: String) -> Result<Actor, TurnedAway> {
        let people = self.services.people();
        let unavailable = |error: PeopleError| {
            tracing::error!(%error, "it cannot be known who asks");
            (Turned::Unknown, Refusal::Unavailable)
        };
        if let Some(value) = request.headers.get(header::AUTHORIZATION) {
            let text = value.to_str().ok().and_then(|value| {
                let (scheme, text) = value.split_once(' ')?;
                scheme.eq_ignore_ascii_case("bearer").then_some(text.trim())
            });
            let actor = match text {
                Some(text) => people.by_token(text, &address).await.map_err(unavailable)?,
                None => None,
            };
            return Ok(actor.unwrap_or_else(|| Actor::nobody(address)));
        }
        let actor = match cookie(&request.headers, city) {
            Some(id) => people.by_session(&city.people, id, &address).await.map_err(unavailable)?,
            None => None,
        };
        Ok(actor.unwrap_or_else(|| Actor::nobody(address)))
    }

    /// Has the request answered, and writes down what it did.
    async fn answer(&self, request: Request, actor: Actor, next: Next) -> Response {
        let changes = changes(request.method());
        let asked = format!("{} {}", request.method(), request.uri().path());
        let visit = Visit::of(actor.clone());
        let mut response = VISIT.scope(visit.clone(), next.run(request)).await;
        if !actor.csrf().is_empty() {
            response
                .headers_mut()
                .entry(header::CACHE_CONTROL)
                .or_insert(HeaderValue::from_static("no-store"));
        }
        let people = self.services.people();
        let mut notes = visit.notes();
        let done = response.status().is_success() || response.status().is_redirection();
        if notes.is_empty() && changes && done {
            let status = response.status().as_u16();
            notes.push(super::actor::Note {
                by: None,
                event: "request".to_owned(),
                subject: asked,
                detail: format!("answered {status}"),
            });
        }
        for note in notes {
            let entry = Entry {
                at: people.now(),
                by: note.by.unwrap_or_else(|| actor.signature()),
                address: actor.address.clone(),
                event: note.event,
                subject: note.subject,
                detail: note.detail,
            };
            // What was done is done; that it could not be written down is counted and logged.
            let _ = people.append(&entry).await;
        }
        response
    }
}

/// Where to come back to after signing in: only a page that was asked for.
fn comes_back(request: &Parts) -> Option<String> {
    let asked = request.uri.path_and_query()?.as_str();
    (request.method == Method::GET && asked.len() <= MAX_NEXT).then(|| asked.to_owned())
}

/// Whether a browser says that a page of this site has sent it. Programs say nothing.
fn is_of_this_site(headers: &HeaderMap, city: &City) -> bool {
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    if matches!(site, Some(b"cross-site" | b"same-site")) {
        return false;
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let Ok(origin) = origin.to_str() else { return false };
    if origin == city.site.public_url.origin().ascii_serialization() {
        return true;
    }
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let named = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    host.is_some() && named == host
}

/// Whether the request carries what forms of the session carry. A form is read for it and put back.
async fn carries(request: &Parts, body: Body, csrf: &str) -> Result<Body, TurnedAway> {
    let foreign = || {
        forbidden(
            Turned::Foreign,
            "the form is not one of this session: load the page again and send it anew",
        )
    };
    if let Some(sent) = request.headers.get(CSRF_HEADER) {
        let right = sent.to_str().is_ok_and(|sent| super::secret::same(sent, csrf));
        return if right { Ok(body) } else { Err(foreign()) };
    }
    let media = request.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if !media.is_some_and(|media| media.to_ascii_lowercase().starts_with("application/x-www-form-urlencoded"))
    {
        return Err(foreign());
    }
    let body: Bytes = to_bytes(body, MAX_FORM_BYTES)
        .await
        .map_err(|_| forbidden(Turned::Foreign, "the form is too large"))?;
    let right = url::form_urlencoded::parse(&body)
        .any(|(name, value)| name == CSRF_FIELD && super::secret::same(&value, csrf));
    if right { Ok(Body::from(body)) } else { Err(foreign()) }
}

/// Whether browsers reach this server over TLS.
fn is_behind_tls(city: &City) -> bool {
    city.site.public_url.scheme() == "https"
}

fn cookie<'h>(headers: &'h HeaderMap, city: &City) -> Option<&'h str> {
    cookie_named(headers, COOKIES[usize::from(is_behind_tls(city))])
}

/// What a browser keeps of its round to the provider.
#[must_use]
pub fn outside_cookie<'h>(headers: &'h HeaderMap, city: &City) -> Option<&'h str> {
    cookie_named(headers, OUTSIDE_COOKIES[usize::from(is_behind_tls(city))])
}

/// The header that gives a browser what it keeps of its round, or takes it away where `round` is empty.
#[must_use]
pub fn set_outside_cookie(city: &City, round: &str) -> HeaderValue {
    let age = if round.is_empty() { 0 } else { super::oidc::COOKIE_SECS };
    cookie_header(OUTSIDE_COOKIES, city, round, age)
}

fn cookie_named<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let values = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let mut pairs = values.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// The header that gives a browser its session, or takes it away where `id` is empty.
#[must_use]
pub fn set_cookie(city: &City, id: &str) -> HeaderValue {
    let age = if id.is_empty() { 0 } else { city.people.session_max.as_secs() };
    cookie_header(COOKIES, city, id, age)
}

fn cookie_header(names: [&str; 2], city: &City, value: &str, age: u64) -> HeaderValue {
    let tls = is_behind_tls(city);
    let name = names[usize::from(tls)];
    let secure = if tls { "; Secure" } else { "" };
    let text = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={age}{secure}");
    // The value is letters, digits and '.', '-' and '_', so that this never fails.
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""))
}

/// From where the request comes: the peer, or whoever a proxy that is believed names. A network of 2^64 addresses is one
/// place: IPv6 is cut to its first half.
fn client_address(request: &Parts, city: &City) -> String {
    let peer = request.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip().to_canonical());
    let Some(peer) = peer else { return String::new() };
    let is_proxy = |address: &IpAddr| city.people.proxies.contains(address);
    let mut address = peer;
    if is_proxy(&peer) {
        let values = request.headers.get_all("x-forwarded-for").into_iter();
        let named: Vec<&str> = values.filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(',')).collect();
        for text in named.into_iter().rev() {
            let Ok(named) = text.trim().parse::<IpAddr>() else { break };
            address = named.to_canonical();
            if !is_proxy(&address) {
                break;
            }
        }
    }
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{}/64", std::net::Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

/// How the API refuses.
pub(crate) fn refuse_as_problem(_: &Services, _: &Parts, refusal: Refusal) -> Response {
    let unknown = matches!(refusal, Refusal::SignIn(_));
    let mut response = Problem::from(refusal).into_response();
    if unknown {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}
