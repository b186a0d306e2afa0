//! A file's text as a document of the right shape.

use std::collections::BTreeSet;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::place::Where;
use crate::problem::Problems;
use crate::row::Document;
use crate::shape::file_shape;
use crate::shape_check::ShapeCheck;
use crate::source::Source;
use crate::suggestion::shown;

/// Sections that only the first file may hold.
const FIRST_FILE_ONLY: [&str; 8] =
    ["include", "site", "people", "console", "store", "pipeline", "dispatch", "cases"];

/// Reads a source; what is wrong is reported and taken out. The first source is the one the caller named.
pub(crate) fn document<'s>(source: &'s Source, problems: &mut Problems) -> Document<'s> {
    let (root, errors) = DeTable::parse_recoverable(&source.text);
    let mut table = root.into_inner();
    report_syntax(source, &table, errors, problems);
    if source.index > 0 {
        take_out_first_file_sections(source, &mut table, problems);
    }
    let mut dropped = BTreeSet::new();
    ShapeCheck { source, problems, dropped: &mut dropped }.table(file_shape(), &mut table, 0..0, &Where::Top);
    Document { source, table, dropped }
}

/// The patterns under `include`.
pub(crate) fn includes(document: &Document<'_>) -> Vec<(String, usize)> {
    let Some(DeValue::Array(items)) = document.table.get("include").map(Spanned::get_ref) else {
        return Vec::new();
    };
    let pattern =
        |item: &Spanned<DeValue<'_>>| Some((item.get_ref().as_str()?.to_owned(), item.span().start));
    items.iter().filter_map(pattern).collect()
}

/// One problem for each line; one alone for brackets that were not closed, since what follows is read as their content.
fn report_syntax(
    source: &Source,
    table: &DeTable<'_>,
    mut errors: Vec<toml::de::Error>,
    problems: &mut Problems,
) {
    errors.sort_by_key(|error| error.span().map_or(0, |span| span.start));
    let is_unclosed = |error: &toml::de::Error| {
        error.message().starts_with("unclosed array") || error.message().starts_with("unclosed inline table")
    };
    let any_unclosed = errors.iter().any(is_unclosed);
    for error in &errors {
        let span = error.span().unwrap_or(0..0);
        let open =
            if any_unclosed { values(table).find_map(|value| open_bracket(value, span.start)) } else { None };
        if let Some(open) = open {
            let message =
                "not TOML: the bracket that opens here is not closed, or a comma is missing behind it";
            problems.report_syntax(source.at(open), message.to_owned(), true);
            continue;
        }
        let mut message = error.message().replace('\n', " ");
        if message == "duplicate key" {
            let key = source.text.get(span.clone()).unwrap_or_default();
            message = format!("'{}' is given twice", shown(key));
        }
        // The keys behind a header that is not one would be taken for keys of the table before.
        let rest_is_lost = message.contains("multi-line") || message.starts_with("unclosed table");
        problems.report_syntax(source.at(span.start), format!("not TOML: {message}"), rest_is_lost);
    }
}

fn values<'t>(table: &'t DeTable<'_>) -> impl Iterator<Item = &'t Spanned<DeValue<'t>>> {
    table.iter().map(|(_, value)| value)
}

/// Where the outermost list or inline table around a place opens.
fn open_bracket(value: &Spanned<DeValue<'_>>, offset: usize) -> Option<usize> {
    let span = value.span();
    match value.get_ref() {
        DeValue::Array(_) | DeValue::Table(_) if (span.start + 1..=span.end).contains(&offset) => {
            Some(span.start)
        }
        DeValue::Array(items) => items.iter().find_map(|item| open_bracket(item, offset)),
        DeValue::Table(table) => values(table).find_map(|value| open_bracket(value, offset)),
        _ => None,
    }
}

fn take_out_first_file_sections(source: &Source, table: &mut DeTable<'_>, problems: &mut Problems) {
    for section in FIRST_FILE_ONLY {
        if let Some((key, _)) = table.remove_entry(section) {
            let message = format!("'{section}' stands in an included file");
            let suggestion = Some("move it to the first file".to_owned());
            problems.report(source.at(key.span().start), section, message, suggestion);
        }
    }
}
