//! The map: cameras, grids and open cases.

use super::page;
use crate::problem::unavailable;
use crate::rows::{CaseRow, Writer};
use crate::shell::{Frame, Visitor};
use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use citybrain_dispatcher::Services;
use citybrain_types::{Case, Priority};
use serde::Serialize;
use std::collections::BTreeMap;

/// Cases listed under the map; the map itself shows all.
const LISTED: u32 = 100;

/// Its routes.
pub fn routes() -> Router<Services> {
    Router::new().route("/map", get(map)).route("/map/features", get(features))
}

#[derive(Template)]
#[template(path = "map.html")]
struct MapPage {
    frame: Frame,
    cases: Vec<CaseRow>,
    cameras: Vec<CameraGroup>,
    tiles: Option<Tiles>,
}

/// Where the ground under the map comes from, and who made it.
struct Tiles {
    template: String,
    attribution: String,
}

/// The cameras of one area.
struct CameraGroup {
    area: String,
    watched: usize,
    all: usize,
}

/// What the map draws: positions are longitude and latitude in degrees.
#[derive(Debug, Serialize)]
pub struct Features {
    cameras: Vec<CameraMark>,
    cases: Vec<CaseMark>,
    /// Open cases without a position.
    nowhere: usize,
    areas: Vec<AreaMark>,
}

#[derive(Debug, Serialize)]
struct CameraMark {
    id: String,
    name: String,
    state: String,
    tone: &'static str,
    position: [f64; 2],
}

#[derive(Debug, Serialize)]
struct CaseMark {
    id: String,
    kind: String,
    state: String,
    urgent: bool,
    position: [f64; 2],
}

#[derive(Debug, Serialize)]
struct AreaMark {
    name: String,
    outline: Vec<[f64; 2]>,
}

async fn map(State(services): State<Services>, visitor: Visitor) -> Response {
    let cases = match services.open_part(0, LISTED).await {
        Ok(cases) => cases,
        Err(error) => return unavailable(&services, &visitor, &error),
    };
    let writer = Writer::new(&services, &visitor);
    let mut groups: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for camera in services.cameras() {
        let group = groups.entry(camera.area.unwrap_or_else(|| "–".to_owned())).or_default();
        group.0 += usize::from(matches!(camera.status.state.name(), "live" | "resting"));
        group.1 += 1;
    }
    let group = |(area, (watched, all))| CameraGroup { area, watched, all };
    page(&MapPage {
        frame: Frame::new(&services, &visitor, "map"),
        cases: cases.iter().map(|case| CaseRow::new(case, &writer)).collect(),
        cameras: groups.into_iter().map(group).collect(),
        tiles: services
            .city()
            .console
            .tiles
            .clone()
            .map(|tiles| Tiles { template: tiles.template, attribution: tiles.attribution }),
    })
}

async fn features(State(services): State<Services>, visitor: Visitor) -> Response {
    let cases = match services.open_cases().await {
        Ok(cases) => cases,
        Err(error) => return unavailable(&services, &visitor, &error),
    };
    let writer = Writer::new(&services, &visitor);
    let city = services.city();
    let camera = |camera: citybrain_dispatcher::CameraView| {
        let row = crate::rows::CameraRow::new(&camera, &writer);
        let (id, name, state, tone) = (row.id, row.name, row.state, row.tone);
        camera.position.map(|position| CameraMark { id, name, state, tone, position })
    };
    // A mark needs less than a row, and there may be thousands.
    let case = |case: &Case| {
        case.position.map(|position| CaseMark {
            id: case.id.to_string(),
            kind: writer.kind(&case.kind),
            state: writer.state(case.state),
            urgent: case.priority != Priority::Normal,
            position,
        })
    };
    let areas = city.cases.areas.iter().filter_map(|(name, area)| {
        area.outline.clone().map(|outline| AreaMark { name: name.clone(), outline })
    });
    Json(Features {
        cameras: services.cameras().into_iter().filter_map(camera).collect(),
        cases: cases.iter().filter_map(case).collect(),
        nowhere: cases.iter().filter(|case| case.position.is_none()).count(),
        areas: areas.collect(),
    })
    .into_response()
}
