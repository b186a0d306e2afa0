//! Parts of a camera's picture with rules of their own.

use citybrain_types::{BoundingBox, EventKind, Polygon};
use std::collections::{BTreeMap, BTreeSet};

/// A part of a camera's picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Zone {
    /// What people call it.
    pub name: String,
    /// Its outline.
    pub part: Polygon,
    /// Kinds it is for; empty means all.
    pub kinds: BTreeSet<EventKind>,
    /// What lies in it does not count; else only what lies in such a zone does.
    pub ignore: bool,
    /// The smallest box that counts, as a share of the picture.
    pub min_size: f32,
    /// Hit scores in this part, where they are other than the camera's.
    pub hit_scores: BTreeMap<EventKind, f32>,
    /// When it is in force; always when not given.
    pub hours: Option<Hours>,
}

impl Zone {
    /// Whether it says anything of a kind.
    #[must_use]
    pub fn is_for(&self, kind: &EventKind) -> bool {
        self.kinds.is_empty() || self.kinds.contains(kind)
    }

    /// Whether the middle of a box lies in it.
    #[must_use]
    pub fn holds(&self, bbox: &BoundingBox) -> bool {
        self.part.contains(bbox.center())
    }
}

/// Hours of the week, in the city's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hours {
    /// One bit a day, Monday the lowest.
    pub days: u8,
    /// First minute of the day.
    pub from: u16,
    /// First minute of the day that is out again; at or below `from`, that of the next day.
    pub to: u16,
}

/// Minutes of a day.
const DAY: u16 = 24 * 60;

impl Hours {
    /// Whether a moment lies in them: `day` from 0 for Monday, `minute` of that day.
    #[must_use]
    pub const fn hold(&self, day: u8, minute: u16) -> bool {
        let today = self.days & (1 << (day % 7)) != 0;
        let yesterday = self.days & (1 << ((day + 6) % 7)) != 0;
        let to = if self.to <= self.from { self.to + DAY } else { self.to };
        (today && minute >= self.from && minute < to)
            || (yesterday && minute + DAY >= self.from && minute + DAY < to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_over_midnight_belong_to_the_day_they_begin_on() {
        // Friday 22:00 to 06:00.
        let night = Hours { days: 1 << 4, from: 22 * 60, to: 6 * 60 };
        assert!(night.hold(4, 22 * 60) && night.hold(5, 0) && night.hold(5, 6 * 60 - 1));
        assert!(
            !night.hold(5, 6 * 60)
                && !night.hold(4, 21 * 60 + 59)
                && !night.hold(4, 60)
                && !night.hold(5, 23 * 60)
        );
        let all = Hours { days: 0x7f, from: 0, to: 0 };
        assert!((0..7).all(|day| all.hold(day, 0) && all.hold(day, DAY - 1)));
        // Sunday night is before Monday morning.
        let sunday = Hours { days: 1 << 6, from: 23 * 60, to: 60 };
        assert!(sunday.hold(0, 30) && !sunday.hold(1, 30));
    }
}
