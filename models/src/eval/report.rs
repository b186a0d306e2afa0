//! What an evaluation says, as data; [`super::markdown`] and [`super::html`] say it to people.

use super::metrics::{Interval, Share};
use citybrain_types::{EventKind, Label, ModelId};
use serde::Serialize;

/// A model measured on annotated pictures.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EvalReport {
    /// The model.
    pub model: ModelId,
    /// Checksum of its weights: figures of other weights are another model's.
    pub weights_sha256: String,
    /// Which pictures.
    pub split: String,
    /// How many were looked at and answered.
    pub pictures: usize,
    /// How many there are in the split; more than `pictures` when a limit was set.
    pub pictures_in_split: usize,
    /// Seed of the resampling behind the intervals of the AUC.
    pub seed: u64,
    /// Pictures without an answer. They count nowhere.
    pub unanswered: Vec<Unanswered>,
    /// By label of the model.
    pub labels: Vec<Measured<Label>>,
    /// By kind of event, its score being the highest of its labels.
    pub kinds: Vec<Measured<EventKind>>,
    /// Scores by picture and kind.
    #[serde(skip)]
    pub scores: Vec<KindScore>,
}

/// A picture that got no answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unanswered {
    /// The picture.
    pub file_name: String,
    /// Why.
    pub reason: String,
}

/// The score of one kind in one picture.
#[derive(Debug, Clone, PartialEq)]
pub struct KindScore {
    /// The picture.
    pub file_name: String,
    /// The kind.
    pub kind: EventKind,
    /// Highest score among its labels.
    pub score: f32,
}

/// One label or kind, measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Measured<N> {
    /// The label or kind.
    pub name: N,
    /// The labels behind it and the threshold each was shipped with.
    pub thresholds: Vec<(Label, f32)>,
    /// 95 % by resampling whole groups; `None` when pictures with or without it are missing.
    pub auc: Option<Interval>,
    /// All pictures together.
    pub all: Part,
    /// By source, in order of names.
    pub sources: Vec<Named>,
    /// By group; only those with pictures that show it.
    pub groups: Vec<Named>,
    /// How well it is found in its place; for labels, where places are labelled.
    pub places: Option<Places>,
    /// ROC curve: share of false alarms, recall.
    pub roc: Vec<[f64; 2]>,
    /// Precision-recall curve: recall, precision.
    pub precision_recall: Vec<[f64; 2]>,
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

/// Figures by picture at the shipped threshold; pictures whose truth is unknown count nowhere.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Part {
    /// Pictures that show it.
    pub present: u64,
    /// Pictures that are known not to.
    pub absent: u64,
    /// Within this part.
    pub auc: Option<f64>,
    /// This part's pictures that show it against all pictures that do not, of every part.
    pub auc_against_all: Option<f64>,
    /// Of the pictures it was found in, how many show it.
    pub precision: Option<Share>,
    /// Of the pictures that show it, in how many it was found.
    pub recall: Option<Share>,
    /// Of the pictures that do not show it, in how many it was found.
    pub false_alarms: Option<Share>,
    /// The same, in 1,000 quiet pictures.
    pub false_alarms_per_1000_quiet: Option<f64>,
}

/// How well something is found in its place.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Places {
    /// Labelled boxes in the pictures counted.
    pub boxes: usize,
    /// Average precision at an overlap (IoU) of 0.5, over pictures with labelled boxes and pictures without the label.
    pub ap50: Option<f64>,
    /// Of the pictures with labelled boxes, in how many the centre of the surest box lies in one of them.
    pub pointing: Option<Share>,
}

impl EvalReport {
    /// The report as JSON.
    ///
    /// # Errors
    /// Only if serialisation itself fails.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self)
    }

    /// Scores as CSV: `file_name,kind,score`.
    #[must_use]
    pub fn scores_csv(&self) -> String {
        let mut csv = "file_name,kind,score\n".to_owned();
        for row in &self.scores {
            csv.push_str(&format!(
                "{},{},{:.5}\n",
                quoted(&row.file_name),
                quoted(row.kind.as_str()),
                row.score
            ));
        }
        csv
    }
}

/// RFC 4180.
fn quoted(field: &str) -> String {
    if field.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_with_a_comma_or_quote_is_quoted() {
        assert_eq!(quoted("images/a.jpg"), "images/a.jpg");
        assert_eq!(quoted("a, \"b\".jpg"), "\"a, \"\"b\"\".jpg\"");
    }
}
