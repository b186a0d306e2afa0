//! What a configuration may say but probably does not mean.

use std::collections::BTreeSet;

use citybrain_types::EventKind;

use crate::names::Names;
use crate::problem::Problems;
use crate::resolved::{Camera, City, Kind};
use crate::row::Place;
use crate::source::Location;
use crate::suggestion::did_you_mean;
use crate::unserved::unserved;

/// Names listed in one warning; a city may have thousands.
const MAX_LISTED: usize = 5;

/// Where the parts of a city stand in its files.
pub(crate) struct Origins<'d> {
    pub top: Location<'d>,
    pub site: Option<Place<'d>>,
    pub cameras: Names<'d>,
    pub kinds: Names<'d>,
    pub departments: Names<'d>,
    pub sinks: Names<'d>,
    pub models: Vec<Place<'d>>,
    pub routes: Vec<Place<'d>>,
    pub areas: Names<'d>,
}

/// Looks a whole city over.
pub(crate) fn warn(city: &City, origins: &Origins<'_>, problems: &mut Problems) {
    let mut over = Overseer { city, origins, problems };
    over.site();
    over.cameras();
    over.kinds();
    over.routes();
    over.areas();
    over.departments();
    over.models();
}

struct Overseer<'a, 'd> {
    city: &'a City,
    origins: &'a Origins<'d>,
    problems: &'a mut Problems,
}

impl Overseer<'_, '_> {
    fn site(&mut self) {
        let Some(place) = &self.origins.site else { return };
        let listen = self.city.site.listen;
        if !listen.ip().is_loopback() {
            let message = format!(
                "{listen} can be reached from other machines; put a proxy with authentication in front"
            );
            self.problems.warn(place.at("listen"), place.path_of("listen"), message);
        }
        if listen.ip().is_unspecified() && !place.has("public_url") {
            let message =
                "links in deliveries lead nowhere: give 'public_url' when 'listen' is every address";
            self.problems.warn(place.at("listen"), place.path_of("public_url"), message);
        }
    }

    fn cameras(&mut self) {
        if self.city.cameras.is_empty() {
            self.problems.warn(self.origins.top, "cameras", "there is no camera");
        }
        self.some_cameras("has no position, so its cases are not on the map", "position", |camera| {
            camera.position.is_none()
        });
        self.some_cameras("looks for no kind", "kinds", |camera| camera.kinds.is_empty());
        self.some_cameras("plays a file that does not exist", "url", |camera| {
            let address = &camera.stream.address;
            address.scheme() == "file" && address.to_file_path().is_ok_and(|path| !path.is_file())
        });
    }

    /// One warning for all cameras that share a want; it stands at the first of them.
    fn some_cameras(&mut self, what: &str, key: &str, is_so: impl Fn(&Camera) -> bool) {
        let ids: Vec<&str> = self
            .city
            .cameras
            .values()
            .filter(|camera| is_so(camera))
            .map(|camera| camera.id.as_str())
            .collect();
        let Some(first) = ids.first() else { return };
        let at = self.origins.cameras.origin(first).unwrap_or(self.origins.top);
        let message = match ids.as_slice() {
            [only] => format!("camera {only} {what}"),
            _ => format!("each of {} cameras {what}: {}", ids.len(), listed(&ids)),
        };
        self.problems.warn(at, format!("cameras.{key}"), message);
    }

    fn kinds(&mut self) {
        let looked_for: BTreeSet<&EventKind> =
            self.city.cameras.values().flat_map(|camera| &camera.kinds).collect();
        for kind in self.city.kinds.values() {
            let at = self.origins.kinds.origin(kind.kind.as_str());
            // Cities need not use the whole built-in catalogue; a row of their own is meant to be used.
            if let Some(at) = at
                && !kind.labels.is_empty()
                && !looked_for.contains(&kind.kind)
                && !self.city.cameras.is_empty()
            {
                self.problems.warn(at, "kinds", format!("no camera looks for {}", kind.kind));
            }
            if let Some(message) = too_slow(kind) {
                self.problems.warn(at.unwrap_or(self.origins.top), "kinds.evidence", message);
            }
        }
    }

    fn routes(&mut self) {
        let own = self.city.routes.get(..self.origins.routes.len()).unwrap_or_default();
        let rules = &self.city.cases;
        let mut areas: BTreeSet<&str> =
            self.city.cameras.values().filter_map(|camera| camera.area.as_deref()).collect();
        areas.extend(rules.areas.keys().map(String::as_str));
        for (route, place) in own.iter().zip(&self.origins.routes) {
            for area in route.areas.iter().filter(|area| !areas.contains(area.as_str())) {
                let hint = did_you_mean(area, areas.iter().copied()).map(|hint| format!("; {hint}"));
                let message =
                    format!("no camera is in the area '{}'{}", area.escape_debug(), hint.unwrap_or_default());
                self.problems.warn(place.at("areas"), place.path_of("areas"), message);
            }
        }
        let Some(first) = self.origins.routes.first() else { return };
        for message in unserved(self.city, own) {
            self.problems.warn(first.header(), "routes", message);
        }
    }

    /// Areas that cameras name and the file does not declare, where it declares any.
    fn areas(&mut self) {
        let declared = &self.city.cases.areas;
        if declared.is_empty() {
            return;
        }
        for (name, area) in declared.iter().filter(|(_, area)| area.outline.is_none()) {
            let named = self.city.cameras.values().any(|camera| camera.area.as_ref() == Some(name));
            let outer = declared.values().any(|inner| inner.within.as_ref() == Some(name));
            if !named && !outer {
                let at = self.origins.areas.origin(name).unwrap_or(self.origins.top);
                let message = format!(
                    "nothing lies in the {} '{}': it has no outline, and no camera names it",
                    area.level,
                    name.escape_debug()
                );
                self.problems.warn(at, "areas", message);
            }
        }
        let is_known = |camera: &Camera| camera.area.as_ref().is_none_or(|area| declared.contains_key(area));
        self.some_cameras("is in an area that is not declared", "area", |camera| !is_known(camera));
    }

    fn departments(&mut self) {
        let mut routed: BTreeSet<_> = self.city.routes.iter().flat_map(|route| &route.departments).collect();
        let rules = &self.city.cases;
        routed.extend(rules.rotas.values().flat_map(|rota| &rota.departments));
        routed.extend(rules.areas.values().filter_map(|area| area.department.as_ref()));
        let mut used: BTreeSet<_> = self.city.departments.values().flat_map(|d| &d.destinations).collect();
        used.extend(self.city.destinations.values().filter_map(|destination| destination.second.as_ref()));
        for department in self.city.departments.values() {
            let id = &department.id;
            let at = self.origins.departments.origin(id.as_str());
            if department.destinations.is_empty() {
                let message =
                    format!("department {id} has no destination; its cases are seen in the console only");
                self.problems.warn(at.unwrap_or(self.origins.top), "departments.destinations", message);
            }
            if let Some(at) = at
                && !routed.contains(id)
            {
                self.problems.warn(at, "departments", format!("no route leads to department {id}"));
            }
        }
        for id in self.city.destinations.keys().filter(|id| !used.contains(id)) {
            let at = self.origins.sinks.origin(id.as_str()).unwrap_or(self.origins.top);
            self.problems.warn(at, "sinks", format!("no department delivers to {id}"));
        }
    }

    fn models(&mut self) {
        if self.city.models.is_empty() {
            self.problems.warn(self.origins.top, "models", "there is no model, so nothing is detected");
        }
        for (model, place) in self.city.models.iter().zip(&self.origins.models) {
            if !model.dir.join("model.toml").is_file() {
                self.problems.warn(place.at("dir"), place.path_of("dir"), "this folder holds no model.toml");
            }
        }
    }
}

/// Whether the hits a kind needs take longer than its deadline.
fn too_slow(kind: &Kind) -> Option<String> {
    let needed = kind.look_interval.saturating_mul(kind.evidence.hits_needed);
    (needed > kind.deadline && !kind.labels.is_empty()).then(|| {
        format!(
            "{} needs {} hits, one every {} s: they come later than its deadline of {} s",
            kind.kind,
            kind.evidence.hits_needed,
            kind.look_interval.as_secs_f64(),
            kind.deadline.as_secs_f64()
        )
    })
}

fn listed(names: &[&str]) -> String {
    let shown = names.iter().take(MAX_LISTED).copied().collect::<Vec<_>>().join(", ");
    if names.len() > MAX_LISTED { format!("{shown} and {} more", names.len() - MAX_LISTED) } else { shown }
}
