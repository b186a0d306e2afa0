//! From the tables of the file to a city: values, then references. Reports everything that is wrong.

mod address;
mod camera;
mod department;
mod evidence;
mod hygiene;
mod kind;
mod limits;
mod model;
mod polygon;
mod route;
mod secret;
mod sensor;
mod sink;
mod site;
mod view;
mod zone;

pub(crate) use address::CameraAddress;
pub(crate) use department::built_in_centre;
pub(crate) use limits::{dispatch_limits, pipeline_limits};

use citybrain_types::IdError;
use sha2::{Digest, Sha256};

use crate::problem::Problems;
use crate::resolved::City;
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
    let pipeline =
        single(documents, "pipeline", &mut context.problems).map(|row| limits::pipeline(&row, context));
    let dispatch = single(documents, "dispatch", &mut context.problems).map(|row| limits::dispatch(&row));

    let (kinds, kind_names) = kind::kinds(&rows(documents, "kinds", &mut context.problems), context);
    let model_rows = rows(documents, "models", &mut context.problems);
    let models = model::models(&model_rows, &kind_names, context);
    let (destinations, sink_names) = sink::sinks(&rows(documents, "sinks", &mut context.problems), context);
    let department_rows = rows(documents, "departments", &mut context.problems);
    let staff = department::departments(&department_rows, &sink_names, context);
    let camera_rows = rows(documents, "cameras", &mut context.problems);
    let (cameras, camera_names) = camera::cameras(&camera_rows, &kinds, &kind_names, context);
    let sensor_rows = rows(documents, "sensors", &mut context.problems);
    let sensors = sensor::sensors(&sensor_rows, &kind_names, &cameras, context);
    let silence_rows = rows(documents, "silences", &mut context.problems);
    let silences = hygiene::silences(&silence_rows, &kind_names, &camera_names, context);
    let permits = hygiene::permits(&rows(documents, "permits", &mut context.problems), context);
    let route_rows = rows(documents, "routes", &mut context.problems);
    let routes = route::routes(&route_rows, &kind_names, &staff, context);

    let origins = Origins {
        top: documents.first()?.source.at(0),
        site: site_row.map(|row| row.place),
        cameras: camera_names,
        kinds: kind_names,
        departments: staff.names,
        sinks: sink_names,
        models: models.places,
        routes: route_rows.iter().map(|row| row.place.clone()).collect(),
    };
    let city = City {
        version: context.version(),
        site: site?,
        cameras,
        kinds,
        models: models.models,
        departments: staff.departments,
        routes,
        destinations,
        sensors,
        silences,
        permits,
        pipeline: pipeline?,
        dispatch: dispatch?,
    };
    Some((city, origins))
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
