//! The permit register: who may build where, and when.
//!
//! Pixels cannot show illegality. A kind with `needs_permit` is a case only where no entry covers the place and the
//! moment, and the case cites what was missing: the register, how many entries it has, and the nearest of them.
//! [`Register`] is the question, `read` takes the files apart, [`keep_read`] reads them again and again.

mod csv;
mod geojson;
mod keeper;
mod read;

#[cfg(test)]
mod tests;

pub(crate) use keeper::{RegisterKeeper, first_read, keep_read};
pub use read::{Faults, MAX_BYTES, parse};

use crate::incident::Plane;
use citybrain_types::Timestamp;
use serde::{Deserialize, Serialize};

/// Most entries that are kept of all registers; more than a city has sites.
pub const MAX_ENTRIES: usize = 200_000;

/// One permit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Permit {
    /// Its number.
    pub id: String,
    /// Who holds it.
    pub holder: String,
    /// The first moment it is valid.
    pub from: Timestamp,
    /// The first moment it is not valid any more.
    pub to: Timestamp,
    /// Where.
    pub ground: PermitGround,
}

/// Where a permit is valid.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PermitGround {
    /// Inside an outline of longitudes and latitudes; with several, inside any.
    Outlines(Vec<Vec<[f64; 2]>>),
    /// Within so many metres of a point.
    Around([f64; 2], f64),
    /// In a whole area, as cameras name it.
    Area(String),
}

/// All registers of a city, as they were read last.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Register {
    /// Their names, as cases cite them.
    pub names: Vec<String>,
    /// Registers that have never been read, with the reason.
    pub unread: Vec<String>,
    /// Their entries.
    pub permits: Vec<Permit>,
}

/// What the register says of a place and a moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "finding", rename_all = "snake_case")]
pub enum PermitFinding {
    /// An entry covers it.
    Covered {
        /// The entry's number.
        permit: String,
        /// Who holds it.
        holder: String,
    },
    /// No entry covers it.
    Missing {
        /// The registers that were asked.
        registers: Vec<String>,
        /// How many entries they have.
        entries: usize,
        /// The entry of this very place whose time is nearest, where there is one.
        nearest: Option<OutOfTime>,
    },
    /// It cannot be told.
    Unknown {
        /// Why.
        why: String,
    },
}

/// An entry that covers the place, and not the moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutOfTime {
    /// The entry's number.
    pub permit: String,
    /// Who holds it.
    pub holder: String,
    /// The first moment it is valid.
    pub from: Timestamp,
    /// The first moment it is not valid any more.
    pub to: Timestamp,
}

impl PermitFinding {
    /// In words, for a case's trail.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Covered { permit, holder } => format!("permit {permit} of {holder} covers it"),
            Self::Missing { registers, entries, nearest } => {
                let names = registers.join(", ");
                let nearest = nearest.as_ref().map_or_else(String::new, |n| {
                    format!(
                        "; permit {} of {} is for this place from {} to {}",
                        n.permit, n.holder, n.from, n.to
                    )
                });
                format!("no entry of {names} ({entries} in all) permits it here and now{nearest}")
            }
            Self::Unknown { why } => format!("whether it is permitted is not known: {why}"),
        }
    }
}

impl Register {
    /// Asks whether something is permitted at a place, given by its position or the area of its camera, at a moment.
    #[must_use]
    pub fn ask(&self, position: Option<[f64; 2]>, area: Option<&str>, at: Timestamp) -> PermitFinding {
        if self.names.is_empty() && self.unread.is_empty() {
            return PermitFinding::Unknown { why: "no register is configured".to_owned() };
        }
        let here = || self.permits.iter().filter(|permit| permit.ground.holds(position, area));
        if let Some(valid) = here().find(|permit| permit.from <= at && at < permit.to) {
            return PermitFinding::Covered { permit: valid.id.clone(), holder: valid.holder.clone() };
        }
        if let Some(why) = self.unread.first() {
            return PermitFinding::Unknown { why: why.clone() };
        }
        if position.is_none() && area.is_none() {
            return PermitFinding::Unknown { why: "the camera has neither position nor area".to_owned() };
        }
        let away = |permit: &&Permit| at.since(permit.to).max(permit.from.since(at));
        let nearest = here().min_by_key(|permit| (away(permit), permit.id.clone())).map(|permit| OutOfTime {
            permit: permit.id.clone(),
            holder: permit.holder.clone(),
            from: permit.from,
            to: permit.to,
        });
        PermitFinding::Missing { registers: self.names.clone(), entries: self.permits.len(), nearest }
    }
}

impl PermitGround {
    fn holds(&self, position: Option<[f64; 2]>, area: Option<&str>) -> bool {
        match self {
            Self::Outlines(outlines) => {
                position.is_some_and(|at| outlines.iter().any(|outline| contains(outline, at)))
            }
            Self::Around(middle, metres) => position.is_some_and(|at| {
                let plane = Plane::at(*middle);
                plane.put(*middle).is_within(plane.put(at), (metres * 1_000.0) as i64)
            }),
            Self::Area(name) => area == Some(name.as_str()),
        }
    }
}

/// Whether a point lies inside an outline, by the even-odd rule.
fn contains(outline: &[[f64; 2]], [x, y]: [f64; 2]) -> bool {
    let Some(last) = outline.last() else { return false };
    let mut previous = last;
    let mut inside = false;
    for corner in outline {
        if (corner[1] > y) != (previous[1] > y)
            && x < (previous[0] - corner[0]) * (y - corner[1]) / (previous[1] - corner[1]) + corner[0]
        {
            inside = !inside;
        }
        previous = corner;
    }
    inside
}
