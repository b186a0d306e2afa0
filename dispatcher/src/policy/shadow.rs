//! Policies in shadow: each judges the live stream with the same evidence and incidents as the one in force, files
//! nothing, and tells where the two differ.
//!
//! Design decision: the shadow never holds the stream up. It is fed beside it through a bounded queue; what does not fit
//! is missed and counted, and shown with the differences. It starts from the incidents that are open, without evidence:
//! for a few half-lives after its start it may open later than the one in force.

use super::record::{Difference, PolicyRecord, Side};
use crate::evidence::{Evidence, same_place};
use crate::incident::{Cause, Incident, IncidentChange, Incidents};
use crate::ruling::{Decided, Ruling};
use crate::store::Store;
use citybrain_ingest_config::City;
use citybrain_types::{BoundingBox, CameraId, EventKind, FrameDetections, IncidentId, Snapshots, Timestamp};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;

/// Batches that wait for a shadow: some seconds of a city.
const QUEUE: usize = 128;
/// Openings of the two sides at one place are one happening when they are this near in time.
const SAME_WITHIN: Duration = Duration::from_secs(900);
/// Openings without a counterpart that are remembered; the oldest are settled as differences before their time.
const MAX_UNMATCHED: usize = 4_096;
/// Silences that a shadow which begins later is told of.
const MAX_SILENCES: usize = 1_000;

/// A case that one side opens.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Opening {
    incident: IncidentId,
    kind: EventKind,
    camera: CameraId,
    place: BoundingBox,
    score: f32,
    first_seen_at: Timestamp,
    opened_at: Timestamp,
    snapshots: Option<Snapshots>,
}

impl Opening {
    /// Of a change of an incident; `None` where nothing was opened by what was seen.
    pub(crate) fn of(change: &IncidentChange) -> Option<Self> {
        let IncidentChange::Opened { incident, cause: Cause::Seen(sight), .. } = change else { return None };
        Some(Self {
            incident: incident.id.clone(),
            kind: incident.kind.clone(),
            camera: incident.camera.clone(),
            place: incident.place,
            score: incident.score,
            first_seen_at: incident.first_seen_at,
            opened_at: incident.opened_at,
            snapshots: sight.snapshots.clone(),
        })
    }

    fn is_same(&self, other: &Self, join_distance: f32) -> bool {
        let apart = self.opened_at.since(other.opened_at).max(other.opened_at.since(self.opened_at));
        self.incident == other.incident
            || (self.kind == other.kind
                && self.camera == other.camera
                && apart <= SAME_WITHIN
                && same_place(&self.place, &other.place, join_distance))
    }
}

/// What a shadow is fed.
#[derive(Debug, Clone)]
pub(crate) enum ShadowFeed {
    /// Frames, as evidence takes them.
    Frames(Arc<Vec<FrameDetections>>),
    /// What the one in force has opened.
    Live(Opening),
    /// What was decided beside the looks.
    Ruled(Ruling),
    /// The configuration is another.
    City(Arc<City>),
}

struct Running {
    version: u32,
    feed: mpsc::Sender<ShadowFeed>,
    missed: Arc<AtomicU64>,
}

#[derive(Default)]
struct Inner {
    running: BTreeMap<String, Running>,
    permits: Option<Ruling>,
    silences: BTreeMap<String, Ruling>,
}

/// The policies in shadow; cloning clones a handle.
#[derive(Clone)]
pub(crate) struct Shadows {
    store: Store,
    inner: Arc<Mutex<Inner>>,
}

impl Shadows {
    pub(crate) fn new(store: Store) -> Self {
        Self { store, inner: Arc::default() }
    }

    /// Runs these, and no others; one that runs already goes on. `known` are the incidents that are open or remembered.
    pub(crate) fn run(&self, city: &Arc<City>, records: &[PolicyRecord], known: &[Incident]) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let is_wanted = |id: &String, running: &Running| {
            records.iter().any(|record| record.id == *id && record.version == running.version)
        };
        inner.running.retain(|id, running| is_wanted(id, running));
        for record in records {
            if inner.running.contains_key(&record.id) {
                continue;
            }
            let mut shadow = Shadow::new(record, city, known);
            inner.permits.iter().chain(inner.silences.values()).for_each(|said| shadow.rule(said));
            let (feed, fed) = mpsc::channel(QUEUE);
            tokio::spawn(run(shadow, self.store.clone(), fed));
            let running = Running { version: record.version, feed, missed: Arc::default() };
            inner.running.insert(record.id.clone(), running);
        }
    }

    /// Feeds every shadow; never waits.
    pub(crate) fn feed(&self, fed: impl FnOnce() -> Option<ShadowFeed>) {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.running.is_empty() {
            return;
        }
        let Some(fed) = fed() else { return };
        for running in inner.running.values() {
            if running.feed.try_send(fed.clone()).is_err() {
                running.missed.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Tells every shadow of a ruling, and those that begin later.
    pub(crate) fn rule(&self, ruling: &Ruling) {
        {
            let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
            match &ruling.what {
                Decided::Permits { .. } => inner.permits = Some(ruling.clone()),
                Decided::Silenced { silence } => {
                    inner.silences.insert(silence.id.clone(), ruling.clone());
                    while inner.silences.len() > MAX_SILENCES {
                        inner.silences.pop_first();
                    }
                }
                Decided::Refused { .. } | Decided::Thresholds { .. } => {}
            }
        }
        self.feed(|| Some(ShadowFeed::Ruled(ruling.clone())));
    }

    /// How often a shadow was not fed since it began, because it was behind.
    pub(crate) fn missed(&self, id: &str) -> u64 {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.running.get(id).map_or(0, |running| running.missed.load(Ordering::Relaxed))
    }
}

/// One policy in shadow.
pub(super) struct Shadow {
    record: PolicyRecord,
    evidence: Evidence,
    incidents: Incidents,
    join_distance: f32,
    unmatched: Vec<(Side, Opening)>,
    found: Vec<Difference>,
    taken_back: Vec<String>,
}

impl Shadow {
    pub(super) fn new(record: &PolicyRecord, city: &Arc<City>, known: &[Incident]) -> Self {
        let laid = Arc::new(record.policy.lay(city).0);
        let mut evidence = Evidence::new(Arc::clone(&laid), []);
        evidence.calibrate(record.policy.sound_calibrations());
        Self {
            record: record.clone(),
            incidents: Incidents::new(&laid, known.iter().cloned()),
            join_distance: laid.dispatch.join_distance,
            evidence,
            unmatched: Vec::new(),
            found: Vec::new(),
            taken_back: Vec::new(),
        }
    }

    fn rule(&mut self, ruling: &Ruling) {
        // What it would have opened because of a ruling is told by the next look.
        drop(self.incidents.rule(ruling));
    }

    pub(super) fn take(&mut self, fed: ShadowFeed) {
        match fed {
            ShadowFeed::Frames(frames) => {
                for frame in frames.iter() {
                    let look = self.evidence.judge(frame).look;
                    for change in self.incidents.take(&look) {
                        if let Some(opening) = Opening::of(&change) {
                            self.opened(Side::WouldOpen, opening);
                        }
                    }
                }
            }
            ShadowFeed::Live(opening) => self.opened(Side::WouldNotOpen, opening),
            ShadowFeed::Ruled(ruling) => self.rule(&ruling),
            ShadowFeed::City(city) => {
                let laid = Arc::new(self.record.policy.lay(&city).0);
                self.incidents.reload(&laid);
                self.join_distance = laid.dispatch.join_distance;
                self.evidence.reload(laid);
            }
        }
    }

    /// One side has opened a case: the other has, too, or it is a difference until it does.
    fn opened(&mut self, side: Side, opening: Opening) {
        let newest = opening.opened_at;
        self.unmatched.retain(|(_, old)| newest.since(old.opened_at) <= SAME_WITHIN);
        let counterpart = self
            .unmatched
            .iter()
            .position(|(other, old)| *other != side && opening.is_same(old, self.join_distance));
        if let Some(index) = counterpart {
            let (other, old) = self.unmatched.remove(index);
            let id = self.id(other, &old);
            // What was not written yet need not be taken back.
            let before = self.found.len();
            self.found.retain(|difference| difference.id != id);
            if self.found.len() == before {
                self.taken_back.push(id);
            }
            return;
        }
        self.found.push(Difference {
            id: self.id(side, &opening),
            policy: self.record.id.clone(),
            side,
            incident: opening.incident.clone(),
            kind: opening.kind.clone(),
            camera: opening.camera.clone(),
            place: opening.place,
            score: opening.score,
            first_seen_at: opening.first_seen_at,
            opened_at: opening.opened_at,
            snapshots: opening.snapshots.clone(),
        });
        if self.unmatched.len() >= MAX_UNMATCHED {
            self.unmatched.remove(0);
        }
        self.unmatched.push((side, opening));
    }

    fn id(&self, side: Side, opening: &Opening) -> String {
        let side = match side {
            Side::WouldOpen => "would_open",
            Side::WouldNotOpen => "would_not_open",
        };
        format!("{}.{side}.{}", self.record.id, opening.incident)
    }

    /// What is to be written since the last time: what is new, and what has turned out to be no difference.
    pub(super) fn told(&mut self) -> (Vec<Difference>, Vec<String>) {
        (std::mem::take(&mut self.found), std::mem::take(&mut self.taken_back))
    }
}

/// Judges until nobody feeds it any more.
async fn run(mut shadow: Shadow, store: Store, mut fed: mpsc::Receiver<ShadowFeed>) {
    while let Some(first) = fed.recv().await {
        shadow.take(first);
        while let Ok(more) = fed.try_recv() {
            shadow.take(more);
        }
        let (found, taken_back) = shadow.told();
        if found.is_empty() && taken_back.is_empty() {
            continue;
        }
        if let Err(error) = store.write_differences(&shadow.record.id, &found, &taken_back).await {
            tracing::error!(policy = shadow.record.id, %error, "differences of a shadow could not be written");
        }
    }
}
