//! A policy: numbers of the catalogue that are laid over the configuration while the city runs.
//!
//! Design decision: a policy holds only what it changes. It is laid over whatever configuration is in force, so that a
//! reload of the files does not undo it, and what it changes can be read at a glance. The numbers keep to the bounds and
//! the order that `[kinds.evidence]` keeps to, by the same schema and the same check; one that does not fit is refused
//! whole, with every mistake.

mod bounds;
mod calibration;
mod diff;
#[cfg(test)]
mod tests;

pub use calibration::{Calibration, CalibrationMethod, Ece, MAX_KNOTS};

pub use diff::{NumberChange, changes};

use crate::raw::RawEvidence;
use crate::resolved::{City, EvidencePolicy, Zone};
use crate::suggestion::{nearest, shown};
use crate::validate::{evidence_faults, merged_evidence};
use bounds::Bounds;
use citybrain_types::{CameraId, EventKind};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Most rules of one policy.
pub const MAX_RULES: usize = 256;
/// Most cameras or areas that one rule names.
pub const MAX_NAMED: usize = 2_000;
/// Problems told at most.
const MAX_PROBLEMS: usize = 100;

/// What is laid over the configuration.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "PolicyBody")]
pub struct Policy {
    /// Laid over in their order; a later rule has the last word.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub rules: Vec<PolicyRule>,
    /// The alert budget: so many cases one camera may open in a day. What the configuration says when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000))]
    pub cases_per_camera_and_day: Option<u32>,
    /// How scores of a kind become probabilities; a kind that is not here is taken as its model scores it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "BTreeMap<String, Calibration>")]
    pub calibration: BTreeMap<EventKind, Calibration>,
}

/// Numbers of one kind: in every camera, or in some.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyRule {
    /// Its code in the catalogue.
    pub kind: EventKind,
    /// Only in these cameras. With neither cameras nor areas it holds in all, also in those with thresholds of their own.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    #[schemars(length(max = 2000))]
    pub cameras: BTreeSet<CameraId>,
    /// Only in cameras of these areas, and of those that lie in them.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    #[schemars(length(max = 2000))]
    pub areas: BTreeSet<String>,
    /// Only in these watched zones of the cameras that are named; of the numbers only `hit_score` can be other there.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    #[schemars(length(max = 2000))]
    pub zones: BTreeSet<String>,
    /// What is changed.
    pub set: Numbers,
}

/// Numbers of the catalogue; what is not given stays.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Numbers {
    /// A detection with this score or a higher one counts as a hit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hit_score: Option<f64>,
    /// Evidence loses half of itself in this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub half_life_secs: Option<f64>,
    /// Evidence opens at this log-odds (natural logarithm).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_at: Option<f64>,
    /// Evidence closes below this log-odds; lower than `open_at`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub close_at: Option<f64>,
    /// Evidence never exceeds this log-odds; at least `open_at`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// How long evidence stays below `close_at` before it closes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold_secs: Option<f64>,
    /// At least this many hits …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hits_needed: Option<u32>,
    /// … among the last this many looks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub looks_counted: Option<u32>,
    /// Not seen for this long, a happening is over, and the next sighting opens a new case. For a whole kind only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quiet_after_secs: Option<f64>,
}

impl Numbers {
    fn raw(&self) -> RawEvidence {
        RawEvidence {
            log_floor: None,
            change_nats: None,
            hit_score: self.hit_score,
            half_life_secs: self.half_life_secs,
            open_at: self.open_at,
            close_at: self.close_at,
            max: self.max,
            hold_secs: self.hold_secs,
            hits_needed: self.hits_needed,
            looks_counted: self.looks_counted,
        }
    }

    /// What is given, by key, in the order of the fields.
    #[must_use]
    pub fn given(&self) -> Vec<(&'static str, f64)> {
        let all = [
            ("hit_score", self.hit_score),
            ("half_life_secs", self.half_life_secs),
            ("open_at", self.open_at),
            ("close_at", self.close_at),
            ("max", self.max),
            ("hold_secs", self.hold_secs),
            ("hits_needed", self.hits_needed.map(f64::from)),
            ("looks_counted", self.looks_counted.map(f64::from)),
            ("quiet_after_secs", self.quiet_after_secs),
        ];
        all.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
    }
}

/// One mistake of a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PolicyProblem {
    /// Path of the key, for instance `rules[2].set.close_at`; rows are counted from 1.
    pub key: String,
    /// What is wrong.
    pub message: String,
}

impl std::fmt::Display for PolicyProblem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.key, self.message)
    }
}

impl Policy {
    /// Whether it changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The city under this policy.
    ///
    /// # Errors
    /// Every mistake, when it does not fit the city.
    pub fn laid_over(&self, city: &City) -> Result<City, Vec<PolicyProblem>> {
        match self.lay(city) {
            (city, problems) if problems.is_empty() => Ok(city),
            (_, problems) => Err(problems),
        }
    }

    /// The city under what of this policy fits it, and what does not: for a configuration that has changed since the
    /// policy was approved.
    #[must_use]
    pub fn lay(&self, city: &City) -> (City, Vec<PolicyProblem>) {
        let mut laid = city.clone();
        let mut problems = Problems::default();
        if self.rules.len() > MAX_RULES {
            problems.add("rules".to_owned(), format!("are more than {MAX_RULES}"));
        }
        let bounds = Bounds::of_catalogue();
        for (index, rule) in self.rules.iter().take(MAX_RULES).enumerate() {
            rule.lay(&format!("rules[{}]", index + 1), bounds, &mut laid, &mut problems);
        }
        if let Some(cases) = self.cases_per_camera_and_day {
            match bounds.fault("cases_per_camera_and_day", f64::from(cases)) {
                Some(fault) => problems.add("cases_per_camera_and_day".to_owned(), fault),
                None => laid.dispatch.alerts.cases_per_camera_and_day = cases as usize,
            }
        }
        for (kind, calibration) in &self.calibration {
            let key = format!("calibration.{}", shown(kind.as_str()));
            if !city.kinds.contains_key(kind) {
                problems.add(key.clone(), "is no kind of the catalogue".to_owned());
            }
            if let Some(fault) = calibration.fault() {
                problems.add(key, fault);
            }
        }
        (laid, problems.0)
    }

    /// The calibrations that are sound.
    #[must_use]
    pub fn sound_calibrations(&self) -> BTreeMap<EventKind, Calibration> {
        let sound = self.calibration.iter().filter(|(_, calibration)| calibration.fault().is_none());
        sound.map(|(kind, calibration)| (kind.clone(), calibration.clone())).collect()
    }
}

#[derive(Default)]
struct Problems(Vec<PolicyProblem>);

impl Problems {
    fn add(&mut self, key: String, message: String) {
        if self.0.len() < MAX_PROBLEMS {
            self.0.push(PolicyProblem { key, message });
        }
    }
}

impl PolicyRule {
    /// Lays this rule over the city, or says what is wrong with it and leaves the city as it is.
    fn lay(&self, at: &str, bounds: &Bounds, city: &mut City, problems: &mut Problems) {
        let before = problems.0.len();
        self.check_names(at, city, problems);
        for (key, value) in self.set.given() {
            if let Some(fault) = bounds.fault(key, value) {
                problems.add(format!("{at}.set.{key}"), fault);
            }
        }
        if self.set.given().is_empty() {
            problems.add(format!("{at}.set"), "changes nothing".to_owned());
        }
        if self.set.quiet_after_secs.is_some() && !self.is_for_all() {
            let message = "holds for a whole kind: leave out 'cameras' and 'areas'".to_owned();
            problems.add(format!("{at}.set.quiet_after_secs"), message);
        }
        self.check_zones(at, city, problems);
        if problems.0.len() > before {
            return;
        }
        let bases = self.bases(city);
        let mut laid = Vec::with_capacity(bases.len());
        for (camera, base) in bases {
            let policy = merged_evidence(&self.set.raw(), base);
            let faults = evidence_faults(&policy);
            if faults.is_empty() {
                laid.push((camera, policy));
                continue;
            }
            let place = camera.map_or_else(String::new, |camera| format!(" in camera {camera}"));
            let given = self.set.given();
            for ([first, second], sentence) in faults {
                let key = if given.iter().any(|(key, _)| *key == first) { first } else { second };
                problems.add(format!("{at}.set.{key}"), format!("{sentence}{place}"));
            }
            // The same mistake in a thousand cameras is one mistake.
            break;
        }
        if problems.0.len() > before {
            return;
        }
        for (camera, policy) in laid {
            match camera.and_then(|camera| city.cameras.get_mut(&camera)) {
                Some(camera) if !self.zones.is_empty() => {
                    let own = camera.zones.iter_mut().filter(|zone| self.names_zone(zone));
                    for zone in own {
                        zone.hit_scores.insert(self.kind.clone(), policy.hit_score);
                    }
                }
                Some(camera) => drop(camera.evidence.insert(self.kind.clone(), policy)),
                None => {
                    if let Some(row) = city.kinds.get_mut(&self.kind) {
                        row.evidence = policy;
                    }
                }
            }
        }
        if let (Some(secs), Some(row)) = (self.set.quiet_after_secs, city.kinds.get_mut(&self.kind)) {
            row.incident.quiet_after = Some(Duration::from_secs_f64(secs));
        }
    }

    /// Whether it holds for the whole kind, in every camera.
    #[must_use]
    pub fn is_for_all(&self) -> bool {
        self.cameras.is_empty() && self.areas.is_empty() && self.zones.is_empty()
    }

    fn names_zone(&self, zone: &Zone) -> bool {
        !zone.ignore && self.zones.contains(&zone.name)
    }

    /// A zone is of one camera, and has a hit score of its own and no other number.
    fn check_zones(&self, at: &str, city: &City, problems: &mut Problems) {
        if self.zones.is_empty() {
            return;
        }
        if self.cameras.is_empty() || !self.areas.is_empty() {
            let message = "are parts of pictures: name their cameras in 'cameras', and leave out 'areas'";
            problems.add(format!("{at}.zones"), message.to_owned());
        }
        if self.zones.len() > MAX_NAMED {
            problems.add(format!("{at}.zones"), format!("are more than {MAX_NAMED}"));
        }
        for (key, _) in self.set.given().into_iter().filter(|(key, _)| *key != "hit_score") {
            let message = "cannot be other in a zone, which has a hit score and no other number".to_owned();
            problems.add(format!("{at}.set.{key}"), message);
        }
        for camera in self.cameras.iter().take(MAX_NAMED).filter_map(|camera| city.cameras.get(camera)) {
            let watched: BTreeSet<&str> =
                camera.zones.iter().filter(|zone| !zone.ignore).map(|zone| zone.name.as_str()).collect();
            for zone in self.zones.iter().take(MAX_NAMED).filter(|zone| !watched.contains(zone.as_str())) {
                let fault = unknown("zone", zone, watched.iter().copied());
                problems.add(format!("{at}.zones"), format!("{fault}, in camera {}", camera.id));
            }
        }
    }

    fn check_names(&self, at: &str, city: &City, problems: &mut Problems) {
        let kinds = || city.kinds.keys().map(EventKind::as_str);
        if !city.kinds.contains_key(&self.kind) {
            problems.add(format!("{at}.kind"), unknown("kind", self.kind.as_str(), kinds()));
        }
        for (key, count) in [("cameras", self.cameras.len()), ("areas", self.areas.len())] {
            if count > MAX_NAMED {
                problems.add(format!("{at}.{key}"), format!("are more than {MAX_NAMED}"));
            }
        }
        for camera in self.cameras.iter().take(MAX_NAMED) {
            let Some(known) = city.cameras.get(camera) else {
                let names = city.cameras.keys().map(CameraId::as_str);
                problems.add(format!("{at}.cameras"), unknown("camera", camera.as_str(), names));
                continue;
            };
            if !known.kinds.contains(&self.kind) {
                let message = format!("name {camera}, which does not look for {}", shown(self.kind.as_str()));
                problems.add(format!("{at}.cameras"), message);
            }
        }
        let areas: BTreeSet<&str> =
            city.cameras.values().filter_map(|camera| camera.area.as_deref()).collect();
        for area in self.areas.iter().take(MAX_NAMED) {
            if !areas.contains(area.as_str()) && !city.cases.areas.contains_key(area) {
                problems.add(format!("{at}.areas"), unknown("area", area, areas.iter().copied()));
            }
        }
    }

    /// What the rule is laid over: the catalogue's row (`None`), or each camera it is for.
    fn bases(&self, city: &City) -> Vec<(Option<CameraId>, EvidencePolicy)> {
        if self.is_for_all() {
            let row = city.kinds.get(&self.kind).map(|row| (None, row.evidence));
            // What a camera has of its own gives way where the rule names it: the rule is for all.
            let own = city
                .cameras
                .values()
                .filter_map(|camera| Some((Some(camera.id.clone()), *camera.evidence.get(&self.kind)?)));
            return row.into_iter().chain(own).collect();
        }
        let named = |id: &CameraId| self.cameras.contains(id);
        let inside = |area: Option<&str>| !self.areas.is_empty() && city.cases.covers(&self.areas, area);
        let cameras = city.cameras.values().filter(|camera| camera.kinds.contains(&self.kind));
        cameras
            .filter(|camera| named(&camera.id) || inside(camera.area.as_deref()))
            .filter_map(|camera| {
                Some((Some(camera.id.clone()), city.evidence_policy(&camera.id, &self.kind)?))
            })
            .collect()
    }
}

fn unknown<'a>(what: &str, name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let meant = nearest(name, known).map(|meant| format!("; did you mean '{}'?", meant.name));
    format!("name an unknown {what} '{}'{}", shown(name), meant.unwrap_or_default())
}
