//! What to know before a policy is put in force, with numbers.

use super::report::Figures;
use citybrain_types::EventKind;

/// So many more cases than now are thousands.
const THOUSANDS: u64 = 1_000;
/// So many times the cases of now are a flood, where there are some, and it is …
const FLOOD: u64 = 10;
/// … so many more at least.
const MORE: u64 = 10;
/// From so many cases on it says something that none of a kind is left.
const SOME: u64 = 3;

/// Warnings of a policy, from the numbers of each kind under what is in force and under it. `lost` are the cases that
/// only what is in force opens.
pub(super) fn of(kinds: &[(&EventKind, Figures, Figures)], lost: u64, days: f64) -> Vec<String> {
    let mut warnings = Vec::new();
    for (kind, before, after) in kinds {
        warnings.extend(of_kind(kind, before, after, days));
    }
    let sum = |of: fn(&(&EventKind, Figures, Figures)) -> u64| kinds.iter().map(of).sum::<u64>();
    let (before, after) = (sum(|(_, before, _)| before.cases), sum(|(_, _, after)| after.cases));
    if before > 0 && after == 0 && warnings.is_empty() {
        warnings.push(format!("it opens no case at all: the {before} that are opened now are lost"));
    } else if before > 0 && after > 0 && lost == before {
        warnings.push(format!("it opens none of the {before} cases that are opened now, and {after} others"));
    }
    warnings
}

fn of_kind(kind: &EventKind, before: &Figures, after: &Figures, days: f64) -> Option<String> {
    let (was, is) = (before.cases, after.cases);
    let (a_day_now, a_day) = (before.cases_per_day, after.cases_per_day);
    if is == 0 && was >= SOME {
        return Some(format!("it closes every case of {kind}: {was} in {days:.1} days before, none after"));
    }
    if is.saturating_sub(was) >= THOUSANDS {
        return Some(format!(
            "it opens thousands of cases of {kind}: {is} instead of {was} in {days:.1} days"
        ));
    }
    if was > 0 && is >= was + MORE && is >= was.saturating_mul(FLOOD) {
        return Some(format!("it opens {a_day:.1} cases of {kind} a day instead of {a_day_now:.1}"));
    }
    (was == 0 && is >= MORE)
        .then(|| format!("it opens {is} cases of {kind} in {days:.1} days, where there are none now"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_that_closes_every_case_or_opens_thousands_is_warned_of_with_the_numbers() {
        let fire = EventKind::new(EventKind::FIRE);
        let said = |was: u64, is: u64, lost: u64| {
            let figures =
                |cases: u64| Figures { cases, cases_per_day: cases as f64 / 2.0, ..Figures::default() };
            of(&[(&fire, figures(was), figures(is))], lost, 2.0)
        };
        for (was, is, lost, words) in [
            (3, 0, 3, "it closes every case of fire: 3 in 2.0 days before, none after"),
            (2, 0, 2, "it opens no case at all: the 2 that are opened now are lost"),
            (4, 1_004, 0, "it opens thousands of cases of fire: 1004 instead of 4 in 2.0 days"),
            (2, 20, 0, "it opens 10.0 cases of fire a day instead of 1.0"),
            (0, 10, 0, "it opens 10 cases of fire in 2.0 days, where there are none now"),
            (4, 5, 4, "it opens none of the 4 cases that are opened now, and 5 others"),
        ] {
            assert_eq!(said(was, is, lost), [words]);
        }
        assert_eq!(said(4, 5, 1), Vec::<String>::new());
        assert_eq!(said(1, 10, 0), Vec::<String>::new());
    }
}
