//! The street over HTTP: what is true, which cameras there are, and commands to them.

use crate::faults::Fault;
use crate::serve::{CameraAddress, Inner, ServeError, StreetEvent};
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Largest command taken.
const MAX_BODY: usize = 16 * 1024;

/// A running HTTP server.
pub(crate) struct HttpServer {
    address: SocketAddr,
    over: CancellationToken,
    task: JoinHandle<()>,
}

impl HttpServer {
    pub(crate) async fn start(listen: SocketAddr, routes: Router) -> std::io::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        let over = CancellationToken::new();
        let ended = over.clone().cancelled_owned();
        let task = tokio::spawn(async move {
            let serving = axum::serve(listener, routes.layer(DefaultBodyLimit::max(MAX_BODY)));
            tokio::select! {
                outcome = serving => if let Err(error) = outcome {
                    tracing::error!(%error, "an HTTP server ended");
                },
                () = ended => {}
            }
        });
        Ok(Self { address, over, task })
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) async fn shutdown(mut self) {
        self.over.cancel();
        if let Err(error) = (&mut self.task).await {
            tracing::error!(%error, "an HTTP server did not end in order");
        }
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        self.over.cancel();
    }
}

/// `GET /truth`, `GET /cameras`, `GET /healthz`, `POST /cameras/{id}/faults`. The street is held weakly, so that a client
/// that keeps its connection does not keep the street.
pub(crate) fn street_routes(street: Weak<Inner>) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok"))
        .route("/truth", get(truth))
        .route("/cameras", get(cameras))
        .route("/cameras/{id}/faults", post(command))
        .with_state(street)
}

type Refusal = (StatusCode, String);

fn running(street: &Weak<Inner>) -> Result<Arc<Inner>, Refusal> {
    street.upgrade().ok_or_else(|| (StatusCode::SERVICE_UNAVAILABLE, "the street has ended".to_owned()))
}

async fn truth(State(street): State<Weak<Inner>>) -> Result<Json<Vec<StreetEvent>>, Refusal> {
    Ok(Json(running(&street)?.truth().to_vec()))
}

async fn cameras(State(street): State<Weak<Inner>>) -> Result<Json<Vec<CameraAddress>>, Refusal> {
    Ok(Json(running(&street)?.addresses().to_vec()))
}

async fn command(
    State(street): State<Weak<Inner>>,
    Path(camera): Path<String>,
    Json(faults): Json<Vec<Fault>>,
) -> Result<StatusCode, Refusal> {
    running(&street)?.command(&camera, faults).map(|()| StatusCode::NO_CONTENT).map_err(|error| {
        let status = match error {
            ServeError::NotCommanded(_) => StatusCode::NOT_FOUND,
            _ => StatusCode::UNPROCESSABLE_ENTITY,
        };
        (status, error.to_string())
    })
}
