//! Figures as people read them.

use super::metrics::{Estimate, Interval, Share};

/// Stands where there is nothing to say.
pub(super) const NONE: &str = "–";

fn or_none<T>(value: Option<T>, word: impl FnOnce(T) -> String) -> String {
    value.map_or_else(|| NONE.to_owned(), word)
}

pub(super) fn number(value: Option<f64>) -> String {
    or_none(value, |value| format!("{value:.3}"))
}

pub(super) fn estimate(estimate: Option<Estimate>) -> String {
    or_none(estimate, |estimate| match estimate.low.zip(estimate.high) {
        Some((low, high)) => format!("{:.3} ({low:.3}–{high:.3})", estimate.value),
        None => format!("{:.3}", estimate.value),
    })
}

pub(super) fn share(share: Option<Share>) -> String {
    or_none(share, |s| format!("{:.3} ({:.2}–{:.2})", s.value, s.low, s.high))
}

/// With what was counted.
pub(super) fn counted(share: Option<Share>) -> String {
    or_none(share, |s| format!("{:.3} ({:.2}–{:.2}; {}/{})", s.value, s.low, s.high, s.hits, s.total))
}

/// Of so many cases.
pub(super) fn cases(interval: Option<Interval>) -> String {
    or_none(interval, |i| format!("{:.0} ({:.0}–{:.0})", i.value, i.low, i.high))
}

pub(super) fn per_hour(interval: Option<Interval>) -> String {
    or_none(interval, |i| format!("{:.1} ({:.1}–{:.1})", i.value, i.low, i.high))
}

pub(super) fn seconds(value: Option<f64>) -> String {
    or_none(value, |value| format!("{value:.1} s"))
}

pub(super) fn plural(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}
