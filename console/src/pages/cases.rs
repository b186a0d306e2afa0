//! The case board.

use super::{Choice, Count, page};
use crate::problem::{bad_request, unavailable};
use crate::rows::{CaseRow, Writer};
use crate::shell::{Frame, Visitor};
use askama::Template;
use axum::Router;
use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::get;
use citybrain_dispatcher::{CaseFilter, PageRequest, Services};
use citybrain_types::{CaseState, EventKind};
use serde::Deserialize;

/// Rows on a page.
const PAGE: u32 = 50;

/// Its routes.
pub fn routes() -> Router<Services> {
    Router::new().route("/", get(cases)).route("/cases", get(cases))
}

#[derive(Template)]
#[template(path = "cases.html")]
struct CasesPage {
    frame: Frame,
    kinds: Vec<Choice>,
    states: Vec<Choice>,
    counts: Vec<Count>,
    cases: Vec<CaseRow>,
    next: Option<String>,
}

/// What is asked for; what is left empty asks for all.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct CasesQuery {
    kind: String,
    state: String,
    cursor: Option<String>,
}

async fn cases(
    State(services): State<Services>,
    visitor: Visitor,
    Query(query): Query<CasesQuery>,
) -> Response {
    let state = match query.state.as_str() {
        "" => None,
        name => match CaseState::from_name(name) {
            Some(state) => Some(state),
            None => return bad_request(&services, &visitor, format!("there is no state '{name}'")),
        },
    };
    let kind = (!query.kind.is_empty()).then(|| EventKind::new(&query.kind));
    let cursor = match query.cursor.as_deref().map(str::parse).transpose() {
        Ok(cursor) => cursor,
        Err(error) => return bad_request(&services, &visitor, format!("{error}")),
    };
    let filter = CaseFilter { state, kind };
    let found = services.cases(&filter, &PageRequest::new(Some(PAGE), cursor)).await;
    let (found, counts) = match (found, services.counts().await) {
        (Ok(found), Ok(counts)) => (found, counts),
        (Err(error), _) | (_, Err(error)) => return unavailable(&services, &visitor, &error),
    };
    let writer = Writer::new(&services, &visitor);
    let state_choice = |state: &CaseState| Choice::new(state.name(), &writer.state(*state), &query.state);
    page(&CasesPage {
        frame: Frame::new(&services, &visitor, "cases"),
        kinds: writer.kinds().map(|(kind, name)| Choice::new(kind.as_str(), name, &query.kind)).collect(),
        states: CaseState::ALL.iter().map(state_choice).collect(),
        counts: counts.iter().map(|(state, n)| Count { name: writer.state(*state), value: *n }).collect(),
        cases: found.cases.iter().map(|case| CaseRow::new(case, &writer)).collect(),
        next: found
            .next
            .map(|cursor| format!("/cases?kind={}&state={}&cursor={cursor}", query.kind, query.state)),
    })
}
