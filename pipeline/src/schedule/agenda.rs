//! The decision which camera is looked at next, and which has been silent for too long. Pure: time is given.

use super::entry::{Entry, Focus, SILENCE_GAP};
use super::load::Load;
use super::plan::{CameraPlan, SHORTEST_INTERVAL};
use super::ready::{First, Place, Ready};
use super::{DropReason, Put, Work};
use crate::picture::Picture;
use citybrain_types::{CameraId, FocusRequest, NotSeen, Timestamp};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// After a keyframe that could not be decoded the next one is tried this soon.
const RETRY_AFTER: Duration = Duration::from_millis(250);
/// A focus request never holds longer than this, so that a lost withdrawal cannot starve other cameras.
const LONGEST_FOCUS: Duration = Duration::from_secs(600);

/// A model that is asked because of what another one found looks at most at so many parts of one picture: a picture in
/// which everything seems to burn must not hold up the other cameras.
pub const MAX_REGIONS: usize = 2;

/// Limits of the city that the agenda needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// A connected camera without a keyframe for this long is stalled; a picture older than this is expired.
    pub stall_after: Duration,
    /// A new camera gets this long to connect before it is reported as not seen.
    pub connect_timeout: Duration,
    /// Urgent looks go strictly first until they have had so much of the workers' time, in percent; then looks in turn
    /// get what is left, so that a city on fire is not blind for the rest.
    pub urgent_share_percent: u8,
}

/// Whether a camera can be seen, as `capture` knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// Keyframes arrive.
    Live,
    /// Connected, without keyframes.
    Stalled,
    /// Not connected.
    Disconnected,
    /// A file that has been played to its end: nothing is left to see, and nothing is wrong.
    Ended,
}

/// A camera to be looked at, with its picture.
#[derive(Debug)]
pub struct Look {
    /// What is looked for.
    pub ticket: Ticket,
    /// The newest picture of the camera.
    pub picture: Picture,
    /// For each of the ticket's `due`, how long ago its last look was taken.
    pub ages: Vec<Option<Duration>>,
    /// When it was taken out of the mailbox.
    pub scheduled_at: Timestamp,
}

/// What is looked for in a look; handed back when it has ended. Until then nobody else looks at the camera.
#[derive(Debug)]
pub struct Ticket {
    /// The camera and its kinds.
    pub plan: Arc<CameraPlan>,
    /// Which entries of `plan.looks` are due; never empty.
    pub due: Vec<usize>,
    /// Sequence number of the first report. Each of `due` has one, and so has every answer that may be asked for
    /// besides: [`MAX_REGIONS`] for each of the plan's cascades.
    pub first_sequence: u64,
    pub(super) index: usize,
}

/// How a look ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LookResult {
    /// The picture was decoded; whether a model answered is reported with the frame.
    Seen,
    /// The picture could not be decoded.
    Undecodable,
}

/// A camera that was due and could not be seen.
#[derive(Debug, Clone, PartialEq)]
pub struct Silence {
    /// What would have been looked for.
    pub plan: Arc<CameraPlan>,
    /// Which entry of `plan.looks`.
    pub look: usize,
    /// Sequence number of the report.
    pub sequence: u64,
    /// Why.
    pub reason: NotSeen,
    /// When it was noticed.
    pub at: Timestamp,
}

/// All cameras with their pictures and due times.
#[derive(Debug)]
pub struct Agenda {
    limits: Limits,
    first_sequence: u64,
    by_camera: HashMap<CameraId, usize>,
    cameras: Vec<CameraId>,
    entries: Vec<Entry>,
    ready: Ready,
    load: Load,
    timers: BTreeSet<(Timestamp, usize)>,
    keep_unplanned: bool,
    closed: bool,
}

impl Agenda {
    /// An agenda without cameras whose reports are numbered from `first_sequence`.
    #[must_use]
    pub fn new(limits: Limits, first_sequence: u64) -> Self {
        Self {
            limits,
            first_sequence,
            by_camera: HashMap::new(),
            cameras: Vec::new(),
            entries: Vec::new(),
            ready: Ready::default(),
            load: Load::default(),
            timers: BTreeSet::new(),
            keep_unplanned: false,
            closed: false,
        }
    }

    pub(super) fn keep_unplanned(&mut self) {
        self.keep_unplanned = true;
    }

    /// The place of a camera; made when it is new.
    pub fn index(&mut self, camera: &CameraId) -> usize {
        if let Some(index) = self.by_camera.get(camera) {
            return *index;
        }
        self.by_camera.insert(camera.clone(), self.entries.len());
        self.cameras.push(camera.clone());
        self.entries.push(Entry::new(self.first_sequence));
        self.entries.len() - 1
    }

    /// Puts plans in force; gives the number of pictures dropped with cameras that are gone.
    pub fn replan(&mut self, plans: Vec<Arc<CameraPlan>>, limits: Limits, now: Timestamp) -> u64 {
        self.limits = limits;
        let mut old: Vec<Option<Arc<CameraPlan>>> = self.entries.iter_mut().map(|e| e.plan.take()).collect();
        for plan in plans {
            let index = self.index(&plan.camera);
            let before = old.get_mut(index).and_then(Option::take);
            self.entries[index].adopt(plan, before.as_deref(), limits, now);
        }
        let mut dropped = 0;
        for index in 0..self.entries.len() {
            let entry = &mut self.entries[index];
            if entry.plan.is_none() {
                entry.clocks.clear();
                entry.focus.clear();
            }
            if entry.clocks.is_empty() && !self.keep_unplanned {
                dropped += u64::from(entry.picture.take().is_some());
            }
            self.rearm(index, now);
        }
        dropped
    }

    /// Lays a picture into its camera's slot; `true` when it can be taken at once. An `eager` one shows something new
    /// and is looked at before its interval is over, if there is a worker to spare.
    pub fn put(&mut self, index: usize, picture: Picture, eager: bool, now: Timestamp) -> (Put, bool) {
        if self.closed {
            return (Put::Dropped(DropReason::Closed), false);
        }
        if self.cameras.get(index) != Some(picture.camera()) {
            return (Put::Dropped(DropReason::ForeignCamera), false);
        }
        let entry = &mut self.entries[index];
        if entry.clocks.is_empty() && !self.keep_unplanned {
            return (Put::Dropped(DropReason::NotWanted), false);
        }
        entry.eager |= eager;
        let put = if entry.picture.replace(picture).is_some() { Put::Replaced } else { Put::Kept };
        if put == Put::Kept {
            entry.picture_since = now;
        }
        if put == Put::Replaced && !eager && self.entries[index].place.is_some() {
            return (put, false); // its place in the order depends on due times only
        }
        self.rearm(index, now);
        (put, self.entries[index].place.is_some())
    }

    /// Takes a picture out of its slot without looking at it.
    pub fn take_now(&mut self, camera: &CameraId) -> Option<Picture> {
        let index = *self.by_camera.get(camera)?;
        let entry = &mut self.entries[index];
        let picture = entry.picture.take();
        if let Some(place) = entry.place.take() {
            self.ready.remove(index, place);
        }
        picture
    }

    /// The most urgent work there is, and the number of pictures found expired on the way.
    pub fn next(&mut self, now: Timestamp, sight: &dyn Fn(&CameraId) -> Sight) -> (Option<Work>, u64) {
        let silences = self.run_timers(now, sight);
        if !silences.is_empty() {
            return (Some(Work::Silent(silences)), 0);
        }
        let mut expired = 0;
        let first = if self.load.urgent_had_its_share(self.limits.urgent_share_percent) {
            First::InTurn
        } else {
            First::Urgent
        };
        while let Some(index) = self.ready.first(first, now) {
            let stretch = self.load.stretch();
            let stall_after = self.limits.stall_after;
            let entry = &mut self.entries[index];
            let taken = entry.place;
            if let Some(place) = entry.place.take() {
                self.ready.remove(index, place);
            }
            let longest = entry.longest_age(stall_after, now);
            if let Some(picture) = entry.picture.take_if(|p| now.since(p.received_at()) <= longest) {
                if let Some(Place::InTurn { interval, .. }) = taken {
                    self.load.taken_in_turn(1.0 + entry.waits_for_worker(now) / interval.as_secs_f64());
                }
                let look = entry.take(index, picture, stretch, now);
                self.rearm(index, now);
                if look.is_some() {
                    return (look.map(Work::Look), expired);
                }
            } else {
                expired += u64::from(entry.picture.take().is_some());
                self.rearm(index, now);
            }
        }
        self.load.idle();
        (None, expired)
    }

    /// Whether a model may be asked about a camera now because of what another one found there: not again before its
    /// interval has passed. It counts as asked from here on.
    pub fn ask(&mut self, look: &Ticket, cascade: usize, now: Timestamp) -> bool {
        let entry = &mut self.entries[look.index];
        let same_plan = entry.plan.as_ref().is_some_and(|plan| Arc::ptr_eq(plan, &look.plan));
        let interval = look.plan.cascades.get(cascade).map(|cascade| cascade.look.interval);
        let (true, Some(interval), Some(asked_at)) = (same_plan, interval, entry.asked_at.get_mut(cascade))
        else {
            return false;
        };
        let cascade = &look.plan.cascades[cascade];
        let of_alarm = |focus: &Focus| {
            focus.verify && now < focus.until && cascade.look.kinds.iter().any(|rule| rule.kind == focus.kind)
        };
        if cascade.waits_for_alarm && !entry.focus.iter().any(of_alarm) {
            return false;
        }
        // A clock that was set back asks again.
        if asked_at.is_some_and(|at| at <= now && now.since(at) < interval) {
            return false;
        }
        *asked_at = Some(now);
        true
    }

    /// A look has found something, by the entry of the plan's looks with that number: it is worth another look soon.
    pub fn found(&mut self, look: &Ticket, which: usize) {
        let entry = &mut self.entries[look.index];
        let same_plan = entry.plan.as_ref().is_some_and(|plan| Arc::ptr_eq(plan, &look.plan));
        if let Some(clock) = entry.clocks.get_mut(which).filter(|_| same_plan) {
            clock.note_found();
        }
    }

    /// A look has ended. Where nothing could be seen, gives what must be reported, at most once an interval.
    pub fn done(&mut self, look: &Ticket, result: LookResult, now: Timestamp) -> Vec<Silence> {
        let entry = &mut self.entries[look.index];
        if let Some(busy) = entry.busy.take() {
            self.load.spent(busy.urgent, now.since(busy.since));
        }
        let same_plan = entry.plan.as_ref().is_some_and(|plan| Arc::ptr_eq(plan, &look.plan));
        let mut silences = Vec::new();
        if same_plan && result == LookResult::Undecodable {
            for (&due, number) in look.due.iter().zip(0..) {
                let interval = entry.interval(due, now);
                let clock = &mut entry.clocks[due];
                clock.due_at = now.plus(interval.min(RETRY_AFTER));
                if clock.silent_from <= now {
                    clock.silent_from = now.plus(interval.max(SILENCE_GAP));
                    let (plan, sequence) = (Arc::clone(&look.plan), look.first_sequence + number);
                    silences.push(Silence {
                        plan,
                        look: due,
                        sequence,
                        reason: NotSeen::Undecodable,
                        at: now,
                    });
                }
            }
        } else if same_plan {
            for &due in &look.due {
                entry.clocks[due].silent_from = now;
            }
        }
        self.rearm(look.index, now);
        silences
    }

    /// Shortens a camera's look interval for a kind until the request lapses.
    pub fn focus(&mut self, request: &FocusRequest, now: Timestamp) -> bool {
        let Some(&index) = self.by_camera.get(&request.camera) else { return false };
        let entry = &mut self.entries[index];
        let known = entry.plan.as_ref().is_some_and(|plan| {
            plan.looks.iter().flat_map(|look| &look.kinds).any(|rule| rule.kind == request.kind)
        });
        if !known {
            return false;
        }
        entry.focus.retain(|focus| focus.kind != request.kind && focus.until > now);
        entry.focus.push(Focus {
            kind: request.kind.clone(),
            interval: request.look_interval.max(SHORTEST_INTERVAL),
            until: request.until.min(now.plus(LONGEST_FOCUS)),
            verify: request.verify,
        });
        for look in 0..entry.clocks.len() {
            let interval = entry.interval(look, now);
            let clock = &mut entry.clocks[look];
            clock.due_at = clock.due_at.min(clock.taken_at.unwrap_or(now).plus(interval));
        }
        self.rearm(index, now);
        true
    }

    /// Refuses pictures from now on; gives the number dropped.
    pub fn close(&mut self) -> u64 {
        self.closed = true;
        self.ready.clear();
        self.timers.clear();
        self.entries.iter_mut().map(|entry| u64::from(entry.picture.take().is_some())).sum()
    }

    /// Whether it was closed.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        self.closed
    }

    /// Whether a camera can be taken at once.
    #[must_use]
    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    /// By which factor looks in turn are stretched because the workers are busy; 1 when they are not.
    #[must_use]
    pub const fn stretch(&self) -> f64 {
        self.load.stretch()
    }

    /// When something changes by itself.
    #[must_use]
    pub fn next_timer(&self) -> Option<Timestamp> {
        self.timers.first().map(|(at, _)| *at)
    }

    fn run_timers(&mut self, now: Timestamp, sight: &dyn Fn(&CameraId) -> Sight) -> Vec<Silence> {
        let mut silences = Vec::new();
        while let Some(&(at, index)) = self.timers.first() {
            if at > now {
                break;
            }
            self.timers.remove(&(at, index));
            let entry = &mut self.entries[index];
            entry.timer = None;
            entry.silences(self.limits.stall_after, now, || sight(&self.cameras[index]), &mut silences);
            self.rearm(index, now);
        }
        silences
    }

    /// Brings a camera's place in the order and its next timer up to date.
    fn rearm(&mut self, index: usize, now: Timestamp) {
        let entry = &mut self.entries[index];
        if let Some(place) = entry.place.take() {
            self.ready.remove(index, place);
        }
        if let Some(at) = entry.timer.take() {
            self.timers.remove(&(at, index));
        }
        if self.closed || entry.busy.is_some() {
            return;
        }
        if entry.picture.is_some() {
            entry.place = entry.place_at(now);
            if let Some(place) = entry.place {
                self.ready.insert(index, place);
            }
            entry.timer = entry.next_release(now);
        } else {
            entry.timer = entry.next_silence_check(now);
        }
        self.timers.extend(entry.timer.map(|at| (at, index)));
    }
}

#[cfg(test)]
#[path = "agenda_tests.rs"]
mod tests;
