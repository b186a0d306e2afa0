//! A provider of OpenID Connect on a port of its own: it keeps codes and PKCE challenges, signs with RSA keys that openssl
//! makes and uses, and lies where a test has it lie. Nothing of it is shared with the program under test.

use axum::extract::{Form, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

pub const CLIENT: &str = "citybrain-desk";
pub const SECRET: &str = "a secret that no page shows";

/// What the provider does, beyond what is right.
#[derive(Default)]
pub struct Play {
    /// Claims of whoever signs in; what stands here wins over what is right.
    pub claims: Map<String, Value>,
    /// Claims that are told at the userinfo endpoint only.
    pub more: Map<String, Value>,
    /// The key that signs.
    pub signs: usize,
    /// The keys that are published.
    pub shown: Vec<usize>,
    /// Header of the token, where it is another.
    pub header: Option<Value>,
    /// The description is as large as this.
    pub padding: usize,
    /// What was answered at the token endpoint last, and how often it was asked.
    pub told: Vec<(StatusCode, String)>,
    /// How often the keys were fetched.
    pub fetched: usize,
    /// Codes that were given and not used, with what they were given for.
    codes: HashMap<String, HashMap<String, String>>,
}

pub struct Provider {
    pub issuer: String,
    pub play: Arc<Mutex<Play>>,
    keys: Arc<Vec<PathBuf>>,
    _runtime: tokio::runtime::Runtime,
}

#[derive(Clone)]
struct Desk {
    issuer: String,
    play: Arc<Mutex<Play>>,
    keys: Arc<Vec<PathBuf>>,
}

pub fn openssl(arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new("openssl")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("openssl starts");
    child.stdin.take().expect("piped").write_all(input).expect("it reads");
    let told = child.wait_with_output().expect("it ends");
    assert!(told.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&told.stderr));
    told.stdout
}

pub fn now() -> u64 {
    let now = citybrain_types::Clock::now(&citybrain_types::SystemClock);
    u64::try_from(now.as_millis() / 1_000).expect("after 1970")
}

impl Provider {
    /// With two keys, of which the first signs and is published.
    pub fn start(work: &Path) -> Self {
        let keys = (0..2).map(|n| {
            let file = work.join(format!("key-{n}.pem"));
            openssl(&["genrsa", "-out", file.to_str().expect("UTF-8"), "2048"], b"");
            file
        });
        let keys: Arc<Vec<PathBuf>> = Arc::new(keys.collect());
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a port");
        let issuer = format!("http://{}/realms/city", listener.local_addr().expect("an address"));
        let play = Arc::new(Mutex::new(Play { shown: vec![0], ..Play::default() }));
        let desk = Desk { issuer: issuer.clone(), play: Arc::clone(&play), keys: Arc::clone(&keys) };
        let routes = Router::new()
            .route("/realms/city/.well-known/openid-configuration", get(description))
            .route("/realms/city/keys", get(published))
            .route("/realms/city/authorize", get(authorize))
            .route("/realms/city/token", post(token))
            .route("/realms/city/userinfo", get(userinfo))
            .with_state(desk);
        runtime.spawn(async move { axum::serve(listener, routes).await });
        Self { issuer, play, keys, _runtime: runtime }
    }

    /// Changes what the provider does.
    pub fn with(&self, change: impl FnOnce(&mut Play)) {
        change(&mut self.play.lock().expect("whole"));
    }

    /// Back to what is right, for this person.
    pub fn honest(&self, claims: Value) {
        let Value::Object(claims) = claims else { panic!("claims are an object") };
        self.with(|play| {
            *play = Play {
                claims,
                shown: vec![0],
                codes: std::mem::take(&mut play.codes),
                fetched: play.fetched,
                ..Play::default()
            };
        });
    }

    /// Text that no page and no log may show: codes, tokens, the secret.
    pub fn secrets(&self) -> Vec<String> {
        let play = self.play.lock().expect("whole");
        let mut secrets = vec![SECRET.to_owned()];
        for (_, told) in &play.told {
            let told: Value = serde_json::from_str(told).expect("JSON");
            for name in ["access_token", "id_token"] {
                secrets.extend(told[name].as_str().map(str::to_owned));
            }
        }
        secrets
    }

    pub fn key_count(&self) -> usize {
        self.keys.len()
    }
}

async fn description(State(desk): State<Desk>) -> Json<Value> {
    let Desk { issuer, play, .. } = &desk;
    Json(json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "userinfo_endpoint": format!("{issuer}/userinfo"),
        "jwks_uri": format!("{issuer}/keys"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
        "code_challenge_methods_supported": ["S256"],
        "padding": "x".repeat(play.lock().expect("whole").padding),
    }))
}

async fn published(State(desk): State<Desk>) -> Json<Value> {
    let shown = {
        let mut play = desk.play.lock().expect("whole");
        play.fetched += 1;
        play.shown.clone()
    };
    let key = |n: usize| {
        let file = desk.keys[n].to_str().expect("UTF-8");
        let text =
            String::from_utf8(openssl(&["rsa", "-in", file, "-modulus", "-noout"], b"")).expect("text");
        let digits = text.trim().trim_start_matches("Modulus=").as_bytes().to_vec();
        let byte =
            |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect("hex"), 16).expect("hex");
        let modulus: Vec<u8> = digits.chunks(2).map(byte).collect();
        json!({
            "kty": "RSA", "use": "sig", "alg": "RS256", "kid": format!("key-{n}"),
            "n": URL_SAFE_NO_PAD.encode(modulus), "e": "AQAB",
        })
    };
    Json(json!({ "keys": shown.into_iter().map(key).collect::<Vec<_>>() }))
}

/// Whoever comes has signed in here already, and is sent back with a code.
async fn authorize(State(desk): State<Desk>, Query(asked): Query<HashMap<String, String>>) -> Response {
    let get = |name: &str| asked.get(name).map(String::as_str).unwrap_or_default();
    let right = get("response_type") == "code"
        && get("client_id") == CLIENT
        && get("code_challenge_method") == "S256"
        && get("code_challenge").len() == 43
        && get("scope").split(' ').any(|scope| scope == "openid")
        && get("redirect_uri").ends_with("/sign-in/oidc/answer")
        && get("nonce").len() >= 32;
    if !right {
        return (StatusCode::BAD_REQUEST, format!("not asked as it should be: {asked:?}")).into_response();
    }
    let code = String::from_utf8(openssl(&["rand", "-hex", "16"], b"")).expect("hex").trim().to_owned();
    let to = format!("{}?state={}&code={code}", get("redirect_uri"), get("state"));
    desk.play.lock().expect("whole").codes.insert(code, asked);
    (StatusCode::FOUND, [(header::LOCATION, to)]).into_response()
}

async fn token(
    State(desk): State<Desk>,
    headers: HeaderMap,
    Form(form): Form<HashMap<String, String>>,
) -> Response {
    let (status, body) = answer(&desk, &headers, &form);
    desk.play.lock().expect("whole").told.push((status, body.to_string()));
    (status, Json(body)).into_response()
}

fn answer(desk: &Desk, headers: &HeaderMap, form: &HashMap<String, String>) -> (StatusCode, Value) {
    let wrong = |error: &str| (StatusCode::BAD_REQUEST, json!({ "error": error }));
    let said = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    // Both parts are form-encoded, RFC 6749, section 2.3.1.
    let expected = STANDARD.encode(format!("{CLIENT}:{}", SECRET.replace(' ', "+")));
    if said != format!("Basic {expected}") {
        return (StatusCode::UNAUTHORIZED, json!({ "error": "invalid_client" }));
    }
    let get = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    let mut play = desk.play.lock().expect("whole");
    let Some(asked) = play.codes.remove(get("code")) else { return wrong("invalid_grant") };
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(get("code_verifier").as_bytes()));
    let fits = get("grant_type") == "authorization_code"
        && asked["code_challenge"] == challenge
        && asked["redirect_uri"] == get("redirect_uri");
    if !fits {
        return wrong("invalid_grant");
    }
    let mut claims = json!({
        "iss": desk.issuer, "aud": CLIENT, "iat": now(), "exp": now() + 300, "nonce": asked["nonce"],
        "sub": "248289761001",
    });
    for (name, value) in &play.claims {
        claims[name] = value.clone();
    }
    let key = play.signs;
    let right = json!({ "alg": "RS256", "typ": "JWT", "kid": format!("key-{key}") });
    let head = play.header.clone().unwrap_or(right);
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", encode(&head), encode(&claims));
    let file = desk.keys[key].to_str().expect("UTF-8");
    let mark = match head["alg"].as_str() {
        Some("none") => Vec::new(),
        Some("HS256") => openssl(
            &["dgst", "-sha256", "-mac", "HMAC", "-macopt", &format!("key:{SECRET}"), "-binary"],
            signed.as_bytes(),
        ),
        _ => openssl(&["dgst", "-sha256", "-sign", file], signed.as_bytes()),
    };
    let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mark));
    let access = format!("access-{}", get("code"));
    (
        StatusCode::OK,
        json!({ "access_token": access, "token_type": "Bearer", "expires_in": 300, "id_token": token }),
    )
}

async fn userinfo(State(desk): State<Desk>, headers: HeaderMap) -> Response {
    let said = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !said.starts_with("Bearer access-") {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    Json(Value::Object(desk.play.lock().expect("whole").more.clone())).into_response()
}
