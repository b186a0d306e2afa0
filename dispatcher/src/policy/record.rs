//! A policy with its history, as it is stored and shown.

use super::Forecast;
use super::state::{PolicyAction, PolicyState, possible};
use citybrain_ingest_config::policy::Policy;
use citybrain_types::{BoundingBox, CameraId, EventKind, IncidentId, Snapshots, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;

/// Longest title, in characters.
pub const MAX_TITLE: usize = 200;

/// A policy as it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PolicyRecord {
    /// Its id.
    pub id: String,
    /// Grows with every change.
    pub version: u32,
    /// How far it has come.
    pub state: PolicyState,
    /// What people call it.
    pub title: String,
    /// Everyone who has written at it, the author first: none of them may approve it.
    pub authors: Vec<String>,
    /// What it changes.
    pub policy: Policy,
    /// When it was begun.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// Since when it is in force, or was last.
    pub live_at: Option<Timestamp>,
    /// The policy that was in force before it, and is again when it is rolled back; none for the configuration's own
    /// numbers.
    pub replaced: Option<String>,
}

impl PolicyRecord {
    /// Whether somebody has written at it.
    #[must_use]
    pub fn is_written_by(&self, name: &str) -> bool {
        let plain = |name: &str| name.trim().to_lowercase();
        self.authors.iter().any(|author| plain(author) == plain(name))
    }

    /// What may be done with it.
    #[must_use]
    pub const fn possible(&self) -> &'static [PolicyAction] {
        possible(self.state)
    }
}

/// One line of a policy's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PolicyChange {
    /// The version that it led to.
    pub version: u32,
    /// What was done; `create`, or `supersede` and `restore` by what was done with another.
    pub action: String,
    /// The state before; none for the first.
    pub from: Option<PolicyState>,
    /// The state after.
    pub to: PolicyState,
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// What a policy is begun with, or written over with.
#[derive(Debug, Clone, PartialEq)]
pub struct NewPolicy {
    /// What people call it; 1 to [`MAX_TITLE`] characters in one line.
    pub title: String,
    /// What it changes.
    pub policy: Policy,
    /// Who writes.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// A policy in a list.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct PolicySummary {
    /// The policy.
    #[serde(flatten)]
    pub record: PolicyRecord,
    /// What may be done with it.
    pub possible: Vec<PolicyAction>,
}

/// A policy with all that is known of it.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct PolicyView {
    /// The policy.
    #[serde(flatten)]
    pub record: PolicyRecord,
    /// What may be done with it.
    pub possible: Vec<PolicyAction>,
    /// Its history, oldest first.
    pub history: Vec<PolicyChange>,
    /// What the log led to under it, where that was worked out for these numbers.
    pub forecast: Option<Forecast>,
}

/// On whose side of a difference a case was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The policy in shadow would open it, the one in force has not.
    WouldOpen,
    /// The one in force has opened it, the policy in shadow would not.
    WouldNotOpen,
}

/// A case that only one of two policies opens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Difference {
    /// Its id.
    pub id: String,
    /// The policy in shadow.
    pub policy: String,
    /// Who would open it.
    pub side: Side,
    /// The incident on that side.
    pub incident: IncidentId,
    /// Its kind.
    pub kind: EventKind,
    /// The camera.
    pub camera: CameraId,
    /// Where in its picture.
    pub place: BoundingBox,
    /// The score.
    pub score: f32,
    /// When it was first seen.
    pub first_seen_at: Timestamp,
    /// When it was opened on that side.
    pub opened_at: Timestamp,
    /// Pictures of it, where some were kept.
    pub snapshots: Option<Snapshots>,
}

/// Names what a policy changes; two with the same fingerprint change the same.
#[must_use]
pub fn fingerprint(policy: &Policy) -> String {
    let text = serde_json::to_vec(policy).unwrap_or_default();
    hex(&Sha256::digest(text)[..8])
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
