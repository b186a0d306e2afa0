//! What a destination receives: a CloudEvents 1.0 envelope in JSON around a case at one version.
//!
//! Format: <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md>, structured mode.

use citybrain_ingest_config::resolved::Site;
use citybrain_types::{Case, CaseId, DepartmentId, DestinationId, SnapshotRef, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use url::Url;

/// Media type of the envelope.
pub const CONTENT_TYPE: &str = "application/cloudevents+json";

/// What a delivery tells.
///
/// In the order of their gravity, where several things happen to a case in one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EventType {
    /// A fire may have broken out; sent before the case is on file, under the same case id.
    PreAlarm,
    /// What the pre-alarm told of was none; sent to everyone who got it.
    Withdrawn,
    /// A case was opened and dispatched; of an alarm with two steps: it was confirmed.
    CaseOpened,
    /// A case has changed.
    CaseUpdated,
    /// A case still waits to be taken; sent to those who have not.
    Waiting,
    /// Most of the time of a stage is gone.
    YellowCard,
    /// The deadline of a stage has passed.
    RedCard,
    /// A case was escalated one level up.
    Escalated,
}

impl EventType {
    const ALL: [Self; 8] = [
        Self::PreAlarm,
        Self::Withdrawn,
        Self::CaseOpened,
        Self::CaseUpdated,
        Self::Waiting,
        Self::YellowCard,
        Self::RedCard,
        Self::Escalated,
    ];

    /// The name, as in the envelope's `type` and in the store.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PreAlarm => "citybrain.fire.pre_alarm",
            Self::Withdrawn => "citybrain.fire.withdrawn",
            Self::CaseOpened => "citybrain.case.opened",
            Self::CaseUpdated => "citybrain.case.updated",
            Self::Waiting => "citybrain.case.waiting",
            Self::YellowCard => "citybrain.case.yellow_card",
            Self::RedCard => "citybrain.case.red_card",
            Self::Escalated => "citybrain.case.escalated",
        }
    }

    /// What people call it.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::PreAlarm => "Pre-alarm",
            Self::Withdrawn => "Pre-alarm withdrawn",
            Self::CaseOpened => "New case",
            Self::CaseUpdated => "Case changed",
            Self::Waiting => "Case still waits",
            Self::YellowCard => "Yellow card",
            Self::RedCard => "Red card",
            Self::Escalated => "Escalated",
        }
    }

    /// The type of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.name() == name)
    }
}

/// A CloudEvents 1.0 envelope.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Envelope {
    /// Version of the format: `1.0`.
    pub specversion: String,
    /// The idempotency key; with `source` it names the event once.
    pub id: String,
    /// `citybrain/<site>`, as a URI reference.
    pub source: String,
    /// What it tells.
    #[serde(rename = "type")]
    pub event: String,
    /// When this version of the case was made.
    pub time: Timestamp,
    /// The case's id.
    pub subject: CaseId,
    /// `application/json`.
    pub datacontenttype: String,
    /// The case.
    pub data: Data,
}

/// What an envelope carries.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Data {
    /// The case at one version.
    pub case: Case,
    /// Where to see more.
    pub links: Links,
}

/// Addresses on this server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Links {
    /// The case's page.
    pub case: Url,
    /// The picture at detection, where one was kept.
    pub snapshot_at: Option<Url>,
    /// The picture before, where one was kept.
    pub snapshot_before: Option<Url>,
    /// The photos that people sent, in the order of `case.work.photos`.
    #[serde(default)]
    pub photos: Vec<Url>,
}

impl Links {
    /// The picture that tells most: of the camera, else the first photo.
    #[must_use]
    pub fn picture(&self) -> Option<&Url> {
        self.snapshot_at.as_ref().or(self.photos.first())
    }
}

/// The idempotency key of one event about one case version on its way to one destination: the same at every
/// attempt, after every restart and in every replay.
#[must_use]
pub fn key(
    event: EventType,
    case: &Case,
    destination: &DestinationId,
    department: Option<&DepartmentId>,
) -> String {
    let department = department.map_or("", DepartmentId::as_str);
    let named = format!("{}\n{}\n{}\n{destination}\n{department}", event.name(), case.id, case.version);
    let mut key = String::from("dlv_");
    for byte in Sha256::digest(named.as_bytes()).iter().take(16) {
        let _ = write!(key, "{byte:02x}");
    }
    key
}

/// Puts a case into its envelope.
#[must_use]
pub fn wrap(key: &str, event: EventType, site: &Site, case: &Case) -> Envelope {
    let snapshot = |path: &SnapshotRef| below(&site.public_url, &["snapshots"], path.as_str().split('/'));
    let snapshots = case.snapshots.as_ref();
    Envelope {
        specversion: "1.0".to_owned(),
        id: key.to_owned(),
        source: source(&site.name),
        event: event.name().to_owned(),
        time: case.updated_at,
        subject: case.id.clone(),
        datacontenttype: "application/json".to_owned(),
        data: Data {
            case: case.clone(),
            links: Links {
                case: below(&site.public_url, &["cases"], [case.id.as_str()].into_iter()),
                snapshot_at: snapshots.map(|s| snapshot(&s.at)),
                snapshot_before: snapshots.and_then(|s| s.before.as_ref()).map(snapshot),
                photos: case.work.photos.iter().map(snapshot).collect(),
            },
        },
    }
}

/// `citybrain/<site>` with what a URI reference cannot hold percent-encoded.
pub(crate) fn source(site: &str) -> String {
    let mut source = String::from("citybrain/");
    for byte in site.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            source.push(char::from(byte));
        } else {
            let _ = write!(source, "%{byte:02X}");
        }
    }
    source
}

pub(crate) fn below<'a>(base: &Url, folder: &[&str], rest: impl Iterator<Item = &'a str>) -> Url {
    let mut url = base.clone();
    // Only an address that cannot be a base refuses; the configuration takes http and https addresses only.
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(folder).extend(rest);
    }
    url
}
