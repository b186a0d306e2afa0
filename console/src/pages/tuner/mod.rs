//! The tuner: other numbers for a kind, what the log would have led to under them, and a draft of a policy.
//!
//! What is asked for is worked out beside the page: it shows what is known by now, and comes back for the rest, by its
//! script or, without scripts, by itself.

mod form;
mod outcome;

use super::{Choice, go_to, page};
use crate::orders::Entered;
use crate::problem::{bad_request, unavailable};
use crate::rows::Writer;
use crate::shell::{Frame, Visitor};
use askama::Template;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use citybrain_dispatcher::people::Actor;
use citybrain_dispatcher::policy::{NewPolicy, OfficeError};
use citybrain_dispatcher::tune::{Per, Scope};
use citybrain_dispatcher::{City, Services};
use citybrain_types::EventKind;
use form::{Form, NUMBERS, now};
use outcome::OutcomeRows;
use std::collections::BTreeSet;
use std::time::Duration;

/// A page waits so long for what is worked out, and then shows what is known by now.
const PATIENCE: Duration = Duration::from_millis(700);

/// Its routes.
pub fn routes() -> Router<Services> {
    Router::new().route("/tuner", get(show).post(draft))
}

#[derive(Template)]
#[template(path = "tuner.html")]
struct TunerPage {
    frame: Frame,
    kinds: Vec<Choice>,
    kind: String,
    kind_name: String,
    areas: Vec<Choice>,
    camera: String,
    cameras: Vec<String>,
    numbers: Vec<NumberRow>,
    budget: String,
    miss_percent: String,
    pers: Vec<Choice>,
    days: u32,
    events: String,
    outcome: Option<OutcomeRows>,
    /// The page is to come back for the rest.
    unfinished: bool,
    /// Why there is no result, or the numbers are refused.
    refused: Vec<String>,
    changed: bool,
}

struct NumberRow {
    key: &'static str,
    name: String,
    value: String,
    now: String,
    least: f64,
    most: f64,
    step: f64,
}

async fn show(State(services): State<Services>, visitor: Visitor, RawQuery(query): RawQuery) -> Response {
    let entered = Entered::read(query.unwrap_or_default().as_bytes());
    let run = entered.one("go").is_some();
    shown(&services, &visitor, &entered, run, Vec::new()).await
}

async fn shown(
    services: &Services,
    visitor: &Visitor,
    entered: &Entered,
    run: bool,
    mut refused: Vec<String>,
) -> Response {
    let writer = Writer::new(services, visitor);
    let office = services.policies();
    let city = office.city_in_force();
    let Some(form) = Form::read(entered, &city, &writer) else {
        return bad_request(services, visitor, visitor.language.t("tuner.no_kind").to_owned());
    };
    refused.extend(form.refused.iter().cloned());
    let mut outcome = None;
    if run && refused.is_empty() {
        let question = form.question(&office.in_force().policy, |policy| office.check(policy).is_ok());
        match office.rehearse(&question, PATIENCE).await {
            Ok(rehearsed) => outcome = Some(outcome::rows(&writer, &city, &form, &rehearsed)),
            Err(OfficeError::Store(error)) => return unavailable(services, visitor, &error),
            Err(error) => refused.push(error.to_string()),
        }
    }
    let text = |name: &str| entered.one(name).unwrap_or_default().to_owned();
    page(&TunerPage {
        frame: Frame::new(services, visitor, "tuner"),
        kinds: writer
            .kinds()
            .filter(|(kind, _)| kind.as_str() != EventKind::CAMERA_FAULT)
            .map(|(kind, name)| Choice::new(kind.as_str(), name, form.kind.as_str()))
            .collect(),
        kind: form.kind.to_string(),
        kind_name: writer.kind(&form.kind),
        areas: areas(&city, &form),
        camera: text("camera"),
        cameras: city
            .cameras
            .values()
            .filter(|camera| camera.kinds.contains(&form.kind))
            .map(|camera| camera.id.to_string())
            .collect(),
        numbers: numbers(entered, &city, &form, &writer),
        budget: text("budget"),
        miss_percent: text("miss"),
        pers: pers(&writer, form.per),
        days: form.days,
        events: text("events"),
        changed: form.changes(),
        unfinished: outcome.as_ref().is_some_and(|outcome| outcome.progress.is_some()),
        outcome,
        refused,
    })
}

fn numbers(entered: &Entered, city: &City, form: &Form, writer: &Writer) -> Vec<NumberRow> {
    let row = |(key, least, most, step): &(&'static str, f64, f64, f64)| {
        let now = now(city, &form.kind, &form.scope, key);
        let shown = now.map_or_else(String::new, |now| now.to_string());
        NumberRow {
            key,
            name: writer.language.name("policy.number", key),
            value: entered.one(key).map_or_else(|| shown.clone(), str::to_owned),
            // A slider reaches what is in force, wherever that is.
            least: now.map_or(*least, |now| now.min(*least)),
            most: now.map_or(*most, |now| now.max(*most)),
            step: *step,
            now: shown,
        }
    };
    // How long a happening lasts is of a kind: several cameras can see one.
    let is_for_all = form.scope == Scope::City;
    NUMBERS.iter().filter(|(key, ..)| is_for_all || *key != "quiet_after_secs").map(row).collect()
}

fn areas(city: &City, form: &Form) -> Vec<Choice> {
    let own = city.cameras.values().filter_map(|camera| camera.area.as_deref());
    let areas: BTreeSet<&str> = own.chain(city.cases.areas.keys().map(String::as_str)).collect();
    let chosen = match &form.scope {
        Scope::Area(area) => area.as_str(),
        Scope::City | Scope::Camera(_) => "",
    };
    areas.into_iter().map(|name| Choice::new(name, name, chosen)).collect()
}

fn pers(writer: &Writer, per: Per) -> Vec<Choice> {
    let chosen = match per {
        Per::City => "city",
        Per::Area => "area",
        Per::Camera => "camera",
    };
    let choice = |code| Choice::new(code, &writer.language.name("tuner.per", code), chosen);
    ["city", "area", "camera"].map(choice).into()
}

/// Begins a draft of what the form says.
async fn draft(State(services): State<Services>, visitor: Visitor, actor: Actor, body: Bytes) -> Response {
    let entered = Entered::read(&body);
    let writer = Writer::new(&services, &visitor);
    let office = services.policies();
    let Some(form) = Form::read(&entered, &office.city_in_force(), &writer) else {
        return bad_request(&services, &visitor, visitor.language.t("tuner.no_kind").to_owned());
    };
    if !form.refused.is_empty() {
        return shown(&services, &visitor, &entered, false, Vec::new()).await;
    }
    let text = |name: &str| entered.one(name).unwrap_or_default().to_owned();
    let by = match actor.by(entered.one("by")) {
        Ok(by) => by,
        Err(problem) => return bad_request(&services, &visitor, problem.detail().to_owned()),
    };
    let new = NewPolicy {
        title: text("title"),
        policy: form.policy(&office.in_force().policy),
        by,
        reason: text("reason"),
    };
    match office.create(new).await {
        Ok(record) => go_to(&format!("/policies/{}", record.id)),
        Err(error) => {
            let page = shown(&services, &visitor, &entered, false, vec![error.to_string()]).await;
            (StatusCode::UNPROCESSABLE_ENTITY, page).into_response()
        }
    }
}
