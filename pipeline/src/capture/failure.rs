//! Why a connection ended, in the closed classes that operators see.

use citybrain_ingest_config::resolved::Credentials;
use citybrain_types::FailReason;
use gstreamer as gst;

/// Longest detail kept: what a camera sends back is its own choice.
const MAX_DETAIL_CHARS: usize = 300;

/// The end of a connection that should have gone on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {detail}", .reason.name())]
pub struct Failure {
    /// Its class.
    pub reason: FailReason,
    /// What the other side said, in one line, without credentials.
    pub detail: String,
}

impl Failure {
    /// Keeps the first line of `detail`, cut to a bounded length.
    #[must_use]
    pub fn new(reason: FailReason, detail: impl AsRef<str>) -> Self {
        let line = detail.as_ref().lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
        let printable = line.chars().filter(|c| !c.is_control()).take(MAX_DETAIL_CHARS);
        Self { reason, detail: printable.collect() }
    }

    /// Takes user name and password out of the detail, should a library have put them in.
    #[must_use]
    pub fn without(mut self, credentials: Option<&Credentials>) -> Self {
        for secret in credentials.iter().flat_map(|c| [&c.password, &c.user]).filter(|s| s.len() > 2) {
            self.detail = self.detail.replace(secret.as_str(), "…");
        }
        self
    }
}

/// Classifies what `retina` says. Its error type shows a status code and a text, nothing else.
#[must_use]
pub fn of_retina(error: &retina::Error) -> Failure {
    let text = error.to_string();
    let reason = match error.status_code() {
        // A good status with an error is an answer that could not be understood.
        Some(401 | 403 | 407) => FailReason::Unauthorized,
        Some(404 | 410) => FailReason::NotFound,
        Some(415 | 461) => FailReason::UnsupportedMedia,
        Some(408 | 504) => FailReason::Timeout,
        Some(500..=599) => FailReason::Unreachable,
        Some(_) => FailReason::Protocol,
        None => of_retina_text(&text),
    };
    Failure::new(reason, text)
}

fn of_retina_text(text: &str) -> FailReason {
    const BY_PREFIX: [(&str, FailReason); 6] = [
        ("Unable to connect", FailReason::Unreachable),
        ("Error reading", FailReason::Disconnected),
        ("Error writing", FailReason::Disconnected),
        ("Timeout", FailReason::Timeout),
        ("Unsupported", FailReason::UnsupportedMedia),
        ("Internal", FailReason::Internal),
    ];
    BY_PREFIX
        .iter()
        .find(|(prefix, _)| text.starts_with(prefix))
        .map_or(FailReason::Protocol, |(_, reason)| *reason)
}

/// Classifies an error message of a GStreamer element.
#[must_use]
pub fn of_gstreamer(error: &gst::message::Error) -> Failure {
    let detail = error.error().to_string();
    let debug = error.debug().map(|d| d.to_string()).unwrap_or_default();
    let reason = of_gstreamer_domain(&error.error(), &debug);
    // "Could not read from resource." says nothing without the element's own words.
    let said = debug.lines().nth(1).map(str::trim).filter(|line| !line.is_empty());
    Failure::new(reason, said.map_or(detail.clone(), |said| format!("{detail} ({said})")))
}

fn of_gstreamer_domain(error: &gst::glib::Error, debug: &str) -> FailReason {
    use gst::{CoreError, ResourceError, StreamError};
    if let Some(kind) = error.kind::<ResourceError>() {
        return match kind {
            ResourceError::NotFound if mentions_network(debug) => FailReason::Unreachable,
            ResourceError::NotFound => FailReason::NotFound,
            ResourceError::NotAuthorized => FailReason::Unauthorized,
            ResourceError::OpenRead | ResourceError::OpenReadWrite | ResourceError::Busy => {
                FailReason::Unreachable
            }
            ResourceError::Read | ResourceError::Sync
                if debug.contains("imeout") || debug.contains("imed out") =>
            {
                FailReason::Timeout
            }
            ResourceError::Read | ResourceError::Write | ResourceError::Seek => FailReason::Disconnected,
            _ => FailReason::Protocol,
        };
    }
    if let Some(kind) = error.kind::<StreamError>() {
        return match kind {
            StreamError::Decode => FailReason::Undecodable,
            StreamError::Failed if debug.contains("not-linked") => FailReason::UnsupportedMedia,
            // `souphttpsrc` has no words of its own for a connection that is refused or breaks.
            StreamError::Failed if debug.contains("GstSoupHTTPSrc") => FailReason::Unreachable,
            StreamError::Failed => FailReason::Protocol,
            _ => FailReason::UnsupportedMedia,
        };
    }
    match error.kind::<CoreError>() {
        Some(CoreError::MissingPlugin | CoreError::Negotiation) => FailReason::UnsupportedMedia,
        _ => FailReason::Internal,
    }
}

fn mentions_network(debug: &str) -> bool {
    ["resolve", "refused", "unreachable", "Could not connect", "Cannot connect"]
        .iter()
        .any(|word| debug.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_detail_is_one_bounded_printable_line() {
        let failure =
            Failure::new(FailReason::Protocol, format!("\n bad\u{1b}[31m {}\nconn: 1", "x".repeat(1000)));
        assert!(failure.detail.starts_with("bad[31m x"));
        assert_eq!(failure.detail.chars().count(), MAX_DETAIL_CHARS);
    }

    #[test]
    fn credentials_do_not_survive_in_a_detail() {
        let credentials = Credentials { user: "operator".into(), password: "s3cret".into() };
        let failure = Failure::new(FailReason::Unauthorized, "GET http://operator:s3cret@gate refused");
        assert_eq!(failure.without(Some(&credentials)).detail, "GET http://…:…@gate refused");
    }
}
