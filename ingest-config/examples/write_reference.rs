//! Writes the reference page and the JSON Schema into a folder, `docs/reference` of the workspace by default.
//!
//! `cargo run --release -p citybrain-ingest-config --example write_reference [FOLDER]`

use std::path::PathBuf;

fn main() -> std::io::Result<()> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/reference");
    let folder = std::env::args_os().nth(1).map_or_else(|| PathBuf::from(default), PathBuf::from);
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("config.md"), citybrain_ingest_config::reference_markdown())?;
    std::fs::write(folder.join("citybrain.schema.json"), citybrain_ingest_config::schema_json())
}
