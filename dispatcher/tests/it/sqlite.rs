//! What only an SQLite file does.

use citybrain_dispatcher::store::{DATABASE_FILE, Probe, Store};
use citybrain_ingest_config::resolved::CaseStore;

#[tokio::test]
async fn a_file_that_is_no_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(DATABASE_FILE), vec![7_u8; 8_192]).unwrap();
    let error = Store::open(folder.path()).await.unwrap_err();
    assert_eq!(error.name(), "unavailable");
}

#[tokio::test]
async fn a_data_folder_with_marks_of_addresses_in_its_name_holds_its_database() {
    let folder = tempfile::tempdir().unwrap();
    let odd = folder.path().join("城市 ?mode=memory#1%2e%2e").join("a").join("..");
    std::fs::create_dir_all(odd.join("a")).unwrap();
    assert_eq!(Probe::of(&CaseStore::default(), &odd).await.unwrap(), None);
    Store::open(&odd).await.unwrap().close().await;
    assert!(odd.join(DATABASE_FILE).is_file());
    let probe = Probe::of(&CaseStore::default(), &odd).await.unwrap().unwrap();
    assert!(probe.server.starts_with("SQLite 3."), "{probe:?}");
    assert_eq!((probe.schema, probe.writer), (Some(probe.known_schema), None));
}
