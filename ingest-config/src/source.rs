//! A configuration file's text, read within bounds, and places in it.

use std::io::Read;
use std::path::{Path, PathBuf};

use crate::problem::Problem;

/// Largest amount of configuration read, over all files, in bytes.
pub const MAX_TOTAL_BYTES: u64 = 64 * 1024 * 1024;

/// Largest secret file, in bytes.
const MAX_SECRET_BYTES: u64 = 64 * 1024;

/// One file of a configuration.
#[derive(Debug)]
pub(crate) struct Source {
    /// Its rank in the order of reading; problems are sorted by it.
    pub index: usize,
    /// As it was named by the caller or by `include`.
    pub path: PathBuf,
    /// What it holds.
    pub text: String,
    line_starts: Vec<usize>,
}

impl Source {
    /// Reads a regular file of at most `budget` bytes.
    ///
    /// # Errors
    /// A sentence without the file's name: not there, not a regular file, too large, not UTF-8.
    pub(crate) fn read(index: usize, path: &Path, budget: u64) -> Result<Self, String> {
        Ok(Self::from_text(index, path, read_text(path, budget)?))
    }

    /// A source whose text is at hand.
    pub(crate) fn from_text(index: usize, path: &Path, text: String) -> Self {
        let line_starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { index, path: path.to_path_buf(), text, line_starts }
    }

    /// The folder relative paths in this file start from.
    pub(crate) fn folder(&self) -> &Path {
        match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        }
    }

    /// A place in this file.
    pub(crate) fn at(&self, offset: usize) -> Location<'_> {
        Location { source: self, offset }
    }

    /// Line and column, both counted from 1, the column in characters.
    fn line_and_column(&self, offset: usize) -> (usize, usize) {
        let offset = offset.min(self.text.len());
        let line = self.line_starts.partition_point(|start| *start <= offset);
        let start = self.line_starts.get(line.saturating_sub(1)).copied().unwrap_or(0);
        let before = self.text.as_bytes().get(start..offset).unwrap_or_default();
        // Continuation bytes of UTF-8 do not start a character.
        let column = before.iter().filter(|byte| (**byte & 0xC0) != 0x80).count() + 1;
        (line, column)
    }
}

/// A place in a file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Location<'s> {
    /// The file.
    pub source: &'s Source,
    /// Bytes from its start.
    pub offset: usize,
}

impl Location<'_> {
    /// The line, counted from 1.
    pub(crate) fn line(self) -> usize {
        self.source.line_and_column(self.offset).0
    }

    /// A problem at this place.
    pub(crate) fn problem(self, key: String, message: String, suggestion: Option<String>) -> Problem {
        let (line, column) = self.source.line_and_column(self.offset);
        Problem { file: self.source.path.clone(), line, column, key, message, suggestion }
    }
}

impl std::fmt::Display for Location<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.source.path.display(), self.line())
    }
}

/// The text of a secret file, without the line break at its end.
///
/// # Errors
/// A sentence without the file's name or content.
pub(crate) fn read_secret(path: &Path) -> Result<String, String> {
    let mut text = read_text(path, MAX_SECRET_BYTES)?;
    text.truncate(text.trim_end_matches(['\r', '\n']).len());
    Ok(text)
}

fn read_text(path: &Path, budget: u64) -> Result<String, String> {
    // Opening a pipe waits for its writer: look first.
    let meta = std::fs::metadata(path).map_err(|e| reason(&e))?;
    if !meta.is_file() {
        return Err("is not a regular file".to_owned());
    }
    let file = std::fs::File::open(path).map_err(|e| reason(&e))?;
    let mut bytes = Vec::new();
    // A file may grow after its size was asked for.
    file.take(budget + 1).read_to_end(&mut bytes).map_err(|e| reason(&e))?;
    if bytes.len() as u64 > budget {
        return Err(format!("is larger than the {budget} bytes that may be read"));
    }
    String::from_utf8(bytes).map_err(|e| {
        let line = e.as_bytes()[..e.utf8_error().valid_up_to()].iter().filter(|b| **b == b'\n').count() + 1;
        format!("is not UTF-8 text: line {line} holds other bytes")
    })
}

fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "does not exist".to_owned(),
        std::io::ErrorKind::PermissionDenied => "may not be read by this user".to_owned(),
        _ => format!("cannot be read: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_counted_in_characters_and_lines_from_one() {
        let source = Source::from_text(0, Path::new("x.toml"), "a = 1\n名 = 'é' # x\n".to_owned());
        assert_eq!(source.line_and_column(0), (1, 1));
        assert_eq!(source.line_and_column(6), (2, 1));
        assert_eq!(source.line_and_column(source.text.find('#').unwrap()), (2, 9));
        assert_eq!(source.line_and_column(10_000), (3, 1));
    }
}
