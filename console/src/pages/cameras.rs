//! The cameras, and each one's own page with the editor of its zones.

use super::{Choice, Count, page};
use crate::House;
use crate::problem::not_found;
use crate::rows::{CameraRow, Writer};
use crate::shell::{Frame, Visitor};
use askama::Template;
use axum::extract::{Extension, Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use citybrain_dispatcher::people::{Actor, Permission};
use citybrain_dispatcher::services::CameraView;
use citybrain_dispatcher::{City, Services};
use citybrain_types::{CameraId, CameraParts, ConfigRefusal, ZonePart};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use url::form_urlencoded;

/// Cameras on a page.
const PAGE: usize = 48;

/// Its routes.
pub fn routes() -> Router<Services> {
    Router::new()
        .route("/cameras", get(cameras))
        .route("/cameras/{id}", get(camera))
        .route("/cameras/{id}/zones", post(set_zones))
}

#[derive(Template)]
#[template(path = "cameras.html")]
struct CamerasPage {
    frame: Frame,
    query: CamerasQuery,
    states: Vec<Choice>,
    counts: Vec<Count>,
    cameras: Vec<CameraRow>,
    found: usize,
    previous: Option<String>,
    next: Option<String>,
}

/// Which cameras: by state, `faulty` for those with something wrong, and by a part of id, name or area.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub struct CamerasQuery {
    state: String,
    text: String,
    page: String,
}

impl CamerasQuery {
    fn holds(&self, camera: &CameraView) -> bool {
        let state = camera.status.state.name();
        let is_faulty = !camera.status.faults.is_empty() || matches!(state, "stalled" | "failed");
        let is_state = match self.state.as_str() {
            "" => true,
            "faulty" => is_faulty,
            wanted => wanted == state,
        };
        let text = self.text.trim().to_lowercase();
        let has = |words: &str| words.to_lowercase().contains(&text);
        is_state
            && (has(camera.status.camera.as_str())
                || has(&camera.name)
                || camera.area.as_deref().is_some_and(has))
    }

    fn address(&self, page: usize) -> String {
        let mut pairs = form_urlencoded::Serializer::new(String::new());
        for (name, value) in [("state", &self.state), ("text", &self.text)] {
            if !value.is_empty() {
                pairs.append_pair(name, value);
            }
        }
        format!("/cameras?{}", pairs.append_pair("page", &page.to_string()).finish())
    }
}

async fn cameras(
    State(services): State<Services>,
    visitor: Visitor,
    Query(query): Query<CamerasQuery>,
) -> Response {
    let mut cameras = services.cameras();
    let writer = Writer::new(&services, &visitor);
    let mut by_state: BTreeMap<&str, u64> = BTreeMap::new();
    for camera in &cameras {
        *by_state.entry(camera.status.state.name()).or_default() += 1;
        *by_state.entry("faulty").or_default() += u64::from(!camera.status.faults.is_empty());
    }
    cameras.retain(|camera| query.holds(camera));
    let found = cameras.len();
    let number = query.page.parse::<usize>().unwrap_or(1).clamp(1, found.div_ceil(PAGE).max(1));
    let shown = cameras.iter().skip((number - 1) * PAGE).take(PAGE);
    let count =
        |(code, value): (&str, u64)| Count { name: writer.language.name("camera.state", code), value };
    let codes = ["live", "resting", "connecting", "stalled", "failed", "ended", "faulty"];
    let choice = |code: &str| Choice::new(code, &writer.language.name("camera.state", code), &query.state);
    page(&CamerasPage {
        frame: Frame::new(&services, &visitor, "cameras"),
        states: codes.into_iter().map(choice).collect(),
        counts: by_state.into_iter().filter(|(_, value)| *value > 0).map(count).collect(),
        cameras: shown.map(|camera| CameraRow::new(camera, &writer)).collect(),
        found,
        previous: (number > 1).then(|| query.address(number - 1)),
        next: (number * PAGE < found).then(|| query.address(number + 1)),
        query,
    })
}

#[derive(Template)]
#[template(path = "camera.html")]
struct CameraPage {
    frame: Frame,
    camera: CameraRow,
    position: Option<String>,
    kinds: Vec<Choice>,
    drawing: String,
    can_edit: bool,
}

/// What the editor draws; it travels as JSON in a data attribute.
#[derive(Serialize)]
struct Drawing<'a> {
    version: &'a str,
    parts: CameraParts,
}

fn parts_of(city: &City, id: &CameraId) -> CameraParts {
    let Some(camera) = city.cameras.get(id) else { return CameraParts::default() };
    let corners = |polygon: &citybrain_types::Polygon| -> Vec<[f64; 2]> {
        // Through the text of the shorter number, so that 0.1 stays 0.1.
        let wide = |value: f32| value.to_string().parse().unwrap_or(f64::from(value));
        polygon.corners().iter().map(|[x, y]| [wide(*x), wide(*y)]).collect()
    };
    CameraParts {
        ignore: camera.ignore.iter().map(corners).collect(),
        zones: camera
            .zones
            .iter()
            .enumerate()
            .map(|(was, zone)| ZonePart {
                was: Some(was),
                name: zone.name.clone(),
                kinds: zone.kinds.iter().map(ToString::to_string).collect(),
                ignore: zone.ignore,
                polygon: corners(&zone.part),
            })
            .collect(),
    }
}

async fn camera(
    State(services): State<Services>,
    Extension(house): Extension<House>,
    visitor: Visitor,
    actor: Actor,
    Path(id): Path<String>,
) -> Response {
    let views = services.cameras();
    let Some(view) = views.iter().find(|view| view.status.camera.as_str() == id) else {
        let detail = visitor.language.fill("camera.unknown", &[("id", &id)]);
        return not_found(&services, &visitor, detail);
    };
    let city = services.city();
    let writer = Writer::new(&services, &visitor);
    let parts = parts_of(&city, &view.status.camera);
    let drawing = serde_json::to_string(&Drawing { version: &city.version, parts }).unwrap_or_default();
    page(&CameraPage {
        frame: Frame::new(&services, &visitor, "cameras"),
        camera: CameraRow::new(view, &writer),
        position: view.position.map(|[longitude, latitude]| format!("{latitude:.5}, {longitude:.5}")),
        kinds: view.kinds.iter().map(|kind| Choice::new(kind.as_str(), &writer.kind(kind), "")).collect(),
        drawing,
        can_edit: house.configurator.is_some() && actor.may(Permission::Configure),
    })
}

/// What the editor sends.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Drawn {
    version: String,
    parts: CameraParts,
}

/// Answers the editor: the version then in force, or what is wrong in words.
async fn set_zones(
    Extension(house): Extension<House>,
    visitor: Visitor,
    Path(id): Path<String>,
    Json(drawn): Json<Drawn>,
) -> Response {
    let refuse = |status: StatusCode, why: Vec<String>| {
        (status, Json(serde_json::json!({ "problems": why }))).into_response()
    };
    let language = visitor.language;
    let Some(configurator) = &house.configurator else {
        return refuse(StatusCode::CONFLICT, vec![language.t("camera.no_file").to_owned()]);
    };
    let Ok(id) = CameraId::new(&id) else {
        return refuse(StatusCode::NOT_FOUND, vec![visitor.language.fill("camera.unknown", &[("id", &id)])]);
    };
    match configurator.set_parts(id, drawn.parts, drawn.version).await {
        Ok(version) => Json(serde_json::json!({ "version": version })).into_response(),
        Err(ConfigRefusal::Stale) => {
            refuse(StatusCode::CONFLICT, vec![language.t("camera.config_changed").to_owned()])
        }
        Err(ConfigRefusal::Invalid(why)) => refuse(StatusCode::UNPROCESSABLE_ENTITY, why),
        Err(ConfigRefusal::Unwritable(why)) => refuse(StatusCode::CONFLICT, vec![why]),
    }
}
