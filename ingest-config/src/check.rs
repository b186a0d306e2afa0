//! `citybrain check`: what is wrong with a configuration, what is doubtful, and what it adds up to.

use std::fmt;
use std::path::Path;

use crate::load::{Loaded, load_with};
use crate::problem::Problem;
use crate::resolved::City;
use crate::validate::Environment;

/// The answer of a check. Its `Display` is what a person reads.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Mistakes; empty when the configuration may run.
    pub problems: Vec<Problem>,
    /// Mistakes in words, complete.
    text: String,
    /// What is allowed but probably not meant.
    pub warnings: Vec<Problem>,
    /// What the configuration adds up to; `None` when there are mistakes.
    pub summary: Option<Summary>,
}

/// How much of what a city has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// Cameras.
    pub cameras: usize,
    /// Kinds in the catalogue, built-in ones included.
    pub kinds: usize,
    /// Models.
    pub models: usize,
    /// Departments.
    pub departments: usize,
    /// Routes, the last resort included.
    pub routes: usize,
    /// Destinations of deliveries.
    pub destinations: usize,
}

impl Report {
    /// Whether the configuration may run.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.problems.is_empty()
    }
}

impl From<&City> for Summary {
    fn from(city: &City) -> Self {
        Self {
            cameras: city.cameras.len(),
            kinds: city.kinds.len(),
            models: city.models.len(),
            departments: city.departments.len(),
            routes: city.routes.len(),
            destinations: city.destinations.len(),
        }
    }
}

/// Checks a configuration: a file, or a folder with a `citybrain.toml`. Reads files and the environment only.
#[must_use]
pub fn check(path: impl AsRef<Path>) -> Report {
    check_with(path.as_ref(), &|name| std::env::var(name).ok())
}

/// [`check`] with an environment of the caller's.
#[must_use]
pub fn check_with(path: &Path, environment: Environment<'_>) -> Report {
    match load_with(path, environment) {
        Ok(Loaded { city, warnings }) => Report {
            problems: Vec::new(),
            text: String::new(),
            warnings,
            summary: Some(Summary::from(&city)),
        },
        Err(errors) => Report {
            text: errors.to_string(),
            problems: errors.problems().to_vec(),
            warnings: Vec::new(),
            summary: None,
        },
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.problems.is_empty() {
            writeln!(f, "{}", self.text)?;
        }
        for warning in &self.warnings {
            writeln!(f, "warning: {warning}")?;
        }
        match &self.summary {
            Some(summary) => write!(f, "ok: {summary}"),
            None => write!(f, "{}", counted(self.problems.len(), "error", "errors")),
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            counted(self.cameras, "camera", "cameras"),
            counted(self.kinds, "kind", "kinds"),
            counted(self.models, "model", "models"),
            counted(self.departments, "department", "departments"),
            counted(self.routes, "route", "routes"),
            counted(self.destinations, "destination", "destinations"),
        ];
        f.write_str(&parts.join(", "))
    }
}

fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
