//! The audit log, and whether it is whole.

use super::page;
use crate::local_time::LocalTime;
use crate::problem::unavailable;
use crate::shell::{Frame, Visitor};
use askama::Template;
use axum::Router;
use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::get;
use citybrain_dispatcher::Services;
use citybrain_dispatcher::people::PeopleError;
use serde::Deserialize;

/// Rows on a page.
const PAGE: u32 = 100;

/// Its routes.
pub fn routes() -> Router<Services> {
    Router::new().route("/audit", get(audit))
}

struct Row {
    seq: u64,
    at: String,
    by: String,
    address: String,
    event: String,
    subject: String,
    detail: String,
    hash: String,
}

/// What following the chain has found.
struct Found {
    whole: bool,
    words: String,
}

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditPage {
    frame: Frame,
    rows: Vec<Row>,
    head: String,
    next: Option<u64>,
    found: Option<Found>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct AuditQuery {
    before: Option<u64>,
    verify: Option<String>,
}

async fn audit(
    State(services): State<Services>,
    visitor: Visitor,
    Query(query): Query<AuditQuery>,
) -> Response {
    match shown(&services, &visitor, &query).await {
        Ok(audit) => page(&audit),
        Err(error) => unavailable(&services, &visitor, &error),
    }
}

async fn shown(services: &Services, visitor: &Visitor, query: &AuditQuery) -> Result<AuditPage, PeopleError> {
    let people = services.people();
    let rows = people.audit(query.before, PAGE).await?;
    let next = rows.last().map(|row| row.seq).filter(|seq| *seq > 1);
    let found = match query.verify {
        Some(_) => {
            let verdict = people.verify_audit(None).await?;
            let words = match verdict.fault {
                None => visitor.language.fill("people.audit_whole", &[("rows", &verdict.rows)]),
                Some(fault) => visitor.language.fill("people.audit_broken", &[("fault", &fault)]),
            };
            Some(Found { whole: verdict.whole, words })
        }
        None => None,
    };
    let time = LocalTime::of(&services.site().time_zone);
    let row = |row: citybrain_dispatcher::people::audit::AuditRow| Row {
        seq: row.seq,
        at: time.show_millis(row.at),
        by: row.by,
        address: row.address,
        event: row.event,
        subject: row.subject,
        detail: row.detail,
        hash: row.hash.chars().take(12).collect(),
    };
    Ok(AuditPage {
        frame: Frame::new(services, visitor, "audit"),
        rows: rows.into_iter().map(row).collect(),
        head: people.audit_head().await?.to_string(),
        next,
        found,
    })
}
