//! `labels.csv` beside the annotations: `file_name`, `split`, `group` and a column for each category, in which 1 is
//! present, 0 is absent and `?` is unknown.
//!
//! It says the same as the annotations do, in a form that is easy to read. Somebody who computes the figures again takes
//! the truth from here, so where the two do not agree the figures would not either: such a label counts as not judged,
//! and the report says so.

use super::dataset::{AnnotatedPicture, DatasetError, read_table};
use citybrain_types::Label;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;

/// Name of the file below the data's folder; it may be missing.
pub const FILE_NAME: &str = "labels.csv";

/// Something annotations and `labels.csv` do not agree on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Dispute {
    /// The picture.
    pub file_name: String,
    /// What each of them says.
    pub what: String,
}

/// A picture's row: its split, and what is said of each category.
struct Row {
    split: String,
    labels: BTreeMap<Label, Option<bool>>,
}

/// Takes what is disputed out of the pictures' labels and gives it back.
pub(super) fn compare(
    root: &Path,
    split: &str,
    pictures: &mut [AnnotatedPicture],
) -> Result<Vec<Dispute>, DatasetError> {
    let path = root.join(FILE_NAME);
    if !path.exists() {
        return Ok(Vec::new());
    }
    let mut rows = read(&path).map_err(|reason| DatasetError::LabelsCsv { path, reason })?;
    let mut disputes = Vec::new();
    for picture in pictures {
        let file_name = picture.file_name.clone();
        let mut dispute = |what: String| disputes.push(Dispute { file_name: file_name.clone(), what });
        let Some(row) = rows.remove(&file_name) else {
            dispute(format!("is in the annotations and not in {FILE_NAME}"));
            continue;
        };
        if split != "all" && row.split != split {
            dispute(format!("is of split '{}' in {FILE_NAME}", row.split));
        }
        for (label, said) in row.labels {
            let annotated = picture.labels.entry(label.clone()).or_default();
            if *annotated != said {
                dispute(format!(
                    "{label} is {} in {FILE_NAME} and {} in the annotations",
                    word(said),
                    word(*annotated)
                ));
                *annotated = None;
            }
        }
    }
    let left = rows.into_iter().filter(|(_, row)| split == "all" || row.split == split);
    disputes.extend(left.map(|(file_name, _)| Dispute {
        file_name,
        what: format!("is in {FILE_NAME} and not among the annotated pictures of this split"),
    }));
    Ok(disputes)
}

const fn word(truth: Option<bool>) -> &'static str {
    match truth {
        Some(true) => "present",
        Some(false) => "absent",
        None => "unknown",
    }
}

fn read(path: &Path) -> Result<BTreeMap<String, Row>, String> {
    let text = |error: csv::Error| error.to_string();
    let table = read_table(path).map_err(|error| error.to_string())?;
    let mut reader = csv::Reader::from_reader(table.as_slice());
    let headers: Vec<String> = reader.headers().map_err(text)?.iter().map(str::to_owned).collect();
    let column = |name: &str| headers.iter().position(|header| header == name);
    let (Some(file_name), Some(split)) = (column("file_name"), column("split")) else {
        return Err("the columns file_name and split are wanted".to_owned());
    };
    let categories = headers
        .iter()
        .enumerate()
        .filter(|(_, name)| !["file_name", "split", "group"].contains(&name.as_str()));
    let categories: Vec<(usize, Label)> = categories.map(|(index, name)| (index, Label::new(name))).collect();
    let mut rows = BTreeMap::new();
    for record in reader.records() {
        let record = record.map_err(text)?;
        let mut labels = BTreeMap::new();
        for (index, label) in &categories {
            let truth = match &record[*index] {
                "1" => Some(true),
                "0" => Some(false),
                "?" | "" => None,
                other => {
                    let line = record.position().map_or(0, csv::Position::line);
                    return Err(format!("line {line}: '{other}' for {label} is neither 1, 0 nor ?"));
                }
            };
            labels.insert(label.clone(), truth);
        }
        rows.insert(record[file_name].to_owned(), Row { split: record[split].to_owned(), labels });
    }
    Ok(rows)
}
