//! Where the log's Parquet files lie.

use super::LOG_FOLDER;
use citybrain_ingest_config::City;
use object_store::local::LocalFileSystem;
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStore, parse_url_opts};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use url::Url;

/// An address that is no object store.
#[derive(Debug, thiserror::Error)]
#[error("the detection log cannot be kept at {address}: {problem}")]
pub struct StoreAddressError {
    address: String,
    problem: String,
}

/// An object store, and the folder in it.
#[derive(Debug, Clone)]
pub struct LogStore {
    pub(super) objects: Arc<dyn ObjectStore>,
    pub(super) prefix: ObjectPath,
    /// The folder, where it is one of this machine.
    pub(super) folder: Option<PathBuf>,
}

impl LogStore {
    /// A folder of this machine; made when missing.
    ///
    /// # Errors
    /// [`StoreAddressError`] when it cannot be made.
    pub fn folder(folder: &Path) -> Result<Self, StoreAddressError> {
        let error = |problem: String| StoreAddressError { address: folder.display().to_string(), problem };
        std::fs::create_dir_all(folder).map_err(|problem| error(problem.to_string()))?;
        let objects =
            LocalFileSystem::new_with_prefix(folder).map_err(|problem| error(problem.to_string()))?;
        Ok(Self {
            objects: Arc::new(objects),
            prefix: ObjectPath::default(),
            folder: Some(folder.to_owned()),
        })
    }

    /// What lies at an address, for instance `s3://bucket/folder`. Keys, region and endpoint come from the environment
    /// (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`, `AWS_ENDPOINT`, `AWS_ALLOW_HTTP`).
    ///
    /// # Errors
    /// [`StoreAddressError`] when the address is of no store that this program knows.
    pub fn at(address: &Url) -> Result<Self, StoreAddressError> {
        if let Some(path) = (address.scheme() == "file").then(|| address.to_file_path().ok()).flatten() {
            return Self::folder(&path);
        }
        let settings = std::env::vars().filter(|(name, _)| name.starts_with("AWS_"));
        let settings = settings.map(|(name, value)| (name.to_ascii_lowercase(), value));
        let (objects, prefix) = parse_url_opts(address, settings).map_err(|problem| StoreAddressError {
            address: address.to_string(),
            problem: problem.to_string(),
        })?;
        Ok(Self { objects: Arc::from(objects), prefix, folder: None })
    }

    /// Where a city's log is kept.
    ///
    /// # Errors
    /// As [`LogStore::at`] and [`LogStore::folder`].
    pub fn of(city: &City) -> Result<Self, StoreAddressError> {
        match &city.log.url {
            Some(url) => Self::at(url),
            None => Self::folder(&city.site.data_dir.join(LOG_FOLDER)),
        }
    }

    /// The folders of this machine that hold a city's log, in the order in which they are to be read: first what has
    /// become Parquet, where that is not in a store elsewhere, then what has not yet.
    #[must_use]
    pub fn folders(city: &City) -> Vec<PathBuf> {
        let url = city.log.url.as_ref().filter(|url| url.scheme() == "file");
        let own = city.site.data_dir.join(LOG_FOLDER);
        let stored = url.and_then(|url| url.to_file_path().ok()).filter(|stored| *stored != own);
        stored.into_iter().chain([own]).filter(|folder| folder.is_dir()).collect()
    }

    /// Whether it is a folder of this machine, and that one.
    pub(super) fn is_at(&self, folder: &Path) -> bool {
        let own = self.folder.as_ref().and_then(|own| own.canonicalize().ok());
        own.is_some() && own == folder.canonicalize().ok()
    }

    /// The path of a partition's file.
    pub(super) fn path(&self, day: &str, district: &str, stem: &str) -> ObjectPath {
        let own =
            [format!("day={day}"), format!("district={district}"), format!("{stem}.{}", super::PARQUET)];
        own.into_iter().fold(self.prefix.clone(), |path, part| path.join(part))
    }
}
