//! What is taken from the bus: frames that are whole, of a known camera, in order, once, and not from the future.
//!
//! [`Intake`] is the decision, [`run`] the stage around it. What is refused is counted by its reason and never
//! disturbs the rest of its batch.

use crate::metrics::{Metrics, Stage};
use crate::ruling::{Input, Ruling};
use crate::store::Watermark;
use citybrain_ingest_config::City;
use citybrain_types::{CameraId, Clock, DetectionBatch, FrameDetections, Timestamp};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// Most detections taken in one frame; a head that says more has lost its mind.
pub const MAX_DETECTIONS: usize = 512;
/// Most kinds looked for in one frame.
pub const MAX_KINDS: usize = 256;
/// Longest name of a kind or label, in bytes.
pub const MAX_NAME: usize = 128;
/// How far ahead of this machine's clock a frame may be: clocks of two machines differ.
pub const FUTURE_TOLERANCE: Duration = Duration::from_secs(10);
/// The last sequences of a camera that are remembered one by one. A frame that was overtaken by a later one, since
/// models answer in parallel, is taken as long as it is newer than the oldest of these.
pub(crate) const REMEMBERED: usize = 64;
/// 1 January 10000: later moments have no date that is four digits long.
const END_OF_DATES: Timestamp = Timestamp::from_millis(253_402_300_800_000);

/// Why a frame was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refused {
    /// A value breaks an invariant of its type.
    Malformed,
    /// More detections or kinds, or longer names, than a frame can have.
    Oversized,
    /// The camera is not configured.
    UnknownCamera,
    /// Taken later than now.
    FutureDated,
    /// The same camera and sequence came before.
    Duplicate,
    /// Later frames of the same camera have been judged, so many that it is not known whether this one was too.
    Late,
}

impl Refused {
    /// Every reason.
    pub const ALL: [Self; 6] = [
        Self::Malformed,
        Self::Oversized,
        Self::UnknownCamera,
        Self::FutureDated,
        Self::Duplicate,
        Self::Late,
    ];

    /// The reason's name, as in metric labels and log fields.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Oversized => "oversized",
            Self::UnknownCamera => "unknown_camera",
            Self::FutureDated => "future_dated",
            Self::Duplicate => "duplicate",
            Self::Late => "late",
        }
    }
}

/// Which frames of one camera have been taken.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    /// The newest, by sequence; at most [`REMEMBERED`].
    lately: BTreeSet<u64>,
    captured_at: Timestamp,
}

impl Taken {
    /// Whether a frame of that sequence is to be taken.
    pub(crate) fn check(&self, sequence: u64) -> Result<(), Refused> {
        match self.lately.first() {
            _ if self.lately.contains(&sequence) => Err(Refused::Duplicate),
            Some(oldest) if sequence < *oldest => Err(Refused::Late),
            _ => Ok(()),
        }
    }

    /// The newest that was taken.
    pub(crate) fn newest(&self) -> Option<u64> {
        self.lately.last().copied()
    }

    /// A frame of that sequence is taken.
    pub(crate) fn take(&mut self, sequence: u64, captured_at: Timestamp) {
        if self.lately.last().is_none_or(|newest| *newest < sequence) {
            self.captured_at = captured_at;
        }
        self.lately.insert(sequence);
        if self.lately.len() > REMEMBERED {
            self.lately.pop_first();
        }
    }
}

/// Which frames are taken.
#[derive(Debug)]
pub struct Intake {
    city: Arc<City>,
    taken: HashMap<CameraId, Taken>,
}

impl Intake {
    /// Goes on where each camera was left.
    #[must_use]
    pub fn new(city: Arc<City>, watermarks: impl IntoIterator<Item = Watermark>) -> Self {
        let taken = watermarks.into_iter().map(|mark| {
            let lately = BTreeSet::from([mark.sequence]);
            (mark.camera, Taken { lately, captured_at: mark.captured_at })
        });
        Self { taken: taken.collect(), city }
    }

    /// Goes on under another configuration; cameras that are gone are forgotten.
    pub fn reload(&mut self, city: Arc<City>) {
        self.taken.retain(|camera, _| city.cameras.contains_key(camera));
        self.city = city;
    }

    /// Unpacks a batch; a row that is damaged costs itself only.
    pub fn unpack(&mut self, batch: &DetectionBatch, now: Timestamp) -> (Vec<FrameDetections>, Vec<Refused>) {
        let mut refused = Vec::new();
        let frames = batch.to_frames().unwrap_or_else(|_| {
            let (frames, damaged) = row_by_row(batch);
            refused.extend(std::iter::repeat_n(Refused::Malformed, damaged));
            frames
        });
        let mut accepted = Vec::with_capacity(frames.len());
        for frame in frames {
            match self.accept(&frame, now) {
                Ok(()) => accepted.push(frame),
                Err(reason) => {
                    tracing::debug!(
                        camera = %frame.camera, sequence = frame.sequence, captured_at = %frame.captured_at,
                        reason = reason.name(), "frame refused"
                    );
                    refused.push(reason);
                }
            }
        }
        (accepted, refused)
    }

    /// Whether a frame is taken; it counts as taken from here on.
    fn accept(&mut self, frame: &FrameDetections, now: Timestamp) -> Result<(), Refused> {
        check_size(frame)?;
        let times = [frame.captured_at, frame.stages.detected_at];
        if !is_sound(times, frame.sequence) {
            return Err(Refused::Malformed);
        }
        if !self.city.cameras.contains_key(&frame.camera) {
            return Err(Refused::UnknownCamera);
        }
        if times.iter().any(|at| *at > now.plus(FUTURE_TOLERANCE)) {
            return Err(Refused::FutureDated);
        }
        let taken = self.taken.entry(frame.camera.clone()).or_default();
        // A mark from the future was left by a clock that has been set back since: it would blind the camera.
        if taken.captured_at > now.plus(FUTURE_TOLERANCE) {
            taken.lately.clear();
        }
        taken.check(frame.sequence)?;
        taken.take(frame.sequence, frame.captured_at);
        Ok(())
    }
}

/// Whether moments and a sequence can be written down anywhere.
pub(crate) fn is_sound(times: [Timestamp; 2], sequence: u64) -> bool {
    let dated = times.iter().all(|at| (Timestamp::EPOCH..END_OF_DATES).contains(at));
    dated && i64::try_from(sequence).is_ok()
}

fn check_size(frame: &FrameDetections) -> Result<(), Refused> {
    let names = frame.looked_for.iter().map(|kind| kind.as_str());
    let names = names.chain(frame.detections.iter().flat_map(|d| [d.kind.as_str(), d.label.as_str()]));
    let fits = frame.detections.len() <= MAX_DETECTIONS
        && frame.looked_for.len() <= MAX_KINDS
        && names.into_iter().all(|name| name.len() <= MAX_NAME);
    if fits { Ok(()) } else { Err(Refused::Oversized) }
}

/// The rows that are whole, and how many are not.
fn row_by_row(batch: &DetectionBatch) -> (Vec<FrameDetections>, usize) {
    let rows = (0..batch.len()).map(|row| {
        let row = DetectionBatch::from_record_batch(batch.record_batch().slice(row, 1)).ok()?;
        row.to_frames().ok()?.pop()
    });
    let frames: Vec<_> = rows.flatten().collect();
    let damaged = batch.len() - frames.len();
    (frames, damaged)
}

/// What the stage is made of.
pub(crate) struct IntakeStage {
    pub(crate) city: watch::Receiver<Arc<City>>,
    pub(crate) intake: Intake,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) next: mpsc::Sender<Input<FrameDetections>>,
    /// Where what is taken is logged, where it is.
    pub(crate) log: Option<mpsc::Sender<(Input<FrameDetections>, Timestamp)>>,
    pub(crate) metrics: Metrics,
    pub(crate) attached: Arc<AtomicBool>,
    /// No more is awaited from the bus; what it holds already is still taken.
    pub(crate) close: CancellationToken,
    /// What was decided before the first frame.
    pub(crate) before: Vec<Ruling>,
}

/// Takes batches until the bus is gone or closed and empty, then lets go of the next stage.
pub(crate) async fn run(
    mut stage: IntakeStage,
    mut bus: mpsc::Receiver<DetectionBatch>,
    mut readings: mpsc::Receiver<DetectionBatch>,
    mut rulings: mpsc::Receiver<Ruling>,
) {
    stage.attached.store(true, Ordering::Release);
    for ruling in std::mem::take(&mut stage.before) {
        let at = stage.clock.now();
        if !stage.hand_on(Input::Said(ruling), at).await {
            return;
        }
    }
    let close = stage.close.clone();
    loop {
        let batch = tokio::select! {
            biased;
            () = close.cancelled(), if !bus.is_closed() => {
                bus.close();
                continue;
            }
            // Few and small: what somebody has decided holds before the next look.
            Some(ruling) = rulings.recv() => {
                let at = stage.clock.now();
                if !stage.hand_on(Input::Said(ruling), at).await {
                    break;
                }
                continue;
            }
            batch = bus.recv() => batch,
            // Readings of sensors; that nobody listens to any is no reason to end.
            Some(batch) = readings.recv() => Some(batch),
        };
        let Some(batch) = batch else { break };
        if !stage.take(&batch).await {
            break;
        }
    }
    stage.attached.store(false, Ordering::Release);
}

impl IntakeStage {
    /// `false` when the next stage is gone.
    async fn take(&mut self, batch: &DetectionBatch) -> bool {
        let started = self.clock.now();
        if self.city.has_changed().unwrap_or(false) {
            let city = Arc::clone(&self.city.borrow_and_update());
            self.intake.reload(city);
        }
        let (frames, refused) = self.intake.unpack(batch, started);
        self.metrics.frames(frames.len());
        for reason in refused {
            self.metrics.refused(reason);
        }
        self.metrics.stage(Stage::Intake, self.clock.now().since(started));
        if frames.is_empty() {
            return true;
        }
        self.hand_on(Input::Seen(frames), started).await
    }

    /// Logged before it is judged, so that the log holds whatever a case was opened for. `false` when the next stage is
    /// gone.
    async fn hand_on(&mut self, taken: Input<FrameDetections>, at: Timestamp) -> bool {
        if let Some(log) = &self.log
            && log.send((taken.clone(), at)).await.is_err()
        {
            self.log = None;
        }
        self.next.send(taken).await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::city::{START, camera_id, city, look};
    use std::path::Path;

    fn intake(watermarks: impl IntoIterator<Item = Watermark>) -> Intake {
        Intake::new(Arc::new(city(Path::new("unused"))), watermarks)
    }

    fn now() -> Timestamp {
        START.plus(Duration::from_secs(10_000))
    }

    fn take(intake: &mut Intake, looks: &[u64], now: Timestamp) -> Vec<Result<(), Refused>> {
        looks.iter().map(|n| intake.accept(&look("gate-1", *n), now)).collect()
    }

    #[test]
    fn a_frame_that_was_overtaken_by_a_later_one_is_taken_once() {
        let taken = take(&mut intake([]), &[0, 1, 4, 2, 3, 2, 5], now());
        let twice = Err(Refused::Duplicate);
        assert_eq!(taken, [Ok(()), Ok(()), Ok(()), Ok(()), Ok(()), twice, Ok(())]);
    }

    #[test]
    fn a_frame_that_is_older_than_all_that_is_remembered_is_late() {
        let mut intake = intake([]);
        assert!(take(&mut intake, &(10..110).collect::<Vec<_>>(), now()).iter().all(Result::is_ok));
        assert_eq!(
            take(&mut intake, &[9, 45, 46, 109], now())[..2],
            [Err(Refused::Late), Err(Refused::Late)]
        );
        assert_eq!(take(&mut intake, &[46, 109], now()), [Err(Refused::Duplicate); 2]);
    }

    #[test]
    fn cameras_do_not_refuse_for_each_other() {
        let mut intake = intake([]);
        assert_eq!(intake.accept(&look("gate-1", 7), now()), Ok(()));
        assert_eq!(intake.accept(&look("gate-2", 7), now()), Ok(()));
    }

    #[test]
    fn a_mark_left_by_a_clock_that_ran_ahead_does_not_blind_the_camera() {
        let ahead = Watermark { camera: camera_id("gate-1"), sequence: 1_000_000, captured_at: now() };
        let set_back = START.plus(Duration::from_secs(60));
        assert_eq!(take(&mut intake([ahead.clone()]), &[1, 2], set_back), [Ok(()), Ok(())]);
        // The same mark in the past holds.
        assert_eq!(take(&mut intake([ahead]), &[1], now()), [Err(Refused::Late)]);
    }
}
