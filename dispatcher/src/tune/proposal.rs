//! What is tried: a policy with a name, and the cameras that are looked at.

use citybrain_ingest_config::City;
use citybrain_ingest_config::policy::{Numbers, Policy, PolicyProblem, PolicyRule};
use citybrain_types::{CameraId, EventKind};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeSet;

/// A policy that is tried. What it does not name stays as it is; an empty one is what is in force.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Proposal {
    /// What people call it.
    pub name: String,
    /// What it changes.
    pub policy: Policy,
}

impl Proposal {
    /// The policy in force: nothing else, or the rules of the one that is live.
    pub(super) fn in_force(live: Option<&Policy>) -> Self {
        Self { name: "in force".to_owned(), policy: live.cloned().unwrap_or_default() }
    }

    /// The city under it; its version stays.
    ///
    /// # Errors
    /// [`PolicyError`] with every mistake.
    pub(super) fn lay(&self, city: &City) -> Result<City, PolicyError> {
        self.policy.laid_over(city).map_err(|problems| PolicyError { policy: self.name.clone(), problems })
    }
}

/// Why a policy cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("policy '{policy}': {}", .problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct PolicyError {
    /// The policy's name.
    pub policy: String,
    /// Every mistake.
    pub problems: Vec<PolicyProblem>,
}

/// Which cameras.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// All.
    #[default]
    City,
    /// Those in an area, or in one that lies in it.
    Area(String),
    /// One.
    Camera(CameraId),
}

impl Scope {
    /// Whether a camera is one of them.
    #[must_use]
    pub fn holds(&self, city: &City, camera: &CameraId) -> bool {
        match self {
            Self::City => true,
            Self::Camera(own) => own == camera,
            Self::Area(area) => city
                .cameras
                .get(camera)
                .and_then(|camera| camera.area.as_deref())
                .is_some_and(|own| own == area || city.cases.upwards(own).any(|(name, _)| name == area)),
        }
    }

    /// A rule for them.
    #[must_use]
    pub fn rule(&self, kind: EventKind, set: Numbers) -> PolicyRule {
        let (mut cameras, mut areas) = (BTreeSet::new(), BTreeSet::new());
        match self {
            Self::City => {}
            Self::Area(area) => drop(areas.insert(area.clone())),
            Self::Camera(camera) => drop(cameras.insert(camera.clone())),
        }
        PolicyRule { kind, cameras, areas, zones: BTreeSet::new(), set }
    }

    /// Whether a rule is for just them.
    pub(super) fn is_of(&self, rule: &PolicyRule) -> bool {
        let own = self.rule(rule.kind.clone(), rule.set);
        own == *rule
    }

    /// The hit score of a kind in them; the lowest, where cameras have scores of their own.
    #[must_use]
    pub fn hit_score(&self, city: &City, kind: &EventKind) -> Option<f32> {
        if *self == Self::City {
            return city.kinds.get(kind).map(|row| row.evidence.hit_score);
        }
        let cameras = city.cameras.values().filter(|camera| camera.kinds.contains(kind));
        let inside = cameras.filter(|camera| self.holds(city, &camera.id));
        let scores = inside.filter_map(|camera| city.evidence_policy(&camera.id, kind));
        scores.map(|policy| policy.hit_score).min_by(f32::total_cmp)
    }
}
