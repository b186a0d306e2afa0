//! How the two databases are reached: a file, or a server that may restart and of which only one process may write.

use super::migrations;
use super::pool::Pool;
use super::{Engine, StoreError};
use citybrain_ingest_config::resolved::Credentials;
use citybrain_types::{Clock, SystemClock};
use sqlx::any::AnyPoolOptions;
use sqlx::pool::PoolOptions;
use sqlx::{Any, AnyConnection, Connection, Row};
use std::path::Path;
use std::time::Duration;
use url::Url;

/// A writer of SQLite waits this long for the file, for instance while a backup holds it.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a caller waits for a connection while the server is away or all are taken.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a connection may take to say that it is fit for the next user.
const HANDBACK: Duration = Duration::from_secs(2);
/// Where the lock of a city's writer stands among a database's advisory locks: "city", "brai".
const WRITER_LOCK: (i32, i32) = (0x6369_7479, 0x6272_6169);
/// An earlier connection of this very program that the server has not missed yet is ended, and waited for this long.
const OWN_LOCK_WAIT: Duration = Duration::from_secs(5);
/// Another process's connection is waited for this long: it may be about to end.
const OTHERS_LOCK_WAIT: Duration = Duration::from_secs(1);
/// Oldest PostgreSQL that notices clients that are gone while it works for them.
const OLDEST_POSTGRES: i64 = 140_000;

/// Another process holds the writer's lock.
#[derive(Debug, thiserror::Error)]
#[error("another process ({who}) writes the cases of the database {place}")]
pub struct InUse {
    who: String,
    place: String,
}

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Writes cases: one process only.
    Writer,
    /// Writes beside it.
    Guest,
    Reader,
}

/// How the database is reached.
#[derive(Clone)]
pub(super) struct Way {
    pub(super) engine: Engine,
    /// With credentials.
    address: Url,
    /// Without.
    place: String,
    statement_timeout: Duration,
    /// This program's name towards the server, unlike that of any other process.
    name: String,
}

impl Way {
    /// # Errors
    /// [`StoreError::Unavailable`] for a path that cannot be written as an address.
    pub(super) fn sqlite(file: &Path) -> Result<Self, StoreError> {
        let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
        // Every byte that means something in an address is written as %XX; '/', too, or '..' would be taken out.
        let address = format!("sqlite:{}", percent(file.as_os_str().as_encoded_bytes()));
        Ok(Self {
            engine: Engine::Sqlite,
            address: Url::parse(&address).map_err(|error| sqlx::Error::Configuration(error.into()))?,
            place: file.display().to_string(),
            statement_timeout: Duration::ZERO,
            name: String::new(),
        })
    }

    /// # Errors
    /// [`StoreError::Unavailable`] for an address that takes no credentials.
    pub(super) fn postgres(
        url: &Url,
        credentials: Option<&Credentials>,
        statement_timeout: Duration,
    ) -> Result<Self, StoreError> {
        let mut address = url.clone();
        if let Some(Credentials { user, password }) = credentials {
            // By query, since an address without a host (a socket's) takes no user name before it.
            let mut query = address.query_pairs_mut();
            query.append_pair("user", user);
            if !password.is_empty() {
                query.append_pair("password", password);
            }
        }
        Ok(Self {
            engine: Engine::Postgres,
            address,
            place: url.to_string(),
            statement_timeout,
            name: format!("citybrain {} {}", std::process::id(), SystemClock.now().as_micros()),
        })
    }

    /// Looks whether the database answers and nobody else writes to it, and brings it to this program's schema.
    pub(super) async fn prepare(&self) -> Result<(), StoreError> {
        let mut connection = self.connect(Role::Writer).await?;
        if self.engine == Engine::Postgres {
            self.refuse_an_old_server(&mut connection).await?;
        }
        self.set_up(&mut connection, Role::Writer).await.map_err(opening)?;
        if self.engine == Engine::Postgres {
            // A migration of a large table takes the time it takes.
            sqlx::query("SELECT set_config('statement_timeout', '0', false)")
                .execute(&mut connection)
                .await?;
        }
        let migrated = migrations::run(self.engine, &mut connection).await;
        migrated.map_err(|source| StoreError::Migration { place: self.place.clone(), source })?;
        connection.close().await?;
        Ok(())
    }

    /// One connection that writes in that role, and `readers` that read.
    pub(super) async fn pools(&self, role: Role, readers: u32) -> Result<(Pool, Pool), StoreError> {
        let writer = self.pool(role).max_connections(1);
        let readers = self.pool(Role::Reader).max_connections(readers);
        let patience = (self.engine == Engine::Postgres).then_some(2 * self.statement_timeout);
        let writer = writer.connect_with(self.options(role)?).await?;
        let readers = readers.connect_with(self.options(Role::Reader)?).await?;
        Ok((Pool::new(writer, patience), Pool::new(readers, patience)))
    }

    fn options(&self, role: Role) -> Result<sqlx::any::AnyConnectOptions, StoreError> {
        let mut address = self.address.clone();
        if self.engine == Engine::Sqlite {
            address.set_query(Some(if role == Role::Reader { "mode=ro" } else { "mode=rwc" }));
        }
        Ok(sqlx::ConnectOptions::from_url(&address)?)
    }

    fn pool(&self, role: Role) -> PoolOptions<Any> {
        let way = self.clone();
        let options = AnyPoolOptions::new().acquire_timeout(PATIENCE);
        let options = options.after_connect(move |connection, _| {
            let way = way.clone();
            Box::pin(async move { way.set_up(connection, role).await })
        });
        match self.engine {
            // A file does not hang up: nothing to test, nothing to close for its age.
            Engine::Sqlite => options.test_before_acquire(false).idle_timeout(None).max_lifetime(None),
            // The writer's connection holds the lock: it lives until the server ends it.
            Engine::Postgres if role == Role::Writer => options.idle_timeout(None).max_lifetime(None),
            Engine::Postgres => options,
        }
        .after_release(|connection, _| {
            // One that was given up in the middle of an answer may never answer again.
            Box::pin(async move {
                Ok(matches!(tokio::time::timeout(HANDBACK, connection.ping()).await, Ok(Ok(()))))
            })
        })
    }

    async fn set_up(&self, connection: &mut AnyConnection, role: Role) -> Result<(), sqlx::Error> {
        match self.engine {
            Engine::Sqlite => {
                let mut pragmas = format!("PRAGMA busy_timeout = {};", BUSY_TIMEOUT.as_millis());
                if role != Role::Reader {
                    pragmas +=
                        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;";
                }
                sqlx::raw_sql(sqlx::AssertSqlSafe(pragmas)).execute(&mut *connection).await?;
            }
            Engine::Postgres => {
                for (name, value) in self.settings(role) {
                    sqlx::query("SELECT set_config($1, $2, false)")
                        .bind(name)
                        .bind(value)
                        .execute(&mut *connection)
                        .await?;
                }
                if role == Role::Writer {
                    self.take_lock(connection).await?;
                }
            }
        }
        Ok(())
    }

    /// What a session of ours is like, whatever the server's own defaults.
    fn settings(&self, role: Role) -> Vec<(&'static str, String)> {
        let millis = self.statement_timeout.as_millis();
        let mut settings = vec![
            ("application_name", self.name.clone()),
            ("statement_timeout", millis.to_string()),
            ("idle_in_transaction_session_timeout", (2 * millis).to_string()),
            // The server learns within half a minute that this machine is gone, and gives its lock free.
            ("tcp_keepalives_idle", "10".to_owned()),
            ("tcp_keepalives_interval", "5".to_owned()),
            ("tcp_keepalives_count", "3".to_owned()),
            ("client_connection_check_interval", "5s".to_owned()),
        ];
        match role {
            Role::Writer | Role::Guest => settings.push(("synchronous_commit", "on".to_owned())),
            Role::Reader => settings.push(("default_transaction_read_only", "on".to_owned())),
        }
        settings
    }

    /// Takes the lock that only one process has, so that two never write one city.
    async fn take_lock(&self, connection: &mut AnyConnection) -> Result<(), sqlx::Error> {
        let deadline = tokio::time::Instant::now() + OWN_LOCK_WAIT;
        let others_gone_by = tokio::time::Instant::now() + OTHERS_LOCK_WAIT;
        let (class, object) = WRITER_LOCK;
        loop {
            let taken: bool = sqlx::query("SELECT pg_try_advisory_lock($1, $2)")
                .bind(class)
                .bind(object)
                .fetch_one(&mut *connection)
                .await?
                .try_get(0)?;
            if taken {
                return Ok(());
            }
            // Our own earlier connection may hang on at the server, which has not heard that it is gone.
            let ended = sqlx::query(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                 WHERE application_name = $1 AND pid <> pg_backend_pid() \
                 AND datname = current_database() AND pid IN ( \
                     SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted \
                     AND classid::BIGINT = $2 AND objid::BIGINT = $3)",
            )
            .bind(&self.name)
            .bind(i64::from(class))
            .bind(i64::from(object))
            .fetch_all(&mut *connection)
            .await?;
            // A process that has just ended may still be seen at the server for a moment.
            let now = tokio::time::Instant::now();
            if now > deadline || (ended.is_empty() && now > others_gone_by) {
                return Err(sqlx::Error::Configuration(Box::new(self.holder(connection).await?)));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn holder(&self, connection: &mut AnyConnection) -> Result<InUse, sqlx::Error> {
        let who = self.writer(connection).await?;
        Ok(InUse { who: who.unwrap_or_else(|| "gone by now".to_owned()), place: self.place.clone() })
    }

    /// Who has the writer's lock, as the server knows it.
    pub(super) async fn writer(&self, connection: &mut AnyConnection) -> Result<Option<String>, sqlx::Error> {
        let row = sqlx::query(
            "SELECT concat_ws(' ', application_name, client_addr::TEXT, usename::TEXT) AS who \
             FROM pg_stat_activity JOIN pg_locks USING (pid) \
             WHERE locktype = 'advisory' AND granted AND classid::BIGINT = $1 AND objid::BIGINT = $2 \
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) LIMIT 1",
        )
        .bind(i64::from(WRITER_LOCK.0))
        .bind(i64::from(WRITER_LOCK.1))
        .fetch_optional(connection)
        .await?;
        row.map(|row| row.try_get("who")).transpose()
    }

    /// A connection that only reads, beside any pool.
    pub(super) async fn reader(&self) -> Result<AnyConnection, StoreError> {
        let mut connection = self.connect(Role::Reader).await?;
        self.set_up(&mut connection, Role::Reader).await?;
        Ok(connection)
    }

    async fn connect(&self, role: Role) -> Result<AnyConnection, StoreError> {
        sqlx::any::install_default_drivers();
        let options = self.options(role)?;
        let connect = tokio::time::timeout(PATIENCE, AnyConnection::connect_with(&options));
        Ok(connect.await.map_err(|_| sqlx::Error::PoolTimedOut)??)
    }

    async fn refuse_an_old_server(&self, connection: &mut AnyConnection) -> Result<(), sqlx::Error> {
        let row = sqlx::query("SELECT current_setting('server_version_num')::BIGINT AS version")
            .fetch_one(connection)
            .await?;
        let version: i64 = row.try_get("version")?;
        if version >= OLDEST_POSTGRES {
            return Ok(());
        }
        let found = format!("PostgreSQL {} is too old: 14 or newer is needed", version / 10_000);
        Err(sqlx::Error::Configuration(found.into()))
    }
}

/// The error of opening, with "somebody else writes" told apart.
pub(super) fn opening(error: sqlx::Error) -> StoreError {
    match error {
        sqlx::Error::Configuration(source) => match source.downcast::<InUse>() {
            Ok(in_use) => StoreError::InUse(*in_use),
            Err(source) => StoreError::Unavailable(sqlx::Error::Configuration(source)),
        },
        error => StoreError::Unavailable(error),
    }
}

fn percent(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 3), |mut text, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.') {
            text.push(char::from(*byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(text, "%{byte:02X}");
        }
        text
    })
}
