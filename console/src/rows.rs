//! Cases, deliveries and cameras, made ready for a template: names for codes, local time for moments.

use crate::local_time::LocalTime;
use citybrain_dispatcher::services::CameraView;
use citybrain_types::{
    CameraState, Card, Case, CaseAction, CaseChange, CaseState, ClockStage, Delivery, DeliveryState,
    EventKind, Level, Priority, SnapshotRef, StageClock,
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
    pub area: String,
    pub level: &'static str,
    pub points: u32,
    pub reports: u32,
    pub description: String,
    pub card: Option<&'static str>,
    pub card_tone: &'static str,
    pub version: u32,
    pub picture_after: Option<String>,
    pub photos: Vec<String>,
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
            camera: case
                .camera
                .as_ref()
                .map_or_else(|| case.work.source.name().to_owned(), ToString::to_string),
            first_seen: time.show(case.first_seen_at),
            last_seen: time.show(case.last_seen_at),
            opened: time.show(case.opened_at),
            deadline: time.show_or_dash(case.deadline_at),
            score: format!("{:.0} %", case.score * 100.0),
            departments: departments.join(", "),
            position: case
                .position
                .map_or_else(|| "–".to_owned(), |[lon, lat]| format!("{lat:.5}° N, {lon:.5}° E")),
            area: case.work.area.clone().unwrap_or_else(|| "–".to_owned()),
            level: level_name(case.work.level),
            points: case.work.points,
            reports: case.work.reports,
            description: case.work.description.clone().unwrap_or_default(),
            card: card(case).map(card_name),
            card_tone: if card(case) == Some(Card::Red) { "alarm" } else { "warn" },
            version: case.version,
            picture_after: case.work.after.as_ref().map(SnapshotRef::to_string),
            photos: case.work.photos.iter().map(SnapshotRef::to_string).collect(),
            picture_at: pictures.map(|p| p.at.to_string()),
            picture_before: pictures.and_then(|p| p.before.as_ref()).map(SnapshotRef::to_string),
        }
    }
}

/// The gravest card on a running clock.
fn card(case: &Case) -> Option<Card> {
    case.work.clocks.iter().filter(|clock| clock.is_running()).filter_map(|clock| clock.card).max()
}

const fn card_name(card: Card) -> &'static str {
    match card {
        Card::Yellow => "yellow card 黄牌",
        Card::Red => "red card 红牌",
    }
}

const fn level_name(level: Level) -> &'static str {
    match level {
        Level::Building => "building 楼栋",
        Level::Grid => "grid 网格",
        Level::Community => "community 社区",
        Level::Street => "street 街道",
        Level::District => "district 区",
    }
}

/// A clock of a case on a page.
pub struct ClockRow {
    pub stage: &'static str,
    pub due: String,
    pub state: String,
    pub tone: &'static str,
}

impl ClockRow {
    pub fn new(clock: &StageClock, time: &LocalTime) -> Self {
        let stage = match clock.stage {
            ClockStage::Verify => "verify 核实",
            ClockStage::Dispatch => "dispatch 派遣",
            ClockStage::Accept => "accept 接单",
            ClockStage::Handle => "handle 处理",
            ClockStage::Recheck => "re-check 核查",
            ClockStage::Approve => "approve 审批",
            ClockStage::Suspend => "suspended 挂账",
        };
        let state = match (clock.used_secs, clock.card) {
            (Some(secs), _) => format!("{} min used of {}", secs / 60, clock.limit_secs / 60),
            (None, Some(card)) => card_name(card).to_owned(),
            (None, None) => format!("running, {} min in all", clock.limit_secs / 60),
        };
        let tone = match (clock.overdue, clock.card) {
            (true, _) => "alarm",
            (false, Some(_)) => "warn",
            (false, None) => "",
        };
        Self { stage, due: time.show(clock.due_at), state, tone }
    }
}

/// An action that a case allows, as a form.
pub struct ActionRow {
    pub code: &'static str,
    pub name: &'static str,
    /// Whether a reason has to be given.
    pub reason: bool,
    /// Further fields: name and what people call it.
    pub fields: &'static [(&'static str, &'static str)],
}

impl ActionRow {
    pub const fn new(action: CaseAction) -> Self {
        let (name, reason): (_, bool) = match action {
            CaseAction::Verify => ("Verify 核实", false),
            CaseAction::File => ("Put on file 立案", false),
            CaseAction::Dispatch => ("Dispatch 派遣", false),
            CaseAction::Accept => ("Accept 接单", false),
            CaseAction::Start => ("Start 开始处理", false),
            CaseAction::Done => ("Report done 完成", false),
            CaseAction::Return => ("Return 回退", true),
            CaseAction::ApproveReturn => ("Approve the return 同意回退", false),
            CaseAction::RejectReturn => ("Reject the return 驳回回退", true),
            CaseAction::Transfer => ("Transfer 转办", true),
            CaseAction::Suspend => ("Suspend 挂账", true),
            CaseAction::Resume => ("Resume 恢复", false),
            CaseAction::Extend => ("Extend 延期", true),
            CaseAction::Link => ("Link 并案", false),
            CaseAction::Void => ("Void 作废", true),
            CaseAction::Close => ("Close 结案", true),
            CaseAction::Reopen => ("Reopen 返工", true),
            CaseAction::Rate => ("Rate 评价", false),
        };
        let fields: &[(&str, &str)] = match action {
            CaseAction::Accept | CaseAction::Start | CaseAction::Done | CaseAction::Return => {
                &[("department", "Department")]
            }
            CaseAction::Dispatch | CaseAction::ApproveReturn => &[("departments", "Departments, by commas")],
            CaseAction::Transfer => &[("to", "To department")],
            CaseAction::Link => &[("to", "To case")],
            CaseAction::Suspend => &[("until", "Until (2026-12-01T08:00:00Z)")],
            CaseAction::Extend => &[("minutes", "Minutes")],
            CaseAction::Void => &[("because", "false_alarm, duplicate or not_responsible")],
            CaseAction::Rate => &[("stars", "Stars, 1 to 5")],
            _ => &[],
        };
        Self { code: action.name(), name, reason, fields }
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
    /// What was done where the state stayed.
    pub noted: String,
    pub at: String,
    pub by: String,
    pub reason: String,
}

impl TrailRow {
    pub fn new(change: &CaseChange, time: &LocalTime) -> Self {
        Self {
            state: state_name(change.to),
            noted: if change.from == Some(change.to) {
                change.action.replace('_', " ")
            } else {
                String::new()
            },
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
            CameraState::Live | CameraState::Resting { .. } if !status.faults.is_empty() => "warn",
            CameraState::Live | CameraState::Resting { .. } => "good",
            CameraState::Connecting => "warn",
            CameraState::Stalled | CameraState::Failed { .. } => "alarm",
            CameraState::Ended => "",
        };
        let detail = match &status.state {
            CameraState::Failed { reason, detail, retry_at } => {
                format!("{}: {detail}; next try {}", reason.name(), time.show(*retry_at))
            }
            CameraState::Resting { next_at } => format!("next picture {}", time.show(*next_at)),
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
