//! What cases are worked by: calendars, areas, rotas and the time each stage may take.

use citybrain_types::{DepartmentId, DestinationId, EventKind, Level, Timestamp};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What cases are worked by.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CaseRules {
    /// Calendars by id.
    pub calendars: BTreeMap<String, Calendar>,
    /// Ids of the calendars that time the handling of a kind; the wall clock times the others.
    pub calendar_of: BTreeMap<EventKind, String>,
    /// Areas by name.
    pub areas: BTreeMap<String, Area>,
    /// Duty rotas by id.
    pub rotas: BTreeMap<String, Rota>,
    /// Kinds that are told again at an interval of their own.
    pub repeat_of: BTreeMap<EventKind, Duration>,
    /// Destinations that are told again at an interval of their own, whatever the kind.
    pub repeat_to: BTreeMap<DestinationId, Duration>,
    /// The district centre, which gets what goes nowhere else.
    pub centre: Option<DepartmentId>,
    /// Times and thresholds.
    pub limits: CaseLimits,
}

/// Working hours.
#[derive(Debug, Clone, PartialEq)]
pub struct Calendar {
    /// The zone its hours are told in.
    pub zone: TimeZone,
    /// Days worked, from Monday.
    pub days: [bool; 7],
    /// Spans worked, in minutes of the day, in their order, apart, at most to 1,440.
    pub hours: Vec<(u16, u16)>,
    /// Holidays.
    pub off: BTreeSet<Date>,
    /// Days worked to make up for holidays.
    pub work: BTreeSet<Date>,
}

/// A part of the city.
#[derive(Debug, Clone, PartialEq)]
pub struct Area {
    /// On which level.
    pub level: Level,
    /// The area it lies in.
    pub within: Option<String>,
    /// Corners, longitude and latitude in degrees.
    pub outline: Option<Vec<[f64; 2]>>,
    /// Who is told when a case is escalated to it.
    pub department: Option<DepartmentId>,
}

/// Departments that take turns.
#[derive(Debug, Clone, PartialEq)]
pub struct Rota {
    /// When the first turn began.
    pub start: Timestamp,
    /// Length of a turn; not zero.
    pub shift: Duration,
    /// In the order of their turns; at least one.
    pub departments: Vec<DepartmentId>,
}

impl Rota {
    /// Whose turn it is.
    #[must_use]
    pub fn on_duty(&self, at: Timestamp) -> Option<&DepartmentId> {
        let shift = i64::try_from(self.shift.as_micros()).unwrap_or(i64::MAX).max(1);
        let turn = at.as_micros().saturating_sub(self.start.as_micros()).div_euclid(shift);
        let count = i64::try_from(self.departments.len()).unwrap_or(1).max(1);
        self.departments.get(usize::try_from(turn.rem_euclid(count)).unwrap_or(0))
    }
}

/// When a route applies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum When {
    /// At every hour.
    #[default]
    Always,
    /// In the working hours of the calendar with this id.
    During(String),
    /// Outside them.
    Outside(String),
}

/// Times and thresholds of cases.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CaseLimits {
    /// From reported to on file.
    pub verify_within: Duration,
    /// From on file to handed over.
    pub dispatch_within: Duration,
    /// From handed over to taken.
    pub accept_within: Duration,
    /// The same for an urgent case.
    pub accept_urgent_within: Duration,
    /// The same for a fire.
    pub accept_immediate_within: Duration,
    /// From reported done to re-checked.
    pub recheck_within: Duration,
    /// From refused to decided.
    pub approve_within: Duration,
    /// Part of a clock's time after which the yellow card is shown.
    pub yellow_at: f64,
    /// Points for a red card.
    pub red_card_points: u32,
    /// Points for a further escalation.
    pub escalation_points: u32,
    /// Looks that close or reopen a case.
    pub recheck_looks: u32,
    /// A report joins a case within this distance.
    pub join_within_metres: f64,
    /// Who has a case and has not taken it is told again this often.
    pub repeat_after: Duration,
    /// So many times at most.
    pub repeats_at_most: u32,
}

impl Default for CaseLimits {
    fn default() -> Self {
        crate::validate::case_limits(&crate::raw::RawCases::default())
    }
}

impl CaseRules {
    /// How often a destination is told again of a case of this kind that nobody has taken.
    #[must_use]
    pub fn repeat_every(&self, kind: &EventKind, destination: &DestinationId) -> Duration {
        let own = self.repeat_to.get(destination).or_else(|| self.repeat_of.get(kind));
        own.copied().unwrap_or(self.limits.repeat_after)
    }

    /// The area and those it lies in, from the smallest up; empty when it is not declared. Ends also where areas lie in
    /// each other in a circle, which validation refuses.
    pub fn upwards<'a>(&'a self, area: &'a str) -> impl Iterator<Item = (&'a str, &'a Area)> {
        let mut next = Some(area);
        let mut steps = 0;
        std::iter::from_fn(move || {
            let name = next?;
            let area = self.areas.get(name)?;
            steps += 1;
            next = area.within.as_deref().filter(|_| steps < 16);
            Some((name, area))
        })
    }

    /// Whether a route for these areas is for a place in `area`: it names none, or it, or one that it lies in.
    #[must_use]
    pub fn covers(&self, areas: &BTreeSet<String>, area: Option<&str>) -> bool {
        areas.is_empty()
            || area.is_some_and(|area| {
                areas.contains(area) || self.upwards(area).any(|(name, _)| areas.contains(name))
            })
    }

    /// The area on the lowest level whose outline holds a position, longitude and latitude in degrees; of several the
    /// first by name.
    #[must_use]
    pub fn area_at(&self, position: [f64; 2]) -> Option<&str> {
        let holding = self
            .areas
            .iter()
            .filter(|(_, area)| area.outline.as_ref().is_some_and(|outline| holds(outline, position)));
        holding.min_by_key(|(_, area)| area.level).map(|(name, _)| name.as_str())
    }
}

/// Whether a point lies inside an outline, by the even-odd rule.
fn holds(outline: &[[f64; 2]], [x, y]: [f64; 2]) -> bool {
    let next = outline.iter().cycle().skip(1);
    outline.iter().zip(next).fold(false, |inside, (a, b)| {
        let crosses = (a[1] > y) != (b[1] > y) && x < (b[0] - a[0]) * (y - a[1]) / (b[1] - a[1]) + a[0];
        inside ^ crosses
    })
}
