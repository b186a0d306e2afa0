//! Orders on cases in every state.

use super::*;
use crate::case::clocks::{self, running_in};
use crate::testing::a_case;
use crate::testing::city::{START, city};
use citybrain_ingest_config::resolved::{CaseLimits, Department};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::path::Path;

fn id(name: &str) -> DepartmentId {
    DepartmentId::new(name).unwrap()
}

fn a_city() -> City {
    let mut city = city(Path::new("/tmp"));
    city.cases.limits = CaseLimits::default();
    for kind in city.kinds.values_mut() {
        kind.handle_within = Duration::from_secs(15 * 60);
    }
    for name in ["police", "centre"] {
        let department = Department { id: id(name), name: name.to_owned(), destinations: BTreeSet::new() };
        city.departments.insert(id(name), department);
    }
    city.cases.centre = Some(id("centre"));
    city
}

fn in_state(state: CaseState) -> Case {
    let mut case = a_case("gate-1");
    case.state = state;
    case.departments = vec![id("brigade"), id("police")];
    clocks::settle(&a_city(), &mut case, START);
    case
}

fn order(action: Action) -> Order {
    Order {
        action,
        by: "Li Wei".to_owned(),
        department: Some(id("brigade")),
        reason: "it has to be".to_owned(),
    }
}

fn any_action() -> impl Strategy<Value = Action> {
    proptest::sample::select(vec![
        Action::Verify,
        Action::File,
        Action::Dispatch(vec![]),
        Action::Dispatch(vec![id("police")]),
        Action::Accept,
        Action::Start,
        Action::Done,
        Action::Return,
        Action::ApproveReturn(vec![]),
        Action::RejectReturn,
        Action::Transfer(id("police")),
        Action::Suspend(None),
        Action::Suspend(Some(START.plus(Duration::from_secs(86_400 * 30)))),
        Action::Resume,
        Action::Extend(Duration::from_secs(3_600)),
        Action::Link(CaseId::new("another").unwrap()),
        Action::Void(VoidReason::FalseAlarm),
        Action::Close,
        Action::Reopen,
        Action::Rate(4),
    ])
}

proptest! {
    #[test]
    fn an_action_is_followed_where_its_state_allows_it_and_refused_with_the_allowed_ones_elsewhere(
        state in proptest::sample::select(CaseState::ALL),
        action in any_action(),
    ) {
        let case = in_state(state);
        let name = action.name();
        let result = act(&a_city(), &case, &order(action), START);
        if allowed_in(state).contains(&name) {
            prop_assert!(!matches!(result, Err(Refused::NotNow { .. } | Refused::Illegal(_))), "{result:?}");
        } else {
            let Err(refused) = result else { panic!("{name} was followed in {state}") };
            let text = refused.to_string();
            for allowed in allowed(&case) {
                prop_assert!(text.contains(allowed.name()), "{} does not name {}", text, allowed);
            }
        }
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn on_any_walk_versions_rise_with_the_trail_and_the_clocks_are_those_of_the_state(
        walk in proptest::collection::vec((any_action(), 1_u64..7_200), 0..40),
    ) {
        let city = a_city();
        let mut case = a_case("gate-1");
        clocks::settle(&city, &mut case, START);
        let mut now = START;
        let mut lines = 0;
        for (action, secs) in walk {
            now = now.plus(Duration::from_secs(secs));
            let before = case.state;
            if let Ok((next, changes)) = act(&city, &case, &order(action), now) {
                prop_assert!(!changes.is_empty());
                prop_assert_eq!(changes[0].from, Some(before));
                prop_assert_eq!(changes.last().map(|change| change.to), Some(next.state));
                lines += u32::try_from(changes.len()).unwrap();
                case = next;
            }
            if let Some((next, changes, _)) = clocks::tick(&city, &case, now) {
                lines += u32::try_from(changes.len()).unwrap();
                case = next;
            }
            prop_assert_eq!(case.version, 1 + lines);
            let running: BTreeSet<_> =
                case.work.clocks.iter().filter(|clock| clock.is_running()).map(|clock| clock.stage).collect();
            let wanted: BTreeSet<_> = running_in(case.state).iter().copied().collect();
            prop_assert!(running.is_subset(&wanted));
            prop_assert_eq!(
                case.work.clocks.iter().filter(|clock| clock.is_running()).count(), running.len(),
                "two clocks of one stage run"
            );
            prop_assert!(case.work.clocks.len() <= 26);
        }
    }
}

#[test]
fn every_action_leads_only_where_the_table_of_states_allows() {
    for state in CaseState::ALL {
        for action in allowed_in(*state) {
            let of_it = |candidate: &Action| candidate.name() == *action;
            let mut runner = proptest::test_runner::TestRunner::deterministic();
            let found = (0..2_000).find_map(|_| {
                let tree = any_action().new_tree(&mut runner).unwrap();
                Some(proptest::strategy::ValueTree::current(&tree)).filter(of_it)
            });
            let mut case = in_state(*state);
            case.work.suspended_from = Some(CaseState::Handling);
            let result = act(&a_city(), &case, &order(found.unwrap()), START);
            assert!(result.is_ok(), "{action} in {state}: {result:?}");
        }
    }
}

#[test]
fn the_way_of_a_case_that_is_refused_handed_on_and_handled() {
    let city = a_city();
    let mut case = in_state(CaseState::Dispatched);
    let mut walked = Vec::new();
    for action in [
        Action::Return,
        Action::ApproveReturn(vec![]),
        Action::Transfer(id("brigade")),
        Action::Accept,
        Action::Start,
        Action::Done,
        Action::Reopen,
        Action::Start,
        Action::Done,
        Action::Close,
        Action::Rate(5),
    ] {
        let (next, changes) = act(&city, &case, &order(action.clone()), START)
            .unwrap_or_else(|refused| panic!("{action:?}: {refused}"));
        walked.extend(changes.iter().map(|change| change.to.name()));
        case = next;
        if action == Action::ApproveReturn(vec![]) {
            // The one that refused is out, the other keeps it.
            assert_eq!(case.departments, [id("police")]);
        }
    }
    let expected = [
        "returned",
        "dispatched",
        "transferred",
        "accepted",
        "handling",
        "rechecking",
        "reopened",
        "handling",
        "rechecking",
        "closed",
        "closed",
    ];
    assert_eq!(walked, expected);
    assert_eq!((case.work.rating, case.work.reopened), (Some(5), 1));
    assert_eq!(allowed(&case), [CaseAction::Reopen], "it has been rated");
}

#[test]
fn each_department_takes_a_case_once_and_the_only_one_that_refuses_leaves_it_to_the_centre() {
    let city = a_city();
    let case = in_state(CaseState::Dispatched);
    let by = |name: &str| Order { department: Some(id(name)), ..order(Action::Accept) };
    let (case, _) = act(&city, &case, &by("police"), START).unwrap();
    assert_eq!(case.state, CaseState::Accepted);
    assert!(matches!(act(&city, &case, &by("police"), START), Err(Refused::Invalid(_))));
    assert!(matches!(act(&city, &case, &by("parks"), START), Err(Refused::Invalid(_))));
    let (case, changes) = act(&city, &case, &by("brigade"), START).unwrap();
    assert_eq!((changes[0].from, changes[0].to), (Some(CaseState::Accepted), CaseState::Accepted));
    assert!(!allowed(&case).contains(&CaseAction::Accept));

    let mut alone = in_state(CaseState::Dispatched);
    alone.departments = vec![id("brigade")];
    let (alone, _) = act(&city, &alone, &order(Action::Return), START).unwrap();
    let (alone, _) = act(&city, &alone, &order(Action::ApproveReturn(vec![])), START).unwrap();
    assert_eq!(alone.departments, [id("centre")]);
}

#[test]
fn each_department_takes_does_and_returns_its_part_and_the_case_follows_the_responsible_one() {
    let city = a_city();
    let by = |name: &str, action: Action| Order { department: Some(id(name)), ..order(action) };
    let follow = |case: Case, order: Order| {
        let (next, changes) =
            act(&city, &case, &order, START).unwrap_or_else(|refused| panic!("{order:?}: {refused}"));
        assert_eq!(changes.len(), 1);
        next
    };
    let mut case = in_state(CaseState::Dispatched);
    case.departments = vec![id("brigade"), id("police"), id("centre")];
    // The one that helps gives its part back: the case stays with the others.
    let case = follow(case, by("police", Action::Return));
    assert_eq!((case.state, case.departments.len()), (CaseState::Dispatched, 2));
    assert_eq!(case.work.declined_by[0].department, id("police"));
    assert!(matches!(act(&city, &case, &by("police", Action::Accept), START), Err(Refused::Invalid(_))));
    // Each has done its part before the case is done.
    let case = follow(case, by("brigade", Action::Accept));
    let done = follow(case.clone(), by("brigade", Action::Done));
    assert_eq!((done.state, done.work.finished_by.len()), (CaseState::Accepted, 1));
    assert!(matches!(act(&city, &done, &by("brigade", Action::Done), START), Err(Refused::Invalid(_))));
    let both = follow(done.clone(), by("centre", Action::Done));
    assert_eq!(both.state, CaseState::Rechecking);
    assert_eq!(both.work.accepted_by.len(), 2, "whoever has done it has taken it");
    // Or the other gives its part back, and nothing is left to do.
    assert_eq!(follow(done, by("centre", Action::Return)).state, CaseState::Rechecking);
    // The responsible one returns it for all, and is held to it: the other's part stands.
    let case = follow(case, by("centre", Action::Accept));
    let returned = follow(case, by("brigade", Action::Return));
    assert_eq!(returned.state, CaseState::Returned);
    let again = follow(returned.clone(), by("centre", Action::RejectReturn));
    let taken: Vec<_> = again.work.accepted_by.iter().map(|taken| taken.department.as_str()).collect();
    assert_eq!((again.state, taken), (CaseState::Dispatched, vec!["centre"]));
    // Or let go: the next one is responsible.
    let left = follow(returned, by("centre", Action::ApproveReturn(vec![])));
    assert_eq!((left.state, left.departments), (CaseState::Dispatched, vec![id("centre")]));
}

#[test]
fn a_department_that_helps_hands_its_own_part_on() {
    let (city, case) = (a_city(), in_state(CaseState::Handling));
    let order = Order { department: Some(id("police")), ..order(Action::Transfer(id("centre"))) };
    let (case, changes) = act(&city, &case, &order, START).unwrap();
    assert_eq!((case.state, case.departments), (CaseState::Handling, vec![id("brigade"), id("centre")]));
    assert_eq!(changes[0].action, "transfer");
}

#[test]
fn filing_a_report_hands_it_over_by_the_routes() {
    let mut case = in_state(CaseState::Verifying);
    case.departments.clear();
    let (case, changes) = act(&a_city(), &case, &order(Action::File), START).unwrap();
    assert_eq!((case.state, changes.len()), (CaseState::Dispatched, 2));
    assert_eq!(case.departments, [id("brigade")]);
}

#[test]
fn an_order_without_who_or_why_or_with_more_than_a_line_is_refused() {
    let city = a_city();
    let case = in_state(CaseState::Handling);
    let good = order(Action::Void(VoidReason::FalseAlarm));
    for bad in [
        Order { by: " ".to_owned(), ..good.clone() },
        Order { by: "x".repeat(101), ..good.clone() },
        Order { by: "a\nb".to_owned(), ..good.clone() },
        Order { reason: String::new(), ..good.clone() },
        Order { reason: "x".repeat(501), ..good.clone() },
        Order { action: Action::Extend(Duration::ZERO), ..good.clone() },
        Order { action: Action::Extend(MAX_EXTENSION * 2), ..good.clone() },
        Order { action: Action::Transfer(id("nobody")), ..good.clone() },
        Order { action: Action::Suspend(Some(START)), ..good.clone() },
        Order { action: Action::Link(case.id.clone()), ..good.clone() },
    ] {
        assert!(matches!(act(&city, &case, &bad, START), Err(Refused::Invalid(_))), "{bad:?}");
    }
    assert!(act(&city, &case, &good, START).is_ok());
}
