//! Moments as people in the city read them.

use citybrain_types::Timestamp;
use jiff::tz::TimeZone;

/// Writes moments in the city's time zone.
pub struct LocalTime(TimeZone);

impl LocalTime {
    /// For an IANA zone name; UTC when the name is not known, which the configuration has already refused.
    pub fn of(zone: &str) -> Self {
        Self(TimeZone::get(zone).unwrap_or(TimeZone::UTC))
    }

    /// ISO date and time of day to the second.
    pub fn show(&self, moment: Timestamp) -> String {
        self.by(moment, "%Y-%m-%d %H:%M:%S")
    }

    /// ISO date and time of day to the millisecond.
    pub fn show_millis(&self, moment: Timestamp) -> String {
        self.by(moment, "%Y-%m-%d %H:%M:%S%.3f")
    }

    /// A moment as a browser's field of date and time sends it, on the city's clock: `2026-12-01T08:00`.
    pub fn read(&self, text: &str) -> Option<Timestamp> {
        let moment: jiff::civil::DateTime = text.parse().ok()?;
        let zoned = moment.to_zoned(self.0.clone()).ok()?;
        Some(Timestamp::from_micros(zoned.timestamp().as_microsecond()))
    }

    fn by(&self, moment: Timestamp, pattern: &str) -> String {
        match jiff::Timestamp::from_microsecond(moment.as_micros()) {
            Ok(moment) => moment.to_zoned(self.0.clone()).strftime(pattern).to_string(),
            Err(_) => moment.to_string(),
        }
    }

    /// The same, or a dash where there is no moment.
    pub fn show_or_dash(&self, moment: Option<Timestamp>) -> String {
        moment.map_or_else(|| "–".to_owned(), |moment| self.show(moment))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_shown_on_the_citys_clock() {
        let moment = Timestamp::from_millis(1_795_300_000_000);
        assert_eq!(LocalTime::of("UTC").show(moment), "2026-11-21 22:26:40");
        assert_eq!(LocalTime::of("Asia/Shanghai").show(moment), "2026-11-22 06:26:40");
        assert_eq!(LocalTime::of("UTC").show_millis(moment), "2026-11-21 22:26:40.000");
    }

    #[test]
    fn a_moment_that_is_entered_is_on_the_citys_clock() {
        let read = LocalTime::of("Asia/Shanghai").read("2026-11-22T06:26:40");
        assert_eq!(read, Some(Timestamp::from_millis(1_795_300_000_000)));
        assert_eq!(LocalTime::of("Asia/Shanghai").read("tomorrow"), None);
    }
}
