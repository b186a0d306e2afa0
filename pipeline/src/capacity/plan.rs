//! Whether a city fits on this machine, which promise would break first, and what would make it fit.

use super::demand::{Asked, Demand, Wanted};
use super::measure::Capacity;
use super::pictures::Pictures;
use super::stretch::{ROUNDING, Stretch, largest_part, machines};
use crate::schedule::ModelLabels;
use citybrain_ingest_config::resolved::City;
use citybrain_models::Manifest;
use citybrain_models::manifest::ManifestError;
use citybrain_types::EventKind;
use serde::Serialize;
use std::fmt;
use std::time::Duration;

/// Part of the cores that may be planned with; the rest is for bursts of keyframes, snapshots of hits, and the system.
const USABLE: f64 = 0.9;
/// A polled camera holds its connection so long: a second to connect and half of a group of pictures of 4 s.
const POLL_SECS: f64 = 3.0;

/// A kind in a plan.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlannedKind {
    /// Its code.
    pub kind: String,
    /// Cameras that are looked at for it.
    pub cameras: usize,
    /// The promised interval, in seconds.
    pub interval_secs: f64,
    /// The interval that this machine manages; endless (`null` in JSON) when receiving alone takes all of it.
    pub managed_secs: f64,
    /// Looks a second.
    pub looks_per_sec: f64,
    /// Goes first: has a pre-alarm.
    pub urgent: bool,
}

/// The first promise that this machine would not keep.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "promise", rename_all = "snake_case")]
pub enum BrokenPromise {
    /// Kinds with a pre-alarm ask for more than their share of the workers.
    Urgent {
        /// The kind.
        kind: String,
        /// Promised, in seconds.
        interval_secs: f64,
        /// Managed, in seconds.
        managed_secs: f64,
    },
    /// The others are stretched.
    Interval {
        /// The kind with the shortest interval among them.
        kind: String,
        /// Promised, in seconds.
        interval_secs: f64,
        /// Managed, in seconds.
        managed_secs: f64,
        /// Every kind without a pre-alarm is stretched by this factor.
        stretch: f64,
    },
    /// Polled cameras are not reached within their interval.
    Sweep {
        /// The shortest interval of a polled camera, in seconds.
        interval_secs: f64,
        /// How long all of them take, in seconds.
        sweep_secs: f64,
    },
}

impl fmt::Display for BrokenPromise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Urgent { kind, interval_secs, managed_secs } => write!(
                f,
                "{kind}: looked at {} instead of every {interval_secs} s, and nothing is left for other kinds but their \
                 share",
                Every(*managed_secs)
            ),
            Self::Interval { kind, interval_secs, managed_secs, stretch } => write!(
                f,
                "{kind}: looked at {} instead of every {interval_secs} s (every kind without pre-alarm is stretched \
                 {stretch:.1} times)",
                Every(*managed_secs)
            ),
            Self::Sweep { interval_secs, sweep_secs } => write!(
                f,
                "polled cameras: swept in {sweep_secs:.0} s instead of {interval_secs} s; raise polled_connections"
            ),
        }
    }
}

/// An interval in words; an endless one is that of a machine which is busy with receiving alone.
struct Every(f64);

impl fmt::Display for Every {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_finite() { write!(f, "every {:.1} s", self.0) } else { write!(f, "never") }
    }
}

/// What would make a city fit; each alone is enough.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "remedy", rename_all = "snake_case")]
pub enum Remedy {
    /// More machines like this one, with the cameras shared among them.
    Nodes {
        /// How many in all.
        nodes: usize,
    },
    /// Longer intervals of kinds without pre-alarm.
    Intervals {
        /// By this factor.
        factor: f64,
    },
    /// Fewer cameras of the same mix.
    Cameras {
        /// So many fit.
        cameras: usize,
    },
    /// Sub-streams of 640×360 (`sub_stream_url`) decode for a quarter.
    SubStreams {
        /// CPU seconds a second that this saves.
        saves: f64,
    },
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nodes { nodes } => write!(f, "{nodes} machines like this one"),
            Self::Intervals { factor } => {
                write!(f, "look intervals of kinds without pre-alarm {factor:.2} times as long")
            }
            Self::Cameras { cameras } => write!(f, "no more than {cameras} cameras of this mix"),
            Self::SubStreams { saves } => {
                write!(f, "sub-streams of 640x360 (sub_stream_url of each camera): saves {saves:.2} CPU-s/s")
            }
        }
    }
}

/// A city held against a machine.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    /// Cameras in all.
    pub cameras: usize,
    /// Of them, polled.
    pub polled: usize,
    /// How long a sweep of the polled ones takes, in seconds.
    pub sweep_secs: f64,
    /// Size of pictures that was assumed of cameras that were never connected.
    pub picture: (u32, u32),
    /// Cameras whose pictures' size is known.
    pub pictures_known: usize,
    /// Kinds that are looked for.
    pub kinds: Vec<PlannedKind>,
    /// Looks a second, of all models.
    pub looks_per_sec: f64,
    /// Pictures decoded a second.
    pub pictures_per_sec: f64,
    /// CPU seconds a second that are asked for.
    pub demand: Demand,
    /// CPU seconds a second that there are.
    pub capacity: f64,
    /// What is left of it, in percent; below zero when it does not fit.
    pub headroom_percent: f64,
    /// The first promise that breaks.
    pub first_broken: Option<BrokenPromise>,
    /// Machines like this one that are needed.
    pub nodes: usize,
    /// What would make it fit; empty when it does.
    pub remedies: Vec<Remedy>,
}

impl Plan {
    /// Holds a city against a machine, with pictures of those sizes.
    ///
    /// # Errors
    /// [`ManifestError`] when a model's manifest cannot be read.
    pub fn of(city: &City, capacity: &Capacity, pictures: &Pictures) -> Result<Self, ManifestError> {
        let manifests: Vec<Manifest> =
            city.models.iter().map(|model| Manifest::read(&model.dir)).collect::<Result<_, _>>()?;
        let labels: Vec<ModelLabels> =
            manifests.into_iter().map(|m| ModelLabels { id: m.id, labels: m.labels }).collect();
        Ok(Self::with_labels(city, &labels, capacity, pictures))
    }

    /// As [`Plan::of`], of models that are known already.
    #[must_use]
    pub fn with_labels(
        city: &City,
        labels: &[ModelLabels],
        capacity: &Capacity,
        pictures: &Pictures,
    ) -> Self {
        let asked = Asked::of(city, labels, capacity, pictures);
        let there = city.pipeline.workers.min(capacity.fingerprint.cores) as f64 * USABLE;
        let stretch = Stretch::of(&asked.demand, there, city.pipeline.load.urgent_share_percent);
        let kinds: Vec<PlannedKind> = asked
            .kinds
            .iter()
            .map(|(kind, wanted)| PlannedKind {
                kind: kind.to_string(),
                cameras: wanted.cameras,
                interval_secs: wanted.interval.as_secs_f64(),
                managed_secs: managed(wanted, &stretch),
                looks_per_sec: wanted.looks_per_sec,
                urgent: wanted.urgent,
            })
            .collect();
        let sweep_secs =
            asked.polled as f64 * POLL_SECS / city.pipeline.load.polled_connections.max(1) as f64;
        let total = asked.demand.total();
        let mut plan = Self {
            cameras: city.cameras.len(),
            polled: asked.polled,
            sweep_secs,
            picture: pictures.assumed,
            pictures_known: pictures.known(),
            looks_per_sec: asked.looks_per_sec,
            kinds,
            pictures_per_sec: asked.pictures_per_sec,
            capacity: there,
            headroom_percent: (1.0 - total / there) * 100.0,
            first_broken: None,
            nodes: machines(largest_part(&asked.demand, there, city.pipeline.load.urgent_share_percent)),
            remedies: Vec::new(),
            demand: asked.demand.clone(),
        };
        plan.first_broken = plan.first_broken(&stretch, asked.shortest_poll, asked.polls_per_sec, city);
        match plan.first_broken {
            Some(BrokenPromise::Urgent { .. } | BrokenPromise::Interval { .. }) => {
                plan.remedies = plan.remedies(city, labels, capacity, pictures, &stretch);
            }
            // Looks may be stretched where a kind is looked at more often than it asks for.
            _ => plan.nodes = 1,
        }
        plan
    }

    /// Whether every promise can be kept.
    #[must_use]
    pub const fn fits(&self) -> bool {
        self.first_broken.is_none()
    }

    fn first_broken(
        &self,
        stretch: &Stretch,
        shortest_poll: Option<Duration>,
        polls_per_sec: f64,
        city: &City,
    ) -> Option<BrokenPromise> {
        let broken = |urgent: bool| {
            let kinds = self.kinds.iter().filter(|kind| kind.urgent == urgent);
            let late = kinds.filter(|kind| kind.managed_secs > kind.interval_secs * (1.0 + ROUNDING));
            let first = late.min_by(|a, b| a.interval_secs.total_cmp(&b.interval_secs))?;
            Some((first.kind.clone(), first.interval_secs, first.managed_secs))
        };
        if let Some((kind, interval_secs, managed_secs)) = broken(true) {
            return Some(BrokenPromise::Urgent { kind, interval_secs, managed_secs });
        }
        if let Some((kind, interval_secs, managed_secs)) = broken(false) {
            let stretch = stretch.rest;
            return Some(BrokenPromise::Interval { kind, interval_secs, managed_secs, stretch });
        }
        let interval = shortest_poll?.as_secs_f64();
        let connections = city.pipeline.load.polled_connections as f64;
        let too_many = polls_per_sec * POLL_SECS > connections
            || polls_per_sec > f64::from(city.pipeline.load.connects_per_second);
        too_many.then_some(BrokenPromise::Sweep { interval_secs: interval, sweep_secs: self.sweep_secs })
    }

    fn remedies(
        &self,
        city: &City,
        labels: &[ModelLabels],
        capacity: &Capacity,
        pictures: &Pictures,
        stretch: &Stretch,
    ) -> Vec<Remedy> {
        let mut remedies = vec![Remedy::Nodes { nodes: self.nodes }];
        if stretch.rest > 1.0 && stretch.urgent <= 1.0 && stretch.rest.is_finite() {
            remedies.push(Remedy::Intervals { factor: (stretch.rest * 100.0).ceil() / 100.0 });
        }
        let part = largest_part(&self.demand, self.capacity, city.pipeline.load.urgent_share_percent);
        remedies.push(Remedy::Cameras { cameras: (self.cameras as f64 * part + ROUNDING) as usize });
        let small = Asked::of(city, labels, capacity, &pictures.at_most((640, 360))).demand;
        let small_stretch = Stretch::of(&small, self.capacity, city.pipeline.load.urgent_share_percent);
        if small_stretch.urgent <= 1.0 && small_stretch.rest <= 1.0 {
            remedies.push(Remedy::SubStreams { saves: self.demand.total() - small.total() });
        }
        remedies
    }

    /// Names of the kinds, for logs.
    #[must_use]
    pub fn kind(&self, kind: &EventKind) -> Option<&PlannedKind> {
        self.kinds.iter().find(|planned| planned.kind == kind.as_str())
    }
}

/// The interval in which a kind is really looked at, in seconds, by the looks that come last.
fn managed(wanted: &Wanted, stretch: &Stretch) -> f64 {
    let part = |asked: Duration, stretch: f64| match asked {
        Duration::ZERO => 0.0,
        asked => asked.as_secs_f64() * stretch,
    };
    part(wanted.asked_first, stretch.urgent).max(part(wanted.asked_in_turn, stretch.rest))
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<22} {:>8} {:>10} {:>10} {:>9}", "kind", "cameras", "promised", "managed", "looks/s")?;
        for kind in &self.kinds {
            let name = if kind.urgent { format!("{} (first)", kind.kind) } else { kind.kind.clone() };
            let (promised, managed) = (
                format!("{} s", kind.interval_secs),
                Every(kind.managed_secs).to_string().replace("every ", ""),
            );
            let (cameras, looks) = (kind.cameras, kind.looks_per_sec);
            writeln!(f, "{name:<22} {cameras:>8} {promised:>10} {managed:>10} {looks:>9.2}")?;
        }
        let Demand { receive, decode, scale, infer, verify, around, .. } = self.demand;
        writeln!(f, "\n{:<22} {:>8}", "stage", "CPU-s/s")?;
        let stages = [
            ("receive and gate", receive),
            ("decode", decode),
            ("scale", scale),
            ("infer", infer),
            ("second opinions", verify),
            ("everything around", around),
        ];
        for (stage, cost) in stages {
            writeln!(f, "{stage:<22} {cost:>8.3}")?;
        }
        writeln!(f, "{:<22} {:>8.3}", "all", self.demand.total())?;
        writeln!(f, "{:<22} {:>8.3}", "this machine", self.capacity)?;
        let (width, height) = self.picture;
        writeln!(
            f,
            "\n{} cameras, {:.1} pictures decoded a second, {:.1} looks a second",
            self.cameras, self.pictures_per_sec, self.looks_per_sec
        )?;
        let unknown = self.cameras - self.pictures_known.min(self.cameras);
        if unknown > 0 {
            writeln!(
                f,
                "{unknown} cameras were never connected: pictures of {width}x{height} are assumed of them"
            )?;
        }
        if self.polled > 0 {
            writeln!(f, "{} cameras are polled; a sweep takes {:.0} s", self.polled, self.sweep_secs)?;
        }
        writeln!(f, "headroom              {:.0} %", self.headroom_percent)?;
        writeln!(f, "nodes needed          {}", self.nodes)?;
        match &self.first_broken {
            None => writeln!(f, "first broken promise  none: the city fits"),
            Some(broken) => {
                writeln!(f, "first broken promise  {broken}")?;
                self.remedies.iter().try_for_each(|remedy| writeln!(f, "it would fit with     {remedy}"))
            }
        }
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
