//! Where the raw server takes its packets from: a film, or a clip cut into packets beforehand.

use crate::access_unit::{AccessUnit, Codec, ParameterSets};
use crate::clip::Clip;
use crate::faults::{Fault, Faults};
use crate::film::{Film, Viewing};
use crate::rtp::PacketisedUnit;
use crate::street_clock::StreetClock;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{broadcast, watch};

/// Units that a connection may be behind its film before it loses some: two seconds of a fast camera.
const UNITS_WAITING: usize = 64;
/// Longest wait for a film to tell its parameter sets: its first entry picture comes with them.
const SETS_TIMEOUT: Duration = Duration::from_secs(5);

/// What a raw camera sends.
#[derive(Clone)]
pub enum Feed {
    /// What a film shows, as it is shown.
    Live {
        /// Packets of each unit.
        units: broadcast::Sender<Arc<PacketisedUnit>>,
        /// The latest parameter sets.
        sets: watch::Receiver<Option<ParameterSets>>,
    },
    /// A clip cut beforehand and shared by many cameras.
    Canned {
        /// The clip.
        clip: Arc<CannedClip>,
        /// This camera is so far ahead of the others in the clip.
        phase: Duration,
        /// Says when each picture is due.
        street: StreetClock,
    },
}

/// A clip cut into packets.
pub struct CannedClip {
    units: Vec<Arc<PacketisedUnit>>,
    length: Duration,
    sets: ParameterSets,
    codec: Codec,
}

impl CannedClip {
    /// Cuts a clip.
    #[must_use]
    pub fn new(clip: &Clip) -> Self {
        Self {
            units: clip.units().iter().map(|unit| Arc::new(PacketisedUnit::new(unit))).collect(),
            length: clip.length(),
            sets: clip.units().iter().find_map(ParameterSets::of).unwrap_or_default(),
            codec: clip.codec(),
        }
    }

    /// How it is compressed.
    #[must_use]
    pub const fn codec(&self) -> Codec {
        self.codec
    }

    /// The `n`-th unit counted over all rounds, and its time over all rounds.
    fn nth(&self, n: u64) -> (&Arc<PacketisedUnit>, Duration) {
        let count = self.units.len() as u64;
        let unit = &self.units[(n % count) as usize];
        (unit, self.length.saturating_mul(u32::try_from(n / count).unwrap_or(u32::MAX)) + unit.at)
    }

    /// The first unit of the round that runs at a time.
    fn round_at(&self, time: Duration) -> u64 {
        let round = time.as_nanos() / self.length.as_nanos().max(1);
        u64::try_from(round).unwrap_or_default() * self.units.len() as u64
    }
}

impl Feed {
    /// A feed of a film. Faults that change units are put into them here, once for all connections.
    #[must_use]
    pub fn of_film(film: &Film, faults: watch::Receiver<Faults>) -> Self {
        let (units, _) = broadcast::channel(UNITS_WAITING);
        let (sets_sender, sets) = watch::channel(None);
        let sender = units.clone();
        let mut entries = 0;
        film.watch(Box::new(move |unit| {
            if let Some(found) = ParameterSets::of(unit) {
                sets_sender.send_if_modified(|known| known.replace(found.clone()) != Some(found));
            }
            let unit = spoil(unit, &faults.borrow(), &mut entries);
            if sender.receiver_count() > 0 {
                let _ = sender.send(Arc::new(PacketisedUnit::new(&unit)));
            }
            if sets_sender.is_closed() { Viewing::Left } else { Viewing::Stays }
        }));
        Self::Live { units, sets }
    }

    /// The parameter sets to tell in an SDP; none when the film shows no entry picture for a while.
    pub async fn parameter_sets(&self) -> ParameterSets {
        match self {
            Self::Canned { clip, .. } => clip.sets.clone(),
            Self::Live { sets, .. } => {
                let mut sets = sets.clone();
                let known = tokio::time::timeout(SETS_TIMEOUT, sets.wait_for(Option::is_some)).await;
                known.ok().and_then(Result::ok).and_then(|sets| sets.clone()).unwrap_or_default()
            }
        }
    }

    /// Starts to listen, from the next unit on.
    #[must_use]
    pub fn listen(&self) -> Listening {
        match self {
            Self::Live { units, .. } => Listening::Live { units: units.subscribe(), awaits_entry: true },
            Self::Canned { clip, phase, street } => {
                let now = street.elapsed() + *phase;
                let from = clip.round_at(now);
                let next = (from..from + 2 * clip.units.len() as u64)
                    .find(|n| matches!(clip.nth(*n), (unit, at) if unit.starts && at >= now));
                Listening::Canned {
                    clip: Arc::clone(clip),
                    phase: *phase,
                    street: *street,
                    next: next.unwrap_or(from),
                }
            }
        }
    }
}

/// A unit with the faults that change units.
fn spoil(unit: &AccessUnit, faults: &Faults, entries: &mut u64) -> AccessUnit {
    let mut unit = unit.clone();
    if unit.starts {
        if let Some(keep) = faults.kept_of_entry(*entries) {
            unit = unit.truncated(keep);
        }
        *entries += 1;
    }
    if faults.has(&Fault::MissingParameterSets {}) { unit.without_parameter_sets() } else { unit }
}

/// One connection's place in a feed.
pub enum Listening {
    /// In a film.
    Live {
        /// Its queue.
        units: broadcast::Receiver<Arc<PacketisedUnit>>,
        /// Units before the next entry picture are left out: at the start and after a loss.
        awaits_entry: bool,
    },
    /// In a clip.
    Canned {
        /// The clip.
        clip: Arc<CannedClip>,
        /// How far ahead of the street.
        phase: Duration,
        /// Says when a picture is due.
        street: StreetClock,
        /// Number of the next unit over all rounds.
        next: u64,
    },
}

impl Listening {
    /// The next unit when it is due, with the street time that it shows; `None` when the film has ended.
    /// May be dropped and called again without losing a unit.
    pub async fn next(&mut self) -> Option<(Arc<PacketisedUnit>, Duration)> {
        match self {
            Self::Live { units, awaits_entry } => loop {
                match units.recv().await {
                    Ok(unit) if unit.starts || !*awaits_entry => {
                        *awaits_entry = false;
                        let at = unit.at;
                        return Some((unit, at));
                    }
                    Ok(_) => {}
                    Err(broadcast::error::RecvError::Lagged(_)) => *awaits_entry = true,
                    Err(broadcast::error::RecvError::Closed) => return None,
                }
            },
            Self::Canned { clip, phase, street, next } => {
                let (unit, at) = clip.nth(*next);
                let at = at.saturating_sub(*phase);
                tokio::time::sleep(street.until(at)).await;
                *next += 1;
                Some((Arc::clone(unit), at))
            }
        }
    }

    /// Says that the units in between were not sent: the next one sent is an entry picture.
    pub fn lost_some(&mut self) {
        if let Self::Live { awaits_entry, .. } = self {
            *awaits_entry = true;
        }
    }
}
