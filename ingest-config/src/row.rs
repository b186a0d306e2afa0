//! A table of the file, read into its raw type, that still knows where each of its keys stands.

use std::collections::BTreeSet;
use std::fmt;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use crate::problem::Problems;
use crate::source::{Location, Source};

/// A file whose tables have the right shape; what had not is taken out and reported.
pub(crate) struct Document<'s> {
    pub source: &'s Source,
    pub table: DeTable<'s>,
    /// Paths of keys that were taken out.
    pub dropped: BTreeSet<String>,
}

/// A raw table and its place.
pub(crate) struct Row<'d, T> {
    pub raw: T,
    pub place: Place<'d>,
}

/// Where a table stands.
#[derive(Clone)]
pub(crate) struct Place<'d> {
    document: &'d Document<'d>,
    table: Option<&'d DeTable<'d>>,
    header: usize,
    /// As people call it: `[[cameras]] #2`.
    label: String,
    /// As a path: `cameras[2]`.
    path: String,
}

/// The rows of a list section over all files, in their order.
pub(crate) fn rows<'d, T: Deserialize<'d>>(
    documents: &'d [Document<'d>],
    section: &'static str,
    problems: &mut Problems,
) -> Vec<Row<'d, T>> {
    let mut rows = Vec::new();
    for document in documents {
        let Some(DeValue::Array(items)) = document.table.get(section).map(Spanned::get_ref) else { continue };
        for (index, item) in items.iter().enumerate() {
            let place = Place {
                document,
                table: item.get_ref().as_table(),
                header: item.span().start,
                label: format!("[[{section}]] #{}", index + 1),
                path: format!("{section}[{}]", index + 1),
            };
            rows.extend(read(item, place, problems));
        }
    }
    rows
}

/// A section that is one table, of the first file; `None` when it is not there.
pub(crate) fn single<'d, T: Deserialize<'d> + Default>(
    documents: &'d [Document<'d>],
    section: &'static str,
    problems: &mut Problems,
) -> Option<Row<'d, T>> {
    let document = documents.first()?;
    let item = document.table.get(section);
    let place = Place {
        document,
        table: item.and_then(|item| item.get_ref().as_table()),
        header: item.map_or(0, |item| item.span().start),
        label: format!("[{section}]"),
        path: section.to_owned(),
    };
    match item {
        Some(item) => read(item, place, problems),
        None => Some(Row { raw: T::default(), place }),
    }
}

fn read<'d, T: Deserialize<'d>>(
    item: &'d Spanned<DeValue<'d>>,
    place: Place<'d>,
    problems: &mut Problems,
) -> Option<Row<'d, T>> {
    match T::deserialize(ValueDeserializer::from(item.clone())) {
        Ok(raw) => Some(Row { raw, place }),
        // The shape check lets nothing through that fails here; should it, the mistake is still told.
        Err(error) => {
            let at = place.document.source.at(error.span().map_or(place.header, |span| span.start));
            let message = format!("{} cannot be read: {}", place.label, error.message());
            problems.report(at, place.path.clone(), message, None);
            None
        }
    }
}

impl<'d> Place<'d> {
    /// The file it stands in.
    pub(crate) fn source(&self) -> &'d Source {
        self.document.source
    }

    /// Where the table itself stands.
    pub(crate) fn header(&self) -> Location<'d> {
        self.document.source.at(self.header)
    }

    /// Where a key's value stands; the table's header when the key is not given.
    pub(crate) fn at(&self, key: &str) -> Location<'d> {
        let offset = self.value(key).map_or(self.header, |value| value.span().start);
        self.document.source.at(offset)
    }

    /// Where an item of a list stands.
    pub(crate) fn item_at(&self, key: &str, index: usize) -> Location<'d> {
        match self.value(key).and_then(|value| value.get_ref().get(index)) {
            Some(item) => self.document.source.at(item.span().start),
            None => self.at(key),
        }
    }

    /// Whether the key is given.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.value(key).is_some()
    }

    /// Whether the key was meant to be given, but its value could not be used, which is reported.
    pub(crate) fn lost(&self, key: &str) -> bool {
        !self.document.dropped.is_empty() && self.document.dropped.contains(&self.path_of(key))
    }

    /// Whether anything in this table, or in a table below it, could not be used.
    pub(crate) fn is_damaged(&self) -> bool {
        let prefix = format!("{}.", self.path);
        self.document.dropped.range(prefix.clone()..).next().is_some_and(|path| path.starts_with(&prefix))
    }

    /// The path of a key, for instance `cameras[2].url`.
    pub(crate) fn path_of(&self, key: &str) -> String {
        format!("{}.{key}", self.path)
    }

    /// The table under a key, whether it is given or not.
    pub(crate) fn inner(&self, key: &str) -> Self {
        let value = self.value(key);
        let section = self.path.split('[').next().unwrap_or_default();
        let names = match self.path.split_once("].") {
            Some((_, rest)) => format!("{section}.{rest}.{key}"),
            None => format!("{section}.{key}"),
        };
        let row = self.label.rsplit(" of ").next().unwrap_or_default();
        Self {
            document: self.document,
            table: value.and_then(|value| value.get_ref().as_table()),
            header: value.map_or(self.header, |value| value.span().start),
            label: format!("[{names}] of {row}"),
            path: self.path_of(key),
        }
    }

    /// A row of a list of tables below this table.
    pub(crate) fn row_of(&self, key: &str, index: usize) -> Self {
        let value = self.value(key).and_then(|value| value.get_ref().get(index));
        Self {
            document: self.document,
            table: value.and_then(|value| value.get_ref().as_table()),
            header: value.map_or(self.header, |value| value.span().start),
            label: format!(
                "[[{}.{key}]] #{} of {}",
                self.path.split('[').next().unwrap_or_default(),
                index + 1,
                self.label
            ),
            path: format!("{}[{}]", self.path_of(key), index + 1),
        }
    }

    /// Reports a problem of a key's value; the message continues the sentence `'key' in [[section]] #n …`.
    pub(crate) fn report(&self, problems: &mut Problems, key: &str, message: impl fmt::Display) {
        self.suggest(problems, key, message, None);
    }

    /// The same with a suggestion.
    pub(crate) fn suggest(
        &self,
        problems: &mut Problems,
        key: &str,
        message: impl fmt::Display,
        suggestion: Option<String>,
    ) {
        problems.report(self.at(key), self.path_of(key), format!("'{key}' in {self} {message}"), suggestion);
    }

    fn value(&self, key: &str) -> Option<&'d Spanned<DeValue<'d>>> {
        self.table?.get(key)
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.label)
    }
}
