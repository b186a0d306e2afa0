//! What an evaluation says, as data; [`super::text`], [`super::markdown`] and [`super::html`] say it to people.
//!
//! The JSON form is described in `docs/guide/measuring.md`; [`FORMAT_VERSION`] rises when a key changes its meaning.

use super::clips::ClipsReport;
use super::labels_csv::Dispute;
use super::maps::Area;
use super::metrics::{Calibration, Estimate, Interval, Share};
use super::mistakes::Mistake;
use citybrain_types::{EventKind, Label, ModelId};
use serde::Serialize;

/// Version of the JSON form.
pub const FORMAT_VERSION: u32 = 2;

/// Models measured on annotated pictures and clips.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EvalReport {
    /// [`FORMAT_VERSION`].
    pub format_version: u32,
    /// The models, which answered together.
    pub models: Vec<MeasuredModel>,
    /// Which pictures.
    pub split: String,
    /// How many were looked at and answered.
    pub pictures: usize,
    /// How many there are in the split; more than `pictures` when a limit was set or some got no answer.
    pub pictures_in_split: usize,
    /// Seed of the resampling behind intervals.
    pub seed: u64,
    /// Pictures without an answer. They count nowhere.
    pub unanswered: Vec<Unanswered>,
    /// Masks that cannot be used. Their pictures count, their areas do not.
    pub unusable_masks: Vec<Unanswered>,
    /// What the data do not agree with themselves on. It counts as not judged.
    pub disputes: Vec<Dispute>,
    /// Labels of the models that the data do not judge: nothing is said of them.
    pub unjudged_labels: Vec<Label>,
    /// By category of the data that a model scores.
    pub labels: Vec<Measured<Label>>,
    /// By kind of event, its score being the highest of its labels.
    pub kinds: Vec<Measured<EventKind>>,
    /// What the whole system made of clips, where there are any.
    pub clips: Option<ClipsReport>,
}

/// A model that was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MeasuredModel {
    /// Its name and version.
    pub id: ModelId,
    /// Checksum of its weights: figures of other weights are another model's.
    pub weights_sha256: String,
}

/// A picture that got no answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unanswered {
    /// The picture.
    pub file_name: String,
    /// Why.
    pub reason: String,
}

/// The score from which on a model was shipped to have found a label.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Threshold {
    /// The label.
    pub label: Label,
    /// The model.
    pub model: ModelId,
    /// The score.
    pub score: f32,
}

/// One label or kind, measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Measured<N> {
    /// The label or kind.
    pub name: N,
    /// What counts as found.
    pub thresholds: Vec<Threshold>,
    /// All pictures together.
    pub all: Part,
    /// By source, in order of names.
    pub sources: Vec<Named>,
    /// By group, in order of names.
    pub groups: Vec<Named>,
    /// Scores against what came true.
    pub calibration: Option<Calibration>,
    /// ROC curve: share of false alarms, recall.
    pub roc: Vec<[f64; 2]>,
    /// Precision-recall curve: recall, precision.
    pub precision_recall: Vec<[f64; 2]>,
    /// The worst mistakes; for labels only.
    pub mistakes: Vec<Mistake>,
}

/// A part of the pictures.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Named {
    /// The source or group.
    pub name: String,
    /// Its figures.
    #[serde(flatten)]
    pub part: Part,
}

/// Figures by picture at the shipped thresholds; pictures whose truth is unknown count nowhere.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Part {
    /// Pictures that show it.
    pub present: u64,
    /// Pictures that are known not to.
    pub absent: u64,
    /// Within this part; `None` when pictures with or without it are missing.
    pub auc: Option<Estimate>,
    /// This part's pictures that show it against all pictures that do not, of every part.
    pub auc_against_all: Option<f64>,
    /// Of the pictures it was found in, how many show it.
    pub precision: Option<Share>,
    /// Of the pictures that show it, in how many it was found.
    pub recall: Option<Share>,
    /// Of the pictures that do not show it, in how many it was found.
    pub false_alarms: Option<Share>,
    /// The same, in 1,000 quiet pictures.
    pub false_alarms_per_1000_quiet: Option<Interval>,
    /// Of the pictures that do not show it, how many score as high as the picture that 80 % of those that do reach: what
    /// false alarms cost at that recall, whatever the shipped threshold is.
    pub false_alarms_at_recall_80: Option<Share>,
    /// Expected calibration error of the scores.
    pub ece: Option<f64>,
    /// How well it is found in its place; for labels, where places are labelled.
    pub places: Option<Places>,
    /// How well its area is found; where there are masks and a model with a heat map.
    pub area: Option<Area>,
}

/// How well something is found in its place.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Places {
    /// Labelled boxes in the pictures counted.
    pub boxes: usize,
    /// Average precision at an overlap (IoU) of 0.5, over pictures with labelled boxes and pictures without the label.
    pub ap50: Option<Estimate>,
    /// Of the pictures with labelled boxes, in how many the centre of the surest box lies in one of them.
    pub pointing: Option<Share>,
}

impl EvalReport {
    /// The label that alone speaks for a kind, so that the kind's figures are its own.
    pub(super) fn label_of(&self, kind: &Measured<EventKind>) -> Option<&Label> {
        let same = |label: &&Measured<Label>| label.thresholds == kind.thresholds && label.all == kind.all;
        self.labels.iter().find(same).map(|label| &label.name)
    }

    /// The report as JSON.
    ///
    /// # Errors
    /// Only if serialisation itself fails.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self)
    }
}
