//! Policies: the list, and one with what it changes, what it leads to and where its shadow differs.

mod orders;
mod rows;

pub use rows::{SketchRow, sketch_row};

use super::page;
use crate::problem::{bad_request, not_found, unavailable};
use crate::rows::Writer;
use crate::shell::{Frame, Visitor};
use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, post};
use citybrain_dispatcher::Services;
use citybrain_dispatcher::policy::rules::changes;
use citybrain_dispatcher::policy::{OfficeError, PolicyAction, PolicyState, PolicyView};
use rows::{CalibrationRow, ChangeRow, ForecastRows, calibration, change_row, difference_row, forecast_rows};

/// Differences of a shadow that are shown.
const DIFFERENCES: u32 = 50;
/// Days of the log that are worked out when nothing else is chosen.
const DAYS: u32 = 7;

/// Its routes.
pub fn routes() -> Router<Services> {
    Router::new()
        .route("/policies", get(list))
        .route("/policies/calibrate", post(orders::calibrate))
        .route("/policies/{id}", get(show).post(orders::act))
        .route("/policies/{id}/forecast", post(orders::forecast))
}

#[derive(Template)]
#[template(path = "policies.html")]
struct PoliciesPage {
    frame: Frame,
    /// The title of the one in force.
    live: Option<String>,
    policies: Vec<PolicyRow>,
}

struct PolicyRow {
    id: String,
    title: String,
    state: String,
    tone: &'static str,
    authors: String,
    updated: String,
}

#[derive(Template)]
#[template(path = "policy.html")]
struct PolicyPage {
    frame: Frame,
    row: PolicyRow,
    version: u32,
    created: String,
    live_at: String,
    is_live: bool,
    changes: Vec<ChangeRow>,
    calibrations: Vec<CalibrationRow>,
    forecast: Option<ForecastRows>,
    differences: Vec<SketchRow>,
    missed: u64,
    in_shadow: bool,
    history: Vec<HistoryRow>,
    actions: Vec<ActionButton>,
    needs_confirmation: bool,
    refused: Option<String>,
    days: u32,
}

struct ActionButton {
    code: &'static str,
    name: String,
    tone: &'static str,
}

struct HistoryRow {
    at: String,
    by: String,
    action: String,
    state: String,
    reason: String,
}

fn tone(state: PolicyState) -> &'static str {
    match state {
        PolicyState::Live => "good",
        PolicyState::Shadow | PolicyState::Approved => "warn",
        PolicyState::Draft => "",
        PolicyState::RolledBack => "alarm",
        PolicyState::Superseded | PolicyState::Discarded => "still",
    }
}

fn row(writer: &Writer, record: &citybrain_dispatcher::policy::PolicyRecord) -> PolicyRow {
    PolicyRow {
        id: record.id.clone(),
        title: record.title.clone(),
        state: writer.language.name("policy.state", record.state.name()),
        tone: tone(record.state),
        authors: record.authors.join(", "),
        updated: writer.time.show(record.updated_at),
    }
}

async fn list(State(services): State<Services>, visitor: Visitor) -> Response {
    let writer = Writer::new(&services, &visitor);
    let policies = match services.policies().list().await {
        Ok(policies) => policies,
        Err(error) => return unavailable(&services, &visitor, &error),
    };
    let live = policies.iter().find(|policy| policy.record.state == PolicyState::Live);
    page(&PoliciesPage {
        frame: Frame::new(&services, &visitor, "policies"),
        live: live.map(|policy| policy.record.title.clone()),
        policies: policies.iter().map(|policy| row(&writer, &policy.record)).collect(),
    })
}

async fn show(State(services): State<Services>, visitor: Visitor, Path(id): Path<String>) -> Response {
    shown(&services, &visitor, &id, None).await
}

async fn shown(services: &Services, visitor: &Visitor, id: &str, refused: Option<String>) -> Response {
    let writer = Writer::new(services, visitor);
    let office = services.policies();
    let view = match office.view(id).await {
        Ok(view) => view,
        Err(error) => return told(services, visitor, &error),
    };
    let (differences, missed) = match office.differences(id, DIFFERENCES).await {
        Ok(found) => found,
        Err(error) => return told(services, visitor, &error),
    };
    let PolicyView { record, possible, history, forecast } = view;
    let (laid, _) = record.policy.lay(&services.city());
    let is_live = record.state == PolicyState::Live;
    // One in force is held against the configuration's own numbers, any other against what is in force.
    let before = if is_live { services.city() } else { office.city_in_force() };
    let actions =
        possible.iter().filter(|action| **action != PolicyAction::Edit).map(|action| ActionButton {
            code: action.name(),
            name: writer.language.name("policy.action", action.name()),
            tone: match action {
                PolicyAction::GoLive | PolicyAction::Approve | PolicyAction::Shadow => "main",
                PolicyAction::RollBack | PolicyAction::Discard => "grave",
                _ => "",
            },
        });
    let history = history.iter().rev().map(|change| HistoryRow {
        at: writer.time.show_millis(change.at),
        by: change.by.clone(),
        action: writer.language.name("policy.action", &change.action),
        state: writer.language.name("policy.state", change.to.name()),
        reason: change.reason.clone(),
    });
    let needs_confirmation = matches!(record.state, PolicyState::Shadow | PolicyState::Approved)
        && forecast.as_ref().is_none_or(|forecast| !forecast.warnings.is_empty());
    page(&PolicyPage {
        frame: Frame::new(services, visitor, "policies"),
        version: record.version,
        created: writer.time.show(record.created_at),
        live_at: writer.time.show_or_dash(record.live_at),
        changes: changes(&before, &laid).iter().map(|change| change_row(&writer, change)).collect(),
        calibrations: record
            .policy
            .calibration
            .iter()
            .map(|(kind, c)| calibration(&writer, kind, c))
            .collect(),
        forecast: forecast.as_ref().map(|forecast| forecast_rows(&writer, forecast)),
        differences: differences.iter().map(|difference| difference_row(&writer, difference)).collect(),
        missed,
        in_shadow: record.state == PolicyState::Shadow,
        history: history.collect(),
        actions: actions.collect(),
        needs_confirmation,
        is_live,
        refused,
        days: DAYS,
        row: row(&writer, &record),
    })
}

/// What went wrong, as a page.
pub fn told(services: &Services, visitor: &Visitor, error: &OfficeError) -> Response {
    match error {
        OfficeError::Unknown(_) => {
            not_found(services, visitor, visitor.language.t("policy.none_of_that").to_owned())
        }
        OfficeError::Store(error) => unavailable(services, visitor, error),
        other => bad_request(services, visitor, other.to_string()),
    }
}
