//! What can be wrong with a camera. A script gives a camera its faults, a test or an operator commands them.
//!
//! A camera with faults is served by the raw server ([`crate::raw_rtsp`]), since a well-made server cannot be made
//! to misbehave in all these ways.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// One fault. Those without numbers are empty structures, since serde would take any key beside a bare name.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// Every user name and password is refused.
    RefusePassword {},
    /// TCP connections are taken, requests are never answered.
    Mute {},
    /// After PLAY has been answered, random bytes come instead of packets.
    GarbageAfterHandshake {},
    /// After this long on a connection no packet comes any more, while the connection stays open.
    Stall {
        /// Seconds after PLAY.
        after_secs: f64,
        /// Seconds until packets come again; without it, never on this connection.
        #[serde(default)]
        for_secs: Option<f64>,
    },
    /// The picture changes its size at a street time, parameter sets in band, without a word in RTSP.
    ResolutionChange {
        /// Seconds of street time.
        after_secs: f64,
        /// New width in pixels, a multiple of 8.
        width: u32,
        /// New height in pixels, even.
        height: u32,
    },
    /// VPS, SPS and PPS come neither in the SDP nor in band.
    MissingParameterSets {},
    /// The connection is closed again and again.
    DropConnection {
        /// Seconds from its start to its end.
        every_secs: f64,
    },
    /// The slices of entry pictures are cut off.
    TruncatedKeyframes {
        /// The share of each slice's bytes that is sent, `0..1`.
        keep: f32,
        /// Every how many-th entry picture is cut, `1..`.
        every: u32,
    },
    /// A thin line: answers come late, packets slowly; what does not fit is left out, up to the next entry picture.
    Slow {
        /// Milliseconds before each answer.
        answer_after_ms: u64,
        /// Bytes a second.
        bytes_per_sec: u32,
    },
    /// Packets are missing, as after a switch that is too busy; their numbers are used up.
    PacketLoss {
        /// Seconds after PLAY.
        after_secs: f64,
        /// Every how many-th packet is missing, `2..`.
        every: u32,
    },
    /// Fewer pictures come: of those between two entry pictures only every so many-th.
    LowFrameRate {
        /// Seconds after PLAY.
        after_secs: f64,
        /// Every how many-th picture is sent, `2..`.
        keep_every: u32,
    },
}

/// Why a fault cannot be had.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum FaultError {
    /// A number is out of its range.
    #[error("fault {fault}: {field} is out of range: use {range}")]
    Range {
        /// The fault.
        fault: &'static str,
        /// The key.
        field: &'static str,
        /// What is taken.
        range: &'static str,
    },
}

impl Fault {
    /// Its name, as in a script and as a log field.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::RefusePassword {} => "refuse_password",
            Self::Mute {} => "mute",
            Self::GarbageAfterHandshake {} => "garbage_after_handshake",
            Self::Stall { .. } => "stall",
            Self::ResolutionChange { .. } => "resolution_change",
            Self::MissingParameterSets {} => "missing_parameter_sets",
            Self::DropConnection { .. } => "drop_connection",
            Self::TruncatedKeyframes { .. } => "truncated_keyframes",
            Self::Slow { .. } => "slow",
            Self::PacketLoss { .. } => "packet_loss",
            Self::LowFrameRate { .. } => "low_frame_rate",
        }
    }

    /// Checks its numbers.
    ///
    /// # Errors
    /// [`FaultError`] with the range of the first number that is out of it.
    pub fn check(&self) -> Result<(), FaultError> {
        let span = |secs: f64| Duration::try_from_secs_f64(secs).is_ok_and(|span| span.as_secs() < 86_400);
        let (field, range, good) = match *self {
            Self::Stall { after_secs, for_secs } => {
                ("after_secs or for_secs", "0 to 86400", span(after_secs) && for_secs.is_none_or(span))
            }
            Self::ResolutionChange { after_secs, width, height } => (
                "after_secs, width or height",
                "0 to 86400 seconds and a size that a camera may have",
                span(after_secs) && size_is_served(width, height),
            ),
            Self::DropConnection { every_secs } => {
                ("every_secs", "0.1 to 86400", span(every_secs) && every_secs >= 0.1)
            }
            Self::TruncatedKeyframes { keep, every } => {
                ("keep or every", "keep 0 to 1 and every 1 or more", (0.0..1.0).contains(&keep) && every >= 1)
            }
            Self::Slow { answer_after_ms, bytes_per_sec } => (
                "answer_after_ms or bytes_per_sec",
                "at most 60000 ms and at least 100 bytes a second",
                answer_after_ms <= 60_000 && bytes_per_sec >= 100,
            ),
            Self::PacketLoss { after_secs, every } => {
                ("after_secs or every", "0 to 86400 seconds and 2 or more", span(after_secs) && every >= 2)
            }
            Self::LowFrameRate { after_secs, keep_every } => (
                "after_secs or keep_every",
                "0 to 86400 seconds and 2 or more",
                span(after_secs) && keep_every >= 2,
            ),
            Self::RefusePassword {}
            | Self::Mute {}
            | Self::GarbageAfterHandshake {}
            | Self::MissingParameterSets {} => {
                return Ok(());
            }
        };
        if good { Ok(()) } else { Err(FaultError::Range { fault: self.name(), field, range }) }
    }
}

/// Whether a camera may have this size: multiples of 8 and even, as JPEG over RTP and 4:2:0 want it.
#[must_use]
pub const fn size_is_served(width: u32, height: u32) -> bool {
    width.is_multiple_of(8)
        && height.is_multiple_of(2)
        && width >= 160
        && width <= 1920
        && height >= 90
        && height <= 1088
}

/// The faults that a camera has at a moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// Checks each.
    ///
    /// # Errors
    /// [`FaultError`] of the first that cannot be had.
    pub fn new(faults: Vec<Fault>) -> Result<Self, FaultError> {
        faults.iter().try_for_each(Fault::check)?;
        Ok(Self(faults))
    }

    /// Whether the camera is sound.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each fault.
    pub fn iter(&self) -> impl Iterator<Item = &Fault> {
        self.0.iter()
    }

    /// Whether it has a fault.
    #[must_use]
    pub fn has(&self, fault: &Fault) -> bool {
        self.0.contains(fault)
    }

    /// Scripted changes of size: street time, width, height; in order of time.
    #[must_use]
    pub fn sizes(&self) -> Vec<(Duration, u32, u32)> {
        let change = |fault: &Fault| match *fault {
            Fault::ResolutionChange { after_secs, width, height } => {
                Some((seconds(after_secs), width, height))
            }
            _ => None,
        };
        let mut sizes: Vec<_> = self.0.iter().filter_map(change).collect();
        sizes.sort_unstable();
        sizes
    }

    /// When the connection is closed, from its start.
    #[must_use]
    pub fn drop_after(&self) -> Option<Duration> {
        self.0.iter().find_map(|fault| match *fault {
            Fault::DropConnection { every_secs } => Some(seconds(every_secs)),
            _ => None,
        })
    }

    /// Whether packets are held back this long after PLAY.
    #[must_use]
    pub fn stalled_at(&self, since_play: Duration) -> bool {
        self.0.iter().any(|fault| match *fault {
            Fault::Stall { after_secs, for_secs } => {
                let start = seconds(after_secs);
                since_play >= start && for_secs.is_none_or(|span| since_play < start + seconds(span))
            }
            _ => false,
        })
    }

    /// Every how many-th packet is missing this long after PLAY; `None` while all come.
    #[must_use]
    pub fn loses_every(&self, since_play: Duration) -> Option<u32> {
        self.0.iter().find_map(|fault| match *fault {
            Fault::PacketLoss { after_secs, every } => (since_play >= seconds(after_secs)).then_some(every),
            _ => None,
        })
    }

    /// Whether the `n`-th picture is left out this long after PLAY.
    #[must_use]
    pub fn leaves_out(&self, n: u64, since_play: Duration) -> bool {
        self.0.iter().any(|fault| match *fault {
            Fault::LowFrameRate { after_secs, keep_every } => {
                since_play >= seconds(after_secs) && !n.is_multiple_of(u64::from(keep_every))
            }
            _ => false,
        })
    }

    /// How long an answer is held back.
    #[must_use]
    pub fn answer_delay(&self) -> Duration {
        let slow = self.0.iter().find_map(|fault| match *fault {
            Fault::Slow { answer_after_ms, .. } => Some(Duration::from_millis(answer_after_ms)),
            _ => None,
        });
        slow.unwrap_or_default()
    }

    /// How long so many bytes take on the line.
    #[must_use]
    pub fn line_time(&self, bytes: usize) -> Duration {
        let slow = self.0.iter().find_map(|fault| match *fault {
            Fault::Slow { bytes_per_sec, .. } => Some(bytes as f64 / f64::from(bytes_per_sec.max(1))),
            _ => None,
        });
        seconds(slow.unwrap_or_default())
    }

    /// The share of each slice that is sent of the `n`-th entry picture (from 0), where it is cut.
    #[must_use]
    pub fn kept_of_entry(&self, n: u64) -> Option<f32> {
        self.0.iter().find_map(|fault| match *fault {
            Fault::TruncatedKeyframes { keep, every } => {
                (n + 1).is_multiple_of(u64::from(every)).then_some(keep)
            }
            _ => None,
        })
    }
}

/// A span from seconds that were checked before; zero for what was not.
fn seconds(secs: f64) -> Duration {
    Duration::try_from_secs_f64(secs).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_with_a_number_out_of_range_is_refused() {
        let bad = [
            Fault::Stall { after_secs: -1.0, for_secs: None },
            Fault::Stall { after_secs: f64::NAN, for_secs: None },
            Fault::DropConnection { every_secs: 0.0 },
            Fault::TruncatedKeyframes { keep: 1.0, every: 1 },
            Fault::TruncatedKeyframes { keep: 0.5, every: 0 },
            Fault::ResolutionChange { after_secs: 1.0, width: 321, height: 180 },
            Fault::Slow { answer_after_ms: 0, bytes_per_sec: 0 },
            Fault::PacketLoss { after_secs: 0.0, every: 1 },
            Fault::LowFrameRate { after_secs: -1.0, keep_every: 5 },
        ];
        for fault in bad {
            assert!(Faults::new(vec![fault]).is_err(), "{fault:?} was accepted");
        }
    }

    #[test]
    fn a_stall_begins_and_ends_when_it_says() {
        let faults = Faults::new(vec![Fault::Stall { after_secs: 2.0, for_secs: Some(3.0) }]).unwrap();
        let stalled: Vec<u64> = (0..8).filter(|s| faults.stalled_at(Duration::from_secs(*s))).collect();
        assert_eq!(stalled, [2, 3, 4]);
        let for_ever = Faults::new(vec![Fault::Stall { after_secs: 2.0, for_secs: None }]).unwrap();
        assert!(for_ever.stalled_at(Duration::from_secs(4_000)));
    }

    #[test]
    fn packets_and_pictures_are_missing_from_the_moment_on_that_is_said() {
        let faults = vec![
            Fault::PacketLoss { after_secs: 2.0, every: 7 },
            Fault::LowFrameRate { after_secs: 3.0, keep_every: 5 },
        ];
        let faults = Faults::new(faults).unwrap();
        let secs = Duration::from_secs;
        assert_eq!([1, 2].map(|at| faults.loses_every(secs(at))), [None, Some(7)]);
        let sent = |at: u64| (0..20).filter(|n| !faults.leaves_out(*n, secs(at))).count();
        assert_eq!([2, 3].map(sent), [20, 4]);
    }

    #[test]
    fn every_third_entry_picture_is_cut() {
        let faults = Faults::new(vec![Fault::TruncatedKeyframes { keep: 0.5, every: 3 }]).unwrap();
        let cut: Vec<u64> = (0..9).filter(|n| faults.kept_of_entry(*n).is_some()).collect();
        assert_eq!(cut, [2, 5, 8]);
    }
}
