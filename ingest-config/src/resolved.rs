//! The configuration in force: every reference resolved, every default filled in, every unit a type.
//!
//! This is what the other rooms read. Nothing in here can be wrong on its own: `validate` has refused the rest.

mod casework;
mod console;
mod hygiene;
mod incident;
mod log;
mod model;
mod people;
mod sensor;
mod store;
mod view;
mod zone;

pub use casework::{Area, Calendar, CaseLimits, CaseRules, Rota, When};
pub use console::{ConsoleSettings, Tiles};
pub use hygiene::{AlertLimits, PermitAddress, PermitSource, Silence};
pub use incident::IncidentPolicy;
pub use log::LogSettings;
pub use model::{ASKED_AT_MOST_EVERY, Cascade, ExecutionProvider, Model, Precision, Turn};

pub use people::{Blur, Oidc, Passwords, PeopleRules, Rank, SignIn};
pub use sensor::{Raises, Sensor, SensorFormat};
pub use store::{CaseStore, Database};
pub use view::{Field, Ground, View};
pub use zone::{Hours, Zone};

use citybrain_types::{CameraId, DepartmentId, DestinationId, EventKind, Label, Polygon};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use url::Url;

/// A whole city.
#[derive(Debug, Clone, PartialEq)]
pub struct City {
    /// Hash of the files it was read from; two cities with the same version are the same.
    pub version: String,
    /// The installation: names, folders, listeners.
    pub site: Site,
    /// Where cases are kept.
    pub store: CaseStore,
    /// Who may come in, and what they may see.
    pub people: PeopleRules,
    /// Cameras by id.
    pub cameras: BTreeMap<CameraId, Camera>,
    /// Event catalogue: what is looked for and how it is treated.
    pub kinds: BTreeMap<EventKind, Kind>,
    /// Model folders to load, in order.
    pub models: Vec<Model>,
    /// Departments by id.
    pub departments: BTreeMap<DepartmentId, Department>,
    /// Routes, first match wins; the last is the fallback to the district centre.
    pub routes: Vec<Route>,
    /// What cases are worked by.
    pub cases: CaseRules,
    /// Where deliveries go.
    pub destinations: BTreeMap<DestinationId, Destination>,
    /// Sensors that speak over MQTT.
    pub sensors: Vec<Sensor>,
    /// What opens no case for a while.
    pub silences: Vec<Silence>,
    /// Registers of permits.
    pub permits: Vec<PermitSource>,
    /// Budgets and limits of the pipeline.
    pub pipeline: PipelineLimits,
    /// Budgets and limits of the dispatcher.
    pub dispatch: DispatchLimits,
    /// How long and where detections are logged.
    pub log: LogSettings,
    /// What the console shows beside what the city knows.
    pub console: ConsoleSettings,
}

impl City {
    /// Whether everyone is let in through a listener that others can reach; such a city is not run.
    #[must_use]
    pub fn is_open_to_strangers(&self) -> bool {
        self.people.sign_in == SignIn::Open && !self.site.listen.ip().is_loopback()
    }

    /// The policy in force for a kind in a camera: the camera's own where it has one, else the catalogue's.
    #[must_use]
    pub fn evidence_policy(&self, camera: &CameraId, kind: &EventKind) -> Option<EvidencePolicy> {
        let own = self.cameras.get(camera).and_then(|camera| camera.evidence.get(kind));
        own.or_else(|| self.kinds.get(kind).map(|row| &row.evidence)).copied()
    }
}

/// The installation.
#[derive(Debug, Clone, PartialEq)]
pub struct Site {
    /// Shown in the console's title.
    pub name: String,
    /// IANA name of the city's time zone, for instance `Asia/Shanghai`.
    pub time_zone: String,
    /// Folder that holds the database, snapshots, spool; made when missing.
    pub data_dir: PathBuf,
    /// Where API and console listen; loopback unless told otherwise.
    pub listen: SocketAddr,
    /// Address under which others reach this server, for links in deliveries; `http://<listen>` by default.
    pub public_url: Url,
}

/// A camera.
#[derive(Debug, Clone, PartialEq)]
pub struct Camera {
    /// Its id.
    pub id: CameraId,
    /// Name for people.
    pub name: String,
    /// The stream to take: the sub-stream where one is configured.
    pub stream: Stream,
    /// Longitude and latitude in degrees (WGS 84).
    pub position: Option<[f64; 2]>,
    /// Grid or area it belongs to, matched by routes.
    pub area: Option<String>,
    /// Kinds looked for in it.
    pub kinds: BTreeSet<EventKind>,
    /// This camera's own thresholds where it has some; ask [`City::evidence_policy`].
    pub evidence: BTreeMap<EventKind, EvidencePolicy>,
    /// Parts of the picture in which nothing counts.
    pub ignore: Vec<Polygon>,
    /// Parts of the picture with rules of their own.
    pub zones: Vec<Zone>,
    /// What it looks at, on the map.
    pub view: View,
}

/// Where a camera's pictures come from. `Debug` never shows credentials.
#[derive(Clone, PartialEq)]
pub struct Stream {
    /// `rtsp`, `http`, `https`, `file` or `v4l2` address, without credentials.
    pub address: Url,
    /// User name and password, where the camera asks for them.
    pub credentials: Option<Credentials>,
    /// How RTSP media travels.
    pub transport: Transport,
    /// What is decoded.
    pub decode: DecodeMode,
    /// Whether it stays connected.
    pub connection: Connection,
    /// A file is played again from its start when it ends.
    pub repeat: bool,
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stream")
            .field("address", &self.address.as_str())
            .field("credentials", &self.credentials.as_ref().map(|_| "…"))
            .field("transport", &self.transport)
            .field("decode", &self.decode)
            .field("connection", &self.connection)
            .field("repeat", &self.repeat)
            .finish()
    }
}

/// A user name and a password. Neither `Debug` nor `Display` shows the password.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// User name.
    pub user: String,
    /// Password.
    pub password: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credentials({}, …)", self.user)
    }
}

/// A secret text, for instance a signing key. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// How RTSP media travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Interleaved in the RTSP connection.
    Tcp,
    /// RTP over UDP.
    Udp,
}

/// Whether a camera stays connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connection {
    /// Polled when all that is looked for in it is slow.
    Auto,
    /// Connected all the time.
    Always,
    /// Connected for one keyframe in each look interval.
    Polled,
}

/// What of a stream is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecodeMode {
    /// Keyframes where the stream has them, recovery points or full decoding where it has not.
    Auto,
    /// Keyframes only.
    Keyframes,
    /// Every frame is decoded; for streams with intra refresh.
    Full,
}

/// A row of the event catalogue.
#[derive(Debug, Clone, PartialEq)]
pub struct Kind {
    /// Its code.
    pub kind: EventKind,
    /// What operators call it, by language tag (`en`, `zh`).
    pub names: BTreeMap<String, String>,
    /// Labels of models that speak for it.
    pub labels: BTreeSet<Label>,
    /// From visible to case.
    pub deadline: Duration,
    /// A camera is looked at for this kind at least this often.
    pub look_interval: Duration,
    /// A pre-alarm goes out as soon as evidence opens, in parallel with the case. True for fire.
    pub pre_alarm: bool,
    /// From case to handled.
    pub handle_within: Duration,
    /// How detections become evidence.
    pub evidence: EvidencePolicy,
    /// How evidence becomes one incident.
    pub incident: IncidentPolicy,
}

/// How scored detections add up. Log-odds are natural logarithms; the dispatcher turns them into fixed point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EvidencePolicy {
    /// Detections below this score are not logged at all.
    pub log_floor: f32,
    /// A detection at this score or above counts as a hit for the k-of-n floor.
    pub hit_score: f32,
    /// Evidence loses half of itself in this time.
    pub half_life: Duration,
    /// Evidence opens at this log-odds.
    pub open_at: f32,
    /// Evidence closes below this log-odds, after `hold`.
    pub close_at: f32,
    /// Evidence is capped at this log-odds.
    pub max: f32,
    /// How long evidence stays below `close_at` before it closes.
    pub hold: Duration,
    /// At least this many hits …
    pub hits_needed: u32,
    /// … among the last this many looks.
    pub looks_counted: u32,
    /// What a place that differs wholly from the camera's own past adds to a look's log-odds; one that looks as it
    /// always did loses as much. Nothing is compared for 0.
    pub change_nats: f32,
}

/// A department.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Department {
    /// Its id.
    pub id: DepartmentId,
    /// Name for people.
    pub name: String,
    /// Where its deliveries go, all at once.
    pub destinations: BTreeSet<DestinationId>,
}

/// Who is responsible: the first route whose conditions all hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Kinds it is for; empty means all.
    pub kinds: BTreeSet<EventKind>,
    /// Areas it is for, with those that lie in them; empty means all.
    pub areas: BTreeSet<String>,
    /// When it applies.
    pub when: When,
    /// Departments that get the case, all at once.
    pub departments: BTreeSet<DepartmentId>,
    /// The one of them that is responsible; the others help. The first by name when not given.
    pub lead: Option<DepartmentId>,
    /// The rota whose department on duty gets it, too.
    pub rota: Option<String>,
}

/// Where deliveries go.
#[derive(Debug, Clone, PartialEq)]
pub struct Destination {
    /// Its id.
    pub id: DestinationId,
    /// How to reach it.
    pub channel: Channel,
    /// Longest time one attempt may take.
    pub timeout: Duration,
    /// Waits between the first attempts of what is told at once.
    pub urgent_retry_after: Vec<Duration>,
    /// Waits between attempts; after the last the delivery is dead.
    pub retry_after: Vec<Duration>,
    /// The destination that is told, too, when the urgent attempts have failed.
    pub second: Option<DestinationId>,
}

/// How a destination is reached.
#[derive(Debug, Clone, PartialEq)]
pub enum Channel {
    /// HTTP POST signed after Standard Webhooks.
    Webhook {
        /// Where to post.
        url: Url,
        /// Signing secret, base64 after the prefix `whsec_`.
        secret: Secret,
        /// The secret before, while it is being replaced.
        old_secret: Option<Secret>,
        /// What a message looks like.
        format: BodyFormat,
    },
    /// MQTT 5, QoS 1.
    Mqtt {
        /// `mqtt://host:port` or `mqtts://host:port`.
        broker: Url,
        /// User name and password.
        credentials: Option<Credentials>,
        /// Topic, with `{kind}`, `{camera}`, `{department}` filled in.
        topic: String,
        /// Topic of answers, with the same filled in.
        response_topic: Option<String>,
    },
    /// SMTP.
    Email {
        /// `smtp://host:port` or `smtps://host:port`; the query `tls=none` asks for a connection in clear.
        server: Url,
        /// User name and password.
        credentials: Option<Credentials>,
        /// Sender.
        from: String,
        /// Receivers.
        to: Vec<String>,
    },
    /// A robot in a group chat.
    Robot {
        /// Its address, which is its secret.
        url: Secret,
        /// The body, JSON with placeholders in double braces.
        template: String,
    },
}

/// What a webhook's message looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyFormat {
    /// A CloudEvents 1.0 envelope in JSON.
    CloudEvents,
    /// A Common Alerting Protocol 1.2 alert in XML; fires only.
    Cap,
}

/// Budgets and limits of the pipeline.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PipelineLimits {
    /// Workers that decode and detect, one model session each; the number of cores by default.
    pub workers: usize,
    /// Longest wait for a connection to be made and answered.
    pub connect_timeout: Duration,
    /// A camera without a keyframe for this long is stalled, and connected again.
    pub stall_after: Duration,
    /// First wait before connecting again; doubles up to `reconnect_max`, with jitter.
    pub reconnect_min: Duration,
    /// Longest wait before connecting again.
    pub reconnect_max: Duration,
    /// Largest access unit taken from a camera.
    pub max_access_unit_bytes: usize,
    /// Disk for snapshots; the oldest are removed first.
    pub snapshot_budget_bytes: u64,
    /// Disk for published detections that the dispatcher has not taken.
    pub spool_budget_bytes: u64,
    /// Longest side of a stored snapshot, in pixels.
    pub snapshot_max_side: u32,
    /// Shares and budgets of a busy machine.
    pub load: LoadLimits,
}

/// Shares and budgets of a busy machine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LoadLimits {
    /// Kinds with a pre-alarm go strictly first until they have had so much of the workers' time, in percent.
    pub urgent_share_percent: u8,
    /// What is done with a city that does not fit.
    pub admission: Admission,
    /// New connections begun a second, at most.
    pub connects_per_second: u32,
    /// Cameras that are left to choose are polled when each of their kinds has an interval of at least this.
    pub polled_from: Duration,
    /// Connections open at once to cameras that are polled.
    pub polled_connections: usize,
}

impl LoadLimits {
    /// What holds where nothing is configured.
    pub const DEFAULT: Self = Self {
        urgent_share_percent: 80,
        admission: Admission::Stretch,
        connects_per_second: 50,
        polled_from: Duration::from_secs(120),
        polled_connections: 64,
    };
}

/// What is done with a city that asks for more than the machine can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It runs, kinds without a pre-alarm are stretched.
    Stretch,
    /// It is refused.
    Refuse,
}

/// Budgets and limits of the dispatcher.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DispatchLimits {
    /// Deliveries under way at once.
    pub concurrent_deliveries: usize,
    /// Largest request body the API takes.
    pub max_body_bytes: usize,
    /// A happening not seen for this long is over; the next sighting opens a new case.
    pub incident_quiet_after: Duration,
    /// Incidents of one kind in neighbouring places of one camera join within this distance between box
    /// centres, in fractions of the picture.
    pub join_distance: f32,
    /// A camera not seen for this long opens a `camera_fault` case.
    pub camera_fault_after: Duration,
    /// Disk for the detection log; the oldest is removed first. None is written for 0.
    pub log_budget_bytes: u64,
    /// How many cases may be opened.
    pub alerts: AlertLimits,
}
