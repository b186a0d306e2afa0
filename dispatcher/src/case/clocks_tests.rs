//! Clocks on a small city whose limits are easy to follow.

use super::*;
use crate::case::action::{Action, Order, act};
use crate::testing::a_case;
use crate::testing::city::{START, city};
use citybrain_ingest_config::resolved::Area;
use proptest::prelude::*;
use std::path::Path;

const MINUTE: Duration = Duration::from_secs(60);

fn after(minutes: f64) -> Timestamp {
    START.plus(MINUTE.mul_f64(minutes))
}

/// Fire is taken within 2 minutes and handled within 15.
fn a_city() -> City {
    let mut city = city(Path::new("/tmp"));
    city.cases.limits = CaseLimits::default();
    for kind in city.kinds.values_mut() {
        kind.handle_within = Duration::from_secs(15 * 60);
    }
    let area = |level, within: Option<&str>, department: Option<&str>| Area {
        level,
        within: within.map(str::to_owned),
        outline: None,
        department: department.map(|name| DepartmentId::new(name).unwrap()),
    };
    let areas = [
        ("harbour", area(Level::Grid, Some("quay"), None)),
        ("quay", area(Level::Community, Some("port-street"), Some("community-office"))),
        ("port-street", area(Level::Street, None, Some("street-office"))),
    ];
    city.cases.areas = areas.map(|(name, area)| (name.to_owned(), area)).into();
    city.cases.centre = Some(DepartmentId::new("brigade").unwrap());
    city
}

fn dispatched(city: &City) -> Case {
    let mut case = a_case("gate-1");
    case.state = CaseState::Dispatched;
    case.departments = vec![DepartmentId::new("brigade").unwrap()];
    case.work.area = Some("harbour".to_owned());
    settle(city, &mut case, START);
    case
}

fn actions(changes: &[CaseChange]) -> Vec<&str> {
    changes.iter().map(|change| change.action.as_str()).collect()
}

fn order(action: Action) -> Order {
    Order { action, by: "Li Wei".to_owned(), department: None, reason: "as the test says".to_owned() }
}

#[test]
fn a_case_nobody_takes_is_warned_of_then_overdue_and_escalated_level_by_level() {
    let city = a_city();
    let case = dispatched(&city);
    assert_eq!(next_at(&case), Some(after(1.5)));
    assert!(tick(&city, &case, after(1.49)).is_none());

    let (case, changes, event) = tick(&city, &case, after(1.5)).unwrap();
    assert_eq!((actions(&changes), event), (vec!["yellow_card"], EventType::YellowCard));
    assert!(tick(&city, &case, after(1.6)).is_none(), "shown twice");

    let (case, changes, event) = tick(&city, &case, after(2.0)).unwrap();
    assert_eq!((actions(&changes), event), (vec!["red_card", "escalated"], EventType::Escalated));
    assert_eq!((case.work.level, case.work.points), (Level::Community, 2));
    assert_eq!(case.work.escalated_to, [DepartmentId::new("community-office").unwrap()]);
    assert!(case.work.clocks[0].overdue);

    let (case, changes, _) = tick(&city, &case, after(4.0)).unwrap();
    assert_eq!((actions(&changes), case.work.level, case.work.points), (vec!["escalated"], Level::Street, 3));
    // The district centre has the case already.
    let (case, _, _) = tick(&city, &case, after(6.0)).unwrap();
    assert_eq!((case.work.level, case.work.escalated_to.len()), (Level::District, 2));
    let (case, changes, _) = tick(&city, &case, after(20.0)).unwrap();
    assert_eq!(actions(&changes), ["yellow_card", "red_card"], "of handling; nobody is above the district");
    assert_eq!(case.work.points, 6);
    assert_eq!(next_at(&case), None);
}

#[test]
fn taking_a_case_stops_the_clock_of_taking_and_the_rest_run_on() {
    let city = a_city();
    let case = dispatched(&city);
    let (case, _) = act(&city, &case, &order(Action::Accept), after(1.0)).unwrap();
    let taken = &case.work.clocks[0];
    assert_eq!((taken.stage, taken.used_secs, taken.overdue), (ClockStage::Accept, Some(60), false));
    assert_eq!(next_at(&case), Some(after(15.0 * 0.75)));
    assert_eq!(case.deadline_at, Some(after(15.0)));
    let (case, _) = act(&city, &case, &order(Action::Done), after(5.0)).unwrap();
    assert_eq!(case.work.clocks[1].used_secs, Some(300));
    assert_eq!(case.work.clocks[2].stage, ClockStage::Recheck);
    let (case, _) = act(&city, &case, &order(Action::Close), after(6.0)).unwrap();
    assert_eq!(next_at(&case), None);
    assert!(tick(&city, &case, after(1e6)).is_none());
}

#[test]
fn a_case_that_is_laid_aside_goes_on_with_what_is_left_and_is_not_warned_of_again() {
    let city = a_city();
    let case = dispatched(&city);
    let (case, _) = act(&city, &case, &order(Action::Accept), after(0.5)).unwrap();
    let (case, _, _) = tick(&city, &case, after(12.0)).unwrap();
    let (case, _) = act(&city, &case, &order(Action::Suspend(None)), after(12.0)).unwrap();
    assert_eq!(next_at(&case), None, "a suspension without end has no clock");
    let (case, _) = act(&city, &case, &order(Action::Resume), after(500.0)).unwrap();
    assert_eq!(case.state, CaseState::Handling);
    assert_eq!(case.deadline_at, Some(after(503.0)), "three of fifteen minutes were left");
    let (_, changes, _) = tick(&city, &case, after(503.0)).unwrap();
    assert_eq!(actions(&changes), ["red_card", "escalated"]);
}

#[test]
fn more_time_moves_the_deadline_and_warns_anew_and_a_reopened_case_has_all_of_it_again() {
    let city = a_city();
    let case = dispatched(&city);
    let (case, _) = act(&city, &case, &order(Action::Accept), after(0.5)).unwrap();
    let (case, _, _) = tick(&city, &case, after(12.0)).unwrap();
    let (case, _) = act(&city, &case, &order(Action::Extend(15 * MINUTE)), after(13.0)).unwrap();
    assert_eq!((case.state, case.deadline_at), (CaseState::Extended, Some(after(30.0))));
    assert_eq!(next_at(&case), Some(after(26.25)));
    let (case, _) = act(&city, &case, &order(Action::Done), after(20.0)).unwrap();
    let (case, _) = act(&city, &case, &order(Action::Reopen), after(21.0)).unwrap();
    assert_eq!((case.work.reopened, case.deadline_at), (1, Some(after(36.0))));
}

#[test]
fn a_clock_that_is_moved_an_hour_shows_nothing_twice_and_loses_nothing() {
    let city = a_city();
    let case = dispatched(&city);
    let (ahead, changes, _) = tick(&city, &case, after(60.0)).unwrap();
    let shown = actions(&changes).len();
    assert!(tick(&city, &ahead, after(0.0)).is_none(), "back again: {shown} were shown already");
    assert!(tick(&city, &ahead, after(60.0)).is_none());
    // Back before it began: what is used is not negative, and stops are in order.
    let (case, _) = act(&city, &dispatched(&city), &order(Action::Accept), START.minus(60 * MINUTE)).unwrap();
    assert_eq!(case.work.clocks[0].used_secs, Some(0));
}

#[test]
fn an_open_case_of_a_program_without_clocks_gets_them() {
    let city = a_city();
    let mut case = dispatched(&city);
    case.work.clocks.clear();
    let (case, changes, _) = tick(&city, &case, after(1.0)).unwrap();
    assert_eq!((actions(&changes), case.work.clocks.len()), (vec!["clocks_started"], 2));
    assert_eq!(case.work.clocks[0].due_at, after(2.0));
}

proptest! {
    #[test]
    fn however_time_passes_each_clock_shows_each_card_once_and_points_add_up(
        steps in proptest::collection::vec(-90_i64..180, 1..60),
    ) {
        let city = a_city();
        let mut case = dispatched(&city);
        let mut trail = Vec::new();
        let mut now = START;
        for step in steps {
            now = Timestamp::from_micros(now.as_micros() + step * 1_000_000);
            while let Some((next, changes, _)) = tick(&city, &case, now) {
                prop_assert!(!changes.is_empty() && next.version as usize == case.version as usize + changes.len());
                case = next;
                trail.extend(changes);
            }
            prop_assert!(next_at(&case).is_none_or(|next| next > now));
        }
        let count = |action: &str| trail.iter().filter(|change| change.action == action).count();
        prop_assert!(count("yellow_card") <= 2 && count("red_card") <= count("yellow_card"));
        prop_assert!(count("escalated") <= 3, "grid to district is three steps up");
        let deducted = 2 * count("red_card") + count("escalated").saturating_sub(count("red_card").min(count("escalated")));
        prop_assert!(case.work.points as usize <= deducted.max(2 * count("red_card") + 3));
        prop_assert!(case.work.points as usize >= 2 * count("red_card"));
    }
}
