//! From files to a city in force, or to everything that is wrong with them.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::document::{document, includes};
use crate::include::included;
use crate::problem::{ConfigErrors, Problem, Problems};
use crate::resolved::City;
use crate::row::Document;
use crate::source::{MAX_TOTAL_BYTES, Source};
use crate::validate::{Context, Environment, validate};

/// Name of the file in a folder.
pub const FILE_NAME: &str = "citybrain.toml";

/// A city that may run.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The city.
    pub city: City,
    /// What is allowed but probably not meant.
    pub warnings: Vec<Problem>,
}

/// Reads a configuration: a file, or a folder with a `citybrain.toml`. Secrets come from this process's environment.
///
/// Reads files and nothing else; no network, no clock. 64 MiB in all are read at most.
///
/// # Errors
/// Every mistake in all files at once.
pub fn load(path: impl AsRef<Path>) -> Result<Loaded, ConfigErrors> {
    load_with(path.as_ref(), &|name| std::env::var(name).ok())
}

/// [`load`] with an environment of the caller's.
///
/// # Errors
/// Every mistake in all files at once.
pub fn load_with(path: &Path, environment: Environment<'_>) -> Result<Loaded, ConfigErrors> {
    load_replaced(path, environment, None)
}

/// [`load_with`] as if one of the files held another text.
pub(crate) fn load_replaced(
    path: &Path,
    environment: Environment<'_>,
    replaced: Option<(&Path, &str)>,
) -> Result<Loaded, ConfigErrors> {
    let path = if path.is_dir() { path.join(FILE_NAME) } else { path.to_path_buf() };
    let first = Source::read(0, &path, MAX_TOTAL_BYTES).map_err(|reason| unreadable(&path, reason))?;
    resolve(as_replaced(first, replaced), environment, replaced)
}

/// The source with the text that takes the place of its own, where one does.
fn as_replaced(source: Source, replaced: Option<(&Path, &str)>) -> Source {
    match replaced {
        Some((file, text)) if file == source.path => {
            Source::from_text(source.index, &source.path, text.to_owned())
        }
        _ => source,
    }
}

fn unreadable(path: &PathBuf, reason: String) -> ConfigErrors {
    ConfigErrors::one(Problem::of_file(path, reason))
}

fn resolve(
    first: Source,
    environment: Environment<'_>,
    replaced: Option<(&Path, &str)>,
) -> Result<Loaded, ConfigErrors> {
    let first = &first;
    let mut problems = Problems::default();
    let first_document = document(first, &mut problems);
    if first_document.dropped.contains("include") {
        problems.lose();
    }
    let more = included(first, &includes(&first_document), &mut problems);
    let more: Vec<Source> = more.into_iter().map(|source| as_replaced(source, replaced)).collect();
    let mut documents: Vec<Document<'_>> = vec![first_document];
    documents.extend(more.iter().map(|source| document(source, &mut problems)));

    let mut context = Context { problems, environment, fingerprint: Sha256::new() };
    for source in std::iter::once(first).chain(&more) {
        context.mix(source.path.file_name().unwrap_or_default().as_encoded_bytes());
        context.mix(source.text.as_bytes());
    }
    let resolved = validate(&documents, &mut context);
    let mut problems = context.problems;
    if let Some((city, origins)) = &resolved {
        crate::warnings::warn(city, origins, &mut problems);
    }
    let warnings = problems.into_result()?;
    match resolved {
        Some((city, _)) => Ok(Loaded { city, warnings }),
        // Nothing is left out without a problem; should it, no half city may run.
        None => Err(unreadable(&first.path, "could not be resolved".to_owned())),
    }
}
