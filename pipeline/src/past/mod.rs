//! What a camera has shown for weeks, and how much a place differs from it now.
//!
//! Design decision: the past is a few small grey pictures and no model of a background. One is taken every fourteen
//! hours, so that over two weeks they show nearly every hour of the day; each is 64 by 36 pixels, so a camera's whole
//! past is 55 KiB in memory and on disk, at most. A place is compared with each of them by structure and light once both
//! pictures have been brought to the same brightness and contrast, and a quarter of the past decides: what one of four
//! pictures of the past shows alike is no change, and one bus in one picture does not matter. A hard shadow where there
//! was none on most days is one, so a change says nothing by itself: it only weighs what a model has found there. What stays becomes the past itself within days. Pictures younger than a day do not count:
//! a change is to be seen against days, not against this morning.

mod compare;
mod file;
mod keeper;

pub use compare::{Glimpse, HEIGHT, WIDTH};
pub use keeper::PastKeeper;

use citybrain_types::{BoundingBox, Score, Timestamp};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// Pictures kept of one camera.
pub const KEPT: usize = 24;
/// One is taken this often: fourteen hours, which walk through the hours of the day.
pub const EVERY: Duration = Duration::from_secs(14 * 60 * 60);
/// Pictures younger than this are not compared with.
pub const OLD_ENOUGH: Duration = Duration::from_secs(24 * 60 * 60);

/// A picture of the past.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Kept {
    pub(crate) at: Timestamp,
    pub(crate) glimpse: Glimpse,
}

/// The past of one camera, oldest picture first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Past {
    kept: VecDeque<Arc<Kept>>,
}

impl Past {
    pub(crate) fn of(kept: impl IntoIterator<Item = Kept>) -> Self {
        let mut past = Self { kept: kept.into_iter().map(Arc::new).collect() };
        past.bound();
        past
    }

    pub(crate) fn kept(&self) -> impl Iterator<Item = &Kept> {
        self.kept.iter().map(Arc::as_ref)
    }

    /// Takes a picture into the past, where one is due; `false` when none is.
    pub fn remember(&mut self, glimpse: &Glimpse, at: Timestamp) -> bool {
        // A clock that was set back makes the past one of the future, which nothing can be compared with.
        let before = self.kept.len();
        self.kept.retain(|kept| kept.at <= at);
        let due = self.kept.back().is_none_or(|last| at.since(last.at) >= EVERY);
        if due {
            self.kept.push_back(Arc::new(Kept { at, glimpse: glimpse.clone() }));
            self.bound();
        }
        due || self.kept.len() != before
    }

    fn bound(&mut self) {
        while self.kept.len() > KEPT {
            self.kept.pop_front();
        }
    }

    /// How much the place of a box differs from the past, from 0 (as it always was) to 1; `None` while the camera has no
    /// past that is old enough.
    #[must_use]
    pub fn change(&self, now: &Glimpse, bbox: &BoundingBox, at: Timestamp) -> Option<Score> {
        let old = self.kept.iter().filter(|kept| at.since(kept.at) >= OLD_ENOUGH);
        let mut changes: Vec<f32> = old.map(|kept| now.differs(&kept.glimpse, bbox)).collect();
        changes.sort_by(f32::total_cmp);
        Score::new(*changes.get(changes.len() / 4)?)
    }
}

#[cfg(test)]
mod tests;
