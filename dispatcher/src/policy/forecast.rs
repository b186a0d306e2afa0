//! What a policy would have led to: the last days of the log under it, and under what is in force.

use crate::tune::{CaseSketch, Figures, LogSummary, Remark, Report};
use citybrain_types::{EventKind, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Before and after.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct BeforeAfter {
    /// Under what is in force.
    pub before: Figures,
    /// Under the policy.
    pub after: Figures,
}

/// What a policy would have led to.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Forecast {
    /// When it was worked out.
    pub made_at: Timestamp,
    /// What was read of the log.
    pub log: LogSummary,
    /// All kinds together.
    pub all: BeforeAfter,
    /// By kind.
    #[schemars(with = "BTreeMap<String, BeforeAfter>")]
    pub by_kind: BTreeMap<EventKind, BeforeAfter>,
    /// Cases that only the policy opens, at most 200.
    pub gained: Vec<CaseSketch>,
    /// How many there are.
    pub gained_in_all: u64,
    /// Cases that only what is in force opens, at most 200.
    pub lost: Vec<CaseSketch>,
    /// How many there are.
    pub lost_in_all: u64,
    /// What must be said yes to before it goes live.
    pub warnings: Vec<Remark>,
    /// What to know before a number is believed.
    pub notes: Vec<Remark>,
}

impl Forecast {
    /// Of the policy with this number in a report that holds the one in force as its first.
    pub(super) fn of(report: &Report, policy: usize, made_at: Timestamp) -> Option<Self> {
        let (live, own) = (report.policies.first()?, report.policies.get(policy)?);
        let kinds = live.by_kind.keys().chain(own.by_kind.keys());
        let of_kind = |kind: &EventKind| {
            let side = |kinds: &BTreeMap<EventKind, Figures>| kinds.get(kind).cloned().unwrap_or_default();
            (kind.clone(), BeforeAfter { before: side(&live.by_kind), after: side(&own.by_kind) })
        };
        Some(Self {
            made_at,
            log: report.log.clone(),
            all: BeforeAfter { before: live.all.clone(), after: own.all.clone() },
            by_kind: kinds.map(of_kind).collect(),
            gained: own.gained.clone(),
            gained_in_all: own.gained_in_all,
            lost: own.lost.clone(),
            lost_in_all: own.lost_in_all,
            warnings: own.warnings.clone(),
            notes: report.warnings.clone(),
        })
    }

    /// Where the log holds nothing of these days.
    pub(super) fn of_nothing(made_at: Timestamp) -> Self {
        Self { made_at, warnings: vec![Remark::NothingKnown], ..Self::default() }
    }
}
