//! Whether a camera can be seen at all. A camera that is not seen is an event of its own, not "nothing found".
//!
//! Each model's looks count apart: a camera that one model answers for and another does not is seen by halves, and
//! what the silent model looks for must not pass for "not there".

use citybrain_types::{FrameOutcome, ModelId, Timestamp};
use std::collections::BTreeMap;
use std::time::Duration;

/// Most models followed for one camera; a camera has a few.
const MAX_MODELS: usize = 32;

/// What became of a camera's health with one frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HealthTurn {
    Nothing,
    /// Not seen for longer than the limit.
    Lost {
        since: Timestamp,
    },
    /// Seen again.
    Back,
}

/// How long a camera has not been seen, by model.
#[derive(Debug, Clone, Default)]
pub(super) struct Health {
    /// Since when a model has not answered; the first look without an answer, not the last with one, so that one
    /// picture that was missed is no fault where looks are far apart. `None` while it answers.
    unanswered: BTreeMap<ModelId, Option<Timestamp>>,
    faulty: bool,
}

impl Health {
    /// A camera whose fault was known before the program started.
    pub(super) fn faulty() -> Self {
        Self { unanswered: BTreeMap::new(), faulty: true }
    }

    /// Other models may look from now on; which of them answer is not known yet.
    pub(super) fn forget_models(&mut self) {
        self.unanswered.clear();
    }

    /// Takes in one look. The time comes from the frames of this camera alone, so a replay says the same.
    pub(super) fn look(
        &mut self,
        model: &ModelId,
        outcome: FrameOutcome,
        at: Timestamp,
        fault_after: Duration,
    ) -> HealthTurn {
        if self.unanswered.len() >= MAX_MODELS && !self.unanswered.contains_key(model) {
            return HealthTurn::Nothing;
        }
        let unanswered = self.unanswered.entry(model.clone()).or_default();
        if outcome == FrameOutcome::Analysed {
            *unanswered = None;
            let back = self.faulty && self.unanswered.values().all(Option::is_none);
            self.faulty &= !back;
            return if back { HealthTurn::Back } else { HealthTurn::Nothing };
        }
        // A clock that was set back becomes the new base.
        let since = unanswered.map_or(at, |since| since.min(at));
        *unanswered = Some(since);
        if self.faulty || at.since(since) < fault_after {
            return HealthTurn::Nothing;
        }
        self.faulty = true;
        HealthTurn::Lost { since }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use citybrain_types::{NoAnswer, NotSeen};

    const AFTER: Duration = Duration::from_secs(60);
    const DARK: FrameOutcome = FrameOutcome::NotSeen(NotSeen::Disconnected);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_millis(second * 1_000)
    }

    fn look(health: &mut Health, outcome: FrameOutcome, second: i64) -> HealthTurn {
        health.look(&ModelId::new("fire-1").unwrap(), outcome, at(second), AFTER)
    }

    #[test]
    fn a_camera_is_lost_once_after_the_limit_and_back_once() {
        let mut health = Health::default();
        assert_eq!(look(&mut health, FrameOutcome::Analysed, 0), HealthTurn::Nothing);
        assert_eq!(look(&mut health, DARK, 2), HealthTurn::Nothing);
        assert_eq!(look(&mut health, DARK, 61), HealthTurn::Nothing);
        assert_eq!(look(&mut health, DARK, 62), HealthTurn::Lost { since: at(2) });
        assert_eq!(look(&mut health, DARK, 70), HealthTurn::Nothing);
        assert_eq!(look(&mut health, FrameOutcome::Analysed, 80), HealthTurn::Back);
        assert_eq!(look(&mut health, FrameOutcome::Analysed, 81), HealthTurn::Nothing);
    }

    #[test]
    fn one_missed_look_is_no_fault_where_looks_are_far_apart() {
        let mut health = Health::default();
        assert_eq!(look(&mut health, FrameOutcome::Analysed, 0), HealthTurn::Nothing);
        assert_eq!(look(&mut health, DARK, 600), HealthTurn::Nothing);
        assert_eq!(look(&mut health, FrameOutcome::Analysed, 1_200), HealthTurn::Nothing);
        assert_eq!(look(&mut health, DARK, 1_800), HealthTurn::Nothing);
        assert_eq!(look(&mut health, DARK, 2_400), HealthTurn::Lost { since: at(1_800) });
    }

    #[test]
    fn a_camera_that_never_answered_is_lost_too() {
        let mut health = Health::default();
        assert_eq!(look(&mut health, DARK, 10), HealthTurn::Nothing);
        assert_eq!(look(&mut health, DARK, 70), HealthTurn::Lost { since: at(10) });
    }

    #[test]
    fn a_clock_set_back_by_an_hour_delays_no_fault() {
        let mut health = Health::default();
        look(&mut health, DARK, 4_000);
        assert_eq!(look(&mut health, DARK, 400), HealthTurn::Nothing);
        assert_eq!(look(&mut health, DARK, 460), HealthTurn::Lost { since: at(400) });
    }

    #[test]
    fn a_model_that_gives_no_answer_is_not_hidden_by_one_that_does() {
        let mut health = Health::default();
        let silent = ModelId::new("litter-1").unwrap();
        let no_answer = FrameOutcome::NoAnswer(NoAnswer::RuntimeError);
        let mut lost = None;
        for second in 0..=60 {
            assert_eq!(look(&mut health, FrameOutcome::Analysed, second), HealthTurn::Nothing);
            lost = Some(health.look(&silent, no_answer, at(second), AFTER));
        }
        assert_eq!(lost, Some(HealthTurn::Lost { since: at(0) }));
        assert_eq!(
            look(&mut health, FrameOutcome::Analysed, 61),
            HealthTurn::Nothing,
            "half of it is still silent"
        );
        assert_eq!(health.look(&silent, FrameOutcome::Analysed, at(62), AFTER), HealthTurn::Back);
    }

    #[test]
    fn a_model_that_is_not_used_any_more_keeps_no_fault_open() {
        let mut health = Health::default();
        look(&mut health, DARK, 0);
        assert_eq!(look(&mut health, DARK, 60), HealthTurn::Lost { since: at(0) });
        health.forget_models();
        let successor = ModelId::new("fire-2").unwrap();
        assert_eq!(health.look(&successor, FrameOutcome::Analysed, at(61), AFTER), HealthTurn::Back);
    }
}
