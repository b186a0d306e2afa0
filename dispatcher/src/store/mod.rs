//! What must survive a crash: cases, their trail, the outbox, open incidents and how far each camera was judged.
//!
//! Design decision: only this folder knows SQL, and it speaks in the house's types, so that the stages do not notice
//! which database it is. A [`Commit`] is one transaction: a case change and its deliveries are written together or not
//! at all. One connection writes, a small pool reads.
//!
//! Design decision: the same statements run on SQLite, the default, and on PostgreSQL; both are proven by the same
//! tests. What keeps them the same:
//!
//! - `sqlx::any`: pools are `Pool`, which statements run on as on sqlx's, a connection or transaction to write through is `&mut AnyConnection`, a row is
//!   `AnyRow` (in place of `SqlitePool`, `SqliteConnection` and `SqliteRow`).
//! - A transaction that writes begins with [`Store::begin`], which is `BEGIN IMMEDIATE` in SQLite.
//! - Placeholders are numbered, `$1`; one value that is used twice is bound once.
//! - Columns are TEXT or BIGINT; what is bound and read is `&str`, `String`, `i64` or an `Option` of them, never
//!   `bool`, `u32` or `Arc<str>`. Text a person has sent goes through [`storable`]: PostgreSQL takes no NUL.
//! - `ON CONFLICT`, `RETURNING` and comparisons of rows are the same in both.
//!
//! SQLite runs in WAL mode with `synchronous=FULL` and PostgreSQL with `synchronous_commit=on`: what was committed is
//! on disk.

mod answers;
mod audit;
mod batch;
mod body;
mod cases;
mod commit;
mod connect;
mod deliveries;
mod filter;
mod identities;
mod migrations;
mod people;
mod policies;
mod pool;
mod probe;
mod silences;
mod verdicts;

pub use answers::Answer;
pub use cases::MAX_APPRAISED;
pub use commit::{CaseWrite, Commit, Watermark};
pub use connect::InUse;
pub use deliveries::{Attempt, OutboxRow, Record, Replay};
pub use filter::{
    BadCursor, CaseFilter, CasePage, Cursor, DeliveryFilter, DeliveryPage, MAX_PAGE, PageRequest,
};
pub use people::UserChange;
pub use policies::{MAX_DIFFERENCES, PolicyWrite};
pub use probe::Probe;
pub use verdicts::{MAX_CANDIDATES, Reviewed};

use citybrain_ingest_config::resolved::{CaseStore, Database};
use pool::Pool;
use sqlx::{Any, Transaction};
use std::borrow::Cow;
use std::path::Path;

/// Name of the database file below the data folder.
pub const DATABASE_FILE: &str = "citybrain.db";

/// Which database it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// An SQLite file.
    Sqlite,
    /// A PostgreSQL server.
    Postgres,
}

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be opened, read or written.
    #[error(
        "the case store does not answer: {0}; check that the server runs, or that its disk is mounted, writable and not full"
    )]
    Unavailable(#[from] sqlx::Error),
    /// The database was written by a newer program, or a migration failed.
    #[error("the case store at {place} cannot be brought to this program's schema: {source}")]
    Migration {
        /// The database file or address, without credentials.
        place: String,
        /// What went wrong.
        source: sqlx::migrate::MigrateError,
    },
    /// Another process writes this city's cases.
    #[error("{0}; stop that one first, or give this city a database of its own")]
    InUse(#[from] connect::InUse),
    /// A row does not hold what this program writes.
    #[error("the case store holds a damaged row in {table}, key {key}: {problem}")]
    Damaged {
        /// The table.
        table: &'static str,
        /// The row's key.
        key: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Somebody else changed the case in the meantime.
    #[error("case {0} was changed by somebody else in the meantime; read it again")]
    Conflict(citybrain_types::CaseId),
    /// A request with the same idempotency key was answered in the meantime.
    #[error("a request with the same idempotency key was answered in the meantime")]
    KeyInUse,
}

impl StoreError {
    /// The reason's name, as in metric labels and log fields.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "unavailable",
            Self::Migration { .. } => "migration",
            Self::InUse(_) => "in_use",
            Self::Damaged { .. } => "damaged",
            Self::Conflict(_) => "conflict",
            Self::KeyInUse => "key_in_use",
        }
    }
}

/// The case store. Cloning it clones a handle.
#[derive(Debug, Clone)]
pub struct Store {
    writer: Pool,
    readers: Pool,
    engine: Engine,
}

impl Store {
    /// Opens the SQLite file below `data_dir`, making it when there is none, and brings it to this program's schema.
    ///
    /// # Errors
    /// As [`Store::open_configured`].
    pub async fn open(data_dir: &Path) -> Result<Self, StoreError> {
        Self::open_configured(&CaseStore::default(), data_dir).await
    }

    /// Opens the database that the configuration names, a file below `data_dir` or a server, and brings it to this
    /// program's schema.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it cannot be opened, [`StoreError::InUse`] when another process writes to the
    /// same PostgreSQL database, [`StoreError::Migration`] when its schema is newer than this program's or a migration
    /// fails.
    pub async fn open_configured(config: &CaseStore, data_dir: &Path) -> Result<Self, StoreError> {
        let way = way(config, data_dir)?;
        way.prepare().await?;
        let (writer, readers) = way.pools(connect::Role::Writer, config.readers).await?;
        Ok(Self { writer, readers, engine: way.engine })
    }

    /// Opens the database beside the process that writes its cases, for a command that changes single rows of other
    /// tables, such as users. Nothing keeps two such commands apart but the statements themselves.
    ///
    /// # Errors
    /// As [`Store::open_configured`], but never [`StoreError::InUse`].
    pub async fn open_beside(config: &CaseStore, data_dir: &Path) -> Result<Self, StoreError> {
        let way = way(config, data_dir)?;
        match way.prepare().await {
            // Whoever has it in use has brought it to its schema.
            Ok(()) | Err(StoreError::InUse(_)) => {}
            Err(error) => return Err(error),
        }
        let (writer, readers) = way.pools(connect::Role::Guest, 1).await?;
        Ok(Self { writer, readers, engine: way.engine })
    }

    /// Which database it is.
    #[must_use]
    pub const fn engine(&self) -> Engine {
        self.engine
    }

    /// A transaction that writes; dropped, it leaves nothing behind.
    async fn begin(&self) -> Result<Transaction<'static, Any>, StoreError> {
        let begin = match self.engine {
            // Otherwise two could read first, and the second to write would fail.
            Engine::Sqlite => "BEGIN IMMEDIATE",
            Engine::Postgres => "BEGIN",
        };
        Ok(self.writer.begin_with(begin).await?)
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT 1").execute(&self.readers).await?;
        Ok(())
    }

    /// Closes every connection; what was committed stays.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

fn way(config: &CaseStore, data_dir: &Path) -> Result<connect::Way, StoreError> {
    match &config.database {
        Database::Sqlite => connect::Way::sqlite(&data_dir.join(DATABASE_FILE)),
        Database::Postgres { url, credentials } => {
            connect::Way::postgres(url, credentials.as_ref(), config.statement_timeout)
        }
    }
}

/// A text as both databases take it: PostgreSQL has no NUL.
fn storable(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{fffd}")) } else { Cow::Borrowed(text) }
}

fn damaged(table: &'static str, key: &str) -> impl FnOnce(String) -> StoreError {
    let key = key.to_owned();
    move |problem| StoreError::Damaged { table, key, problem }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_commit_waits_until_it_is_on_disk_and_readers_cannot_write() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).await.unwrap();
        let pragma = async |name: &'static str| -> String {
            let row = sqlx::query(name).fetch_one(&store.writer).await.unwrap();
            sqlx::Row::try_get::<String, _>(&row, 0)
                .unwrap_or_else(|_| sqlx::Row::try_get::<i64, _>(&row, 0).unwrap().to_string())
        };
        assert_eq!(pragma("PRAGMA journal_mode").await, "wal");
        assert_eq!(pragma("PRAGMA synchronous").await, "2", "FULL");
        assert_eq!(pragma("PRAGMA foreign_keys").await, "1");
        assert!(sqlx::query("DELETE FROM cases").execute(&store.readers).await.is_err());
    }
}
