//! The cameras.

use super::{Count, page};
use crate::rows::{CameraRow, Writer};
use crate::shell::{Frame, Visitor};
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use citybrain_dispatcher::Services;
use std::collections::BTreeMap;

/// Its routes.
pub fn routes() -> Router<Services> {
    Router::new().route("/cameras", get(cameras))
}

#[derive(Template)]
#[template(path = "cameras.html")]
struct CamerasPage {
    frame: Frame,
    counts: Vec<Count>,
    cameras: Vec<CameraRow>,
}

async fn cameras(State(services): State<Services>, visitor: Visitor) -> Response {
    let cameras = services.cameras();
    let writer = Writer::new(&services, &visitor);
    let mut by_state: BTreeMap<&str, u64> = BTreeMap::new();
    for camera in &cameras {
        *by_state.entry(camera.status.state.name()).or_default() += 1;
    }
    let count =
        |(code, value): (&str, u64)| Count { name: writer.language.name("camera.state", code), value };
    page(&CamerasPage {
        frame: Frame::new(&services, &visitor, "cameras"),
        counts: by_state.into_iter().map(count).collect(),
        cameras: cameras.iter().map(|camera| CameraRow::new(camera, &writer)).collect(),
    })
}
