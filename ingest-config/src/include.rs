//! `include`: more files beside the first.

use std::path::{Path, PathBuf};

use glob::{MatchOptions, Pattern};

use crate::problem::{Problem, Problems};
use crate::source::{MAX_TOTAL_BYTES, Source};

/// More files than a city has cameras, were each in a file of its own.
const MAX_FILES: usize = 200_000;

/// Reads the files that `patterns` of the first file name, within what is left of the byte budget.
pub(crate) fn included(first: &Source, patterns: &[(String, usize)], problems: &mut Problems) -> Vec<Source> {
    let mut sources: Vec<Source> = Vec::new();
    let mut budget = MAX_TOTAL_BYTES.saturating_sub(first.text.len() as u64);
    let mut seen = std::collections::BTreeSet::from([first.path.clone()]);
    for (pattern, offset) in patterns {
        let at = first.at(*offset);
        let paths = match paths(first.folder(), pattern) {
            Ok(paths) => paths,
            Err(fault) => {
                problems.lose();
                problems.report(at, "include", format!("'include' cannot be followed: {fault}"), None);
                continue;
            }
        };
        if paths.is_empty() {
            problems.warn(at, "include", "no file matches this pattern");
        }
        for path in paths {
            // Two patterns may name a file; it is read once.
            if !seen.insert(path.clone()) {
                continue;
            }
            let index = sources.len() + 1;
            if index > MAX_FILES {
                problems.report(at, "include", format!("'include' names more than {MAX_FILES} files"), None);
                return sources;
            }
            match Source::read(index, &path, budget) {
                Ok(source) => {
                    budget = budget.saturating_sub(source.text.len() as u64);
                    sources.push(source);
                }
                Err(reason) => problems.report_file(index, Problem::of_file(path, reason)),
            }
        }
    }
    sources
}

/// The files a pattern names, in the order of their names.
fn paths(folder: &Path, pattern: &str) -> Result<Vec<PathBuf>, String> {
    let (parent, name) = pattern.rsplit_once('/').unwrap_or(("", pattern));
    if parent.contains(['*', '?', '[']) || name.contains("**") {
        return Err("'*' and '?' may stand in the last part of a path only".to_owned());
    }
    let path = joined(folder, pattern);
    if !name.contains(['*', '?', '[']) {
        // A name without wildcards is a file that must be there, or a folder.
        return if path.is_dir() { matching(&path, "*.toml") } else { Ok(vec![path]) };
    }
    matching(&joined(folder, parent), name)
}

/// The path as it is shown: without a `./` in front.
fn joined(folder: &Path, path: &str) -> PathBuf {
    if folder == Path::new(".") && !path.is_empty() { PathBuf::from(path) } else { folder.join(path) }
}

fn matching(folder: &Path, pattern: &str) -> Result<Vec<PathBuf>, String> {
    let options = MatchOptions { require_literal_leading_dot: true, ..MatchOptions::new() };
    let pattern = Pattern::new(pattern).map_err(|error| format!("the pattern is wrong: {}", error.msg))?;
    let entries = std::fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| format!("{}: {error}", folder.display()))?.path();
        let is_match =
            path.file_name().and_then(|name| name.to_str()).is_some_and(|n| pattern.matches_with(n, options));
        if is_match && path.is_file() {
            paths.push(path);
        }
        if paths.len() > MAX_FILES {
            return Err(format!("{} holds more than {MAX_FILES} files", folder.display()));
        }
    }
    paths.sort();
    Ok(paths)
}
