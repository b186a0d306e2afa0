//! A city without a file: cameras named on the command line.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use citybrain_types::{CameraId, DepartmentId, EventKind};
use url::Url;

use crate::catalogue::built_in;
use crate::problem::{ConfigErrors, Problem, Problems};
use crate::raw::{RawDispatch, RawPipeline, RawSite};
use crate::resolved::{
    Camera, CaseRules, CaseStore, City, Connection, DecodeMode, Model, Route, Site, Stream, Transport, When,
};
use crate::validate::{
    CameraAddress, Context, add_built_in_calendar, built_in_centre, dispatch_limits, pipeline_limits,
};

/// Named as the file of a problem that stands on the command line.
const COMMAND_LINE: &str = "--camera";

impl City {
    /// A city of cameras given by their addresses or as video files, with everything else as it is by default: all
    /// built-in kinds, one department `district-centre` without destinations.
    ///
    /// Ids come from host or file name and are made unique by a number. Relative paths start from the working folder.
    ///
    /// # Errors
    /// Every address that cannot be used, every file that does not exist.
    pub fn for_cameras(
        addresses: &[String],
        data_dir: &Path,
        models: Vec<Model>,
    ) -> Result<Self, ConfigErrors> {
        let mut context = Context {
            problems: Problems::default(),
            environment: &|_| None,
            fingerprint: Default::default(),
        };
        let kinds = built_in();
        let looked_for: BTreeSet<EventKind> =
            kinds.values().filter(|kind| !kind.labels.is_empty()).map(|kind| kind.kind.clone()).collect();
        let mut cameras = BTreeMap::new();
        for (index, text) in addresses.iter().enumerate() {
            context.mix(text.as_bytes());
            match address(text, index) {
                Ok(address) => {
                    if let Some(id) = unique_id(&address.url, &cameras) {
                        cameras.insert(id.clone(), camera(id, address, looked_for.clone()));
                    }
                }
                Err(problem) => context.problems.report_file(index, problem),
            }
        }
        if addresses.is_empty() {
            let problem = Problem::of_file(COMMAND_LINE, "no camera is given");
            context.problems.report_file(0, problem);
        }
        let site = default_site(data_dir).map_err(ConfigErrors::one)?;
        context.mix(site.data_dir.as_os_str().as_encoded_bytes());
        models.iter().for_each(|model| context.mix(model.dir.as_os_str().as_encoded_bytes()));
        let version = context.version();
        context.problems.into_result()?;
        let centre = built_in_centre();
        let departments: BTreeMap<_, _> =
            centre.into_iter().map(|centre| (centre.id.clone(), centre)).collect();
        Ok(Self {
            version,
            site,
            store: CaseStore::default(),
            people: crate::resolved::PeopleRules::default(),
            cameras,
            kinds,
            models,
            routes: vec![Route {
                kinds: BTreeSet::new(),
                areas: BTreeSet::new(),
                when: When::Always,
                departments: departments.keys().cloned().collect(),
                lead: None,
                rota: None,
            }],
            cases: default_rules(departments.keys().next().cloned()),
            departments,
            destinations: BTreeMap::new(),
            sensors: Vec::new(),
            silences: Vec::new(),
            permits: Vec::new(),
            pipeline: pipeline_limits(&RawPipeline::default()),
            dispatch: dispatch_limits(&RawDispatch::default()),
            log: crate::resolved::LogSettings::default(),
            console: crate::resolved::ConsoleSettings::default(),
        })
    }
}

/// What cases are worked by when nothing is said about it.
fn default_rules(centre: Option<DepartmentId>) -> CaseRules {
    let mut rules = CaseRules { centre, ..CaseRules::default() };
    add_built_in_calendar(&jiff::tz::TimeZone::UTC, &mut rules);
    rules
}

fn address(text: &str, index: usize) -> Result<CameraAddress, Problem> {
    let problem = |message: String, suggestion: Option<String>| Problem {
        suggestion,
        ..Problem::of_file(COMMAND_LINE, format!("camera {} {message}", index + 1))
    };
    let address = CameraAddress::parse(text, Path::new(""));
    let address = address.map_err(|fault| problem(fault.message, fault.suggestion))?;
    match address.file() {
        Some(path) if !path.is_file() => {
            Err(problem(format!("is the file {}, which does not exist", path.display()), None))
        }
        _ => Ok(address),
    }
}

fn camera(id: CameraId, address: CameraAddress, kinds: BTreeSet<EventKind>) -> Camera {
    Camera {
        name: id.to_string(),
        stream: Stream {
            address: address.url,
            credentials: address.credentials,
            transport: Transport::Tcp,
            decode: DecodeMode::Auto,
            connection: Connection::Auto,
            repeat: false,
        },
        position: None,
        area: None,
        kinds,
        evidence: BTreeMap::new(),
        ignore: Vec::new(),
        zones: Vec::new(),
        view: crate::resolved::View::default(),
        id,
    }
}

fn default_site(data_dir: &Path) -> Result<Site, Problem> {
    let raw = RawSite::default();
    let fault = |error: &dyn std::fmt::Display| Problem::of_file(COMMAND_LINE, error.to_string());
    let listen = raw.listen.parse().map_err(|error| fault(&error))?;
    Ok(Site {
        name: raw.name,
        time_zone: raw.time_zone,
        data_dir: std::path::absolute(data_dir).unwrap_or_else(|_| PathBuf::from(data_dir)),
        public_url: Url::parse(&format!("http://{listen}")).map_err(|error| fault(&error))?,
        listen,
    })
}

/// Host or file name, with what an id cannot hold replaced, and a number where it is taken.
fn unique_id(url: &Url, taken: &BTreeMap<CameraId, Camera>) -> Option<CameraId> {
    let file =
        url.to_file_path().ok().and_then(|path| Some(path.file_stem()?.to_string_lossy().into_owned()));
    let device = url.path().rsplit('/').next().unwrap_or_default();
    let name = match url.scheme() {
        "file" => file.unwrap_or_default(),
        "v4l2" => device.to_owned(),
        _ => url.host_str().unwrap_or_default().to_owned(),
    };
    let allowed = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' };
    let name: String = name.trim_matches(['[', ']', '.']).chars().take(48).map(allowed).collect();
    let name = if name.trim_matches('-').is_empty() { "camera".to_owned() } else { name };
    let numbered = (2..).map(|number| format!("{name}-{number}"));
    std::iter::once(name.clone())
        .chain(numbered)
        .filter_map(|name| CameraId::new(name).ok())
        .find(|id| !taken.contains_key(id))
}
