//! What is looked for in each camera, by which model, how often: the city's catalogue met with the loaded models.

use citybrain_ingest_config::resolved::City;
use citybrain_types::{CameraId, EventKind, Label, ModelId, Polygon};
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
    /// One entry for each model that scores a kind of this camera.
    pub looks: Vec<ModelLook>,
    /// Parts of the picture in which nothing counts.
    pub ignore: Vec<Polygon>,
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
    /// The shortest look interval of these kinds.
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

/// What the plans need to know of a loaded model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelLabels {
    /// Its name and version.
    pub id: ModelId,
    /// What it scores.
    pub labels: Vec<Label>,
}

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
}

/// Plans of all cameras, given the labels of each loaded model.
#[must_use]
pub fn plans(city: &City, models: &[ModelLabels], generation: u64) -> Vec<Arc<CameraPlan>> {
    let plan = |camera: &CameraId| {
        let looks =
            (0..models.len()).filter_map(|model| model_look(city, camera, model, &models[model])).collect();
        let ignore = city.cameras.get(camera).map(|c| c.ignore.clone()).unwrap_or_default();
        Arc::new(CameraPlan { camera: camera.clone(), generation, looks, ignore })
    };
    city.cameras.keys().map(plan).collect()
}

/// Kinds some camera wants and no loaded model scores; the operator must be told.
#[must_use]
pub fn unscored_kinds(city: &City, models: &[ModelLabels]) -> BTreeSet<EventKind> {
    let scored = |kind: &EventKind| {
        city.kinds.get(kind).is_some_and(|row| {
            models.iter().flat_map(|model| &model.labels).any(|label| row.labels.contains(label))
        })
    };
    city.cameras.values().flat_map(|camera| &camera.kinds).filter(|kind| !scored(kind)).cloned().collect()
}

fn model_look(city: &City, camera: &CameraId, model: usize, known: &ModelLabels) -> Option<ModelLook> {
    let mut interval = Duration::MAX;
    let mut kinds = Vec::new();
    for kind in &city.cameras.get(camera)?.kinds {
        let (Some(row), Some(policy)) = (city.kinds.get(kind), city.evidence_policy(camera, kind)) else {
            continue;
        };
        let labels: BTreeSet<Label> =
            known.labels.iter().filter(|label| row.labels.contains(*label)).cloned().collect();
        if labels.is_empty() {
            continue;
        }
        interval = interval.min(row.look_interval.max(SHORTEST_INTERVAL));
        kinds.push(KindRule {
            kind: kind.clone(),
            labels,
            log_floor: policy.log_floor,
            hit_score: policy.hit_score,
            urgent: row.pre_alarm,
        });
    }
    let urgent = kinds.iter().any(|rule| rule.urgent);
    (!kinds.is_empty()).then(|| ModelLook { model, model_id: known.id.clone(), kinds, interval, urgent })
}
