//! `[[calendars]]` and `[[rotas]]`

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

fn default_days() -> Vec<RawDay> {
    vec![RawDay::Mon, RawDay::Tue, RawDay::Wed, RawDay::Thu, RawDay::Fri]
}

fn default_hours() -> Vec<String> {
    vec!["09:00-12:00".to_owned(), "13:00-18:00".to_owned()]
}

fn default_holidays() -> String {
    "cn".to_owned()
}

/// Working hours, in the city's time zone. The calendar `workdays` is there without being written: Monday to Friday,
/// 9 to 12 and 13 to 18 o'clock, with China's public holidays and make-up days; handling `waterlogging`, `littering`
/// and `illegal_construction` is timed by it. A row with that id takes its place.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawCalendar {
    /// Its id: letters, digits, `-`, `_` and `.`, at most 64 characters, unique in the city.
    #[schemars(required)]
    pub id: Option<String>,
    /// Days of the week that are worked, but for holidays.
    #[serde(default = "default_days")]
    #[schemars(length(min = 1, max = 7))]
    pub days: Vec<RawDay>,
    /// Spans of a day that are worked, in their order, for instance `09:00-12:00`; the end may be `24:00`.
    #[serde(default = "default_hours")]
    #[schemars(length(min = 1, max = 12))]
    pub hours: Vec<String>,
    /// `cn` for the built-in holidays and make-up days of China, `none`, or the path of a TOML file with the lists
    /// `off` and `work` of dates (`2026-10-01`) and spans of dates (`2026-10-01/2026-10-07`).
    #[serde(default = "default_holidays")]
    #[schemars(length(min = 1, max = 4096))]
    pub holidays: String,
    /// Codes of the kinds whose `handle_within_minutes` counts in these hours. Other kinds are timed by the wall clock.
    #[schemars(length(max = 256))]
    pub kinds: Option<Vec<String>>,
}

/// A day of the week.
#[derive(Deserialize, Serialize, JsonSchema, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum RawDay {
    /// Monday.
    Mon,
    /// Tuesday.
    Tue,
    /// Wednesday.
    Wed,
    /// Thursday.
    Thu,
    /// Friday.
    Fri,
    /// Saturday.
    Sat,
    /// Sunday.
    Sun,
}

/// Departments that take turns.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawRota {
    /// Its id: letters, digits, `-`, `_` and `.`, at most 64 characters, unique in the city.
    #[schemars(required)]
    pub id: Option<String>,
    /// When the first turn began, in the city's time zone, for instance `2026-01-01T08:00`.
    #[schemars(required, length(min = 10, max = 32))]
    pub start: Option<String>,
    /// How long a turn is.
    #[schemars(required, range(min = 0.25, max = 8784.0))]
    pub shift_hours: Option<f64>,
    /// Ids of the departments, in the order of their turns; one may stand in it more than once.
    #[schemars(required, length(min = 1, max = 1000))]
    pub departments: Option<Vec<String>>,
}
