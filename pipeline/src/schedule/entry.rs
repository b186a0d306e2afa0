//! One camera in the agenda: its slot, its due times, its place in the order.

use super::agenda::{Limits, Look, MAX_REGIONS, Sight, Silence, Ticket};
use super::plan::CameraPlan;
use crate::picture::Picture;
use citybrain_types::{EventKind, NotSeen, Timestamp};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// After this long past its due time a camera that is known not to be connected is reported as not seen.
const SILENCE_GRACE: Duration = Duration::from_secs(1);
/// A camera is reported as not seen at most this often.
pub(super) const SILENCE_GAP: Duration = Duration::from_secs(2);

/// Order in which cameras are taken: the smallest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    /// Not urgent; `false` sorts first.
    in_turn: bool,
    deadline: Timestamp,
    pub(super) index: usize,
}

#[derive(Debug)]
pub(super) struct LookClock {
    pub(super) taken_at: Option<Timestamp>,
    pub(super) due_at: Timestamp,
    /// No silence is reported before.
    pub(super) silent_from: Timestamp,
}

#[derive(Debug)]
pub(super) struct Focus {
    pub(super) kind: EventKind,
    pub(super) interval: Duration,
    pub(super) until: Timestamp,
    pub(super) verify: bool,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) plan: Option<Arc<CameraPlan>>,
    /// The mailbox: one slot.
    pub(super) picture: Option<Picture>,
    /// One for each of the plan's looks.
    pub(super) clocks: Vec<LookClock>,
    /// When each of the plan's cascades was asked last.
    pub(super) asked_at: Vec<Option<Timestamp>>,
    pub(super) focus: Vec<Focus>,
    /// In the hands of a worker.
    pub(super) busy: bool,
    next_sequence: u64,
    /// Its place among those that can be taken.
    pub(super) rank: Option<Rank>,
    /// When its situation changes by itself.
    pub(super) timer: Option<Timestamp>,
}

impl Entry {
    pub(super) const fn new(first_sequence: u64) -> Self {
        Self {
            plan: None,
            picture: None,
            clocks: Vec::new(),
            asked_at: Vec::new(),
            focus: Vec::new(),
            busy: false,
            next_sequence: first_sequence,
            rank: None,
            timer: None,
        }
    }

    pub(super) fn adopt(
        &mut self,
        plan: Arc<CameraPlan>,
        before: Option<&CameraPlan>,
        limits: Limits,
        now: Timestamp,
    ) {
        let same_models = before.is_some_and(|before| before.generation == plan.generation);
        let known: Vec<(usize, LookClock)> = match before {
            Some(before) if same_models => {
                before.looks.iter().map(|l| l.model).zip(self.clocks.drain(..)).collect()
            }
            _ => Vec::new(),
        };
        let mut known: HashMap<usize, LookClock> = known.into_iter().collect();
        let silent_from = now.plus(limits.connect_timeout);
        let fresh = || LookClock { taken_at: None, due_at: now, silent_from };
        self.clocks = plan.looks.iter().map(|look| known.remove(&look.model).unwrap_or_else(fresh)).collect();
        if !same_models {
            self.asked_at.clear();
        }
        self.asked_at.resize(plan.cascades.len(), None);
        self.plan = Some(plan);
        for look in 0..self.clocks.len() {
            let interval = self.interval(look, now);
            let clock = &mut self.clocks[look];
            clock.due_at = clock.taken_at.map_or(now, |taken| taken.plus(interval));
        }
    }

    /// The interval in force, with focus requests that have not lapsed.
    pub(super) fn interval(&self, look: usize, now: Timestamp) -> Duration {
        let Some(look) = self.plan.as_ref().and_then(|plan| plan.looks.get(look)) else {
            return Duration::MAX;
        };
        let focused = self.focus.iter().filter(|focus| focus.until > now);
        let concerns = |focus: &&Focus| look.kinds.iter().any(|rule| rule.kind == focus.kind);
        focused.filter(concerns).map(|focus| focus.interval).fold(look.interval, Duration::min)
    }

    /// A picture that comes a little early is looked at instead of ageing in the slot: so the looks fall into
    /// step with the stream's keyframes.
    fn release(&self, look: usize, now: Timestamp) -> Timestamp {
        self.clocks[look].due_at.minus(self.interval(look, now) / 8)
    }

    pub(super) fn rank(&self, index: usize, now: Timestamp) -> Option<Rank> {
        let plan = self.plan.as_ref()?;
        let due = (0..self.clocks.len()).filter(|look| self.release(*look, now) <= now);
        due.map(|look| Rank {
            in_turn: !plan.looks[look].urgent,
            deadline: self.clocks[look].due_at.plus(self.interval(look, now)),
            index,
        })
        .min()
    }

    pub(super) fn next_release(&self, now: Timestamp) -> Option<Timestamp> {
        (0..self.clocks.len()).map(|look| self.release(look, now)).filter(|at| *at > now).min()
    }

    pub(super) fn next_silence_check(&self, now: Timestamp) -> Option<Timestamp> {
        let check = |clock: &LookClock| clock.due_at.plus(SILENCE_GRACE).max(clock.silent_from);
        // Never in the past: a live camera that is late is asked about again after another grace.
        self.clocks.iter().map(check).min().map(|at| if at > now { at } else { now.plus(SILENCE_GRACE) })
    }

    pub(super) fn silences(
        &mut self,
        stall_after: Duration,
        now: Timestamp,
        sight: impl Fn() -> Sight,
        into: &mut Vec<Silence>,
    ) {
        let Some(plan) = self.plan.clone() else { return };
        if self.picture.is_some() || self.busy {
            return;
        }
        for look in 0..self.clocks.len() {
            let late = now.since(self.clocks[look].due_at);
            if late < SILENCE_GRACE || self.clocks[look].silent_from > now {
                continue;
            }
            let reason = match sight() {
                Sight::Live if late < stall_after => continue,
                Sight::Live | Sight::Stalled => NotSeen::Stalled,
                Sight::Disconnected => NotSeen::Disconnected,
                Sight::Ended => continue,
            };
            self.clocks[look].silent_from = now.plus(self.interval(look, now).max(SILENCE_GAP));
            let sequence = self.take_sequences(1);
            into.push(Silence { plan: Arc::clone(&plan), look, sequence, reason, at: now });
        }
    }

    pub(super) fn take(&mut self, index: usize, picture: Picture, now: Timestamp) -> Option<Look> {
        let plan = Arc::clone(self.plan.as_ref()?);
        let due: Vec<usize> = (0..self.clocks.len()).filter(|look| self.release(*look, now) <= now).collect();
        if due.is_empty() {
            self.picture = Some(picture);
            return None;
        }
        let mut ages = Vec::with_capacity(due.len());
        for &look in &due {
            ages.push(self.clocks[look].taken_at.map(|taken| now.since(taken)));
            self.clocks[look].taken_at = Some(now);
            self.clocks[look].due_at = now.plus(self.interval(look, now));
        }
        self.focus.retain(|focus| focus.until > now);
        self.busy = true;
        let first_sequence = self.take_sequences(due.len() + plan.cascades.len() * MAX_REGIONS);
        let ticket = Ticket { plan, due, first_sequence, index };
        Some(Look { ticket, picture, ages, scheduled_at: now })
    }

    fn take_sequences(&mut self, count: usize) -> u64 {
        let first = self.next_sequence;
        self.next_sequence += count as u64;
        first
    }
}
