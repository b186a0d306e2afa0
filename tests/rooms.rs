//! The dependency table of the architecture, checked against what Cargo says.

use cargo_metadata::{DependencyKind, MetadataCommand};
use std::collections::{BTreeMap, BTreeSet};

const PREFIX: &str = "citybrain-";

/// Which rooms a room may use, and which libraries it must never use.
fn table() -> BTreeMap<&'static str, (&'static [&'static str], &'static [&'static str])> {
    let gstreamer = &["gstreamer", "gstreamer-app", "gstreamer-rtsp-server", "gstreamer-video", "ort"][..];
    BTreeMap::from([
        ("types", (&[][..], &["tokio", "gstreamer", "ort"][..])),
        ("ingest-config", (&["types"][..], &["tokio", "gstreamer", "ort", "reqwest"][..])),
        ("models", (&["types", "ingest-config"][..], &["gstreamer", "tokio", "reqwest"][..])),
        ("pipeline", (&["types", "ingest-config", "models"][..], &["sqlx", "axum", "rumqttc"][..])),
        ("dispatcher", (&["types", "ingest-config"][..], gstreamer)),
        ("console", (&["types", "dispatcher"][..], gstreamer)),
        ("simulator", (&["types"][..], &["ort", "sqlx"][..])),
    ])
}

fn rooms() -> Vec<cargo_metadata::Package> {
    let metadata = MetadataCommand::new()
        .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
        .no_deps()
        .exec()
        .expect("cargo metadata runs");
    metadata.packages
}

fn normal_dependencies(room: &cargo_metadata::Package) -> BTreeSet<String> {
    let normal = room.dependencies.iter().filter(|d| d.kind != DependencyKind::Development);
    normal.map(|d| d.name.clone()).collect()
}

#[test]
fn a_room_uses_only_the_rooms_its_row_allows() {
    let table = table();
    let mut checked = 0;
    for package in rooms() {
        let Some(room) = package.name.strip_prefix(PREFIX) else { continue };
        let Some((allowed, never)) = table.get(room) else { continue };
        checked += 1;
        for dependency in normal_dependencies(&package) {
            if let Some(other) = dependency.strip_prefix(PREFIX) {
                assert!(allowed.contains(&other), "{room} must not depend on {other}");
            }
            assert!(!never.contains(&dependency.as_str()), "{room} must never depend on {dependency}");
        }
    }
    assert_eq!(checked, table.len(), "every row of the table is a room of the workspace");
}

#[test]
fn nobody_depends_on_benches_or_tests() {
    for package in rooms() {
        for dependency in package.dependencies.iter().filter_map(|d| d.name.strip_prefix(PREFIX)) {
            assert!(!["benches", "tests"].contains(&dependency), "{} depends on {dependency}", package.name);
        }
    }
}

#[test]
fn every_package_is_a_room_of_the_architecture() {
    let known = [
        "types",
        "ingest-config",
        "models",
        "pipeline",
        "dispatcher",
        "console",
        "simulator",
        "benches",
        "tests",
    ];
    for package in rooms() {
        let is_room = package.name.strip_prefix(PREFIX).is_some_and(|room| known.contains(&room));
        assert!(is_room || package.name.as_str() == "citybrain", "{} is not in the table", package.name);
    }
}
