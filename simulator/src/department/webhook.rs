//! A department that takes cases by webhook.

use super::line::{Lines, Scissors};
use super::{Attempt, Desk, Outcome, Received, Via, WebhookSecret};
use axum::body::Bytes;
use axum::extract::{ConnectInfo, DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use citybrain_types::Clock;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Largest delivery taken.
const MAX_BODY: usize = 1 << 20;
/// A hanging desk lets go after this long, so that a test that fails leaves no task behind.
const HANG: Duration = Duration::from_secs(600);

/// How a department answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Behaviour {
    /// It takes every delivery.
    #[default]
    Accept,
    /// It fails every time.
    Fail(Failure),
    /// It fails so many times, then takes every delivery.
    FailFirst {
        /// How many times are left.
        times: u32,
        /// How.
        failure: Failure,
    },
}

/// How a department fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// It answers with this status.
    Status(u16),
    /// It takes the request and never answers.
    Hang,
    /// It takes the request and closes the connection.
    Close,
}

struct Receiver {
    desk: Desk,
    secret: WebhookSecret,
    clock: Arc<dyn Clock>,
    behaviour: Mutex<Behaviour>,
}

/// A running webhook receiver; `POST /hook` takes deliveries, `GET /received` and `GET /attempts` tell of them.
pub struct WebhookDepartment {
    address: SocketAddr,
    receiver: Arc<Receiver>,
    over: CancellationToken,
}

impl WebhookDepartment {
    /// Listens; port 0 takes a free one.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub async fn start(
        listen: SocketAddr,
        secret: WebhookSecret,
        clock: Arc<dyn Clock>,
    ) -> std::io::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        let receiver = Receiver { desk: Desk::default(), secret, clock, behaviour: Mutex::default() };
        let receiver = Arc::new(receiver);
        let routes = Router::new()
            .route("/hook", post(take))
            .route("/received", get(async |State(at): State<Arc<Receiver>>| Json(at.desk.received())))
            .route("/attempts", get(async |State(at): State<Arc<Receiver>>| Json(at.desk.attempts())))
            .route("/healthz", get(async || "ok"))
            .layer(DefaultBodyLimit::max(MAX_BODY))
            .with_state(Arc::clone(&receiver));
        let over = CancellationToken::new();
        let ended = over.clone();
        tokio::spawn(async move {
            let service = routes.into_make_service_with_connect_info::<Scissors>();
            let serving = async { axum::serve(Lines(listener), service).await };
            if let Some(Err(error)) = ended.run_until_cancelled(serving).await {
                tracing::error!(%error, "a department stopped listening");
            }
        });
        Ok(Self { address, receiver, over })
    }

    /// Where deliveries are posted to.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes how it answers, from the next delivery on.
    pub fn behave(&self, behaviour: Behaviour) {
        *self.receiver.behaviour.lock().unwrap_or_else(PoisonError::into_inner) = behaviour;
    }

    /// What it has taken, once by key, in order of arrival.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.receiver.desk.received()
    }

    /// Every attempt, in order of arrival.
    #[must_use]
    pub fn attempts(&self) -> Vec<Attempt> {
        self.receiver.desk.attempts()
    }
}

impl Drop for WebhookDepartment {
    fn drop(&mut self) {
        self.over.cancel();
    }
}

impl Receiver {
    /// Whether this attempt is to fail, and how; counts it.
    fn failure(&self) -> Option<Failure> {
        let mut behaviour = self.behaviour.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *behaviour {
            Behaviour::Accept | Behaviour::FailFirst { times: 0, .. } => None,
            Behaviour::Fail(failure) => Some(*failure),
            Behaviour::FailFirst { times, failure } => {
                *times -= 1;
                Some(*failure)
            }
        }
    }
}

async fn take(
    State(receiver): State<Arc<Receiver>>,
    ConnectInfo(scissors): ConnectInfo<Scissors>,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let key = header("webhook-id");
    let now = receiver.clock.now();
    if let Some(failure) = receiver.failure() {
        receiver.desk.note(key, now, Via::Webhook, Outcome::Scripted);
        return fail(failure, &scissors).await;
    }
    let (Some(key), Some(timestamp), Some(signature)) =
        (key, header("webhook-timestamp"), header("webhook-signature"))
    else {
        receiver.desk.note(key, now, Via::Webhook, Outcome::BadSignature);
        return StatusCode::UNAUTHORIZED;
    };
    if let Err(error) = receiver.secret.verify(key, timestamp, signature, &body, now) {
        tracing::warn!(key, %error, "a delivery was not believed");
        receiver.desk.note(Some(key), now, Via::Webhook, Outcome::BadSignature);
        return StatusCode::UNAUTHORIZED;
    }
    match receiver.desk.take(Some(key), &body, now, Via::Webhook) {
        Outcome::Accepted | Outcome::Duplicate => StatusCode::NO_CONTENT,
        Outcome::Full => StatusCode::INSUFFICIENT_STORAGE,
        Outcome::BadBody | Outcome::BadSignature | Outcome::Scripted => StatusCode::BAD_REQUEST,
    }
}

async fn fail(failure: Failure, scissors: &Scissors) -> StatusCode {
    match failure {
        Failure::Status(status) => StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        Failure::Hang => {
            tokio::time::sleep(HANG).await;
            StatusCode::GATEWAY_TIMEOUT
        }
        Failure::Close => {
            scissors.cut();
            StatusCode::INTERNAL_SERVER_ERROR
        }
    }
}
