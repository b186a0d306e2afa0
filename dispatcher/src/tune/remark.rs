//! What to know before a policy is put in force, or a number is believed: with numbers.

use super::report::Figures;
use citybrain_types::EventKind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// So many more cases than now are thousands.
const THOUSANDS: u64 = 1_000;
/// So many times the cases of now are a flood, where there are some, and it is …
const FLOOD: u64 = 10;
/// … so many more at least.
const MORE: u64 = 10;
/// From so many cases on it says something that none of a kind is left.
const SOME: u64 = 3;

/// A remark. In words by its `Display`; pages have words of their own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Remark {
    /// A policy closes every case of a kind.
    ClosesEveryCase {
        /// The kind.
        kind: EventKind,
        /// Cases under what is in force.
        before: u64,
        /// In so many days.
        days: f64,
    },
    /// It opens thousands more.
    OpensThousands {
        /// The kind.
        kind: EventKind,
        /// Cases under what is in force.
        before: u64,
        /// Cases under it.
        after: u64,
        /// In so many days.
        days: f64,
    },
    /// It opens many times as many.
    OpensManyTimes {
        /// The kind.
        kind: EventKind,
        /// Cases a day under what is in force.
        before_per_day: f64,
        /// Cases a day under it.
        after_per_day: f64,
    },
    /// It opens cases where there are none now.
    OpensWhereNone {
        /// The kind.
        kind: EventKind,
        /// Cases under it.
        after: u64,
        /// In so many days.
        days: f64,
    },
    /// It opens no case at all.
    OpensNoCase {
        /// Cases under what is in force.
        before: u64,
    },
    /// It opens none of the cases of now, and others.
    OpensOthers {
        /// Cases under what is in force.
        before: u64,
        /// Cases under it.
        after: u64,
    },
    /// The log holds nothing of these days.
    NothingKnown,
    /// The log is short.
    ShortLog {
        /// So many hours.
        hours: f64,
    },
    /// Cameras were not watched all the time.
    Gaps {
        /// So often.
        gaps: u64,
        /// So much of the time is covered, in percent.
        covered_percent: f64,
    },
    /// Files of the log are cut off.
    TornFiles {
        /// So many.
        files: u64,
    },
    /// Verdicts on cases that no policy opens.
    LostVerdicts {
        /// So many.
        verdicts: u64,
    },
    /// Nothing is known of what was missed.
    MissedUnknown {
        /// So many events are known.
        events: u64,
    },
    /// A policy does not fit what was in force for a time.
    Misfit {
        /// What does not.
        problem: String,
    },
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ClosesEveryCase { kind, before, days } => {
                write!(f, "it closes every case of {kind}: {before} in {days:.1} days before, none after")
            }
            Self::OpensThousands { kind, before, after, days } => {
                write!(
                    f,
                    "it opens thousands of cases of {kind}: {after} instead of {before} in {days:.1} days"
                )
            }
            Self::OpensManyTimes { kind, before_per_day, after_per_day } => {
                write!(f, "it opens {after_per_day:.1} cases of {kind} a day instead of {before_per_day:.1}")
            }
            Self::OpensWhereNone { kind, after, days } => {
                write!(f, "it opens {after} cases of {kind} in {days:.1} days, where there are none now")
            }
            Self::OpensNoCase { before } => {
                write!(f, "it opens no case at all: the {before} that are opened now are lost")
            }
            Self::OpensOthers { before, after } => {
                write!(f, "it opens none of the {before} cases that are opened now, and {after} others")
            }
            Self::NothingKnown => f.write_str(
                "the log holds no frame of these days, so that nothing is known of what it leads to",
            ),
            Self::ShortLog { hours } => {
                write!(f, "the log covers {hours:.1} hours only: cases a day are what a day of them would be")
            }
            Self::Gaps { gaps, covered_percent } => write!(
                f,
                "the log has {gaps} gaps in which a camera was not watched; {covered_percent:.1} % of the time is covered"
            ),
            Self::TornFiles { files } => {
                write!(f, "{files} files of the log are cut off; what is whole in them was read")
            }
            Self::LostVerdicts { verdicts } => {
                write!(
                    f,
                    "{verdicts} verdicts are on cases that no policy here opens: they count for nothing"
                )
            }
            Self::MissedUnknown { events } => write!(
                f,
                "each of the {events} known events had a case: what was missed is not known, and the recall of stricter \
                 policies is too high by that; judge a sample below the threshold, too"
            ),
            Self::Misfit { problem } => write!(
                f,
                "{problem}, under what was in force for a time; there it is laid over the configuration's own numbers"
            ),
        }
    }
}

/// Warnings of a policy, from the numbers of each kind under what is in force and under it. `lost` are the cases that
/// only what is in force opens.
pub(super) fn warnings(kinds: &[(&EventKind, Figures, Figures)], lost: u64, days: f64) -> Vec<Remark> {
    let mut warnings = Vec::new();
    for (kind, before, after) in kinds {
        warnings.extend(of_kind(kind, before, after, days));
    }
    let sum = |of: fn(&(&EventKind, Figures, Figures)) -> u64| kinds.iter().map(of).sum::<u64>();
    let (before, after) = (sum(|(_, before, _)| before.cases), sum(|(_, _, after)| after.cases));
    if before > 0 && after == 0 && warnings.is_empty() {
        warnings.push(Remark::OpensNoCase { before });
    } else if before > 0 && after > 0 && lost == before {
        warnings.push(Remark::OpensOthers { before, after });
    }
    warnings
}

fn of_kind(kind: &EventKind, own: &Figures, other: &Figures, days: f64) -> Option<Remark> {
    let (before, after, kind) = (own.cases, other.cases, kind.clone());
    if after == 0 && before >= SOME {
        return Some(Remark::ClosesEveryCase { kind, before, days });
    }
    if after.saturating_sub(before) >= THOUSANDS {
        return Some(Remark::OpensThousands { kind, before, after, days });
    }
    if before > 0 && after >= before + MORE && after >= before.saturating_mul(FLOOD) {
        let (before_per_day, after_per_day) = (own.cases_per_day, other.cases_per_day);
        return Some(Remark::OpensManyTimes { kind, before_per_day, after_per_day });
    }
    (before == 0 && after >= MORE).then_some(Remark::OpensWhereNone { kind, after, days })
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
            let warnings = warnings(&[(&fire, figures(was), figures(is))], lost, 2.0);
            warnings.iter().map(ToString::to_string).collect::<Vec<_>>()
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
