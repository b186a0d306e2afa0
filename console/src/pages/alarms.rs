//! The alarm board: what has to be decided now, fire pre-alarms first.

use super::{Choice, go_to, page};
use crate::orders::Entered;
use crate::pictures;
use crate::problem::{conflict, not_found, unavailable};
use crate::rows::{CaseRow, Writer};
use crate::shell::{Frame, Visitor};
use askama::Template;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use citybrain_dispatcher::case::action::allowed;
use citybrain_dispatcher::case::action::{Action, Order};
use citybrain_dispatcher::people::Actor;
use citybrain_dispatcher::people::role::may_act;
use citybrain_dispatcher::{OrderError, Services, StoreError};
use citybrain_types::{Case, CaseAction, CaseId, CaseState, DepartmentId, Timestamp, VoidReason};
use std::collections::BTreeMap;

/// Alarms on the board; what is beyond them is on the case board.
const MAX_ALARMS: usize = 40;
/// Alarms whose last looks are shown as a strip.
const MAX_STRIPS: usize = 12;
/// Pictures in a strip.
const STRIP: usize = 6;

/// Its routes.
pub fn routes() -> Router<Services> {
    Router::new().route("/", get(board)).route("/alarms/{id}", post(decide))
}

#[derive(Template)]
#[template(path = "alarms.html")]
struct AlarmsPage {
    frame: Frame,
    now: i64,
    alarms: Vec<Alarm>,
    beyond: usize,
    departments: Vec<Choice>,
    watching: String,
}

/// An alarm on the board.
struct Alarm {
    case: CaseRow,
    /// It awaits its verdict.
    open: bool,
    /// When the verdict is due, in milliseconds since the epoch.
    until: Option<i64>,
    since: i64,
    strip: Vec<String>,
    live: Option<String>,
    can_confirm: bool,
    can_withdraw: bool,
    can_assign: bool,
}

/// What a camera has seen since: its last looks and the one it shows now.
struct Pictures {
    strip: Vec<String>,
    live: Option<String>,
}

/// How far up an alarm stands: what awaits a verdict before what has one, pre-alarms before the rest.
fn rank(case: &Case, pre_alarm: bool) -> u8 {
    match (case.state, pre_alarm) {
        (CaseState::Reported | CaseState::Verifying, true) => 0,
        (_, true) => 1,
        _ => 2,
    }
}

async fn open_alarms(services: &Services) -> Result<Vec<(u8, Case)>, StoreError> {
    let city = services.city();
    let mut found: BTreeMap<CaseId, (u8, Case)> = BTreeMap::new();
    let mut add = |case: Case| {
        let pre_alarm = city.kinds.get(&case.kind).is_some_and(|kind| kind.pre_alarm);
        found.entry(case.id.clone()).or_insert_with(|| (rank(&case, pre_alarm), case));
    };
    for kind in city.kinds.values().filter(|kind| kind.pre_alarm) {
        services.open_of_kind(&kind.kind).await?.into_iter().for_each(&mut add);
    }
    for state in [CaseState::Verifying, CaseState::Reported, CaseState::Returned] {
        let most = u32::try_from(MAX_ALARMS).unwrap_or(u32::MAX);
        services.cases_in(state, most).await?.into_iter().for_each(&mut add);
    }
    let mut alarms: Vec<(u8, Case)> = found.into_values().collect();
    alarms.sort_by_key(|(rank, case)| (*rank, std::cmp::Reverse(case.opened_at), case.id.clone()));
    Ok(alarms)
}

async fn board(State(services): State<Services>, visitor: Visitor, actor: Actor) -> Response {
    let mut found = match open_alarms(&services).await {
        Ok(found) => found,
        Err(error) => return unavailable(&services, &visitor, &error),
    };
    let beyond = found.len().saturating_sub(MAX_ALARMS);
    found.truncate(MAX_ALARMS);
    let writer = Writer::new(&services, &visitor);
    let cameras = services.cameras();
    let mut alarms = Vec::with_capacity(found.len());
    for (place, (rank, case)) in found.iter().enumerate() {
        let strip = if place < MAX_STRIPS { strip_of(&services, case).await } else { Vec::new() };
        let camera = cameras.iter().find(|camera| Some(&camera.status.camera) == case.camera.as_ref());
        let live = camera.and_then(|camera| {
            let stamp = camera.status.last_look_at.map_or(0, Timestamp::as_millis);
            camera.status.snapshot.as_ref().map(|path| format!("{path}?at={stamp}"))
        });
        let pictures = Pictures { strip, live };
        alarms.push(alarm(&services, &actor, case, *rank, pictures, &writer));
    }
    let live =
        cameras.iter().filter(|camera| matches!(camera.status.state.name(), "live" | "resting")).count();
    page(&AlarmsPage {
        frame: Frame::new(&services, &visitor, "alarms"),
        now: services.now().as_millis(),
        alarms,
        beyond,
        departments: writer.departments().map(|(id, name)| Choice::new(id, name, "")).collect(),
        watching: visitor.language.fill("alarm.watching", &[("live", &live), ("all", &cameras.len())]),
    })
}

fn alarm(
    services: &Services,
    actor: &Actor,
    case: &Case,
    rank: u8,
    pictures: Pictures,
    writer: &Writer,
) -> Alarm {
    let city = services.city();
    let within = city.kinds.get(&case.kind).and_then(|kind| kind.incident.confirm_within);
    let open = matches!(case.state, CaseState::Reported | CaseState::Verifying);
    let can = allowed(case);
    let can_take = |action: &CaseAction| can.contains(action) && may_act(actor, *action).is_ok();
    let any = |wanted: &[CaseAction]| wanted.iter().any(can_take);
    Alarm {
        case: CaseRow::new(case, writer),
        open: open && rank == 0,
        until: within.filter(|_| open).map(|within| case.first_seen_at.plus(within).as_millis()),
        since: case.opened_at.as_millis(),
        strip: pictures.strip,
        live: pictures.live,
        can_confirm: any(&[CaseAction::File]),
        can_withdraw: any(&[CaseAction::Void]),
        can_assign: any(&[
            CaseAction::File,
            CaseAction::Dispatch,
            CaseAction::Transfer,
            CaseAction::ApproveReturn,
        ]),
    }
}

async fn strip_of(services: &Services, case: &Case) -> Vec<String> {
    let Some(camera) = case.camera.clone() else { return Vec::new() };
    let kept = pictures::last_of(services.snapshot_root(), camera, STRIP).await;
    kept.iter().map(ToString::to_string).collect()
}

/// What an officer decides on the board.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    Confirm,
    Withdraw,
    Assign(DepartmentId),
}

impl Verdict {
    /// What somebody who decides so must be allowed to do.
    const fn actions(&self) -> &'static [CaseAction] {
        match self {
            Self::Confirm => &[CaseAction::File],
            Self::Withdraw => &[CaseAction::Void],
            Self::Assign(_) => &[CaseAction::File, CaseAction::Dispatch, CaseAction::Transfer],
        }
    }
}

fn verdict(entered: &Entered) -> Result<Verdict, String> {
    match entered.one("verdict") {
        Some("confirm") => Ok(Verdict::Confirm),
        Some("withdraw") => Ok(Verdict::Withdraw),
        Some("assign") => {
            let department = entered.one("department").ok_or("choose a department")?;
            department.parse().map(Verdict::Assign).map_err(|error| format!("{error}"))
        }
        _ => Err("write confirm, withdraw or assign".to_owned()),
    }
}

/// The actions that carry a verdict out, in a case as it stands.
fn steps(case: &Case, verdict: &Verdict) -> Vec<Action> {
    let can = allowed(case);
    match verdict {
        Verdict::Confirm => vec![Action::File],
        Verdict::Withdraw => vec![Action::Void(VoidReason::FalseAlarm)],
        Verdict::Assign(to) if can.contains(&CaseAction::Transfer) => vec![Action::Transfer(to.clone())],
        Verdict::Assign(to) if can.contains(&CaseAction::Dispatch) => {
            vec![Action::Dispatch(vec![to.clone()])]
        }
        // Filing hands it to whom the routes say; from there it goes on to whom the officer says.
        Verdict::Assign(to) => vec![Action::File, Action::Transfer(to.clone())],
    }
}

async fn decide(
    State(services): State<Services>,
    visitor: Visitor,
    actor: Actor,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    // The board's script shows a refusal in its place; without the script it is a page.
    let inline = headers.contains_key("x-inline");
    let refuse = |why: String| {
        if inline { (StatusCode::CONFLICT, why).into_response() } else { conflict(&services, &visitor, why) }
    };
    let Ok(id) = CaseId::new(&id) else {
        return not_found(&services, &visitor, visitor.language.t("shell.bad_case").to_owned());
    };
    let entered = Entered::read(&body);
    let verdict = match verdict(&entered) {
        Ok(verdict) => verdict,
        Err(why) => return refuse(why),
    };
    let by = match actor.by(entered.one("by")) {
        Ok(by) => by,
        Err(problem) => return refuse(problem.detail().to_owned()),
    };
    if let Err(error) = verdict.actions().iter().try_for_each(|action| may_act(&actor, *action)) {
        return refuse(error.to_string());
    }
    match carry_out(&services, &by, &id, &verdict, &entered).await {
        Ok(()) if inline => StatusCode::NO_CONTENT.into_response(),
        Ok(()) => go_to("/"),
        Err(OrderError::Unknown(id)) => refuse(visitor.language.fill("shell.no_case", &[("id", &id)])),
        Err(OrderError::Store(error)) => unavailable(&services, &visitor, &error),
        Err(OrderError::Stale { .. }) => refuse(changed(&services, &visitor, &id).await),
        Err(error) => refuse(error.to_string()),
    }
}

async fn carry_out(
    services: &Services,
    by: &str,
    id: &CaseId,
    verdict: &Verdict,
    entered: &Entered,
) -> Result<(), OrderError> {
    let view = services.case(id).await?.ok_or_else(|| OrderError::Unknown(id.clone()))?;
    let mut seen = entered.one("version").and_then(|version| version.parse::<u32>().ok());
    let default = match verdict {
        Verdict::Confirm => "confirmed on the alarm board",
        Verdict::Withdraw => "withdrawn on the alarm board",
        Verdict::Assign(_) => "assigned on the alarm board",
    };
    let reason = entered.one("reason").unwrap_or(default).to_owned();
    for action in steps(&view.case, verdict) {
        // Filing may have handed it to that department already.
        if let Action::Transfer(to) = &action
            && services.case(id).await?.is_some_and(|view| view.case.departments == [to.clone()])
        {
            continue;
        }
        let order = Order { action, by: by.to_owned(), department: None, reason: reason.clone() };
        seen = Some(services.act(id, &order, seen, |_| None).await?.version);
    }
    Ok(())
}

/// What has become of a case since the officer saw it.
async fn changed(services: &Services, visitor: &Visitor, id: &CaseId) -> String {
    let writer = Writer::new(services, visitor);
    let last = services.case(id).await.ok().flatten().and_then(|view| view.trail.last().cloned());
    match last {
        Some(change) => visitor.language.fill(
            "alarm.changed",
            &[("state", &writer.state(change.to)), ("by", &change.by), ("reason", &change.reason)],
        ),
        None => visitor.language.t("case.stale").to_owned(),
    }
}
