//! Users, sessions, tokens, and the log of what they did.
//!
//! Design decision: nobody is believed. A request passes one gate ([`gate`]) that finds out who asks, from a session cookie
//! or a token, and compares with one table of routes; what is not in the table is refused. What a request did is noted while
//! it is answered and written into a chained log ([`audit`]) before the answer goes out. Names in trails come from the gate,
//! never from a form. Of every secret only a hash is stored.

mod actor;
pub mod audit;
pub mod gate;
mod metrics;
pub mod oidc;
pub mod password;
mod picture_links;
pub mod role;
mod seal;
mod secret;
mod sessions;
mod set_up;
mod throttle;
mod tokens;
mod users;
mod why;

pub use actor::{Actor, Way, current, note};
pub use role::{Permission, Permissions, Role};
pub use seal::Seal;
pub use secret::{NoRandom, one_time_password};
pub use set_up::SET_UP_FILE;
pub use tokens::NewToken;
pub use why::Why;

pub(crate) use metrics::PeopleMetrics;
pub use picture_links::Shut;
pub(crate) use picture_links::{PictureLinks, opens};

use crate::api::Problem;
use crate::store::{Store, StoreError};
use audit::{AuditRow, Entry, Head, HeadFile, Verdict, Verifier};
use axum::http::StatusCode;
use citybrain_ingest_config::resolved::CaseStore;
use citybrain_types::{Clock, Timestamp};
use password::Hasher;
use schemars::JsonSchema;
use serde::Serialize;
use set_up::SetUp;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use throttle::Throttle;
use tokio::sync::{Mutex, OnceCell};

/// So many times a row of the audit log is written anew because another process was quicker.
const APPEND_TRIES: u32 = 64;
/// Rows of the audit log read at once while it is verified.
const VERIFY_PAGE: u32 = 1_000;

/// A user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct User {
    /// The user's id.
    pub id: String,
    /// The name he signs in and acts by.
    pub name: String,
    /// What he may do.
    pub role: Role,
    /// He may not come in.
    pub disabled: bool,
    /// He signs in by the provider, and has no password.
    pub outside: bool,
    /// Since when.
    pub created_at: Timestamp,
    /// When role, password or this was changed last.
    pub changed_at: Timestamp,
}

/// A session; what its cookie holds is not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// SHA-256 of its id.
    pub id_hash: String,
    /// Whose.
    pub user: User,
    /// When he signed in.
    pub created_at: Timestamp,
    /// When it was used last, to the minute.
    pub seen_at: Timestamp,
    /// When it is over.
    pub expires_at: Timestamp,
    /// From which address he signed in.
    pub address: String,
    /// With what program.
    pub agent: String,
}

/// A token; its text is not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Its id.
    pub id: String,
    /// Whose.
    pub user: User,
    /// What its owner calls it.
    pub name: String,
    /// What it may do, as far as its owner may.
    pub scopes: Permissions,
    /// Since when.
    pub created_at: Timestamp,
    /// When it is over.
    pub expires_at: Timestamp,
    /// When it was used last, to the minute.
    pub used_at: Option<Timestamp>,
}

/// Why something about people was not done.
#[derive(Debug, thiserror::Error)]
pub enum PeopleError {
    /// What was asked for is refused, and why.
    #[error("{0}")]
    Refused(Why),
    /// Name and password do not belong together, or the user may not come in: nobody is told which.
    #[error("name or password is wrong")]
    Wrong,
    /// Too many attempts have failed.
    #[error("too many attempts have failed; wait {} s", .0.as_secs().max(1))]
    Wait(Duration),
    /// Too many passwords are being looked at.
    #[error("too many people sign in at once; try again in a moment")]
    Busy,
    /// Whoever asks may not.
    #[error("{0}")]
    Forbidden(&'static str),
    /// There is nothing of that id.
    #[error("there is no such {0}")]
    Unknown(&'static str),
    /// The name is taken.
    #[error("there is a user of that name already")]
    Taken,
    /// There are no random bytes.
    #[error(transparent)]
    NoRandom(#[from] NoRandom),
    /// The store did not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<PeopleError> for Problem {
    fn from(error: PeopleError) -> Self {
        let status = match &error {
            PeopleError::Refused(why) => why.status(),
            PeopleError::Wrong => StatusCode::UNAUTHORIZED,
            PeopleError::Wait(_) => StatusCode::TOO_MANY_REQUESTS,
            PeopleError::Busy | PeopleError::NoRandom(_) => StatusCode::SERVICE_UNAVAILABLE,
            PeopleError::Forbidden(_) => StatusCode::FORBIDDEN,
            PeopleError::Unknown(_) => StatusCode::NOT_FOUND,
            PeopleError::Taken => StatusCode::CONFLICT,
            PeopleError::Store(_) => {
                let PeopleError::Store(error) = error else { return Self::invalid(error.to_string()) };
                return error.into();
            }
        };
        Self::new(status, error.to_string())
    }
}

/// What may be asked and told of people; cloning it clones a handle.
#[derive(Clone)]
pub struct People(Arc<Inner>);

struct Inner {
    store: Store,
    clock: Arc<dyn Clock>,
    metrics: PeopleMetrics,
    hasher: Hasher,
    throttle: Throttle,
    head_file: HeadFile,
    /// Held while a row is appended, so that this process does not race itself.
    appending: Mutex<()>,
    /// Held while users are changed, so that the last admin stays one.
    changing: Mutex<()>,
    set_up: Mutex<Option<SetUp>>,
    outside: oidc::Outside,
    seal: OnceCell<Seal>,
}

impl std::fmt::Debug for People {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("People").finish_non_exhaustive()
    }
}

impl People {
    /// Over a store; `data_dir` takes the files that stand beside it.
    ///
    /// # Errors
    /// [`PeopleError::NoRandom`] when the system has no random bytes.
    pub(crate) fn new(
        store: Store,
        data_dir: &Path,
        clock: Arc<dyn Clock>,
        metrics: PeopleMetrics,
    ) -> Result<Self, PeopleError> {
        Ok(Self(Arc::new(Inner {
            store,
            clock,
            metrics,
            hasher: Hasher::new()?,
            throttle: Throttle::default(),
            head_file: HeadFile::below(data_dir),
            appending: Mutex::new(()),
            changing: Mutex::new(()),
            set_up: Mutex::new(None),
            outside: oidc::Outside::default(),
            seal: OnceCell::new(),
        })))
    }

    /// Over the store that the configuration names, for a command that changes users while nothing else runs, or beside what runs.
    ///
    /// # Errors
    /// [`PeopleError`] when the store cannot be opened.
    pub async fn open(
        config: &CaseStore,
        data_dir: &Path,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, PeopleError> {
        let store = Store::open_beside(config, data_dir).await?;
        Self::new(store, data_dir, clock, PeopleMetrics::default())
    }

    /// Closes the store, where [`People::open`] has opened it.
    pub async fn close(&self) {
        self.0.store.close().await;
    }

    fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// Writes into the audit log what was done by something that is no request. One that cannot be written is counted and
    /// logged.
    pub async fn record(&self, by: &str, event: &str, subject: &str, detail: &str) {
        let entry = Entry {
            at: self.now(),
            by: by.to_owned(),
            address: String::new(),
            event: event.to_owned(),
            subject: subject.to_owned(),
            detail: detail.to_owned(),
        };
        // It is counted and logged where it fails.
        let _ = self.append(&entry).await;
    }

    /// Appends a row to the audit log.
    async fn append(&self, entry: &Entry) -> Result<AuditRow, StoreError> {
        let appended = self.try_append(entry).await;
        self.0.metrics.audited(appended.is_ok());
        if let Err(error) = &appended {
            tracing::error!(%error, event = entry.event, by = entry.by, "not written into the audit log");
        }
        appended
    }

    async fn try_append(&self, entry: &Entry) -> Result<AuditRow, StoreError> {
        let _alone = self.0.appending.lock().await;
        for _ in 0..APPEND_TRIES {
            let row = AuditRow::after(&self.0.store.audit_head().await?, entry);
            if self.0.store.append_audit(&row).await? {
                self.0.head_file.write(&row.head()).await;
                return Ok(row);
            }
        }
        Err(StoreError::KeyInUse)
    }

    /// Rows of the audit log with a number below `before`, newest first.
    ///
    /// # Errors
    /// [`PeopleError::Store`] when the store does not answer.
    pub async fn audit(&self, before: Option<u64>, limit: u32) -> Result<Vec<AuditRow>, PeopleError> {
        Ok(self.0.store.audit_before(before.unwrap_or(u64::MAX), limit).await?)
    }

    /// The newest row's number and hash.
    ///
    /// # Errors
    /// [`PeopleError::Store`] when the store does not answer.
    pub async fn audit_head(&self) -> Result<Head, PeopleError> {
        Ok(self.0.store.audit_head().await?)
    }

    /// Follows the whole chain. `expected` is a head that was noted elsewhere, and has to be met on the way; the one that
    /// is remembered below the data folder is, too.
    ///
    /// # Errors
    /// [`PeopleError::Store`] when the store does not answer.
    pub async fn verify_audit(&self, expected: Option<Head>) -> Result<Verdict, PeopleError> {
        let remembered = self.0.head_file.read().await;
        let mut verifier = Verifier::new(expected.into_iter().chain(remembered).collect());
        let mut after = 0;
        while verifier.goes_on() {
            let page = self.0.store.audit_after(after, VERIFY_PAGE).await?;
            let Some(last) = page.last() else { break };
            after = last.seq;
            page.iter().for_each(|row| verifier.take(row));
        }
        Ok(verifier.verdict())
    }
}
