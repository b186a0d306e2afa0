//! One worker thread.

use super::cascade::region_of;
use super::rules::{self, Findings};
use crate::camera_board::CameraBoard;
use crate::decode::{Area, DecodeError, Frame, Part, Scaler, open_picture};
use crate::metrics::{PipelineMetrics, Stage};
use crate::picture::Picture;
use crate::publish::{Outbox, Outgoing};
use crate::schedule::{Look, LookResult, ModelLook, Schedule, Silence, Ticket, Work};
use crate::snapshot::{Darkroom, Kept, Seen, SnapshotKeeper};
use citybrain_models::{DetectError, Detector, LabelledBox, Placement};
use citybrain_types::{
    Asked, BoundingBox, CameraId, Clock, FrameDetections, FrameOutcome, ModelId, NoAnswer, NotSeen,
    StageTimes, Timestamp,
};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What goes wrong with every frame is logged at most this often by a worker.
const LOG_EVERY: Duration = Duration::from_secs(30);

/// The loaded models of one worker.
#[derive(Debug)]
pub struct ModelSet {
    /// The plans that fit it carry the same number.
    pub generation: u64,
    /// In the order of the city's models.
    pub detectors: Vec<Detector>,
}

/// Where a worker finds the next set of models: one slot, the newest wins.
pub type Handover = Arc<Mutex<Option<ModelSet>>>;

/// All that a worker works with.
#[derive(Debug)]
pub struct Worker {
    /// Where looks come from.
    pub schedule: Arc<Schedule>,
    /// The models it asks.
    pub models: ModelSet,
    /// Where new models are laid after a reload.
    pub handover: Handover,
    /// Where it is noted what cameras could be looked at.
    pub board: Arc<CameraBoard>,
    /// Where pictures of hits go.
    pub keeper: Arc<SnapshotKeeper>,
    /// Where answers go.
    pub outbox: Outbox,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// What is counted.
    pub metrics: PipelineMetrics,
    /// Buffers kept from look to look.
    pub bench: Workbench,
}

/// A worker's buffers: nothing of a frame's size is allocated per look.
#[derive(Debug, Default)]
pub struct Workbench {
    scaler: Scaler,
    rgb: Vec<u8>,
    rendered: Option<(Part, Area, u8)>,
    darkroom: Darkroom,
    last_log: Option<Instant>,
}

/// What is known of a picture before it is decoded.
#[derive(Debug, Clone, Copy)]
struct Moments {
    captured_at: Timestamp,
    received_at: Timestamp,
    scheduled_at: Timestamp,
}

/// One model's answer.
pub(super) struct Answer {
    /// Which of the loaded models.
    pub(super) model: usize,
    /// Which of the look's answers asked for it, and about which part of the picture; `None` in its turn.
    pub(super) asked: Option<(usize, BoundingBox)>,
    pub(super) outcome: FrameOutcome,
    pub(super) findings: Findings,
    pub(super) decoded_at: Timestamp,
    pub(super) detected_at: Timestamp,
}

impl Worker {
    /// Works until the schedule is closed.
    pub fn run(mut self) {
        while let Some(work) = self.schedule.next() {
            match work {
                Work::Look(look) => self.look(look),
                Work::Silent(silences) => {
                    silences.into_iter().for_each(|silence| self.report_silence(&silence, None))
                }
            }
        }
    }

    fn look(&mut self, look: Look) {
        let Look { ticket, picture, ages, scheduled_at } = look;
        self.adopt_models(ticket.plan.generation);
        let moments =
            Moments { captured_at: picture.captured_at(), received_at: picture.received_at(), scheduled_at };
        self.metrics.stage(Stage::Capture, moments.received_at.since(moments.captured_at));
        self.metrics.stage(Stage::Schedule, scheduled_at.since(moments.received_at));
        let keyframe = match &picture {
            Picture::Keyframe(keyframe) => Some(keyframe.clone()),
            Picture::Raw(_) => None,
        };
        // Decoder, runtime and drawing code are many; a bug in one must cost a frame and not a worker.
        let worked = catch_unwind(AssertUnwindSafe(|| self.decode_and_ask(&ticket, picture, moments)));
        let result = match worked {
            Ok(Ok((frame, answers))) => {
                self.board.decoded(&ticket.plan.camera);
                let seen = Seen {
                    camera: &ticket.plan.camera,
                    captured_at: moments.captured_at,
                    frame: &frame,
                    keyframe: keyframe.as_ref(),
                };
                self.report(&ticket, seen, moments, answers, &ages);
                LookResult::Seen
            }
            Ok(Err(error)) => {
                self.metrics.decode_failure(error.codec, error.reason);
                tracing::debug!(camera = %ticket.plan.camera, %error, "picture refused");
                self.board.undecodable(&ticket.plan.camera, &error.to_string());
                LookResult::Undecodable
            }
            Err(_) => {
                self.bench = Workbench::default();
                tracing::error!(camera = %ticket.plan.camera, "a look panicked; the frame counts as not answered");
                self.report_panic(&ticket, moments, &ages);
                LookResult::Seen
            }
        };
        let silences = self.schedule.done(&ticket, result);
        silences.into_iter().for_each(|silence| self.report_silence(&silence, Some(moments)));
    }

    fn adopt_models(&mut self, generation: u64) {
        if self.models.generation == generation {
            return;
        }
        let next = self.handover.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(next) = next {
            self.models = next;
        }
    }

    fn decode_and_ask(
        &mut self,
        ticket: &Ticket,
        picture: Picture,
        moments: Moments,
    ) -> Result<(Frame, Vec<Answer>), DecodeError> {
        let frame = open_picture(picture)?;
        self.bench.rendered = None;
        let whole = Part::whole(frame.size());
        let mut answers = Vec::with_capacity(ticket.due.len());
        for &due in &ticket.due {
            answers.push(self.ask(ticket, &ticket.plan.looks[due], &frame, whole)?);
        }
        self.ask_further(ticket, &frame, &mut answers);
        let mut started = moments.scheduled_at;
        for answer in &answers {
            self.metrics.stage(Stage::Decode, answer.decoded_at.since(started));
            self.metrics.stage(Stage::Detect, answer.detected_at.since(answer.decoded_at));
            started = answer.detected_at;
        }
        Ok((frame, answers))
    }

    /// Scales a part of the frame to a model's input and runs it.
    pub(super) fn ask(
        &mut self,
        ticket: &Ticket,
        look: &ModelLook,
        frame: &Frame,
        part: Part,
    ) -> Result<Answer, DecodeError> {
        let same_set = self.models.generation == ticket.plan.generation;
        let Some(detector) = self.models.detectors.get_mut(look.model).filter(|_| same_set) else {
            let now = self.clock.now();
            tracing::error!(camera = %ticket.plan.camera, "no model for a look that was planned");
            let outcome = FrameOutcome::NoAnswer(NoAnswer::RuntimeError);
            return Ok(Answer::new(look, outcome, Findings::default(), [now, now]));
        };
        let placement = detector.input().placement(part.width, part.height);
        self.bench.render(frame, part, &placement, detector.input().pad)?;
        let decoded_at = self.clock.now();
        detector.set_floor(rules::floor(look));
        let result = detector.detect(&self.bench.rgb, &placement);
        let detected_at = self.clock.now();
        let (outcome, findings) = match result {
            Ok(boxes) => {
                let boxes = in_picture(boxes, part, frame.size());
                (FrameOutcome::Analysed, rules::apply(&boxes, look, &ticket.plan.ignore))
            }
            Err(error) => {
                self.bench.log_no_answer(&ticket.plan.camera, detector.model_id(), &error);
                (FrameOutcome::NoAnswer(error.no_answer()), Findings::default())
            }
        };
        Ok(Answer::new(look, outcome, findings, [decoded_at, detected_at]))
    }

    /// Keeps pictures where they are due and hands the answers on.
    fn report(
        &mut self,
        ticket: &Ticket,
        seen: Seen<'_>,
        moments: Moments,
        answers: Vec<Answer>,
        ages: &[Option<Duration>],
    ) {
        let analysed = answers.iter().any(|answer| answer.outcome == FrameOutcome::Analysed);
        let shown: Vec<_> = answers.iter().flat_map(|answer| &answer.findings.hits).cloned().collect();
        let kept = if shown.is_empty() {
            Kept::NotDue
        } else {
            self.keeper.hit(seen, &shown, &mut self.bench.darkroom)
        };
        let quiet = answers.iter().all(|a| a.outcome == FrameOutcome::Analysed && a.findings.quiet);
        // Before a hit a doubtful picture is better than none.
        if analysed && (quiet || (shown.is_empty() && self.keeper.lacks_quiet(seen.camera))) {
            self.keeper.quiet(seen, &mut self.bench.darkroom);
        }
        let latest = if analysed { self.keeper.latest(seen, &shown, &mut self.bench.darkroom) } else { None };
        if analysed {
            self.board.looked(seen.camera, seen.captured_at, latest);
        }
        let sequences =
            Sequences { first: ticket.first_sequence, turns: ticket.due.len(), all: answers.len() };
        let mut frames: Vec<(u64, Outgoing)> = Vec::with_capacity(answers.len());
        for (index, answer) in answers.into_iter().enumerate() {
            let look = match ticket.due.get(index) {
                Some(&due) => {
                    let look = &ticket.plan.looks[due];
                    self.count(look, answer.outcome, ages.get(index).copied().flatten());
                    look
                }
                None => match ticket.plan.cascades.iter().find(|c| c.look.model == answer.model) {
                    Some(cascade) => &cascade.look,
                    None => continue,
                },
            };
            let (snapshots, snapshot_lost) = match &kept {
                Kept::Saved { snapshots, lost } if !answer.findings.hits.is_empty() => {
                    (snapshots.clone(), *lost)
                }
                _ => (None, false),
            };
            let sequence = sequences.of(index);
            let frame = FrameDetections {
                camera: seen.camera.clone(),
                sequence,
                captured_at: moments.captured_at,
                model: look.model_id.clone(),
                outcome: answer.outcome,
                asked: answer.asked.map(|(by, region)| Asked { by: sequences.of(by), region }),
                looked_for: look.looked_for(),
                detections: answer.findings.detections,
                snapshots,
                snapshot_lost,
                stages: moments.stages(answer.decoded_at, answer.detected_at),
            };
            frames.push((sequence, Outgoing { frame, urgent: answer.findings.urgent }));
        }
        frames.sort_by_key(|(sequence, _)| *sequence);
        frames.into_iter().for_each(|(_, outgoing)| self.outbox.send(outgoing));
    }

    fn report_panic(&self, ticket: &Ticket, moments: Moments, ages: &[Option<Duration>]) {
        let outcome = FrameOutcome::NoAnswer(NoAnswer::RuntimeError);
        let now = self.clock.now();
        for ((&due, sequence), age) in ticket.due.iter().zip(ticket.first_sequence..).zip(ages) {
            let look = &ticket.plan.looks[due];
            self.count(look, outcome, *age);
            let frame = without_detections(&ticket.plan.camera, look, sequence, moments.captured_at, outcome);
            let frame = FrameDetections { stages: moments.stages(now, now), ..frame };
            self.outbox.send(Outgoing { frame, urgent: false });
        }
    }

    fn report_silence(&self, silence: &Silence, moments: Option<Moments>) {
        let look = &silence.plan.looks[silence.look];
        let outcome = FrameOutcome::NotSeen(silence.reason);
        self.count(look, outcome, None);
        let at = silence.at;
        let none = Moments { captured_at: at, received_at: at, scheduled_at: at };
        let moments = moments.filter(|_| silence.reason == NotSeen::Undecodable).unwrap_or(none);
        let frame =
            without_detections(&silence.plan.camera, look, silence.sequence, moments.captured_at, outcome);
        let frame = FrameDetections { stages: moments.stages(at, at), ..frame };
        self.outbox.send(Outgoing { frame, urgent: false });
    }

    fn count(&self, look: &ModelLook, outcome: FrameOutcome, age: Option<Duration>) {
        look.kinds.iter().for_each(|rule| self.metrics.look(&rule.kind, outcome, age));
    }
}

fn without_detections(
    camera: &CameraId,
    look: &ModelLook,
    sequence: u64,
    captured_at: Timestamp,
    outcome: FrameOutcome,
) -> FrameDetections {
    FrameDetections {
        camera: camera.clone(),
        sequence,
        captured_at,
        model: look.model_id.clone(),
        outcome,
        asked: None,
        looked_for: look.looked_for(),
        detections: Vec::new(),
        snapshots: None,
        snapshot_lost: false,
        stages: StageTimes::default(),
    }
}

/// Boxes of a part of the picture as boxes of the picture.
fn in_picture(boxes: Vec<LabelledBox>, part: Part, size: (u32, u32)) -> Vec<LabelledBox> {
    if part == Part::whole(size) {
        return boxes;
    }
    let Some(region) = region_of(part, size) else { return Vec::new() };
    let mapped = |found: LabelledBox| Some(LabelledBox { bbox: found.bbox.from_part(&region)?, ..found });
    boxes.into_iter().filter_map(mapped).collect()
}

/// The numbers of a look's answers: what was asked for comes before what asked for it, so that a reader of the log has
/// an answer at hand when it comes to the question.
#[derive(Debug, Clone, Copy)]
struct Sequences {
    first: u64,
    /// Answers of models that were asked in their turn; they lead the list.
    turns: usize,
    all: usize,
}

impl Sequences {
    const fn of(self, answer: usize) -> u64 {
        let place = if answer < self.turns { self.all - self.turns + answer } else { self.all - 1 - answer };
        self.first + place as u64
    }
}

impl Answer {
    fn new(look: &ModelLook, outcome: FrameOutcome, findings: Findings, at: [Timestamp; 2]) -> Self {
        let [decoded_at, detected_at] = at;
        Self { model: look.model, asked: None, outcome, findings, decoded_at, detected_at }
    }
}

impl Moments {
    const fn stages(self, decoded_at: Timestamp, detected_at: Timestamp) -> StageTimes {
        StageTimes { received_at: self.received_at, scheduled_at: self.scheduled_at, decoded_at, detected_at }
    }
}

impl Workbench {
    /// Renders a part of the frame for a model; two models with the same input share the work.
    fn render(
        &mut self,
        frame: &Frame,
        part: Part,
        placement: &Placement,
        pad: u8,
    ) -> Result<(), DecodeError> {
        let area = Area::of(placement);
        if self.rendered == Some((part, area, pad)) {
            return Ok(());
        }
        self.rendered = None;
        self.scaler.render_part(frame, part, area, [pad; 3], &mut self.rgb)?;
        self.rendered = Some((part, area, pad));
        Ok(())
    }

    fn log_no_answer(&mut self, camera: &CameraId, model: &ModelId, error: &DetectError) {
        if self.last_log.is_none_or(|last| last.elapsed() >= LOG_EVERY) {
            self.last_log = Some(Instant::now());
            tracing::error!(%camera, %model, %error, "a model gave no usable answer");
        }
    }
}
