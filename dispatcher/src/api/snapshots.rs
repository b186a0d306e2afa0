//! Pictures kept of detections. Nothing above or beside their folder can be reached.

use super::Problem;
use crate::services::Services;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use citybrain_types::SnapshotRef;
use std::path::PathBuf;
use tokio::io::AsyncReadExt;

/// Largest picture served; ours are a few hundred kilobytes.
const MAX_SNAPSHOT_BYTES: u64 = 8 << 20;

pub(super) async fn snapshot(
    State(services): State<Services>,
    Path(path): Path<String>,
) -> Result<Response, Problem> {
    let gone = || Problem::not_found("there is no such picture; it may have made room for newer ones");
    let wanted = SnapshotRef::new(&path)?;
    if !wanted.as_str().ends_with(".jpg") {
        return Err(gone());
    }
    let root = services.snapshot_root();
    let bytes = read_below(root, &wanted).await.ok_or_else(gone)?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("image/jpeg")),
        // A snapshot's name holds its moment, and its content never changes.
        (header::CACHE_CONTROL, HeaderValue::from_static("private, max-age=86400, immutable")),
    ];
    Ok((headers, Body::from(bytes)).into_response())
}

/// The file's content, if it is a file below `root`, links resolved, and no larger than a picture can be.
async fn read_below(root: PathBuf, wanted: &SnapshotRef) -> Option<Vec<u8>> {
    let root = tokio::fs::canonicalize(root).await.ok()?;
    let path = tokio::fs::canonicalize(root.join(wanted.as_str())).await.ok()?;
    if !path.starts_with(&root) || !tokio::fs::metadata(&path).await.ok()?.is_file() {
        return None;
    }
    let file = tokio::fs::File::open(path).await.ok()?;
    let mut bytes = Vec::new();
    file.take(MAX_SNAPSHOT_BYTES + 1).read_to_end(&mut bytes).await.ok()?;
    (bytes.len() as u64 <= MAX_SNAPSHOT_BYTES).then_some(bytes)
}
