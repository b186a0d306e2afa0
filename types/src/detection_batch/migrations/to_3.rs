//! Version 2 compared no place with the camera's past.

use super::super::{SCHEMA_VERSION_KEY, SchemaError, detection_fields};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, ListArray, RecordBatch, StructArray, new_null_array};
use arrow_schema::{DataType, Field, Schema};
use std::sync::Arc;

pub(super) fn migrate(batch: &RecordBatch) -> Result<RecordBatch, SchemaError> {
    let wrong = |error: &dyn ToString| SchemaError::Columns(error.to_string());
    let old = batch.schema();
    let index = old.index_of("detections").map_err(|error| wrong(&error))?;
    let list = batch.column(index).as_list_opt::<i32>().ok_or_else(|| wrong(&"detections are no list"))?;
    let found = list.values().as_struct_opt().ok_or_else(|| wrong(&"detections are no structures"))?;
    let mut inner: Vec<ArrayRef> = found.columns().to_vec();
    inner.push(new_null_array(&DataType::Float32, found.len()));
    let found = StructArray::try_new(detection_fields(), inner, found.nulls().cloned())
        .map_err(|error| wrong(&error))?;
    let item = Arc::new(Field::new("item", DataType::Struct(detection_fields()), false));
    let list =
        ListArray::try_new(Arc::clone(&item), list.offsets().clone(), Arc::new(found), list.nulls().cloned())
            .map_err(|error| wrong(&error))?;
    let mut columns = batch.columns().to_vec();
    columns[index] = Arc::new(list);
    let mut fields: Vec<_> = old.fields().iter().cloned().collect();
    fields[index] = Arc::new(Field::new("detections", DataType::List(item), false));
    let mut metadata = old.metadata().clone();
    metadata.insert(SCHEMA_VERSION_KEY.to_owned(), "3".to_owned());
    RecordBatch::try_new(Arc::new(Schema::new_with_metadata(fields, metadata)), columns)
        .map_err(|error| wrong(&error))
}
