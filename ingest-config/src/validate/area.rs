//! `[[areas]]` → [`Area`].

use citybrain_types::{DepartmentId, Level};

use super::Context;
use super::department::Staff;
use super::polygon::outline;
use crate::names::Names;
use crate::raw::{RawArea, RawLevel};
use crate::resolved::{Area, CaseRules};
use crate::row::Row;
use crate::suggestion::shown;

/// Adds areas to the rules.
pub(super) fn areas<'d>(
    rows: &[Row<'d, RawArea>],
    staff: &Staff<'d>,
    rules: &mut CaseRules,
    context: &mut Context<'_>,
) -> Names<'d> {
    let mut names = Names::new("area", &context.problems);
    for row in rows {
        let area = area(row, staff, context);
        let name = names.declare(&row.place, "name", row.raw.name.as_deref(), &mut context.problems);
        if let Some(name) = name {
            rules.areas.insert(name.to_owned(), area);
        }
    }
    // The level of these was a mistake that is told already.
    let unclear = |name: &str| {
        let lies = |row: &&Row<'_, RawArea>| row.raw.name.as_deref() == Some(name) && row.place.lost("level");
        rows.iter().any(|row| lies(&row))
    };
    for Row { raw, place } in rows {
        let (Some(within), Some(name)) = (&raw.within, &raw.name) else { continue };
        if !names.refer(place, "within", (0, within), &mut context.problems) {
            continue;
        }
        let (Some(area), Some(outer)) = (rules.areas.get(name), rules.areas.get(within)) else { continue };
        if outer.level <= area.level && !unclear(within) && !unclear(name) {
            let message = format!(
                "does not fit: '{}' is on the level {}, which is not above {}",
                shown(within),
                outer.level,
                area.level
            );
            place.report(&mut context.problems, "within", message);
        }
    }
    names
}

fn area(row: &Row<'_, RawArea>, staff: &Staff<'_>, context: &mut Context<'_>) -> Area {
    let Row { raw, place } = row;
    if let Some(fault) = raw.outline.as_deref().and_then(|corners| outline(corners).err()) {
        place.report(&mut context.problems, "outline", fault);
    }
    let department = raw
        .department
        .as_deref()
        .filter(|name| staff.names.refer(place, "department", (0, name), &mut context.problems));
    Area {
        level: match raw.level {
            RawLevel::Building => Level::Building,
            RawLevel::Grid => Level::Grid,
            RawLevel::Community => Level::Community,
            RawLevel::Street => Level::Street,
            RawLevel::District => Level::District,
        },
        within: raw.within.clone(),
        outline: raw.outline.clone(),
        department: department.and_then(|name| DepartmentId::new(name).ok()),
    }
}
