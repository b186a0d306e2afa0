//! What a policy changes of the configuration in force, as data.

use citybrain_ingest_config::City;
use citybrain_ingest_config::resolved::{Camera, EvidencePolicy};
use citybrain_types::{CameraId, EventKind};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Longest time a policy may name, in seconds: 30 days, as in the configuration.
const MAX_SECS: f64 = 2_592_000.0;
/// Strongest evidence a policy may name, in nats.
const MAX_NATS: f32 = 1_000.0;
/// Most overrides in one policy.
pub const MAX_OVERRIDES: usize = 4_096;

/// Thresholds other than those in force: overrides, of which a later one has the last word. Without any it is the policy
/// in force.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// What people call it.
    pub name: String,
    /// In their order.
    pub overrides: Vec<Override>,
}

/// Which cameras an override is for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// All.
    #[default]
    City,
    /// Those in an area, or in one that lies in it.
    Area(String),
    /// One.
    Camera(CameraId),
    /// One zone of one camera; of the numbers only the hit score can be other there.
    Zone {
        /// The camera.
        camera: CameraId,
        /// The zone's name.
        zone: String,
    },
}

/// Numbers of one kind in some cameras; what is not given stays as it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Override {
    /// Which kind.
    pub kind: EventKind,
    /// Which cameras.
    #[serde(default)]
    pub scope: Scope,
    /// A detection at this score or above is a hit, `0..=1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hit_score: Option<f32>,
    /// Evidence loses half of itself in this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub half_life_secs: Option<f64>,
    /// Evidence opens here, in nats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_at: Option<f32>,
    /// Evidence closes below this, in nats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub close_at: Option<f32>,
    /// How long it stays below before it closes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_secs: Option<f64>,
    /// At least this many hits …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hits_needed: Option<u32>,
    /// … among the last this many looks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub looks_counted: Option<u32>,
    /// Not seen for this long, a happening is over, and the next sighting opens another case. For the whole city only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cooldown_secs: Option<f64>,
}

impl Override {
    /// Changes nothing yet.
    #[must_use]
    pub const fn of(kind: EventKind, scope: Scope) -> Self {
        Self {
            kind,
            scope,
            hit_score: None,
            half_life_secs: None,
            open_at: None,
            close_at: None,
            hold_secs: None,
            hits_needed: None,
            looks_counted: None,
            cooldown_secs: None,
        }
    }
}

/// Why a policy cannot be used. Every message names the override by its number, from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("policy '{policy}', override {number}: {problem}")]
pub struct PolicyError {
    /// The policy's name.
    pub policy: String,
    /// Which override; 0 for the policy itself.
    pub number: usize,
    /// What is wrong with it.
    pub problem: String,
}

impl Policy {
    /// The policy in force.
    #[must_use]
    pub fn in_force() -> Self {
        Self { name: "in force".to_owned(), overrides: Vec::new() }
    }

    /// The city under this policy; its version stays.
    ///
    /// # Errors
    /// [`PolicyError`] for the first override that names what is not there, or numbers that do not fit together.
    pub fn apply(&self, city: &City) -> Result<City, PolicyError> {
        let mut city = city.clone();
        if self.overrides.len() > MAX_OVERRIDES {
            return Err(self.error(0, format!("more than {MAX_OVERRIDES} overrides")));
        }
        for (n, change) in self.overrides.iter().enumerate() {
            apply_one(&mut city, change).map_err(|problem| self.error(n + 1, problem))?;
        }
        Ok(city)
    }

    fn error(&self, number: usize, problem: String) -> PolicyError {
        PolicyError { policy: self.name.clone(), number, problem }
    }
}

fn apply_one(city: &mut City, change: &Override) -> Result<(), String> {
    check(change)?;
    let kind = &change.kind;
    let Some(row) = city.kinds.get(kind) else { return Err(format!("there is no kind '{kind}'")) };
    let common = row.evidence;
    match &change.scope {
        Scope::City => {
            let row = city.kinds.get_mut(kind).ok_or_else(|| format!("there is no kind '{kind}'"))?;
            row.evidence = changed(common, change)?;
            if let Some(secs) = change.cooldown_secs {
                row.incident.quiet_after = Some(Duration::from_secs_f64(secs));
            }
            // What a camera has of its own gives way: the override is for all.
            for camera in city.cameras.values_mut() {
                if let Some(own) = camera.evidence.get_mut(kind) {
                    *own = changed(*own, change)?;
                }
            }
        }
        Scope::Area(area) => {
            let within = |camera: &Camera| {
                camera
                    .area
                    .as_deref()
                    .is_some_and(|own| own == area || city.cases.upwards(own).any(|(name, _)| name == area))
            };
            let ids: Vec<CameraId> = city
                .cameras
                .values()
                .filter(|camera| within(camera))
                .map(|camera| camera.id.clone())
                .collect();
            if ids.is_empty() {
                return Err(format!("no camera lies in the area '{area}'"));
            }
            for id in ids {
                own_policy(city, &id, common, change)?;
            }
        }
        Scope::Camera(id) => own_policy(city, id, common, change)?,
        Scope::Zone { camera, zone } => {
            let known =
                city.cameras.get_mut(camera).ok_or_else(|| format!("there is no camera '{camera}'"))?;
            let own = known.zones.iter_mut().find(|own| own.name == *zone && !own.ignore);
            let own = own.ok_or_else(|| format!("camera '{camera}' has no zone '{zone}' that is watched"))?;
            let score = change.hit_score.ok_or("a zone has a hit score of its own and no other number")?;
            own.hit_scores.insert(kind.clone(), score);
        }
    }
    Ok(())
}

fn own_policy(
    city: &mut City,
    id: &CameraId,
    common: EvidencePolicy,
    change: &Override,
) -> Result<(), String> {
    let camera = city.cameras.get_mut(id).ok_or_else(|| format!("there is no camera '{id}'"))?;
    let own = camera.evidence.get(&change.kind).copied().unwrap_or(common);
    camera.evidence.insert(change.kind.clone(), changed(own, change)?);
    Ok(())
}

/// Bounds of single numbers, and what can be other where.
fn check(change: &Override) -> Result<(), String> {
    let secs = [
        ("half_life_secs", change.half_life_secs),
        ("hold_secs", change.hold_secs),
        ("cooldown_secs", change.cooldown_secs),
    ];
    for (name, value) in secs {
        let bad = value.is_some_and(|secs| !(0.0..=MAX_SECS).contains(&secs));
        if bad || (name != "hold_secs" && value == Some(0.0)) {
            return Err(format!("{name} is more than 0 and at most {MAX_SECS}"));
        }
    }
    if change.hit_score.is_some_and(|score| !(0.0..=1.0).contains(&score)) {
        return Err("hit_score is from 0 to 1".to_owned());
    }
    for (name, value) in [("open_at", change.open_at), ("close_at", change.close_at)] {
        if value.is_some_and(|nats| !(0.0..=MAX_NATS).contains(&nats)) {
            return Err(format!("{name} is from 0 to {MAX_NATS} nats"));
        }
    }
    if change.cooldown_secs.is_some() && change.scope != Scope::City {
        return Err(
            "cooldown_secs holds for a kind in the whole city: several cameras can see one happening"
                .to_owned(),
        );
    }
    let only_score =
        Override { hit_score: change.hit_score, ..Override::of(change.kind.clone(), change.scope.clone()) };
    if matches!(change.scope, Scope::Zone { .. }) && *change != only_score {
        return Err("a zone has a hit score of its own and no other number".to_owned());
    }
    Ok(())
}

/// A policy with the numbers of an override, where they fit together.
fn changed(policy: EvidencePolicy, change: &Override) -> Result<EvidencePolicy, String> {
    let secs = |own: Option<f64>, base: Duration| own.map_or(base, Duration::from_secs_f64);
    let policy = EvidencePolicy {
        hit_score: change.hit_score.unwrap_or(policy.hit_score),
        half_life: secs(change.half_life_secs, policy.half_life),
        open_at: change.open_at.unwrap_or(policy.open_at),
        close_at: change.close_at.unwrap_or(policy.close_at),
        hold: secs(change.hold_secs, policy.hold),
        hits_needed: change.hits_needed.unwrap_or(policy.hits_needed),
        looks_counted: change.looks_counted.unwrap_or(policy.looks_counted),
        ..policy
    };
    if policy.log_floor > policy.hit_score {
        return Err(format!(
            "hit_score {} lies below the log's floor {}",
            policy.hit_score, policy.log_floor
        ));
    }
    if policy.close_at >= policy.open_at || policy.open_at > policy.max {
        let (close, open, max) = (policy.close_at, policy.open_at, policy.max);
        return Err(format!(
            "close_at {close} is to be below open_at {open}, and that at most {max}, the cap"
        ));
    }
    if policy.hits_needed == 0 || policy.hits_needed > policy.looks_counted || policy.looks_counted > 64 {
        let (needed, counted) = (policy.hits_needed, policy.looks_counted);
        return Err(format!(
            "{needed} hits among {counted} looks: at least 1, and at most as many as looks, which are at most 64"
        ));
    }
    Ok(policy)
}
