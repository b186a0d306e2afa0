//! `[store]`

use schemars::JsonSchema;
use serde::Deserialize;

use super::SecretText;

/// Where cases are kept. Without it they are kept in an SQLite file in `site.data_dir`, which is what one server needs.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawStore {
    /// `postgres://host:port/database` keeps them in PostgreSQL (14 or newer) instead; the port is 5432 when not given.
    /// A server on the same machine may be reached through its socket: `postgres:///database?host=/var/run/postgresql`.
    /// `sslmode` and `sslrootcert` may follow, too; when nothing is said, a server on another machine must show a
    /// certificate that this machine trusts (`sslmode=verify-full`).
    #[schemars(length(min = 1, max = 2048))]
    pub url: Option<String>,
    /// User name the server asks for.
    #[schemars(length(min = 1, max = 256))]
    pub user: Option<String>,
    /// Password, in clear; `password_env` and `password_file` keep it out of this file.
    pub password: Option<SecretText>,
    /// Environment variable that holds the password.
    #[schemars(length(min = 1, max = 256))]
    pub password_env: Option<String>,
    /// File that holds the password; a line break at its end is not part of it.
    #[schemars(length(min = 1, max = 4096))]
    pub password_file: Option<String>,
    /// Connections that read at once; one more writes.
    #[schemars(range(min = 1, max = 64))]
    pub readers: u32,
    /// PostgreSQL gives a statement up after this time, and a connection that does not answer for twice as long is
    /// given up, too; what was to be written is then written again.
    #[schemars(range(min = 0.1, max = 600.0))]
    pub statement_timeout_secs: f64,
}

impl Default for RawStore {
    fn default() -> Self {
        Self {
            url: None,
            user: None,
            password: None,
            password_env: None,
            password_file: None,
            readers: 4,
            statement_timeout_secs: 10.0,
        }
    }
}
