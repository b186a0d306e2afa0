//! The way to the provider: bounded in time and size, never redirected, and in clear on this machine only.

use openidconnect::http::{Response, Uri};
use openidconnect::{HttpRequest, HttpResponse};
use std::time::Duration;

/// Longest time one question takes; a sign-in asks at most five.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Largest answer, in bytes: key sets have a few kilobytes.
const MAX_ANSWER: usize = 512 << 10;

/// Why a question has no answer. Nothing of question or answer is told.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unanswered {
    /// The provider names an address that others can listen to.
    #[error("it names an address without TLS")]
    Insecure,
    /// The answer is too large.
    #[error("its answer is larger than 512 KiB")]
    TooLarge,
    /// It takes too long.
    #[error("it does not answer within 5 s")]
    Late,
    /// It cannot be reached, or breaks off.
    #[error("it cannot be reached: {0}")]
    Broken(String),
}

/// A client for [`ask`].
pub(super) fn client() -> Result<reqwest::Client, Unanswered> {
    reqwest::Client::builder()
        .user_agent(concat!("citybrain/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .timeout(TIMEOUT)
        .connect_timeout(TIMEOUT)
        .build()
        .map_err(|error| broken(&error))
}

/// The innermost reason, without the address.
fn broken(error: &reqwest::Error) -> Unanswered {
    if error.is_timeout() {
        return Unanswered::Late;
    }
    let mut inner: &dyn std::error::Error = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    // What the library says by itself holds the address, which may hold what is secret.
    let reason = if std::ptr::addr_eq(inner, error) { "no connection".to_owned() } else { inner.to_string() };
    Unanswered::Broken(reason)
}

/// Whether what is sent there can be read by nobody else.
pub(super) fn is_private(uri: &Uri) -> bool {
    let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let is_here =
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    match uri.scheme_str() {
        Some("https") => true,
        Some("http") => is_here,
        _ => false,
    }
}

/// Asks the provider.
pub(super) async fn ask(http: reqwest::Client, request: HttpRequest) -> Result<HttpResponse, Unanswered> {
    if !is_private(request.uri()) {
        return Err(Unanswered::Insecure);
    }
    let request = reqwest::Request::try_from(request).map_err(|error| broken(&error))?;
    let mut answer = http.execute(request).await.map_err(|error| broken(&error))?;
    let mut response = Response::new(Vec::new());
    *response.status_mut() = answer.status();
    *response.headers_mut() = std::mem::take(answer.headers_mut());
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| broken(&error))? {
        if body.len() + chunk.len() > MAX_ANSWER {
            return Err(Unanswered::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    *response.body_mut() = body;
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_travel_in_clear_on_this_machine_only() {
        for good in
            ["https://id.example/token", "http://127.0.0.1:9/", "http://localhost/", "http://[::1]:80/"]
        {
            assert!(is_private(&good.parse().unwrap()), "{good}");
        }
        for bad in ["http://id.example/", "http://localhost.example/", "http://192.168.1.1/", "/token"] {
            assert!(!is_private(&bad.parse().unwrap()), "{bad}");
        }
    }
}
