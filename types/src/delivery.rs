//! One version of a case on its way to one destination.

use crate::{CaseId, DestinationId, Timestamp};
use serde::{Deserialize, Serialize};

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// Waiting for its first or next attempt.
    Pending,
    /// The destination has acknowledged it.
    Delivered,
    /// Given up after the last attempt; an operator can replay it.
    Dead,
}

impl DeliveryState {
    /// The state's name, as stored and as in metric labels.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
        }
    }

    /// The state of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Pending, Self::Delivered, Self::Dead].into_iter().find(|state| state.name() == name)
    }
}

/// One case version to one destination, and how its attempts went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Delivery {
    /// The idempotency key: the same for every attempt; a consumer that honours it sees exactly one.
    pub key: String,
    /// The case.
    pub case: CaseId,
    /// Which version of it.
    pub case_version: u32,
    /// Where it goes.
    pub destination: DestinationId,
    /// Where it stands.
    pub state: DeliveryState,
    /// Attempts made so far.
    pub attempts: u32,
    /// When it was put into the outbox.
    pub created_at: Timestamp,
    /// When the next attempt is due, while pending.
    pub next_attempt_at: Option<Timestamp>,
    /// When it was acknowledged.
    pub delivered_at: Option<Timestamp>,
    /// What the last failed attempt met with.
    pub last_error: Option<String>,
}
