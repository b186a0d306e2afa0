//! The clocks of a case: which run in which state, and what happens when their time passes.

use super::calendar::{due, worked};
use super::file::SYSTEM;
use super::reminders;
use super::state::{self, Because};
use crate::envelope::EventType;
use citybrain_ingest_config::City;
use citybrain_ingest_config::resolved::{Calendar, CaseLimits};
use citybrain_types::{
    Card, Case, CaseChange, CaseState, ClockStage, DepartmentId, Level, Priority, StageClock, Timestamp,
};
use serde_json::json;
use std::time::Duration;

/// Stopped clocks that are kept with a case; the trail has them all.
const KEPT_CLOCKS: usize = 24;
/// Cards and escalations in one step; more wait for the next.
const MAX_EVENTS: usize = 16;
/// A kind that is not in the catalogue is handled within this.
const HANDLE_WITHIN_BY_DEFAULT: Duration = Duration::from_secs(24 * 60 * 60);
/// Escalations lie at least this far apart, however short the clock is.
const ESCALATE_AT_MOST_EVERY: Duration = Duration::from_secs(60);

/// The clocks that run in a state.
#[must_use]
pub const fn running_in(state: CaseState) -> &'static [ClockStage] {
    match state {
        CaseState::Reported | CaseState::Verifying => &[ClockStage::Verify],
        CaseState::Filed => &[ClockStage::Dispatch],
        CaseState::Dispatched | CaseState::Transferred | CaseState::Reopened => {
            &[ClockStage::Accept, ClockStage::Handle]
        }
        CaseState::Accepted | CaseState::Handling | CaseState::Extended => &[ClockStage::Handle],
        CaseState::Rechecking => &[ClockStage::Recheck],
        CaseState::Returned => &[ClockStage::Approve],
        CaseState::Suspended => &[ClockStage::Suspend],
        CaseState::Closed | CaseState::Void | CaseState::Linked => &[],
    }
}

/// Stops and starts clocks so that those of the case's state run. Called after every transition; `at` is its moment.
pub fn settle(city: &City, case: &mut Case, at: Timestamp) {
    let wanted = running_in(case.state);
    // Whoever gets the case has the whole time to take it.
    let anew = matches!(case.state, CaseState::Dispatched | CaseState::Transferred | CaseState::Reopened);
    let reopened = case.state == CaseState::Reopened;
    let mut last_handle = case.work.clocks.iter().rev().find(|c| c.stage == ClockStage::Handle).cloned();
    let mut handled = 0;
    for clock in case.work.clocks.iter_mut().filter(|clock| clock.is_running()) {
        let restart =
            (anew && clock.stage == ClockStage::Accept) || (reopened && clock.stage == ClockStage::Handle);
        if restart || !wanted.contains(&clock.stage) {
            let used = worked(calendar(city, clock.calendar.as_ref()), clock.started_at, at).as_secs();
            clock.stopped_at = Some(at);
            clock.used_secs = Some(used);
            if clock.stage == ClockStage::Handle {
                handled += used;
                last_handle = Some(clock.clone());
            }
        }
    }
    case.work.handled_secs = if reopened { 0 } else { case.work.handled_secs.saturating_add(handled) };
    for stage in wanted {
        if !case.work.clocks.iter().any(|clock| clock.is_running() && clock.stage == *stage) {
            let before = last_handle.as_ref().filter(|_| *stage == ClockStage::Handle && !reopened);
            case.work.clocks.extend(begin(city, case, *stage, before, at));
        }
    }
    let surplus = case.work.clocks.len().saturating_sub(KEPT_CLOCKS);
    let mut dropped = 0;
    case.work.clocks.retain(|clock| {
        let drop = dropped < surplus && !clock.is_running();
        dropped += usize::from(drop);
        !drop
    });
    set_deadline(case);
    reminders::settle(city, case, at);
}

/// Gives the running clock of handling more time.
pub fn extend(city: &City, case: &mut Case, by: Duration) {
    for clock in &mut case.work.clocks {
        if clock.is_running() && clock.stage == ClockStage::Handle {
            let calendar = calendar(city, clock.calendar.as_ref());
            clock.limit_secs = clock.limit_secs.saturating_add(by.as_secs());
            clock.due_at = due(calendar, clock.due_at, by);
            clock.yellow_at = due(calendar, clock.yellow_at, by);
            // What was shown stays in the trail; the clock begins to warn anew.
            clock.card = None;
            clock.escalate_at = None;
        }
    }
    set_deadline(case);
}

/// When something happens next on one of the clocks, or somebody is told again.
#[must_use]
pub fn next_at(case: &Case) -> Option<Timestamp> {
    let reminder = case.work.reminders.as_ref().and_then(|reminders| reminders.next_at);
    case.work.clocks.iter().filter_map(StageClock::next_at).chain(reminder).min()
}

/// What follows from the time that has passed: cards, escalations, points. The event is the gravest of them; nothing
/// when nothing is due.
#[must_use]
pub fn tick(city: &City, case: &Case, now: Timestamp) -> Option<(Case, Vec<CaseChange>, EventType)> {
    let mut case = case.clone();
    if case.work.clocks.is_empty() && !running_in(case.state).is_empty() {
        // Stored by a program that had no clocks: its time counts from its last change.
        let since = case.updated_at;
        settle(city, &mut case, since);
        let change = note(&mut case, "clocks_started", "deadlines are kept from now on", now, json!({}));
        return Some((case, vec![change], EventType::CaseUpdated));
    }
    let mut changes = Vec::new();
    let mut gravest = None;
    while changes.len() < MAX_EVENTS {
        let due =
            case.work.clocks.iter().enumerate().filter_map(|(i, clock)| Some((clock.next_at()?, i))).min();
        let Some((moment, index)) = due.filter(|(moment, _)| *moment <= now) else { break };
        let event = match case.work.clocks[index].card {
            None => yellow(&mut case, index, now, &mut changes),
            Some(Card::Yellow) => red(city, &mut case, index, now, &mut changes),
            Some(Card::Red) => escalate_again(city, &mut case, index, moment, now, &mut changes),
        };
        gravest = gravest.max(Some(event));
    }
    gravest.map(|event| (case, changes, event))
}

fn yellow(case: &mut Case, index: usize, now: Timestamp, changes: &mut Vec<CaseChange>) -> EventType {
    let clock = &mut case.work.clocks[index];
    clock.card = Some(Card::Yellow);
    let (stage, due_at) = (clock.stage, clock.due_at);
    let reason = format!("most of the time to {stage} is gone; it ends at {due_at}");
    changes.push(note(case, "yellow_card", &reason, now, seen(stage, due_at)));
    EventType::YellowCard
}

fn red(
    city: &City,
    case: &mut Case,
    index: usize,
    now: Timestamp,
    changes: &mut Vec<CaseChange>,
) -> EventType {
    let points = city.cases.limits.red_card_points;
    let clock = &mut case.work.clocks[index];
    clock.card = Some(Card::Red);
    clock.overdue = true;
    let (stage, due_at) = (clock.stage, clock.due_at);
    clock.escalate_at = case.work.level.above().map(|_| next_escalation(city, clock, due_at));
    case.work.points = case.work.points.saturating_add(points);
    let reason = format!("the time to {stage} ended at {due_at}; {points} points are deducted");
    changes.push(note(case, "red_card", &reason, now, seen(stage, due_at)));
    if escalate(city, case, now, stage, changes) { EventType::Escalated } else { EventType::RedCard }
}

fn escalate_again(
    city: &City,
    case: &mut Case,
    index: usize,
    moment: Timestamp,
    now: Timestamp,
    changes: &mut Vec<CaseChange>,
) -> EventType {
    let stage = case.work.clocks[index].stage;
    case.work.clocks[index].escalate_at = Some(next_escalation(city, &case.work.clocks[index], moment));
    case.work.points = case.work.points.saturating_add(city.cases.limits.escalation_points);
    escalate(city, case, now, stage, changes);
    EventType::Escalated
}

/// One level up; `false` when the case is at the top already.
fn escalate(
    city: &City,
    case: &mut Case,
    now: Timestamp,
    stage: ClockStage,
    changes: &mut Vec<CaseChange>,
) -> bool {
    let Some(level) = case.work.level.above() else { return false };
    case.work.level = level;
    if level.above().is_none() {
        // Nobody is above the district: no clock escalates any further.
        case.work.clocks.iter_mut().for_each(|clock| clock.escalate_at = None);
    }
    let told = told_at(city, case, level);
    let to = told.as_ref().map_or_else(
        || "nobody: no area or district centre names a department".to_owned(),
        ToString::to_string,
    );
    if let Some(told) = told
        && !case.departments.contains(&told)
        && !case.work.escalated_to.contains(&told)
    {
        case.work.escalated_to.push(told);
    }
    let reason = format!("escalated to the {level}, told: {to}");
    changes.push(note(case, "escalated", &reason, now, json!({ "stage": stage, "level": level })));
    true
}

/// The department of the area on that level in which the case lies; the district centre where there is none.
fn told_at(city: &City, case: &Case, level: Level) -> Option<DepartmentId> {
    let area = case.work.area.as_deref();
    let own = area.and_then(|area| {
        city.cases.upwards(area).find(|(_, area)| area.level == level)?.1.department.clone()
    });
    own.or_else(|| city.cases.centre.clone())
}

fn next_escalation(city: &City, clock: &StageClock, after: Timestamp) -> Timestamp {
    let span = Duration::from_secs(clock.limit_secs).max(ESCALATE_AT_MOST_EVERY);
    due(calendar(city, clock.calendar.as_ref()), after, span)
}

fn note(case: &mut Case, action: &str, reason: &str, at: Timestamp, seen: serde_json::Value) -> CaseChange {
    let because = Because { at, by: SYSTEM.to_owned(), reason: reason.to_owned(), seen: seen.to_string() };
    state::note(case, action, because)
}

fn seen(stage: ClockStage, due_at: Timestamp) -> serde_json::Value {
    json!({ "stage": stage, "due_at": due_at })
}

fn begin(
    city: &City,
    case: &Case,
    stage: ClockStage,
    before: Option<&StageClock>,
    at: Timestamp,
) -> Option<StageClock> {
    let (calendar_id, whole) = limit(city, case, stage, at)?;
    let calendar = calendar(city, calendar_id.as_ref());
    let limit = if before.is_some() {
        whole.saturating_sub(Duration::from_secs(case.work.handled_secs))
    } else {
        whole
    };
    let due_at = due(calendar, at, limit);
    let mut clock = StageClock {
        stage,
        limit_secs: limit.as_secs(),
        started_at: at,
        yellow_at: due(calendar, at, limit.mul_f64(city.cases.limits.yellow_at)),
        due_at,
        stopped_at: None,
        used_secs: None,
        overdue: before.is_some_and(|before| before.overdue),
        // A card that was shown is not shown again because the case was laid aside for a while.
        card: before.and_then(|before| before.card),
        escalate_at: None,
        calendar: calendar_id,
    };
    if clock.card == Some(Card::Red) && case.work.level.above().is_some() {
        clock.limit_secs = whole.as_secs();
        clock.escalate_at = Some(next_escalation(city, &clock, at));
        clock.limit_secs = limit.as_secs();
    }
    Some(clock)
}

/// The calendar and the time of a stage; no clock for a suspension without end.
fn limit(city: &City, case: &Case, stage: ClockStage, at: Timestamp) -> Option<(Option<String>, Duration)> {
    let limits: &CaseLimits = &city.cases.limits;
    let by_wall_clock = match stage {
        ClockStage::Handle => {
            let id = city.cases.calendar_of.get(&case.kind).cloned();
            let known = id.filter(|id| city.cases.calendars.contains_key(id));
            let within =
                city.kinds.get(&case.kind).map_or(HANDLE_WITHIN_BY_DEFAULT, |kind| kind.handle_within);
            return Some((known, within));
        }
        ClockStage::Verify => limits.verify_within,
        ClockStage::Dispatch => limits.dispatch_within,
        ClockStage::Accept => match case.priority {
            Priority::Normal => limits.accept_within,
            Priority::Urgent => limits.accept_urgent_within,
            Priority::Immediate => limits.accept_immediate_within,
        },
        ClockStage::Recheck => limits.recheck_within,
        ClockStage::Approve => limits.approve_within,
        ClockStage::Suspend => case.work.suspended_until?.since(at),
    };
    Some((None, by_wall_clock))
}

fn calendar<'a>(city: &'a City, id: Option<&String>) -> Option<&'a Calendar> {
    city.cases.calendars.get(id?)
}

fn set_deadline(case: &mut Case) {
    let handle = case.work.clocks.iter().find(|c| c.is_running() && c.stage == ClockStage::Handle);
    if let Some(handle) = handle {
        case.deadline_at = Some(handle.due_at);
    }
}

#[cfg(test)]
#[path = "clocks_tests.rs"]
mod tests;
