//! `[[calendars]]` → [`Calendar`], `[[rotas]]` → [`Rota`].

use std::collections::BTreeSet;
use std::time::Duration;

use citybrain_types::{DepartmentId, EventKind, Timestamp};
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

use super::department::Staff;
use super::{Context, id_fault};
use crate::names::{Names, references};
use crate::raw::{RawCalendar, RawDay, RawRota};
use crate::resolved::{Calendar, CaseRules, Rota};
use crate::row::{Place, Row};
use crate::source::read_secret;
use crate::suggestion::shown;

/// Id of the calendar that is there when the file names none of that id.
const BUILT_IN: &str = "workdays";
/// Kinds that are handled in working hours unless the file says otherwise.
const BUILT_IN_KINDS: [&str; 3] = ["waterlogging", "littering", "illegal_construction"];
/// China's public holidays and make-up days.
const HOLIDAYS_CN: &str = include_str!("../../data/holidays-cn.toml");
/// Most days one span of holidays may have; more is a slip of the pen.
const MAX_SPAN_DAYS: i64 = 366;

/// The dates of a file of holidays.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct HolidayFile {
    #[serde(default)]
    off: Vec<String>,
    #[serde(default)]
    work: Vec<String>,
}

/// Adds calendars to the rules. `zone` is the city's.
pub(super) fn calendars<'d>(
    rows: &[Row<'d, RawCalendar>],
    zone: &TimeZone,
    kinds: &Names<'d>,
    rules: &mut CaseRules,
    context: &mut Context<'_>,
) -> Names<'d> {
    let mut names = Names::new("calendar", &context.problems);
    names.add_built_in(BUILT_IN);
    add_built_in(zone, rules);
    let mut claimed: BTreeSet<EventKind> = BTreeSet::new();
    for row in rows {
        let calendar = calendar(row, zone, context);
        let given = row.raw.kinds.clone();
        let own = references(
            kinds,
            &row.place,
            "kinds",
            &given.clone().unwrap_or_default(),
            &mut context.problems,
            |name| Some(EventKind::new(name)),
        );
        let Some(id) = names.declare(&row.place, "id", row.raw.id.as_deref(), &mut context.problems) else {
            continue;
        };
        if let Err(error) = DepartmentId::new(id) {
            row.place.report(&mut context.problems, "id", id_fault(&error));
            continue;
        }
        if id == BUILT_IN && given.is_some() {
            rules.calendar_of.retain(|_, calendar| calendar != BUILT_IN);
        }
        for kind in own {
            if claimed.contains(&kind) {
                let message = format!("names {kind}, which another calendar times already");
                row.place.report(&mut context.problems, "kinds", message);
            }
            claimed.insert(kind.clone());
            rules.calendar_of.insert(kind, id.to_owned());
        }
        if let Some(calendar) = calendar {
            rules.calendars.insert(id.to_owned(), calendar);
        }
    }
    names
}

/// Adds the built-in calendar and the kinds it times.
pub(crate) fn add_built_in(zone: &TimeZone, rules: &mut CaseRules) {
    rules.calendars.extend(built_in(zone).map(|calendar| (BUILT_IN.to_owned(), calendar)));
    let timed = BUILT_IN_KINDS.map(|kind| (EventKind::new(kind), BUILT_IN.to_owned()));
    rules.calendar_of.extend(timed);
}

/// Monday to Friday, 9 to 12 and 13 to 18 o'clock, with China's holidays.
fn built_in(zone: &TimeZone) -> Option<Calendar> {
    let (off, work) = holidays(HOLIDAYS_CN).ok()?;
    Some(Calendar {
        zone: zone.clone(),
        days: [true, true, true, true, true, false, false],
        hours: vec![(9 * 60, 12 * 60), (13 * 60, 18 * 60)],
        off,
        work,
    })
}

fn calendar(row: &Row<'_, RawCalendar>, zone: &TimeZone, context: &mut Context<'_>) -> Option<Calendar> {
    let Row { raw, place } = row;
    let mut days = [false; 7];
    for day in &raw.days {
        days[match day {
            RawDay::Mon => 0,
            RawDay::Tue => 1,
            RawDay::Wed => 2,
            RawDay::Thu => 3,
            RawDay::Fri => 4,
            RawDay::Sat => 5,
            RawDay::Sun => 6,
        }] = true;
    }
    let hours = hours(&raw.hours, place, context);
    let (off, work) = match raw.holidays.as_str() {
        "none" => Default::default(),
        "cn" => holidays(HOLIDAYS_CN).unwrap_or_default(),
        path => {
            let text = match read_secret(&place.source().folder().join(path)) {
                Ok(text) => text,
                Err(reason) => {
                    let message = format!("names the file {}, which {reason}", shown(path));
                    let suggestion = Some("use 'cn', 'none' or the path of a file".to_owned());
                    place.suggest(&mut context.problems, "holidays", message, suggestion);
                    return None;
                }
            };
            context.mix(text.as_bytes());
            match holidays(&text) {
                Ok(dates) => dates,
                Err(fault) => {
                    place.report(&mut context.problems, "holidays", format!("cannot be used: {fault}"));
                    return None;
                }
            }
        }
    };
    Some(Calendar { zone: zone.clone(), days, hours: hours?, off, work })
}

fn hours(spans: &[String], place: &Place<'_>, context: &mut Context<'_>) -> Option<Vec<(u16, u16)>> {
    let mut hours: Vec<(u16, u16)> = Vec::with_capacity(spans.len());
    for (index, text) in spans.iter().enumerate() {
        let span = text.split_once('-').and_then(|(from, to)| Some((minute(from)?, minute(to)?)));
        let fault = match span {
            None => "is no span of a day",
            Some((from, to)) if from >= to => "ends before it begins; cut a night at 24:00",
            Some((from, _)) if hours.last().is_some_and(|last| last.1 > from) => {
                "begins before the one before ends"
            }
            Some(span) => {
                hours.push(span);
                continue;
            }
        };
        let message = format!("'{}' in 'hours' of {place} {fault}", shown(text));
        let suggestion = Some("write, for instance, 09:00-12:00".to_owned());
        context.problems.report(place.item_at("hours", index), place.path_of("hours"), message, suggestion);
        return None;
    }
    Some(hours)
}

fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.trim().split_once(':')?;
    let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
    (minute < 60 && hour * 60 + minute <= 24 * 60).then_some(hour * 60 + minute)
}

type Dates = BTreeSet<Date>;

fn holidays(text: &str) -> Result<(Dates, Dates), String> {
    let file: HolidayFile = toml::from_str(text).map_err(|error| error.message().replace('\n', " "))?;
    let (off, work) = (dates(&file.off)?, dates(&file.work)?);
    match off.intersection(&work).next() {
        Some(both) => Err(format!("{both} is both off and worked")),
        None => Ok((off, work)),
    }
}

fn dates(spans: &[String]) -> Result<Dates, String> {
    let date = |text: &str| text.parse::<Date>().map_err(|_| format!("'{}' is no date", shown(text)));
    let mut dates = Dates::new();
    for span in spans {
        let (first, last) = match span.split_once('/') {
            Some((first, last)) => (date(first)?, date(last)?),
            None => (date(span)?, date(span)?),
        };
        let days = (last - first).get_days();
        if !(0..MAX_SPAN_DAYS).contains(&i64::from(days)) {
            return Err(format!("'{}' is no span of at most a year", shown(span)));
        }
        dates.extend(first.series(jiff::Span::new().days(1)).take_while(|day| *day <= last));
    }
    Ok(dates)
}

/// Adds rotas to the rules.
pub(super) fn rotas<'d>(
    rows: &[Row<'d, RawRota>],
    zone: &TimeZone,
    staff: &Staff<'d>,
    rules: &mut CaseRules,
    context: &mut Context<'_>,
) -> Names<'d> {
    let mut names = Names::new("rota", &context.problems);
    for row in rows {
        let rota = rota(row, zone, staff, context);
        let Some(id) = names.declare(&row.place, "id", row.raw.id.as_deref(), &mut context.problems) else {
            continue;
        };
        match DepartmentId::new(id) {
            Err(error) => row.place.report(&mut context.problems, "id", id_fault(&error)),
            Ok(_) => rules.rotas.extend(rota.map(|rota| (id.to_owned(), rota))),
        }
    }
    names
}

fn rota(
    row: &Row<'_, RawRota>,
    zone: &TimeZone,
    staff: &Staff<'_>,
    context: &mut Context<'_>,
) -> Option<Rota> {
    let Row { raw, place } = row;
    let mut departments = Vec::new();
    for (index, name) in raw.departments.iter().flatten().enumerate() {
        if staff.names.refer(place, "departments", (index, name), &mut context.problems) {
            departments.extend(DepartmentId::new(name).ok());
        }
    }
    let text = raw.start.as_deref()?;
    let start = text.parse::<DateTime>().ok().and_then(|at| at.to_zoned(zone.clone()).ok());
    let Some(start) = start else {
        let message = format!("is no date and time of day: '{}'", shown(text));
        place.suggest(
            &mut context.problems,
            "start",
            message,
            Some("write, for instance, 2026-01-01T08:00".to_owned()),
        );
        return None;
    };
    let shift = Duration::from_secs_f64(raw.shift_hours? * 3_600.0);
    Some(Rota { start: Timestamp::from_micros(start.timestamp().as_microsecond()), shift, departments })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_calendar_knows_holidays_and_make_up_days_of_2025_and_2026() {
        let calendar = built_in(&TimeZone::UTC).unwrap();
        let date = |text: &str| text.parse::<Date>().unwrap();
        for off in ["2025-10-08", "2026-02-15", "2026-02-23", "2026-10-07", "2026-01-02"] {
            assert!(calendar.off.contains(&date(off)), "{off} is worked");
        }
        for worked in ["2025-01-26", "2026-01-04", "2026-02-14", "2026-02-28", "2026-10-10"] {
            assert!(calendar.work.contains(&date(worked)), "{worked} is off");
        }
        // A make-up day falls on a weekend, or it would make up for nothing.
        for day in &calendar.work {
            assert!(day.weekday().to_monday_zero_offset() >= 5, "{day}");
        }
    }

    #[test]
    fn a_date_that_is_off_and_worked_a_span_backwards_and_a_word_are_refused() {
        for bad in [
            "off = [\"2026-01-01\"]\nwork = [\"2026-01-01\"]",
            "off = [\"2026-01-05/2026-01-01\"]",
            "off = [\"new year\"]",
            "holidays = []",
        ] {
            assert!(holidays(bad).is_err(), "{bad}");
        }
    }
}
