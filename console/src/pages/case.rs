//! A case's own page.

use super::page;
use crate::actions::{ActionForm, Input, forms};
use crate::orders::{self, Entered};
use crate::problem::{not_found, unavailable};
use crate::rows::{CaseRow, ClockRow, DeliveryRow, ReasonRow, TrailRow, Writer};
use crate::shell::{Frame, Visitor};
use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, post};
use citybrain_dispatcher::Services;
use citybrain_dispatcher::people::Actor;
use citybrain_types::CaseId;

/// Its routes.
pub fn routes() -> Router<Services> {
    Router::new().route("/cases/{id}", get(case)).route("/cases/{id}/actions", post(orders::act))
}

#[derive(Template)]
#[template(path = "case.html")]
struct CasePage {
    frame: Frame,
    refusal: Option<RefusalRow>,
    case: CaseRow,
    clocks: Vec<ClockRow>,
    actions: Vec<ActionForm>,
    trail: Vec<TrailRow>,
    why: Vec<ReasonRow>,
    members: Vec<String>,
    deliveries: Vec<DeliveryRow>,
}

/// An order that was not followed.
pub struct Refusal {
    /// Why, for people.
    pub why: String,
    /// The version whoever ordered had seen, where it has changed since.
    pub seen: Option<u32>,
    /// What was entered; the form shows it again.
    pub entered: Entered,
}

/// The same on the page: why, and what was done since the version that was seen.
struct RefusalRow {
    why: String,
    since: Vec<TrailRow>,
}

async fn case(
    State(services): State<Services>,
    visitor: Visitor,
    actor: Actor,
    Path(id): Path<String>,
) -> Response {
    match CaseId::new(&id) {
        Ok(id) => show(&services, &visitor, &actor, &id, None).await,
        Err(_) => not_found(&services, &visitor, visitor.language.t("shell.bad_case").to_owned()),
    }
}

/// The page of a case, with an order that was not followed where there was one.
pub async fn show(
    services: &Services,
    visitor: &Visitor,
    actor: &Actor,
    id: &CaseId,
    refusal: Option<Refusal>,
) -> Response {
    let (view, incident) = match (services.case(id).await, services.why(id).await) {
        (Ok(Some(view)), Ok(incident)) => (view, incident),
        (Ok(None), _) => {
            let detail = visitor.language.fill("shell.no_case", &[("id", id)]);
            return not_found(services, visitor, detail);
        }
        (Err(error), _) | (_, Err(error)) => return unavailable(services, visitor, &error),
    };
    let writer = Writer::new(services, visitor);
    let now = services.now();
    let reasons = incident.iter().flat_map(|incident| &incident.reasons);
    let members = incident.iter().flat_map(|incident| incident.members.keys());
    let entered = refusal.as_ref().map(|refusal| &refusal.entered);
    let actions = forms(&view, actor, &writer, entered);
    let row = |refusal: &Refusal| {
        let seen = refusal.seen.unwrap_or(u32::MAX);
        let since = view.trail.iter().filter(|change| change.version > seen);
        RefusalRow { why: refusal.why.clone(), since: since.map(|c| TrailRow::new(c, &writer)).collect() }
    };
    page(&CasePage {
        frame: Frame::new(services, visitor, "cases"),
        refusal: refusal.as_ref().map(row),
        case: CaseRow::new(&view.case, &writer),
        clocks: view.case.work.clocks.iter().rev().map(|clock| ClockRow::new(clock, now, &writer)).collect(),
        actions,
        trail: view.trail.iter().rev().map(|change| TrailRow::new(change, &writer)).collect(),
        why: reasons.map(|reason| ReasonRow::new(reason, &writer)).collect(),
        members: members.map(ToString::to_string).collect(),
        deliveries: view.deliveries.iter().map(|delivery| DeliveryRow::new(delivery, &writer)).collect(),
    })
}
