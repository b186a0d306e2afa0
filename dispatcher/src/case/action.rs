//! What people do with a case: each action, the states that allow it, and what it leads to (`step`). A pure decision.

mod step;

use super::state::IllegalTransition;
use citybrain_ingest_config::City;
use citybrain_types::{Case, CaseAction, CaseChange, CaseId, CaseState, DepartmentId, Timestamp, VoidReason};
use std::time::Duration;
use step::Step;

/// Longest name of who acts, in characters.
pub const MAX_WHO: usize = 100;
/// Longest reason, in characters.
pub const MAX_REASON: usize = 500;
/// A deadline is moved at most so often.
pub const MAX_EXTENSIONS: u32 = 3;
/// And by at most this at once.
pub const MAX_EXTENSION: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// An action with what it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Look whether it is real.
    Verify,
    /// Put it on file; it is then handed over by the routes.
    File,
    /// Hand it to these departments, or by the routes when there is none.
    Dispatch(Vec<DepartmentId>),
    /// A department takes it.
    Accept,
    /// A department begins to work on it.
    Start,
    /// A department has done its part; when all have, the case is done.
    Done,
    /// A department refuses it: the responsible one for all, another for its part.
    Return,
    /// The refusal is approved; these departments get it, or those that are left, or the district centre.
    ApproveReturn(Vec<DepartmentId>),
    /// The refusal is not approved.
    RejectReturn,
    /// Hand it on to another department.
    Transfer(DepartmentId),
    /// Lay it aside, until a moment or without end.
    Suspend(Option<Timestamp>),
    /// Take it up again.
    Resume,
    /// Give it more time.
    Extend(Duration),
    /// It is the same happening as another case.
    Link(CaseId),
    /// It is not a case.
    Void(VoidReason),
    /// The re-check found nothing left.
    Close,
    /// The re-check found it undone.
    Reopen,
    /// So many of five stars.
    Rate(u8),
}

impl Action {
    /// Its name.
    #[must_use]
    pub const fn name(&self) -> CaseAction {
        match self {
            Self::Verify => CaseAction::Verify,
            Self::File => CaseAction::File,
            Self::Dispatch(_) => CaseAction::Dispatch,
            Self::Accept => CaseAction::Accept,
            Self::Start => CaseAction::Start,
            Self::Done => CaseAction::Done,
            Self::Return => CaseAction::Return,
            Self::ApproveReturn(_) => CaseAction::ApproveReturn,
            Self::RejectReturn => CaseAction::RejectReturn,
            Self::Transfer(_) => CaseAction::Transfer,
            Self::Suspend(_) => CaseAction::Suspend,
            Self::Resume => CaseAction::Resume,
            Self::Extend(_) => CaseAction::Extend,
            Self::Link(_) => CaseAction::Link,
            Self::Void(_) => CaseAction::Void,
            Self::Close => CaseAction::Close,
            Self::Reopen => CaseAction::Reopen,
            Self::Rate(_) => CaseAction::Rate,
        }
    }
}

/// Who does what, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// What.
    pub action: Action,
    /// Who, by name; 1 to [`MAX_WHO`] characters in one line.
    pub by: String,
    /// For which department.
    pub department: Option<DepartmentId>,
    /// Why; at most [`MAX_REASON`] characters in one line.
    pub reason: String,
}

/// Why an order was refused. The case is unchanged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The state does not allow the action.
    #[error("a case that is {state} does not allow {action}; it allows {}", listed(allowed))]
    NotNow {
        /// Where the case stands.
        state: CaseState,
        /// What was asked for.
        action: CaseAction,
        /// What may be done with it.
        allowed: Vec<CaseAction>,
    },
    /// The order itself cannot be followed.
    #[error("{0}")]
    Invalid(String),
    /// The table of states does not allow what the action leads to; a defect of this program.
    #[error(transparent)]
    Illegal(#[from] IllegalTransition),
}

fn listed(actions: &[CaseAction]) -> String {
    if actions.is_empty() {
        return "nothing any more".to_owned();
    }
    actions.iter().map(|action| action.name()).collect::<Vec<_>>().join(", ")
}

/// The actions a state allows.
#[must_use]
pub const fn allowed_in(state: CaseState) -> &'static [CaseAction] {
    use CaseAction::{
        Accept, ApproveReturn, Close, Dispatch, Done, Extend, File, Link, Rate, RejectReturn, Reopen, Resume,
        Return, Start, Suspend, Transfer, Verify, Void,
    };
    match state {
        CaseState::Reported => &[Verify, File, Void, Link],
        CaseState::Verifying => &[File, Void, Link],
        CaseState::Filed => &[Dispatch, Suspend, Void, Link],
        CaseState::Dispatched => &[Accept, Return, Transfer, Suspend, Void, Link],
        CaseState::Accepted => &[Accept, Start, Done, Return, Transfer, Suspend, Extend, Void, Link],
        CaseState::Handling => &[Accept, Done, Return, Transfer, Suspend, Extend, Void, Link],
        CaseState::Rechecking => &[Close, Reopen, Suspend],
        CaseState::Closed => &[Rate, Reopen],
        CaseState::Suspended => &[Resume, Void],
        CaseState::Returned => &[ApproveReturn, RejectReturn, Transfer, Suspend, Void],
        CaseState::Transferred => &[Accept, Return, Dispatch, Suspend],
        CaseState::Reopened => &[Accept, Start, Dispatch],
        CaseState::Extended => &[Start, Done, Suspend, Void, Link],
        CaseState::Void | CaseState::Linked => &[],
    }
}

/// The actions a case allows: those of its state, without those that it has had already.
#[must_use]
pub fn allowed(case: &Case) -> Vec<CaseAction> {
    let work = &case.work;
    let is_open = |action: &CaseAction| match action {
        CaseAction::Accept => case.departments.is_empty() || waiting(case).next().is_some(),
        CaseAction::Extend => work.extended < MAX_EXTENSIONS,
        CaseAction::Rate => work.rating.is_none(),
        _ => true,
    };
    allowed_in(case.state).iter().copied().filter(is_open).collect()
}

/// Departments that have the case and have not taken it.
pub(super) fn waiting(case: &Case) -> impl Iterator<Item = &DepartmentId> {
    let taken = |id: &DepartmentId| case.work.accepted_by.iter().any(|taken| taken.department == *id);
    case.departments.iter().filter(move |id| !taken(id))
}

/// Follows an order: the case as it stands then, with the new lines of its trail.
///
/// # Errors
/// [`Refused`] with the actions that are allowed, or with what is wrong with the order.
pub fn act(
    city: &City,
    case: &Case,
    order: &Order,
    at: Timestamp,
) -> Result<(Case, Vec<CaseChange>), Refused> {
    let action = order.action.name();
    let allowed = allowed(case);
    if !allowed.contains(&action) {
        return Err(Refused::NotNow { state: case.state, action, allowed });
    }
    check_words(order)?;
    Step::follow(city, case, order, at)
}

fn check_words(order: &Order) -> Result<(), Refused> {
    let one_line = |what: &str, text: &str, max: usize| {
        if text.chars().count() > max {
            Err(Refused::Invalid(format!("'{what}' is longer than {max} characters")))
        } else if text.chars().any(char::is_control) {
            Err(Refused::Invalid(format!("'{what}' is not one line of text")))
        } else {
            Ok(())
        }
    };
    one_line("by", &order.by, MAX_WHO)?;
    one_line("reason", &order.reason, MAX_REASON)?;
    if order.by.trim().is_empty() {
        return Err(Refused::Invalid("'by' does not say who acts".to_owned()));
    }
    let needs_reason = matches!(
        order.action,
        Action::Return
            | Action::RejectReturn
            | Action::Transfer(_)
            | Action::Suspend(_)
            | Action::Extend(_)
            | Action::Void(_)
            | Action::Close
            | Action::Reopen
    );
    if needs_reason && order.reason.trim().is_empty() {
        return Err(Refused::Invalid(format!("'{}' needs a 'reason'", order.action.name())));
    }
    Ok(())
}

/// What a case forgets when it is found undone.
pub(super) fn reopen(case: &mut Case) {
    case.work.reopened = case.work.reopened.saturating_add(1);
    begin_anew(case);
    case.work.clear_looks = 0;
    case.work.after = None;
    case.work.extended = 0;
}

/// Nobody has taken, done or returned anything of it.
fn begin_anew(case: &mut Case) {
    case.work.accepted_by.clear();
    case.work.finished_by.clear();
    case.work.declined_by.clear();
}

#[cfg(test)]
#[path = "action_tests.rs"]
mod tests;
