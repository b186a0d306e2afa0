//! Policies: the list, and one with what it changes, what it leads to and where its shadow differs.

use super::{go_to, page};
use crate::orders::Entered;
use crate::problem::{bad_request, not_found, unavailable};
use crate::rows::Writer;
use crate::shell::{Frame, Visitor};
use askama::Template;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use citybrain_dispatcher::Services;
use citybrain_dispatcher::people::Actor;
use citybrain_dispatcher::people::role::may_do;
use citybrain_dispatcher::policy::rules::{Calibration, NumberChange, changes};
use citybrain_dispatcher::policy::{
    Difference, Forecast, OfficeError, PolicyAction, PolicyState, PolicyView, Side, Sketch,
};
use citybrain_dispatcher::verdict::{NewCalibration, VerdictError};
use citybrain_types::{EventKind, Snapshots};
use std::collections::BTreeSet;

/// Differences of a shadow that are shown.
const DIFFERENCES: u32 = 50;
/// Gained or lost cases that are shown.
const SKETCHES: usize = 24;
/// Cameras that are named; more are counted.
const NAMED: usize = 6;
/// Days of the log that are worked out when nothing else is chosen.
const DAYS: u32 = 7;

/// Its routes.
pub fn routes() -> Router<Services> {
    Router::new()
        .route("/policies", get(list))
        .route("/policies/calibrate", post(calibrate))
        .route("/policies/{id}", get(show).post(act))
        .route("/policies/{id}/forecast", post(forecast))
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

struct ChangeRow {
    kind: String,
    number: String,
    before: String,
    after: String,
    place: String,
}

struct CalibrationRow {
    kind: String,
    said: String,
}

/// A forecast as tables.
pub struct ForecastRows {
    /// When, and over which days.
    pub span: String,
    /// Rows by kind, all together last.
    pub kinds: Vec<[String; 5]>,
    /// What must be said yes to.
    pub warnings: Vec<String>,
    /// Cases that only it opens.
    pub gained: Vec<SketchRow>,
    /// How many there are.
    pub gained_in_all: u64,
    /// Cases that only what is in force opens.
    pub lost: Vec<SketchRow>,
    /// How many there are.
    pub lost_in_all: u64,
}

/// A case of one side.
pub struct SketchRow {
    /// Where it stands: gained, lost; empty in a list of one.
    pub side: String,
    /// Colour of the side.
    pub tone: &'static str,
    /// Its kind.
    pub kind: String,
    /// Its camera.
    pub camera: String,
    /// When it was opened.
    pub at: String,
    /// Its score.
    pub score: String,
    /// Its picture.
    pub picture: Option<String>,
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

fn change_row(writer: &Writer, change: &NumberChange) -> ChangeRow {
    let number = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| value.to_string());
    let names: Vec<_> = change.cameras.iter().take(NAMED).map(ToString::to_string).collect();
    let place = match change.cameras.len() {
        0 => writer.language.t("policy.everywhere").to_owned(),
        n if n > NAMED => {
            let more = n - NAMED;
            let names = names.join(", ");
            writer.language.fill("policy.and_more", &[("names", &names), ("n", &more)])
        }
        _ => names.join(", "),
    };
    ChangeRow {
        kind: change
            .kind
            .as_ref()
            .map_or_else(|| writer.language.t("policy.all_kinds").to_owned(), |k| writer.kind(k)),
        number: writer.language.name("policy.number", change.key),
        before: number(change.before),
        after: number(change.after),
        place,
    }
}

fn calibration(writer: &Writer, kind: &EventKind, calibration: &Calibration) -> CalibrationRow {
    let error = |ece: &citybrain_dispatcher::policy::rules::Ece| {
        format!("{:.3} ({:.3}–{:.3})", ece.value, ece.low, ece.high)
    };
    let method = writer.language.name(
        "policy.method",
        match calibration.method {
            citybrain_dispatcher::policy::rules::CalibrationMethod::Isotonic => "isotonic",
            citybrain_dispatcher::policy::rules::CalibrationMethod::Platt => "platt",
        },
    );
    let (before, after) = (error(&calibration.ece_before), error(&calibration.ece_after));
    let values: [(&str, &dyn std::fmt::Display); 4] =
        [("method", &method), ("n", &calibration.verdicts), ("before", &before), ("after", &after)];
    CalibrationRow { kind: writer.kind(kind), said: writer.language.fill("policy.calibrated", &values) }
}

/// A forecast for a template.
pub fn forecast_rows(writer: &Writer, forecast: &Forecast) -> ForecastRows {
    let one = |name: String, numbers: &citybrain_dispatcher::policy::KindForecast| {
        [
            name,
            numbers.before.to_string(),
            numbers.after.to_string(),
            format!("{:.2}", numbers.before_per_day),
            format!("{:.2}", numbers.after_per_day),
        ]
    };
    let mut kinds: Vec<_> = forecast.by_kind.iter().map(|(kind, n)| one(writer.kind(kind), n)).collect();
    kinds.push(one(writer.language.t("policy.all_kinds").to_owned(), &forecast.all));
    let (made, days) = (writer.time.show(forecast.made_at), format!("{:.1}", forecast.days));
    let (from, to) = (writer.time.show_or_dash(forecast.from), writer.time.show_or_dash(forecast.to));
    let values: [(&str, &dyn std::fmt::Display); 5] =
        [("made", &made), ("from", &from), ("to", &to), ("days", &days), ("frames", &forecast.frames)];
    let sketch = |sketch: &Sketch| sketch_row(writer, sketch);
    ForecastRows {
        span: writer.language.fill("policy.worked_out", &values),
        kinds,
        warnings: forecast.warnings.clone(),
        gained: forecast.gained.iter().take(SKETCHES).map(sketch).collect(),
        gained_in_all: forecast.gained_in_all,
        lost: forecast.lost.iter().take(SKETCHES).map(sketch).collect(),
        lost_in_all: forecast.lost_in_all,
    }
}

/// A case that a forecast gains or loses.
pub fn sketch_row(writer: &Writer, sketch: &Sketch) -> SketchRow {
    SketchRow {
        side: String::new(),
        tone: "",
        kind: writer.kind(&sketch.kind),
        camera: sketch.camera.to_string(),
        at: writer.time.show(sketch.opened_at),
        score: format!("{:.2}", sketch.score),
        picture: picture(sketch.snapshots.as_ref()),
    }
}

fn difference_row(writer: &Writer, difference: &Difference) -> SketchRow {
    let (side, tone) = match difference.side {
        Side::WouldOpen => ("would_open", "warn"),
        Side::WouldNotOpen => ("would_not_open", "still"),
    };
    SketchRow {
        side: writer.language.name("policy.side", side),
        tone,
        kind: writer.kind(&difference.kind),
        camera: difference.camera.to_string(),
        at: writer.time.show(difference.opened_at),
        score: format!("{:.2}", difference.score),
        picture: picture(difference.snapshots.as_ref()),
    }
}

fn picture(snapshots: Option<&Snapshots>) -> Option<String> {
    snapshots.map(|snapshots| snapshots.at.to_string())
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

async fn act(
    State(services): State<Services>,
    visitor: Visitor,
    actor: Actor,
    Path(id): Path<String>,
    body: Bytes,
) -> Response {
    let entered = Entered::read(&body);
    let action = entered.one("action").and_then(PolicyAction::from_name);
    let version = entered.one("version").and_then(|version| version.parse().ok());
    let (Some(action), Some(version)) = (action, version) else {
        return bad_request(&services, &visitor, visitor.language.t("policy.no_action").to_owned());
    };
    if let Err(forbidden) = may_do(&actor, action) {
        let page = shown(&services, &visitor, &id, Some(forbidden.to_string())).await;
        return (StatusCode::FORBIDDEN, page).into_response();
    }
    let by = match actor.by(entered.one("by")) {
        Ok(by) => by,
        Err(problem) => return bad_request(&services, &visitor, problem.detail().to_owned()),
    };
    let reason = entered.one("reason").unwrap_or_default();
    let confirmed = entered.one("confirm").is_some();
    match services.policies().act(&id, version, action, (&by, reason), confirmed).await {
        Ok(_) => go_to(&format!("/policies/{id}")),
        Err(error @ (OfficeError::Unknown(_) | OfficeError::Store(_))) => told(&services, &visitor, &error),
        Err(error) => {
            let status = match error {
                OfficeError::Stale { .. } => StatusCode::PRECONDITION_FAILED,
                OfficeError::Invalid(_) | OfficeError::Unfit(_) => StatusCode::UNPROCESSABLE_ENTITY,
                _ => StatusCode::CONFLICT,
            };
            (status, shown(&services, &visitor, &id, Some(error.to_string())).await).into_response()
        }
    }
}

async fn forecast(
    State(services): State<Services>,
    visitor: Visitor,
    Path(id): Path<String>,
    body: Bytes,
) -> Response {
    let entered = Entered::read(&body);
    let days = entered.one("days").and_then(|days| days.parse().ok()).unwrap_or(DAYS);
    match services.policies().forecast(&id, days).await {
        Ok(_) => go_to(&format!("/policies/{id}#forecast")),
        Err(error) => told(&services, &visitor, &error),
    }
}

async fn calibrate(
    State(services): State<Services>,
    visitor: Visitor,
    actor: Actor,
    body: Bytes,
) -> Response {
    let entered = Entered::read(&body);
    let by = match actor.by(entered.one("by")) {
        Ok(by) => by,
        Err(problem) => return bad_request(&services, &visitor, problem.detail().to_owned()),
    };
    let new = NewCalibration {
        kinds: BTreeSet::new(),
        method: None,
        by,
        reason: entered.one("reason").unwrap_or_default().to_owned(),
    };
    match services.reviewer().calibrate(new).await {
        Ok(made) => go_to(&format!("/policies/{}", made.draft.id)),
        Err(VerdictError::Office(error)) => told(&services, &visitor, &error),
        Err(VerdictError::Store(error)) => unavailable(&services, &visitor, &error),
        Err(error) => bad_request(&services, &visitor, error.to_string()),
    }
}
