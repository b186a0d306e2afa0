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
        simple(2, "clocks", include_str!("migrations/0002_clocks.sql")),
        simple(3, "urgent", include_str!("migrations/0003_urgent.sql")),
        simple(100, "incident_reports", include_str!("migrations/0100_incident_reports.sql")),
        simple(110, "silences", include_str!("migrations/0110_silences.sql")),
        simple(200, "policies", include_str!("migrations/0200_policies.sql")),
        simple(300, "people", include_str!("migrations/0300_people.sql")),
        simple(400, "open_of_kind", include_str!("migrations/0400_open_of_kind.sql")),
    ]
}

/// Brings the database to this program's schema; does nothing when it is there already.
pub(super) async fn run(writer: &SqlitePool) -> Result<(), MigrateError> {
    Migrator::with_migrations(all()).run(writer).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{DATABASE_FILE, Store};
    use crate::testing::city::START;
    use citybrain_types::{CaseId, CaseState};
    use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};

    /// A case as version 0.1.0 has written it.
    const OLD_BODY: &str = r#"{"id":"fire-1","version":4,"incident":"fire-1","kind":"fire","state":"dispatched",
        "priority":"immediate","camera":"gate-1","bbox":[0.1,0.1,0.2,0.2],"position":null,"score":0.9,
        "first_seen_at":"2025-06-01T06:00:00.000000Z","last_seen_at":"2025-06-01T06:00:00.000000Z",
        "opened_at":"2025-06-01T06:00:00.000000Z","updated_at":"2025-06-01T06:00:00.000000Z","deadline_at":null,
        "departments":["brigade"],"snapshots":null}"#;

    #[tokio::test]
    async fn a_database_of_every_released_schema_is_brought_up_and_its_open_cases_get_clocks() {
        let folder = tempfile::tempdir().unwrap();
        let options =
            SqliteConnectOptions::new().filename(folder.path().join(DATABASE_FILE)).create_if_missing(true);
        let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await.unwrap();
        let first = all().into_iter().take(1).collect::<Vec<_>>();
        Migrator::with_migrations(first).run(&pool).await.unwrap();
        sqlx::query(
            "INSERT INTO cases (id, version, incident, kind, state, camera, opened_at, body) \
             VALUES ('fire-1', 4, 'fire-1', 'fire', 'dispatched', 'gate-1', 1, ?)",
        )
        .bind(OLD_BODY)
        .execute(&pool)
        .await
        .unwrap();
        sqlx::query(
            "INSERT INTO case_changes VALUES ('fire-1', 4, 'filed', 'dispatched', 1, 'system', 'r', '{}')",
        )
        .execute(&pool)
        .await
        .unwrap();
        pool.close().await;

        let store = Store::open(folder.path()).await.unwrap();
        let id = CaseId::new("fire-1").unwrap();
        let case = store.case(&id).await.unwrap().unwrap();
        assert_eq!((case.version, case.state, case.work.clocks.len()), (4, CaseState::Dispatched, 0));
        assert_eq!(store.trail(&id).await.unwrap()[0].action, "");
        assert_eq!(store.due_cases(START, 10).await.unwrap(), [case]);
    }
}
