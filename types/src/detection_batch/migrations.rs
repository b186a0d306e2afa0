//! Batches of earlier schema versions, brought up to date step by step: one file per step.

mod to_2;
mod to_3;

use super::{SCHEMA_VERSION_KEY, SchemaError};
use arrow_array::RecordBatch;

/// The version of a batch's schema, as it stands there.
fn version(batch: &RecordBatch) -> Option<String> {
    batch.schema().metadata().get(SCHEMA_VERSION_KEY).cloned()
}

/// Brings a batch of an earlier version up to this program's; one of another version is given back as it is.
pub(super) fn up_to_date(mut batch: RecordBatch) -> Result<RecordBatch, SchemaError> {
    if version(&batch).as_deref() == Some("1") {
        batch = to_2::migrate(&batch)?;
    }
    if version(&batch).as_deref() == Some("2") {
        batch = to_3::migrate(&batch)?;
    }
    Ok(batch)
}
