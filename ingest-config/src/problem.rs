//! What is wrong with a configuration, and where.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

use crate::source::Location;

/// Problems reported at most; a file with more is not a configuration with mistakes but another file.
pub const MAX_PROBLEMS: usize = 1_000;

/// One mistake, where it is and how to put it right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file, as it was named by the caller or by `include`.
    pub file: PathBuf,
    /// Line, counted from 1; 0 where the problem is the file itself.
    pub line: usize,
    /// Column in characters, counted from 1; 0 where the problem is the file itself.
    pub column: usize,
    /// Path of the key, for instance `cameras[2].url` (rows are counted from 1); empty for the file itself.
    pub key: String,
    /// What is wrong. Never holds a secret or a URL with credentials.
    pub message: String,
    /// What to do, where that is known.
    pub suggestion: Option<String>,
}

impl Problem {
    /// A problem of the command line or of a whole file.
    pub(crate) fn of_file(file: impl Into<PathBuf>, message: impl Into<String>) -> Self {
        Self {
            file: file.into(),
            line: 0,
            column: 0,
            key: String::new(),
            message: message.into(),
            suggestion: None,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file.display())?;
        if self.line > 0 {
            write!(f, "{}:{}:", self.line, self.column)?;
        }
        write!(f, " {}", self.message)?;
        match &self.suggestion {
            Some(suggestion) => write!(f, "; {suggestion}"),
            None => Ok(()),
        }
    }
}

/// Everything that is wrong with a configuration, in the order of the files; never empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigErrors {
    problems: Vec<Problem>,
    /// Problems found beyond [`MAX_PROBLEMS`].
    left_out: usize,
}

impl ConfigErrors {
    /// The problems, in the order of the files.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    pub(crate) fn one(problem: Problem) -> Self {
        Self { problems: vec![problem], left_out: 0 }
    }
}

impl fmt::Display for ConfigErrors {
    /// One line for each problem.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            let line_break = if index == 0 { "" } else { "\n" };
            write!(f, "{line_break}{problem}")?;
        }
        match self.left_out {
            0 => Ok(()),
            more => write!(f, "\nand {more} more; put these right first"),
        }
    }
}

/// Lines of one file in which only syntax errors are believed.
#[derive(Debug, Default)]
struct Muted {
    lines: BTreeSet<usize>,
    /// From this line on the file could not be read for what it says.
    from: Option<usize>,
}

/// Collects problems and warnings while a configuration is read.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    found: Vec<((usize, usize), Problem)>,
    warnings: Vec<((usize, usize), Problem)>,
    muted: BTreeMap<usize, Muted>,
    left_out: usize,
    /// Whether whole files could not be read.
    lost: bool,
}

impl Problems {
    /// Reports a mistake at a place in a file.
    pub(crate) fn report(
        &mut self,
        at: Location<'_>,
        key: impl Into<String>,
        message: impl Into<String>,
        suggestion: Option<String>,
    ) {
        if self.is_muted(at) {
            return;
        }
        self.push(at, key.into(), message.into(), suggestion);
    }

    /// Reports what is not TOML; other problems in the same line follow from it and are kept silent.
    pub(crate) fn report_syntax(&mut self, at: Location<'_>, message: String, rest_is_lost: bool) {
        if self.is_muted(at) {
            return;
        }
        self.push(at, String::new(), message, None);
        let muted = self.muted.entry(at.source.index).or_default();
        muted.lines.insert(at.line());
        if rest_is_lost {
            muted.from = Some(at.line());
        }
    }

    /// Reports a problem of a file as a whole.
    pub(crate) fn report_file(&mut self, index: usize, problem: Problem) {
        self.found.push(((index, 0), problem));
    }

    /// Notes what is allowed but probably not meant.
    pub(crate) fn warn(&mut self, at: Location<'_>, key: impl Into<String>, message: impl Into<String>) {
        if self.warnings.len() < MAX_PROBLEMS {
            let problem = at.problem(key.into(), message.into(), None);
            self.warnings.push(((at.source.index, at.offset), problem));
        }
    }

    /// Whether a file holds syntax errors.
    pub(crate) fn is_torn(&self, source: usize) -> bool {
        self.muted.contains_key(&source)
    }

    /// Notes that files are missing for a reason that is told.
    pub(crate) fn lose(&mut self) {
        self.lost = true;
    }

    /// Whether a part of some file could not be read, so that a name that is not found may stand there.
    pub(crate) fn lost_something(&self) -> bool {
        self.lost
            || self.muted.values().any(|muted| muted.from.is_some())
            || self.found.iter().any(|(_, p)| p.line == 0)
    }

    /// The warnings when nothing is wrong, else everything that is.
    pub(crate) fn into_result(mut self) -> Result<Vec<Problem>, ConfigErrors> {
        let in_order = |mut found: Vec<((usize, usize), Problem)>| -> Vec<Problem> {
            found.sort_by_key(|(place, _)| *place);
            found.into_iter().map(|(_, problem)| problem).collect()
        };
        if self.found.is_empty() {
            return Ok(in_order(std::mem::take(&mut self.warnings)));
        }
        Err(ConfigErrors { problems: in_order(self.found), left_out: self.left_out })
    }

    /// Whether a place was read only by guessing what a line that is not TOML means.
    pub(crate) fn is_muted(&self, at: Location<'_>) -> bool {
        self.muted.get(&at.source.index).is_some_and(|muted| {
            let line = at.line();
            muted.lines.contains(&line) || muted.from.is_some_and(|from| line >= from)
        })
    }

    fn push(&mut self, at: Location<'_>, key: String, message: String, suggestion: Option<String>) {
        if self.found.len() >= MAX_PROBLEMS {
            self.left_out += 1;
            return;
        }
        self.found.push(((at.source.index, at.offset), at.problem(key, message, suggestion)));
    }
}
