//! The file as it is written: one type per section, nothing checked beyond the shape.
//!
//! The doc comments here are the reference page and the JSON Schema: they speak to the person who writes the file.
//! Keys that must be given are `Option`s marked `required`: a table with one mistake is still read for its others.

mod area;
mod calendar;
mod camera;
mod cases;
mod console;
mod department;
mod dispatch;
mod evidence;
mod hygiene;
mod kind;
mod model;
mod oidc;
mod people;
mod pipeline;
mod route;
mod secret;
mod sensor;
mod sink;
mod site;
mod store;
mod zone;

pub use area::{RawArea, RawLevel};
pub use calendar::{RawCalendar, RawDay, RawRota};
pub use camera::{RawCamera, RawConnection, RawDecode, RawTransport};
pub use cases::RawCases;
pub use console::RawConsole;
pub use department::RawDepartment;
pub use dispatch::RawDispatch;
pub use evidence::RawEvidence;
pub use hygiene::{RawPermits, RawSilence};
pub use kind::RawKind;
pub use model::{RawModel, RawPrecision, RawProvider};
pub use oidc::{RawDefaultRole, RawOidc};
pub use people::{RawBlur, RawPasswords, RawPeople, RawSignIn};
pub use pipeline::{RawAdmission, RawPipeline};
pub use route::RawRoute;
pub use secret::SecretText;
pub use sensor::{RawSensor, RawSensorFormat};
pub use sink::{
    DEFAULT_RETRY_AFTER_SECS, DEFAULT_URGENT_RETRY_AFTER_SECS, RawEmail, RawFormat, RawMqtt, RawRobot,
    RawSink, RawWebhook,
};
pub use site::RawSite;
pub use store::RawStore;
pub use zone::RawZone;

use schemars::JsonSchema;

/// The configuration of a city, `citybrain.toml`.
///
/// Every key has its unit in its name. Unknown keys are refused. Relative paths start from the folder of the file
/// they stand in.
#[derive(JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(
    dead_code,
    reason = "only its schema is used: rows are read one by one, so that one mistake hides no other"
)]
pub struct RawCity {
    /// More files to read: file names, patterns with `*` and `?` in the last part (`cameras/*.toml`), or folders,
    /// of which every `*.toml` is read. Files are read in the order of their names. They may hold every section that
    /// is a list (`[[cameras]]`, `[[kinds]]`, …), not `[site]`, `[people]`, `[console]`, `[store]`, `[pipeline]`, `[dispatch]`, `[cases]`
    /// or another `include`.
    #[serde(default)]
    #[schemars(length(max = 1000))]
    include: Vec<String>,
    /// The installation: name, time zone, folders and listeners.
    #[serde(default)]
    site: RawSite,
    /// Where cases are kept: a file, or PostgreSQL.
    #[serde(default)]
    store: RawStore,
    /// Who may come in, for how long, and what they may see.
    #[serde(default)]
    people: RawPeople,
    /// The pages operators use.
    #[serde(default)]
    console: RawConsole,
    /// The cameras.
    #[serde(default)]
    #[schemars(length(max = 200000))]
    cameras: Vec<RawCamera>,
    /// The event catalogue: what is looked for and how it is treated. The kinds of the built-in catalogue are there
    /// without being written; a row with the code of one of them changes only what it names, a new code adds a kind.
    #[serde(default)]
    #[schemars(length(max = 256))]
    kinds: Vec<RawKind>,
    /// The models to load, and when each is asked. Without any, those that ship with the program are loaded.
    #[serde(default)]
    #[schemars(length(max = 256))]
    models: Vec<RawModel>,
    /// Departments that handle cases. Without any there is one, `district-centre`, whose cases are seen in the console.
    #[serde(default)]
    #[schemars(length(max = 10000))]
    departments: Vec<RawDepartment>,
    /// Who is responsible for what: the first route whose conditions all hold. When none holds, the case goes to the
    /// department marked `district_centre`, never nowhere.
    #[serde(default)]
    #[schemars(length(max = 10000))]
    routes: Vec<RawRoute>,
    /// Parts of the city, on its five levels.
    #[serde(default)]
    #[schemars(length(max = 100000))]
    areas: Vec<RawArea>,
    /// Working hours.
    #[serde(default)]
    #[schemars(length(max = 1000))]
    calendars: Vec<RawCalendar>,
    /// Duty rotas: departments that take turns.
    #[serde(default)]
    #[schemars(length(max = 1000))]
    rotas: Vec<RawRota>,
    /// How long each stage of a case may take.
    #[serde(default)]
    cases: RawCases,
    /// Destinations of deliveries: webhooks, MQTT brokers, e-mail and group robots.
    #[serde(default)]
    #[schemars(length(max = 10000))]
    sinks: Vec<RawSink>,
    /// Sensors: smoke detectors, water and rain gauges, that speak over MQTT.
    #[serde(default)]
    #[schemars(length(max = 100000))]
    sensors: Vec<RawSensor>,
    /// What opens no case for a while, said by whom and why.
    #[serde(default)]
    #[schemars(length(max = 10000))]
    silences: Vec<RawSilence>,
    /// Registers of permits, for kinds with `needs_permit`.
    #[serde(default)]
    #[schemars(length(max = 64))]
    permits: Vec<RawPermits>,
    /// Budgets and limits from camera to detection.
    #[serde(default)]
    pipeline: RawPipeline,
    /// Budgets and limits from detection to delivery.
    #[serde(default)]
    dispatch: RawDispatch,
}
