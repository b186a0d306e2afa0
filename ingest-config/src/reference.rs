//! The reference page, generated from the docs of the raw types and the built-in catalogue.

use std::fmt::Write;
use std::time::Duration;

use crate::catalogue::built_in;
use crate::resolved::Kind;
use crate::shape::{Field, Shape, TableShape, file_shape};
use crate::suggestion::UNITS;

/// Sections in the order a person meets them; a test holds this list to the schema.
const SECTIONS: [&str; 19] = [
    "site",
    "store",
    "people",
    "console",
    "cameras",
    "sensors",
    "kinds",
    "models",
    "departments",
    "routes",
    "areas",
    "calendars",
    "rotas",
    "cases",
    "sinks",
    "silences",
    "permits",
    "pipeline",
    "dispatch",
];

const HEAD: &str = "\
# Configuration reference

Every key of `citybrain.toml`, generated from the source; `docs/guide/configuration.md` is the guide.

- Units stand in key names: `_secs`, `_ms`, `_minutes`, `_hours`, `_bytes`, `_px`, `_m`, `_deg`. Numbers in `_secs`, `_minutes` and `_hours` may have a fraction.
- Unknown keys are refused. All mistakes are reported at once, with line and column; `citybrain check FILE` reports them without running anything.
- Relative paths start from the folder of the file they stand in.
- A secret stands in the file, in an environment variable (`…_env`) or in a file of its own (`…_file`).
- At most 64 MiB are read over all files, at most 200,000 cameras.

";

/// The reference page in Markdown.
#[must_use]
pub fn reference_markdown() -> String {
    let shape = file_shape();
    let mut page = HEAD.to_owned();
    page.push_str("## At the top of the file\n\n");
    let top = shape.fields.iter().filter(|(name, _)| !SECTIONS.contains(&name.as_str()));
    table(&mut page, top);
    for section in SECTIONS {
        if let Some(field) = shape.fields.get(section) {
            self::section(&mut page, section, field);
        }
        if section == "kinds" {
            catalogue(&mut page);
        }
    }
    page
}

fn section(page: &mut String, name: &str, field: &Field) {
    let (title, inner) = match &field.shape {
        Shape::List { item, .. } => (format!("[[{name}]]"), item.as_ref()),
        shape => (format!("[{name}]"), shape),
    };
    let Shape::Table(inner) = inner else { return };
    heading(page, 2, &title, &field.description);
    fields(page, name, inner);
}

fn heading(page: &mut String, level: usize, title: &str, description: &str) {
    // Writing to a String does not fail.
    let _ = write!(page, "{} `{title}`\n\n{description}\n\n", "#".repeat(level));
}

fn fields(page: &mut String, path: &str, shape: &TableShape) {
    table(page, shape.fields.iter());
    for (name, field) in &shape.fields {
        let (title, inner) = match &field.shape {
            Shape::Table(inner) => (format!("{path}.{name}"), inner),
            Shape::Map(item) => match item.as_ref() {
                Shape::Table(inner) => (format!("{path}.{name}.<kind>"), inner),
                _ => continue,
            },
            _ => continue,
        };
        // The same table stands under cameras and kinds; it is described once.
        if path == "cameras" && name == "evidence" {
            heading(
                page,
                3,
                &format!("[{title}]"),
                &format!("{} See `[kinds.evidence]`.", field.description),
            );
            continue;
        }
        let description = [field.description.as_str(), inner.description.as_str()];
        let description = if inner.description == field.description || inner.description.is_empty() {
            field.description.clone()
        } else {
            description.join("\n\n")
        };
        heading(page, 3, &format!("[{title}]"), &description);
        fields(page, &title, inner);
    }
}

fn table<'f>(page: &mut String, fields: impl Iterator<Item = (&'f String, &'f Field)>) {
    page.push_str("| key | type | unit | default | what it is |\n|---|---|---|---|---|\n");
    let mut fields: Vec<_> = fields.collect();
    fields.sort_by_key(|(name, field)| (!field.required, name.as_str()));
    for (name, field) in fields {
        let default = match (field.required, field.default_toml()) {
            (true, _) => "**required**".to_owned(),
            (false, Some(default)) => format!("`{default}`"),
            (false, None) => "–".to_owned(),
        };
        let _ = writeln!(
            page,
            "| `{name}` | {} | {} | {default} | {} |",
            type_name(&field.shape),
            unit(name),
            description(field)
        );
    }
    page.push('\n');
}

/// Description in one cell, with the words of a choice explained.
fn description(field: &Field) -> String {
    let mut text = field.description.replace("\n\n", "<br>");
    if let Shape::Choice(choices) = &field.shape {
        for choice in choices {
            let _ = write!(text, "<br>`\"{}\"`: {}", choice.word, choice.description);
        }
    }
    text.replace('|', "\\|")
}

fn unit(name: &str) -> &'static str {
    UNITS.iter().find(|(suffix, _)| name.ends_with(suffix)).map_or("", |(_, unit)| unit)
}

fn type_name(shape: &Shape) -> String {
    match shape {
        Shape::Table(_) => "table".to_owned(),
        Shape::Map(item) => format!("table of {}", plural(item)),
        Shape::List { item, min, max } if min == max => format!("list of {max} {}", plural(item)),
        Shape::List { item, .. } => format!("list of {}", plural(item)),
        Shape::Text { .. } => "text".to_owned(),
        Shape::Choice(_) => "one of".to_owned(),
        Shape::Integer { min, max } => format!("whole number, {min} to {max}"),
        Shape::Number { min, max } if *min > f64::MIN => format!("number, {min} to {max}"),
        Shape::Number { .. } => "number".to_owned(),
        Shape::Boolean => "`true` or `false`".to_owned(),
    }
}

fn plural(shape: &Shape) -> String {
    match shape {
        Shape::Table(_) | Shape::Map(_) => "tables".to_owned(),
        Shape::List { item, min, max } if min == max => format!("lists of {max} {}", plural(item)),
        Shape::List { item, .. } => format!("lists of {}", plural(item)),
        Shape::Text { .. } => "texts".to_owned(),
        Shape::Choice(_) => "words".to_owned(),
        Shape::Integer { .. } | Shape::Number { .. } => "numbers".to_owned(),
        Shape::Boolean => "truth values".to_owned(),
    }
}

fn catalogue(page: &mut String) {
    page.push_str("### The built-in catalogue\n\n");
    page.push_str(
        "These rows are there without being written; a row with the same code changes what it names.\n\n",
    );
    page.push_str(
        "| `code` | `names` | `labels` | `deadline_secs` | `look_interval_secs` | `handle_within_minutes` | \
         `pre_alarm` | `half_life_secs` | `open_at` | `close_at` | `max` | `hold_secs` | `hit_score` | `log_floor` | \
         hits of looks |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for kind in built_in().values() {
        catalogue_row(page, kind);
    }
    page.push('\n');
}

fn catalogue_row(page: &mut String, kind: &Kind) {
    let secs = Duration::as_secs;
    let evidence = &kind.evidence;
    let joined = |texts: Vec<&str>| texts.join(", ");
    let _ = writeln!(
        page,
        "| `{}` | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} of {} |",
        kind.kind,
        joined(kind.names.values().map(String::as_str).collect()),
        joined(kind.labels.iter().map(citybrain_types::Label::as_str).collect()),
        secs(&kind.deadline),
        secs(&kind.look_interval),
        secs(&kind.handle_within) / 60,
        kind.pre_alarm,
        secs(&evidence.half_life),
        evidence.open_at,
        evidence.close_at,
        evidence.max,
        secs(&evidence.hold),
        evidence.hit_score,
        evidence.log_floor,
        evidence.hits_needed,
        evidence.looks_counted,
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_every_section_of_the_file() {
        let mut expected: Vec<&str> = SECTIONS.to_vec();
        expected.push("include");
        expected.sort_unstable();
        let known: Vec<&str> = file_shape().fields.keys().map(String::as_str).collect();
        assert_eq!(known, expected);
    }
}
