//! What must survive a crash: cases, their trail, the outbox, open incidents and how far each camera was judged.
//!
//! Design decision: only this folder knows SQL, and it speaks in the house's types, so that PostgreSQL can be
//! put beside SQLite without the stages noticing. A [`Commit`] is one transaction: a case change and its
//! deliveries are written together or not at all. SQLite runs in WAL mode with `synchronous=FULL`: what was
//! committed is on disk. One connection writes, a small pool reads.

mod answers;
mod audit;
mod cases;
mod commit;
mod deliveries;
mod filter;
mod migrations;
mod people;
mod policies;
mod silences;
mod verdicts;

pub use answers::Answer;
pub use cases::MAX_APPRAISED;
pub use commit::{CaseWrite, Commit, Watermark};
pub use deliveries::{Attempt, OutboxRow, Record, Replay};
pub use filter::{
    BadCursor, CaseFilter, CasePage, Cursor, DeliveryFilter, DeliveryPage, MAX_PAGE, PageRequest,
};
pub use people::UserChange;
pub use policies::{MAX_DIFFERENCES, PolicyWrite};
pub use verdicts::{MAX_CANDIDATES, Reviewed};

use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Name of the database file below the data folder.
pub const DATABASE_FILE: &str = "citybrain.db";

/// Readers at once: the API's and the console's pages; more would only wait for the same two cores.
const READERS: u32 = 4;

/// A writer waits this long for the file, for instance while a backup holds it.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be opened, read or written.
    #[error("the case store does not answer: {0}; check that its disk is mounted, writable and not full")]
    Unavailable(#[from] sqlx::Error),
    /// The database was written by a newer program, or a migration failed.
    #[error("the case store at {path} cannot be brought to this program's schema: {source}")]
    Migration {
        /// The database file.
        path: PathBuf,
        /// What went wrong.
        source: sqlx::migrate::MigrateError,
    },
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
            Self::Damaged { .. } => "damaged",
            Self::Conflict(_) => "conflict",
            Self::KeyInUse => "key_in_use",
        }
    }
}

/// The case store. Cloning it clones a handle.
#[derive(Debug, Clone)]
pub struct Store {
    writer: SqlitePool,
    readers: SqlitePool,
}

impl Store {
    /// Opens the database below `data_dir`, making it when there is none, and brings it to this program's schema.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the file cannot be opened, [`StoreError::Migration`] when its schema is
    /// newer than this program's or a migration fails.
    pub async fn open(data_dir: &Path) -> Result<Self, StoreError> {
        let path = data_dir.join(DATABASE_FILE);
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT)
            .thread_name(|id| format!("case-store-{id}"));
        let writer = SqlitePoolOptions::new().max_connections(1).connect_with(options.clone()).await?;
        migrations::run(&writer).await.map_err(|source| StoreError::Migration { path, source })?;
        let readers =
            SqlitePoolOptions::new().max_connections(READERS).connect_with(options.read_only(true)).await?;
        Ok(Self { writer, readers })
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
