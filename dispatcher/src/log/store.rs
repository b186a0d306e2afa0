//! Where the log's Parquet files lie.

use super::LOG_FOLDER;
use citybrain_ingest_config::City;
use citybrain_ingest_config::resolved::LogSettings;
use futures::StreamExt;
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::path::Path as ObjectPath;
use object_store::{BackoffConfig, ClientOptions, Error, ObjectStore, ObjectStoreExt, RetryConfig};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// A connection that is not there after this is none.
const CONNECT: Duration = Duration::from_secs(5);
/// Longest request: one file of a few tens of megabytes over a slow line.
const REQUEST: Duration = Duration::from_secs(120);
/// What is tried again at once; whoever keeps the log tries again later in any case.
const RETRIES: usize = 2;
/// Nothing is tried again after this.
const RETRY_WITHIN: Duration = Duration::from_secs(20);
/// Name of the object by which is tried whether a store takes and gives up objects.
const PROBE: &str = ".citybrain-doctor";

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

    /// What lies at an address, for instance `s3://bucket/folder`; `settings` are what the environment says of it.
    fn at(address: &Url, settings: &LogSettings) -> Result<Self, StoreAddressError> {
        if let Some(path) = (address.scheme() == "file").then(|| address.to_file_path().ok()).flatten() {
            return Self::folder(&path);
        }
        let error = |problem: String| StoreAddressError { address: address.to_string(), problem };
        let client = ClientOptions::new().with_connect_timeout(CONNECT).with_timeout(REQUEST);
        let retry = RetryConfig {
            backoff: BackoffConfig::default(),
            max_retries: RETRIES,
            retry_timeout: RETRY_WITHIN,
        };
        let mut builder = AmazonS3Builder::new().with_url(address.as_str()).with_client_options(client);
        for (name, value) in &settings.s3 {
            let key =
                name.to_ascii_lowercase().parse().map_err(|problem: Error| error(problem.to_string()))?;
            builder = builder.with_config(key, &value.0);
        }
        let objects = builder.with_retry(retry).build().map_err(|problem| error(problem.to_string()))?;
        let prefix =
            ObjectPath::from_url_path(address.path()).map_err(|problem| error(problem.to_string()))?;
        Ok(Self { objects: Arc::new(objects), prefix, folder: None })
    }

    /// Where a city's log is kept.
    ///
    /// # Errors
    /// [`StoreAddressError`] when a folder cannot be made, or the address is of no store that this program knows.
    pub fn of(city: &City) -> Result<Self, StoreAddressError> {
        match &city.log.url {
            Some(url) => Self::at(url, &city.log),
            None => Self::folder(&city.site.data_dir.join(LOG_FOLDER)),
        }
    }

    /// The folders of this machine that hold a city's log, in the order in which they are to be read: first what has
    /// become Parquet in a folder elsewhere, then the data folder, with what was brought there from a store.
    #[must_use]
    pub fn folders(city: &City) -> Vec<PathBuf> {
        let url = city.log.url.as_ref().filter(|url| url.scheme() == "file");
        let own = city.site.data_dir.join(LOG_FOLDER);
        let stored = url.and_then(|url| url.to_file_path().ok()).filter(|stored| *stored != own);
        stored.into_iter().chain([own]).filter(|folder| folder.is_dir()).collect()
    }

    /// Whether the store lists, takes and gives up objects; what is in it stays as it is.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub async fn probe(&self) -> Result<(), String> {
        let path = self.prefix.clone().join(PROBE);
        let said = |error: Error| said(&error);
        if let Some(listed) = self.objects.list(self.below()).next().await {
            listed.map_err(said)?;
        }
        self.objects.put(&path, PROBE.as_bytes().to_vec().into()).await.map_err(said)?;
        self.objects.delete(&path).await.map_err(said)
    }

    /// What is listed of the store.
    pub(super) fn below(&self) -> Option<&ObjectPath> {
        (!self.prefix.as_ref().is_empty()).then_some(&self.prefix)
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

const KEYS_REFUSED: &str = "the keys are refused: see AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";

/// What a store means by an error. Its own words are long, and name who asked: the reason stands first, for a person.
pub(super) fn said(error: &Error) -> String {
    let words = error.to_string();
    let refused = ["SignatureDoesNotMatch", "InvalidAccessKeyId"].iter().any(|code| words.contains(code));
    let reason = match error {
        _ if words.contains("NoSuchBucket") => "there is no such bucket: make it, or mend dispatch.log_url",
        // Which of the two is wrong, some stores do not tell.
        _ if refused => KEYS_REFUSED,
        Error::Unauthenticated { .. } => KEYS_REFUSED,
        Error::PermissionDenied { .. } => "these keys may not do this in the bucket",
        Error::NotFound { .. } => "it is not there: see the bucket and folder in dispatch.log_url",
        _ => return without_answer(&words),
    };
    reason.to_owned()
}

/// A store's words up to the body of its answer, on one line.
fn without_answer(words: &str) -> String {
    let head = words.split("<?xml").next().unwrap_or(words);
    head.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(500).collect()
}
