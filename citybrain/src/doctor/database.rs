//! Whether the database of the cases answers, and whether this program can work with what is in it.

use super::Finding;
use citybrain_dispatcher::store::Probe;
use citybrain_ingest_config::City;
use citybrain_ingest_config::resolved::Database;

const CHECK: &str = "case store";

/// Looks at it without changing anything.
pub(super) async fn check(city: &City) -> Finding {
    let place = match &city.store.database {
        Database::Sqlite => "the data folder".to_owned(),
        Database::Postgres { url, .. } => url.to_string(),
    };
    match Probe::of(&city.store, &city.site.data_dir).await {
        Ok(None) => Finding::ok(CHECK, "no database yet: it is made at the first start"),
        Ok(Some(probe)) => judge(&probe, &place),
        Err(error) => Finding::failure(
            CHECK,
            format!("{place}: {error}"),
            "does the server run, does it know this user and database, does pg_hba.conf let this machine in?",
        ),
    }
}

fn judge(probe: &Probe, place: &str) -> Finding {
    let Probe { server, schema, known_schema, writer } = probe;
    let schema = match schema {
        None => "no cases yet".to_owned(),
        Some(schema) if schema > known_schema => {
            return Finding::failure(
                CHECK,
                format!("{server} in {place} holds schema {schema}; this program knows {known_schema}"),
                "run the newer program that has written it, or restore a backup from before",
            );
        }
        Some(schema) if schema < known_schema => {
            format!("schema {schema}, brought to {known_schema} at the next start")
        }
        Some(schema) => format!("schema {schema}"),
    };
    let found = format!("{server} in {place}, {schema}");
    match writer {
        Some(who) => Finding::warning(
            CHECK,
            format!("{found}; {who} writes to it"),
            "fine if that is this city's running citybrain: a second one does not start",
        ),
        None => Finding::ok(CHECK, found),
    }
}
