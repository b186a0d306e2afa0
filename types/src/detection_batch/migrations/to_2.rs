//! Version 1 knew of no answer that was asked for: every look was one in its turn, at the whole picture.

use super::super::{SCHEMA_VERSION_KEY, SchemaError, asked_fields};
use arrow_array::{RecordBatch, new_null_array};
use arrow_schema::Schema;
use std::sync::Arc;

pub(super) fn migrate(batch: &RecordBatch) -> Result<RecordBatch, SchemaError> {
    let old = batch.schema();
    let mut columns = batch.columns().to_vec();
    let mut fields: Vec<_> = old.fields().iter().cloned().collect();
    for field in asked_fields() {
        columns.push(new_null_array(field.data_type(), batch.num_rows()));
        fields.push(Arc::new(field));
    }
    let mut metadata = old.metadata().clone();
    metadata.insert(SCHEMA_VERSION_KEY.to_owned(), "2".to_owned());
    let schema = Arc::new(Schema::new_with_metadata(fields, metadata));
    RecordBatch::try_new(schema, columns).map_err(|error| SchemaError::Columns(error.to_string()))
}
