//! Measures models on annotated pictures, the way the pipeline runs them, and says what became of clips.
//!
//! Each picture of a split is decoded, put into each model's input and looked at; what comes out is compared with what is
//! known. Several models answer together: a picture's score for a label is the highest that any of them gives. By label
//! and by kind of event, for all pictures and for each source and group: AUC, precision, recall and false alarms at the
//! shipped thresholds, how far a score can be taken at its word, how well boxes and areas lie, each with how sure the
//! figure is. A label nobody judged counts nowhere.

pub mod card;
pub mod clips;
pub mod dataset;
mod html;
pub mod labels_csv;
mod looks;
mod maps;
mod markdown;
mod measure;
pub mod metrics;
pub mod mistakes;
pub mod report;
mod scores;
mod text;
mod words;

use crate::detector::{Detector, LoadError};
use crate::runtime::Runtime;
use crate::session::SessionOptions;
use citybrain_ingest_config::City;
use citybrain_types::{EventKind, Label};
use dataset::{AnnotatedPicture, Dataset, DatasetError};
use measure::{Answered, Claim, Subject, measure};
use metrics::Resampling;
pub use report::{EvalReport, Measured, MeasuredModel, Unanswered};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What is measured, and on what.
#[derive(Debug, Clone)]
pub struct EvalOptions {
    /// Folder with `annotations.json` and the pictures.
    pub data: PathBuf,
    /// `val`, `train`, or `all`.
    pub split: String,
    /// The models' folders; they answer together.
    pub models: Vec<PathBuf>,
    /// Looks at so many pictures only, spread evenly over the split.
    pub limit: Option<usize>,
    /// Kinds of event and the labels that speak for each.
    pub kinds: BTreeMap<EventKind, BTreeSet<Label>>,
    /// Sessions of each model, one thread each.
    pub threads: usize,
    /// Seed of the resampling behind intervals.
    pub seed: u64,
}

impl EvalOptions {
    /// The validation split with as many sessions as there are cores.
    #[must_use]
    pub fn new(data: PathBuf, models: Vec<PathBuf>, kinds: BTreeMap<EventKind, BTreeSet<Label>>) -> Self {
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self { data, split: "val".to_owned(), models, limit: None, kinds, threads, seed: 1 }
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
    /// The pictures cannot be read.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// A model cannot be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// There is no model to measure.
    #[error("no model is given")]
    NoModel,
    /// The data judge nothing that a model scores.
    #[error("the data judge {}, the models score {}: there is nothing to measure", names(.judged), names(.scored))]
    NothingInCommon {
        /// Categories of the data.
        judged: Vec<Label>,
        /// Labels of the models.
        scored: Vec<Label>,
    },
    /// No picture got an answer.
    #[error("none of {total} pictures got an answer; the first, {}: {}", .first.file_name, .first.reason)]
    NoAnswers {
        /// Pictures asked about.
        total: usize,
        /// The first of them.
        first: Unanswered,
    },
    /// A thread could not be started.
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
    /// The scores cannot be put into words.
    #[error("the scores cannot be written: {0}")]
    Scores(#[from] csv::Error),
    /// A result cannot be written.
    #[error("{}: {source}", .path.display())]
    Unwritable {
        /// Where.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

fn names(labels: &[Label]) -> String {
    labels.iter().map(Label::as_str).collect::<Vec<_>>().join(", ")
}

/// Times that groups are drawn again for an interval; 1,000 settle the third digit.
const ROUNDS: usize = 1000;

/// Pictures that models have looked at; the figures are computed from it.
#[derive(Debug)]
pub struct Evaluation {
    options: EvalOptions,
    data: Dataset,
    pictures_in_split: usize,
    models: Vec<MeasuredModel>,
    claims: Vec<Claim>,
    looks: Vec<looks::Look>,
}

/// Looks at the pictures.
///
/// # Errors
/// [`EvalError`] when a model or the data cannot be read, or no picture gets an answer. A single picture without an
/// answer is in the report.
pub fn run(
    options: &EvalOptions,
    runtime: &Runtime,
    progress: &mut dyn FnMut(Progress),
) -> Result<Evaluation, EvalError> {
    let mut data = dataset::read(&options.data, &options.split)?;
    let pictures_in_split = data.pictures.len();
    data.pictures = limited(data.pictures, options.limit);
    let threads = options.threads.clamp(1, data.pictures.len());
    let load = |dir: &PathBuf| Detector::load(dir, runtime, SessionOptions::default());
    let load_all = || options.models.iter().map(load).collect::<Result<Vec<_>, _>>();
    let sets = (0..threads).map(|_| load_all()).collect::<Result<Vec<_>, _>>()?;
    let first = sets.first().filter(|set| !set.is_empty()).ok_or(EvalError::NoModel)?;
    let (models, claims) = (first.iter().map(identity).collect(), claims_of(first));
    if !claims.iter().any(|claim| data.categories.contains(&claim.label)) {
        let scored: BTreeSet<Label> = claims.into_iter().map(|claim| claim.label).collect();
        let (judged, scored) = (data.categories, scored.into_iter().collect());
        return Err(EvalError::NothingInCommon { judged, scored });
    }
    let looks =
        looks::look_at_all(&options.data, &data.pictures, sets, progress).map_err(EvalError::Thread)?;
    let evaluation = Evaluation { options: options.clone(), data, pictures_in_split, models, claims, looks };
    let unanswered = evaluation.unanswered();
    let total = evaluation.looks.len();
    match unanswered.first() {
        Some(first) if unanswered.len() == total => Err(EvalError::NoAnswers { total, first: first.clone() }),
        _ => Ok(evaluation),
    }
}

/// Writes a text result, with the folders it is to lie in.
///
/// # Errors
/// [`EvalError::Unwritable`].
pub fn write(path: &Path, text: &str) -> Result<(), EvalError> {
    let unwritable = |source| EvalError::Unwritable { path: path.to_owned(), source };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(unwritable)?;
    }
    std::fs::write(path, text).map_err(unwritable)
}

/// Pictures stand together by source, so a limit takes every so many-th and not the first.
fn limited(pictures: Vec<AnnotatedPicture>, limit: Option<usize>) -> Vec<AnnotatedPicture> {
    let total = pictures.len();
    let Some(limit) = limit.filter(|limit| (1..total).contains(limit)) else { return pictures };
    let taken: BTreeSet<usize> = (0..limit).map(|i| i * total / limit).collect();
    pictures.into_iter().enumerate().filter(|(i, _)| taken.contains(i)).map(|(_, picture)| picture).collect()
}

fn identity(detector: &Detector) -> MeasuredModel {
    let manifest = detector.manifest();
    MeasuredModel { id: manifest.id.clone(), weights_sha256: manifest.sha256.clone() }
}

fn claims_of(detectors: &[Detector]) -> Vec<Claim> {
    let mut claims = Vec::new();
    for (model, detector) in detectors.iter().enumerate() {
        let manifest = detector.manifest();
        for (label, threshold) in manifest.labels.iter().zip(&manifest.thresholds) {
            let (model_id, label) = (manifest.id.clone(), label.clone());
            claims.push(Claim { model, model_id, label, threshold: *threshold });
        }
    }
    claims
}

impl Evaluation {
    /// The models, in the order they were given in.
    #[must_use]
    pub fn models(&self) -> &[MeasuredModel] {
        &self.models
    }

    /// The figures of all models together, with pictures of the worst mistakes.
    #[must_use]
    pub fn report(&self) -> EvalReport {
        let answered = self.answered();
        let mut report = self.figures(&answered, &self.claims, self.models.clone());
        let subjects = self.label_subjects(&self.claims);
        for (measured, subject) in report.labels.iter_mut().zip(&subjects) {
            measured.mistakes = mistakes::worst(&self.options.data, subject, &answered);
        }
        report
    }

    /// The figures of one model alone, by its number; `None` when there is no such model.
    #[must_use]
    pub fn report_of(&self, model: usize) -> Option<EvalReport> {
        let identity = self.models.get(model)?.clone();
        let claims: Vec<Claim> = self.claims.iter().filter(|claim| claim.model == model).cloned().collect();
        Some(self.figures(&self.answered(), &claims, vec![identity]))
    }

    /// `file_name,kind,score`: a row for each answered picture and each category of the data that a model scores, then
    /// for each kind of event whose name is no category.
    ///
    /// # Errors
    /// [`EvalError::Scores`]; writing to memory does not fail.
    pub fn scores_csv(&self) -> Result<String, EvalError> {
        let (labels, kinds) = (self.label_subjects(&self.claims), self.kind_subjects(&self.claims));
        Ok(scores::csv(&self.answered(), &labels, &kinds)?)
    }

    fn figures(&self, answered: &[Answered<'_>], claims: &[Claim], models: Vec<MeasuredModel>) -> EvalReport {
        let resampling = Resampling { rounds: ROUNDS, seed: self.options.seed };
        let scored: BTreeSet<&Label> = claims.iter().map(|claim| &claim.label).collect();
        let unjudged = scored.into_iter().filter(|label| !self.data.categories.contains(label));
        EvalReport {
            format_version: report::FORMAT_VERSION,
            models,
            split: self.options.split.clone(),
            pictures: answered.len(),
            pictures_in_split: self.pictures_in_split,
            seed: self.options.seed,
            unanswered: self.unanswered(),
            unusable_masks: unusable_masks(answered),
            disputes: self.data.disputes.clone(),
            unjudged_labels: unjudged.cloned().collect(),
            labels: self
                .label_subjects(claims)
                .into_iter()
                .map(|s| measure(s, answered, resampling))
                .collect(),
            kinds: self.kind_subjects(claims).into_iter().map(|s| measure(s, answered, resampling)).collect(),
            clips: None,
        }
    }

    fn answered(&self) -> Vec<Answered<'_>> {
        let pairs = self.data.pictures.iter().zip(&self.looks);
        pairs
            .filter_map(|(picture, look)| Some(Answered { picture, seen: look.as_ref().ok()?.clone() }))
            .collect()
    }

    fn unanswered(&self) -> Vec<Unanswered> {
        let pairs = self.data.pictures.iter().zip(&self.looks);
        let reason = |(picture, look): (&AnnotatedPicture, &looks::Look)| {
            let reason = look.as_ref().err()?.clone();
            Some(Unanswered { file_name: picture.file_name.clone(), reason })
        };
        pairs.filter_map(reason).collect()
    }

    /// Categories of the data that a model scores, in the order of the data.
    fn label_subjects(&self, claims: &[Claim]) -> Vec<Subject<Label>> {
        let subject = |label: &Label| subject(label.clone(), [label.clone()].into(), claims);
        self.data.categories.iter().filter_map(subject).collect()
    }

    /// Kinds of which a model scores at least one label and the data judge at least one.
    fn kind_subjects(&self, claims: &[Claim]) -> Vec<Subject<EventKind>> {
        let judged =
            |labels: &BTreeSet<Label>| labels.iter().any(|label| self.data.categories.contains(label));
        let kinds = self.options.kinds.iter().filter(|(_, labels)| judged(labels));
        kinds.filter_map(|(kind, labels)| subject(kind.clone(), labels.clone(), claims)).collect()
    }
}

fn unusable_masks(answered: &[Answered<'_>]) -> Vec<Unanswered> {
    let named = |answer: &Answered<'_>| {
        let reason = answer.seen.unusable_mask.clone()?;
        Some(Unanswered { file_name: answer.picture.mask.clone()?, reason })
    };
    answered.iter().filter_map(named).collect()
}

fn subject<N>(name: N, truth: BTreeSet<Label>, claims: &[Claim]) -> Option<Subject<N>> {
    let claims: Vec<Claim> = claims.iter().filter(|claim| truth.contains(&claim.label)).cloned().collect();
    (!claims.is_empty()).then_some(Subject { name, truth, claims })
}
