//! What is looked for in each camera, by which model, how often: the city's catalogue met with the loaded models.

use citybrain_ingest_config::resolved::{Cascade, City, Turn, Zone};
use citybrain_types::{CameraId, Detection, EventKind, Label, ModelId, Polygon};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// No camera is looked at more often than this, whatever is configured or asked for: faster than any stream's
/// keyframes, and a bound on what one camera can take from the others.
pub const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);

/// What is looked for in one camera.
#[derive(Debug, Clone, PartialEq)]
pub struct CameraPlan {
    /// The camera.
    pub camera: CameraId,
    /// Rises with every set of models; a worker must hold the same set to use [`ModelLook::model`].
    pub generation: u64,
    /// One entry for each model that scores a kind of this camera and is asked in its turn.
    pub looks: Vec<ModelLook>,
    /// One entry for each that is asked by another; none stands before the one that asks it.
    pub cascades: Vec<CascadeLook>,
    /// Parts of the picture in which nothing counts.
    pub ignore: Vec<Polygon>,
    /// Parts of the picture with rules of their own.
    pub zones: Vec<Zone>,
}

impl CameraPlan {
    /// Whether places of this kind are compared with the camera's own past.
    #[must_use]
    pub fn compares(&self, kind: &EventKind) -> bool {
        let asked = self.cascades.iter().map(|cascade| &cascade.look);
        let rules = self.looks.iter().chain(asked).flat_map(|look| &look.kinds);
        rules.into_iter().any(|rule| rule.compares && rule.kind == *kind)
    }

    /// Whether those of any kind are.
    #[must_use]
    pub fn compares_any(&self) -> bool {
        self.looks.iter().flat_map(|look| &look.kinds).any(|rule| rule.compares)
    }
}

/// What one model is asked about one camera.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelLook {
    /// Which of the loaded models.
    pub model: usize,
    /// Its name and version.
    pub model_id: ModelId,
    /// The kinds it speaks for here; never empty.
    pub kinds: Vec<KindRule>,
    /// The model's own interval, or the shortest look interval of these kinds; of a model that is asked by another the
    /// shortest time between two answers.
    pub interval: Duration,
    /// Holds a kind with a pre-alarm: goes before everything else.
    pub urgent: bool,
}

impl ModelLook {
    /// The kinds looked for.
    #[must_use]
    pub fn looked_for(&self) -> Vec<EventKind> {
        self.kinds.iter().map(|rule| rule.kind.clone()).collect()
    }
}

/// What a model is asked because of what another one has found.
#[derive(Debug, Clone, PartialEq)]
pub struct CascadeLook {
    /// What it is asked.
    pub look: ModelLook,
    /// Which of the loaded models asks it.
    pub after: usize,
    /// The score from which on a detection asks; the kind's hit score when `None`.
    pub score: Option<f32>,
    /// Looks at the surroundings of what was found: so many times the longer side of the box.
    pub crop: Option<f32>,
    /// It is asked only while an alarm is to be confirmed: it would not be heard before.
    pub waits_for_alarm: bool,
}

impl CascadeLook {
    /// Whether a detection of the model named by `after` is one to ask about.
    #[must_use]
    pub fn asks_about(&self, found: &Detection) -> bool {
        let rule = self.look.kinds.iter().find(|rule| rule.kind == found.kind);
        rule.is_some_and(|rule| found.score.get() >= self.score.unwrap_or(rule.hit_score))
    }
}

/// What the plans need to know of a loaded model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelLabels {
    /// Its name and version.
    pub id: ModelId,
    /// What it scores.
    pub labels: Vec<Label>,
}

/// Every detection at this score or above is published and logged, whatever a kind's own floor says: what a lower
/// threshold would have done can only be seen in what was logged.
const LOGGED_FROM: f32 = 0.05;

/// How a model's labels become detections of a kind in one camera.
#[derive(Debug, Clone, PartialEq)]
pub struct KindRule {
    /// The kind.
    pub kind: EventKind,
    /// Labels of this model that speak for it.
    pub labels: BTreeSet<Label>,
    /// Detections below this score are not reported.
    pub log_floor: f32,
    /// A detection at this score or above is a hit: a snapshot is kept.
    pub hit_score: f32,
    /// Has a pre-alarm: a hit is published at once.
    pub urgent: bool,
    /// What is promised for this kind: its own look interval, or the model's own where that is longer. The model may be
    /// asked more often, for the sake of other kinds.
    pub interval: Duration,
    /// Its places are compared with the camera's own past.
    pub compares: bool,
}

/// Plans of all cameras, given the labels of each loaded model, in the order of the city's models.
#[must_use]
pub fn plans(city: &City, models: &[ModelLabels], generation: u64) -> Vec<Arc<CameraPlan>> {
    let order = by_depth(city);
    let plan = |camera: &CameraId| {
        let mut looks = Vec::new();
        let mut cascades = Vec::new();
        for &model in &order {
            let Some(known) = models.get(model) else { continue };
            let Some(look) = model_look(city, camera, model, known) else { continue };
            match city.models[model].cascade() {
                None => looks.push(look),
                Some(Cascade { after, score, crop, .. }) => {
                    let two_steps = |rule: &KindRule| {
                        city.kinds.get(&rule.kind).is_some_and(|row| row.incident.confirm_within.is_some())
                    };
                    let waits_for_alarm = look.kinds.iter().all(two_steps);
                    cascades.push(CascadeLook {
                        look,
                        after: *after,
                        score: *score,
                        crop: *crop,
                        waits_for_alarm,
                    });
                }
            }
        }
        let row = city.cameras.get(camera);
        let ignore = row.map(|c| c.ignore.clone()).unwrap_or_default();
        let zones = row.map(|c| c.zones.clone()).unwrap_or_default();
        Arc::new(CameraPlan { camera: camera.clone(), generation, looks, cascades, ignore, zones })
    };
    city.cameras.keys().map(plan).collect()
}

/// The models, those that are asked in their turn first, every other one behind the one that asks it.
fn by_depth(city: &City) -> Vec<usize> {
    let asks = |model: usize| city.models.get(model).and_then(|m| m.cascade()).map(|cascade| cascade.after);
    // A configuration has no circles; the bound is for one that was made by hand.
    let depth = |model: usize| {
        std::iter::successors(Some(model), |model| asks(*model)).take(city.models.len() + 1).count()
    };
    let mut order: Vec<usize> = (0..city.models.len()).collect();
    order.sort_by_key(|model| depth(*model));
    order
}

/// Kinds some camera wants and no model that is asked in its turn scores; the operator must be told.
#[must_use]
pub fn unscored_kinds(city: &City, models: &[ModelLabels]) -> BTreeSet<EventKind> {
    let in_turn = || city.models.iter().zip(models).filter(|(model, _)| model.cascade().is_none());
    let scored = |kind: &EventKind| {
        city.kinds.get(kind).is_some_and(|row| {
            in_turn()
                .filter(|(model, _)| model.speaks_to(kind))
                .any(|(_, known)| known.labels.iter().any(|label| row.labels.contains(label)))
        })
    };
    city.cameras.values().flat_map(|camera| &camera.kinds).filter(|kind| !scored(kind)).cloned().collect()
}

fn model_look(city: &City, camera: &CameraId, model: usize, known: &ModelLabels) -> Option<ModelLook> {
    let settings = city.models.get(model)?;
    let mut shortest = Duration::MAX;
    let mut kinds = Vec::new();
    for kind in city.cameras.get(camera)?.kinds.iter().filter(|kind| settings.speaks_to(kind)) {
        let (Some(row), Some(policy)) = (city.kinds.get(kind), city.evidence_policy(camera, kind)) else {
            continue;
        };
        let labels: BTreeSet<Label> =
            known.labels.iter().filter(|label| row.labels.contains(*label)).cloned().collect();
        if labels.is_empty() {
            continue;
        }
        shortest = shortest.min(row.look_interval);
        let own = if let Turn::Every(Some(own)) = settings.turn { own } else { Duration::ZERO };
        kinds.push(KindRule {
            kind: kind.clone(),
            labels,
            log_floor: policy.log_floor.min(LOGGED_FROM),
            hit_score: policy.hit_score,
            urgent: row.pre_alarm,
            interval: row.look_interval.max(own).max(SHORTEST_INTERVAL),
            compares: policy.change_nats > 0.0,
        });
    }
    let interval = match &settings.turn {
        Turn::Every(own) => own.unwrap_or(shortest),
        Turn::After(cascade) => cascade.at_most_every,
    };
    let interval = interval.max(SHORTEST_INTERVAL);
    let urgent = kinds.iter().any(|rule| rule.urgent);
    (!kinds.is_empty()).then(|| ModelLook { model, model_id: known.id.clone(), kinds, interval, urgent })
}
