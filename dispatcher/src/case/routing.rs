//! Who is responsible: place × kind × time, the first route that fits.

use super::calendar::is_open;
use citybrain_ingest_config::City;
use citybrain_ingest_config::resolved::{Route, When};
use citybrain_types::{CameraId, DepartmentId, EventKind, Timestamp};

/// The departments of the first route that fits, the responsible one first, with the one on duty where the route has a rota; none only when the
/// configuration has no fallback.
#[must_use]
pub fn departments(city: &City, kind: &EventKind, area: Option<&str>, at: Timestamp) -> Vec<DepartmentId> {
    let fits = |route: &&Route| {
        (route.kinds.is_empty() || route.kinds.contains(kind))
            && city.cases.covers(&route.areas, area)
            && is_time(city, &route.when, at)
    };
    let Some(route) = city.routes.iter().find(fits) else { return Vec::new() };
    // Whoever is responsible comes first.
    let lead = route.lead.iter();
    let others = route.departments.iter().filter(|id| Some(*id) != route.lead.as_ref());
    let mut departments: Vec<DepartmentId> = lead.chain(others).cloned().collect();
    let rota = route.rota.as_ref().and_then(|id| city.cases.rotas.get(id));
    let on_duty = rota.and_then(|rota| rota.on_duty(at)).filter(|id| !departments.contains(id)).cloned();
    departments.extend(on_duty);
    if departments.is_empty() {
        departments.extend(city.cases.centre.clone());
    }
    departments
}

fn is_time(city: &City, when: &When, at: Timestamp) -> bool {
    let open = |id: &String| city.cases.calendars.get(id).is_none_or(|calendar| is_open(calendar, at));
    match when {
        When::Always => true,
        When::During(id) => open(id),
        When::Outside(id) => !open(id),
    }
}

/// The area a camera lies in: the one it names, or the smallest that holds its position.
#[must_use]
pub fn area_of(city: &City, camera: &CameraId) -> Option<String> {
    let camera = city.cameras.get(camera)?;
    let by_position = || city.cases.area_at(camera.position?).map(str::to_owned);
    camera.area.clone().or_else(by_position)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::city::city;
    use citybrain_ingest_config::resolved::{Area, Calendar, Rota};
    use citybrain_types::Level;
    use std::collections::BTreeSet;
    use std::path::Path;
    use std::time::Duration;

    fn id(name: &str) -> DepartmentId {
        DepartmentId::new(name).unwrap()
    }

    fn route(areas: &[&str], when: When, departments: &[&str], rota: Option<&str>) -> Route {
        Route {
            kinds: BTreeSet::new(),
            areas: areas.iter().map(|area| (*area).to_owned()).collect(),
            when,
            departments: departments.iter().map(|name| id(name)).collect(),
            lead: None,
            rota: rota.map(str::to_owned),
        }
    }

    fn a_city() -> City {
        let mut city = city(Path::new("/tmp"));
        let zone = jiff::tz::TimeZone::get("Asia/Shanghai").unwrap();
        let office =
            Calendar { zone, days: [true; 7], hours: vec![(540, 1_020)], off: [].into(), work: [].into() };
        city.cases.calendars.insert("office".to_owned(), office);
        let square = |x: f64| vec![[x, 31.0], [x + 0.1, 31.0], [x + 0.1, 31.1], [x, 31.1]];
        let area = |level, within: Option<&str>, outline| Area {
            level,
            within: within.map(str::to_owned),
            outline,
            department: None,
        };
        let areas = [
            (
                "street",
                area(
                    Level::Street,
                    None,
                    Some(vec![[121.0, 31.0], [121.3, 31.0], [121.3, 31.3], [121.0, 31.3]]),
                ),
            ),
            ("grid-1", area(Level::Grid, Some("street"), Some(square(121.0)))),
            ("grid-2", area(Level::Grid, Some("street"), Some(square(121.1)))),
        ];
        city.cases.areas = areas.map(|(name, area)| (name.to_owned(), area)).into();
        let start = "2026-01-01T00:00:00Z".parse().unwrap();
        let turns = ["north", "south"].map(id).to_vec();
        let rota = Rota { start, shift: Duration::from_secs(12 * 3_600), departments: turns };
        city.cases.rotas.insert("turns".to_owned(), rota);
        city.cases.centre = Some(id("centre"));
        city.routes = vec![
            route(&["grid-1"], When::During("office".to_owned()), &["day"], None),
            route(&["street"], When::Outside("office".to_owned()), &["police"], Some("turns")),
            route(&["street"], When::Always, &["street"], None),
            route(&[], When::Always, &["centre"], None),
        ];
        city
    }

    #[test]
    fn place_and_time_decide_and_what_nobody_serves_goes_to_the_district_centre() {
        let city = a_city();
        let kind = EventKind::new("fire");
        let to = |area: Option<&str>, at: &str| {
            let found = departments(&city, &kind, area, at.parse().unwrap());
            found.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        // 10 o'clock in Shanghai.
        assert_eq!(to(Some("grid-1"), "2026-11-25T02:00:00Z"), ["day"]);
        assert_eq!(to(Some("grid-2"), "2026-11-25T02:00:00Z"), ["street"]);
        assert_eq!(to(None, "2026-11-25T02:00:00Z"), ["centre"]);
        assert_eq!(to(Some("elsewhere"), "2026-11-25T02:00:00Z"), ["centre"]);
        // By night: police, and whose turn it is.
        assert_eq!(to(Some("grid-1"), "2026-01-01T11:00:00Z"), ["police", "north"]);
        assert_eq!(to(Some("grid-1"), "2026-01-01T12:00:00Z"), ["police", "south"]);
        assert_eq!(to(Some("grid-1"), "2026-01-02T00:30:00Z"), ["police", "north"]);
        assert_eq!(to(Some("grid-1"), "2025-12-31T23:00:00Z"), ["police", "south"]);
    }

    #[test]
    fn a_position_lies_in_the_smallest_area_that_holds_it() {
        let rules = a_city().cases;
        assert_eq!(rules.area_at([121.05, 31.05]), Some("grid-1"));
        assert_eq!(rules.area_at([121.15, 31.05]), Some("grid-2"));
        assert_eq!(rules.area_at([121.25, 31.25]), Some("street"));
        assert_eq!(rules.area_at([120.0, 31.0]), None);
    }
}
