//! What is wrong with a manifest, all of it, with lines.

use super::{FILE_NAME, MAX_MANIFEST_BYTES};
use std::fmt;
use std::path::PathBuf;

/// One thing wrong with a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Line, counted from one.
    pub line: usize,
    /// What is wrong and how to put it right.
    pub message: String,
}

/// Why a manifest is refused.
#[derive(Debug)]
pub enum ManifestError {
    /// It cannot be read.
    Unreadable {
        /// The manifest.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is longer than any manifest.
    TooLarge {
        /// The manifest.
        path: PathBuf,
    },
    /// It is wrong; all of it.
    Invalid {
        /// The manifest.
        path: PathBuf,
        /// In order of lines, never empty.
        problems: Vec<Problem>,
    },
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { path, source } => {
                write!(f, "{}: {source}; a model is a folder that holds {FILE_NAME}", path.display())
            }
            Self::TooLarge { path } => {
                write!(f, "{}: longer than {MAX_MANIFEST_BYTES} bytes, which no manifest is", path.display())
            }
            Self::Invalid { path, problems } => {
                for (number, problem) in problems.iter().enumerate() {
                    let end = if number == 0 { "" } else { "\n" };
                    write!(f, "{end}{}:{}: {}", path.display(), problem.line, problem.message)?;
                }
                Ok(())
            }
        }
    }
}

impl std::error::Error for ManifestError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unreadable { source, .. } => Some(source),
            _ => None,
        }
    }
}
