//! The life of a case as one table: which state may follow which.

use citybrain_types::{Case, CaseChange, CaseState, Timestamp};

/// A change that the life of a case does not allow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a case that is {from} cannot become {to}; it can become {}", names(allowed))]
pub struct IllegalTransition {
    /// The state it is in.
    pub from: CaseState,
    /// The state that was asked for.
    pub to: CaseState,
    /// The states it may go to.
    pub allowed: &'static [CaseState],
}

fn names(states: &[CaseState]) -> String {
    if states.is_empty() {
        return "nothing else any more".to_owned();
    }
    states.iter().map(|state| state.name()).collect::<Vec<_>>().join(", ")
}

/// The states that may follow `state`. `void` and `linked` are final: what was wrong is reported anew.
#[must_use]
pub const fn allowed_after(state: CaseState) -> &'static [CaseState] {
    use CaseState::{
        Accepted, Closed, Dispatched, Extended, Filed, Handling, Linked, Rechecking, Reopened, Reported,
        Returned, Suspended, Transferred, Verifying, Void,
    };
    match state {
        Reported => &[Verifying, Filed, Void, Linked],
        Verifying => &[Filed, Void, Linked],
        Filed => &[Dispatched, Suspended, Void, Linked],
        // The camera itself may see that it is over before anybody has taken the case.
        Dispatched => &[Accepted, Rechecking, Returned, Transferred, Suspended, Void, Linked],
        Accepted => &[Handling, Rechecking, Returned, Transferred, Suspended, Extended, Void, Linked],
        Handling => &[Rechecking, Returned, Transferred, Suspended, Extended, Void, Linked],
        Rechecking => &[Closed, Reopened, Suspended],
        Closed => &[Reopened],
        Suspended => &[Dispatched, Handling, Rechecking, Void],
        Returned => &[Dispatched, Transferred, Suspended, Void],
        Transferred => &[Dispatched, Accepted, Returned, Suspended],
        Reopened => &[Dispatched, Accepted, Handling, Rechecking],
        Extended => &[Handling, Rechecking, Suspended, Void, Linked],
        Void | Linked => &[],
    }
}

/// Who changes a case, why, and what was known: the part of a trail's line that the state machine does not know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Because {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: String,
    /// Why, in words.
    pub reason: String,
    /// What was known, as JSON.
    pub seen: String,
}

/// Moves `case` to `to` and returns the line for its trail; the case has the next version afterwards. Its clocks are
/// left alone: [`super::clocks::settle`] follows.
///
/// # Errors
/// [`IllegalTransition`] when the life of a case does not allow it; the case is unchanged.
pub fn advance(case: &mut Case, to: CaseState, because: Because) -> Result<CaseChange, IllegalTransition> {
    let from = case.state;
    let allowed = allowed_after(from);
    if !allowed.contains(&to) {
        return Err(IllegalTransition { from, to, allowed });
    }
    case.version = case.version.saturating_add(1);
    case.state = to;
    case.updated_at = because.at;
    Ok(line(case, Some(from), because))
}

/// Writes something down that leaves the case in its state; the case has the next version afterwards.
pub fn note(case: &mut Case, action: &str, because: Because) -> CaseChange {
    let state = case.state;
    case.version = case.version.saturating_add(1);
    case.updated_at = because.at;
    let mut change = line(case, Some(state), because);
    action.clone_into(&mut change.action);
    change
}

/// The first line of a new case's trail.
#[must_use]
pub fn begin(case: &Case, because: Because) -> CaseChange {
    line(case, None, because)
}

fn line(case: &Case, from: Option<CaseState>, because: Because) -> CaseChange {
    let Because { at, by, reason, seen } = because;
    CaseChange {
        case: case.id.clone(),
        version: case.version,
        action: case.state.name().to_owned(),
        from,
        to: case.state,
        at,
        by,
        reason,
        seen,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::a_case;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn because() -> Because {
        Because { at: Timestamp::EPOCH, by: "test".into(), reason: "test".into(), seen: "{}".into() }
    }

    fn any_state() -> impl Strategy<Value = CaseState> {
        proptest::sample::select(CaseState::ALL)
    }

    proptest! {
        #[test]
        fn a_transition_is_made_as_the_table_says_or_refused_with_the_allowed_ones_named(
            from in any_state(),
            to in any_state(),
        ) {
            let mut case = a_case("gate-1");
            case.state = from;
            let before = case.clone();
            match advance(&mut case, to, because()) {
                Ok(line) => {
                    prop_assert!(allowed_after(from).contains(&to));
                    prop_assert_eq!((line.from, line.to, line.version), (Some(from), to, before.version + 1));
                    prop_assert_eq!((case.state, case.version), (to, before.version + 1));
                }
                Err(refused) => {
                    prop_assert!(!allowed_after(from).contains(&to));
                    prop_assert_eq!(&case, &before);
                    let text = refused.to_string();
                    for state in allowed_after(from) {
                        prop_assert!(text.contains(state.name()), "{} does not name {}", text, state);
                    }
                }
            }
        }

        #[test]
        fn no_walk_leaves_the_table_and_versions_rise_by_one(walk in proptest::collection::vec(any_state(), 0..40)) {
            let mut case = a_case("gate-1");
            case.state = CaseState::Reported;
            let mut made = 0;
            for to in walk {
                let from = case.state;
                if let Ok(line) = advance(&mut case, to, because()) {
                    made += 1;
                    prop_assert_eq!(line.from, Some(from));
                }
                prop_assert_eq!(case.version, 1 + made);
            }
        }
    }

    #[test]
    fn every_state_can_be_reached_and_every_open_one_can_end() {
        let mut reached = BTreeSet::from([CaseState::Reported]);
        while let Some(next) = reached
            .iter()
            .flat_map(|state| allowed_after(*state))
            .find(|next| !reached.contains(next))
            .copied()
        {
            reached.insert(next);
        }
        assert_eq!(reached.len(), CaseState::ALL.len());
        for state in CaseState::ALL {
            let mut ahead = vec![*state];
            let mut seen = BTreeSet::new();
            while let Some(at) = ahead.pop() {
                if seen.insert(at) {
                    ahead.extend(allowed_after(at));
                }
            }
            let ends = [CaseState::Closed, CaseState::Void, CaseState::Linked];
            assert!(ends.iter().any(|end| seen.contains(end)), "{state} leads nowhere");
        }
    }

    #[test]
    fn no_state_follows_itself() {
        for state in CaseState::ALL {
            assert!(!allowed_after(*state).contains(state), "{state} follows itself");
        }
    }
}
