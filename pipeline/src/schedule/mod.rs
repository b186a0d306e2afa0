//! Which camera is looked at next.
//!
//! Design decision: urgent looks (kinds with a pre-alarm) strictly first within a reserved share of the workers' time,
//! earliest deadline first among the rest, with deadlines counted in each look's own intervals. Plain
//! earliest-deadline-first collapses under overload; with fire strictly first and one newest-wins slot a camera, fire
//! keeps its interval and the other kinds stretch by one factor. The decision itself is the pure
//! [`agenda::Agenda`]; [`Schedule`] puts a lock, a clock and a wake-up around it.

pub mod agenda;
pub mod coverage;
mod entry;
pub mod load;
pub mod mailbox;
pub mod plan;
mod ready;

pub use agenda::{Limits, Look, LookResult, MAX_REGIONS, Sight, Silence, Ticket};
pub use coverage::{Coverage, KindCoverage};
pub use mailbox::{DropReason, Mailbox, Mailboxes, Put};
pub use plan::{CameraPlan, CascadeLook, KindRule, ModelLabels, ModelLook};

#[cfg(test)]
mod overload_tests;

use crate::metrics::DropCounters;
use crate::picture::Picture;
use agenda::Agenda;
use citybrain_types::{CameraId, Clock, FocusRequest, SystemClock, Timestamp};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Longest sleep of a worker between two looks at the agenda: bounds what a stepped clock can cost.
const LONGEST_WAIT: Duration = Duration::from_millis(500);

/// What a worker does next.
#[derive(Debug)]
pub enum Work {
    /// Look at a camera; say [`Schedule::done`] afterwards.
    Look(Look),
    /// Report that these cameras were due and could not be seen.
    Silent(Vec<Silence>),
}

/// Tells whether a camera can be seen at all.
pub type SightOf = Arc<dyn Fn(&CameraId) -> Sight + Send + Sync>;

/// The agenda, shared by mailboxes and workers.
pub struct Schedule {
    agenda: Mutex<Agenda>,
    wake: Condvar,
    clock: Arc<dyn Clock>,
    sight: SightOf,
    drops: DropCounters,
}

impl std::fmt::Debug for Schedule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Schedule").finish_non_exhaustive()
    }
}

impl Default for Schedule {
    /// A schedule without plans, in which pictures lie until they are taken by hand.
    fn default() -> Self {
        let limits = Limits {
            stall_after: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(10),
            urgent_share_percent: 80,
        };
        let mut agenda = Agenda::new(limits, 0);
        agenda.keep_unplanned();
        Self {
            agenda: Mutex::new(agenda),
            wake: Condvar::new(),
            clock: Arc::new(SystemClock),
            sight: Arc::new(|_| Sight::Live),
            drops: DropCounters::default(),
        }
    }
}

impl Schedule {
    /// An empty schedule; [`Schedule::replan`] fills it.
    #[must_use]
    pub fn new(limits: Limits, clock: Arc<dyn Clock>, sight: SightOf, drops: DropCounters) -> Self {
        let first_sequence = u64::try_from(clock.now().as_micros()).unwrap_or(0);
        let agenda = Mutex::new(Agenda::new(limits, first_sequence));
        Self { agenda, wake: Condvar::new(), clock, sight, drops }
    }

    /// Puts new plans in force; cameras that are not among them are no longer looked at.
    pub fn replan(&self, plans: Vec<Arc<CameraPlan>>, limits: Limits) {
        let dropped = self.lock().replan(plans, limits, self.clock.now());
        self.drops.count(DropReason::NotWanted, dropped);
        self.wake.notify_all();
    }

    /// Looks at a camera more often for a while; `false` when the camera is unknown or has no such kind.
    pub fn focus(&self, request: &FocusRequest) -> bool {
        let known = self.lock().focus(request, self.clock.now());
        self.wake.notify_one();
        known
    }

    /// Waits for work; `None` once the schedule is closed.
    #[must_use]
    pub fn next(&self) -> Option<Work> {
        let mut agenda = self.lock();
        loop {
            let now = self.clock.now();
            if agenda.is_closed() {
                return None;
            }
            let (work, expired) = agenda.next(now, &*self.sight);
            self.drops.count(DropReason::Expired, expired);
            if work.is_some() {
                if agenda.has_ready() {
                    self.wake.notify_one();
                }
                return work;
            }
            let wait = agenda.next_timer().map_or(LONGEST_WAIT, |at| at.since(now)).min(LONGEST_WAIT);
            // A timer that is due by now was handled above, so a wait of zero cannot spin for long.
            let waited = self.wake.wait_timeout(agenda, wait.max(Duration::from_millis(1)));
            agenda = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Work there is at this very moment, and when there may be some next. Never waits: for a replay, which moves the
    /// clock by hand.
    #[must_use]
    pub fn poll(&self) -> (Option<Work>, Option<Timestamp>) {
        let mut agenda = self.lock();
        let (work, expired) = agenda.next(self.clock.now(), &*self.sight);
        self.drops.count(DropReason::Expired, expired);
        (work, agenda.next_timer())
    }

    /// Whether an entry of the plan's `cascades` may be asked in this look; it counts as asked from here on.
    #[must_use]
    pub fn ask(&self, ticket: &Ticket, cascade: usize) -> bool {
        self.lock().ask(ticket, cascade, self.clock.now())
    }

    /// A look has found something, by that entry of the plan's looks; say it before [`Schedule::done`].
    pub fn found(&self, ticket: &Ticket, which: usize) {
        self.lock().found(ticket, which);
    }

    /// A look has ended; gives back what must be reported where nothing could be seen.
    pub fn done(&self, ticket: &Ticket, result: LookResult) -> Vec<Silence> {
        let mut agenda = self.lock();
        let silences = agenda.done(ticket, result, self.clock.now());
        if agenda.has_ready() {
            self.wake.notify_one();
        }
        silences
    }

    /// How well the promised looks are kept at this moment.
    #[must_use]
    pub fn coverage(&self) -> Coverage {
        self.lock().coverage(self.clock.now())
    }

    /// Ends the schedule: pictures are refused, workers get `None`.
    pub fn close(&self) {
        let dropped = self.lock().close();
        self.drops.count(DropReason::Closed, dropped);
        self.wake.notify_all();
    }

    pub(super) fn index(&self, camera: &CameraId) -> usize {
        self.lock().index(camera)
    }

    pub(super) fn put(&self, index: usize, picture: Picture, eager: bool) -> Put {
        let (put, ready) = self.lock().put(index, picture, eager, self.clock.now());
        match put {
            Put::Kept => {}
            Put::Replaced => self.drops.count(DropReason::Replaced, 1),
            Put::Dropped(reason) => self.drops.count(reason, 1),
        }
        if ready {
            self.wake.notify_one();
        }
        put
    }

    pub(super) fn take_now(&self, camera: &CameraId) -> Option<Picture> {
        self.lock().take_now(camera)
    }

    fn lock(&self) -> MutexGuard<'_, Agenda> {
        // The agenda holds no half-made state between its methods, so a panic elsewhere does not spoil it.
        self.agenda.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
