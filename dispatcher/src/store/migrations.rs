//! Migrations of the case store: forward only, embedded, applied at start.
//!
//! A released file in `migrations/` is never edited: its checksum is kept in the database and compared. A new file
//! runs on both databases as it is: TEXT and BIGINT columns, no AUTOINCREMENT, no STRICT. The four that were released
//! before PostgreSQL was there speak SQLite's dialect (STRICT: their columns are INTEGER), and they and what alters their
//! tables have twins in `migrations/postgres/`.

use super::Engine;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::{AnyConnection, SqlSafeStr};

/// One migration: the text for SQLite and the one for PostgreSQL.
struct Step(i64, &'static str, &'static str, &'static str);

/// A migration in the dialects of both databases.
macro_rules! twins {
    ($version:literal, $name:literal, $file:literal) => {
        Step(
            $version,
            $name,
            include_str!(concat!("migrations/", $file)),
            include_str!(concat!("migrations/postgres/", $file)),
        )
    };
}

/// Every migration, oldest first. One text for both: `both(110, "silences", include_str!("migrations/0110_….sql"))`.
const STEPS: &[Step] = &[
    twins!(1, "cases", "0001_cases.sql"),
    twins!(2, "clocks", "0002_clocks.sql"),
    twins!(3, "urgent", "0003_urgent.sql"),
    twins!(100, "incident_reports", "0100_incident_reports.sql"),
    both(110, "silences", include_str!("migrations/0110_silences.sql")),
    both(200, "policies", include_str!("migrations/0200_policies.sql")),
    both(220, "forecasts", include_str!("migrations/0220_forecasts.sql")),
    both(300, "people", include_str!("migrations/0300_people.sql")),
    both(310, "identities", include_str!("migrations/0310_identities.sql")),
    both(400, "open_of_kind", include_str!("migrations/0400_open_of_kind.sql")),
    twins!(500, "waiting_since", "0500_waiting_since.sql"),
];

/// A migration whose text runs on both databases.
const fn both(version: i64, name: &'static str, sql: &'static str) -> Step {
    Step(version, name, sql, sql)
}

/// The newest migration this program knows.
pub(super) fn newest() -> i64 {
    STEPS.iter().map(|step| step.0).max().unwrap_or_default()
}

fn all(engine: Engine) -> Vec<Migration> {
    STEPS
        .iter()
        .map(|&Step(version, name, sqlite, postgres)| {
            let sql = if engine == Engine::Sqlite { sqlite } else { postgres };
            Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
        })
        .collect()
}

/// Brings the database to this program's schema; does nothing when it is there already.
pub(super) async fn run(engine: Engine, connection: &mut AnyConnection) -> Result<(), MigrateError> {
    Migrator::with_migrations(all(engine)).run_direct(None, connection, false).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{CaseFilter, DATABASE_FILE, PageRequest, Store};
    use crate::testing::city::START;
    use citybrain_types::{CaseId, CaseState, DestinationId};
    use sqlx::Connection;
    use std::path::Path;

    /// Schemas that cities run on; one is added with each release, none is ever taken out.
    const RELEASED: [(i64, &str); 4] = [
        (
            1,
            "88722c030028833fc1a553ac93d818c311482e6e1f94addbf83e6140d4da52664878a29357767606a7d8558ea8fd6944",
        ),
        (
            2,
            "4a6fd8f16db4b5212a8a546f3fbebf84e1ebbae0bfe4e1063137a0746ab4b32a6e8d7a6a3eea8a6e348638525ad5b658",
        ),
        (
            3,
            "1472e82b5cbd6fc077229918341c43443f06fc9e74862e05d312a839d804bc24f2b9bbfe19738392ae48cc1bd71fc18e",
        ),
        (
            100,
            "fc6cbce9935a22a0b1494304945ae48acb7951758e08bb69e2b60dadc33342ed6898eead04d4a0a71ad95a9196a45561",
        ),
    ];

    /// A case as version 0.1.0 has written it.
    const OLD_BODY: &str = r#"{"id":"fire-1","version":4,"incident":"fire-1","kind":"fire","state":"dispatched",
        "priority":"immediate","camera":"gate-1","bbox":[0.1,0.1,0.2,0.2],"position":null,"score":0.9,
        "first_seen_at":"2025-06-01T06:00:00.000000Z","last_seen_at":"2025-06-01T06:00:00.000000Z",
        "opened_at":"2025-06-01T06:00:00.000000Z","updated_at":"2025-06-01T06:00:00.000000Z","deadline_at":null,
        "departments":["brigade"],"snapshots":null}"#;

    /// What a city of the first release holds: an open case and a closed one, a trail, deliveries in each state.
    const FIRST_ROWS: &str = "
        INSERT INTO cases (id, version, incident, kind, state, camera, opened_at, body) VALUES
            ('fire-1', 4, 'fire-1', 'fire', 'dispatched', 'gate-1', 1, $1),
            ('fire-0', 6, 'fire-0', 'fire', 'closed', 'gate-1', 0,
             replace(replace($1, 'fire-1', 'fire-0'), 'dispatched', 'closed'));
        INSERT INTO case_changes (case_id, version, from_state, to_state, at, by_whom, reason, seen) VALUES
            ('fire-1', 1, NULL, 'reported', 1, 'system', 'r', '{}'),
            ('fire-1', 4, 'filed', 'dispatched', 1, 'system', 'r', '{}');
        INSERT INTO watermarks (camera, sequence, captured_at) VALUES ('gate-1', 7, 1);
        INSERT INTO deliveries (key, case_id, case_version, destination, event, kind, camera, department, captured_at,
            body, state, attempts, created_at, next_attempt_at, delivered_at, last_error) VALUES
            ('dlv_1', 'fire-1', 4, 'desk', 'citybrain.case.opened', 'fire', 'gate-1', 'brigade', 1,
             '{}', 'pending', 2, 1, 5, NULL, '500'),
            ('dlv_2', 'fire-0', 4, 'desk', 'citybrain.case.opened', 'fire', 'gate-1', 'brigade', 1,
             '{}', 'delivered', 1, 1, NULL, 2, NULL),
            ('dlv_3', 'fire-0', 6, 'desk', 'citybrain.case.updated', 'littering', '', 'brigade', 1,
             '{}', 'dead', 9, 1, NULL, NULL, 'gone')";

    /// What later schemas hold beside it.
    const LATER_ROWS: [(i64, &str); 3] = [
        (
            2,
            "INSERT INTO answers (key, fingerprint, status, body, created_at) VALUES ('k', 'f', 201, '{}', 1)",
        ),
        (3, "UPDATE deliveries SET urgent = 1 WHERE key = 'dlv_3'"),
        (100, "INSERT INTO incident_reports (id, body) VALUES ('fire-0', '{}')"),
    ];

    async fn city_of(released: i64, folder: &Path) {
        sqlx::any::install_default_drivers();
        let file = folder.join(DATABASE_FILE);
        let url = format!("sqlite:{}?mode=rwc", file.display());
        let mut connection = AnyConnection::connect(&url).await.unwrap();
        let all = all(Engine::Sqlite).into_iter().filter(|migration| migration.version <= released).collect();
        Migrator::with_migrations(all).run_direct(None, &mut connection, false).await.unwrap();
        let first = FIRST_ROWS.replace("$1", &format!("'{OLD_BODY}'"));
        let later = LATER_ROWS.iter().filter(|(version, _)| *version <= released).map(|(_, rows)| *rows);
        for rows in std::iter::once(first.as_str()).chain(later) {
            sqlx::raw_sql(sqlx::AssertSqlSafe(rows)).execute(&mut connection).await.unwrap();
        }
        connection.close().await.unwrap();
    }

    #[test]
    fn a_released_migration_is_never_edited() {
        for (version, checksum) in RELEASED {
            let migration = all(Engine::Sqlite).into_iter().find(|migration| migration.version == version);
            let bytes =
                migration.unwrap().checksum.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
            assert_eq!(bytes, checksum, "migration {version}: write a new one instead");
        }
    }

    #[tokio::test]
    async fn a_database_of_every_released_schema_is_brought_up_with_all_its_rows_and_open_cases_get_clocks() {
        for (released, _) in RELEASED {
            let folder = tempfile::tempdir().unwrap();
            city_of(released, folder.path()).await;
            let store = Store::open(folder.path()).await.unwrap();
            let id = CaseId::new("fire-1").unwrap();
            let case = store.case(&id).await.unwrap().unwrap();
            assert_eq!((case.version, case.state, case.work.clocks.len()), (4, CaseState::Dispatched, 0));
            let trail = store.trail(&id).await.unwrap();
            assert_eq!(trail.iter().map(|line| line.version).collect::<Vec<_>>(), [1, 4]);
            assert!(trail.iter().all(|line| line.action.is_empty()));
            if released == 1 {
                assert_eq!(store.due_cases(START, 10).await.unwrap(), [case], "its clocks begin at once");
            }
            let page = PageRequest::new(None, None);
            assert_eq!(store.cases(&CaseFilter::default(), &page).await.unwrap().cases.len(), 2);
            assert_eq!(store.watermarks().await.unwrap()[0].sequence, 7);

            let desk = DestinationId::new("desk").unwrap();
            let [due] = store.due(&desk, START, START, 10).await.unwrap().try_into().unwrap();
            assert_eq!(
                (due.delivery.key.as_str(), due.delivery.attempts, due.urgent),
                ("dlv_1", 2, released < 3)
            );
            let dead = store.delivery("dlv_3").await.unwrap().unwrap();
            assert_eq!((dead.delivery.state.name(), dead.urgent), ("dead", released >= 3));
            assert_eq!(
                store.answer("k").await.unwrap().map(|kept| kept.status),
                (released >= 2).then_some(201)
            );
            // And it can be worked on.
            assert_eq!(store.replay_all(&desk, START).await.unwrap(), 1);
            assert_eq!(store.pending().await.unwrap(), 2);
            store.close().await;
        }
    }
}
