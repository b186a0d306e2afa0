//! Hostile and odd files, each named by what is wrong with it, with the whole answer beside it.
#![allow(clippy::unwrap_used, reason = "a test may fail by unwrapping")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use citybrain_ingest_config::{check_with, load_with};

fn environment(name: &str) -> Option<String> {
    // 32 bytes of nothing; the form of a real one.
    (name == "TEST_WEBHOOK_SECRET").then(|| format!("whsec_{}=", "A".repeat(43)))
}

fn files(folder: &str, extension: &str) -> BTreeSet<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_some_and(|e| e == extension)).collect()
}

#[test]
fn every_file_in_testdata_is_answered_as_expected_refresh_with_env_refresh_expected() {
    let refresh = std::env::var_os("REFRESH_EXPECTED").is_some();
    let files = files("testdata", "toml");
    assert!(files.len() >= 40, "only {} files", files.len());
    let mut wrong = Vec::new();
    for path in files {
        let report = check_with(&path, &environment);
        let answer = format!("{report}\n");
        let expected_path = path.with_extension("expected");
        if refresh {
            std::fs::write(&expected_path, &answer).unwrap();
        }
        let expected = std::fs::read_to_string(&expected_path).unwrap_or_default();
        if answer != expected {
            wrong.push(format!("{}\n--- expected\n{expected}--- got\n{answer}", path.display()));
        }
        // A file says in its first line how many mistakes it holds: each is told exactly once.
        let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
        let stated = text.lines().next().unwrap_or_default();
        let stated = stated.strip_prefix("# errors: ").and_then(|n| n.trim().parse::<usize>().ok());
        let stated = stated.unwrap_or_else(|| panic!("{} does not begin with '# errors: N'", path.display()));
        if report.problems.len() != stated {
            wrong.push(format!("{}: {} mistakes made, {answer}", path.display(), stated));
        }
        assert!(!answer.contains("hunter2"), "{} shows a secret:\n{answer}", path.display());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_good_example_is_taken_without_a_word() {
    for path in files("testdata/good", "toml") {
        let loaded = load_with(&path, &environment).unwrap_or_else(|e| panic!("{}:\n{e}", path.display()));
        assert_eq!(loaded.warnings, [], "{}", path.display());
    }
}

#[test]
fn the_example_in_the_docs_is_valid_and_shows_every_key() {
    let path = Path::new("../docs/examples/citybrain.toml");
    let loaded = load_with(path, &environment).unwrap_or_else(|errors| panic!("{errors}"));
    // Models are not part of the examples; nothing else is doubtful.
    let warnings: Vec<String> = loaded.warnings.iter().map(|warning| warning.message.clone()).collect();
    assert_eq!(warnings, ["this folder holds no model.toml"; 3]);
    // Every key of the schema stands in it, in use or in a comment.
    let text = std::fs::read_to_string(path).unwrap();
    let schema: serde_json::Value = serde_json::from_str(&citybrain_ingest_config::schema_json()).unwrap();
    let mut keys = BTreeSet::new();
    collect_keys(&schema, &mut keys);
    let words: BTreeSet<&str> = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
    let absent: Vec<&String> = keys.iter().filter(|key| !words.contains(key.as_str())).collect();
    assert!(keys.len() > 60 && absent.is_empty(), "not shown: {absent:?}");
}

fn collect_keys(schema: &serde_json::Value, keys: &mut BTreeSet<String>) {
    if let Some(properties) = schema.get("properties").and_then(|p| p.as_object()) {
        keys.extend(properties.keys().cloned());
    }
    match schema {
        serde_json::Value::Object(object) => object.values().for_each(|value| collect_keys(value, keys)),
        serde_json::Value::Array(items) => items.iter().for_each(|value| collect_keys(value, keys)),
        _ => {}
    }
}

#[test]
fn the_reference_is_fresh_refresh_with_cargo_run_example_write_reference() {
    let on_disk =
        |name: &str| std::fs::read_to_string(format!("../docs/reference/{name}")).unwrap_or_default();
    let how = "is stale: cargo run --release -p citybrain-ingest-config --example write_reference";
    assert!(
        on_disk("config.md") == citybrain_ingest_config::reference_markdown(),
        "docs/reference/config.md {how}"
    );
    assert!(
        on_disk("citybrain.schema.json") == citybrain_ingest_config::schema_json(),
        "docs/reference/citybrain.schema.json {how}"
    );
}
