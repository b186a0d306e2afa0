//! The column `body`: a thing in its public JSON form.

use super::{StoreError, damaged};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::Row;
use sqlx::any::AnyRow;

/// What is written into the column.
pub(super) fn json<T: Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|e| StoreError::Unavailable(sqlx::Error::Encode(Box::new(e))))
}

/// The thing in a row that has an `id`.
pub(super) fn body<T: DeserializeOwned>(table: &'static str, row: &AnyRow) -> Result<T, StoreError> {
    body_of(table, &row.try_get::<String, _>("id")?, row)
}

/// The thing in a row of that key.
pub(super) fn body_of<T: DeserializeOwned>(
    table: &'static str,
    key: &str,
    row: &AnyRow,
) -> Result<T, StoreError> {
    let text: String = row.try_get("body")?;
    serde_json::from_str(&text).map_err(|e| damaged(table, key)(e.to_string()))
}
