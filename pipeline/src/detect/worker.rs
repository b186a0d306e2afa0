//! One worker thread.

use super::cascade::region_of;
use super::rules::{self, Findings};
use crate::camera_board::CameraBoard;
use crate::decode::{Area, DecodeError, Frame, Part, Scaler, open_picture};
use crate::health::Sample;
use crate::metrics::{PipelineMetrics, Stage};
use crate::past::{Glimpse, PastKeeper};
use crate::picture::Picture;
use crate::publish::Outbox;
use crate::schedule::{Look, LookResult, ModelLook, Schedule, Ticket, Work};
use crate::snapshot::{Darkroom, Seen, SnapshotKeeper, private_parts};
use citybrain_models::{DetectError, Detector, LabelledBox, Placement};
use citybrain_types::{
    BoundingBox, CameraId, Clock, FaultKind, FrameOutcome, ModelId, NoAnswer, NotSeen, StageTimes, Timestamp,
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
    /// What each camera has shown for weeks.
    pub past: Arc<PastKeeper>,
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
    pub(super) darkroom: Darkroom,
    last_log: Option<Instant>,
}

/// What one look has come to.
struct Looked {
    frame: Frame,
    answers: Vec<Answer>,
    /// What the picture says of its camera's health.
    sample: Option<Sample>,
    /// The picture made small, where some kind is compared with the camera's past.
    glimpse: Option<Glimpse>,
}

/// What is known of a picture before it is decoded.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moments {
    pub(super) captured_at: Timestamp,
    pub(super) received_at: Timestamp,
    pub(super) scheduled_at: Timestamp,
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
            self.work(work);
        }
    }

    /// Does one piece of work.
    pub fn work(&mut self, work: Work) {
        match work {
            Work::Look(look) => self.look(look),
            Work::Silent(silences) => {
                silences.into_iter().for_each(|silence| self.report_silence(&silence, None))
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
            Ok(Ok(Looked { frame, mut answers, sample, glimpse })) => {
                self.board.decoded(&ticket.plan.camera);
                self.distrust(&ticket.plan.camera, sample.as_ref(), moments.captured_at, &mut answers);
                self.compare(&ticket, glimpse.as_ref(), moments.captured_at, &mut answers);
                for (&due, answer) in ticket.due.iter().zip(&answers) {
                    if !answer.findings.hits.is_empty() {
                        self.schedule.found(&ticket, due);
                    }
                }
                let seen = Seen {
                    camera: &ticket.plan.camera,
                    captured_at: moments.captured_at,
                    frame: &frame,
                    keyframe: keyframe.as_ref(),
                    private: None,
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

    /// What is seen through a camera that is covered, frozen or turned, or whose stream is torn, speaks for nothing: not
    /// for a fire, and not for there being none.
    fn distrust(&self, camera: &CameraId, sample: Option<&Sample>, at: Timestamp, answers: &mut [Answer]) {
        let fault = sample.and_then(|sample| self.board.examine(camera, sample, at));
        let Some(reason) = fault.map(FaultKind::blinds) else { return };
        for answer in answers.iter_mut().filter(|answer| answer.outcome == FrameOutcome::Analysed) {
            answer.outcome = FrameOutcome::NotSeen(reason);
            answer.findings = Findings::default();
        }
    }

    /// Says of what was found how much its place differs from what the camera has shown there for weeks, and takes the
    /// picture into that past. A picture that is not trusted is compared with nothing and remembered by nobody.
    fn compare(&self, ticket: &Ticket, glimpse: Option<&Glimpse>, at: Timestamp, answers: &mut [Answer]) {
        let turned = FrameOutcome::NotSeen(NotSeen::Turned);
        if answers.iter().any(|answer| answer.outcome == turned) && glimpse.is_some() {
            self.past.forget(&ticket.plan.camera);
        }
        let trusted = answers.iter().any(|answer| answer.outcome == FrameOutcome::Analysed);
        let Some(glimpse) = glimpse.filter(|_| trusted) else { return };
        let past = self.past.look(&ticket.plan.camera, glimpse, at);
        for answer in answers {
            let Findings { detections, hits, .. } = &mut answer.findings;
            for found in
                detections.iter_mut().chain(hits.iter_mut()).filter(|found| ticket.plan.compares(&found.kind))
            {
                found.change = past.change(glimpse, &found.bbox, at);
            }
        }
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
    ) -> Result<Looked, DecodeError> {
        let frame = open_picture(picture)?;
        self.bench.rendered = None;
        let whole = Part::whole(frame.size());
        let mut answers = Vec::with_capacity(ticket.due.len());
        let (mut sample, mut glimpse) = (None, None);
        for &due in &ticket.due {
            answers.push(self.ask(ticket, &ticket.plan.looks[due], &frame, whole)?);
            if answers.len() == 1 {
                sample = self.bench.sample();
                glimpse = ticket.plan.compares_any().then(|| self.bench.glimpse()).flatten();
            }
        }
        self.ask_further(ticket, &frame, &mut answers);
        let mut started = moments.scheduled_at;
        for answer in &answers {
            self.metrics.stage(Stage::Decode, answer.decoded_at.since(started));
            self.metrics.stage(Stage::Detect, answer.detected_at.since(answer.decoded_at));
            started = answer.detected_at;
        }
        Ok(Looked { frame, answers, sample, glimpse })
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
                let mut findings = rules::apply(&boxes, look, &ticket.plan.ignore, &ticket.plan.zones);
                // What was seen of a part says nothing of the rest.
                let is_whole = (part.width, part.height) == frame.size();
                findings.private = is_whole.then(|| private_parts(&boxes, detector.labels())).flatten();
                (FrameOutcome::Analysed, findings)
            }
            Err(error) => {
                self.bench.log_no_answer(&ticket.plan.camera, detector.model_id(), &error);
                (FrameOutcome::NoAnswer(error.no_answer()), Findings::default())
            }
        };
        Ok(Answer::new(look, outcome, findings, [decoded_at, detected_at]))
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

impl Answer {
    fn new(look: &ModelLook, outcome: FrameOutcome, findings: Findings, at: [Timestamp; 2]) -> Self {
        let [decoded_at, detected_at] = at;
        Self { model: look.model, asked: None, outcome, findings, decoded_at, detected_at }
    }
}

impl Moments {
    pub(super) const fn stages(self, decoded_at: Timestamp, detected_at: Timestamp) -> StageTimes {
        StageTimes { received_at: self.received_at, scheduled_at: self.scheduled_at, decoded_at, detected_at }
    }
}

impl Workbench {
    /// What the last rendered picture says of its camera.
    fn sample(&self) -> Option<Sample> {
        let (_, area, _) = self.rendered.as_ref()?;
        Sample::of(&self.rgb, area)
    }

    /// The last rendered picture, made small.
    fn glimpse(&self) -> Option<Glimpse> {
        let (_, area, _) = self.rendered.as_ref()?;
        Glimpse::of(&self.rgb, area)
    }

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
