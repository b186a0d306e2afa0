//! Measures a model on annotated pictures, the way the pipeline runs it.
//!
//! Each picture of a split is decoded, put into the model's input and looked at; what comes out is compared with what is
//! known. By label and by kind of event, for all pictures and for each source and group: AUC with its interval, precision,
//! recall and false alarms at the shipped threshold, and how well boxes lie. A label nobody judged counts nowhere.
//!
//! Clips (a look every so often, with the time something becomes visible) are to come beside [`dataset`]; they need the
//! pipeline's decoder, so their pictures will be handed in.

pub mod card;
pub mod dataset;
mod html;
mod markdown;
mod measure;
pub mod metrics;
pub mod report;

use crate::detector::{DetectError, Detector, LoadError};
use crate::picture::{self, Fitter, PictureError};
use crate::runtime::Runtime;
use crate::session::SessionOptions;
use citybrain_ingest_config::City;
use citybrain_types::{EventKind, Label};
use dataset::{AnnotatedPicture, DatasetError};
use measure::{Answered, Resampling, Subject, measure};
pub use report::{EvalReport, KindScore, Measured, Unanswered};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};

/// What is measured, and on what.
#[derive(Debug, Clone)]
pub struct EvalOptions {
    /// Folder with `annotations.json` and the pictures.
    pub data: PathBuf,
    /// `val`, `train`, or `all`.
    pub split: String,
    /// The model's folder.
    pub model_dir: PathBuf,
    /// Where scores are written as CSV (`file_name,kind,score`), if anywhere.
    pub scores: Option<PathBuf>,
    /// Looks at so many pictures only, spread evenly over the split.
    pub limit: Option<usize>,
    /// Kinds of event and the labels that speak for each.
    pub kinds: BTreeMap<EventKind, BTreeSet<Label>>,
    /// Sessions, one thread each.
    pub threads: usize,
    /// Seed of the resampling behind intervals.
    pub seed: u64,
}

impl EvalOptions {
    /// The validation split with as many sessions as there are cores.
    #[must_use]
    pub fn new(data: PathBuf, model_dir: PathBuf, kinds: BTreeMap<EventKind, BTreeSet<Label>>) -> Self {
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self { data, split: "val".to_owned(), model_dir, scores: None, limit: None, kinds, threads, seed: 1 }
    }
}

/// The kinds of a city's catalogue that models speak for.
#[must_use]
pub fn kinds_of(city: &City) -> BTreeMap<EventKind, BTreeSet<Label>> {
    let with_labels = city.kinds.values().filter(|kind| !kind.labels.is_empty());
    with_labels.map(|kind| (kind.kind.clone(), kind.labels.clone())).collect()
}

/// How far an evaluation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Pictures looked at.
    pub done: usize,
    /// Pictures to look at.
    pub total: usize,
}

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum EvalError {
    /// The model was not loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The annotated pictures cannot be read.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// Not one picture got an answer.
    #[error("none of {total} pictures got an answer; the first, {}: {}", .first.file_name, .first.reason)]
    NoAnswers {
        /// Pictures tried.
        total: usize,
        /// The first of them.
        first: Unanswered,
    },
    /// A thread could not be started.
    #[error("a thread could not be started: {0}")]
    Thread(std::io::Error),
    /// A result could not be written.
    #[error("{} cannot be written: {source}", .path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Most bootstrap samples per interval; 1,000 settle the third digit.
const ROUNDS: usize = 1000;

/// Measures a model.
///
/// # Errors
/// [`EvalError`] when model or data cannot be read, no picture gets an answer, or the scores cannot be written. A single
/// picture without an answer is in the report.
pub fn run(
    options: &EvalOptions,
    runtime: &Runtime,
    progress: &mut dyn FnMut(Progress),
) -> Result<EvalReport, EvalError> {
    let in_split = dataset::read(&options.data, &options.split)?;
    let pictures_in_split = in_split.len();
    let pictures = limited(in_split, options.limit);
    let threads = options.threads.clamp(1, pictures.len());
    let detectors = (0..threads)
        .map(|_| Detector::load(&options.model_dir, runtime, SessionOptions::default()))
        .collect::<Result<Vec<_>, _>>()?;
    let (model, weights_sha256, thresholds) = identity(&detectors[0]);
    let looked = look_at_all(&options.data, &pictures, detectors, progress).map_err(EvalError::Thread)?;
    let (mut answered, mut unanswered) = (Vec::new(), Vec::new());
    for (picture, result) in pictures.iter().zip(looked) {
        match result {
            Ok(found) => answered.push(Answered { picture, found }),
            Err(reason) => unanswered.push(Unanswered { file_name: picture.file_name.clone(), reason }),
        }
    }
    if answered.is_empty()
        && let Some(first) = unanswered.first()
    {
        return Err(EvalError::NoAnswers { total: pictures.len(), first: first.clone() });
    }
    let resampling = Resampling { rounds: ROUNDS, seed: options.seed };
    let kinds = kind_subjects(&options.kinds, &thresholds);
    let report = EvalReport {
        model,
        weights_sha256,
        split: options.split.clone(),
        pictures: answered.len(),
        pictures_in_split,
        seed: options.seed,
        unanswered,
        labels: label_subjects(&thresholds).into_iter().map(|s| measure(s, &answered, resampling)).collect(),
        scores: kind_scores(&kinds, &answered),
        kinds: kinds.into_iter().map(|s| measure(s, &answered, resampling)).collect(),
    };
    if let Some(path) = &options.scores {
        write(path, &report.scores_csv())?;
    }
    Ok(report)
}

/// Writes a text result.
///
/// # Errors
/// [`EvalError::Unwritable`].
pub fn write(path: &Path, text: &str) -> Result<(), EvalError> {
    std::fs::write(path, text).map_err(|source| EvalError::Unwritable { path: path.to_owned(), source })
}

/// Pictures stand together by source, so a limit takes every so many-th and not the first.
fn limited(pictures: Vec<AnnotatedPicture>, limit: Option<usize>) -> Vec<AnnotatedPicture> {
    let total = pictures.len();
    let Some(limit) = limit.filter(|limit| (1..total).contains(limit)) else { return pictures };
    let taken: BTreeSet<usize> = (0..limit).map(|i| i * total / limit).collect();
    pictures.into_iter().enumerate().filter(|(i, _)| taken.contains(i)).map(|(_, picture)| picture).collect()
}

fn identity(detector: &Detector) -> (citybrain_types::ModelId, String, Vec<(Label, f32)>) {
    let manifest = detector.manifest();
    let thresholds = manifest.labels.iter().cloned().zip(manifest.thresholds.iter().copied()).collect();
    (manifest.id.clone(), manifest.sha256.clone(), thresholds)
}

fn label_subjects(thresholds: &[(Label, f32)]) -> Vec<Subject<Label>> {
    let subject = |(label, threshold): &(Label, f32)| Subject {
        name: label.clone(),
        truth: [label.clone()].into(),
        scored: vec![(label.clone(), *threshold)],
    };
    thresholds.iter().map(subject).collect()
}

/// Kinds of which the model scores at least one label.
fn kind_subjects(
    kinds: &BTreeMap<EventKind, BTreeSet<Label>>,
    thresholds: &[(Label, f32)],
) -> Vec<Subject<EventKind>> {
    let mut subjects = Vec::new();
    for (kind, labels) in kinds {
        let scored: Vec<(Label, f32)> =
            thresholds.iter().filter(|(label, _)| labels.contains(label)).cloned().collect();
        if !scored.is_empty() {
            subjects.push(Subject { name: kind.clone(), truth: labels.clone(), scored });
        }
    }
    subjects
}

fn kind_scores(kinds: &[Subject<EventKind>], answered: &[Answered<'_>]) -> Vec<KindScore> {
    let of = |answer: &Answered<'_>, kind: &Subject<EventKind>| KindScore {
        file_name: answer.picture.file_name.clone(),
        kind: kind.name.clone(),
        score: answer.score(&kind.scored),
    };
    answered.iter().flat_map(|answer| kinds.iter().map(move |kind| of(answer, kind))).collect()
}

type Look = Result<Vec<crate::LabelledBox>, String>;

/// Looks at every picture, each thread with its own detector; results in the order of the pictures.
fn look_at_all(
    root: &Path,
    pictures: &[AnnotatedPicture],
    detectors: Vec<Detector>,
    progress: &mut dyn FnMut(Progress),
) -> std::io::Result<Vec<Look>> {
    let total = pictures.len();
    let next = AtomicUsize::new(0);
    let mut looks: Vec<Look> = vec![Err("no thread looked at it".to_owned()); total];
    // Two results for each thread: the receiver only stores them, so more would never fill.
    let (sender, receiver) = sync_channel(detectors.len() * 2);
    std::thread::scope(|scope| {
        for (number, detector) in detectors.into_iter().enumerate() {
            let (next, sender) = (&next, sender.clone());
            std::thread::Builder::new()
                .name(format!("eval-{number}"))
                .spawn_scoped(scope, move || look_at_next(root, pictures, detector, next, &sender))?;
        }
        drop(sender);
        for (done, (index, look)) in receiver.iter().enumerate() {
            looks[index] = look;
            progress(Progress { done: done + 1, total });
        }
        Ok(looks)
    })
}

fn look_at_next(
    root: &Path,
    pictures: &[AnnotatedPicture],
    mut detector: Detector,
    next: &AtomicUsize,
    results: &SyncSender<(usize, Look)>,
) {
    // Curves need every score, down to zero.
    detector.set_floor(0.0);
    let mut fitter = Fitter::new(detector.input());
    loop {
        let index = next.fetch_add(1, Ordering::Relaxed);
        let Some(picture) = pictures.get(index) else { return };
        let look = look_at(&root.join(&picture.file_name), &mut detector, &mut fitter);
        if results.send((index, look.map_err(|error| error.to_string()))).is_err() {
            return;
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum LookError {
    #[error(transparent)]
    Picture(#[from] PictureError),
    #[error(transparent)]
    Detect(#[from] DetectError),
}

fn look_at(
    path: &Path,
    detector: &mut Detector,
    fitter: &mut Fitter,
) -> Result<Vec<crate::LabelledBox>, LookError> {
    let picture = picture::read(path)?;
    let (frame, placement) = fitter.fit(&picture)?;
    Ok(detector.detect(frame, &placement)?)
}
