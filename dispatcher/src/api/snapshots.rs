//! Pictures kept of detections. Nothing above or beside their folder can be reached.

use super::Problem;
use crate::people::{Actor, Permission, Shut, note, opens};
use crate::photo::AS_SENT;
use crate::services::Services;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use citybrain_ingest_config::resolved::Blur;
use citybrain_types::SnapshotRef;
use std::path::PathBuf;
use tokio::io::AsyncReadExt;

/// Largest picture served; ours are a few hundred kilobytes.
const MAX_SNAPSHOT_BYTES: u64 = 8 << 20;
pub(super) async fn snapshot(
    State(services): State<Services>,
    Path(path): Path<String>,
    actor: Actor,
) -> Result<Response, Problem> {
    let wanted = picture(&path)?;
    let is_original = is_uncovered_photo(&services, &wanted);
    if is_original && !actor.may(Permission::Originals) {
        let what = "this photo was sent in before photos were covered: it needs the permission 'originals'";
        return Err(Problem::new(StatusCode::FORBIDDEN, what));
    }
    if is_original {
        note("picture.original", wanted.as_str(), "");
    }
    let bytes = read_below(services.snapshot_root(), &wanted).await.ok_or_else(gone)?;
    Ok(shown(bytes))
}

/// Whether a photo was taken in as it is, while pictures are covered now.
fn is_uncovered_photo(services: &Services, wanted: &SnapshotRef) -> bool {
    services.city().people.blur != Blur::Off && wanted.as_str().split('/').next() == Some(AS_SENT)
}

/// What the address of a picture carries for a receiver outside.
#[derive(Debug, serde::Deserialize)]
pub(super) struct Signature {
    until: u64,
    mark: String,
}

/// A picture as everybody sees it, for whoever was sent its address.
pub(super) async fn linked(
    State(services): State<Services>,
    Path(path): Path<String>,
    signature: Result<Query<Signature>, QueryRejection>,
) -> Result<Response, Problem> {
    let wanted = picture(&path)?;
    let Ok(Query(signature)) = signature else {
        return Err(Problem::invalid("the address lacks 'until' and 'mark': take it whole from the message"));
    };
    let seal = services.people().seal().await?;
    let longest = services.city().people.picture_links;
    opens(&seal, &wanted, (signature.until, &signature.mark), longest, services.now()).map_err(|shut| {
        match shut {
            Shut::Forged => Problem::new(StatusCode::NOT_FOUND, "this address opens no picture"),
            Shut::Over => Problem::new(StatusCode::GONE, "the time of this address is over: open the case"),
        }
    })?;
    if is_uncovered_photo(&services, &wanted) {
        return Err(gone());
    }
    let bytes = read_below(services.snapshot_root(), &wanted).await.ok_or_else(gone)?;
    Ok(shown(bytes))
}

/// A picture as the camera has taken it; where nothing was made unrecognisable in it, it is the one that everybody sees.
pub(super) async fn original(
    State(services): State<Services>,
    Path(path): Path<String>,
) -> Result<Response, Problem> {
    let wanted = picture(&path)?;
    let bytes = match read_below(services.original_root(), &wanted).await {
        Some(bytes) => Some(bytes),
        None => read_below(services.snapshot_root(), &wanted).await,
    };
    let bytes = bytes.ok_or_else(gone)?;
    note("picture.original", wanted.as_str(), "");
    Ok(shown(bytes))
}

fn gone() -> Problem {
    Problem::not_found("there is no such picture; it may have made room for newer ones")
}

fn picture(path: &str) -> Result<SnapshotRef, Problem> {
    let wanted = SnapshotRef::new(path)?;
    if wanted.as_str().ends_with(".jpg") { Ok(wanted) } else { Err(gone()) }
}

fn shown(bytes: Vec<u8>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("image/jpeg")),
        // A snapshot's name holds its moment, and its content never changes.
        (header::CACHE_CONTROL, HeaderValue::from_static("private, max-age=86400, immutable")),
    ];
    (headers, Body::from(bytes)).into_response()
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
