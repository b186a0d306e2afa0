//! A camera's past on disk: a file of a magic line and, for each picture, the microsecond it was taken and its luma.

use super::compare::{Glimpse, PIXELS};
use super::{KEPT, Kept, Past};
use citybrain_types::Timestamp;
use std::fs;
use std::io;
use std::path::Path;

const MAGIC: &[u8; 8] = b"CBPAST1\n";
const RECORD: usize = 8 + PIXELS;

/// The past in a file; an empty one where there is no file.
///
/// # Errors
/// When the file cannot be read or is none of these.
pub(super) fn read(path: &Path) -> io::Result<Past> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Past::default()),
        Err(error) => return Err(error),
    };
    let strange = || io::Error::new(io::ErrorKind::InvalidData, "it is no past of a camera");
    let records = bytes.strip_prefix(MAGIC).ok_or_else(strange)?;
    if !records.len().is_multiple_of(RECORD) || records.len() / RECORD > KEPT {
        return Err(strange());
    }
    let kept = records.chunks_exact(RECORD).map(|record| {
        let (at, luma) = record.split_first_chunk::<8>()?;
        let at = Timestamp::from_micros(i64::from_le_bytes(*at));
        Some(Kept { at, glimpse: Glimpse::from_luma(luma.to_vec())? })
    });
    Ok(Past::of(kept.collect::<Option<Vec<_>>>().ok_or_else(strange)?))
}

/// Writes the past of a camera, whole or not at all.
///
/// # Errors
/// When it cannot be written.
pub(super) fn write(path: &Path, past: &Past) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(MAGIC.len() + KEPT * RECORD);
    bytes.extend_from_slice(MAGIC);
    for kept in past.kept() {
        bytes.extend_from_slice(&kept.at.as_micros().to_le_bytes());
        bytes.extend_from_slice(kept.glimpse.luma());
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let beside = path.with_extension("tmp");
    fs::write(&beside, bytes)?;
    fs::rename(&beside, path)
}
