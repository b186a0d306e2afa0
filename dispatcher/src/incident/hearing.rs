//! The second step of an alarm: what speaks for it and against it after it was given, until it is decided.
//!
//! The model that is asked has the word: as long as it has not spoken the one that raised the alarm counts, by half,
//! since it has proved already that it finds something there, and a look in which it finds nothing counts no more than
//! one in which it finds something: flames flicker. Once the other has spoken it counts only where it finds less and
//! less. Every witness that hangs elsewhere adds as much as one certain look. The alarm is confirmed as soon as enough
//! speaks for it, withdrawn when enough speaks against it and half of the time has gone by (a second model sees small
//! flames later than the first), and at the end of the time by which side is heavier. When nobody has said anything, it
//! stands: a camera that a fire has blinded is no reason to send the engines home.

use crate::evidence::{MicroNats, Word};
use citybrain_types::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Enough to decide either way: the odds of a look that is 98 % sure.
const DECISIVE: MicroNats = MicroNats::from_micros(4_000_000);
/// No side gets heavier than this, so that what was heard first can be outweighed in a few looks.
const HEAVIEST: MicroNats = MicroNats::from_micros(8_000_000);
/// What one look of the model that raised the alarm says at least, either way: twice as likely, or half.
const ONE_LOOK: MicroNats = MicroNats::from_micros(693_147);
/// Looks that must have spoken for it.
const YES_NEEDED: u32 = 2;
/// The first look after it could be seen may be one interval late, evidence wants several, and the looks that decide may be
/// late, too: the word of the decision must still be in time.
const SPARE_INTERVALS: u32 = 4;
/// Where the camera that raised the alarm has fallen silent, another camera's clock decides this much later: the two may
/// differ.
const OTHER_CLOCKS: Duration = Duration::from_secs(2);

/// How an alarm was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is real.
    Confirmed,
    /// It is not.
    Withdrawn,
}

/// What has been heard of an alarm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hearing {
    first: MicroNats,
    second: Option<MicroNats>,
    witnesses: u32,
    yes: u32,
    hear_until: Timestamp,
    decide_by: Timestamp,
    /// What was heard in this second, by the first and by the second: looks of one second show the same.
    #[serde(default)]
    lately: (i64, MicroNats, MicroNats),
}

impl Hearing {
    /// Opens the hearing of an alarm that was first seen at `first_seen_at` and given at `opened_at`.
    #[must_use]
    pub fn open(
        first_seen_at: Timestamp,
        opened_at: Timestamp,
        within: Duration,
        look_interval: Duration,
    ) -> Self {
        let spare = (look_interval * SPARE_INTERVALS).min(within / 4);
        // Evidence may have lain about long before it sufficed: there is still to be time to ask.
        let decide_by = first_seen_at.plus(within - spare).max(opened_at.plus(within / 3));
        Self {
            first: MicroNats::ZERO,
            second: None,
            witnesses: 0,
            yes: 0,
            hear_until: opened_at.plus(decide_by.since(opened_at) / 2),
            decide_by,
            lately: (0, MicroNats::ZERO, MicroNats::ZERO),
        }
    }

    /// Takes in what one look said.
    pub fn hear(&mut self, word: Word, at: Timestamp) {
        let second = at.as_micros().div_euclid(1_000_000);
        if self.lately.0 != second {
            self.lately = (second, MicroNats::ZERO, MicroNats::ZERO);
        }
        let first = match word.first > MicroNats::ZERO {
            true => word.first.halved().max(ONE_LOOK),
            false => MicroNats::ZERO.minus(ONE_LOOK),
        };
        let first = capped(first, &mut self.lately.1);
        self.first = self.first.plus(first).within(HEAVIEST);
        if let Some(said) = word.second {
            let said = capped(said, &mut self.lately.2);
            self.second = Some(self.second.unwrap_or_default().plus(said).within(HEAVIEST));
        }
        self.yes += u32::from(word.second.map_or(first, |said| said) > MicroNats::ZERO);
    }

    /// Another witness sees it, who does not hang where the others hang.
    pub const fn corroborate(&mut self) {
        self.witnesses = self.witnesses.saturating_add(1);
        self.yes = self.yes.saturating_add(1);
    }

    /// What speaks for it (above zero) or against it.
    #[must_use]
    pub fn weight(&self) -> MicroNats {
        let spoken = match self.second {
            Some(second) => second.plus(self.first.min(MicroNats::ZERO)),
            None => self.first,
        };
        (0..self.witnesses.min(2)).fold(spoken, |weight, _| weight.plus(MicroNats::MAX_LOOK))
    }

    /// What the model that was asked has said, where it has.
    #[must_use]
    pub const fn second(&self) -> Option<MicroNats> {
        self.second
    }

    /// Witnesses beside the first camera.
    #[must_use]
    pub const fn witnesses(&self) -> u32 {
        self.witnesses
    }

    /// When it is decided at the latest.
    #[must_use]
    pub const fn decide_by(&self) -> Timestamp {
        self.decide_by
    }

    /// The decision at `at`, on the clock of a camera that sees it, or of another one; `None` while it is open.
    #[must_use]
    pub fn verdict(&self, at: Timestamp, own_clock: bool) -> Option<Verdict> {
        let weight = self.weight();
        if weight >= DECISIVE && self.yes >= YES_NEEDED {
            return Some(Verdict::Confirmed);
        }
        let at = if own_clock { at } else { at.minus(OTHER_CLOCKS) };
        if at >= self.hear_until && weight <= MicroNats::ZERO.minus(DECISIVE) {
            return Some(Verdict::Withdrawn);
        }
        let in_time = if weight >= MicroNats::ZERO { Verdict::Confirmed } else { Verdict::Withdrawn };
        (at >= self.decide_by).then_some(in_time)
    }
}

/// The part of `says` that still counts in this second.
fn capped(says: MicroNats, so_far: &mut MicroNats) -> MicroNats {
    let sum = so_far.plus(says).within(MicroNats::MAX_LOOK);
    let counts = sum.minus(*so_far);
    *so_far = sum;
    counts
}
