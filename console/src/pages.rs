//! One handler a page: ask the services, fill the template.

use crate::local_time::LocalTime;
use crate::problem::{bad_request, not_found, unavailable};
use crate::rows::{
    ActionRow, CameraRow, CaseRow, ClockRow, DeliveryRow, KindNames, ReasonRow, TrailRow, state_name,
};
use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use citybrain_dispatcher::services::CameraView;
use citybrain_dispatcher::{CaseFilter, DeliveryFilter, PageRequest, Services};
use citybrain_types::{CaseId, CaseState, EventKind};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Rows on a page.
const PAGE: u32 = 100;

/// What every page shows around its content.
pub struct Frame {
    pub site: String,
    pub page: &'static str,
}

impl Frame {
    pub fn new(services: &Services, page: &'static str) -> Self {
        Self { site: services.site().name, page }
    }
}

/// Renders a template; a template that fails is a defect of ours and says so.
pub fn page(template: &impl Template) -> Response {
    match template.render() {
        Ok(text) => ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page could not be rendered");
            (StatusCode::INTERNAL_SERVER_ERROR, "this page could not be rendered; the log says why")
                .into_response()
        }
    }
}

struct Choice {
    code: String,
    name: String,
    chosen: bool,
}

struct Count {
    name: String,
    value: u64,
}

#[derive(Template)]
#[template(path = "cases.html")]
struct CasesPage {
    frame: Frame,
    kinds: Vec<Choice>,
    states: Vec<Choice>,
    counts: Vec<Count>,
    cases: Vec<CaseRow>,
    watching: String,
    next: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
pub struct CasesQuery {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    state: String,
    cursor: Option<String>,
}

pub async fn cases(State(services): State<Services>, Query(query): Query<CasesQuery>) -> Response {
    let state = match query.state.as_str() {
        "" => None,
        name => match CaseState::from_name(name) {
            Some(state) => Some(state),
            None => return bad_request(&services, format!("there is no state '{name}'")),
        },
    };
    let kind = (!query.kind.is_empty()).then(|| EventKind::new(&query.kind));
    let cursor = match query.cursor.as_deref().map(str::parse).transpose() {
        Ok(cursor) => cursor,
        Err(error) => return bad_request(&services, format!("{error}")),
    };
    let filter = CaseFilter { state, kind };
    let found = services.cases(&filter, &PageRequest::new(Some(PAGE), cursor)).await;
    let (found, counts) = match (found, services.counts().await) {
        (Ok(found), Ok(counts)) => (found, counts),
        (Err(error), _) | (_, Err(error)) => return unavailable(&services, &error),
    };
    let (names, time) = context(&services);
    let kinds = names.all().map(|(code, name)| Choice {
        code: code.to_string(),
        name: name.clone(),
        chosen: code.as_str() == query.kind,
    });
    let states = CaseState::ALL.iter().map(|state| Choice {
        code: state.name().to_owned(),
        name: state_name(*state).to_owned(),
        chosen: state.name() == query.state,
    });
    let cameras = services.cameras();
    page(&CasesPage {
        frame: Frame::new(&services, "cases"),
        kinds: kinds.collect(),
        states: states.collect(),
        counts: case_counts(&counts, &cameras),
        cases: found.cases.iter().map(|case| CaseRow::new(case, &names, &time)).collect(),
        watching: format!("{} of {} cameras are live.", live(&cameras), cameras.len()),
        next: found.next.map(|cursor| format!("/?kind={}&state={}&cursor={cursor}", query.kind, query.state)),
    })
}

fn context(services: &Services) -> (KindNames, LocalTime) {
    let kinds = services.kinds();
    let names = KindNames::new(kinds.iter().map(|kind| (&kind.kind, &kind.names)));
    (names, LocalTime::of(&services.site().time_zone))
}

fn live(cameras: &[CameraView]) -> usize {
    cameras.iter().filter(|camera| camera.status.state.name() == "live").count()
}

fn case_counts(counts: &BTreeMap<CaseState, u64>, cameras: &[CameraView]) -> Vec<Count> {
    let by_state =
        counts.iter().map(|(state, value)| Count { name: state_name(*state).to_owned(), value: *value });
    let live = Count { name: format!("of {} cameras live", cameras.len()), value: live(cameras) as u64 };
    std::iter::once(live).chain(by_state).collect()
}

#[derive(Template)]
#[template(path = "case.html")]
struct CasePage {
    frame: Frame,
    case: CaseRow,
    clocks: Vec<ClockRow>,
    actions: Vec<ActionRow>,
    trail: Vec<TrailRow>,
    why: Vec<ReasonRow>,
    members: Vec<String>,
    deliveries: Vec<DeliveryRow>,
}

pub async fn case(State(services): State<Services>, Path(id): Path<String>) -> Response {
    let Ok(id) = CaseId::new(&id) else {
        return not_found(&services, "That is not the id of a case.".to_owned());
    };
    let view = match services.case(&id).await {
        Ok(Some(view)) => view,
        Ok(None) => return not_found(&services, format!("There is no case {id}.")),
        Err(error) => return unavailable(&services, &error),
    };
    let incident = match services.why(&id).await {
        Ok(incident) => incident,
        Err(error) => return unavailable(&services, &error),
    };
    let (names, time) = context(&services);
    let reasons = incident.iter().flat_map(|incident| &incident.reasons);
    let members = incident.iter().flat_map(|incident| incident.members.keys());
    page(&CasePage {
        frame: Frame::new(&services, "cases"),
        case: CaseRow::new(&view.case, &names, &time),
        clocks: view.case.work.clocks.iter().rev().map(|clock| ClockRow::new(clock, &time)).collect(),
        actions: view.allowed.iter().map(|action| ActionRow::new(*action)).collect(),
        trail: view.trail.iter().map(|change| TrailRow::new(change, &time)).collect(),
        why: reasons.map(|reason| ReasonRow::new(reason, &time)).collect(),
        members: members.map(ToString::to_string).collect(),
        deliveries: view.deliveries.iter().map(|delivery| DeliveryRow::new(delivery, &time)).collect(),
    })
}

#[derive(Template)]
#[template(path = "cameras.html")]
struct CamerasPage {
    frame: Frame,
    counts: Vec<Count>,
    cameras: Vec<CameraRow>,
}

pub async fn cameras(State(services): State<Services>) -> Response {
    let cameras = services.cameras();
    let mut by_state: BTreeMap<&str, u64> = BTreeMap::new();
    for camera in &cameras {
        *by_state.entry(camera.status.state.name()).or_default() += 1;
    }
    let (_, time) = context(&services);
    page(&CamerasPage {
        frame: Frame::new(&services, "cameras"),
        counts: by_state.into_iter().map(|(name, value)| Count { name: name.to_owned(), value }).collect(),
        cameras: cameras.iter().map(|camera| CameraRow::new(camera, &time)).collect(),
    })
}

#[derive(Template)]
#[template(path = "deliveries.html")]
struct DeliveriesPage {
    frame: Frame,
    deliveries: Vec<DeliveryRow>,
}

pub async fn deliveries(State(services): State<Services>) -> Response {
    let found = services.deliveries(&DeliveryFilter::default(), &PageRequest::new(Some(PAGE), None)).await;
    let found = match found {
        Ok(found) => found,
        Err(error) => return unavailable(&services, &error),
    };
    let (_, time) = context(&services);
    page(&DeliveriesPage {
        frame: Frame::new(&services, "deliveries"),
        deliveries: found.deliveries.iter().map(|delivery| DeliveryRow::new(delivery, &time)).collect(),
    })
}
