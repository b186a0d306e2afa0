//! A camera on a page.

use super::Writer;
use citybrain_dispatcher::services::CameraView;
use citybrain_types::{CameraState, SnapshotRef};

/// A fault of a camera, with its onset.
pub struct FaultRow {
    pub name: String,
    pub since: String,
}

/// How much of what was promised for a kind takes place.
pub struct CoverageRow {
    pub kind: String,
    pub percent: u8,
    pub tone: &'static str,
}

/// A camera on a page.
pub struct CameraRow {
    pub id: String,
    pub name: String,
    pub area: String,
    pub state: String,
    pub state_code: &'static str,
    pub tone: &'static str,
    pub since: String,
    pub detail: String,
    pub media: String,
    pub last_look: String,
    pub look_stamp: i64,
    pub connects: u64,
    pub address: String,
    pub picture: Option<String>,
    pub faults: Vec<FaultRow>,
    pub coverage: Vec<CoverageRow>,
}

impl CameraRow {
    pub fn new(camera: &CameraView, writer: &Writer) -> Self {
        let status = &camera.status;
        let language = writer.language;
        let time = &writer.time;
        let tone = match status.state {
            CameraState::Live | CameraState::Resting { .. } if !status.faults.is_empty() => "warn",
            CameraState::Live | CameraState::Resting { .. } => "good",
            CameraState::Connecting => "warn",
            CameraState::Stalled | CameraState::Failed { .. } => "alarm",
            CameraState::Ended => "still",
        };
        let detail = match &status.state {
            CameraState::Failed { reason, detail, retry_at } => language.fill(
                "camera.failed_because",
                &[
                    ("reason", &language.name("camera.reason", reason.name())),
                    ("detail", detail),
                    ("at", &time.show(*retry_at)),
                ],
            ),
            CameraState::Resting { next_at } => {
                language.fill("camera.next_picture", &[("at", &time.show(*next_at))])
            }
            _ => String::new(),
        };
        let fault = |fault: &citybrain_types::CameraFault| FaultRow {
            name: language.name("camera.fault", fault.fault.name()),
            since: time.show(fault.since),
        };
        let covered = |(kind, percent): (&citybrain_types::EventKind, &u8)| CoverageRow {
            kind: writer.kind(kind),
            percent: *percent,
            tone: match percent {
                90.. => "good",
                50..90 => "warn",
                _ => "alarm",
            },
        };
        Self {
            id: status.camera.to_string(),
            name: camera.name.clone(),
            area: camera.area.clone().unwrap_or_else(|| "–".to_owned()),
            state: language.name("camera.state", status.state.name()),
            state_code: status.state.name(),
            tone,
            since: time.show(status.since),
            detail,
            media: status.media.clone().unwrap_or_else(|| language.t("camera.no_picture_yet").to_owned()),
            last_look: time.show_or_dash(status.last_look_at),
            look_stamp: status.last_look_at.map_or(0, citybrain_types::Timestamp::as_millis),
            connects: status.connects,
            address: status.address.clone(),
            picture: status.snapshot.as_ref().map(SnapshotRef::to_string),
            faults: status.faults.iter().map(fault).collect(),
            coverage: status.coverage.iter().map(covered).collect(),
        }
    }
}
