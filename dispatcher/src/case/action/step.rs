//! One order on its way through a case.
//!
//! A case may be handed to several departments: the first is responsible, the others help. Each takes, does and returns
//! its part for itself; the case is returned when the responsible one returns it, and done when all have done theirs.

use super::{Action, MAX_EXTENSION, Order, Refused, begin_anew, reopen, waiting};
use crate::case::file::SYSTEM;
use crate::case::state::{self, Because};
use crate::case::{clocks, reminders, routing};
use citybrain_ingest_config::City;
use citybrain_types::{Acceptance, Case, CaseChange, CaseState, DepartmentId, Timestamp};
use serde_json::json;
use std::time::Duration;

/// A case is laid aside for at most this long.
const MAX_SUSPENSION: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// One order on its way through a case.
pub(super) struct Step<'a> {
    city: &'a City,
    case: Case,
    order: &'a Order,
    at: Timestamp,
    changes: Vec<CaseChange>,
}

impl<'a> Step<'a> {
    /// Follows an order that is allowed: the case as it stands then, with the new lines of its trail.
    pub(super) fn follow(
        city: &'a City,
        case: &Case,
        order: &'a Order,
        at: Timestamp,
    ) -> Result<(Case, Vec<CaseChange>), Refused> {
        let mut step = Self { city, case: case.clone(), order, at, changes: Vec::new() };
        step.take()?;
        Ok((step.case, step.changes))
    }

    fn take(&mut self) -> Result<(), Refused> {
        match &self.order.action {
            Action::Verify => self.go(CaseState::Verifying),
            Action::File => self.file(),
            Action::Dispatch(to) => self.dispatch(to),
            Action::Accept => self.accept(),
            Action::Start => {
                self.acting()?;
                self.go(CaseState::Handling)
            }
            Action::Done => self.done(),
            Action::Return => self.give_back(),
            Action::ApproveReturn(to) => self.approve_return(to),
            Action::RejectReturn => {
                // Whoever is not let go has to take it anew; the others go on as they are.
                let refuser = self.case.work.returned_by.take();
                let others = |taken: &Acceptance| Some(&taken.department) != refuser.as_ref();
                self.case.work.accepted_by.retain(others);
                self.case.work.finished_by.retain(others);
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

    /// A department has done its part; the case is done when every department that has it has.
    fn done(&mut self) -> Result<(), Refused> {
        if let Some(department) = self.acting()? {
            let work = &mut self.case.work;
            if work.finished_by.iter().any(|done| done.department == department) {
                return Err(Refused::Invalid(format!("{department} has done its part already")));
            }
            // Whoever has done it has taken it.
            if !work.accepted_by.iter().any(|taken| taken.department == department) {
                work.accepted_by.push(Acceptance { department: department.clone(), at: self.at });
            }
            work.finished_by.push(Acceptance { department, at: self.at });
        }
        let finished =
            |id: &DepartmentId| self.case.work.finished_by.iter().any(|done| done.department == *id);
        if !self.case.departments.iter().all(finished) {
            self.note();
            return Ok(());
        }
        self.case.work.clear_looks = 0;
        self.case.work.after = None;
        self.go(CaseState::Rechecking)
    }

    /// The responsible department, the first, refuses the whole; another gives back its part, and the case goes on.
    fn give_back(&mut self) -> Result<(), Refused> {
        let department = self.acting()?;
        let helper = department.as_ref().filter(|id| self.case.departments.first() != Some(*id)).cloned();
        let Some(helper) = helper else {
            self.case.work.returned_by = department;
            return self.go(CaseState::Returned);
        };
        self.leave(&helper);
        self.case.work.declined_by.push(Acceptance { department: helper, at: self.at });
        // Those who are left may have done all of it.
        let work = &self.case.work;
        let all_done = !work.finished_by.is_empty()
            && self
                .case
                .departments
                .iter()
                .all(|id| work.finished_by.iter().any(|done| done.department == *id));
        if all_done {
            return self.go(CaseState::Rechecking);
        }
        self.note();
        Ok(())
    }

    /// A department has nothing to do with the case any more.
    fn leave(&mut self, department: &DepartmentId) {
        self.case.departments.retain(|id| id != department);
        self.case.work.accepted_by.retain(|taken| taken.department != *department);
        self.case.work.finished_by.retain(|done| done.department != *department);
    }

    fn note(&mut self) {
        let because = Because {
            at: self.at,
            by: self.order.by.clone(),
            reason: self.order.reason.clone(),
            seen: self.seen(),
        };
        let line = state::note(&mut self.case, self.order.action.name().name(), because);
        reminders::settle(self.city, &mut self.case, self.at);
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
        begin_anew(&mut self.case);
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
        begin_anew(&mut self.case);
        self.go(CaseState::Dispatched)
    }

    fn transfer(&mut self, to: &DepartmentId) -> Result<(), Refused> {
        self.known(std::slice::from_ref(to))?;
        if self.case.departments == [to.clone()] {
            return Err(Refused::Invalid(format!("{to} has the case already")));
        }
        if let Some(helper) = self.helper() {
            return self.hand_part_on(&helper, to);
        }
        self.case.departments = vec![to.clone()];
        begin_anew(&mut self.case);
        self.case.work.returned_by = None;
        self.go(CaseState::Transferred)
    }

    /// The department that is named, where it is one that has the case and is not responsible for it.
    fn helper(&self) -> Option<DepartmentId> {
        let (_, helpers) = self.case.departments.split_first()?;
        self.order.department.clone().filter(|named| helpers.contains(named))
    }

    /// A department that helps hands its part on; the case goes on.
    fn hand_part_on(&mut self, from: &DepartmentId, to: &DepartmentId) -> Result<(), Refused> {
        if self.case.departments.contains(to) {
            return Err(Refused::Invalid(format!("{to} has the case already")));
        }
        self.leave(from);
        self.case.departments.push(to.clone());
        self.note();
        Ok(())
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
