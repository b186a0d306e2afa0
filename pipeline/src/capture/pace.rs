//! Plays what is not live at its own pace.
//!
//! Design decision: media time is held against the monotonic clock here, not by GStreamer (`sync` of a sink,
//! `clocksync`). A branch is added while its pipeline is on the way to PLAYING; an element that gets there before
//! the pipeline has chosen a clock and a base time has nothing to wait for, and lets a short file through at once.

use gstreamer as gst;
use gstreamer::prelude::*;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A media time this far ahead of the last one is a gap or a new epoch: nobody waits for it.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// How often one that waits looks whether the pipeline is being stopped.
const SLICE: Duration = Duration::from_millis(20);

/// Holds each buffer that reaches `pad` until it is due. The first is due at once.
pub(super) fn keep(pad: &gst::Pad) {
    let pace = Mutex::new(Pace::default());
    pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        if let Some(media) = info.buffer().and_then(|buffer| media_time(pad, buffer)) {
            // One streaming thread pushes through a pad: the lock is never waited for.
            let due = pace.lock().unwrap_or_else(PoisonError::into_inner).due(media, Instant::now());
            wait_until(due, || pad.pad_flags().contains(gst::PadFlags::FLUSHING));
        }
        gst::PadProbeReturn::Ok
    });
}

/// Decoding order where there is one: presentation order jumps back and forth between B-pictures.
fn media_time(pad: &gst::Pad, buffer: &gst::BufferRef) -> Option<Duration> {
    let segment = pad.sticky_event::<gst::event::Segment>(0)?;
    let segment = segment.segment().downcast_ref::<gst::ClockTime>()?.clone();
    let running = segment.to_running_time(buffer.dts_or_pts()?)?;
    Some(Duration::from_nanos(running.nseconds()))
}

fn wait_until(due: Instant, is_stopping: impl Fn() -> bool) {
    while !is_stopping() {
        let left = due.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        std::thread::sleep(left.min(SLICE));
    }
}

/// When media is due, from the first that came.
#[derive(Debug, Default)]
struct Pace {
    anchor: Option<Anchor>,
}

#[derive(Debug, Clone, Copy)]
struct Anchor {
    media: Duration,
    at: Instant,
    latest: Duration,
}

impl Pace {
    /// When the buffer with running time `media` is due, if it came `now`. What is late is due at once and what
    /// follows catches up: the pace of a source that stalled stays the one it began with.
    fn due(&mut self, media: Duration, now: Instant) -> Instant {
        let anchor = self.anchor.filter(|anchor| {
            let ahead = media.saturating_sub(anchor.latest);
            media >= anchor.media && ahead <= LONGEST_WAIT
        });
        let mut anchor = anchor.unwrap_or(Anchor { media, at: now, latest: media });
        anchor.latest = anchor.latest.max(media);
        self.anchor = Some(anchor);
        anchor.at + (media - anchor.media)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(secs: f64) -> Duration {
        Duration::from_secs_f64(secs)
    }

    #[test]
    fn media_is_due_as_far_apart_as_its_own_times() {
        let (mut pace, began) = (Pace::default(), Instant::now());
        for media in [7.0, 7.5, 7.4, 9.0] {
            assert_eq!(pace.due(secs(media), began), began + secs(media - 7.0), "{media}");
        }
    }

    #[test]
    fn what_comes_late_does_not_slow_the_rest_down() {
        let (mut pace, began) = (Pace::default(), Instant::now());
        pace.due(secs(0.0), began);
        assert_eq!(pace.due(secs(1.0), began + secs(5.0)), began + secs(1.0));
        assert_eq!(pace.due(secs(6.0), began + secs(5.0)), began + secs(6.0));
    }

    #[test]
    fn a_jump_of_media_time_begins_anew_instead_of_waiting() {
        let (mut pace, began) = (Pace::default(), Instant::now());
        pace.due(secs(100.0), began);
        let now = began + secs(1.0);
        assert_eq!(pace.due(secs(2.0), now), now);
        assert_eq!(pace.due(secs(3.0), now), now + secs(1.0));
        assert_eq!(pace.due(secs(3_600.0), now), now);
    }

    #[test]
    fn a_pipeline_that_is_stopped_is_not_waited_for() {
        let began = Instant::now();
        wait_until(began + secs(3_600.0), || true);
        assert!(began.elapsed() < secs(60.0));
    }
}
