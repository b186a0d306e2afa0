//! From an incident to a case on file: the decision, without clock or I/O.

use super::state::{self, Because, IllegalTransition};
use super::{clocks, routing};
use crate::evidence::MicroNats;
use crate::incident::{Cause, Incident, Standing};
use citybrain_ingest_config::City;
use citybrain_types::{
    BoundingBox, CameraId, Case, CaseChange, CaseId, CaseState, Casework, DepartmentId, IncidentId, Priority,
    Score, Source, Timestamp,
};
use serde::Serialize;
use serde_json::json;
use std::time::Duration;

/// Who the system is in a trail.
pub const SYSTEM: &str = "system";

/// A kind that is not in the catalogue, as a camera's fault may be, is handled within this.
const HANDLE_WITHIN_BY_DEFAULT: Duration = Duration::from_secs(24 * 60 * 60);

/// A new case: as it was first reported, and as it stands now: verified, filed and dispatched, or, where its alarm has
/// two steps, being verified.
#[derive(Debug, Clone, PartialEq)]
pub struct Filed {
    /// The case at version 1, `reported`: what a pre-alarm tells.
    pub reported: Case,
    /// The case, dispatched or being verified.
    pub case: Case,
    /// Its trail so far, a line for each step.
    pub changes: Vec<CaseChange>,
    /// A pre-alarm goes out.
    pub pre_alarm: bool,
}

/// Opens a case for an incident and takes it through verification and filing to its departments.
///
/// # Errors
/// [`IllegalTransition`] never, as long as the table of [`state::allowed_after`] has the straight way.
pub fn open(city: &City, incident: &Incident, cause: &Cause) -> Result<Filed, IllegalTransition> {
    let reported = reported(city, incident, cause);
    let seen = seen(incident, cause);
    let because = |reason: String| Because {
        at: incident.opened_at,
        by: SYSTEM.to_owned(),
        reason,
        seen: seen.clone(),
    };
    let departments = reported.departments.iter().map(DepartmentId::as_str).collect::<Vec<_>>().join(", ");
    let to_whom = if departments.is_empty() {
        "no route leads to a department; add a fallback route".to_owned()
    } else {
        format!("handed to {departments}")
    };
    let mut case = reported.clone();
    let mut changes = vec![state::begin(&case, because(first_reason(incident, cause)))];
    let steps = [
        (CaseState::Verifying, "accumulated evidence is weighed".to_owned()),
        (CaseState::Filed, confirmed_reason(cause)),
        (CaseState::Dispatched, to_whom),
    ];
    // An alarm that is being heard goes on when it is confirmed (see `verdict`).
    let so_far = if matches!(incident.standing, Standing::Alarm(_)) { 1 } else { steps.len() };
    for (to, reason) in steps.into_iter().take(so_far) {
        changes.push(state::advance(&mut case, to, because(reason))?);
        clocks::settle(city, &mut case, incident.opened_at);
    }
    let pre_alarm = city.kinds.get(&incident.kind).is_some_and(|kind| kind.pre_alarm);
    Ok(Filed { reported, case, changes, pre_alarm })
}

/// Closes the case of a camera that is seen again; `None` when it is closed already or in other hands.
#[must_use]
pub fn close_when_seen_again(city: &City, case: &Case, at: Timestamp) -> Option<(Case, Vec<CaseChange>)> {
    let because = |reason: &str| Because {
        at,
        by: SYSTEM.to_owned(),
        reason: reason.to_owned(),
        seen: json!({ "camera": case.camera }).to_string(),
    };
    let mut closed = case.clone();
    let rechecking =
        state::advance(&mut closed, CaseState::Rechecking, because("the camera answers again")).ok()?;
    let done =
        state::advance(&mut closed, CaseState::Closed, because("a picture of it was analysed")).ok()?;
    clocks::settle(city, &mut closed, at);
    Some((closed, vec![rechecking, done]))
}

/// The case with what its incident knows by now; not a new version.
#[must_use]
pub fn refreshed(case: &Case, incident: &Incident) -> Option<Case> {
    let newer = incident.last_seen_at > case.last_seen_at || incident.score > case.score;
    newer.then(|| Case {
        last_seen_at: incident.last_seen_at.max(case.last_seen_at),
        score: incident.score.max(case.score),
        ..case.clone()
    })
}

fn reported(city: &City, incident: &Incident, cause: &Cause) -> Case {
    let kind = city.kinds.get(&incident.kind);
    let camera = city.cameras.get(&incident.camera);
    let within = kind.map_or(HANDLE_WITHIN_BY_DEFAULT, |kind| kind.handle_within);
    let area = routing::area_of(city, &incident.camera);
    let snapshots = match cause {
        Cause::Seen(sight) => sight.snapshots.clone(),
        Cause::CameraLost(_) => None,
    };
    let at_once = kind.is_some_and(|kind| kind.pre_alarm);
    let mut case = Case {
        id: CaseId::new(incident.id.as_str()).expect("an incident's id is an id"),
        version: 1,
        incident: incident.id.clone(),
        kind: incident.kind.clone(),
        state: CaseState::Reported,
        priority: if at_once { Priority::Immediate } else { Priority::Normal },
        camera: Some(incident.camera.clone()),
        bbox: incident.place,
        position: camera.and_then(|camera| camera.position),
        score: incident.score,
        first_seen_at: incident.first_seen_at,
        last_seen_at: incident.last_seen_at,
        opened_at: incident.opened_at,
        updated_at: incident.opened_at,
        deadline_at: Some(incident.opened_at.plus(within)),
        departments: routing::departments(city, &incident.kind, area.as_deref(), incident.opened_at),
        snapshots,
        work: Casework { source: Source::Camera, area, ..Casework::default() },
    };
    clocks::settle(city, &mut case, incident.opened_at);
    case
}

/// What was known when the case was opened, so that a person can follow the decision.
#[derive(Serialize)]
#[serde(untagged)]
enum Seen<'a> {
    There {
        camera: &'a CameraId,
        place: BoundingBox,
        score: Score,
        #[serde(skip_serializing_if = "Option::is_none")]
        change: Option<Score>,
        evidence_micronats: MicroNats,
        open_at_micronats: MicroNats,
        hits: u32,
        looks_counted: u32,
        first_sequence: u64,
        first_seen_at: Timestamp,
        snapshot_lost: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        previous_case: Option<&'a IncidentId>,
    },
    Lost {
        camera: &'a CameraId,
        outcome: &'static str,
        unseen_since: Timestamp,
    },
}

fn seen(incident: &Incident, cause: &Cause) -> String {
    let camera = &incident.camera;
    let seen = match cause {
        Cause::Seen(sight) => Seen::There {
            camera,
            place: sight.place,
            score: sight.score,
            change: sight.change,
            evidence_micronats: sight.evidence,
            open_at_micronats: sight.open_at,
            hits: sight.hits,
            looks_counted: sight.looks_counted,
            first_sequence: sight.first.sequence,
            first_seen_at: sight.first.captured_at,
            snapshot_lost: sight.snapshot_lost,
            previous_case: incident.previous.as_ref(),
        },
        Cause::CameraLost(outcome) => {
            Seen::Lost { camera, outcome: outcome.name(), unseen_since: incident.first_seen_at }
        }
    };
    serde_json::to_string(&seen).expect("it has string keys only and no failing values")
}

fn first_reason(incident: &Incident, cause: &Cause) -> String {
    let Incident { camera, kind, .. } = incident;
    let mut reason = match cause {
        Cause::Seen(sight) => match sight.change {
            Some(change) => {
                let percent = (change.get() * 100.0).round();
                format!(
                    "camera {camera} saw {kind}; its place differs by {percent} % from what was there for days"
                )
            }
            None => format!("camera {camera} saw {kind}"),
        },
        Cause::CameraLost(outcome) => format!("camera {camera} is not seen: {}", outcome.name()),
    };
    if let Some(before) = &incident.previous {
        reason += &format!(" again where case {before} was");
    }
    if let Some(area) = &incident.storm_of {
        reason += &format!("; so many do in {area} that this case stands for all further ones");
    }
    if let Some(permit) = &incident.permit {
        reason += &format!("; {}", permit.words());
    }
    reason
}

fn confirmed_reason(cause: &Cause) -> String {
    match cause {
        Cause::Seen(sight) if sight.snapshot_lost && sight.snapshots.is_none() => {
            format!(
                "{} of {} looks confirm it; its picture could not be written",
                sight.hits, sight.looks_counted
            )
        }
        Cause::Seen(sight) => format!("{} of {} looks confirm it", sight.hits, sight.looks_counted),
        Cause::CameraLost(_) => "not seen for longer than the limit".to_owned(),
    }
}
