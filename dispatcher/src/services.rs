//! What the API and the console may ask of the dispatcher.

use crate::appraisal::{Appraisal, Period, appraise};
use crate::case::action::{self, Order};
use crate::case::report::{self, Report};
use crate::case::{Desk, OrderError};
use crate::envelope;
use crate::incident::Incident;
use crate::people::{People, note};
use crate::policy::{Office, PolicyState};
use crate::seats::{NoSeat, Seat, Seats};
use crate::silence::{Draft, Silence, SilenceError, SilenceKeeper};
use crate::store::{
    Answer, CaseFilter, CasePage, DeliveryFilter, DeliveryPage, PageRequest, Replay, Store, StoreError,
};
use crate::verdict::Reviewer;
use citybrain_ingest_config::City;
use citybrain_ingest_config::resolved::{Kind, SignIn, Site};
use citybrain_types::{
    CameraDirectory, CameraStatus, Case, CaseAction, CaseChange, CaseId, CaseState, Clock, Delivery,
    DeliveryState, DestinationId, EventKind, PhotoCover, SnapshotRef,
};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use tokio::sync::{broadcast, watch};
use url::Url;

/// Folder of the snapshots below the data folder; the pipeline writes them.
pub const SNAPSHOT_FOLDER: &str = "snapshots";
/// Folder of the originals of snapshots in which something was made unrecognisable.
pub const ORIGINAL_FOLDER: &str = "originals";

/// Open cases that are listed: a district opens some 550 a day, and has a few days' worth of them open.
pub const MAX_OPEN: u32 = 10_000;

/// A case with all that is known of it.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct CaseView {
    /// The case as it stands.
    pub case: Case,
    /// Its trail, oldest first.
    pub trail: Vec<CaseChange>,
    /// Its deliveries, oldest first.
    pub deliveries: Vec<Delivery>,
    /// What may be done with it now.
    pub allowed: Vec<CaseAction>,
}

/// A camera as configured, with how it stands.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct CameraView {
    /// Name for people.
    pub name: String,
    /// Longitude and latitude in degrees (WGS 84).
    pub position: Option<[f64; 2]>,
    /// Grid or area it belongs to.
    pub area: Option<String>,
    /// Kinds looked for in it.
    pub kinds: Vec<EventKind>,
    /// How it stands.
    #[serde(flatten)]
    pub status: CameraStatus,
}

/// Something has changed; sent to everyone who subscribed.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Change {
    /// A case was opened or has changed.
    Case {
        /// The case as it stands now.
        case: Box<Case>,
        /// It is new.
        opened: bool,
    },
    /// An attempt to deliver has ended.
    Delivery {
        /// The case.
        case: CaseId,
        /// The delivery's key.
        key: String,
        /// Where the delivery stands now.
        state: DeliveryState,
    },
    /// A policy was begun, or stands otherwise.
    Policy {
        /// The policy.
        policy: String,
        /// How it stands now.
        state: PolicyState,
    },
    /// A camera's connection has changed.
    Camera {
        /// How it stands now.
        status: Box<CameraStatus>,
    },
}

/// Whether the dispatcher does its work, and why not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Readiness {
    /// Everything below holds.
    pub ready: bool,
    /// The case store answers.
    pub store: bool,
    /// Detections are taken from the bus.
    pub bus: bool,
    /// At least one camera has been looked at, or it is known why none could be; true when there is none.
    pub looked: bool,
}

/// Handle for queries; cloning it is cheap.
#[derive(Clone)]
pub struct Services(Arc<Inner>);

struct Inner {
    city: watch::Receiver<Arc<City>>,
    store: Store,
    cameras: Arc<dyn CameraDirectory>,
    clock: Arc<dyn Clock>,
    listeners: broadcast::Sender<Change>,
    bus_attached: Arc<AtomicBool>,
    silences: SilenceKeeper,
    office: Office,
    reviewer: Reviewer,
    desk: Desk,
    wake: Box<dyn Fn() + Send + Sync>,
    people: People,
    seats: Seats,
    photo_cover: OnceLock<Arc<dyn PhotoCover>>,
}

impl std::fmt::Debug for Services {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Services").finish_non_exhaustive()
    }
}

/// What services are made of.
pub(crate) struct ServiceParts {
    pub(crate) city: watch::Receiver<Arc<City>>,
    pub(crate) store: Store,
    pub(crate) cameras: Arc<dyn CameraDirectory>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) listeners: broadcast::Sender<Change>,
    pub(crate) bus_attached: Arc<AtomicBool>,
    /// Makes and ends silences.
    pub(crate) silences: SilenceKeeper,
    /// Changes policies.
    pub(crate) office: Office,
    /// Takes verdicts.
    pub(crate) reviewer: Reviewer,
    /// Changes cases.
    pub(crate) desk: Desk,
    /// Wakes the workers that deliver.
    pub(crate) wake: Box<dyn Fn() + Send + Sync>,
    /// Users, sessions, tokens and the audit log.
    pub(crate) people: People,
}

impl Services {
    pub(crate) fn new(parts: ServiceParts) -> Self {
        let ServiceParts {
            city,
            store,
            cameras,
            clock,
            listeners,
            bus_attached,
            silences,
            office,
            reviewer,
            desk,
            wake,
            people,
        } = parts;
        Self(Arc::new(Inner {
            city,
            store,
            cameras,
            clock,
            listeners,
            bus_attached,
            silences,
            office,
            reviewer,
            desk,
            wake,
            people,
            seats: Seats::new(),
            photo_cover: OnceLock::new(),
        }))
    }

    /// Takes what covers photos; a second one changes nothing. Without any, photos that have to be covered are shown to
    /// nobody but those who may see originals.
    pub fn lend_photo_cover(&self, cover: Arc<dyn PhotoCover>) {
        let _ = self.0.photo_cover.set(cover);
    }

    /// What covers photos.
    pub(crate) fn photo_cover(&self) -> Option<Arc<dyn PhotoCover>> {
        self.0.photo_cover.get().cloned()
    }

    /// Users, sessions, tokens and the audit log.
    #[must_use]
    pub fn people(&self) -> &People {
        &self.0.people
    }

    /// Whether people have to sign in.
    #[must_use]
    pub fn has_people_sign_in(&self) -> bool {
        self.city().people.sign_in == SignIn::Required
    }

    /// The configuration in force.
    #[must_use]
    pub fn city(&self) -> Arc<City> {
        Arc::clone(&self.0.city.borrow())
    }

    /// Where policies are written, approved, put in force and taken back.
    #[must_use]
    pub fn policies(&self) -> &Office {
        &self.0.office
    }

    /// Where verdicts are given, and calibrations made of them.
    #[must_use]
    pub fn reviewer(&self) -> &Reviewer {
        &self.0.reviewer
    }

    /// Silences some sightings for a while, from the next look on. `answer` makes what is kept under the request's
    /// idempotency key, in the same transaction.
    ///
    /// # Errors
    /// [`SilenceError`] when the draft is refused, so many are in force, or the store does not answer.
    pub async fn make_silence(
        &self,
        draft: Draft,
        answer: impl Fn(&Silence) -> Option<Answer>,
    ) -> Result<Silence, SilenceError> {
        let silence = self.0.silences.make(draft, answer).await?;
        note("silence.make", &silence.id, silence.reason.as_str());
        Ok(silence)
    }

    /// Ends a silence before its time, from the next look on.
    ///
    /// # Errors
    /// [`SilenceError`] when there is none of that id, it is over, or the store does not answer.
    pub async fn end_silence(&self, id: &str, by: &str) -> Result<Silence, SilenceError> {
        let silence = self.0.silences.end(id, by).await?;
        note("silence.end", id, "");
        Ok(silence)
    }

    /// Silences, newest first, at most 1,000, those that are over with them.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn silences(&self) -> Result<Vec<Silence>, StoreError> {
        self.0.store.silences(None).await
    }

    /// One silence.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn silence(&self, id: &str) -> Result<Option<Silence>, StoreError> {
        self.0.store.silence(id).await
    }

    /// Why a case was opened: the incident behind it, with its frames, contributions, witnesses and thresholds.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer or the row is damaged.
    pub async fn why(&self, case: &CaseId) -> Result<Option<Incident>, StoreError> {
        self.0.store.incident_report(case).await
    }

    /// The installation.
    #[must_use]
    pub fn site(&self) -> Site {
        self.city().site.clone()
    }

    /// The event catalogue, in the order of the codes.
    #[must_use]
    pub fn kinds(&self) -> Vec<Kind> {
        self.city().kinds.values().cloned().collect()
    }

    /// The time the house goes by, for clocks and ages on a page.
    #[must_use]
    pub fn now(&self) -> citybrain_types::Timestamp {
        self.0.clock.now()
    }

    /// Every camera and how it stands, in the order of the ids.
    #[must_use]
    pub fn cameras(&self) -> Vec<CameraView> {
        let city = self.city();
        let view = |status: CameraStatus| {
            let camera = city.cameras.get(&status.camera);
            CameraView {
                name: camera.map_or_else(|| status.camera.to_string(), |camera| camera.name.clone()),
                position: camera.and_then(|camera| camera.position),
                area: camera.and_then(|camera| camera.area.clone()),
                kinds: camera.map(|camera| camera.kinds.iter().cloned().collect()).unwrap_or_default(),
                status,
            }
        };
        self.0.cameras.statuses().into_iter().map(view).collect()
    }

    /// Cases, newest first.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn cases(&self, filter: &CaseFilter, page: &PageRequest) -> Result<CasePage, StoreError> {
        self.0.store.cases(filter, page).await
    }

    /// Open cases, newest first, at most [`MAX_OPEN`].
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn open_cases(&self) -> Result<Vec<Case>, StoreError> {
        self.0.store.open_cases(0, MAX_OPEN).await
    }

    /// A part of the open cases, newest first: `limit` of them after the first `skip`.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn open_part(&self, skip: u32, limit: u32) -> Result<Vec<Case>, StoreError> {
        self.0.store.open_cases(skip, limit).await
    }

    /// Cases in a state, newest first, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn cases_in(&self, state: CaseState, limit: u32) -> Result<Vec<Case>, StoreError> {
        self.0.store.cases_in(state, limit).await
    }

    /// Open cases of a kind, newest first, at most some thousands.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn open_of_kind(&self, kind: &EventKind) -> Result<Vec<Case>, StoreError> {
        self.0.store.open_of_kind(kind).await
    }

    /// One case with its trail and deliveries; `None` when there is none of that id.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn case(&self, id: &CaseId) -> Result<Option<CaseView>, StoreError> {
        let Some(case) = self.0.store.case(id).await? else { return Ok(None) };
        let (trail, deliveries) = tokio::try_join!(self.0.store.trail(id), self.0.store.deliveries_of(id))?;
        let allowed = action::allowed(&case);
        Ok(Some(CaseView { case, trail, deliveries, allowed }))
    }

    /// Follows an order. With `seen`, only when the case is at that version; `answer` makes what is kept under the
    /// request's idempotency key, in the same transaction. Says how the case stands then.
    ///
    /// # Errors
    /// [`OrderError`] when there is no such case, it does not allow it or has changed, or the store does not answer.
    pub async fn act(
        &self,
        id: &CaseId,
        order: &Order,
        seen: Option<u32>,
        answer: impl Fn(&Case) -> Option<Answer>,
    ) -> Result<Case, OrderError> {
        let case = self.0.desk.act(id, order, seen, answer).await?;
        note(&format!("case.{}", order.action.name().name()), id.as_str(), order.reason.as_str());
        Ok(case)
    }

    /// Takes in a report with its photos; `answer` makes what is kept under the request's idempotency key, in the same
    /// transaction. Says which case it is, and whether it joined one that was open.
    ///
    /// # Errors
    /// [`OrderError`] when the report is refused, its photos cannot be written, or the store does not answer.
    pub async fn report(
        &self,
        report: Report,
        photos: Vec<Vec<u8>>,
        answer: impl Fn(&Case, bool) -> Option<Answer>,
    ) -> Result<(Case, bool), OrderError> {
        report::check(&self.city(), &report)?;
        let photos = crate::photo::keep(self, photos).await.map_err(OrderError::Photos)?;
        let (case, joined) = self.0.desk.report(&Report { photos, ..report }, answer).await?;
        note("report", case.id.as_str(), if joined { "joined an open case" } else { "opened a case" });
        Ok((case, joined))
    }

    /// The page of a case, as others reach it.
    #[must_use]
    pub fn link(&self, id: &CaseId) -> Url {
        envelope::below(&self.city().site.public_url, &["cases"], [id.as_str()].into_iter())
    }

    /// A picture, as others reach it.
    #[must_use]
    pub fn snapshot_link(&self, path: &SnapshotRef) -> Url {
        envelope::below(&self.city().site.public_url, &["snapshots"], path.as_str().split('/'))
    }

    /// What names this installation in messages.
    #[must_use]
    pub fn source(&self) -> String {
        envelope::source(&self.city().site.name)
    }

    /// How departments did in a period, against the one before. At most [`MAX_APPRAISED`] cases of each are looked at.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    ///
    /// [`MAX_APPRAISED`]: crate::store::MAX_APPRAISED
    pub async fn appraisal(&self, period: &Period) -> Result<Appraisal, StoreError> {
        let cases = self.0.store.opened_between(period.from, period.to).await?;
        let before = self.0.store.opened_between(period.before, period.from).await?;
        Ok(appraise(&self.city(), period, &cases, &before))
    }

    /// The answer kept under an idempotency key.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn answer(&self, key: &str) -> Result<Option<Answer>, StoreError> {
        self.0.store.answer(key).await
    }

    /// How many cases stand in each state; states without a case are left out.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn counts(&self) -> Result<BTreeMap<CaseState, u64>, StoreError> {
        self.0.store.counts_by_state().await
    }

    /// Deliveries, newest first.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn deliveries(
        &self,
        filter: &DeliveryFilter,
        page: &PageRequest,
    ) -> Result<DeliveryPage, StoreError> {
        self.0.store.deliveries(filter, page).await
    }

    /// Sends a dead delivery again, under the same key.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn replay(&self, key: &str) -> Result<Replay, StoreError> {
        let replay = self.0.store.replay(key, self.now()).await?;
        if let Replay::Queued(delivery) = &replay {
            note("delivery.replay", key, delivery.destination.as_str());
            tracing::info!(key, destination = %delivery.destination, "an operator has a dead delivery sent again");
            (self.0.wake)();
        }
        Ok(replay)
    }

    /// Sends every dead delivery to a destination again; says how many.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn replay_all(&self, destination: &DestinationId) -> Result<u64, StoreError> {
        let queued = self.0.store.replay_all(destination, self.now()).await?;
        note("destination.replay", destination.as_str(), format!("{queued} deliveries"));
        tracing::info!(%destination, queued, "an operator has dead deliveries sent again");
        (self.0.wake)();
        Ok(queued)
    }

    /// A seat for one more stream of events, held as long as the stream lives; `person` is empty where nobody signs in.
    ///
    /// # Errors
    /// [`NoSeat`] when there is none.
    pub fn stream_seat(&self, person: &str) -> Result<Seat, NoSeat> {
        self.0.seats.take(person)
    }

    /// Changes from now on. A listener that falls behind is told so and goes on with what is new.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Change> {
        self.0.listeners.subscribe()
    }

    /// The folder that holds the snapshots named in cases.
    #[must_use]
    pub fn snapshot_root(&self) -> PathBuf {
        self.city().site.data_dir.join(SNAPSHOT_FOLDER)
    }

    /// The folder that holds the originals of blurred snapshots, under the same names.
    #[must_use]
    pub fn original_root(&self) -> PathBuf {
        self.city().site.data_dir.join(ORIGINAL_FOLDER)
    }

    /// Whether the dispatcher does its work.
    pub async fn readiness(&self) -> Readiness {
        let store = self.0.store.ping().await.is_ok();
        let bus = self.0.bus_attached.load(Ordering::Acquire);
        let statuses = self.0.cameras.statuses();
        let known = |status: &CameraStatus| {
            use citybrain_types::CameraState::{Ended, Failed, Stalled};
            status.last_look_at.is_some() || matches!(status.state, Failed { .. } | Stalled | Ended)
        };
        let looked = statuses.is_empty() || statuses.iter().any(known);
        Readiness { ready: store && bus && looked, store, bus, looked }
    }
}
