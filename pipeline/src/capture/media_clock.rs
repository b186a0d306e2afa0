//! When a picture was taken, from when it arrived and what its media time says.
//!
//! Design decision: the camera's own clock is not asked (RTCP sender reports carry it, but cameras in the field
//! are off by minutes or years). Media time advances evenly, arrival does not: the smallest difference between
//! the two over the last minutes is the connection's fixed delay, and whatever a picture came later than that is
//! queueing. So `captured = media time + smallest difference`. The fixed part of the delay (exposure, encoding,
//! the shortest way through the network; some 50–200 ms) cannot be seen from here and is not in it.

use citybrain_types::Timestamp;
use std::time::Duration;

/// How long one minimum counts. Camera crystals drift up to 100 ppm: 6 ms in this time.
const WINDOW: Duration = Duration::from_secs(60);
/// A picture older than this by media time means that media time has jumped, not that it was queued so long.
const LONGEST_QUEUE: Duration = Duration::from_secs(10);

/// Maps one stream's media time to this machine's clock.
#[derive(Debug, Default)]
pub struct MediaClock {
    current: Option<Window>,
    previous: Option<i64>,
}

#[derive(Debug, Clone, Copy)]
struct Window {
    began: Timestamp,
    smallest_offset_micros: i64,
}

impl MediaClock {
    /// When a picture with media time `media_micros` (any epoch), whose first byte arrived at `arrived`, was
    /// taken. Never later than `arrived`.
    pub fn captured_at(&mut self, media_micros: i64, arrived: Timestamp) -> Timestamp {
        let offset = arrived.as_micros().saturating_sub(media_micros);
        let smallest = self.note(offset, arrived);
        let captured = Timestamp::from_micros(media_micros.saturating_add(smallest));
        if arrived.since(captured) > LONGEST_QUEUE {
            *self = Self::default();
            self.note(offset, arrived);
            return arrived;
        }
        captured.min(arrived)
    }

    /// The smallest offset of the current and the previous window, this one included.
    fn note(&mut self, offset: i64, arrived: Timestamp) -> i64 {
        let window = match self.current {
            Some(window) if arrived.since(window.began) < WINDOW => {
                Window { smallest_offset_micros: window.smallest_offset_micros.min(offset), ..window }
            }
            old => {
                self.previous = old.map(|window| window.smallest_offset_micros);
                Window { began: arrived, smallest_offset_micros: offset }
            }
        };
        self.current = Some(window);
        self.previous
            .map_or(window.smallest_offset_micros, |previous| previous.min(window.smallest_offset_micros))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: i64 = 1_795_317_600_000_000;

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(BASE + micros)
    }

    #[test]
    fn a_late_picture_keeps_the_time_it_was_taken() {
        let mut clock = MediaClock::default();
        for frame in 0..50_i64 {
            let media = frame * 40_000;
            let late = if frame % 7 == 6 { 300_000 } else { 0 };
            let captured = clock.captured_at(media, at(media + late));
            assert_eq!(captured, at(media), "frame {frame}");
        }
    }

    #[test]
    fn a_picture_is_never_taken_after_it_arrived() {
        let mut clock = MediaClock::default();
        clock.captured_at(0, at(500_000));
        assert_eq!(clock.captured_at(40_000, at(100_000)), at(100_000));
    }

    #[test]
    fn media_time_that_jumps_does_not_date_pictures_back() {
        let mut clock = MediaClock::default();
        clock.captured_at(3_600_000_000, at(0));
        let arrived = at(40_000);
        assert_eq!(clock.captured_at(0, arrived), arrived);
        assert_eq!(clock.captured_at(40_000, at(80_000)), at(80_000));
        assert_eq!(clock.captured_at(i64::MIN, at(90_000)), at(90_000));
        assert_eq!(clock.captured_at(i64::MAX, at(99_000)), at(99_000));
    }

    #[test]
    fn a_camera_whose_crystal_runs_slow_is_followed() {
        let mut clock = MediaClock::default();
        let mut worst = Duration::ZERO;
        for second in 0..3_600_i64 {
            let real = second * 1_000_000;
            let media = real - second * 100;
            worst = worst.max(at(real).since(clock.captured_at(media, at(real))));
        }
        assert!(worst < Duration::from_millis(15), "off by {worst:?} after an hour");
    }
}
