//! How departments do: response, handling and satisfaction rate (三率), four classes of units, and hot spots where
//! cases repeat, for acting before anybody complains.
//!
//! [`appraise`] is a pure decision over the cases of a period and of the one before; `period` says from when to when,
//! `page` writes it down as HTML and CSV.

mod page;
mod period;

pub use page::{csv, html};
pub use period::{BadPeriod, Period, PeriodKind};

use citybrain_ingest_config::City;
use citybrain_types::{Case, CaseState, ClockStage, DepartmentId, EventKind, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;

/// Cases at one place in one period that make it a hot spot.
pub const HOT_FROM: usize = 3;
/// Hot spots that are listed.
const MAX_HOT_SPOTS: usize = 50;
/// Positions are the same place within this part of a degree: some hundred metres.
const SAME_PLACE_DEGREES: f64 = 0.001;
/// From this score on a unit is advanced.
const ADVANCED_FROM: f64 = 0.9;
/// A unit whose score has risen by so much is making progress.
const PROGRESS_BY: f64 = 0.05;
/// Below this score a unit has to be governed.
const GOVERNED_BELOW: f64 = 0.6;
/// A rating from so many stars on is satisfied.
const SATISFIED_FROM: u8 = 4;

/// The class of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// 先进.
    Advanced,
    /// 进步.
    Progress,
    /// 整改.
    Rectify,
    /// 治理.
    Govern,
}

impl Class {
    /// What operators call it.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Advanced => "advanced 先进",
            Self::Progress => "progress 进步",
            Self::Rectify => "rectify 整改",
            Self::Govern => "govern 治理",
        }
    }
}

/// A part of a whole; `None` where there is nothing to count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Rate {
    /// Those that count.
    pub good: u64,
    /// All.
    pub of: u64,
}

impl Rate {
    fn add(&mut self, good: bool) {
        self.good += u64::from(good);
        self.of += 1;
    }

    /// Between 0 and 1.
    #[must_use]
    pub fn value(self) -> Option<f64> {
        (self.of > 0).then(|| self.good as f64 / self.of as f64)
    }
}

/// How one department did.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Unit {
    /// Which.
    pub department: DepartmentId,
    /// Its name.
    pub name: String,
    /// Cases it got.
    pub cases: u64,
    /// Taken before their deadline, of those taken or overdue.
    pub response: Rate,
    /// Handled before their deadline, of those handled or overdue.
    pub handling: Rate,
    /// Rated four stars or five, of those rated.
    pub satisfaction: Rate,
    /// Cases found undone.
    pub reopened: u64,
    /// Points deducted.
    pub points: u64,
    /// Mean of the rates there are, less a hundredth for each point a case cost on average.
    pub score: Option<f64>,
    /// The same in the period before.
    pub score_before: Option<f64>,
    /// Its class; none when nothing can be said.
    pub class: Option<Class>,
}

/// A place where cases of a kind repeat.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct HotSpot {
    /// What kind.
    pub kind: EventKind,
    /// Area, where it is known.
    pub area: Option<String>,
    /// Longitude and latitude in degrees, where they are known: those of the latest case.
    pub position: Option<[f64; 2]>,
    /// Cases in the period.
    pub cases: u64,
    /// Cases in the period before.
    pub cases_before: u64,
}

/// How a city did in a period.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Appraisal {
    /// Its name, for instance `2026-W48`.
    pub period: String,
    /// The first moment.
    pub from: Timestamp,
    /// The first moment after.
    pub to: Timestamp,
    /// Cases opened.
    pub cases: u64,
    /// By kind.
    pub by_kind: BTreeMap<EventKind, u64>,
    /// By the state they are in now.
    pub by_state: BTreeMap<CaseState, u64>,
    /// Found to be none, of all.
    pub void: Rate,
    /// Departments, best first.
    pub units: Vec<Unit>,
    /// Where cases repeat, most first.
    pub hot_spots: Vec<HotSpot>,
}

/// Looks over the cases of a period, and those of the one before.
#[must_use]
pub fn appraise(city: &City, period: &Period, cases: &[Case], before: &[Case]) -> Appraisal {
    let mut by_kind = BTreeMap::new();
    let mut by_state = BTreeMap::new();
    let mut void = Rate::default();
    for case in cases {
        *by_kind.entry(case.kind.clone()).or_default() += 1;
        *by_state.entry(case.state).or_default() += 1;
        void.add(case.state == CaseState::Void);
    }
    Appraisal {
        period: period.name.clone(),
        from: period.from,
        to: period.to,
        cases: cases.len() as u64,
        by_kind,
        by_state,
        void,
        units: units(city, cases, before),
        hot_spots: hot_spots(cases, before),
    }
}

fn units(city: &City, cases: &[Case], before: &[Case]) -> Vec<Unit> {
    let before: BTreeMap<DepartmentId, Unit> = tally(city, before);
    let mut units: Vec<Unit> = tally(city, cases).into_values().collect();
    for unit in &mut units {
        unit.score_before = before.get(&unit.department).and_then(|unit| unit.score);
        unit.class = unit.score.map(|score| class(score, unit.score_before));
    }
    units.sort_by(|a, b| {
        let score = |unit: &Unit| unit.score.unwrap_or(-1.0);
        score(b).total_cmp(&score(a)).then_with(|| a.department.cmp(&b.department))
    });
    units
}

fn class(score: f64, before: Option<f64>) -> Class {
    if score >= ADVANCED_FROM {
        Class::Advanced
    } else if before.is_some_and(|before| score - before >= PROGRESS_BY) {
        Class::Progress
    } else if score >= GOVERNED_BELOW {
        Class::Rectify
    } else {
        Class::Govern
    }
}

fn tally(city: &City, cases: &[Case]) -> BTreeMap<DepartmentId, Unit> {
    let mut units: BTreeMap<DepartmentId, Unit> = BTreeMap::new();
    // What is no case, or part of another one, is nobody's merit or fault.
    for case in cases.iter().filter(|case| !matches!(case.state, CaseState::Void | CaseState::Linked)) {
        for id in &case.departments {
            let unit = units.entry(id.clone()).or_insert_with(|| empty(city, id));
            count(unit, case);
        }
    }
    for unit in units.values_mut() {
        let rates = [unit.response, unit.handling, unit.satisfaction];
        let known: Vec<f64> = rates.into_iter().filter_map(Rate::value).collect();
        if !known.is_empty() {
            let mean = known.iter().sum::<f64>() / known.len() as f64;
            unit.score = Some((mean - unit.points as f64 / unit.cases.max(1) as f64 / 100.0).max(0.0));
        }
    }
    units
}

fn empty(city: &City, id: &DepartmentId) -> Unit {
    Unit {
        department: id.clone(),
        name: city.departments.get(id).map_or_else(|| id.to_string(), |department| department.name.clone()),
        cases: 0,
        response: Rate::default(),
        handling: Rate::default(),
        satisfaction: Rate::default(),
        reopened: 0,
        points: 0,
        score: None,
        score_before: None,
        class: None,
    }
}

fn count(unit: &mut Unit, case: &Case) {
    unit.cases += 1;
    unit.points += u64::from(case.work.points);
    unit.reopened += u64::from(case.work.reopened > 0);
    for clock in &case.work.clocks {
        let rate = match clock.stage {
            ClockStage::Accept => &mut unit.response,
            ClockStage::Handle => &mut unit.handling,
            _ => continue,
        };
        // One that runs and is in time says nothing yet; what was paused is told by the clock that followed.
        if clock.overdue || !clock.is_running() {
            rate.add(!clock.overdue);
        }
    }
    if let Some(stars) = case.work.rating {
        unit.satisfaction.add(stars >= SATISFIED_FROM);
    }
}

/// A place as it is told apart: by position where there is one, else by camera or area.
fn place(case: &Case) -> Option<(EventKind, String)> {
    let place = match (case.position, &case.camera, &case.work.area) {
        (Some([lon, lat]), _, _) => {
            let cell = |degrees: f64| (degrees / SAME_PLACE_DEGREES).floor() as i64;
            format!("{}/{}", cell(lon), cell(lat))
        }
        (None, Some(camera), _) => camera.to_string(),
        (None, None, Some(area)) => area.clone(),
        (None, None, None) => return None,
    };
    Some((case.kind.clone(), place))
}

fn hot_spots(cases: &[Case], before: &[Case]) -> Vec<HotSpot> {
    let group = |cases: &[Case]| {
        let mut groups: BTreeMap<(EventKind, String), Vec<usize>> = BTreeMap::new();
        let real = |case: &Case| !matches!(case.state, CaseState::Void | CaseState::Linked);
        for (index, case) in cases.iter().enumerate().filter(|(_, case)| real(case)) {
            if let Some(place) = place(case) {
                groups.entry(place).or_default().push(index);
            }
        }
        groups
    };
    let before = group(before);
    let mut spots: Vec<HotSpot> = group(cases)
        .into_iter()
        .filter(|(_, indices)| indices.len() >= HOT_FROM)
        .map(|(place, indices)| {
            let latest = indices.iter().map(|index| &cases[*index]).max_by_key(|case| case.opened_at);
            HotSpot {
                cases_before: before.get(&place).map_or(0, Vec::len) as u64,
                kind: place.0,
                area: latest.and_then(|case| case.work.area.clone()),
                position: latest.and_then(|case| case.position),
                cases: indices.len() as u64,
            }
        })
        .collect();
    spots.sort_by(|a, b| b.cases.cmp(&a.cases).then_with(|| a.kind.cmp(&b.kind)));
    spots.truncate(MAX_HOT_SPOTS);
    spots
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::action::{Action, Order, act};
    use crate::case::clocks;
    use crate::testing::a_case;
    use crate::testing::city::{START, city};
    use std::path::Path;
    use std::time::Duration;

    fn order(action: Action) -> Order {
        Order { action, by: "Li".to_owned(), department: None, reason: "test".to_owned() }
    }

    /// A city in which a fire is taken within two minutes.
    fn a_city() -> City {
        let mut city = city(Path::new("/tmp"));
        city.cases.limits.accept_immediate_within = Duration::from_secs(120);
        city
    }

    /// Taken after so many minutes, done and closed, rated.
    fn handled(city: &City, minutes: u64, stars: u8) -> Case {
        let mut case = a_case("gate-1");
        case.state = CaseState::Dispatched;
        case.position = Some([121.5004, 31.2004]);
        case.departments = vec![DepartmentId::new("brigade").unwrap()];
        clocks::settle(city, &mut case, START);
        let at = START.plus(Duration::from_secs(60 * minutes));
        if let Some((ticked, _, _)) = clocks::tick(city, &case, at) {
            case = ticked;
        }
        for action in [Action::Accept, Action::Done, Action::Close, Action::Rate(stars)] {
            case = act(city, &case, &order(action), at).unwrap().0;
        }
        case
    }

    fn period() -> Period {
        Period::containing(PeriodKind::Week, START, "Asia/Shanghai").unwrap()
    }

    #[test]
    fn rates_classes_and_hot_spots_follow_from_the_cases() {
        let city = a_city();
        let mut cases = vec![handled(&city, 1, 5), handled(&city, 1, 4), handled(&city, 3, 2)];
        let mut void = a_case("gate-1");
        void.state = CaseState::Void;
        void.departments = vec![DepartmentId::new("brigade").unwrap()];
        cases.push(void);
        let found = appraise(&city, &period(), &cases, &[handled(&city, 3, 1)]);
        let [unit] = found.units.as_slice() else { panic!("{:?}", found.units) };
        assert_eq!((unit.response, unit.handling), (Rate { good: 2, of: 3 }, Rate { good: 3, of: 3 }));
        assert_eq!((unit.satisfaction, unit.cases), (Rate { good: 2, of: 3 }, 3));
        assert_eq!(unit.class, Some(Class::Progress), "it was worse the week before: {unit:?}");
        assert_eq!(found.void, Rate { good: 1, of: 4 });
        let [spot] = found.hot_spots.as_slice() else { panic!("{:?}", found.hot_spots) };
        assert_eq!((spot.cases, spot.cases_before), (3, 1));
        assert_eq!(class(0.95, None), Class::Advanced);
        assert_eq!((class(0.7, Some(0.69)), class(0.5, None)), (Class::Rectify, Class::Govern));
    }

    #[test]
    fn the_page_and_the_table_hold_every_unit_and_no_text_can_break_out_of_them() {
        let mut city = a_city();
        let brigade = DepartmentId::new("brigade").unwrap();
        city.departments.get_mut(&brigade).unwrap().name = "=cmd(\"<script>\"),\nx".to_owned();
        let found = appraise(&city, &period(), &[handled(&city, 1, 5)], &[]);
        let table = csv(&found);
        assert!(table.contains("\"'=cmd(\"\"<script>\"\"), x\""), "{table}");
        let page = html(&found, "Test <Harbour>");
        assert!(page.contains("&lt;script&gt;") && page.contains("Test &lt;Harbour&gt;"), "{page}");
        assert!(!page.contains("<script"));
    }

    #[test]
    fn nothing_happened_is_an_appraisal_too() {
        let found = appraise(&a_city(), &period(), &[], &[]);
        assert!(found.units.is_empty() && found.hot_spots.is_empty());
        assert!(html(&found, "x").contains("2025"));
    }
}
