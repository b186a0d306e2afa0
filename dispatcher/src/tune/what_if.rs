//! Goes through the log once, under many policies.

use super::chunk::{Chunk, Part, merge};
use super::figures::Known;
use super::frames::{ByCamera, Names, Resolved, Rows, gaps, of_segment};
use super::policy::{Policy, PolicyError, Scope};
use super::report::{Gap, LogSummary, MAX_GAPS, Report};
use super::street::Street;
use super::truth::Truth;
use super::{columns, figures, suggest};
use crate::intake::Taken;
use crate::log::{self, LogError};
use crate::permit::Register;
use crate::sensor::with_sensors;
use citybrain_ingest_config::City;
use citybrain_types::{CameraId, EventKind, Timestamp};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Most policies in one run, beside the one in force.
pub const MAX_POLICIES: usize = 1_024;
/// A camera of which nothing was logged for this long, and for four of its look intervals, was not watched.
const GAP: Duration = Duration::from_secs(60);
const GAP_INTERVALS: u32 = 4;
const DAY_SECS: f64 = 86_400.0;

/// Is told of what was read, the streets so far, and which part of how many it was; says whether to go on.
type Tell<'t> = dyn FnMut(&Read, &[Street], (usize, usize)) -> bool + 't;

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum TuneError {
    /// A policy cannot be used.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// More policies than one run takes.
    #[error("{0} policies are more than the {MAX_POLICIES} that one run takes")]
    TooMany(usize),
    /// The log holds no frame of a camera of the configuration.
    #[error("the log {path} holds no frame of a camera of this configuration", path = .0.display())]
    Empty(PathBuf),
    /// Whoever listened has had enough.
    #[error("stopped")]
    Stopped,
    /// A thread could not be started.
    #[error("a thread cannot be started: {0}")]
    Thread(std::io::Error),
}

/// What is asked for, beside the policies.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// At most so many cases a camera and day.
    pub budget: Option<f64>,
    /// At most this share of events missed.
    pub miss_rate: Option<f64>,
    /// Suggest for each of these apart: the whole city, its areas, or its cameras.
    pub per: Per,
    /// Threads; at least one.
    pub threads: usize,
}

impl Default for Asked {
    fn default() -> Self {
        Self { budget: None, miss_rate: None, per: Per::City, threads: 2 }
    }
}

/// For which cameras a suggestion is made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Per {
    /// All together.
    #[default]
    City,
    /// Those of each area.
    Area,
    /// Each.
    Camera,
}

/// How far a run has come.
pub struct Progress<'a> {
    /// Parts of the log that are read.
    pub read: usize,
    /// Of how many.
    pub of: usize,
    /// What is known by now.
    pub so_far: &'a dyn Fn() -> Report,
}

/// A what-if over one city.
#[derive(Debug, Clone)]
pub struct WhatIf {
    city: Arc<City>,
    register: Arc<Register>,
    asked: Asked,
}

/// What has been read.
#[derive(Debug, Default)]
pub(super) struct Read {
    names: Names,
    taken: HashMap<CameraId, Taken>,
    last: HashMap<CameraId, i64>,
    watched: BTreeMap<CameraId, Duration>,
    summary: LogSummary,
}

impl WhatIf {
    /// Over the cameras of a city; `register` is what kinds that need a permit ask.
    #[must_use]
    pub fn new(city: Arc<City>, register: Arc<Register>, asked: Asked) -> Self {
        Self { city: with_sensors(city), register, asked }
    }

    /// Goes through a log, a file or a folder of them, under the policy in force and others. `tell` hears how far it has
    /// come after each part of the log; when it says `false`, the run ends.
    ///
    /// # Errors
    /// [`TuneError`] when a policy cannot be used, or the log cannot be read or is empty.
    pub fn run(
        &self,
        log: &Path,
        policies: &[Policy],
        truth: &Truth,
        tell: &mut dyn FnMut(Progress<'_>) -> bool,
    ) -> Result<Report, TuneError> {
        let all = with_that_in_force(policies);
        let mut part = |read: &Read, streets: &[Street], (n, of): (usize, usize)| {
            let so_far = || self.report(&all, streets, truth, read, n == of);
            tell(Progress { read: n, of, so_far: &so_far })
        };
        let (streets, read) = self.streets(log, policies, &mut part)?;
        if read.summary.frames == 0 {
            return Err(TuneError::Empty(log.to_owned()));
        }
        Ok(self.report(&all, &streets, truth, &read, true))
    }

    /// The city under each policy, the one in force first, once it has gone through the log.
    pub(super) fn streets(
        &self,
        log: &Path,
        policies: &[Policy],
        tell: &mut Tell<'_>,
    ) -> Result<(Vec<Street>, Read), TuneError> {
        if policies.len() > MAX_POLICIES {
            return Err(TuneError::TooMany(policies.len()));
        }
        let mut streets = Vec::with_capacity(policies.len() + 1);
        for policy in with_that_in_force(policies) {
            streets.push(Street::new(Arc::clone(&self.city), policy, Arc::clone(&self.register))?);
        }
        let mut lowest = self.lowest(&streets);
        let parts = log::parts(log)?;
        let mut read = Read::default();
        for (n, part) in parts.iter().enumerate() {
            if let log::Part::Ruling(path) = part {
                if rule(&mut streets, path, &mut read.summary.torn_files)? {
                    lowest = self.lowest(&streets);
                }
            } else {
                let chunk = self.load(part, log.is_dir(), &mut read, &streets[0], &lowest)?;
                let taken: Vec<&mut Street> = streets.iter_mut().collect();
                parallel(taken, self.asked.threads, |street| street.take(&chunk))?;
            }
            if !tell(&read, &streets, (n + 1, parts.len())) {
                return Err(TuneError::Stopped);
            }
        }
        Ok((streets, read))
    }

    /// By camera and kind, the lowest score at which a box begins a place under any of the policies.
    fn lowest(&self, streets: &[Street]) -> HashMap<CameraId, BTreeMap<EventKind, f32>> {
        let of = |camera: &CameraId| {
            let mut lowest: BTreeMap<EventKind, f32> = BTreeMap::new();
            for (kind, score) in streets.iter().filter_map(|street| street.relevant(camera)).flatten() {
                let known = lowest.entry(kind.clone()).or_insert(f32::INFINITY);
                *known = known.min(*score);
            }
            lowest
        };
        self.city.cameras.keys().map(|camera| (camera.clone(), of(camera))).collect()
    }

    fn load(
        &self,
        part: &log::Part,
        lenient: bool,
        read: &mut Read,
        street: &Street,
        lowest: &HashMap<CameraId, BTreeMap<EventKind, f32>>,
    ) -> Result<Chunk, TuneError> {
        let names = &read.names;
        let torn = &mut read.summary.torn_files;
        let files: Vec<ByCamera> = match part {
            log::Part::Segment(path) => match of_segment(path, names, torn) {
                Err(LogError::NotALog { .. }) if lenient => {
                    *torn += 1;
                    Vec::new()
                }
                cameras => vec![cameras?],
            },
            log::Part::Ruling(_) => Vec::new(),
            log::Part::Parquet(paths) => {
                let paths: Vec<&PathBuf> = paths.iter().collect();
                let mut files = Vec::with_capacity(paths.len());
                for file in parallel(paths, self.asked.threads, |path| columns::of_file(path, names))? {
                    match file {
                        Err(LogError::NotALog { .. }) if lenient => *torn += 1,
                        file => files.push(file?),
                    }
                }
                files
            }
        };
        let resolved = Resolved::of(names);
        let known = merge(files).into_iter().filter(|(camera, _)| self.city.cameras.contains_key(camera));
        let cameras: Vec<(CameraId, Rows, Taken)> = known
            .map(|(camera, rows)| (camera.clone(), rows, read.taken.remove(&camera).unwrap_or_default()))
            .collect();
        let none = BTreeMap::new();
        let raises = |camera: &CameraId| {
            self.city.sensors.iter().any(|sensor| sensor.id == *camera && sensor.raises.is_some())
        };
        let settled = parallel(cameras, self.asked.threads, |(camera, mut rows, mut taken)| {
            rows.settle(&mut taken);
            let lowest = lowest.get(&camera).unwrap_or(&none);
            let looked_for = |listed: &[EventKind]| street.looked_for(&camera, listed);
            (Part::new(camera.clone(), rows, &resolved, lowest, raises(&camera), looked_for), taken)
        })?;
        let mut parts = Vec::with_capacity(settled.len());
        for (part, taken) in settled {
            read.taken.insert(part.camera.clone(), taken);
            self.count(&part, &mut read.summary, &mut read.last, &mut read.watched);
            parts.push(part);
        }
        Ok(Chunk::new(parts, resolved))
    }

    /// Takes a camera's frames into the summary.
    fn count(
        &self,
        part: &Part,
        summary: &mut LogSummary,
        last: &mut HashMap<CameraId, i64>,
        watched: &mut BTreeMap<CameraId, Duration>,
    ) {
        let rows = &part.rows;
        let (Some(first), Some(newest)) = (rows.captured_at.iter().min(), rows.captured_at.iter().max())
        else {
            return;
        };
        summary.frames += rows.len() as u64;
        summary.detections += rows.kind.len() as u64;
        let [first, newest] = [*first, *newest].map(Timestamp::from_micros);
        summary.from = Some(summary.from.map_or(first, |from| from.min(first)));
        summary.to = summary.to.max(Some(newest));
        let camera = self.city.cameras.get(&part.camera);
        let kinds = camera.into_iter().flat_map(|camera| &camera.kinds);
        let intervals = kinds.filter_map(|kind| self.city.kinds.get(kind)).map(|row| row.look_interval);
        let longest = GAP.max(intervals.min().unwrap_or_default() * GAP_INTERVALS);
        let before = last.get(&part.camera).copied();
        let (found, seen) = gaps(rows, before, longest);
        *watched.entry(part.camera.clone()).or_default() += seen;
        last.insert(part.camera.clone(), newest.as_micros().max(before.unwrap_or(i64::MIN)));
        summary.gaps_in_all += found.len() as u64;
        let camera = &part.camera;
        summary.gaps.extend(found.into_iter().map(|(from, to)| Gap { camera: camera.clone(), from, to }));
        summary.gaps.sort_by_key(|gap| (std::cmp::Reverse(gap.to.since(gap.from)), gap.from));
        summary.gaps.truncate(MAX_GAPS);
    }

    fn report(
        &self,
        policies: &[Policy],
        streets: &[Street],
        truth: &Truth,
        read: &Read,
        complete: bool,
    ) -> Report {
        let mut log = read.summary.clone();
        log.cameras = read.watched.len() as u64;
        log.days = log.from.zip(log.to).map_or(0.0, |(from, to)| to.since(from).as_secs_f64() / DAY_SECS);
        log.camera_days = read.watched.values().map(Duration::as_secs_f64).sum::<f64>() / DAY_SECS;
        let known = Known::of(truth, streets);
        let scene = figures::Scene { streets, known: &known, days: log.days, watched: &read.watched };
        let outcomes: Vec<_> =
            policies.iter().enumerate().map(|(n, policy)| scene.outcome(n, policy)).collect();
        let curves = suggest::curves(&self.asked, policies, &scene);
        let suggestions = suggest::suggestions(&self.asked, &self.city, policies, &scene);
        let mut warnings = known.warnings();
        if log.gaps_in_all > 0 {
            let share = 100.0 * log.camera_days / (log.days * log.cameras as f64).max(f64::MIN_POSITIVE);
            warnings.push(format!(
                "the log has {} gaps in which a camera was not watched; {share:.1} % of the time is covered",
                log.gaps_in_all
            ));
        }
        let misfits = streets.iter().filter_map(|street| street.misfit.as_ref());
        warnings.extend(misfits.map(|misfit| {
            format!("{misfit}, under what was in force for a time; there it is laid over the configuration's own numbers")
        }));
        if log.torn_files > 0 {
            warnings.push(format!(
                "{} files of the log are cut off; what is whole in them was read",
                log.torn_files
            ));
        }
        Report { complete, log, policies: outcomes, curves, suggestions, warnings }
    }
}

/// Tells every policy what was decided; `true` when other thresholds came into force.
fn rule(streets: &mut [Street], path: &Path, torn: &mut u64) -> Result<bool, LogError> {
    let Some(ruling) = log::read_ruling(path, &mut |_| *torn += 1)? else { return Ok(false) };
    let mut other = false;
    for street in streets {
        other |= street.rule(&ruling);
    }
    Ok(other)
}

fn with_that_in_force(policies: &[Policy]) -> Vec<Policy> {
    std::iter::once(Policy::in_force()).chain(policies.iter().cloned()).collect()
}

/// The cameras a scope is for.
pub(super) fn in_scope(city: &City, scope: &Scope, camera: &CameraId) -> bool {
    match scope {
        Scope::City => true,
        Scope::Camera(own) | Scope::Zone { camera: own, .. } => own == camera,
        Scope::Area(area) => city
            .cameras
            .get(camera)
            .and_then(|camera| camera.area.as_deref())
            .is_some_and(|own| own == area || city.cases.upwards(own).any(|(name, _)| name == area)),
    }
}

/// Does something with each of several things, on some threads; the answers are in the order of the things.
fn parallel<T: Send, R: Send>(
    things: Vec<T>,
    threads: usize,
    work: impl Fn(T) -> R + Sync,
) -> Result<Vec<R>, TuneError> {
    let threads = threads.clamp(1, 64).min(things.len());
    if threads <= 1 {
        return Ok(things.into_iter().map(work).collect());
    }
    let things: Vec<Mutex<Option<T>>> = things.into_iter().map(|thing| Mutex::new(Some(thing))).collect();
    let answers: Vec<Mutex<Option<R>>> = things.iter().map(|_| Mutex::new(None)).collect();
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let one = || {
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                let (Some(thing), Some(answer)) = (things.get(n), answers.get(n)) else { return };
                let thing = thing.lock().unwrap_or_else(PoisonError::into_inner).take();
                let done = thing.map(&work);
                *answer.lock().unwrap_or_else(PoisonError::into_inner) = done;
            }
        };
        for n in 0..threads {
            let named = std::thread::Builder::new().name(format!("what-if-{n}"));
            named.spawn_scoped(scope, one).map_err(TuneError::Thread)?;
        }
        Ok::<(), TuneError>(())
    })?;
    let answers =
        answers.into_iter().map(|answer| answer.into_inner().unwrap_or_else(PoisonError::into_inner));
    Ok(answers.flatten().collect())
}
