//! From the tables of the file to a city: values, then references. Reports everything that is wrong.

mod address;
mod area;
mod calendar;
mod camera;
mod console;
mod department;
mod evidence;
mod hygiene;
mod kind;
mod limits;
mod log;
mod model;
mod oidc;
mod people;
mod polygon;
mod route;
mod secret;
mod sensor;
mod sign_in;
mod sink;
mod site;
mod store;
mod view;
mod zone;

pub(crate) use address::CameraAddress;
pub(crate) use calendar::add_built_in as add_built_in_calendar;
pub(crate) use department::built_in_centre;
pub(crate) use evidence::{faults as evidence_faults, merged as merged_evidence};
pub(crate) use limits::{case_limits, dispatch_limits, pipeline_limits};

use citybrain_types::IdError;
use sha2::{Digest, Sha256};

use crate::names::Names;
use crate::problem::Problems;
use crate::resolved::{CaseRules, City};
use crate::row::{Document, rows, single};
use crate::warnings::Origins;

/// Looks up an environment variable.
pub type Environment<'e> = &'e dyn Fn(&str) -> Option<String>;

/// What validation reads beside the tables, and what it keeps.
pub(crate) struct Context<'c> {
    pub problems: Problems,
    pub environment: Environment<'c>,
    /// Over all files and secrets read so far.
    pub fingerprint: Sha256,
}

impl Context<'_> {
    /// The version of what was read: 16 hexadecimal digits.
    pub(crate) fn version(&self) -> String {
        let hash = self.fingerprint.clone().finalize();
        hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }

    /// Mixes a part into the version; lengths keep two parts apart.
    pub(crate) fn mix(&mut self, part: &[u8]) {
        self.fingerprint.update((part.len() as u64).to_le_bytes());
        self.fingerprint.update(part);
    }
}

/// Validates and resolves; the city is only to be used when no problem was reported.
pub(crate) fn validate<'d>(
    documents: &'d [Document<'d>],
    context: &mut Context<'_>,
) -> Option<(City, Origins<'d>)> {
    let site_row = single(documents, "site", &mut context.problems);
    let site = site_row.as_ref().and_then(|row| site::site(row, context));
    let store = single(documents, "store", &mut context.problems).map(|row| store::store(&row, context));
    let people_row = single(documents, "people", &mut context.problems);
    let people = people_row.map(|row| sign_in::people(&row, site.as_ref(), context));
    let console = single(documents, "console", &mut context.problems);
    let console = console.map(|row| console::console(&row, context)).unwrap_or_default();
    let pipeline =
        single(documents, "pipeline", &mut context.problems).map(|row| limits::pipeline(&row, context));
    let dispatch_row = single(documents, "dispatch", &mut context.problems);
    let log = dispatch_row.as_ref().map(|row| log::log(row, context)).unwrap_or_default();
    let dispatch = dispatch_row.map(|row| limits::dispatch(&row));

    let kind_rows = rows(documents, "kinds", &mut context.problems);
    let (kinds, kind_names) = kind::kinds(&kind_rows, context);
    let model_rows = rows(documents, "models", &mut context.problems);
    let models = model::models(&model_rows, &kind_names, context);
    let sink_rows = rows(documents, "sinks", &mut context.problems);
    let (destinations, sink_names) = sink::sinks(&sink_rows, context);
    let department_rows = rows(documents, "departments", &mut context.problems);
    let staff = department::departments(&department_rows, &sink_names, context);
    let camera_rows = rows(documents, "cameras", &mut context.problems);
    let (cameras, camera_names) = camera::cameras(&camera_rows, &kinds, &kind_names, context);
    let sensor_rows = rows(documents, "sensors", &mut context.problems);
    let sensors = sensor::sensors(&sensor_rows, &kind_names, &cameras, context);
    let silence_rows = rows(documents, "silences", &mut context.problems);
    let silences = hygiene::silences(&silence_rows, &kind_names, &camera_names, context);
    let permits = hygiene::permits(&rows(documents, "permits", &mut context.problems), context);
    let (mut rules, rule_names) = rules(documents, site.as_ref(), &kind_names, &staff, context);
    rules.repeat_of = kind::repeats(&kind_rows);
    rules.repeat_to = sink::repeats(&sink_rows);
    let route_rows = rows(documents, "routes", &mut context.problems);
    let routes = route::routes(&route_rows, &kind_names, &staff, &rule_names, context);

    let origins = Origins {
        top: documents.first()?.source.at(0),
        site: site_row.map(|row| row.place),
        cameras: camera_names,
        kinds: kind_names,
        departments: staff.names,
        sinks: sink_names,
        models: models.places,
        routes: route_rows.iter().map(|row| row.place.clone()).collect(),
        areas: rule_names.areas,
    };
    let city = City {
        version: context.version(),
        site: site?,
        store: store??,
        people: people?,
        cameras,
        kinds,
        models: models.models,
        departments: staff.departments,
        routes,
        cases: rules,
        destinations,
        sensors,
        silences,
        permits,
        pipeline: pipeline?,
        dispatch: dispatch?,
        log,
        console,
    };
    Some((city, origins))
}

/// Names that routes refer to.
pub(super) struct RuleNames<'d> {
    pub areas: Names<'d>,
    pub calendars: Names<'d>,
    pub rotas: Names<'d>,
}

/// Calendars, areas, rotas and the limits of cases.
fn rules<'d>(
    documents: &'d [Document<'d>],
    site: Option<&crate::resolved::Site>,
    kinds: &Names<'d>,
    staff: &department::Staff<'d>,
    context: &mut Context<'_>,
) -> (CaseRules, RuleNames<'d>) {
    let zone = site.and_then(|site| jiff::tz::TimeZone::get(&site.time_zone).ok());
    let zone = zone.unwrap_or(jiff::tz::TimeZone::UTC);
    let mut rules = CaseRules { centre: staff.centre.clone(), ..CaseRules::default() };
    if let Some(row) = single(documents, "cases", &mut context.problems) {
        rules.limits = case_limits(&row.raw);
    }
    let calendar_rows = rows(documents, "calendars", &mut context.problems);
    let calendars = calendar::calendars(&calendar_rows, &zone, kinds, &mut rules, context);
    let area_rows = rows(documents, "areas", &mut context.problems);
    let areas = area::areas(&area_rows, staff, &mut rules, context);
    let rota_rows = rows(documents, "rotas", &mut context.problems);
    let rotas = calendar::rotas(&rota_rows, &zone, staff, &mut rules, context);
    (rules, RuleNames { areas, calendars, rotas })
}

/// Why a text is not an id, safe to show.
fn id_fault(error: &IdError) -> String {
    let message: String = error
        .to_string()
        .chars()
        .flat_map(|c| if c.is_control() { c.escape_default().collect::<Vec<_>>() } else { vec![c] })
        .collect();
    format!("cannot be used: {message}")
}
