//! A city's models in memory: one set for each worker.

use crate::detect::ModelSet;
use crate::look_stages::StartError;
use crate::schedule::ModelLabels;
use citybrain_ingest_config::resolved::{City, Model};
use citybrain_models::coverage::never_asked;
use citybrain_models::{Detector, Runtime, SessionOptions};
use std::path::Path;

/// The models of a city, loaded once for each of its workers. Whoever wants to measure them before the city starts loads
/// them, and hands them over.
#[derive(Debug)]
pub struct LoadedModels {
    pub(crate) sets: Vec<ModelSet>,
}

impl LoadedModels {
    /// Loads them. Blocks for as long as that takes.
    ///
    /// # Errors
    /// [`StartError`] when a model cannot be loaded or is another than the one asked for.
    pub fn load(city: &City, runtime: &Runtime, session: SessionOptions) -> Result<Self, StartError> {
        Ok(Self { sets: load(city, city.pipeline.workers.max(1), runtime, session, 0)? })
    }

    /// Those of one worker, in the order of the city's models.
    pub fn of_one_worker(&mut self) -> &mut [Detector] {
        self.sets.first_mut().map_or(&mut [], |set| &mut set.detectors)
    }
}

pub(crate) fn load(
    city: &City,
    workers: usize,
    runtime: &Runtime,
    session: SessionOptions,
    generation: u64,
) -> Result<Vec<ModelSet>, StartError> {
    let set = |_| {
        let detectors =
            city.models.iter().map(|model| load_one(model, runtime, session)).collect::<Result<_, _>>()?;
        Ok(ModelSet { generation, detectors })
    };
    (0..workers).map(set).collect()
}

pub(crate) fn load_one(
    model: &Model,
    runtime: &Runtime,
    session: SessionOptions,
) -> Result<Detector, StartError> {
    let dir: &Path = &model.dir;
    let session = SessionOptions { provider: model.provider, precision: model.precision, ..session };
    let detector = Detector::load(dir, runtime, session)
        .map_err(|source| StartError::Model { dir: dir.to_owned(), source })?;
    match &model.id {
        Some(wanted) if wanted != detector.model_id() => Err(StartError::OtherModel {
            dir: dir.to_owned(),
            wanted: wanted.clone(),
            found: detector.model_id().clone(),
        }),
        _ => Ok(detector),
    }
}

/// What the loaded models score; refused when one of them would never be asked.
pub(crate) fn labels_of(city: &City, sets: &[ModelSet]) -> Result<Vec<ModelLabels>, StartError> {
    let detectors = sets.first().map(|set| &set.detectors).into_iter().flatten();
    let labels: Vec<_> =
        detectors.map(|d| ModelLabels { id: d.model_id().clone(), labels: d.labels().to_vec() }).collect();
    let by_model: Vec<_> = labels.iter().map(|known| known.labels.as_slice()).collect();
    match never_asked(city, &by_model).into_iter().next() {
        Some(never) => Err(never.into()),
        None => Ok(labels),
    }
}
