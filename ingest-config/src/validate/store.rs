//! `[store]` → [`CaseStore`].

use std::time::Duration;

use super::Context;
use super::address::database_address;
use super::secret::SecretKeys;
use super::sink::{credentials, taken};
use crate::raw::RawStore;
use crate::resolved::{CaseStore, Database};
use crate::row::Row;

pub(super) fn store(row: &Row<'_, RawStore>, context: &mut Context<'_>) -> Option<CaseStore> {
    let Row { raw, place } = row;
    let keys = SecretKeys {
        key: "password",
        clear: &raw.password,
        env: &raw.password_env,
        file: &raw.password_file,
    };
    let database = match &raw.url {
        Some(text) => {
            let address = taken(database_address(text), place, "url", context);
            let in_address = address.as_ref().and_then(|address| address.credentials.clone());
            let credentials = credentials(raw.user.as_deref(), &keys, in_address, place, context);
            address.map(|address| Database::Postgres { url: address.url, credentials })
        }
        None if place.lost("url") => None,
        None => {
            let given = keys.given();
            let first = raw.user.as_ref().map(|_| "user").or(given.first().map(String::as_str));
            if let Some(key) = first {
                let suggestion = Some("give 'url', or leave it out: a file asks for no user".to_owned());
                place.suggest(&mut context.problems, key, "has no 'url' beside it", suggestion);
            }
            Some(Database::Sqlite)
        }
    };
    Some(CaseStore {
        database: database?,
        readers: raw.readers,
        statement_timeout: Duration::from_secs_f64(raw.statement_timeout_secs),
    })
}
