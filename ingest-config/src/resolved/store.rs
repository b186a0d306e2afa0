//! Where cases are kept.

use super::Credentials;
use std::time::Duration;
use url::Url;

/// Where cases are kept, and how it is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct CaseStore {
    /// The database.
    pub database: Database,
    /// Connections that read at once; one more writes.
    pub readers: u32,
    /// How long PostgreSQL works on one statement.
    pub statement_timeout: Duration,
}

/// The database that holds the cases.
#[derive(Debug, Clone, PartialEq)]
pub enum Database {
    /// An SQLite file in the data folder.
    Sqlite,
    /// A PostgreSQL server.
    Postgres {
        /// `postgres://host:port/database?…`, without credentials: it may be shown.
        url: Url,
        /// Who this program is to the server.
        credentials: Option<Credentials>,
    },
}

impl Default for CaseStore {
    fn default() -> Self {
        Self { database: Database::Sqlite, readers: 4, statement_timeout: Duration::from_secs(10) }
    }
}
