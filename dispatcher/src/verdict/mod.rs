//! What people say of cases, and of what almost opened one; and what is learnt from it.
//!
//! Design decision: what is missed cannot be seen among the cases. So a stated sample of what almost opened is put into
//! the same queue, between the cases, and each sampled item stands for as many as the sample left out.

mod fit;
mod refit;
mod reviewer;

#[cfg(test)]
mod fit_tests;

pub use fit::{BINS, Fitted, LEAST_ITEMS, Labelled, Seen, TooFew, fit};
pub use refit::Refit;
pub use reviewer::{Calibrated, Given, NewCalibration, Reviewer, VerdictError};

use crate::evidence::Almost;
use crate::policy::named;
use crate::store::Store;
use citybrain_types::{CameraId, Case, CaseId, EventKind, SnapshotRef, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

/// Most items of the queue at once.
pub const MAX_ITEMS: u32 = 100;
/// Longest note, in characters.
pub const MAX_NOTE: usize = 500;

named! {
    /// What a person says of an item of the review queue.
    Verdict {
        /// It was there.
        Real = "real",
        /// It was not.
        False = "false",
        /// It was there, and another case tells of it.
        Duplicate = "duplicate",
        /// It cannot be said.
        Unsure = "unsure",
        /// What was said before is taken back; the item is in the queue again.
        Withdrawn = "withdrawn",
    }
}

/// What a verdict is about: `case:<id>` or `almost:<id>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Item {
    /// A case.
    Case(CaseId),
    /// A candidate that did not open a case.
    Almost(String),
}

impl std::fmt::Display for Item {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Case(id) => write!(f, "case:{id}"),
            Self::Almost(id) => write!(f, "almost:{id}"),
        }
    }
}

impl std::str::FromStr for Item {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "name an item as 'case:<id>' or 'almost:<id>'".to_owned();
        let (what, id) = text.split_once(':').ok_or_else(wrong)?;
        // Candidates have ids of the same letters.
        let id = CaseId::new(id).map_err(|_| wrong())?;
        match what {
            "case" => Ok(Self::Case(id)),
            "almost" => Ok(Self::Almost(id.to_string())),
            _ => Err(wrong()),
        }
    }
}

/// A verdict that was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Judgement {
    /// On what: `case:<id>` or `almost:<id>`.
    pub item: String,
    /// Grows with every verdict on the item.
    pub version: u32,
    /// What was said.
    pub verdict: Verdict,
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub by: String,
    /// A note.
    pub note: String,
}

/// What almost opened a case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Candidate {
    /// Its id.
    pub id: String,
    /// Its kind.
    pub kind: EventKind,
    /// Its camera.
    pub camera: CameraId,
    /// The frame in which the evidence was strongest.
    pub at: Timestamp,
    /// The score in that frame.
    pub score: f32,
    /// The evidence in that frame, as a share of what opens.
    pub share: f32,
    /// Hits among the looks that count, then.
    pub hits: u32,
    /// One of so many is sampled: it stands for as many.
    pub one_in: u32,
    /// A picture of that frame, where one was kept.
    pub snapshot: Option<SnapshotRef>,
}

impl Candidate {
    /// Of what evidence tells.
    #[must_use]
    pub(crate) fn of(almost: Almost) -> Self {
        let Almost { id, kind, camera, captured_at, score, share, hits, one_in, snapshot } = almost;
        Self { id, kind, camera, at: captured_at, score: score.get(), share, hits, one_in, snapshot }
    }
}

/// One item of the review queue.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ReviewItem {
    /// `case:<id>` or `almost:<id>`; verdicts name it.
    pub item: String,
    /// Its kind.
    pub kind: EventKind,
    /// Its camera, where a camera saw it.
    pub camera: Option<CameraId>,
    /// When it was seen first.
    pub at: Timestamp,
    /// Its highest score.
    pub score: f32,
    /// Its pictures, the last look first.
    pub pictures: Vec<SnapshotRef>,
    /// The case, where it is one.
    pub case: Option<Case>,
    /// What almost opened one, where it is that.
    pub candidate: Option<Candidate>,
    /// What was said of it, where that was not taken back.
    pub judgement: Option<Judgement>,
    /// The version of the last verdict on it, 0 for none: a new one names it.
    pub version: u32,
}

/// Keeps what almost opened until evidence is gone.
pub(crate) async fn keep_candidates(store: Store, mut almost: mpsc::Receiver<Vec<Candidate>>) {
    while let Some(candidates) = almost.recv().await {
        if let Err(error) = store.keep_candidates(&candidates).await {
            tracing::error!(%error, "what almost opened could not be kept for the review");
        }
    }
}
