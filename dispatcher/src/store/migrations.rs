//! Migrations of the case store: forward only, embedded, applied at start.
//!
//! A released file in `migrations/` is never edited: its checksum is kept in the database and compared.

use sqlx::SqlSafeStr;
use sqlx::SqlitePool;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};

/// Every migration, oldest first.
fn all() -> Vec<Migration> {
    let simple = |version, name: &'static str, sql: &'static str| {
        Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
    };
    vec![
        simple(1, "cases", include_str!("migrations/0001_cases.sql")),
        simple(100, "incident_reports", include_str!("migrations/0100_incident_reports.sql")),
    ]
}

/// Brings the database to this program's schema; does nothing when it is there already.
pub(super) async fn run(writer: &SqlitePool) -> Result<(), MigrateError> {
    Migrator::with_migrations(all()).run(writer).await
}
