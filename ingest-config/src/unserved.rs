//! Which kinds in which areas no route of the file serves, so that only the district centre is left.

use std::collections::{BTreeMap, BTreeSet};

use citybrain_types::EventKind;

use crate::resolved::{City, Route, When};

/// Areas named in one sentence; a city may have thousands.
const MAX_LISTED: usize = 5;

/// How far a kind in an area is served.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Served {
    /// In the working hours of a calendar, or outside them, only.
    Partly(String),
    Never,
}

/// One sentence for each kind and want. `own` are the routes of the file.
pub(crate) fn unserved(city: &City, own: &[Route]) -> Vec<String> {
    let mut wants: BTreeMap<(&EventKind, Served), BTreeSet<String>> = BTreeMap::new();
    for (area, kinds) in places(city) {
        for kind in kinds {
            if let Some(want) = want(city, own, kind, area) {
                let name = area.map_or_else(
                    || "cameras without an area".to_owned(),
                    |area| area.escape_debug().to_string(),
                );
                wants.entry((kind, want)).or_default().insert(name);
            }
        }
    }
    let everywhere = places(city).len();
    let sentence = |((kind, want), areas): ((&EventKind, Served), BTreeSet<String>)| {
        let shown = areas.iter().take(MAX_LISTED).cloned().collect::<Vec<_>>().join(", ");
        let more = areas.len().saturating_sub(MAX_LISTED);
        let shown = if more > 0 { format!("{shown} and {more} more") } else { shown };
        let place = if areas.len() == everywhere { String::new() } else { format!(" in {shown}") };
        match want {
            Served::Never => format!("no route serves {kind}{place}; the district centre gets it"),
            Served::Partly(when) => {
                format!("{kind}{place} is served {when} only; at other times the district centre gets it")
            }
        }
    };
    wants.into_iter().map(sentence).collect()
}

/// Areas with the kinds that may happen there: what the cameras in them look for, and in a declared area every kind
/// that any camera looks for, since people report there, too.
fn places(city: &City) -> BTreeMap<Option<&str>, BTreeSet<&EventKind>> {
    let mut places: BTreeMap<Option<&str>, BTreeSet<&EventKind>> = BTreeMap::new();
    for camera in city.cameras.values() {
        let by_position = || camera.position.and_then(|position| city.cases.area_at(position));
        let area = camera.area.as_deref().or_else(by_position);
        places.entry(area).or_default().extend(&camera.kinds);
    }
    let looked_for: BTreeSet<&EventKind> = city.cameras.values().flat_map(|camera| &camera.kinds).collect();
    // Only areas that hold no other: what is routed for an outer one is routed for those in it.
    let outer: BTreeSet<&str> = city.cases.areas.values().filter_map(|area| area.within.as_deref()).collect();
    for name in city.cases.areas.keys().filter(|name| !outer.contains(name.as_str())) {
        places.entry(Some(name)).or_default().extend(&looked_for);
    }
    places
}

fn want(city: &City, own: &[Route], kind: &EventKind, area: Option<&str>) -> Option<Served> {
    let fits = |route: &&Route| {
        (route.kinds.is_empty() || route.kinds.contains(kind)) && city.cases.covers(&route.areas, area)
    };
    let times: Vec<&When> = own.iter().filter(fits).map(|route| &route.when).collect();
    let both = |id: &String| {
        times.contains(&&When::During(id.clone())) && times.contains(&&When::Outside(id.clone()))
    };
    let is_whole = times.iter().any(|when| match when {
        When::Always => true,
        When::During(id) | When::Outside(id) => both(id),
    });
    if is_whole {
        return None;
    }
    let words = times.iter().filter_map(|when| match when {
        When::Always => None,
        When::During(id) => Some(format!("during '{id}'")),
        When::Outside(id) => Some(format!("outside '{id}'")),
    });
    let words = words.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(" and ");
    Some(if words.is_empty() { Served::Never } else { Served::Partly(words) })
}
