//! One camera in the agenda: its slot, its due times, its place in the order.

use super::agenda::{Limits, Look, MAX_REGIONS, Sight, Silence, Ticket};
use super::plan::CameraPlan;
use super::ready::{Place, waited};
use crate::picture::Picture;
use citybrain_types::{EventKind, NotSeen, Timestamp};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// After this long past its due time a camera that is known not to be connected is reported as not seen.
const SILENCE_GRACE: Duration = Duration::from_secs(1);
/// No picture is called expired before: below this the network's own delays count.
const SHORTEST_EXPIRY: Duration = Duration::from_secs(2);
/// A camera is reported as not seen at most this often.
pub(super) const SILENCE_GAP: Duration = Duration::from_secs(2);

/// What shows something new is looked at after this part of an interval already, behind all that is due.
const EAGER_AFTER: f64 = 0.5;
/// What was found is looked at again after this part of an interval, behind all that is due …
const FOUND_AFTER: f64 = 0.25;
/// … until so many looks in a row have found something: by then it is decided whether it is there.
const FOUND_IN_ROW: u8 = 4;
/// A picture is taken as soon as this part of an interval has passed, if it is there: so the looks fall into step with
/// the stream's keyframes instead of letting one age in the slot.
const DUE_AFTER: f64 = 0.875;

/// In whose hands a camera is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Busy {
    pub(super) since: Timestamp,
    pub(super) urgent: bool,
}

#[derive(Debug)]
pub(super) struct LookClock {
    pub(super) taken_at: Option<Timestamp>,
    pub(super) due_at: Timestamp,
    /// Since when it is wanted, for one that was never taken.
    pub(super) wanted_since: Timestamp,
    /// How long it was between the last two looks.
    pub(super) last_age: Option<Duration>,
    /// No silence is reported before.
    pub(super) silent_from: Timestamp,
    /// The last look found something, and so did so many before it.
    pub(super) found: bool,
    pub(super) found_in_row: u8,
}

impl LookClock {
    /// The last look found something.
    pub(super) const fn note_found(&mut self) {
        self.found = true;
        self.found_in_row = self.found_in_row.saturating_add(1);
    }

    /// Whether it is to be looked at again before its interval is over.
    const fn is_hurried(&self) -> bool {
        self.found && self.found_in_row <= FOUND_IN_ROW
    }
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
    /// The picture shows something new.
    pub(super) eager: bool,
    /// Since when there is a picture in the slot.
    pub(super) picture_since: Timestamp,
    /// In the hands of a worker.
    pub(super) busy: Option<Busy>,
    next_sequence: u64,
    /// Its place among those that can be taken.
    pub(super) place: Option<Place>,
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
            eager: false,
            picture_since: Timestamp::EPOCH,
            busy: None,
            next_sequence: first_sequence,
            place: None,
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
        let fresh = || LookClock {
            taken_at: None,
            due_at: now,
            wanted_since: now,
            last_age: None,
            silent_from,
            found: false,
            found_in_row: 0,
        };
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

    /// When a look counts as taken last: one that never was is due at once.
    fn since(&self, look: usize, now: Timestamp) -> Timestamp {
        self.clocks[look].due_at.minus(self.interval(look, now))
    }

    /// How much of its interval a look has waited.
    fn waited(&self, look: usize, now: Timestamp) -> f64 {
        waited(self.since(look, now), self.interval(look, now), now)
    }

    fn release(&self, look: usize, after: f64, now: Timestamp) -> Timestamp {
        self.clocks[look].due_at.minus(self.interval(look, now).mul_f64(1.0 - after))
    }

    fn is_due(&self, look: usize, now: Timestamp) -> bool {
        self.release(look, DUE_AFTER, now) <= now
    }

    fn may_be_taken(&self, look: usize, now: Timestamp) -> bool {
        self.is_due(look, now)
            || (self.eager && self.release(look, EAGER_AFTER, now) <= now)
            || (self.clocks[look].is_hurried() && self.release(look, FOUND_AFTER, now) <= now)
    }

    fn is_urgent(&self, look: usize) -> bool {
        self.plan.as_ref().is_some_and(|plan| plan.looks.get(look).is_some_and(|look| look.urgent))
    }

    pub(super) fn place_at(&self, now: Timestamp) -> Option<Place> {
        let looks = || 0..self.clocks.len();
        let urgent = looks().filter(|look| self.is_urgent(*look) && self.is_due(*look, now));
        let deadline = urgent.map(|look| self.clocks[look].due_at.plus(self.interval(look, now))).min();
        if let Some(deadline) = deadline {
            return Some(Place::Urgent { deadline });
        }
        let rest = looks().filter(|look| self.may_be_taken(*look, now));
        let longest = rest.max_by(|a, b| self.waited(*a, now).total_cmp(&self.waited(*b, now)))?;
        let interval = self.interval(longest, now);
        Some(Place::InTurn { interval, since: self.since(longest, now) })
    }

    pub(super) fn next_release(&self, now: Timestamp) -> Option<Timestamp> {
        let eager = self.eager.then_some(EAGER_AFTER);
        let parts = |look: usize| {
            let found = self.clocks[look].is_hurried().then_some(FOUND_AFTER);
            [Some(DUE_AFTER), eager, found].into_iter().flatten()
        };
        let releases = (0..self.clocks.len()).flat_map(|l| parts(l).map(move |part| (l, part)));
        releases.map(|(look, part)| self.release(look, part, now)).filter(|at| *at > now).min()
    }

    /// How old a picture may be and still say something about the present: no older than the shortest interval that
    /// it is to be looked at for.
    pub(super) fn longest_age(&self, stall_after: Duration, now: Timestamp) -> Duration {
        let due = (0..self.clocks.len()).filter(|look| self.may_be_taken(*look, now));
        let shortest = due.map(|look| self.interval(look, now)).min().unwrap_or(stall_after);
        shortest.max(SHORTEST_EXPIRY).min(stall_after)
    }

    /// For how long the camera could have been taken and was not, in seconds.
    pub(super) fn waits_for_worker(&self, now: Timestamp) -> f64 {
        let due = (0..self.clocks.len()).filter(|look| self.is_due(*look, now));
        let released = due.map(|look| self.release(look, DUE_AFTER, now)).min().unwrap_or(now);
        now.since(released.max(self.picture_since)).as_secs_f64()
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
        if self.picture.is_some() || self.busy.is_some() {
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

    /// Takes what is due. Beside an urgent look others come along, since the picture is decoded anyway, but under
    /// overload only those whose turn it would be: else cameras with urgent kinds would be favoured for the rest.
    pub(super) fn take(
        &mut self,
        index: usize,
        picture: Picture,
        stretch: f64,
        now: Timestamp,
    ) -> Option<Look> {
        let plan = Arc::clone(self.plan.as_ref()?);
        let allowed: Vec<usize> =
            (0..self.clocks.len()).filter(|look| self.may_be_taken(*look, now)).collect();
        let urgent = allowed.iter().any(|look| self.is_urgent(*look) && self.is_due(*look, now));
        let is_its_turn = |look: &usize| {
            let alone = !urgent && allowed.len() == 1;
            alone || self.is_urgent(*look) || self.waited(*look, now) >= DUE_AFTER * stretch
        };
        let mut due: Vec<usize> = allowed.iter().copied().filter(is_its_turn).collect();
        if due.is_empty() {
            // Taken in turn, and the stretch is measured a little above what this camera has waited.
            due = allowed;
        }
        if due.is_empty() {
            self.picture = Some(picture);
            return None;
        }
        let mut ages = Vec::with_capacity(due.len());
        for &look in &due {
            let interval = self.interval(look, now);
            let clock = &mut self.clocks[look];
            clock.last_age = Some(now.since(clock.taken_at.unwrap_or(clock.wanted_since)));
            ages.push(clock.taken_at.map(|taken| now.since(taken)));
            clock.taken_at = Some(now);
            if !std::mem::take(&mut clock.found) {
                clock.found_in_row = 0;
            }
            clock.due_at = now.plus(interval);
        }
        self.focus.retain(|focus| focus.until > now);
        self.eager = false;
        self.busy = Some(Busy { since: now, urgent });
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
