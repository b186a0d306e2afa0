//! A department's webhook receiver: a real server that behaves badly when told to.

use super::city::SECRET;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

#[derive(Debug, Clone, Copy)]
pub enum Misbehave {
    Answer(u16),
    Hang,
}

#[derive(Default)]
struct Desk {
    misbehave: VecDeque<Misbehave>,
    /// Bodies by key, each time one was acknowledged.
    taken: BTreeMap<String, Vec<Value>>,
    refused: Vec<String>,
    bad_signatures: usize,
}

#[derive(Clone)]
pub struct Receiver {
    desk: Arc<Mutex<Desk>>,
    pub address: SocketAddr,
}

impl Receiver {
    pub async fn start(misbehave: &[Misbehave]) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").await.unwrap(), misbehave)
    }

    pub fn on(listener: TcpListener, misbehave: &[Misbehave]) -> Self {
        let desk = Desk { misbehave: misbehave.iter().copied().collect(), ..Desk::default() };
        let receiver = Self { desk: Arc::new(Mutex::new(desk)), address: listener.local_addr().unwrap() };
        let app = Router::new().route("/hook", post(take)).with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        receiver
    }

    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// Bodies by key, each time one was acknowledged.
    pub fn taken(&self) -> BTreeMap<String, Vec<Value>> {
        self.desk.lock().unwrap().taken.clone()
    }

    /// Keys of the attempts that were not acknowledged.
    pub fn refused(&self) -> Vec<String> {
        self.desk.lock().unwrap().refused.clone()
    }

    pub fn bad_signatures(&self) -> usize {
        self.desk.lock().unwrap().bad_signatures
    }
}

async fn take(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let header = |name: &str| headers.get(name).unwrap().to_str().unwrap().to_owned();
    let key = header("webhook-id");
    let mut mac =
        Hmac::<Sha256>::new_from_slice(&STANDARD.decode(SECRET.trim_start_matches("whsec_")).unwrap())
            .unwrap();
    mac.update(format!("{key}.{}.", header("webhook-timestamp")).as_bytes());
    mac.update(&body);
    let expected = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    let misbehave = {
        let mut desk = receiver.desk.lock().unwrap();
        if header("webhook-signature") != expected {
            desk.bad_signatures += 1;
            return StatusCode::UNAUTHORIZED;
        }
        let misbehave = desk.misbehave.pop_front();
        if misbehave.is_some() {
            desk.refused.push(key.clone());
        } else {
            let body = serde_json::from_slice(&body).unwrap();
            desk.taken.entry(key).or_default().push(body);
        }
        misbehave
    };
    match misbehave {
        None => StatusCode::NO_CONTENT,
        Some(Misbehave::Answer(status)) => StatusCode::from_u16(status).unwrap(),
        Some(Misbehave::Hang) => {
            tokio::time::sleep(Duration::from_secs(3600)).await;
            StatusCode::OK
        }
    }
}

/// Passes connections on to `to`, after it has closed the first `closed` of them in the middle of the request.
pub async fn closing_proxy(to: SocketAddr, mut closed: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut from, _)) = listener.accept().await {
            if closed > 0 {
                closed -= 1;
                let _ = from.read(&mut [0; 64]).await;
                let _ = from.shutdown().await;
                continue;
            }
            tokio::spawn(async move {
                let mut onward = tokio::net::TcpStream::connect(to).await.unwrap();
                tokio::io::copy_bidirectional(&mut from, &mut onward).await
            });
        }
    });
    address
}
