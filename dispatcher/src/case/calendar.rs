//! Working hours: when a span of them ends, and how many have passed.

use citybrain_ingest_config::resolved::Calendar;
use citybrain_types::Timestamp;
use jiff::civil::Date;
use std::time::Duration;

/// Days looked ahead; a span that ends later has no honest end.
const MAX_DAYS: usize = 3_660;

/// When `span` has passed since `from`, counted in the calendar's working hours; on the wall clock without a calendar.
#[must_use]
pub fn due(calendar: Option<&Calendar>, from: Timestamp, span: Duration) -> Timestamp {
    let Some(calendar) = calendar else { return from.plus(span) };
    let mut left = span;
    for (begin, end) in shifts(calendar, from) {
        let begin = begin.max(from);
        let there = end.since(begin);
        // A span that fills a shift ends with it, not with the beginning of the next.
        if left <= there {
            return begin.plus(left);
        }
        left = left.saturating_sub(there);
    }
    from.plus(span)
}

/// How much of the time from `from` to `to` lies in the calendar's working hours; all of it without a calendar.
#[must_use]
pub fn worked(calendar: Option<&Calendar>, from: Timestamp, to: Timestamp) -> Duration {
    let Some(calendar) = calendar else { return to.since(from) };
    shifts(calendar, from)
        .take_while(|(begin, _)| *begin < to)
        .map(|(begin, end)| end.min(to).since(begin.max(from)))
        .sum()
}

/// Whether work is going on.
#[must_use]
pub fn is_open(calendar: &Calendar, at: Timestamp) -> bool {
    shifts(calendar, at).next().is_some_and(|(begin, _)| begin <= at)
}

/// Spans of work that end after `from`, in their order.
fn shifts(calendar: &Calendar, from: Timestamp) -> impl Iterator<Item = (Timestamp, Timestamp)> + '_ {
    let today = jiff::Timestamp::from_microsecond(from.as_micros()).ok();
    let today = today.map(|at| at.to_zoned(calendar.zone.clone()).date());
    let days = std::iter::successors(today, |day| day.tomorrow().ok()).take(MAX_DAYS);
    let worked = days.filter(|day| is_worked(calendar, *day));
    worked
        .flat_map(|day| calendar.hours.iter().map(move |(begin, end)| (day, *begin, *end)))
        .filter_map(|(day, begin, end)| Some((moment(calendar, day, begin)?, moment(calendar, day, end)?)))
        .filter(move |(_, end)| *end > from)
}

fn is_worked(calendar: &Calendar, day: Date) -> bool {
    let weekday = usize::try_from(day.weekday().to_monday_zero_offset()).unwrap_or(0);
    calendar.work.contains(&day) || (calendar.days[weekday] && !calendar.off.contains(&day))
}

/// A minute of a day in the calendar's zone; one that the zone leaves out is the next there is.
fn moment(calendar: &Calendar, day: Date, minute: u16) -> Option<Timestamp> {
    let (day, minute) = if minute >= 24 * 60 { (day.tomorrow().ok()?, 0) } else { (day, minute) };
    let hour = i8::try_from(minute / 60).ok()?;
    let minute = i8::try_from(minute % 60).ok()?;
    let at = day.at(hour, minute, 0, 0).to_zoned(calendar.zone.clone()).ok()?;
    Some(Timestamp::from_micros(at.timestamp().as_microsecond()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use citybrain_ingest_config::City;
    use proptest::prelude::*;
    use std::path::Path;

    /// The built-in calendar in Shanghai: 9 to 12 and 13 to 18 o'clock.
    fn workdays() -> Calendar {
        let city = City::for_cameras(&["rtsp://192.0.2.1/a".to_owned()], Path::new("data"), vec![]).unwrap();
        let zone = jiff::tz::TimeZone::get("Asia/Shanghai").unwrap();
        Calendar { zone, ..city.cases.calendars["workdays"].clone() }
    }

    fn at(text: &str) -> Timestamp {
        format!("{text}:00+08:00").parse().unwrap()
    }

    const HOUR: Duration = Duration::from_secs(3_600);

    #[test]
    fn four_working_hours_pass_over_lunch_night_weekend_and_holiday() {
        let calendar = workdays();
        let cases = [
            ("2026-11-25T09:00", "2026-11-25T14:00"),
            ("2026-11-25T16:00", "2026-11-26T11:00"),
            // Friday evening to Monday noon.
            ("2026-11-27T20:00", "2026-11-30T14:00"),
            // The day before the Spring Festival is a Saturday that is worked; nine days are off.
            ("2026-02-14T17:00", "2026-02-24T12:00"),
            // Before National Day, through to the 8th; 10 October is a worked Saturday.
            ("2026-09-30T16:00", "2026-10-08T11:00"),
            ("2026-10-09T17:00", "2026-10-10T12:00"),
            ("2025-09-28T16:00", "2025-09-29T11:00"),
        ];
        for (from, to) in cases {
            assert_eq!(due(Some(&calendar), at(from), 4 * HOUR), at(to), "from {from}");
            assert_eq!(worked(Some(&calendar), at(from), at(to)), 4 * HOUR, "from {from}");
        }
    }

    #[test]
    fn work_goes_on_in_working_hours_only() {
        let calendar = workdays();
        assert!(is_open(&calendar, at("2026-11-25T09:00")));
        assert!(!is_open(&calendar, at("2026-11-25T12:30")));
        assert!(!is_open(&calendar, at("2026-10-01T10:00")));
        assert!(is_open(&calendar, at("2026-10-10T10:00")));
    }

    #[test]
    fn hours_that_a_zone_leaves_out_are_skipped() {
        // In Berlin the clock goes from 2 to 3 o'clock on 29 March 2026.
        let zone = jiff::tz::TimeZone::get("Europe/Berlin").unwrap();
        let night =
            Calendar { zone, days: [true; 7], hours: vec![(0, 4 * 60)], off: [].into(), work: [].into() };
        let from: Timestamp = "2026-03-28T23:00:00Z".parse().unwrap();
        assert_eq!(due(Some(&night), from, 3 * HOUR), from.plus(3 * HOUR));
        assert_eq!(worked(Some(&night), from, from.plus(22 * HOUR)), 3 * HOUR);
    }

    proptest! {
        #[test]
        fn what_is_due_has_been_worked_and_more_work_is_due_later(
            start in 1_735_660_800_i64..1_798_700_000,
            one in 1_u64..400_000,
            more in 1_u64..400_000,
        ) {
            let calendar = workdays();
            let from = Timestamp::from_millis(start * 1_000);
            let (one, both) = (Duration::from_secs(one), Duration::from_secs(one + more));
            let first = due(Some(&calendar), from, one);
            let second = due(Some(&calendar), from, both);
            prop_assert!(from <= first && first <= second);
            prop_assert_eq!(worked(Some(&calendar), from, first), one);
            prop_assert_eq!(worked(Some(&calendar), from, second), both);
            prop_assert!(worked(Some(&calendar), first, second) == both - one);
            // What is left after a part is due at the same moment.
            prop_assert_eq!(due(Some(&calendar), first, both - one), second);
        }
    }
}
