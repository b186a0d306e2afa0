//! Walks a document along the shape of the file: unknown keys, wrong types, values out of bounds.
//!
//! What is wrong is reported and then taken out, or put right where it is plain what was meant, so that the rest of
//! the table is read as if that one mistake had not been made: one mistake, one problem.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use crate::place::Where;
use crate::problem::Problems;
use crate::shape::{Field, Shape, TableShape};
use crate::source::Source;
use crate::suggestion::{nearest, shown};

/// Checks one document.
pub(crate) struct ShapeCheck<'a, 's> {
    pub source: &'s Source,
    pub problems: &'a mut Problems,
    /// Paths of keys whose values were taken out.
    pub dropped: &'a mut BTreeSet<String>,
}

impl ShapeCheck<'_, '_> {
    /// Checks a table and leaves in it what has the right shape.
    pub(crate) fn table<'i>(
        &mut self,
        shape: &TableShape,
        table: &mut DeTable<'i>,
        header: Range<usize>,
        place: &Where<'_>,
    ) {
        let mut meant = self.unknown_keys(shape, table, place);
        for (name, field) in &shape.fields {
            let Some((key, value)) = table.remove_entry(name.as_str()) else {
                if field.required && !meant.remove(name.as_str()) && !self.problems.is_torn(self.source.index)
                {
                    self.missing(name, header.start, place);
                }
                continue;
            };
            // What a line that is not TOML was guessed to mean is not used.
            let is_guessed =
                !value.get_ref().is_table() && self.problems.is_muted(self.source.at(key.span().start));
            if is_guessed {
                self.drop_key(place.path_of(name));
                continue;
            }
            let inner = Where::Key(place, name);
            match self.value(&field.shape, value, key.span(), &inner) {
                Some(value) => {
                    table.insert(key, value);
                }
                None => self.drop_key(place.path_of(name)),
            }
        }
    }

    /// Reports keys that are not in the shape; gives a slip of the keyboard the name that was meant. Returns the
    /// known keys that were meant but whose values cannot be taken.
    fn unknown_keys<'t>(
        &mut self,
        shape: &'t TableShape,
        table: &mut DeTable<'_>,
        place: &Where<'_>,
    ) -> BTreeSet<&'t str> {
        let known = |key: &str| shape.fields.contains_key(key);
        let unknown: Vec<String> = table
            .keys()
            .map(|key| key.get_ref().as_ref())
            .filter(|key| !known(key))
            .map(str::to_owned)
            .collect();
        let mut meant_keys = BTreeSet::new();
        for key in unknown {
            let Some((spanned, value)) = table.remove_entry(key.as_str()) else { continue };
            let meant = nearest(&key, shape.fields.keys().map(String::as_str));
            let suggestion = match &meant {
                Some(meant) => format!("did you mean '{}'?", meant.name),
                None => known_keys(shape),
            };
            let message = match place {
                Where::Top => format!("unknown key '{}' at the top of the file", shown(&key)),
                _ => format!("unknown key '{}' in {place}", shown(&key)),
            };
            let at = self.source.at(spanned.span().start);
            self.problems.report(at, place.path_of(&shown(&key)), message, Some(suggestion));
            let Some(meant) = meant else { continue };
            if !meant.same_unit || !take_as_meant(table, meant.name, spanned.span(), value) {
                meant_keys.insert(meant.name);
                self.drop_key(place.path_of(meant.name));
            }
        }
        meant_keys
    }

    fn missing(&mut self, name: &str, header: usize, place: &Where<'_>) {
        let message = format!("missing key '{name}' in {place}");
        self.problems.report(self.source.at(header), place.path_of(name), message, None);
        self.drop_key(place.path_of(name));
    }

    fn drop_key(&mut self, path: String) {
        self.dropped.insert(path);
    }

    /// Checks a value; `None` when it cannot be used. `key` is where its key stands.
    fn value<'i>(
        &mut self,
        shape: &Shape,
        value: Spanned<DeValue<'i>>,
        key: Range<usize>,
        place: &Where<'_>,
    ) -> Option<Spanned<DeValue<'i>>> {
        let span = value.span();
        match (shape, value.into_inner()) {
            (Shape::Table(shape), DeValue::Table(mut table)) => {
                self.table(shape, &mut table, span.clone(), place);
                Some(Spanned::new(span, DeValue::Table(table)))
            }
            (Shape::Map(item), DeValue::Table(table)) => Some(self.map(item, table, span, place)),
            (Shape::List { item, min, max }, DeValue::Array(items)) => {
                self.list((item, *min, *max), items, (span, key), place)
            }
            (Shape::List { item, .. }, value) if fits(item, &value) => {
                self.single(shape, item, Spanned::new(span, value), key, place)
            }
            (shape, value) => match scalar_fault(shape, &value) {
                None => Some(Spanned::new(span, value)),
                Some((message, suggestion)) => {
                    let message = format!("{} {message}", subject(place));
                    self.problems.report(self.source.at(span.start), place.path(), message, suggestion);
                    None
                }
            },
        }
    }

    fn map<'i>(
        &mut self,
        item: &Shape,
        table: DeTable<'i>,
        span: Range<usize>,
        place: &Where<'_>,
    ) -> Spanned<DeValue<'i>> {
        let mut kept = DeTable::new();
        for (key, value) in table {
            let name = shown(key.get_ref());
            match self.value(item, value, key.span(), &Where::Key(place, &name)) {
                Some(value) => {
                    kept.insert(key, value);
                }
                None => self.drop_key(place.path_of(&name)),
            }
        }
        Spanned::new(span, DeValue::Table(kept))
    }

    fn list<'i>(
        &mut self,
        (item, min, max): (&Shape, usize, usize),
        items: DeArray<'i>,
        (span, key): (Range<usize>, Range<usize>),
        place: &Where<'_>,
    ) -> Option<Spanned<DeValue<'i>>> {
        if items.len() < min || items.len() > max {
            let wanted = match (min, max) {
                (min, max) if min == max => format!("{min} are needed"),
                (min, _) if items.len() < min => format!("at least {min} is needed"),
                (_, max) => format!("at most {max} are taken"),
            };
            let count = items.len();
            let noun = if count == 1 { "item" } else { "items" };
            let message = format!("{} has {count} {noun}; {wanted}", subject(place));
            // A list of tables has no brackets of its own.
            let at = if matches!(item, Shape::Table(_)) { key } else { span };
            self.problems.report(self.source.at(at.start), place.path(), message, None);
            return None;
        }
        let mut kept = DeArray::new();
        for (index, value) in items.into_iter().enumerate() {
            let at = value.span();
            match self.value(item, value, at, &Where::Item(place, index)) {
                Some(value) => kept.push(value),
                None => self.drop_key(list_key(&place.path()).to_owned()),
            }
        }
        // A pair that lost one of its numbers is no pair.
        (kept.len() >= min).then(|| Spanned::new(span, DeValue::Array(kept)))
    }

    /// One thing where a list of such things is expected: reported, and taken as a list of one.
    fn single<'i>(
        &mut self,
        shape: &Shape,
        item: &Shape,
        value: Spanned<DeValue<'i>>,
        key: Range<usize>,
        place: &Where<'_>,
    ) -> Option<Spanned<DeValue<'i>>> {
        let span = value.span();
        let suggestion = match (item, place) {
            (Shape::Table(_), Where::Key(Where::Top, name)) => format!("write [[{name}]]"),
            _ => "put it in square brackets".to_owned(),
        };
        let found = type_name(value.get_ref());
        let message = format!("{} is {found}; {} is expected", subject(place), shape.expected());
        self.problems.report(self.source.at(span.start), place.path(), message, Some(suggestion));
        let mut items = DeArray::new();
        items.push(value);
        let list = Spanned::new(span, DeValue::Array(items));
        self.value(shape, list, key, place)
    }
}

/// Puts a value under the name that was meant; false when that name has a value already.
fn take_as_meant<'i>(
    table: &mut DeTable<'i>,
    name: &str,
    key: Range<usize>,
    value: Spanned<DeValue<'i>>,
) -> bool {
    match (table.get_mut(name).map(Spanned::get_mut), value.get_ref()) {
        (None, _) => {
            table.insert(Spanned::new(key, Cow::Owned(name.to_owned())), value);
            true
        }
        // `[[camera]]` beside `[[cameras]]`: rows of one list.
        (Some(DeValue::Array(items)), DeValue::Array(_)) => {
            if let DeValue::Array(more) = value.into_inner() {
                more.into_iter().for_each(|item| items.push(item));
            }
            true
        }
        _ => false,
    }
}

/// What a value is called in a sentence: `'url' in [[cameras]] #2`, `item 2 of 'kinds' in [[cameras]] #1`.
fn subject(place: &Where<'_>) -> String {
    match place {
        Where::Key(Where::Top, key) => format!("'{key}'"),
        Where::Key(parent, key) => format!("'{key}' in {parent}"),
        Where::Item(list, index) => format!("item {} of {}", index + 1, subject(list)),
        Where::Top => place.to_string(),
    }
}

/// The path of the key that holds a list, also where the list is an item of another: `ignore` for `ignore[2][1]`.
fn list_key(path: &str) -> &str {
    match path.strip_suffix(']').and_then(|path| path.rsplit_once('[')) {
        Some((list, _)) => list_key(list),
        None => path,
    }
}

/// The keys a table knows, where they are few enough to be read.
fn known_keys(shape: &TableShape) -> String {
    let names: Vec<&str> = shape.fields.keys().map(String::as_str).collect();
    format!("known here: {}", names.join(", "))
}

fn type_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

fn fits(shape: &Shape, value: &DeValue<'_>) -> bool {
    match (shape, value) {
        (Shape::Table(_) | Shape::Map(_), DeValue::Table(_)) => true,
        (Shape::List { .. }, _) => false,
        (shape, value) => scalar_fault(shape, value).is_none(),
    }
}

/// What is wrong with a value that is neither table nor list, and what to do. Never shows the value: it may be a
/// secret.
fn scalar_fault(shape: &Shape, value: &DeValue<'_>) -> Option<(String, Option<String>)> {
    match (shape, value) {
        (Shape::Boolean, DeValue::Boolean(_)) => None,
        (Shape::Text { min, max }, DeValue::String(text)) => {
            let length = text.chars().count();
            match length {
                0 if *min > 0 => Some(("is empty".to_owned(), None)),
                _ if length > *max => {
                    Some((format!("has {length} characters; at most {max} are taken"), None))
                }
                _ => None,
            }
        }
        (Shape::Choice(choices), DeValue::String(text)) => {
            let words = || choices.iter().map(|choice| choice.word.as_str());
            if words().any(|word| word == text.as_ref()) {
                return None;
            }
            let meant = crate::suggestion::did_you_mean(text, words());
            Some((format!("is \"{}\"; {} is expected", shown(text), shape.expected()), meant))
        }
        (Shape::Integer { min, max }, DeValue::Integer(number)) => {
            let number = i64::from_str_radix(number.as_str(), number.radix()).ok();
            let inside = number.is_some_and(|number| (*min..=*max).contains(&number));
            (!inside).then(|| (out_of(min, max), None))
        }
        (Shape::Number { min, max }, DeValue::Integer(_) | DeValue::Float(_)) => {
            let inside = number(value).is_some_and(|number| (*min..=*max).contains(&number));
            (!inside).then(|| (out_of(min, max), None))
        }
        _ => {
            let message = format!("is {}; {} is expected", type_name(value), shape.expected());
            let suggestion = match (shape, value) {
                (Shape::Table(_), DeValue::Array(_)) => {
                    Some("write its header in single brackets".to_owned())
                }
                _ => quotes_hint(shape, value),
            };
            Some((message, suggestion))
        }
    }
}

/// A number in quotes is the commonest wrong type.
fn quotes_hint(shape: &Shape, value: &DeValue<'_>) -> Option<String> {
    let is_number = matches!(shape, Shape::Integer { .. } | Shape::Number { .. } | Shape::Boolean);
    match value {
        DeValue::String(text)
            if is_number && (text.parse::<f64>().is_ok() || text.parse::<bool>().is_ok()) =>
        {
            Some("leave the quotes out".to_owned())
        }
        _ => None,
    }
}

fn number(value: &DeValue<'_>) -> Option<f64> {
    let number: f64 = match value {
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix()).ok()? as f64,
        DeValue::Float(number) => number.as_str().replace('_', "").parse().ok()?,
        _ => return None,
    };
    number.is_finite().then_some(number)
}

fn out_of(min: &impl std::fmt::Display, max: &impl std::fmt::Display) -> String {
    format!("is outside {min} to {max}")
}

impl Field {
    /// The default as it would be written in the file.
    pub(crate) fn default_toml(&self) -> Option<String> {
        let value = self.default.as_ref()?;
        match &self.shape {
            Shape::Table(_) | Shape::Map(_) => None,
            Shape::List { .. } if value.as_array().is_some_and(Vec::is_empty) => Some("[]".to_owned()),
            _ => Some(value.to_string().replace(',', ", ")),
        }
    }
}
