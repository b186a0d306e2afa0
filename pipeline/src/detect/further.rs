//! The second questions of a look: models that are asked because of what others have found in the same picture.

use super::cascade::{CascadeOutcome, Regions, region_of, regions};
use super::worker::{Answer, Workbench, Worker};
use crate::decode::Frame;
use crate::schedule::{CascadeLook, MAX_REGIONS, Ticket};
use citybrain_types::FrameOutcome;
use std::panic::{AssertUnwindSafe, catch_unwind};

impl Worker {
    /// Asks every model that has been given reason to; the answers go behind those that gave it.
    ///
    /// What goes wrong here costs the second opinion and not the first.
    pub(super) fn ask_further(&mut self, ticket: &Ticket, frame: &Frame, answers: &mut Vec<Answer>) {
        for (index, cascade) in ticket.plan.cascades.iter().enumerate() {
            let first = answers.len();
            let asked = AssertUnwindSafe(|| self.ask_one(ticket, index, cascade, frame, answers));
            if catch_unwind(asked).is_err() {
                answers.truncate(first);
                self.bench = Workbench::default();
                let model = &cascade.look.model_id;
                tracing::error!(camera = %ticket.plan.camera, %model, "a second opinion panicked; the first stands");
                self.metrics.cascade(model, CascadeOutcome::NoAnswer);
            }
        }
    }

    fn ask_one(
        &mut self,
        ticket: &Ticket,
        index: usize,
        cascade: &CascadeLook,
        frame: &Frame,
        answers: &mut Vec<Answer>,
    ) {
        let Some(detector) = self.models.detectors.get(cascade.look.model) else { return };
        let (input, size) = (detector.input(), frame.size());
        let input = (input.width, input.height);
        let model = &cascade.look.model_id;
        let mut left = MAX_REGIONS;
        let mut may_ask = None;
        for asking in 0..answers.len() {
            if answers[asking].model != cascade.after {
                continue;
            }
            let Regions { parts, mut crowded } =
                regions(cascade, &answers[asking].findings.detections, size, input);
            if parts.is_empty() {
                continue;
            }
            if !*may_ask.get_or_insert_with(|| self.schedule.ask(ticket, index)) {
                self.metrics.cascade(model, CascadeOutcome::TooSoon);
                return;
            }
            crowded += parts.len().saturating_sub(left);
            for part in parts.into_iter().take(left) {
                left -= 1;
                let Some(region) = region_of(part, size) else { continue };
                match self.ask(ticket, &cascade.look, frame, part) {
                    Ok(mut answer) => {
                        answer.asked = Some((asking, region));
                        self.metrics.cascade(model, outcome(&answer));
                        answers.push(answer);
                    }
                    Err(error) => {
                        tracing::error!(camera = %ticket.plan.camera, %model, %error, "a part of a picture was refused");
                        self.metrics.cascade(model, CascadeOutcome::NoAnswer);
                    }
                }
            }
            (0..crowded).for_each(|_| self.metrics.cascade(model, CascadeOutcome::Crowded));
        }
    }
}

fn outcome(answer: &Answer) -> CascadeOutcome {
    match answer.outcome {
        FrameOutcome::Analysed if answer.findings.hits.is_empty() => CascadeOutcome::Denied,
        FrameOutcome::Analysed => CascadeOutcome::Confirmed,
        FrameOutcome::NotSeen(_) | FrameOutcome::NoAnswer(_) => CascadeOutcome::NoAnswer,
    }
}
