//! A look at the database from outside, without changing anything: for `citybrain doctor`.

use super::connect::Way;
use super::{Engine, StoreError, migrations, way};
use citybrain_ingest_config::resolved::{CaseStore, Database};
use sqlx::{AnyConnection, Connection, Row};
use std::path::Path;

/// What a database that answers says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// Which database it is, with its version: `PostgreSQL 15.14`.
    pub server: String,
    /// Its newest migration; `None` when it has no cases yet.
    pub schema: Option<i64>,
    /// The newest migration this program knows.
    pub known_schema: i64,
    /// Who writes to it at the moment, where the server knows.
    pub writer: Option<String>,
}

impl Probe {
    /// Looks at the database that the configuration names. `None` when it is a file that is not there yet.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when it cannot be reached or does not know this user.
    pub async fn of(config: &CaseStore, data_dir: &Path) -> Result<Option<Self>, StoreError> {
        if config.database == Database::Sqlite && !data_dir.join(super::DATABASE_FILE).exists() {
            return Ok(None);
        }
        let way = way(config, data_dir)?;
        let mut connection = way.reader().await?;
        let probe = Self::ask(&way, &mut connection).await;
        // What was asked is known by now.
        let _ = connection.close().await;
        probe.map(Some)
    }

    async fn ask(way: &Way, connection: &mut AnyConnection) -> Result<Self, StoreError> {
        let (version, is_there) = match way.engine {
            Engine::Sqlite => (
                "SELECT 'SQLite ' || sqlite_version() AS version",
                "SELECT COUNT(*) AS n FROM sqlite_master WHERE name = '_sqlx_migrations'",
            ),
            Engine::Postgres => (
                "SELECT 'PostgreSQL ' || current_setting('server_version') AS version",
                "SELECT COUNT(to_regclass('_sqlx_migrations')) AS n",
            ),
        };
        let server = sqlx::query(version).fetch_one(&mut *connection).await?.try_get("version")?;
        let is_there: i64 = sqlx::query(is_there).fetch_one(&mut *connection).await?.try_get("n")?;
        let schema = if is_there > 0 {
            let newest = sqlx::query("SELECT MAX(version) AS newest FROM _sqlx_migrations");
            newest.fetch_one(&mut *connection).await?.try_get("newest")?
        } else {
            None
        };
        let writer = if way.engine == Engine::Postgres { way.writer(connection).await? } else { None };
        Ok(Self { server, schema, known_schema: migrations::newest(), writer })
    }
}
