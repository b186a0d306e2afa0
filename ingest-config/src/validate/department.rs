//! `[[departments]]` → [`Department`], and which of them is the district centre.

use std::collections::BTreeMap;

use citybrain_types::{DepartmentId, DestinationId};

use super::{Context, id_fault};
use crate::names::{Names, references};
use crate::raw::RawDepartment;
use crate::resolved::Department;
use crate::row::{Place, Row};

/// Id of the department that is there when the file names none.
pub(crate) const BUILT_IN_CENTRE: &str = "district-centre";

/// The departments, and what routes need to know of them.
pub(super) struct Staff<'d> {
    pub departments: BTreeMap<DepartmentId, Department>,
    pub names: Names<'d>,
    /// The department that gets what no route takes.
    pub centre: Option<DepartmentId>,
    /// Whether a centre may be missing only because its row could not be read.
    pub is_damaged: bool,
    /// The first row, where a missing centre is reported.
    pub first: Option<Place<'d>>,
}

pub(super) fn departments<'d>(
    rows: &[Row<'d, RawDepartment>],
    sinks: &Names<'d>,
    context: &mut Context<'_>,
) -> Staff<'d> {
    let mut staff = Staff {
        departments: BTreeMap::new(),
        names: Names::new("department", &context.problems),
        centre: None,
        is_damaged: rows.iter().any(|row| row.place.is_damaged()),
        first: rows.first().map(|row| row.place.clone()),
    };
    if rows.is_empty() {
        add_built_in(&mut staff);
        return staff;
    }
    let mut centre_place: Option<&Place<'d>> = None;
    for row in rows {
        let department = department(row, sinks, &mut staff.names, context);
        if row.raw.district_centre {
            match centre_place {
                Some(first) => {
                    let message = format!("is set already at {}", first.at("district_centre"));
                    let suggestion = Some("mark one department".to_owned());
                    row.place.suggest(&mut context.problems, "district_centre", message, suggestion);
                }
                None => centre_place = Some(&row.place),
            }
        }
        let Some(department) = department else {
            staff.is_damaged = true;
            continue;
        };
        if row.raw.district_centre {
            staff.centre.get_or_insert(department.id.clone());
        }
        staff.departments.insert(department.id.clone(), department);
    }
    staff
}

/// The department that is there when nobody has named one.
pub(crate) fn built_in_centre() -> Option<Department> {
    let id = DepartmentId::new(BUILT_IN_CENTRE).ok()?;
    Some(Department { id, name: "District centre".to_owned(), destinations: [].into() })
}

fn add_built_in(staff: &mut Staff<'_>) {
    if let Some(centre) = built_in_centre() {
        staff.names.add_built_in(BUILT_IN_CENTRE);
        staff.centre = Some(centre.id.clone());
        staff.departments.insert(centre.id.clone(), centre);
    }
}

fn department<'d>(
    row: &Row<'d, RawDepartment>,
    sinks: &Names<'d>,
    names: &mut Names<'d>,
    context: &mut Context<'_>,
) -> Option<Department> {
    let Row { raw, place } = row;
    let make = |name: &str| DestinationId::new(name).ok();
    let destinations =
        references(sinks, place, "destinations", &raw.destinations, &mut context.problems, make);
    let id = names.declare(place, "id", raw.id.as_deref(), &mut context.problems)?;
    match DepartmentId::new(id) {
        Ok(id) => {
            let name = raw.name.clone().unwrap_or_else(|| id.to_string());
            Some(Department { id, name, destinations })
        }
        Err(error) => {
            place.report(&mut context.problems, "id", id_fault(&error));
            None
        }
    }
}
