//! From the outbox to a department's desk: at least once, under a key that never changes.
//!
//! Each destination has a worker of its own with its share of the deliveries under way, so a slow one delays
//! nobody else. There is no order between deliveries to one destination: a case's versions tell which is newer.

mod breaker;
mod email;
mod mailroom;
mod mqtt;
mod recorder;
mod retry;
mod robot;
mod webhook;
mod worker;

pub use retry::{after_failure, horizon, schedule};

pub(crate) use mailroom::{Committed, Deliveries, Mailroom};
pub(crate) use mqtt::Answered;

use std::time::Duration;

/// Why an attempt to deliver failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureReason {
    /// Nobody answers at the address, or no connection could be made.
    Unreachable,
    /// No answer in time.
    Timeout,
    /// The connection ended before the answer.
    Disconnected,
    /// An HTTP answer 4xx other than 410.
    ClientError,
    /// An HTTP answer 5xx, or one that HTTP does not have.
    ServerError,
    /// An HTTP answer 3xx; redirects are not followed, since they would carry the case to an address nobody configured.
    Redirected,
    /// HTTP 410: the receiver says that it is gone for good.
    Gone,
    /// The broker refused the publish.
    BrokerRefused,
    /// The broker took the publish and has no subscriber for it.
    NobodyListens,
    /// Too much is under way.
    Busy,
    /// The destination's configuration cannot work.
    Misconfigured,
}

impl FailureReason {
    /// The reason's name, as in metric labels and log fields.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Timeout => "timeout",
            Self::Disconnected => "disconnected",
            Self::ClientError => "client_error",
            Self::ServerError => "server_error",
            Self::Redirected => "redirected",
            Self::Gone => "gone",
            Self::BrokerRefused => "broker_refused",
            Self::NobodyListens => "nobody_listens",
            Self::Busy => "busy",
            Self::Misconfigured => "misconfigured",
        }
    }

    /// Trying again is of no use until an operator has done something.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Gone)
    }
}

/// A failed attempt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {detail}", reason.name())]
pub struct Failure {
    /// Why.
    pub reason: FailureReason,
    /// What was met with, without credentials.
    pub detail: String,
    /// How long the destination asked to be left alone.
    pub asked_wait: Option<Duration>,
}

impl Failure {
    /// A failure without a wait asked for.
    #[must_use]
    pub fn new(reason: FailureReason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into(), asked_wait: None }
    }
}
