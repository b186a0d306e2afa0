//! ETags and idempotency keys: `If-Match`, `If-None-Match` (RFC 9110) and `Idempotency-Key`.

use super::Problem;
use crate::services::Services;
use crate::store::Answer;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use citybrain_types::Timestamp;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;

/// Longest idempotency key, in bytes.
const MAX_KEY: usize = 128;
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Says that an answer was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// `"<version>-<hash>"`: `If-Match` looks at the version, `If-None-Match` at the whole.
pub(super) fn etag(version: u32, body: &[u8]) -> String {
    format!("\"{version}-{}\"", hex(&Sha256::digest(body)[..8]))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The version that `If-Match` names; `None` when there is no such header, or it is `*`.
pub(super) fn version_seen(headers: &HeaderMap) -> Result<Option<u32>, Problem> {
    let Some(value) = headers.get(header::IF_MATCH) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(None);
    }
    let tag = text.strip_prefix("W/").unwrap_or(text);
    let inner = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
    let version = inner.and_then(|tag| tag.split('-').next()?.parse().ok());
    version.map(Some).ok_or_else(|| {
        Problem::bad_request("'If-Match' is not an ETag of ours: send the one that came with the case")
    })
}

/// A JSON answer with its ETag; 304 when the reader has it already.
pub(super) fn tagged(headers: &HeaderMap, version: u32, value: &impl Serialize) -> Response {
    let body = match serde_json::to_vec(value) {
        Ok(body) => body,
        Err(error) => {
            tracing::error!(%error, "an answer cannot be written");
            return Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the answer cannot be written")
                .into_response();
        }
    };
    let tag = etag(version, &body);
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let is_known =
        known.is_some_and(|known| known.split(',').any(|one| one.trim().trim_start_matches("W/") == tag));
    let tag = HeaderValue::from_str(&tag).unwrap_or(HeaderValue::from_static("\"\""));
    if is_known {
        return (StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response();
    }
    let json = HeaderValue::from_static("application/json");
    (StatusCode::OK, [(header::ETAG, tag), (header::CONTENT_TYPE, json)], body).into_response()
}

/// A request that may come again.
pub(super) struct Once {
    key: String,
    fingerprint: String,
}

impl Once {
    /// Of the request's headers; `None` when it carries no key.
    pub(super) fn of(headers: &HeaderMap, path: &str, body: &[u8]) -> Result<Option<Self>, Problem> {
        let Some(value) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
        let key = value.to_str().unwrap_or_default();
        if key.is_empty() || key.len() > MAX_KEY || !key.chars().all(|c| c.is_ascii_graphic()) {
            let detail =
                format!("'Idempotency-Key' is not 1 to {MAX_KEY} printable characters without spaces");
            return Err(Problem::bad_request(detail));
        }
        let mut hash = Sha256::new();
        hash.update(path.as_bytes());
        hash.update([0]);
        hash.update(body);
        Ok(Some(Self { key: key.to_owned(), fingerprint: hex(&hash.finalize()) }))
    }

    /// The answer that was given to the same request before.
    pub(super) async fn before(&self, services: &Services) -> Result<Option<Response>, Problem> {
        let Some(answer) = services.answer(&self.key).await? else { return Ok(None) };
        if answer.fingerprint != self.fingerprint {
            let detail = "another request has used this 'Idempotency-Key'; give each its own";
            return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail));
        }
        let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
        let headers = [
            (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
            (REPLAYED, HeaderValue::from_static("true")),
        ];
        Ok(Some((status, headers, answer.body).into_response()))
    }

    /// What is kept of an answer.
    pub(super) fn answer(&self, status: StatusCode, body: String, at: Timestamp) -> Answer {
        Answer {
            key: self.key.clone(),
            fingerprint: self.fingerprint.clone(),
            status: status.as_u16(),
            body,
            created_at: at,
        }
    }
}
