//! Tells another program where this one listens, through a small JSON file.

use std::path::Path;

/// Writes the file whole or not at all.
pub fn write(file: &Path, content: &serde_json::Value) -> std::io::Result<()> {
    let part = file.with_extension("part");
    std::fs::write(&part, serde_json::to_vec_pretty(content)?)?;
    std::fs::rename(part, file)
}
