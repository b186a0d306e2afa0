//! What-ifs in a city that is at work: one at a time, a few that wait, each within its time.
//!
//! A what-if takes cores that the city needs, too. So there is one at a time, on half of the cores, and it ends when it
//! has taken too long or nobody waits for it any more. Its memory is bounded by a part of the log and [`MOST_CASES`] for
//! each policy.

use super::{Asked, Progress, Proposal, Report, Truth, TuneError, WhatIf};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// Longest that one takes.
pub const LONGEST: Duration = Duration::from_secs(300);
/// Most that are worked out or wait at once.
pub const MOST_AT_ONCE: usize = 8;
/// Most cases that are kept of one policy; further ones are counted.
const MOST_CASES: usize = 20_000;

/// What is to be worked out.
#[derive(Debug)]
pub struct Job {
    /// The city, and what is asked for.
    pub what_if: WhatIf,
    /// Folders of its log.
    pub log: Vec<PathBuf>,
    /// Policies beside the one in force.
    pub proposals: Vec<Proposal>,
    /// What is known.
    pub truth: Truth,
}

/// Works out what-ifs.
#[derive(Debug, Clone)]
pub struct Runner {
    places: Arc<Semaphore>,
    turn: Arc<Semaphore>,
    longest: Duration,
}

impl Default for Runner {
    fn default() -> Self {
        Self::within(LONGEST)
    }
}

/// Tells a run to end once nobody waits for it.
struct Waits(Arc<AtomicBool>);

impl Drop for Waits {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Runner {
    /// With another bound on the time of each.
    #[must_use]
    pub fn within(longest: Duration) -> Self {
        let places = Arc::new(Semaphore::new(MOST_AT_ONCE));
        Self { places, turn: Arc::new(Semaphore::new(1)), longest }
    }

    /// What to ask for beside the rest: within the bounds of a city that is at work.
    #[must_use]
    pub fn bounded(asked: Asked) -> Asked {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        Asked { most_cases: MOST_CASES, threads: cores.div_ceil(2), ..asked }
    }

    /// Works out a job on a thread of its own when it is its turn; `tell` hears how far it has come. It ends early when
    /// `tell` says `false`, or this future is dropped.
    ///
    /// # Errors
    /// As [`WhatIf::run`]; [`TuneError::Busy`] when too many wait, [`TuneError::TooLong`].
    pub async fn run(
        &self,
        job: Job,
        mut tell: impl FnMut(Progress<'_>) -> bool + Send + 'static,
    ) -> Result<Report, TuneError> {
        let busy = |_| TuneError::Busy(MOST_AT_ONCE);
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(busy)?;
        // It is never closed.
        let turn = Arc::clone(&self.turn).acquire_owned().await.map_err(|_| TuneError::Stopped)?;
        let over = Arc::new(AtomicBool::new(false));
        let _waits = Waits(Arc::clone(&over));
        let longest = self.longest;
        let worked = tokio::task::spawn_blocking(move || {
            let _held = (place, turn);
            let started = Instant::now();
            let mut late = false;
            let Job { what_if, log, proposals, truth } = job;
            let made = what_if.run(&log, &proposals, &truth, &mut |progress| {
                late = started.elapsed() > longest;
                !late && !over.load(Ordering::Relaxed) && tell(progress)
            });
            match made {
                Err(TuneError::Stopped) if late => Err(TuneError::TooLong(longest)),
                made => made,
            }
        });
        worked.await.map_err(|error| TuneError::Thread(std::io::Error::other(error)))?
    }
}
