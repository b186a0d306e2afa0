//! Days, weeks and months as the city counts them.

use citybrain_types::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Zoned};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How long a period is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PeriodKind {
    /// From midnight to midnight.
    Day,
    /// From Monday to Sunday.
    Week,
    /// A calendar month.
    Month,
}

/// A period that cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no such day: write, for instance, 2026-11-25")]
pub struct BadPeriod;

/// A period of the city's calendar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Period {
    /// For instance `2026-11-25`, `2026-W48` or `2026-11`.
    pub name: String,
    /// The first moment.
    pub from: Timestamp,
    /// The first moment after.
    pub to: Timestamp,
    /// The first moment of the period before.
    pub before: Timestamp,
}

impl Period {
    /// The period that holds a moment, in a time zone of the tz database.
    ///
    /// # Errors
    /// [`BadPeriod`] when the moment lies beyond the calendar.
    pub fn containing(kind: PeriodKind, at: Timestamp, zone: &str) -> Result<Self, BadPeriod> {
        let zone = TimeZone::get(zone).unwrap_or(TimeZone::UTC);
        let at = jiff::Timestamp::from_microsecond(at.as_micros()).map_err(|_| BadPeriod)?;
        Self::around(kind, at.to_zoned(zone.clone()).date(), &zone).ok_or(BadPeriod)
    }

    /// The period that holds a day, written `2026-11-25`.
    ///
    /// # Errors
    /// [`BadPeriod`] when there is no such day.
    pub fn of_day(kind: PeriodKind, day: &str, zone: &str) -> Result<Self, BadPeriod> {
        let zone = TimeZone::get(zone).unwrap_or(TimeZone::UTC);
        let day: Date = day.parse().map_err(|_| BadPeriod)?;
        Self::around(kind, day, &zone).ok_or(BadPeriod)
    }

    fn around(kind: PeriodKind, day: Date, zone: &TimeZone) -> Option<Self> {
        let (first, span) = match kind {
            PeriodKind::Day => (day, Span::new().days(1)),
            PeriodKind::Week => {
                let back = i64::from(day.weekday().to_monday_zero_offset());
                (day.checked_sub(Span::new().days(back)).ok()?, Span::new().weeks(1))
            }
            PeriodKind::Month => (day.first_of_month(), Span::new().months(1)),
        };
        let name = match kind {
            PeriodKind::Day => first.to_string(),
            PeriodKind::Week => {
                let week = first.iso_week_date();
                format!("{:04}-W{:02}", week.year(), week.week())
            }
            PeriodKind::Month => format!("{:04}-{:02}", first.year(), first.month()),
        };
        let midnight = |day: Date| -> Option<Timestamp> {
            let start: Zoned = day.to_zoned(zone.clone()).ok()?;
            Some(Timestamp::from_micros(start.timestamp().as_microsecond()))
        };
        Some(Self {
            name,
            from: midnight(first)?,
            to: midnight(first.checked_add(span).ok()?)?,
            before: midnight(first.checked_sub(span).ok()?)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_weeks_and_months_begin_at_the_citys_midnight() {
        let of = |kind, day| Period::of_day(kind, day, "Asia/Shanghai").unwrap();
        let day = of(PeriodKind::Day, "2026-11-25");
        assert_eq!(
            (day.name.as_str(), day.from.to_string().as_str()),
            ("2026-11-25", "2026-11-24T16:00:00.000Z")
        );
        let week = of(PeriodKind::Week, "2026-11-25");
        assert_eq!(
            (week.name.as_str(), week.from.to_string().as_str()),
            ("2026-W48", "2026-11-22T16:00:00.000Z")
        );
        let month = of(PeriodKind::Month, "2026-11-25");
        assert_eq!(
            (month.name.as_str(), month.to.to_string().as_str()),
            ("2026-11", "2026-11-30T16:00:00.000Z")
        );
        assert_eq!(month.before.to_string(), "2026-09-30T16:00:00.000Z");
        assert!(Period::of_day(PeriodKind::Day, "2026-02-30", "UTC").is_err());
        // A day of 23 hours is one, too.
        let spring = Period::of_day(PeriodKind::Day, "2026-03-29", "Europe/Berlin").unwrap();
        assert_eq!(spring.to.since(spring.from).as_secs(), 23 * 3_600);
    }
}
