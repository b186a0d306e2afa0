//! What becomes of a case whose alarm has been heard: on file, or void. Pure decisions.

use super::file::{SYSTEM, refreshed};
use super::state::{self, Because, IllegalTransition};
use crate::incident::{Incident, Reason, What};
use citybrain_types::{Case, CaseChange, CaseState, DepartmentId, Timestamp};

/// A case that changes with its incident.
pub type Heard = (Case, Vec<CaseChange>);

/// Files and dispatches the case of an alarm that was right; `None` when somebody else has taken it further already.
///
/// # Errors
/// [`IllegalTransition`] never, as long as the table of [`state::allowed_after`] has the way.
pub fn confirm(case: &Case, incident: &Incident, at: Timestamp) -> Result<Option<Heard>, IllegalTransition> {
    if case.state != CaseState::Verifying {
        return Ok(None);
    }
    let departments = case.departments.iter().map(DepartmentId::as_str).collect::<Vec<_>>().join(", ");
    let to_whom = match departments.as_str() {
        "" => "no route leads to a department; add a fallback route".to_owned(),
        departments => format!("handed to {departments}"),
    };
    let mut case = refreshed(case, incident).unwrap_or_else(|| case.clone());
    let mut changes = Vec::new();
    for (to, reason) in
        [(CaseState::Filed, "the alarm is confirmed".to_owned()), (CaseState::Dispatched, to_whom)]
    {
        changes.push(state::advance(&mut case, to, because(incident, at, reason))?);
    }
    Ok(Some((case, changes)))
}

/// Ends the case of an alarm that was wrong; `None` when it is in other hands or ended already.
#[must_use]
pub fn withdraw(case: &Case, incident: &Incident, at: Timestamp) -> Option<Heard> {
    let mut case = refreshed(case, incident).unwrap_or_else(|| case.clone());
    let why = because(incident, at, "false alarm: withdrawn after more was heard of it".to_owned());
    let change = state::advance(&mut case, CaseState::Void, why).ok()?;
    Some((case, vec![change]))
}

fn because(incident: &Incident, at: Timestamp, reason: String) -> Because {
    let heard: Vec<&Reason> =
        incident.reasons.iter().filter(|r| matches!(r.what, What::Heard { .. })).collect();
    let seen = serde_json::to_string(&heard).expect("it has string keys only and no failing values");
    Because { at, by: SYSTEM.to_owned(), reason, seen }
}
