//! Scores as a file, so that anybody can compute the figures again.

use super::measure::{Answered, Subject};
use citybrain_types::{EventKind, Label};
use std::collections::BTreeSet;

/// `file_name,kind,score`: a row for each picture and category, and for each kind of event whose name is no category.
/// Scores are written so that reading them gives the same 32-bit floats.
pub(super) fn csv(
    answered: &[Answered<'_>],
    labels: &[Subject<Label>],
    kinds: &[Subject<EventKind>],
) -> Result<String, csv::Error> {
    let categories: BTreeSet<&str> = labels.iter().map(|label| label.name.as_str()).collect();
    let mut columns: Vec<_> = labels.iter().map(|label| (label.name.as_str(), &label.claims)).collect();
    let others = kinds.iter().filter(|kind| !categories.contains(kind.name.as_str()));
    columns.extend(others.map(|kind| (kind.name.as_str(), &kind.claims)));
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["file_name", "kind", "score"])?;
    for answer in answered {
        for (name, claims) in &columns {
            writer.write_record([&answer.picture.file_name, *name, &answer.score(claims).to_string()])?;
        }
    }
    let bytes = writer.into_inner().map_err(|error| csv::Error::from(error.into_error()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
