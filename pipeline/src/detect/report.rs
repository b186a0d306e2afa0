//! What of a look leaves the pipeline: pictures to keep, and one report for each model that was asked.

use super::worker::{Answer, Moments, Worker};
use crate::publish::Outgoing;
use crate::schedule::{ModelLook, Silence, Ticket};
use crate::snapshot::{Kept, Seen};
use citybrain_types::{
    Asked, BoundingBox, CameraId, FrameDetections, FrameOutcome, NoAnswer, NotSeen, StageTimes, Timestamp,
};
use std::time::Duration;

impl Worker {
    /// Keeps pictures where they are due and hands the answers on.
    pub(super) fn report(
        &mut self,
        ticket: &Ticket,
        seen: Seen<'_>,
        moments: Moments,
        answers: Vec<Answer>,
        ages: &[Option<Duration>],
    ) {
        let kept = self.keep(seen, &answers);
        for ((answer, &due), age) in answers.iter().zip(&ticket.due).zip(ages) {
            self.count(&ticket.plan.looks[due], answer.outcome, *age);
        }
        let numbers = Numbers { first: ticket.first_sequence, turns: ticket.due.len(), all: answers.len() };
        let mut outgoing: Vec<Outgoing> = Vec::with_capacity(answers.len());
        for (index, answer) in answers.into_iter().enumerate() {
            let Some(look) = look_of(ticket, index, &answer) else { continue };
            let (snapshots, snapshot_lost) = match &kept {
                Kept::Saved { snapshots, lost } if !answer.findings.hits.is_empty() => {
                    (snapshots.clone(), *lost)
                }
                _ => (None, false),
            };
            let frame = FrameDetections {
                camera: seen.camera.clone(),
                sequence: numbers.of(index),
                captured_at: moments.captured_at,
                model: look.model_id.clone(),
                outcome: answer.outcome,
                asked: answer.asked.map(|(by, region)| Asked { by: numbers.of(by), region }),
                looked_for: look.looked_for(),
                detections: answer.findings.detections,
                snapshots,
                snapshot_lost,
                stages: moments.stages(answer.decoded_at, answer.detected_at),
            };
            outgoing.push(Outgoing { frame, urgent: answer.findings.urgent });
        }
        outgoing.sort_by_key(|outgoing| outgoing.frame.sequence);
        outgoing.into_iter().for_each(|outgoing| self.outbox.send(outgoing));
    }

    /// Keeps the pictures of a look that are due.
    fn keep(&mut self, seen: Seen<'_>, answers: &[Answer]) -> Kept {
        let analysed = answers.iter().any(|answer| answer.outcome == FrameOutcome::Analysed);
        let looked_for: Vec<&[BoundingBox]> =
            answers.iter().filter_map(|answer| answer.findings.private.as_deref()).collect();
        let private = looked_for.concat();
        let seen = Seen { private: (!looked_for.is_empty()).then_some(private.as_slice()), ..seen };
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
        kept
    }

    pub(super) fn report_panic(&self, ticket: &Ticket, moments: Moments, ages: &[Option<Duration>]) {
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

    pub(super) fn report_silence(&self, silence: &Silence, moments: Option<Moments>) {
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
        look.kinds.iter().for_each(|rule| self.metrics.look(&rule.kind, outcome, age, rule.interval));
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

/// What was asked: those in their turn lead the list of answers.
fn look_of<'t>(ticket: &'t Ticket, index: usize, answer: &Answer) -> Option<&'t ModelLook> {
    match ticket.due.get(index) {
        Some(&due) => ticket.plan.looks.get(due),
        None => {
            let asked = ticket.plan.cascades.iter().find(|cascade| cascade.look.model == answer.model);
            asked.map(|cascade| &cascade.look)
        }
    }
}

/// The sequence numbers of a look's answers: what was asked for comes before what asked for it, so that a reader of the
/// log has an answer at hand when it comes to the question.
#[derive(Debug, Clone, Copy)]
struct Numbers {
    first: u64,
    /// Answers of models that were asked in their turn.
    turns: usize,
    all: usize,
}

impl Numbers {
    const fn of(self, answer: usize) -> u64 {
        let place = if answer < self.turns { self.all - self.turns + answer } else { self.all - 1 - answer };
        self.first + place as u64
    }
}
