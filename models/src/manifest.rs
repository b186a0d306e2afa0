//! `model.toml`: what a model's folder claims of its graph.
//!
//! | key | what |
//! |---|---|
//! | `format_version` | 1 |
//! | `name`, `version` | together the model's id, `name-version` |
//! | `file`, `sha256` | the ONNX file beside the manifest (a plain file name) and its checksum in lower-case hex |
//! | `license` | SPDX identifier of the weights |
//! | `purpose` | what it is for: `detector` (when left out), `verifier`, `context` |
//! | `labels` | every class of the graph in its order, `""` for one that is not to be told; with `[head.classes]`, the labels that are told |
//! | `[input]` `name`, `layout` (`nhwc`, `nchw`), `dtype` (`u8`, `f32`), `width`, `height`, `color` (`rgb`, `bgr`) | the graph's one input |
//! | `[input]` `resize` (`letterbox`, `letterbox_top_left`, `stretch`), `pad` (not with `stretch`, `0..=255`) | how a picture is put into it |
//! | `[input]` `mean`, `std`, `scale` (`f32` only) | a value fed to the graph is `(pixel · scale − mean) / std`, channels in the order of `color`; left out they are 0, 1 and 1, so that pixels are fed as they are |
//! | `[head]` `kind` and the head's own keys | see [`crate::heads`] |
//! | `[head.classes]` | optional: for each label the class of the graph that it stands for, counted from zero, or several; other classes are not told |
//! | `[thresholds]` | for each label the score from which on it counts as found, `0..=1` |
//! | `[[training_data]]` `source`, `licence`, `pictures` | optional |
//! | `[accuracy.LABEL]` `auc`, `precision`, `recall` | optional; measured, each `0..=1` |
//!
//! Unknown keys are errors, and every problem of a file is reported at once.

mod error;
mod input;
pub(crate) mod reader;

use crate::classes::{ClassMap, MAX_CLASSES};
use crate::heads::HeadSpec;
use citybrain_types::{Label, ModelId};
pub use error::{ManifestError, Problem};
pub use input::{Color, Dtype, InputSpec, Layout, Normalisation, Resize};
use reader::Table;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

/// Name of the manifest in a model's folder.
pub const FILE_NAME: &str = "model.toml";

/// Largest manifest read.
const MAX_MANIFEST_BYTES: u64 = 256 * 1024;

/// A manifest that holds together; whether it fits the graph is checked by [`crate::Detector::load`].
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// `name-version`.
    pub id: ModelId,
    /// Name of the ONNX file in the manifest's folder.
    pub file: String,
    /// Its checksum in lower-case hex.
    pub sha256: String,
    /// SPDX identifier of the weights' licence.
    pub license: String,
    /// What it is for, where a city names no models itself.
    pub purpose: Purpose,
    /// What is told, in the order of the graph's outputs; never empty.
    pub labels: Vec<Label>,
    /// Which of the graph's classes each label stands for.
    pub classes: ClassMap,
    /// The graph's input.
    pub input: InputSpec,
    /// What its outputs mean.
    pub head: HeadSpec,
    /// For each label, in the order of `labels`, the score from which on it counts as found.
    pub thresholds: Vec<f32>,
    /// What it was trained on.
    pub training_data: Vec<TrainingData>,
    /// Measured accuracy by label.
    pub accuracy: BTreeMap<Label, Accuracy>,
}

/// What a shipped model is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Purpose {
    /// Looks at every camera in its turn.
    #[default]
    Detector,
    /// Has the last word on what a detector found, and is asked only then.
    Verifier,
    /// Tells what else is in a picture; used where a city names it.
    Context,
}

/// One source of training pictures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrainingData {
    /// Where they are from.
    pub source: String,
    /// What the source says of its licence.
    pub licence: String,
    /// How many.
    pub pictures: u64,
}

/// Accuracy by picture, as measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Accuracy {
    /// Area under the ROC curve.
    pub auc: f64,
    /// Precision at the label's threshold.
    pub precision: f64,
    /// Recall at the label's threshold.
    pub recall: f64,
}

impl Manifest {
    /// Reads `model.toml` of a model's folder.
    ///
    /// # Errors
    /// [`ManifestError`] with every problem of the file, each with its line.
    pub fn read(dir: &Path) -> Result<Self, ManifestError> {
        let path = dir.join(FILE_NAME);
        let unreadable = |source| ManifestError::Unreadable { path: path.clone(), source };
        let mut text = String::new();
        std::fs::File::open(&path)
            .and_then(|file| file.take(MAX_MANIFEST_BYTES + 1).read_to_string(&mut text))
            .map_err(unreadable)?;
        if text.len() as u64 > MAX_MANIFEST_BYTES {
            return Err(ManifestError::TooLarge { path });
        }
        Self::parse(&text).map_err(|problems| ManifestError::Invalid { path, problems })
    }

    /// Reads a manifest's text.
    ///
    /// # Errors
    /// Every problem, in order of lines.
    pub fn parse(text: &str) -> Result<Self, Vec<Problem>> {
        reader::read(text, manifest)
    }

    /// The score from which on a label counts as found; `None` for a label the model has not.
    #[must_use]
    pub fn threshold(&self, label: &Label) -> Option<f32> {
        let index = self.labels.iter().position(|known| known == label)?;
        self.thresholds.get(index).copied()
    }
}

fn manifest(mut root: Table<'_>) -> Option<Manifest> {
    match root.integer("format_version") {
        Some(1) => {}
        Some(other) => {
            root.problem_at(
                "format_version",
                format!("format_version {other} is not known: this build reads 1"),
            );
            root.ignore_rest();
            return None;
        }
        // Missing or no integer, which is reported already; the rest is read as version 1.
        None => {}
    }
    let id = model_id(&mut root);
    let file = file_name(&mut root);
    let sha256 = checksum(&mut root);
    let license = root.string("license");
    let purpose = purpose(&mut root);
    let names = root.strings("labels");
    let input = root.table("input").and_then(input::read);
    let head_table = root.table("head");
    let mapped = head_table.as_ref().is_some_and(|head| head.has("classes"));
    let labels = names.as_deref().and_then(|names| labels(&root, names, mapped));
    let (head, classes) = head_table.map_or((None, None), |mut table| {
        let classes = classes(&mut table, names.as_deref(), labels.as_deref());
        (HeadSpec::read(table), classes)
    });
    let thresholds = root.table("thresholds").and_then(|table| thresholds(table, labels.as_deref()));
    let training_data =
        root.tables("training_data").into_iter().map(training_data).collect::<Option<Vec<_>>>();
    let accuracy = match root.optional_table("accuracy") {
        Some(table) => accuracies(table, labels.as_deref()),
        None => Some(BTreeMap::new()),
    };
    root.finish();
    Some(Manifest {
        id: id?,
        file: file?,
        sha256: sha256?,
        license: license?,
        purpose: purpose?,
        labels: labels?,
        classes: classes?,
        input: input?,
        head: head?,
        thresholds: thresholds?,
        training_data: training_data?,
        accuracy: accuracy?,
    })
}

fn purpose(root: &mut Table<'_>) -> Option<Purpose> {
    let choices =
        [("detector", Purpose::Detector), ("verifier", Purpose::Verifier), ("context", Purpose::Context)];
    root.choice_or("purpose", &choices, Purpose::default())
}

fn model_id(root: &mut Table<'_>) -> Option<ModelId> {
    let (name, version) = (root.string("name"), root.string("version"));
    match ModelId::new(format!("{}-{}", name?, version?)) {
        Ok(id) => Some(id),
        Err(error) => {
            root.problem_at("name", format!("name and version make no model id: {error}"));
            None
        }
    }
}

fn file_name(root: &mut Table<'_>) -> Option<String> {
    let file = root.string("file")?;
    let plain =
        Path::new(&file).file_name().is_some_and(|name| name == file.as_str()) && !file.starts_with('.');
    if !plain {
        root.problem_at(
            "file",
            format!("file '{file}' leaves the model's folder: give the name of a file in it"),
        );
        return None;
    }
    Some(file)
}

fn checksum(root: &mut Table<'_>) -> Option<String> {
    let sha256 = root.string("sha256")?;
    let hex = sha256.len() == 64 && sha256.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    if !hex {
        root.problem_at(
            "sha256",
            "sha256 is not 64 lower-case hex digits, as sha256sum prints them".to_owned(),
        );
        return None;
    }
    Some(sha256)
}

/// What is told: the names that are not empty.
fn labels(root: &Table<'_>, names: &[String], mapped: bool) -> Option<Vec<Label>> {
    let mut complaint = None;
    if names.iter().all(String::is_empty) {
        complaint = Some("labels is empty: name each of the model's outputs".to_owned());
    }
    if names.len() > MAX_CLASSES {
        complaint = Some(format!("labels has {} names, {MAX_CLASSES} at most are read", names.len()));
    }
    for (index, name) in names.iter().enumerate().take(MAX_CLASSES) {
        if name.is_empty() && mapped {
            complaint = Some("a label is \"\": with [head.classes] name only what is told".to_owned());
        } else if name.len() > 64 || name.contains(|c: char| c.is_control() || c.is_whitespace()) {
            complaint = Some(format!("label {name:?} is not a short word without blanks"));
        } else if !name.is_empty() && names[..index].contains(name) {
            complaint = Some(format!(
                "label '{name}' is there twice: to tell several classes as one, list them in [head.classes]"
            ));
        }
    }
    if let Some(complaint) = complaint {
        root.problem_at("labels", complaint);
        return None;
    }
    Some(names.iter().filter(|name| !name.is_empty()).map(Label::new).collect())
}

/// Which class of the graph is told as which label.
fn classes(head: &mut Table<'_>, names: Option<&[String]>, labels: Option<&[Label]>) -> Option<ClassMap> {
    let Some(labels) = labels else {
        head.skip(&["classes"]);
        return None;
    };
    if head.has("classes") {
        return ClassMap::read(head.table("classes")?, labels);
    }
    let told: Vec<bool> = names?.iter().map(|name| !name.is_empty()).collect();
    Some(ClassMap::in_order(&told))
}

fn thresholds(mut table: Table<'_>, labels: Option<&[Label]>) -> Option<Vec<f32>> {
    let Some(labels) = labels else {
        table.ignore_rest();
        return None;
    };
    table.only_labels(labels);
    labels.iter().map(|label| table.fraction(label.as_str()).map(|value| value as f32)).collect()
}

fn training_data(mut table: Table<'_>) -> Option<TrainingData> {
    let (source, licence) = (table.string("source"), table.string("licence"));
    let pictures = table.integer("pictures");
    let counted = pictures.and_then(|count| u64::try_from(count).ok());
    if let (Some(count), None) = (pictures, counted) {
        table.problem_at("pictures", format!("pictures {count} is not a count"));
    }
    table.finish();
    Some(TrainingData { source: source?, licence: licence?, pictures: counted? })
}

fn accuracies(mut table: Table<'_>, labels: Option<&[Label]>) -> Option<BTreeMap<Label, Accuracy>> {
    let Some(labels) = labels else {
        table.ignore_rest();
        return None;
    };
    table.only_labels(labels);
    let mut measured = BTreeMap::new();
    for label in labels {
        let Some(mut row) = table.optional_table(label.as_str()) else { continue };
        let (auc, precision, recall) =
            (row.fraction("auc"), row.fraction("precision"), row.fraction("recall"));
        row.finish();
        measured.insert(label.clone(), Accuracy { auc: auc?, precision: precision?, recall: recall? });
    }
    Some(measured)
}

#[cfg(test)]
mod tests;
