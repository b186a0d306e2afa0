//! A case that waits to be taken is told again: how often, to whom, and when not any more.
//!
//! Design decision: the interval is of the destination, else of the kind, as a repeat interval is in Alertmanager, and
//! counts from when the case began to wait. So what is due follows from two moments, when it began and up to when was
//! told; after a time in which nothing ran everybody is told once. Only those who have not taken it are told.

use super::action;
use super::file::SYSTEM;
use super::state::{self, Because};
use citybrain_ingest_config::City;
use citybrain_types::{Case, CaseChange, CaseState, DestinationId, Reminders, Timestamp};
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;

/// A case whose reminder is due.
#[derive(Debug, Clone, PartialEq)]
pub struct Due {
    /// As it stands then.
    pub case: Case,
    /// The new line of its trail.
    pub changes: Vec<CaseChange>,
    /// Who is told; nobody while it is silenced.
    pub to: BTreeSet<DestinationId>,
}

/// Whether somebody is waited for to take it.
fn waits(case: &Case) -> bool {
    use CaseState::{Accepted, Dispatched, Extended, Handling, Reopened, Transferred};
    let open = matches!(case.state, Dispatched | Transferred | Reopened | Accepted | Handling | Extended);
    open && action::waiting(case).next().is_some()
}

/// Begins to count where a case begins to wait, and ends where nobody is waited for. Called after every transition.
pub fn settle(city: &City, case: &mut Case, at: Timestamp) {
    let anew = matches!(case.state, CaseState::Dispatched | CaseState::Transferred | CaseState::Reopened);
    if !waits(case) {
        case.work.reminders = None;
    } else if anew || case.work.reminders.is_some() {
        let known = case.work.reminders.take().filter(|_| !anew);
        let mut reminders = known.unwrap_or(Reminders { since: at, last_at: at, next_at: None, told: 0 });
        reminders.next_at = next(city, case, &reminders);
        case.work.reminders = Some(reminders);
    }
}

/// Destinations of those who have not taken it, each with its interval.
fn intervals<'a>(city: &'a City, case: &'a Case) -> impl Iterator<Item = (&'a DestinationId, Duration)> {
    let departments = action::waiting(case).filter_map(|id| city.departments.get(id));
    let destinations = departments.flat_map(|department| &department.destinations);
    let known = destinations.filter(|id| city.destinations.contains_key(*id));
    known.map(|id| (id, city.cases.repeat_every(&case.kind, id).max(Duration::from_secs(1))))
}

/// How many whole intervals lie between two moments.
fn periods(from: Timestamp, to: Timestamp, every: Duration) -> u128 {
    to.since(from).as_micros() / every.as_micros()
}

fn next(city: &City, case: &Case, reminders: &Reminders) -> Option<Timestamp> {
    if reminders.told >= city.cases.limits.repeats_at_most {
        return None;
    }
    let after = |every: Duration| {
        let passed = u32::try_from(periods(reminders.since, reminders.last_at, every)).ok()?;
        Some(reminders.since.plus(every.checked_mul(passed.checked_add(1)?)?))
    };
    intervals(city, case).filter_map(|(_, every)| after(every)).min()
}

/// What is due by `now`; `silenced` when it is not to be told. Nothing when nothing is.
#[must_use]
pub fn tick(city: &City, case: &Case, now: Timestamp, silenced: bool) -> Option<Due> {
    let reminders = case.work.reminders.as_ref()?;
    reminders.next_at.filter(|next| *next <= now)?;
    let due = intervals(city, case).filter(|(_, every)| {
        periods(reminders.since, now, *every) > periods(reminders.since, reminders.last_at, *every)
    });
    let to: BTreeSet<DestinationId> = due.map(|(id, _)| id.clone()).collect();
    let waiting: Vec<_> = action::waiting(case).map(|id| id.as_str()).collect();
    let (since, told) = (reminders.since, reminders.told + 1);
    let reason = format!("waits since {since} for {} to take it", waiting.join(", "));
    let reason = if silenced { format!("{reason}; silenced") } else { format!("{reason}; told again") };
    let seen = json!({ "time": told, "destinations": to, "silenced": silenced }).to_string();
    let mut case = case.clone();
    let because = Because { at: now, by: SYSTEM.to_owned(), reason, seen };
    let change = state::note(&mut case, "waiting", because);
    let mut reminders = Reminders { since, last_at: now, next_at: None, told };
    reminders.next_at = next(city, &case, &reminders);
    case.work.reminders = Some(reminders);
    Some(Due { case, changes: vec![change], to: if silenced { BTreeSet::new() } else { to } })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::clocks;
    use crate::testing::a_case;
    use crate::testing::city::{START, city, send_to, webhook};
    use citybrain_types::{Acceptance, DepartmentId};
    use std::path::Path;

    const MINUTE: Duration = Duration::from_secs(60);

    fn a_city() -> City {
        let mut city = city(Path::new("unused"));
        for name in ["phone", "desk"] {
            send_to(&mut city, name, webhook("http://127.0.0.1:9/hook"), MINUTE, &[]);
        }
        city.cases.limits.repeat_after = MINUTE * 60;
        city.cases.limits.repeats_at_most = 4;
        city.cases.repeat_to.insert(DestinationId::new("phone").unwrap(), MINUTE * 25);
        city
    }

    fn waiting_case(city: &City) -> Case {
        let mut case = a_case("gate-1");
        case.state = CaseState::Dispatched;
        case.departments = vec![DepartmentId::new("brigade").unwrap()];
        clocks::settle(city, &mut case, START);
        case
    }

    /// Who is told when, in minutes, of a case that is looked at every minute.
    fn told(city: &City, mut case: Case, silenced: impl Fn(u32) -> bool) -> Vec<(u32, String)> {
        let mut told = Vec::new();
        for minute in 0..600 {
            if let Some(due) = tick(city, &case, START.plus(MINUTE * minute), silenced(minute)) {
                assert_eq!(due.case.version, case.version + 1);
                let to: Vec<_> = due.to.iter().map(|id| id.as_str()).collect();
                told.push((minute, to.join("+")));
                case = due.case;
            }
        }
        told
    }

    #[test]
    fn each_destination_is_told_again_at_its_own_interval_and_not_for_ever() {
        let city = a_city();
        let case = waiting_case(&city);
        let first = START.plus(MINUTE * 25);
        assert_eq!(case.work.reminders.as_ref().unwrap().next_at, Some(first));
        let expected = [(25, "phone"), (50, "phone"), (60, "desk"), (75, "phone")];
        assert_eq!(told(&city, case, |_| false), expected.map(|(at, who)| (at, who.to_owned())));
    }

    #[test]
    fn what_is_silenced_is_told_nobody_and_goes_on_afterwards() {
        let city = a_city();
        let told = told(&city, waiting_case(&city), |minute| minute < 55);
        let expected = [(25, ""), (50, ""), (60, "desk"), (75, "phone")];
        assert_eq!(told, expected.map(|(at, who)| (at, who.to_owned())));
    }

    #[test]
    fn after_a_time_in_which_nothing_ran_everybody_is_told_once() {
        let city = a_city();
        let due = tick(&city, &waiting_case(&city), START.plus(MINUTE * 500), false).unwrap();
        assert_eq!((due.to.len(), due.case.work.reminders.as_ref().unwrap().told), (2, 1));
        let next = due.case.work.reminders.unwrap().next_at.unwrap();
        assert_eq!(next, START.plus(MINUTE * 525));
    }

    #[test]
    fn a_case_that_was_taken_is_told_nobody_again() {
        let city = a_city();
        let mut case = waiting_case(&city);
        let department = case.departments[0].clone();
        case.work.accepted_by.push(Acceptance { department, at: START });
        case.state = CaseState::Accepted;
        clocks::settle(&city, &mut case, START);
        assert_eq!(case.work.reminders, None);
        let mut never = a_city();
        never.cases.limits.repeats_at_most = 0;
        assert_eq!(waiting_case(&never).work.reminders.unwrap().next_at, None);
    }
}
