//! `[[routes]]` → [`Route`], ended by a route that takes everything.

use citybrain_types::{DepartmentId, EventKind};

use super::department::Staff;
use super::{Context, RuleNames};
use crate::names::{Names, references};
use crate::raw::RawRoute;
use crate::resolved::{Route, When};
use crate::row::Row;

pub(super) fn routes<'d>(
    rows: &[Row<'d, RawRoute>],
    kinds: &Names<'d>,
    staff: &Staff<'d>,
    rules: &RuleNames<'d>,
    context: &mut Context<'_>,
) -> Vec<Route> {
    let mut routes: Vec<Route> = rows.iter().map(|row| route(row, kinds, staff, rules, context)).collect();
    let is_damaged = staff.is_damaged
        || rows.iter().any(|row| row.place.is_damaged())
        || context.problems.lost_something();
    if is_damaged {
        return routes;
    }
    // Conditions are read from the file: a reference that was refused must not make a route look like a fallback.
    let takes_all = rows.iter().position(|row| {
        let RawRoute { kinds, areas, during, outside, .. } = &row.raw;
        kinds.is_none() && areas.is_none() && during.is_none() && outside.is_none()
    });
    match takes_all {
        Some(fallback) => {
            for row in rows.iter().skip(fallback + 1) {
                let first = rows[fallback].place.header();
                let message =
                    format!("{} is never reached: the route at {first} takes everything", row.place);
                let suggestion = Some("put the route without conditions last".to_owned());
                context.problems.report(row.place.header(), row.place.path_of("kinds"), message, suggestion);
            }
        }
        None => routes.extend(fallback(staff, context)),
    }
    routes
}

/// The route to the district centre.
fn fallback(staff: &Staff<'_>, context: &mut Context<'_>) -> Option<Route> {
    if let Some(centre) = &staff.centre {
        return Some(Route {
            kinds: [].into(),
            areas: [].into(),
            when: When::Always,
            departments: [centre.clone()].into(),
            lead: Some(centre.clone()),
            rota: None,
        });
    }
    let place = staff.first.as_ref()?;
    let suggestion =
        "add 'district_centre = true' to one, or a last route without 'kinds' and 'areas'".to_owned();
    context.problems.report(
        place.header(),
        "departments",
        "no department is the district centre, so a case that no route takes would go nowhere",
        Some(suggestion),
    );
    None
}

fn route<'d>(
    row: &Row<'d, RawRoute>,
    kinds: &Names<'d>,
    staff: &Staff<'d>,
    rules: &RuleNames<'d>,
    context: &mut Context<'_>,
) -> Route {
    let Row { raw, place } = row;
    let problems = &mut context.problems;
    let given = |list: &'_ Option<Vec<String>>| list.clone().unwrap_or_default();
    let kinds =
        references(kinds, place, "kinds", &given(&raw.kinds), problems, |name| Some(EventKind::new(name)));
    let departments = given(&raw.departments);
    let first = departments.first().and_then(|id| DepartmentId::new(id).ok());
    let make = |name: &str| DepartmentId::new(name).ok();
    let departments = references(&staff.names, place, "departments", &departments, problems, make);
    if raw.departments.is_none() && raw.rota.is_none() && !place.lost("departments") && !place.lost("rota") {
        let suggestion = Some("add one of them".to_owned());
        let message = format!("{place} has neither 'departments' nor 'rota'");
        problems.report(place.header(), place.path_of("departments"), message, suggestion);
    }
    let rota = raw.rota.clone().filter(|id| rules.rotas.refer(place, "rota", (0, id), problems));
    let when = match (&raw.during, &raw.outside) {
        (Some(_), Some(_)) => {
            let suggestion = Some("give each a route of its own".to_owned());
            place.suggest(problems, "outside", "stands beside 'during'", suggestion);
            When::Always
        }
        (Some(id), None) if rules.calendars.refer(place, "during", (0, id), problems) => {
            When::During(id.clone())
        }
        (None, Some(id)) if rules.calendars.refer(place, "outside", (0, id), problems) => {
            When::Outside(id.clone())
        }
        _ => When::Always,
    };
    let lead = first.filter(|id| departments.contains(id));
    Route { kinds, areas: given(&raw.areas).into_iter().collect(), when, departments, lead, rota }
}
