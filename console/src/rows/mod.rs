//! Cases, deliveries and cameras, made ready for a template: names for codes, the city's time for moments.

mod camera;
mod case;
mod delivery;
mod remarks;

pub use camera::CameraRow;
pub use case::{CaseRow, ClockRow, ReasonRow, TrailRow};
pub use delivery::DeliveryRow;
pub use remarks::remark;

use crate::i18n::Language;
use crate::local_time::LocalTime;
use crate::shell::Visitor;
use citybrain_dispatcher::Services;
use citybrain_types::{CaseState, EventKind};
use std::collections::BTreeMap;

/// What a row needs to be written for a visitor: language, the city's clock, names of kinds and departments.
pub struct Writer {
    /// The visitor's language.
    pub language: Language,
    /// The city's clock.
    pub time: LocalTime,
    kinds: BTreeMap<EventKind, String>,
    departments: BTreeMap<String, String>,
}

impl Writer {
    /// For a visitor, by the configuration in force.
    pub fn new(services: &Services, visitor: &Visitor) -> Self {
        let city = services.city();
        let tag = visitor.language.tag();
        let name = |kind: &EventKind, names: &BTreeMap<String, String>| {
            names.get(tag).or_else(|| names.values().next()).cloned().unwrap_or_else(|| kind.to_string())
        };
        Self {
            language: visitor.language,
            time: LocalTime::of(&city.site.time_zone),
            kinds: city.kinds.iter().map(|(kind, row)| (kind.clone(), name(kind, &row.names))).collect(),
            departments: city.departments.values().map(|d| (d.id.to_string(), d.name.clone())).collect(),
        }
    }

    /// The name of a kind, its code when the catalogue has none.
    pub fn kind(&self, kind: &EventKind) -> String {
        self.kinds.get(kind).cloned().unwrap_or_else(|| kind.to_string())
    }

    /// Every kind with its name.
    pub fn kinds(&self) -> impl Iterator<Item = (&EventKind, &String)> {
        self.kinds.iter()
    }

    /// Every department: id and name.
    pub fn departments(&self) -> impl Iterator<Item = (&String, &String)> {
        self.departments.iter()
    }

    /// The name of a department, its id when it is not configured any more.
    pub fn department(&self, id: &str) -> String {
        self.departments.get(id).cloned().unwrap_or_else(|| id.to_owned())
    }

    /// What operators call a state.
    pub fn state(&self, state: CaseState) -> String {
        self.language.name("case.state", state.name())
    }
}

/// How a state is coloured.
pub const fn state_tone(state: CaseState) -> &'static str {
    match state {
        CaseState::Closed => "good",
        CaseState::Returned | CaseState::Reopened | CaseState::Suspended | CaseState::Verifying => "warn",
        CaseState::Void | CaseState::Linked => "still",
        _ => "",
    }
}
