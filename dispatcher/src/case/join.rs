//! Two tellings of one happening: the case that stays learns of the other.

use super::action::{Order, Refused};
use super::desk::Changed;
use super::state::{self, Because};
use crate::envelope::EventType;
use citybrain_ingest_config::City;
use citybrain_types::{Case, CaseState, Priority, Timestamp};
use serde_json::json;

/// The case that `linked` was joined to, with one report more and a priority no lower.
///
/// # Errors
/// [`Refused::Invalid`] when that case is over.
pub(super) fn linked(
    _city: &City,
    target: &Case,
    linked: &Case,
    order: &Order,
    at: Timestamp,
) -> Result<Changed, Refused> {
    if matches!(target.state, CaseState::Closed | CaseState::Void | CaseState::Linked) {
        return Err(Refused::Invalid(format!(
            "case {} is {}: link to one that is open",
            target.id, target.state
        )));
    }
    let mut case = target.clone();
    case.work.reports = case.work.reports.saturating_add(1 + linked.work.reports);
    case.priority = case.priority.max(linked.priority).max(raised(target));
    let because = Because {
        at,
        by: order.by.clone(),
        reason: format!("case {} is the same happening", linked.id),
        seen: json!({ "case": linked.id, "kind": linked.kind, "priority": linked.priority }).to_string(),
    };
    let change = state::note(&mut case, "join", because);
    Ok(Changed::told(case, vec![change], EventType::CaseUpdated))
}

/// What a further telling makes of a case's priority.
pub(super) const fn raised(case: &Case) -> Priority {
    match case.priority {
        Priority::Normal => Priority::Urgent,
        higher => higher,
    }
}
