//! The calibration run: CPU seconds of each stage, on this machine, with the city's models.

use super::keyframes::{self, KeyframeError};
use super::{ASSUMED_PICTURE, CAPACITY_FILE};
use crate::decode::{Area, Scaler, decode_keyframe};
use crate::loaded_models::{LoadedModels, load_one};
use crate::look_stages::StartError;
use citybrain_ingest_config::resolved::{City, Model};
use citybrain_models::{Detector, Manifest, Runtime, SessionOptions};
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::Duration;

/// Each cost is the median of so many runs: one that another process disturbed does not count.
const RUNS: usize = 9;
/// Sizes that decoding is measured at; others are read off the line between them.
const SIZES: [(u32, u32); 3] = [(640, 360), (1_280, 720), (1_920, 1_080)];
/// CPU seconds a second of a camera that is connected, received, parsed and gated: the bench `connections` takes 0.35 ms
/// for 1080p at 25 pictures a second and 0.6 Mbit/s. Streams of several Mbit/s take more.
const RECEIVE_SECS: f64 = 0.000_4;
/// Rises with every change of what is measured or how: numbers of another format mean something else.
const FORMAT: u32 = 2;
/// What schedule, snapshots and publishing add to the bare stages; the bench `efficiency` holds it.
const OVERHEAD: f64 = 1.10;

/// Why the capacity is not known.
#[derive(Debug, thiserror::Error)]
pub enum MeasureError {
    /// There is nothing to decode.
    #[error(transparent)]
    Keyframe(#[from] KeyframeError),
    /// The keyframe cannot be decoded.
    #[error("the keyframe to measure with cannot be decoded: {0}")]
    Decode(#[from] crate::decode::DecodeError),
    /// A model cannot be loaded.
    #[error(transparent)]
    Model(#[from] StartError),
    /// A model does not run.
    #[error("model {0} gave no answer while it was measured")]
    NoAnswer(String),
    /// The capacity cannot be kept.
    #[error("cannot keep the measured capacity in {path}: {source}")]
    Keep {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
}

/// What a capacity was measured on; another machine or another model is another capacity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// How it was measured.
    #[serde(default)]
    pub format: u32,
    /// The processor, as the system names it.
    pub processor: String,
    /// Cores that this process may use.
    pub cores: usize,
    /// Version of the program.
    pub version: String,
    /// Models by name, checksum of their weights, size of their input, and what runs them.
    pub models: Vec<String>,
}

/// What decoding one picture costs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PictureCost {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// CPU seconds of decoding a keyframe.
    pub decode_secs: f64,
}

/// What one look of one model costs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelCost {
    /// Its name and version.
    pub model: String,
    /// CPU seconds of scaling a decoded picture to its input.
    pub scale_secs: f64,
    /// CPU seconds of running it.
    pub infer_secs: f64,
}

/// What this machine can do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Capacity {
    /// Where it was measured.
    pub fingerprint: Fingerprint,
    /// Decoding, by size, the smallest first.
    pub pictures: Vec<PictureCost>,
    /// The city's models, in their order.
    pub models: Vec<ModelCost>,
    /// CPU seconds a second of a camera that is connected and not looked at.
    pub receive_secs: f64,
    /// What everything around the stages adds, as a factor.
    pub overhead: f64,
}

impl Capacity {
    /// Measures this machine with the city's models, in their order. Takes a few seconds of one core; blocks.
    ///
    /// # Errors
    /// [`MeasureError`] when there is no encoder to make keyframes with, or a model does not run.
    pub fn measure(city: &City, detectors: &mut [Detector]) -> Result<Self, MeasureError> {
        let mut pictures = Vec::new();
        let mut frame = None;
        for (width, height) in SIZES {
            let keyframe = keyframes::make((width, height))?;
            let decoded = decode_keyframe(&keyframe)?;
            if (width, height) == ASSUMED_PICTURE {
                frame = Some(decoded);
            }
            let decode_secs = median(|| decode_keyframe(&keyframe).map(drop))?;
            pictures.push(PictureCost { width, height, decode_secs });
        }
        let mut models = Vec::new();
        for detector in detectors {
            let frame = frame.as_ref().ok_or_else(|| MeasureError::NoAnswer("none".to_owned()))?;
            let (mut scaler, mut rgb) = (Scaler::default(), Vec::new());
            let placement = detector.input().placement(frame.width(), frame.height());
            let pad = [detector.input().pad; 3];
            let scale_secs = median(|| scaler.render(frame, Area::of(&placement), pad, &mut rgb))?;
            let name = detector.model_id().to_string();
            let infer_secs = median(|| detector.detect(&rgb, &placement).map(drop))
                .map_err(|_| MeasureError::NoAnswer(name.clone()))?;
            models.push(ModelCost { model: name, scale_secs, infer_secs });
        }
        let fingerprint = Fingerprint::of(city);
        Ok(Self { fingerprint, pictures, models, receive_secs: RECEIVE_SECS, overhead: OVERHEAD })
    }

    /// What was measured before on this machine with these models; `None` when nothing was.
    #[must_use]
    pub fn stored(city: &City) -> Option<Self> {
        let text = std::fs::read(city.site.data_dir.join(CAPACITY_FILE)).ok()?;
        let stored: Self = serde_json::from_slice(&text).ok()?;
        let usable = stored.fingerprint == Fingerprint::of(city) && stored.pictures.len() == SIZES.len();
        // What is not measured here but by the benches is this program's, whatever was written down then.
        let stored = Self { receive_secs: RECEIVE_SECS, overhead: OVERHEAD, ..stored };
        (usable && stored.models.len() == city.models.len()).then_some(stored)
    }

    /// What was measured before, or what is measured now with models that are loaded already, and kept in the city's data
    /// folder.
    ///
    /// # Errors
    /// As [`Capacity::of`].
    pub fn of_loaded(city: &City, models: &mut LoadedModels) -> Result<Self, MeasureError> {
        match Self::stored(city) {
            Some(stored) => Ok(stored),
            None => Self::measure(city, models.of_one_worker())?.kept(city),
        }
    }

    /// What was measured before, or what is measured now and kept in the city's data folder.
    ///
    /// # Errors
    /// [`MeasureError`] when it can neither be read nor measured, or not be kept.
    pub fn of(city: &City, runtime: &Runtime, again: bool) -> Result<Self, MeasureError> {
        if !again && let Some(stored) = Self::stored(city) {
            return Ok(stored);
        }
        let load = |model| load_one(model, runtime, SessionOptions::default());
        let mut detectors = city.models.iter().map(load).collect::<Result<Vec<_>, _>>()?;
        Self::measure(city, &mut detectors)?.kept(city)
    }

    fn kept(self, city: &City) -> Result<Self, MeasureError> {
        self.keep(&city.site.data_dir)?;
        Ok(self)
    }

    fn keep(&self, folder: &Path) -> Result<(), MeasureError> {
        let path = folder.join(CAPACITY_FILE);
        let failed = |source: std::io::Error| MeasureError::Keep { path: path.display().to_string(), source };
        let text = serde_json::to_vec_pretty(self).map_err(|error| failed(error.into()))?;
        std::fs::create_dir_all(folder).map_err(failed)?;
        // Written beside and moved: two programs that measure at once leave one whole file.
        let draft = folder.join(format!("{CAPACITY_FILE}.{}", std::process::id()));
        std::fs::write(&draft, text).map_err(failed)?;
        std::fs::rename(&draft, &path).map_err(failed)
    }

    /// CPU seconds of decoding a keyframe of that size.
    #[must_use]
    pub fn decode_secs(&self, (width, height): (u32, u32)) -> f64 {
        let pixels = |cost: &PictureCost| f64::from(cost.width) * f64::from(cost.height);
        let wanted = f64::from(width) * f64::from(height);
        let Some([low, high]) = self.pictures.windows(2).find_map(|pair| match pair {
            [low, high] if wanted <= pixels(high) || pixels(high) >= 1_920.0 * 1_080.0 => Some([low, high]),
            _ => None,
        }) else {
            return self.pictures.first().map_or(0.0, |cost| cost.decode_secs);
        };
        let slope = (high.decode_secs - low.decode_secs) / (pixels(high) - pixels(low)).max(1.0);
        // Below the smallest measured size the cost falls no faster than the pixels do.
        (low.decode_secs + slope * (wanted - pixels(low)))
            .max(low.decode_secs * (wanted / pixels(low)).min(1.0))
    }
}

impl Fingerprint {
    /// Of this machine and the city's models.
    #[must_use]
    pub fn of(city: &City) -> Self {
        let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let named = text.lines().find(|line| line.starts_with("model name"));
        let processor =
            named.and_then(|line| line.split_once(':')).map_or(std::env::consts::ARCH, |(_, n)| n);
        Self {
            format: FORMAT,
            processor: processor.trim().to_owned(),
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            models: city.models.iter().map(of_model).collect(),
        }
    }
}

fn of_model(model: &Model) -> String {
    let named = |m: Manifest| format!("{} {} {}x{}", m.id, m.sha256, m.input.width, m.input.height);
    let model_id = Manifest::read(&model.dir).map_or_else(|_| model.dir.display().to_string(), named);
    format!("{model_id} {:?} {:?}", model.provider, model.precision)
}

/// Median CPU seconds of a piece of work in this thread.
fn median<E>(mut work: impl FnMut() -> Result<(), E>) -> Result<f64, E> {
    work()?;
    let mut runs = Vec::with_capacity(RUNS);
    for _ in 0..RUNS {
        let began = cpu_time();
        work()?;
        runs.push(cpu_time().saturating_sub(began).as_secs_f64());
    }
    runs.sort_by(f64::total_cmp);
    Ok(runs[RUNS / 2])
}

fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    /// A city with a copy of a model that may be changed.
    fn city(folder: &Path) -> City {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/fixtures/color_classifier");
        let model: PathBuf = folder.join("model");
        std::fs::create_dir_all(&model).unwrap();
        for entry in std::fs::read_dir(from).unwrap().flatten() {
            std::fs::copy(entry.path(), model.join(entry.file_name())).unwrap();
        }
        City::for_cameras(&["rtsp://127.0.0.1/".to_owned()], folder, vec![Model::of(model)]).unwrap()
    }

    fn measured(city: &City) -> Capacity {
        let cost = |(width, height)| PictureCost { width, height, decode_secs: 0.01 };
        Capacity {
            fingerprint: Fingerprint::of(city),
            pictures: SIZES.map(cost).to_vec(),
            models: vec![ModelCost { model: "m-1".into(), scale_secs: 0.001, infer_secs: 0.009 }],
            receive_secs: RECEIVE_SECS,
            overhead: OVERHEAD,
        }
    }

    #[test]
    fn a_stored_capacity_holds_until_machine_format_or_model_is_another() {
        let folder = tempfile::tempdir().unwrap();
        let city = city(folder.path());
        assert_eq!(Capacity::stored(&city), None);
        let sound = measured(&city);
        sound.keep(folder.path()).unwrap();
        assert_eq!(Capacity::stored(&city), Some(sound.clone()));
        let mut old = sound.clone();
        old.fingerprint.format = FORMAT - 1;
        old.keep(folder.path()).unwrap();
        assert_eq!(Capacity::stored(&city), None, "measured in another way");
        sound.keep(folder.path()).unwrap();
        let manifest = folder.path().join("model/model.toml");
        let text = std::fs::read_to_string(&manifest).unwrap();
        let version = text.lines().find(|line| line.starts_with("version")).unwrap().to_owned();
        std::fs::write(&manifest, text.replace(&version, "version = \"9.9.9\"")).unwrap();
        assert_eq!(Capacity::stored(&city), None, "another version of the model");
    }

    #[test]
    fn what_the_benches_hold_is_this_programs_and_not_what_was_written_down_once() {
        let folder = tempfile::tempdir().unwrap();
        let city = city(folder.path());
        let stale = Capacity { receive_secs: 0.5, overhead: 3.0, ..measured(&city) };
        stale.keep(folder.path()).unwrap();
        let stored = Capacity::stored(&city).unwrap();
        assert_eq!((stored.receive_secs, stored.overhead), (RECEIVE_SECS, OVERHEAD));
    }
}
