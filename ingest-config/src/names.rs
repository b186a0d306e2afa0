//! Names that are declared in one section and referred to in another.

use std::collections::BTreeMap;

use crate::problem::Problems;
use crate::row::Place;
use crate::source::Location;
use crate::suggestion::{did_you_mean, shown};

/// The names of one sort, and where each is declared.
pub(crate) struct Names<'d> {
    /// What they are, for sentences: `department`.
    what: &'static str,
    declared: BTreeMap<String, Option<Location<'d>>>,
    /// Whether a name may be missing because the row that declares it could not be read.
    complete: bool,
}

impl<'d> Names<'d> {
    /// None yet. `complete` is false when parts of the file were lost.
    pub(crate) fn new(what: &'static str, problems: &Problems) -> Self {
        Self { what, declared: BTreeMap::new(), complete: !problems.lost_something() }
    }

    /// Adds a name that is built in and may be declared again.
    pub(crate) fn add_built_in(&mut self, name: &str) {
        self.declared.insert(name.to_owned(), None);
    }

    /// Adds the name under `key`; a name that is not there or taken already is `None`, the latter reported.
    ///
    /// A name that is not well formed is declared all the same: who refers to it makes no mistake of their own.
    pub(crate) fn declare<'n>(
        &mut self,
        place: &Place<'d>,
        key: &str,
        name: Option<&'n str>,
        problems: &mut Problems,
    ) -> Option<&'n str> {
        let Some(name) = name else {
            self.complete = false;
            return None;
        };
        if let Some(Some(first)) = self.declared.get(name) {
            let message =
                format!("{} '{}' in {place} is already declared at {first}", self.what, shown(name));
            let suggestion = Some("give each its own".to_owned());
            problems.report(place.at(key), place.path_of(key), message, suggestion);
            return None;
        }
        self.declared.insert(name.to_owned(), Some(place.at(key)));
        Some(name)
    }

    /// Whether a name is declared; reported when it is not.
    pub(crate) fn refer(
        &self,
        place: &Place<'d>,
        key: &str,
        (index, name): (usize, &str),
        problems: &mut Problems,
    ) -> bool {
        if self.declared.contains_key(name) {
            return true;
        }
        if self.complete {
            let message = format!("unknown {} '{}' in '{key}' of {place}", self.what, shown(name));
            let suggestion = self.suggestion(name);
            problems.report(place.item_at(key, index), place.path_of(key), message, Some(suggestion));
        }
        false
    }

    /// Where a name is declared in the file.
    pub(crate) fn origin(&self, name: &str) -> Option<Location<'d>> {
        self.declared.get(name).copied().flatten()
    }

    fn suggestion(&self, name: &str) -> String {
        let known = || self.declared.keys().map(String::as_str);
        if let Some(suggestion) = did_you_mean(name, known()) {
            return suggestion;
        }
        match self.declared.len() {
            0 => format!("the file declares no {}", self.what),
            1..=12 => format!("declared are: {}", known().map(shown).collect::<Vec<_>>().join(", ")),
            more => format!("{more} others are declared"),
        }
    }
}

/// Reads a list of references into a set; reports unknown ones and those given twice.
pub(crate) fn references<'d, T: Ord>(
    names: &Names<'d>,
    place: &Place<'d>,
    key: &str,
    given: &[String],
    problems: &mut Problems,
    make: impl Fn(&str) -> Option<T>,
) -> std::collections::BTreeSet<T> {
    let mut set = std::collections::BTreeSet::new();
    for (index, name) in given.iter().enumerate() {
        if given[..index].contains(name) {
            let message = format!("'{}' stands twice in '{key}' of {place}", shown(name));
            problems.report(place.item_at(key, index), place.path_of(key), message, None);
        } else if names.refer(place, key, (index, name), problems) {
            set.extend(make(name));
        }
    }
    set
}
