//! Cases, deliveries and cameras, made ready for a template: names for codes, local time for moments.

use crate::local_time::LocalTime;
use citybrain_dispatcher::services::CameraView;
use citybrain_types::{
    CameraState, Case, CaseChange, CaseState, Delivery, DeliveryState, EventKind, Priority, SnapshotRef,
};
use std::collections::BTreeMap;

/// What operators call a state.
pub const fn state_name(state: CaseState) -> &'static str {
    match state {
        CaseState::Reported => "reported 待受理",
        CaseState::Verifying => "verifying 核实",
        CaseState::Filed => "filed 立案",
        CaseState::Dispatched => "dispatched 派遣",
        CaseState::Accepted => "accepted 接单",
        CaseState::Handling => "handling 处理中",
        CaseState::Rechecking => "rechecking 核查",
        CaseState::Closed => "closed 结案",
        CaseState::Void => "void 作废",
        CaseState::Suspended => "suspended 挂账",
        CaseState::Returned => "returned 回退",
        CaseState::Transferred => "transferred 转办",
        CaseState::Linked => "linked 并案",
        CaseState::Reopened => "reopened 返工",
        CaseState::Extended => "extended 延期",
    }
}

const fn state_tone(state: CaseState) -> &'static str {
    match state {
        CaseState::Closed => "good",
        CaseState::Returned | CaseState::Reopened | CaseState::Suspended => "warn",
        _ => "",
    }
}

/// Names of kinds for people: English and Chinese where the catalogue has both.
pub struct KindNames(BTreeMap<EventKind, String>);

impl KindNames {
    /// From the catalogue's names by language tag.
    pub fn new<'a>(kinds: impl Iterator<Item = (&'a EventKind, &'a BTreeMap<String, String>)>) -> Self {
        let name = |kind: &EventKind, names: &BTreeMap<String, String>| {
            let known: Vec<&str> =
                ["en", "zh"].iter().filter_map(|tag| names.get(*tag)).map(String::as_str).collect();
            if known.is_empty() { kind.to_string() } else { known.join(" ") }
        };
        Self(kinds.map(|(kind, names)| (kind.clone(), name(kind, names))).collect())
    }

    /// The name of a kind, its code when the catalogue has none.
    pub fn of(&self, kind: &EventKind) -> String {
        self.0.get(kind).cloned().unwrap_or_else(|| kind.to_string())
    }

    /// Every kind with its name.
    pub fn all(&self) -> impl Iterator<Item = (&EventKind, &String)> {
        self.0.iter()
    }
}

/// A case on a page.
pub struct CaseRow {
    pub id: String,
    pub kind: String,
    pub kind_name: String,
    pub urgent: bool,
    pub state_name: &'static str,
    pub state_tone: &'static str,
    pub camera: String,
    pub first_seen: String,
    pub last_seen: String,
    pub opened: String,
    pub deadline: String,
    pub score: String,
    pub departments: String,
    pub position: String,
    pub version: u32,
    pub picture_at: Option<String>,
    pub picture_before: Option<String>,
}

impl CaseRow {
    pub fn new(case: &Case, names: &KindNames, time: &LocalTime) -> Self {
        let departments: Vec<&str> = case.departments.iter().map(|d| d.as_str()).collect();
        let pictures = case.snapshots.as_ref();
        Self {
            id: case.id.to_string(),
            kind: case.kind.to_string(),
            kind_name: names.of(&case.kind),
            urgent: case.priority != Priority::Normal,
            state_name: state_name(case.state),
            state_tone: state_tone(case.state),
            camera: case.camera.to_string(),
            first_seen: time.show(case.first_seen_at),
            last_seen: time.show(case.last_seen_at),
            opened: time.show(case.opened_at),
            deadline: time.show_or_dash(case.deadline_at),
            score: format!("{:.0} %", case.score * 100.0),
            departments: departments.join(", "),
            position: case
                .position
                .map_or_else(|| "–".to_owned(), |[lon, lat]| format!("{lat:.5}° N, {lon:.5}° E")),
            version: case.version,
            picture_at: pictures.map(|p| p.at.to_string()),
            picture_before: pictures.and_then(|p| p.before.as_ref()).map(SnapshotRef::to_string),
        }
    }
}

/// One of the reasons why a case was opened.
pub struct ReasonRow {
    pub at: String,
    pub words: String,
}

impl ReasonRow {
    pub fn new(reason: &citybrain_dispatcher::incident::Reason, time: &LocalTime) -> Self {
        Self { at: time.show(reason.at), words: reason.words() }
    }
}

/// A line of a trail on a page.
pub struct TrailRow {
    pub state: &'static str,
    pub at: String,
    pub by: String,
    pub reason: String,
}

impl TrailRow {
    pub fn new(change: &CaseChange, time: &LocalTime) -> Self {
        Self {
            state: state_name(change.to),
            at: time.show(change.at),
            by: change.by.clone(),
            reason: change.reason.clone(),
        }
    }
}

/// A delivery on a page.
pub struct DeliveryRow {
    pub case: String,
    pub version: u32,
    pub destination: String,
    pub state: &'static str,
    pub tone: &'static str,
    pub attempts: u32,
    pub created: String,
    pub delivered: String,
    pub error: String,
}

impl DeliveryRow {
    pub fn new(delivery: &Delivery, time: &LocalTime) -> Self {
        let tone = match delivery.state {
            DeliveryState::Delivered => "good",
            DeliveryState::Pending => "warn",
            DeliveryState::Dead => "alarm",
        };
        let delivered = match (delivery.delivered_at, delivery.next_attempt_at) {
            (Some(at), _) => time.show(at),
            (None, Some(at)) => format!("next try {}", time.show(at)),
            (None, None) => "–".to_owned(),
        };
        Self {
            case: delivery.case.to_string(),
            version: delivery.case_version,
            destination: delivery.destination.to_string(),
            state: delivery.state.name(),
            tone,
            attempts: delivery.attempts,
            created: time.show(delivery.created_at),
            delivered,
            error: delivery.last_error.clone().unwrap_or_default(),
        }
    }
}

/// A camera on a page.
pub struct CameraRow {
    pub id: String,
    pub state: &'static str,
    pub tone: &'static str,
    pub detail: String,
    pub media: String,
    pub last_look: String,
    pub look_stamp: i64,
    pub connects: u64,
    pub address: String,
    pub picture: Option<String>,
}

impl CameraRow {
    pub fn new(camera: &CameraView, time: &LocalTime) -> Self {
        let status = &camera.status;
        let tone = match status.state {
            CameraState::Live => "good",
            CameraState::Connecting => "warn",
            CameraState::Stalled | CameraState::Failed { .. } => "alarm",
            CameraState::Ended => "",
        };
        let detail = match &status.state {
            CameraState::Failed { reason, detail, retry_at } => {
                format!("{}: {detail}; next try {}", reason.name(), time.show(*retry_at))
            }
            _ => String::new(),
        };
        let name = if camera.name == status.camera.as_str() {
            String::new()
        } else {
            format!("{} · ", camera.name)
        };
        Self {
            id: status.camera.to_string(),
            state: status.state.name(),
            tone,
            detail,
            media: format!("{name}{}", status.media.as_deref().unwrap_or("no picture yet")),
            last_look: time.show_or_dash(status.last_look_at),
            look_stamp: status.last_look_at.map_or(0, citybrain_types::Timestamp::as_millis),
            connects: status.connects,
            address: status.address.clone(),
            picture: status.snapshot.as_ref().map(SnapshotRef::to_string),
        }
    }
}
