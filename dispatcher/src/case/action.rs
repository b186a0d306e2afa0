//! What people do with a case: each action, the states that allow it, and what it leads to. A pure decision.

use super::clocks;
use super::file::SYSTEM;
use super::routing;
use super::state::{self, Because, IllegalTransition};
use citybrain_ingest_config::City;
use citybrain_types::{
    Acceptance, Case, CaseAction, CaseChange, CaseId, CaseState, DepartmentId, Timestamp, VoidReason,
};
use serde_json::json;
use std::time::Duration;

/// Longest name of who acts, in characters.
pub const MAX_WHO: usize = 100;
/// Longest reason, in characters.
pub const MAX_REASON: usize = 500;
/// A deadline is moved at most so often.
pub const MAX_EXTENSIONS: u32 = 3;
/// And by at most this at once.
pub const MAX_EXTENSION: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// A case is laid aside for at most this long.
const MAX_SUSPENSION: Duration = Duration::from_secs(366 * 24 * 60 * 60);

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
    /// A department says that it is done.
    Done,
    /// A department refuses it.
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
fn waiting(case: &Case) -> impl Iterator<Item = &DepartmentId> {
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
    let mut step = Step { city, case: case.clone(), order, at, changes: Vec::new() };
    step.follow()?;
    Ok((step.case, step.changes))
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

/// One order on its way through a case.
struct Step<'a> {
    city: &'a City,
    case: Case,
    order: &'a Order,
    at: Timestamp,
    changes: Vec<CaseChange>,
}

impl Step<'_> {
    fn follow(&mut self) -> Result<(), Refused> {
        match &self.order.action {
            Action::Verify => self.go(CaseState::Verifying),
            Action::File => self.file(),
            Action::Dispatch(to) => self.dispatch(to),
            Action::Accept => self.accept(),
            Action::Start => {
                self.acting()?;
                self.go(CaseState::Handling)
            }
            Action::Done => {
                self.acting()?;
                self.case.work.clear_looks = 0;
                self.case.work.after = None;
                self.go(CaseState::Rechecking)
            }
            Action::Return => {
                self.case.work.returned_by = self.acting()?;
                self.go(CaseState::Returned)
            }
            Action::ApproveReturn(to) => self.approve_return(to),
            Action::RejectReturn => {
                self.case.work.returned_by = None;
                self.case.work.accepted_by.clear();
                self.go(CaseState::Dispatched)
            }
            Action::Transfer(to) => self.transfer(to),
            Action::Suspend(until) => self.suspend(*until),
            Action::Resume => self.resume(),
            Action::Extend(by) => self.extend(*by),
            Action::Link(to) => {
                if *to == self.case.id {
                    return Err(Refused::Invalid("a case cannot be linked to itself".to_owned()));
                }
                self.case.work.linked_to = Some(to.clone());
                self.go(CaseState::Linked)
            }
            Action::Void(_) => self.go(CaseState::Void),
            Action::Close => self.go(CaseState::Closed),
            Action::Reopen => {
                reopen(&mut self.case);
                self.go(CaseState::Reopened)
            }
            Action::Rate(stars) => self.rate(*stars),
        }
    }

    fn go(&mut self, to: CaseState) -> Result<(), Refused> {
        let (by, reason) = (self.order.by.clone(), self.order.reason.clone());
        self.go_because(to, self.order.action.name().name(), by, reason)
    }

    fn go_because(&mut self, to: CaseState, action: &str, by: String, reason: String) -> Result<(), Refused> {
        let because = Because { at: self.at, by, reason, seen: self.seen() };
        let mut line = state::advance(&mut self.case, to, because)?;
        action.clone_into(&mut line.action);
        clocks::settle(self.city, &mut self.case, self.at);
        self.changes.push(line);
        Ok(())
    }

    fn note(&mut self) {
        let because = Because {
            at: self.at,
            by: self.order.by.clone(),
            reason: self.order.reason.clone(),
            seen: self.seen(),
        };
        let line = state::note(&mut self.case, self.order.action.name().name(), because);
        self.changes.push(line);
    }

    /// What was known: the order's own details and where the case stood.
    fn seen(&self) -> String {
        let details = match &self.order.action {
            Action::Dispatch(to) | Action::ApproveReturn(to) => json!({ "departments": to }),
            Action::Transfer(to) => json!({ "department": to }),
            Action::Suspend(until) => json!({ "until": until }),
            Action::Extend(by) => json!({ "minutes": by.as_secs() / 60 }),
            Action::Link(to) => json!({ "to": to }),
            Action::Void(because) => json!({ "because": because }),
            Action::Rate(stars) => json!({ "stars": stars }),
            _ => json!({}),
        };
        json!({ "department": self.order.department, "details": details, "last_seen_at": self.case.last_seen_at })
            .to_string()
    }

    /// The department that acts: the one named, or the only one there is.
    fn acting(&self) -> Result<Option<DepartmentId>, Refused> {
        match (&self.order.department, self.case.departments.as_slice()) {
            (Some(named), departments) if departments.contains(named) => Ok(Some(named.clone())),
            (Some(named), _) => Err(Refused::Invalid(format!("the case is not handed to {named}"))),
            (None, [only]) => Ok(Some(only.clone())),
            (None, []) => Ok(None),
            (None, several) => {
                let names = several.iter().map(DepartmentId::as_str).collect::<Vec<_>>().join(", ");
                Err(Refused::Invalid(format!("say for which 'department': {names}")))
            }
        }
    }

    fn known(&self, departments: &[DepartmentId]) -> Result<(), Refused> {
        match departments.iter().find(|id| !self.city.departments.contains_key(*id)) {
            Some(unknown) => Err(Refused::Invalid(format!("there is no department {unknown}"))),
            None => Ok(()),
        }
    }

    fn file(&mut self) -> Result<(), Refused> {
        self.go(CaseState::Filed)?;
        if self.case.departments.is_empty() {
            let (kind, area) = (&self.case.kind, self.case.work.area.as_deref());
            self.case.departments = routing::departments(self.city, kind, area, self.at);
        }
        if self.case.departments.is_empty() {
            return Ok(());
        }
        let to = self.case.departments.iter().map(DepartmentId::as_str).collect::<Vec<_>>().join(", ");
        self.go_because(CaseState::Dispatched, "dispatch", SYSTEM.to_owned(), format!("handed to {to}"))
    }

    fn dispatch(&mut self, to: &[DepartmentId]) -> Result<(), Refused> {
        self.known(to)?;
        let by_routes = || {
            let (kind, area) = (&self.case.kind, self.case.work.area.as_deref());
            routing::departments(self.city, kind, area, self.at)
        };
        self.case.departments = if to.is_empty() { by_routes() } else { to.to_vec() };
        self.case.work.accepted_by.clear();
        self.go(CaseState::Dispatched)
    }

    fn accept(&mut self) -> Result<(), Refused> {
        let department = self.order.department.clone().or_else(|| {
            let mut waiting = waiting(&self.case);
            let first = waiting.next().cloned();
            first.filter(|_| waiting.next().is_none())
        });
        let department = match department {
            Some(department) if self.case.departments.contains(&department) => Some(department),
            Some(stranger) => return Err(Refused::Invalid(format!("the case is not handed to {stranger}"))),
            None => self.acting()?,
        };
        if let Some(department) = department {
            if self.case.work.accepted_by.iter().any(|taken| taken.department == department) {
                return Err(Refused::Invalid(format!("{department} has taken the case already")));
            }
            self.case.work.accepted_by.push(Acceptance { department, at: self.at });
        }
        if matches!(self.case.state, CaseState::Accepted | CaseState::Handling) {
            self.note();
            return Ok(());
        }
        self.go(CaseState::Accepted)
    }

    fn approve_return(&mut self, to: &[DepartmentId]) -> Result<(), Refused> {
        self.known(to)?;
        let refuser = self.case.work.returned_by.take();
        let left = self.case.departments.iter().filter(|id| Some(*id) != refuser.as_ref());
        let mut next: Vec<DepartmentId> = if to.is_empty() { left.cloned().collect() } else { to.to_vec() };
        if next.is_empty() {
            next.extend(self.city.cases.centre.clone().filter(|centre| Some(centre) != refuser.as_ref()));
        }
        if next.is_empty() {
            return Err(Refused::Invalid("say which 'departments' get the case instead".to_owned()));
        }
        self.case.departments = next;
        self.case.work.accepted_by.clear();
        self.go(CaseState::Dispatched)
    }

    fn transfer(&mut self, to: &DepartmentId) -> Result<(), Refused> {
        self.known(std::slice::from_ref(to))?;
        if self.case.departments == [to.clone()] {
            return Err(Refused::Invalid(format!("{to} has the case already")));
        }
        self.case.departments = vec![to.clone()];
        self.case.work.accepted_by.clear();
        self.case.work.returned_by = None;
        self.go(CaseState::Transferred)
    }

    fn suspend(&mut self, until: Option<Timestamp>) -> Result<(), Refused> {
        if let Some(until) = until
            && (until <= self.at || until.since(self.at) > MAX_SUSPENSION)
        {
            return Err(Refused::Invalid("'until' is not within the year to come".to_owned()));
        }
        self.case.work.suspended_from = Some(self.case.state);
        self.case.work.suspended_until = until;
        self.go(CaseState::Suspended)
    }

    fn resume(&mut self) -> Result<(), Refused> {
        let from = self.case.work.suspended_from.take();
        self.case.work.suspended_until = None;
        let to = match from {
            Some(CaseState::Rechecking) => CaseState::Rechecking,
            Some(CaseState::Accepted | CaseState::Handling | CaseState::Extended) => CaseState::Handling,
            _ => CaseState::Dispatched,
        };
        if to == CaseState::Dispatched && self.case.departments.is_empty() {
            let (kind, area) = (&self.case.kind, self.case.work.area.as_deref());
            self.case.departments = routing::departments(self.city, kind, area, self.at);
        }
        self.go(to)
    }

    fn extend(&mut self, by: Duration) -> Result<(), Refused> {
        if by.is_zero() || by > MAX_EXTENSION {
            let most = MAX_EXTENSION.as_secs() / 60;
            return Err(Refused::Invalid(format!("'minutes' is not between 1 and {most}")));
        }
        self.acting()?;
        self.case.work.extended += 1;
        self.go(CaseState::Extended)?;
        clocks::extend(self.city, &mut self.case, by);
        Ok(())
    }

    fn rate(&mut self, stars: u8) -> Result<(), Refused> {
        if !(1..=5).contains(&stars) {
            return Err(Refused::Invalid("'stars' is not between 1 and 5".to_owned()));
        }
        self.case.work.rating = Some(stars);
        self.note();
        Ok(())
    }
}

/// What a case forgets when it is found undone.
pub(super) fn reopen(case: &mut Case) {
    case.work.reopened = case.work.reopened.saturating_add(1);
    case.work.accepted_by.clear();
    case.work.clear_looks = 0;
    case.work.after = None;
    case.work.extended = 0;
}

#[cfg(test)]
#[path = "action_tests.rs"]
mod tests;
