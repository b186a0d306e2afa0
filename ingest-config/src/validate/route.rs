//! `[[routes]]` → [`Route`], ended by a route that takes everything.

use citybrain_types::{DepartmentId, EventKind};

use super::Context;
use super::department::Staff;
use crate::names::{Names, references};
use crate::raw::RawRoute;
use crate::resolved::Route;
use crate::row::Row;

pub(super) fn routes<'d>(
    rows: &[Row<'d, RawRoute>],
    kinds: &Names<'d>,
    staff: &Staff<'d>,
    context: &mut Context<'_>,
) -> Vec<Route> {
    let mut routes: Vec<Route> = rows.iter().map(|row| route(row, kinds, staff, context)).collect();
    let is_damaged = staff.is_damaged
        || rows.iter().any(|row| row.place.is_damaged())
        || context.problems.lost_something();
    if is_damaged {
        return routes;
    }
    // Conditions are read from the file: a reference that was refused must not make a route look like a fallback.
    let takes_all = rows.iter().position(|row| row.raw.kinds.is_none() && row.raw.areas.is_none());
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
        return Some(Route { kinds: [].into(), areas: [].into(), departments: [centre.clone()].into() });
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
    context: &mut Context<'_>,
) -> Route {
    let Row { raw, place } = row;
    let problems = &mut context.problems;
    let given = |list: &'_ Option<Vec<String>>| list.clone().unwrap_or_default();
    let kinds =
        references(kinds, place, "kinds", &given(&raw.kinds), problems, |name| Some(EventKind::new(name)));
    let departments = given(&raw.departments);
    let make = |name: &str| DepartmentId::new(name).ok();
    let departments = references(&staff.names, place, "departments", &departments, problems, make);
    Route { kinds, areas: given(&raw.areas).into_iter().collect(), departments }
}
