//! The case board: open cases by state, kind, department and district, sorted; closed ones newest first.

use super::{Choice, Count, page};
use crate::problem::{bad_request, unavailable};
use crate::rows::{CaseRow, Writer};
use crate::shell::{Frame, Visitor};
use askama::Template;
use axum::Router;
use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::get;
use citybrain_dispatcher::{CaseFilter, City, Cursor, PageRequest, Services, StoreError};

use citybrain_types::{Case, CaseState, EventKind};
use serde::Deserialize;
use std::collections::BTreeSet;
use url::form_urlencoded;

/// Rows on a page.
const PAGE: usize = 50;
/// Ended cases are read so many at once …
const CHUNK: u32 = 500;
/// … and so many times for one page, when hardly any of them is of the department or district asked for.
const CHUNKS: usize = 20;

/// Its routes.
pub fn routes() -> Router<Services> {
    Router::new().route("/cases", get(cases))
}

#[derive(Template)]
#[template(path = "cases.html")]
struct CasesPage {
    frame: Frame,
    kinds: Vec<Choice>,
    states: Vec<Choice>,
    departments: Vec<Choice>,
    areas: Vec<Choice>,
    sorts: Vec<Choice>,
    counts: Vec<Count>,
    cases: Vec<CaseRow>,
    found: Option<usize>,
    previous: Option<String>,
    next: Option<String>,
}

/// What is asked for; what is left empty asks for all that are open.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub struct CasesQuery {
    kind: String,
    state: String,
    department: String,
    area: String,
    sort: String,
    /// Page of the open cases, from 1.
    page: String,
    /// How far the ended ones were read.
    cursor: String,
}

/// Which cases by where they stand.
enum Scope {
    Open,
    One(CaseState),
}

impl Scope {
    fn holds(&self, case: &Case) -> bool {
        match self {
            Self::Open => true,
            Self::One(state) => case.state == *state,
        }
    }

    /// Ended cases grow without bound: they are paged by the store, newest first.
    const fn has_ended(&self) -> Option<CaseState> {
        match self {
            Self::One(state @ (CaseState::Closed | CaseState::Void | CaseState::Linked)) => Some(*state),
            _ => None,
        }
    }
}

fn is_wanted(city: &City, case: &Case, query: &CasesQuery) -> bool {
    let is_kind = query.kind.is_empty() || case.kind.as_str() == query.kind;
    let is_department =
        query.department.is_empty() || case.departments.iter().any(|id| id.as_str() == query.department);
    let areas: BTreeSet<String> =
        Some(query.area.clone()).filter(|area| !area.is_empty()).into_iter().collect();
    let is_area = city.cases.covers(&areas, case.work.area.as_deref());
    is_kind && is_department && is_area
}

fn sort(cases: &mut [Case], by: &str) {
    match by {
        "oldest" => cases.sort_by(|a, b| (a.opened_at, &a.id).cmp(&(b.opened_at, &b.id))),
        "deadline" => {
            cases.sort_by_key(|case| (case.deadline_at.is_none(), case.deadline_at, case.id.clone()));
        }
        "priority" => cases.sort_by_key(|case| {
            (std::cmp::Reverse(case.priority), std::cmp::Reverse(case.opened_at), case.id.clone())
        }),
        _ => {}
    }
}

/// A part of the cases asked for.
struct Part {
    cases: Vec<Case>,
    /// How many there are in all, where that is known.
    found: Option<usize>,
    previous: Option<String>,
    next: Option<String>,
}

fn address(query: &CasesQuery, page: Option<usize>, cursor: Option<&str>) -> String {
    let mut pairs = form_urlencoded::Serializer::new(String::new());
    let fields = [
        ("kind", &query.kind),
        ("state", &query.state),
        ("department", &query.department),
        ("area", &query.area),
        ("sort", &query.sort),
    ];
    for (name, value) in fields.into_iter().filter(|(_, value)| !value.is_empty()) {
        pairs.append_pair(name, value);
    }
    if let Some(page) = page {
        pairs.append_pair("page", &page.to_string());
    }
    if let Some(cursor) = cursor {
        pairs.append_pair("cursor", cursor);
    }
    format!("/cases?{}", pairs.finish())
}

/// Whether every open case is asked for, newest first: the store pages these by itself.
fn is_plain(query: &CasesQuery) -> bool {
    let CasesQuery { kind, state, department, area, sort, .. } = query;
    [kind, state, department, area].into_iter().all(String::is_empty)
        && matches!(sort.as_str(), "" | "newest")
}

async fn newest(services: &Services, query: &CasesQuery) -> Result<Part, StoreError> {
    let is_open =
        |state: &CaseState| !matches!(state, CaseState::Closed | CaseState::Void | CaseState::Linked);
    let counts = services.counts().await?;
    let all: u64 = counts.iter().filter(|(state, _)| is_open(state)).map(|(_, count)| count).sum();
    let found = usize::try_from(all).unwrap_or(usize::MAX);
    let page = query.page.parse::<usize>().unwrap_or(1).clamp(1, found.div_ceil(PAGE).max(1));
    let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
    Ok(Part {
        cases: services.open_part(number((page - 1) * PAGE), number(PAGE)).await?,
        found: Some(found),
        previous: (page > 1).then(|| address(query, Some(page - 1), None)),
        next: (page * PAGE < found).then(|| address(query, Some(page + 1), None)),
    })
}

async fn open(services: &Services, query: &CasesQuery, scope: &Scope) -> Result<Part, StoreError> {
    if is_plain(query) {
        return newest(services, query).await;
    }
    let city = services.city();
    let mut cases = services.open_cases().await?;
    cases.retain(|case| scope.holds(case) && is_wanted(&city, case, query));
    sort(&mut cases, &query.sort);
    let found = cases.len();
    let page = query.page.parse::<usize>().unwrap_or(1).clamp(1, found.div_ceil(PAGE).max(1));
    let cases: Vec<Case> = cases.into_iter().skip((page - 1) * PAGE).take(PAGE).collect();
    Ok(Part {
        cases,
        found: Some(found),
        previous: (page > 1).then(|| address(query, Some(page - 1), None)),
        next: (page * PAGE < found).then(|| address(query, Some(page + 1), None)),
    })
}

async fn ended(
    services: &Services,
    query: &CasesQuery,
    state: CaseState,
    mut cursor: Option<Cursor>,
) -> Result<Part, StoreError> {
    let city = services.city();
    let kind = (!query.kind.is_empty()).then(|| EventKind::new(&query.kind));
    let filter = CaseFilter { state: Some(state), kind };
    let asks_for_all = query.department.is_empty() && query.area.is_empty();
    let most = if asks_for_all { u32::try_from(PAGE).unwrap_or(u32::MAX) } else { CHUNK };
    let mut cases = Vec::new();
    let mut next = None;
    for _ in 0..CHUNKS {
        let part = services.cases(&filter, &PageRequest::new(Some(most), cursor.take())).await?;
        let mut all = part.cases.into_iter();
        next = part.next;
        for case in all.by_ref() {
            let at = Cursor::after_case(&case).to_string();
            if is_wanted(&city, &case, query) {
                cases.push(case);
            }
            if cases.len() == PAGE {
                next = (all.len() > 0 || next.is_some()).then_some(at);
                break;
            }
        }
        cursor = next.as_deref().and_then(|next| next.parse().ok());
        if cases.len() == PAGE || cursor.is_none() {
            break;
        }
    }
    let next = next.map(|next| address(query, None, Some(&next)));
    let first = (!query.cursor.is_empty()).then(|| address(query, None, None));
    Ok(Part { cases, found: None, previous: first, next })
}

async fn cases(
    State(services): State<Services>,
    visitor: Visitor,
    Query(query): Query<CasesQuery>,
) -> Response {
    let scope = match query.state.as_str() {
        "" => Scope::Open,
        name => match CaseState::from_name(name) {
            Some(state) => Scope::One(state),
            None => return bad_request(&services, &visitor, format!("there is no state '{name}'")),
        },
    };
    let cursor = (!query.cursor.is_empty()).then(|| query.cursor.parse()).transpose();
    let cursor = match cursor {
        Ok(cursor) => cursor,
        Err(error) => return bad_request(&services, &visitor, format!("{error}")),
    };
    let part = match scope.has_ended() {
        Some(state) => ended(&services, &query, state, cursor).await,
        None => open(&services, &query, &scope).await,
    };
    match (part, services.counts().await) {
        (Ok(part), Ok(counts)) => {
            let writer = Writer::new(&services, &visitor);
            let counts =
                counts.iter().map(|(state, n)| Count { name: writer.state(*state), value: *n }).collect();
            page(&board(&services, &visitor, &writer, &query, part, counts))
        }
        (Err(error), _) | (_, Err(error)) => unavailable(&services, &visitor, &error),
    }
}

fn board(
    services: &Services,
    visitor: &Visitor,
    writer: &Writer,
    query: &CasesQuery,
    part: Part,
    counts: Vec<Count>,
) -> CasesPage {
    let city = services.city();
    let state = |state: &CaseState| Choice::new(state.name(), &writer.state(*state), &query.state);
    let named = |codes: &[&str]| {
        let choice = |code: &&str| Choice::new(code, &writer.language.name("case.sort", code), &query.sort);
        codes.iter().map(choice).collect()
    };
    // Areas of cameras need not be configured as areas of their own.
    let mut areas: Vec<&str> = city.cases.areas.keys().map(String::as_str).collect();
    areas.extend(city.cameras.values().filter_map(|camera| camera.area.as_deref()));
    areas.sort_unstable();
    areas.dedup();
    CasesPage {
        frame: Frame::new(services, visitor, "cases"),
        kinds: writer.kinds().map(|(kind, name)| Choice::new(kind.as_str(), name, &query.kind)).collect(),
        states: CaseState::ALL.iter().map(state).collect(),
        departments: writer
            .departments()
            .map(|(id, name)| Choice::new(id, name, &query.department))
            .collect(),
        areas: areas.into_iter().map(|area| Choice::new(area, area, &query.area)).collect(),
        sorts: named(&["newest", "oldest", "deadline", "priority"]),
        counts,
        cases: part.cases.iter().map(|case| CaseRow::new(case, writer)).collect(),
        found: part.found,
        previous: part.previous,
        next: part.next,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_keeps_what_was_asked_for_and_nothing_breaks_out_of_it() {
        let query = CasesQuery { kind: "fire".into(), area: "a&b=\"<".into(), ..CasesQuery::default() };
        assert_eq!(address(&query, Some(2), None), "/cases?kind=fire&area=a%26b%3D%22%3C&page=2");
    }
}
