//! What of the store is asked for, and how far a reader has come.

use citybrain_types::{
    Case, CaseId, CaseState, Delivery, DeliveryState, DestinationId, EventKind, Timestamp,
};
use schemars::JsonSchema;
use serde::Serialize;

/// Most rows in one page.
pub const MAX_PAGE: u32 = 500;

/// Rows in a page that did not say how many.
const DEFAULT_PAGE: u32 = 50;

/// Which cases.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CaseFilter {
    /// In this state only.
    pub state: Option<CaseState>,
    /// Of this kind only.
    pub kind: Option<EventKind>,
}

/// Which deliveries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeliveryFilter {
    /// In this state only.
    pub state: Option<DeliveryState>,
    /// To this destination only.
    pub destination: Option<DestinationId>,
}

/// A cursor that this program did not hand out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the cursor is not one of ours: take the `next` of the page before, or leave it out")]
pub struct BadCursor;

/// How far a reader has come: the last row it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    pub(super) at: i64,
    pub(super) id: String,
}

impl Cursor {
    /// Where the page that ends with a case ends.
    #[must_use]
    pub fn after_case(case: &Case) -> Self {
        Self { at: case.opened_at.as_micros(), id: case.id.to_string() }
    }

    pub(super) fn after_row(seq: i64) -> Self {
        Self { at: seq, id: "row".to_owned() }
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.at, self.id)
    }
}

impl std::str::FromStr for Cursor {
    type Err = BadCursor;
    fn from_str(text: &str) -> Result<Self, BadCursor> {
        let (at, id) = text.split_once('.').ok_or(BadCursor)?;
        let id = CaseId::new(id).map_err(|_| BadCursor)?;
        Ok(Self { at: at.parse().map_err(|_| BadCursor)?, id: id.to_string() })
    }
}

/// Which part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    limit: u32,
    after: Option<Cursor>,
}

impl PageRequest {
    /// At most `limit` rows, held within `1..=`[`MAX_PAGE`], after `after`.
    #[must_use]
    pub fn new(limit: Option<u32>, after: Option<Cursor>) -> Self {
        Self { limit: limit.unwrap_or(DEFAULT_PAGE).clamp(1, MAX_PAGE), after }
    }

    /// Most rows in the page.
    #[must_use]
    pub const fn limit(&self) -> u32 {
        self.limit
    }

    pub(super) const fn after(&self) -> Option<&Cursor> {
        self.after.as_ref()
    }
}

impl Default for PageRequest {
    fn default() -> Self {
        Self::new(None, None)
    }
}

/// A page of cases, newest first.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct CasePage {
    /// The cases.
    pub cases: Vec<Case>,
    /// Cursor of the next page, where there is one.
    pub next: Option<String>,
}

/// A page of deliveries, newest first.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct DeliveryPage {
    /// The deliveries.
    pub deliveries: Vec<Delivery>,
    /// Cursor of the next page, where there is one.
    pub next: Option<String>,
}

/// The bound below which rows are wanted; later than any moment when there is no cursor.
pub(super) fn bound(page: &PageRequest) -> (i64, String) {
    match page.after() {
        Some(cursor) => (cursor.at, cursor.id.clone()),
        None => (Timestamp::from_micros(i64::MAX).as_micros(), String::new()),
    }
}
