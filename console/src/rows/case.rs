//! A case, its clocks and its trail on a page.

use super::{Writer, state_tone};
use citybrain_types::{Card, Case, CaseChange, Priority, SnapshotRef, StageClock, Timestamp};

/// A case on a page.
pub struct CaseRow {
    pub id: String,
    pub kind_name: String,
    pub urgent: bool,
    pub state_name: String,
    pub state_tone: &'static str,
    pub camera: String,
    pub camera_id: Option<String>,
    pub first_seen: String,
    pub last_seen: String,
    pub opened: String,
    pub deadline: String,
    pub score: String,
    pub departments: String,
    pub position: Option<String>,
    /// Longitude and latitude in degrees.
    pub coordinates: Option<(f64, f64)>,
    pub area: String,
    pub level: String,
    pub points: u32,
    pub reports: u32,
    pub description: String,
    pub card: Option<String>,
    pub card_tone: &'static str,
    pub version: u32,
    pub picture_after: Option<String>,
    pub photos: Vec<String>,
    pub picture_at: Option<String>,
    pub picture_before: Option<String>,
}

impl CaseRow {
    pub fn new(case: &Case, writer: &Writer) -> Self {
        let time = &writer.time;
        let departments: Vec<String> =
            case.departments.iter().map(|id| writer.department(id.as_str())).collect();
        let pictures = case.snapshots.as_ref();
        let card = card(case);
        Self {
            id: case.id.to_string(),
            kind_name: writer.kind(&case.kind),
            urgent: case.priority != Priority::Normal,
            state_name: writer.state(case.state),
            state_tone: state_tone(case.state),
            camera: case.camera.as_ref().map_or_else(
                || writer.language.name("case.source", case.work.source.name()),
                ToString::to_string,
            ),
            camera_id: case.camera.as_ref().map(ToString::to_string),
            first_seen: time.show(case.first_seen_at),
            last_seen: time.show(case.last_seen_at),
            opened: time.show(case.opened_at),
            deadline: time.show_or_dash(case.deadline_at),
            // What people tell of has no score.
            score: case
                .camera
                .as_ref()
                .map_or_else(|| "–".to_owned(), |_| format!("{:.0} %", case.score * 100.0)),
            departments: departments.join(", "),
            position: case.position.map(|[longitude, latitude]| degrees(longitude, latitude)),
            coordinates: case.position.map(|[longitude, latitude]| (longitude, latitude)),
            area: case.work.area.clone().unwrap_or_else(|| "–".to_owned()),
            level: writer.language.name("case.level", case.work.level.name()),
            points: case.work.points,
            reports: case.work.reports,
            description: case.work.description.clone().unwrap_or_default(),
            card: card.map(|card| writer.language.name("case.card", card.name())),
            card_tone: card_tone(card),
            version: case.version,
            picture_after: case.work.after.as_ref().map(SnapshotRef::to_string),
            photos: case.work.photos.iter().map(SnapshotRef::to_string).collect(),
            picture_at: pictures.map(|p| p.at.to_string()),
            picture_before: pictures.and_then(|p| p.before.as_ref()).map(SnapshotRef::to_string),
        }
    }
}

fn degrees(longitude: f64, latitude: f64) -> String {
    let half = |value: f64, positive, negative| if value < 0.0 { negative } else { positive };
    let (north, east) = (half(latitude, 'N', 'S'), half(longitude, 'E', 'W'));
    format!("{:.5}° {north}, {:.5}° {east}", latitude.abs(), longitude.abs())
}

/// The gravest card on a running clock.
fn card(case: &Case) -> Option<Card> {
    case.work.clocks.iter().filter(|clock| clock.is_running()).filter_map(|clock| clock.card).max()
}

const fn card_tone(card: Option<Card>) -> &'static str {
    match card {
        Some(Card::Red) => "alarm",
        Some(Card::Yellow) => "warn",
        None => "",
    }
}

/// A clock of a case on a page.
pub struct ClockRow {
    pub stage: String,
    pub started: String,
    pub due: String,
    pub state: String,
    pub tone: &'static str,
    /// Percent of its time gone at `now` by the wall, 0 to 100; only of one that runs.
    pub gone: Option<u64>,
}

impl ClockRow {
    pub fn new(clock: &StageClock, now: Timestamp, writer: &Writer) -> Self {
        let language = writer.language;
        let minutes = |secs: u64| secs.div_ceil(60);
        let limit = minutes(clock.limit_secs);
        let state = match (clock.used_secs, clock.card) {
            (Some(used), _) => {
                language.fill("case.clock_used", &[("used", &minutes(used)), ("limit", &limit)])
            }
            (None, Some(card)) => language.name("case.card", card.name()),
            (None, None) => language.fill("case.clock_runs", &[("limit", &limit)]),
        };
        let tone = if clock.overdue { "alarm" } else { card_tone(clock.card) };
        let whole = clock.due_at.since(clock.started_at).as_millis().max(1);
        let gone = now.since(clock.started_at).as_millis() * 100 / whole;
        Self {
            stage: language.name("case.stage", clock.stage.name()),
            started: writer.time.show(clock.started_at),
            due: writer.time.show(clock.due_at),
            state,
            tone,
            gone: clock.is_running().then(|| u64::try_from(gone).unwrap_or(u64::MAX).min(100)),
        }
    }
}

/// One of the reasons why a case was opened.
pub struct ReasonRow {
    pub at: String,
    pub words: String,
}

impl ReasonRow {
    pub fn new(reason: &citybrain_dispatcher::incident::Reason, writer: &Writer) -> Self {
        Self { at: writer.time.show(reason.at), words: reason.words() }
    }
}

/// A line of a trail on a page.
pub struct TrailRow {
    pub state: String,
    /// What was done, where it is known.
    pub action: String,
    pub at: String,
    pub by: String,
    pub reason: String,
}

impl TrailRow {
    pub fn new(change: &CaseChange, writer: &Writer) -> Self {
        let action = if change.action.is_empty() {
            String::new()
        } else {
            writer.language.name("case.action", &change.action).replace('_', " ")
        };
        Self {
            state: writer.state(change.to),
            action,
            at: writer.time.show_millis(change.at),
            by: change.by.clone(),
            reason: change.reason.clone(),
        }
    }
}
