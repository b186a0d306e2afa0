//! Delivery by HTTP POST, signed after Standard Webhooks.
//!
//! Format: <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>.
//! A 2xx answer is an acknowledgement; 410 says that the receiver is gone for good; every other answer, a
//! redirect too, is a failure that is tried again: what a receiver refuses today it may take after it was
//! repaired, and the schedule is bounded.

use super::{Failure, FailureReason};
use crate::cap;
use crate::envelope::{CONTENT_TYPE, Envelope, EventType};
use crate::store::OutboxRow;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use citybrain_ingest_config::resolved::BodyFormat;
use citybrain_types::Timestamp;
use hmac::{Hmac, KeyInit, Mac};
use reqwest::header::{CONTENT_TYPE as CONTENT_TYPE_HEADER, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode, redirect};
use sha2::Sha256;
use std::time::Duration;
use url::Url;

/// Prefix of a signing secret.
const SECRET_PREFIX: &str = "whsec_";
/// Of an answer that is no acknowledgement, this much is kept for the operator.
const KEPT_ANSWER_BYTES: usize = 300;

/// A receiver of signed webhooks.
#[derive(Debug)]
pub(super) struct Webhook {
    client: Client,
    url: Url,
    /// The key in force, then the one before it.
    keys: Vec<SigningKey>,
    format: BodyFormat,
}

/// The bytes that sign. `Debug` does not show them.
struct SigningKey(Vec<u8>);

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKey(…)")
    }
}

/// An HTTP client of its own, so that connections to one receiver never wait for another's.
pub(super) fn client(timeout: Duration) -> Result<Client, String> {
    Client::builder()
        .user_agent(concat!("citybrain/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .timeout(timeout)
        .connect_timeout(timeout)
        .tcp_nodelay(true)
        .build()
        .map_err(|e| format!("no HTTP client can be made: {e}"))
}

impl Webhook {
    pub(super) fn new(
        url: &Url,
        secret: &str,
        old_secret: Option<&str>,
        format: BodyFormat,
        timeout: Duration,
    ) -> Result<Self, String> {
        let key = |secret: &str| {
            let encoded = secret.strip_prefix(SECRET_PREFIX).unwrap_or(secret);
            let key = STANDARD.decode(encoded);
            key.map(SigningKey).map_err(|_| "the signing secret is not base64 after 'whsec_'".to_owned())
        };
        let mut keys = vec![key(secret)?];
        if let Some(old) = old_secret {
            keys.push(key(old)?);
        }
        Ok(Self { client: client(timeout)?, url: url.clone(), keys, format })
    }

    /// One attempt: signed anew with every key, since the signature holds the moment of the attempt.
    pub(super) async fn send(&self, row: &OutboxRow, now: Timestamp) -> Result<(), Failure> {
        let key = &row.delivery.key;
        let seconds = now.as_millis().div_euclid(1_000);
        let (media, body) = match self.format {
            BodyFormat::CloudEvents => (CONTENT_TYPE, row.body.clone()),
            BodyFormat::Cap => (cap::CONTENT_TYPE, alert(row)?),
        };
        let signatures: Vec<_> =
            self.keys.iter().map(|secret| sign(&secret.0, key, seconds, &body)).collect();
        let request = self
            .client
            .post(self.url.clone())
            .header(CONTENT_TYPE_HEADER, media)
            .header("webhook-id", key)
            .header("webhook-timestamp", seconds.to_string())
            .header("webhook-signature", signatures.join(" "))
            .body(body);
        let response = request.send().await.map_err(not_sent)?;
        if response.status().is_success() {
            return Ok(());
        }
        Err(not_taken(response).await)
    }
}

/// The stored message as a CAP alert.
fn alert(row: &OutboxRow) -> Result<String, Failure> {
    let envelope: Envelope = serde_json::from_str(&row.body).map_err(|error| {
        Failure::new(FailureReason::Misconfigured, format!("the stored message is damaged: {error}"))
    })?;
    let first = row.event == EventType::CaseOpened;
    let Envelope { source, data, .. } = envelope;
    Ok(cap::alert(&data.case, &source, first, &data.links.case, data.links.picture()))
}

/// `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`.
fn sign(secret: &[u8], id: &str, seconds: i64, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes a key of any length");
    mac.update(format!("{id}.{seconds}.{body}").as_bytes());
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

pub(super) fn not_sent(error: reqwest::Error) -> Failure {
    let reason = if error.is_timeout() {
        FailureReason::Timeout
    } else if error.is_connect() {
        FailureReason::Unreachable
    } else {
        FailureReason::Disconnected
    };
    // An address may carry a token.
    let error = error.without_url();
    let mut detail = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        detail = format!("{detail}: {inner}");
        cause = inner.source();
    }
    Failure::new(reason, detail)
}

pub(super) async fn not_taken(mut response: Response) -> Failure {
    let status = response.status();
    let reason = match status {
        StatusCode::GONE => FailureReason::Gone,
        status if status.is_redirection() => FailureReason::Redirected,
        status if status.is_client_error() => FailureReason::ClientError,
        _ => FailureReason::ServerError,
    };
    let asked_wait = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let asked_wait = asked_wait.and_then(|value| value.trim().parse().ok()).map(Duration::from_secs);
    // The answer is read only as far as it is kept; a longer one is cut off with the connection.
    let mut answer = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        answer.extend_from_slice(&chunk[..chunk.len().min(KEPT_ANSWER_BYTES - answer.len())]);
        if answer.len() >= KEPT_ANSWER_BYTES {
            break;
        }
    }
    let answer = String::from_utf8_lossy(&answer);
    let answer: String = answer.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    Failure { asked_wait, ..Failure::new(reason, format!("{status} {}", answer.trim())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_that_of_the_reference_implementation() {
        // The example of the Standard Webhooks libraries.
        let secret = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature =
            sign(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, "{\"test\": 2432232314}");
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_that_is_not_base64_is_refused_without_being_shown() {
        let url = Url::parse("http://127.0.0.1:1/").unwrap();
        let refused =
            Webhook::new(&url, "whsec_!!not base64!!", None, BodyFormat::CloudEvents, Duration::from_secs(1))
                .unwrap_err();
        assert!(!refused.contains("!!"), "{refused}");
    }
}
