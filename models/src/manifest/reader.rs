//! Reads a TOML table key by key and remembers everything that is wrong with it, with the line.

use super::Problem;
use citybrain_types::Label;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Parses `text`, lets `build` read it, and gives what was built only if nothing at all was wrong.
pub(crate) fn read<T>(text: &str, build: impl FnOnce(Table<'_>) -> Option<T>) -> Result<T, Vec<Problem>> {
    let ledger = Ledger { text, problems: RefCell::new(Vec::new()) };
    let (root, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        ledger.note(error.span().map_or(0, |span| span.start), error.message().to_lowercase());
    }
    let mut built = None;
    if errors.is_empty() {
        built = build(Table::new(root.get_ref(), root.span(), String::new(), &ledger));
    }
    let mut problems = ledger.problems.into_inner();
    problems.sort_by_key(|problem| problem.line);
    match built {
        Some(built) if problems.is_empty() => Ok(built),
        _ => Err(problems),
    }
}

struct Ledger<'t> {
    text: &'t str,
    problems: RefCell<Vec<Problem>>,
}

impl Ledger<'_> {
    fn note(&self, offset: usize, message: String) {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        self.problems.borrow_mut().push(Problem { line, message });
    }
}

/// A table under reading. Getters report what is missing or of the wrong type and give `None`.
pub(crate) struct Table<'t> {
    entries: &'t DeTable<'t>,
    span: Range<usize>,
    /// Dotted name with a dot at its end; empty for the root.
    prefix: String,
    known: BTreeSet<String>,
    ledger: &'t Ledger<'t>,
}

impl<'t> Table<'t> {
    fn new(entries: &'t DeTable<'t>, span: Range<usize>, prefix: String, ledger: &'t Ledger<'t>) -> Self {
        Self { entries, span, prefix, known: BTreeSet::new(), ledger }
    }

    /// Reports a problem at the line of a key, or of the table where the key is missing.
    pub(crate) fn problem_at(&self, key: &str, message: String) {
        let offset = self.entries.get(key).map_or(self.span.start, |value| value.span().start);
        self.ledger.note(offset, message);
    }

    fn value(&mut self, key: &str) -> Option<&'t Spanned<DeValue<'t>>> {
        self.known.insert(key.to_owned());
        self.entries.get(key)
    }

    fn required(&mut self, key: &str) -> Option<&'t Spanned<DeValue<'t>>> {
        let value = self.value(key);
        if value.is_none() {
            self.problem_at(key, format!("{}{key} is missing", self.prefix));
        }
        value
    }

    fn wrong_type(&self, key: &str, wanted: &str) {
        let found = self.entries.get(key).map_or("nothing", |value| value.get_ref().type_str());
        self.problem_at(key, format!("{}{key} is to be {wanted}, not {found}", self.prefix));
    }

    fn required_as<T>(
        &mut self,
        key: &str,
        wanted: &str,
        take: impl FnOnce(&'t DeValue<'t>) -> Option<T>,
    ) -> Option<T> {
        let taken = take(self.required(key)?.get_ref());
        if taken.is_none() {
            self.wrong_type(key, wanted);
        }
        taken
    }

    pub(crate) fn string(&mut self, key: &str) -> Option<String> {
        self.required_as(key, "a text that is not empty", |value| {
            value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
        })
    }

    pub(crate) fn integer(&mut self, key: &str) -> Option<i64> {
        self.required_as(key, "an integer", integer)
    }

    /// An integer within `range`, with a default for a key that is not there.
    pub(crate) fn count_or(
        &mut self,
        key: &str,
        default: usize,
        range: std::ops::RangeInclusive<usize>,
    ) -> Option<usize> {
        if self.value(key).is_none() {
            return Some(default);
        }
        let value = self.integer(key)?;
        let counted = usize::try_from(value).ok().filter(|value| range.contains(value));
        if counted.is_none() {
            let (start, end) = (range.start(), range.end());
            self.problem_at(key, format!("{}{key} {value} is not within {start}..={end}", self.prefix));
        }
        counted
    }

    /// Integers, or a single one.
    pub(crate) fn integers(&mut self, key: &str) -> Option<Vec<i64>> {
        self.required_as(key, "an integer or an array of integers", |value| match value.as_array() {
            Some(items) => items.iter().map(|item| integer(item.get_ref())).collect(),
            None => Some(vec![integer(value)?]),
        })
    }

    /// A text that is not empty, or `None` inside where the key is not there.
    pub(crate) fn optional_string(&mut self, key: &str) -> Option<Option<String>> {
        if self.value(key).is_none() { Some(None) } else { self.string(key).map(Some) }
    }

    /// Whether a key is there.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// A finite number.
    pub(crate) fn number(&mut self, key: &str) -> Option<f64> {
        self.required_as(key, "a finite number", number)
    }

    /// Like [`Self::number`], with a default for a key that is not there.
    pub(crate) fn number_or(&mut self, key: &str, default: f64) -> Option<f64> {
        if self.value(key).is_none() { Some(default) } else { self.number(key) }
    }

    /// A number within `0..=1`.
    pub(crate) fn fraction(&mut self, key: &str) -> Option<f64> {
        let value = self.number(key)?;
        if !(0.0..=1.0).contains(&value) {
            self.problem_at(key, format!("{}{key} = {value} is not within 0..=1", self.prefix));
            return None;
        }
        Some(value)
    }

    /// Like [`Self::fraction`], with a default for a key that is not there.
    pub(crate) fn fraction_or(&mut self, key: &str, default: f64) -> Option<f64> {
        if self.value(key).is_none() { Some(default) } else { self.fraction(key) }
    }

    /// Three finite numbers.
    pub(crate) fn channels(&mut self, key: &str) -> Option<[f32; 3]> {
        self.required_as(key, "an array of three finite numbers", |value| {
            let numbers = value.as_array()?.iter().map(|item| number(item.get_ref()).map(|n| n as f32));
            numbers.collect::<Option<Vec<f32>>>()?.try_into().ok()
        })
    }

    /// Like [`Self::channels`], with a default for a key that is not there.
    pub(crate) fn channels_or(&mut self, key: &str, default: [f32; 3]) -> Option<[f32; 3]> {
        if self.value(key).is_none() { Some(default) } else { self.channels(key) }
    }

    pub(crate) fn strings(&mut self, key: &str) -> Option<Vec<String>> {
        self.required_as(key, "an array of texts", |value| {
            value.as_array()?.iter().map(|item| item.get_ref().as_str().map(str::to_owned)).collect()
        })
    }

    /// One of a few words.
    pub(crate) fn choice<T: Copy>(&mut self, key: &str, choices: &[(&str, T)]) -> Option<T> {
        let word = self.string(key)?;
        let chosen = choices.iter().find(|(name, _)| *name == word).map(|(_, value)| *value);
        if chosen.is_none() {
            let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
            self.problem_at(key, format!("{}{key} '{word}' is not one of {}", self.prefix, names.join(", ")));
        }
        chosen
    }

    /// Like [`Self::choice`], with a default for a key that is not there.
    pub(crate) fn choice_or<T: Copy>(&mut self, key: &str, choices: &[(&str, T)], default: T) -> Option<T> {
        if self.value(key).is_none() { Some(default) } else { self.choice(key, choices) }
    }

    pub(crate) fn table(&mut self, key: &str) -> Option<Table<'t>> {
        self.required(key)?;
        self.optional_table(key)
    }

    pub(crate) fn optional_table(&mut self, key: &str) -> Option<Table<'t>> {
        let value = self.value(key)?;
        let Some(entries) = value.get_ref().as_table() else {
            self.wrong_type(key, "a table");
            return None;
        };
        Some(Table::new(entries, value.span(), format!("{}{key}.", self.prefix), self.ledger))
    }

    /// An array of tables; empty when it is not there.
    pub(crate) fn tables(&mut self, key: &str) -> Vec<Table<'t>> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let Some(rows) = value.get_ref().as_array() else {
            self.wrong_type(key, "an array of tables");
            return Vec::new();
        };
        let prefix = format!("{}{key}.", self.prefix);
        let mut tables = Vec::new();
        for row in rows.iter() {
            match row.get_ref().as_table() {
                Some(entries) => tables.push(Table::new(entries, row.span(), prefix.clone(), self.ledger)),
                None => self.wrong_type(key, "an array of tables"),
            }
        }
        tables
    }

    /// Reports a key that has no business here.
    pub(crate) fn refuse(&mut self, key: &str, why: &str) {
        if self.value(key).is_some() {
            self.problem_at(key, why.to_owned());
        }
    }

    /// Leaves keys unread, and unreported.
    pub(crate) fn skip(&mut self, keys: &[&str]) {
        self.known.extend(keys.iter().map(|key| (*key).to_owned()));
    }

    /// Leaves the whole table unread, and unreported.
    pub(crate) fn ignore_rest(&mut self) {
        self.known.extend(self.entries.keys().map(|key| key.get_ref().to_string()));
    }

    /// Reports each key that is not a label.
    pub(crate) fn only_labels(&mut self, labels: &[Label]) {
        for (key, value) in self.entries.iter() {
            if !labels.iter().any(|label| label.as_str() == key.get_ref()) {
                let names: Vec<&str> = labels.iter().map(Label::as_str).collect();
                let message = format!(
                    "{}{} is for no label of this model: labels are {}",
                    self.prefix,
                    key.get_ref(),
                    names.join(", ")
                );
                self.ledger.note(value.span().start, message);
            }
        }
    }

    /// Reports each key that nothing asked for.
    pub(crate) fn finish(self) {
        for key in self.entries.keys() {
            let name = key.get_ref().as_ref();
            if self.known.contains(name) {
                continue;
            }
            let nearest = self
                .known
                .iter()
                .filter(|known| !self.entries.contains_key(known.as_str()))
                .map(|known| (strsim::damerau_levenshtein(known, name), known))
                .min()
                .filter(|(distance, known)| *distance <= known.len() / 3);
            let hint = nearest.map_or_else(String::new, |(_, known)| format!(": did you mean '{known}'?"));
            self.ledger.note(key.span().start, format!("unknown key '{}{name}'{hint}", self.prefix));
        }
    }
}

fn integer(value: &DeValue<'_>) -> Option<i64> {
    let integer = value.as_integer()?;
    i64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

fn number(value: &DeValue<'_>) -> Option<f64> {
    let parsed = match value.as_float() {
        Some(float) => float.as_str().parse().ok(),
        None => integer(value).map(|integer| integer as f64),
    };
    parsed.filter(|number: &f64| number.is_finite())
}
