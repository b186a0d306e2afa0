//! Where every camera's connection stands: written by `capture` and by the look stages, read by the API, the
//! console and the metrics.

use crate::capture::events::{CaptureMetrics, FaultChanged, StateChanged};
use crate::health::{PictureHealth, Sample};
use citybrain_types::{
    CameraDirectory, CameraFault, CameraId, CameraState, CameraStatus, Clock, EventKind, FailReason,
    FaultKind, SnapshotRef, Timestamp,
};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Keyframes in a row that could not be decoded, after which a camera no longer counts as live. One may be a
/// torn packet; three in a row are seconds without a picture.
pub const UNDECODABLE_IN_A_ROW: u32 = 3;

/// The state of all cameras. Cheap to share behind an `Arc`; every method takes a short lock.
#[derive(Debug)]
pub struct CameraBoard {
    clock: Arc<dyn Clock>,
    metrics: CaptureMetrics,
    rows: Mutex<BTreeMap<CameraId, Row>>,
}

#[derive(Debug)]
struct Row {
    status: CameraStatus,
    undecodable: u32,
    health: PictureHealth,
    /// Nothing changes in its stream.
    still: bool,
    of_picture: Option<CameraFault>,
    of_stream: Vec<CameraFault>,
    /// Its next turn, and whether it is fetched in turns.
    polled: bool,
    /// Width and height of its pictures.
    size: Option<(u32, u32)>,
}

impl Row {
    fn new(status: CameraStatus) -> Self {
        Self {
            status,
            undecodable: 0,
            health: PictureHealth::default(),
            still: false,
            of_picture: None,
            of_stream: Vec::new(),
            polled: false,
            size: None,
        }
    }
}

impl CameraBoard {
    /// An empty board.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, metrics: CaptureMetrics) -> Self {
        Self { clock, metrics, rows: Mutex::default() }
    }

    /// Puts a camera on the board, as connecting; `address` is shown to people and holds no credentials.
    pub fn add(&self, camera: &CameraId, address: &str) {
        let status = CameraStatus {
            camera: camera.clone(),
            address: address.to_owned(),
            state: CameraState::Connecting,
            since: self.clock.now(),
            last_keyframe_at: None,
            last_look_at: None,
            media: None,
            connects: 0,
            snapshot: None,
            coverage: BTreeMap::new(),
            faults: Vec::new(),
        };
        StateChanged { camera, from: None, to: Some(&status.state), media: None }.emit(&self.metrics);
        if let Some(old) = self.rows().insert(camera.clone(), Row::new(status)) {
            // Replaced in place: the gauge must not count it twice.
            self.metrics.cameras_in(old.status.state.name()).dec();
            FaultChanged::all_over(camera, &old.status.faults, &self.metrics);
        }
    }

    /// Takes a camera off the board.
    pub fn remove(&self, camera: &CameraId) {
        if let Some(row) = self.rows().remove(camera) {
            StateChanged { camera, from: Some(&row.status.state), to: None, media: None }.emit(&self.metrics);
            FaultChanged::all_over(camera, &row.status.faults, &self.metrics);
        }
    }

    /// A connection is being made.
    pub fn connecting(&self, camera: &CameraId) {
        self.enter(camera, CameraState::Connecting);
    }

    /// A connection was made and answered; no keyframe has come yet.
    pub fn connected(&self, camera: &CameraId) {
        self.update(camera, |row| row.status.connects += 1);
        self.metrics.connects.inc();
    }

    /// Codec and size of the stream, for instance `H.264 1280x720`.
    pub fn media(&self, camera: &CameraId, media: String) {
        self.update(camera, |row| row.status.media = Some(media));
    }

    /// Width and height of the stream's pictures.
    pub fn size(&self, camera: &CameraId, size: (u32, u32)) {
        self.update(camera, |row| row.size = Some(size));
    }

    /// The sizes that are known, each with the address that the camera was seen at.
    #[must_use]
    pub fn sizes(&self) -> Vec<(CameraId, String, (u32, u32))> {
        let rows = self.rows();
        let known =
            |(camera, row): (&CameraId, &Row)| Some((camera.clone(), row.status.address.clone(), row.size?));
        rows.iter().filter_map(known).collect()
    }

    /// A keyframe, or a frame decoded in full, has come. The camera is live, unless its keyframes cannot be
    /// decoded.
    pub fn keyframe(&self, camera: &CameraId, at: Timestamp) {
        let refused = self
            .update(camera, |row| {
                row.status.last_keyframe_at = Some(at);
                row.undecodable >= UNDECODABLE_IN_A_ROW
            })
            .unwrap_or(true);
        if !refused {
            self.enter(camera, CameraState::Live);
        }
    }

    /// Connected, but no keyframe has come for too long.
    pub fn stalled(&self, camera: &CameraId) {
        self.enter(camera, CameraState::Stalled);
        self.metrics.failures(FailReason::NoKeyframes).inc();
    }

    /// Not connected, and tried again at `retry_at`. `detail` holds no credentials.
    pub fn failed(&self, camera: &CameraId, reason: FailReason, detail: String, retry_at: Timestamp) {
        self.enter(camera, CameraState::Failed { reason, detail, retry_at });
        self.metrics.failures(reason).inc();
    }

    /// A file was played to its end.
    pub fn ended(&self, camera: &CameraId) {
        self.enter(camera, CameraState::Ended);
    }

    /// A model answered for a frame of this camera, taken at `at`.
    pub fn looked(&self, camera: &CameraId, at: Timestamp, snapshot: Option<SnapshotRef>) {
        self.update(camera, |row| {
            row.status.last_look_at = Some(at);
            if snapshot.is_some() {
                row.status.snapshot = snapshot;
            }
        });
    }

    /// A keyframe of this camera was decoded.
    pub fn decoded(&self, camera: &CameraId) {
        let was_refused =
            self.update(camera, |row| std::mem::take(&mut row.undecodable) >= UNDECODABLE_IN_A_ROW);
        if was_refused == Some(true) {
            self.enter(camera, CameraState::Live);
        }
    }

    /// A keyframe of this camera could not be decoded. After [`UNDECODABLE_IN_A_ROW`] of them the camera has
    /// failed, until one can be decoded again.
    pub fn undecodable(&self, camera: &CameraId, detail: &str) {
        let row = self.update(camera, |row| {
            row.undecodable = row.undecodable.saturating_add(1);
            row.undecodable
        });
        if row == Some(UNDECODABLE_IN_A_ROW) {
            let detail = format!("the last {UNDECODABLE_IN_A_ROW} keyframes could not be decoded: {detail}");
            self.failed(camera, FailReason::Undecodable, detail, self.clock.now());
        }
    }

    /// The camera is polled, has been seen, and is left alone until its next turn.
    pub fn resting(&self, camera: &CameraId, next_at: Timestamp) {
        self.update(camera, |row| row.polled = true);
        self.enter(camera, CameraState::Resting { next_at });
    }

    /// What the camera's stream says of itself.
    pub fn stream(&self, camera: &CameraId, still: bool, faults: impl IntoIterator<Item = CameraFault>) {
        let mut rows = self.rows();
        let Some(row) = rows.get_mut(camera) else { return };
        row.still = still;
        row.of_stream.clear();
        row.of_stream.extend(faults);
        self.tell_faults(row);
    }

    /// Judges a picture of the camera. Gives what is wrong with it or with the stream that it came in, the picture's own
    /// fault first: nothing that such a camera shows is to count.
    #[must_use]
    pub fn examine(&self, camera: &CameraId, sample: &Sample, at: Timestamp) -> Option<FaultKind> {
        let mut rows = self.rows();
        let row = rows.get_mut(camera)?;
        row.of_picture = row.health.look(sample, row.still, at);
        self.tell_faults(row);
        row.of_picture.as_ref().or(row.of_stream.first()).map(|fault| fault.fault)
    }

    /// How much of the promised looks takes place, by camera and kind.
    pub fn covered(&self, mut coverage: BTreeMap<CameraId, BTreeMap<EventKind, u8>>) {
        for (camera, row) in self.rows().iter_mut() {
            row.status.coverage = coverage.remove(camera).unwrap_or_default();
        }
    }

    /// How many cameras are fetched in turns, and how long ago the one was seen that has waited longest.
    #[must_use]
    pub fn sweep(&self, now: Timestamp) -> (usize, std::time::Duration) {
        let rows = self.rows();
        let polled = rows.values().filter(|row| row.polled);
        polled.fold((0, std::time::Duration::ZERO), |(count, longest), row| {
            let seen = row.status.last_keyframe_at.unwrap_or(row.status.since);
            (count + 1, longest.max(now.since(seen)))
        })
    }

    fn tell_faults(&self, row: &mut Row) {
        let mut faults: Vec<CameraFault> = row.of_picture.iter().chain(&row.of_stream).copied().collect();
        faults.sort_by_key(|fault| (fault.since, fault.fault));
        if faults == row.status.faults {
            return;
        }
        let before = std::mem::replace(&mut row.status.faults, faults);
        FaultChanged { camera: &row.status.camera, before: &before, after: &row.status.faults }
            .emit(&self.metrics);
    }

    /// How one camera stands.
    #[must_use]
    pub fn status(&self, camera: &CameraId) -> Option<CameraStatus> {
        self.rows().get(camera).map(|row| row.status.clone())
    }

    fn enter(&self, camera: &CameraId, to: CameraState) {
        let mut rows = self.rows();
        let Some(row) = rows.get_mut(camera) else { return };
        if row.status.state == to {
            return;
        }
        if !matches!(to, CameraState::Live | CameraState::Failed { reason: FailReason::Undecodable, .. }) {
            // A new connection is judged by its own keyframes.
            row.undecodable = 0;
        }
        let from = std::mem::replace(&mut row.status.state, to);
        row.status.since = self.clock.now();
        let media = row.status.media.as_deref();
        StateChanged { camera, from: Some(&from), to: Some(&row.status.state), media }.emit(&self.metrics);
    }

    fn update<T>(&self, camera: &CameraId, change: impl FnOnce(&mut Row) -> T) -> Option<T> {
        self.rows().get_mut(camera).map(change)
    }

    fn rows(&self) -> MutexGuard<'_, BTreeMap<CameraId, Row>> {
        // A panic elsewhere cannot leave a row half written: every change is one assignment.
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CameraDirectory for CameraBoard {
    fn statuses(&self) -> Vec<CameraStatus> {
        self.rows().values().map(|row| row.status.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use citybrain_types::ManualClock;
    use prometheus_client::registry::Registry;
    use std::time::Duration;

    fn board() -> (CameraBoard, ManualClock, Registry, CameraId) {
        let clock = ManualClock::starting_at(Timestamp::from_millis(1_000));
        let mut registry = Registry::default();
        let board = CameraBoard::new(Arc::new(clock.clone()), CaptureMetrics::register(&mut registry));
        let camera = CameraId::new("gate").unwrap();
        board.add(&camera, "rtsp://gate/1");
        (board, clock, registry, camera)
    }

    fn text(registry: &Registry) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, registry).unwrap();
        text
    }

    #[test]
    fn the_gauge_counts_each_camera_in_exactly_one_state() {
        let (board, _, registry, camera) = board();
        board.keyframe(&camera, Timestamp::EPOCH);
        board.keyframe(&camera, Timestamp::EPOCH);
        board.add(&camera, "rtsp://gate/2");
        board.failed(&camera, FailReason::Unauthorized, "401".into(), Timestamp::EPOCH);
        let text = text(&registry);
        assert!(text.contains("citybrain_cameras{state=\"failed\"} 1"), "{text}");
        assert!(text.contains("citybrain_cameras{state=\"live\"} 0"), "{text}");
        assert!(text.contains("citybrain_cameras{state=\"connecting\"} 0"), "{text}");
        assert!(text.contains("citybrain_camera_failures_total{reason=\"unauthorized\"} 1"), "{text}");
    }

    #[test]
    fn the_time_in_a_state_runs_from_its_first_moment() {
        let (board, clock, _, camera) = board();
        board.keyframe(&camera, clock.now());
        let since = board.status(&camera).unwrap().since;
        clock.advance(Duration::from_secs(5));
        board.keyframe(&camera, clock.now());
        let status = board.status(&camera).unwrap();
        assert_eq!(status.since, since);
        assert_eq!(status.last_keyframe_at, Some(clock.now()));
    }

    #[test]
    fn keyframes_that_cannot_be_decoded_do_not_count_as_live() {
        let (board, clock, _, camera) = board();
        for _ in 0..UNDECODABLE_IN_A_ROW {
            board.keyframe(&camera, clock.now());
            board.undecodable(&camera, "invalid data");
        }
        board.keyframe(&camera, clock.now());
        let state = board.status(&camera).unwrap().state;
        assert!(matches!(state, CameraState::Failed { reason: FailReason::Undecodable, .. }), "{state:?}");
        board.decoded(&camera);
        assert_eq!(board.status(&camera).unwrap().state, CameraState::Live);
    }

    #[test]
    fn one_torn_keyframe_leaves_a_camera_live() {
        let (board, clock, _, camera) = board();
        for _ in 0..10 {
            board.keyframe(&camera, clock.now());
            board.undecodable(&camera, "invalid data");
            board.decoded(&camera);
        }
        assert_eq!(board.status(&camera).unwrap().state, CameraState::Live);
    }

    #[test]
    fn what_is_said_of_a_removed_camera_is_forgotten() {
        let (board, clock, registry, camera) = board();
        board.remove(&camera);
        board.keyframe(&camera, clock.now());
        board.stalled(&camera);
        assert!(board.statuses().is_empty());
        assert!(
            text(&registry).contains("citybrain_cameras{state=\"stalled\"} 0")
                || !text(&registry).contains("state=\"stalled\"} 1")
        );
    }
}
