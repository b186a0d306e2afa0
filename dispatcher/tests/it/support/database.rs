//! The same city on either database. A test names only its folder; what it opens there is the same at each opening.

use super::postgres;
use citybrain_dispatcher::store::{Store, StoreError};
use citybrain_ingest_config::City;
use citybrain_ingest_config::resolved::{CaseStore, Credentials, Database};
use sqlx::{AnyConnection, Connection};
use std::collections::HashSet;
use std::path::Path;
use std::sync::Mutex;
use url::Url;

pub mod on_sqlite {
    pub use super::super::city::city;
    use super::*;
    use citybrain_dispatcher::store::DATABASE_FILE;

    pub async fn open_store(folder: &Path) -> Result<Store, StoreError> {
        Store::open(folder).await
    }

    pub async fn raw(folder: &Path) -> AnyConnection {
        sqlx::any::install_default_drivers();
        let file = folder.join(DATABASE_FILE);
        AnyConnection::connect(&format!("sqlite:{}", file.display())).await.unwrap()
    }
}

pub mod on_postgres {
    use super::*;

    pub fn city(folder: &Path) -> City {
        City { store: store_of(folder), ..super::super::city::city(folder) }
    }

    pub async fn open_store(folder: &Path) -> Result<Store, StoreError> {
        Store::open_configured(&store_of(folder), folder).await
    }

    pub async fn raw(folder: &Path) -> AnyConnection {
        sqlx::any::install_default_drivers();
        let url = database_of(folder);
        AnyConnection::connect(&format!("{url}?user=citybrain")).await.unwrap()
    }
}

/// A database of its own for each folder, on the server all tests share.
fn store_of(folder: &Path) -> CaseStore {
    store_at(database_of(folder))
}

/// A database that is there already.
pub fn store_at(url: Url) -> CaseStore {
    let credentials = Some(Credentials { user: "citybrain".to_owned(), password: String::new() });
    CaseStore { database: Database::Postgres { url, credentials }, ..CaseStore::default() }
}

fn database_of(folder: &Path) -> Url {
    static MADE: Mutex<Option<HashSet<String>>> = Mutex::new(None);
    let mut url = postgres::shared();
    let name: String =
        folder.file_name().unwrap().to_str().unwrap().bytes().map(|b| format!("{b:02x}")).collect();
    let name = format!("city{name}");
    // Whoever has started this process has made it.
    if std::env::var_os(postgres::SERVER).is_none() {
        let mut made = MADE.lock().unwrap();
        if made.get_or_insert_default().insert(name.clone()) {
            postgres::create(&url, &name);
        }
    }
    url.set_path(&name);
    url
}
