//! Goes through the log once, under many policies.

use super::figures::{self, Known};
use super::proposal::{PolicyError, Proposal, Scope};
use super::reading::{Lowest, Read, parallel};
use super::remark::Remark;
use super::report::Report;
use super::street::Street;
use super::suggest;
use super::truth::Truth;
use crate::log::{self, LogError};
use crate::permit::Register;
use crate::sensor::with_sensors;
use citybrain_ingest_config::City;
use citybrain_ingest_config::policy::Policy;
use citybrain_types::{CameraId, EventKind, Timestamp};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Most policies in one run, beside the one in force.
pub const MAX_POLICIES: usize = 1_024;
/// Cases that are kept of each policy when nothing else is said; further ones are counted.
const MOST_CASES: usize = 200_000;
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
    #[error("the log {} holds no frame of a camera of this configuration", .0.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", "))]
    Empty(Vec<PathBuf>),
    /// Whoever listened has had enough.
    #[error("stopped")]
    Stopped,
    /// It took longer than it may.
    #[error("it took longer than {} s: ask for fewer days", .0.as_secs())]
    TooLong(Duration),
    /// Others are waiting already.
    #[error("{0} what-ifs are worked out or wait already; try again in a moment")]
    Busy(usize),
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
    /// Tell of these cameras only: all figures, curves and cases.
    pub only: Scope,
    /// Suggest for each of these apart: all together, by area, or by camera.
    pub per: Per,
    /// From this moment on; the whole log when not given.
    pub since: Option<Timestamp>,
    /// Most cases that are kept of each policy; further ones are counted by camera and kind.
    pub most_cases: usize,
    /// Threads; at least one.
    pub threads: usize,
}

impl Default for Asked {
    fn default() -> Self {
        Self {
            budget: None,
            miss_rate: None,
            only: Scope::City,
            per: Per::City,
            since: None,
            most_cases: MOST_CASES,
            threads: 2,
        }
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
    against: Option<Policy>,
}

impl WhatIf {
    /// Over the cameras of a city; `register` is what kinds that need a permit ask.
    #[must_use]
    pub fn new(city: Arc<City>, register: Arc<Register>, asked: Asked) -> Self {
        Self { city: with_sensors(city), register, asked, against: None }
    }

    /// Holds everything against this policy as the one in force. It and the others take the place of whatever was in force
    /// when the log was written; else they are laid over that.
    #[must_use]
    pub fn against(self, live: Policy) -> Self {
        Self { against: Some(live), ..self }
    }

    /// Goes through a log, files or folders of them one after the other, under the policy in force and others. `tell` hears how far it has
    /// come after each part of the log; when it says `false`, the run ends.
    ///
    /// # Errors
    /// [`TuneError`] when a policy cannot be used, or the log cannot be read or is empty.
    pub fn run(
        &self,
        log: &[PathBuf],
        proposals: &[Proposal],
        truth: &Truth,
        tell: &mut dyn FnMut(Progress<'_>) -> bool,
    ) -> Result<Report, TuneError> {
        let all = self.with_that_in_force(proposals);
        let mut part = |read: &Read, streets: &[Street], (n, of): (usize, usize)| {
            let so_far = || self.report(&all, streets, truth, read, n == of);
            tell(Progress { read: n, of, so_far: &so_far })
        };
        let (streets, read) = self.streets(log, proposals, &mut part)?;
        if read.summary.frames == 0 {
            return Err(TuneError::Empty(log.to_vec()));
        }
        Ok(self.report(&all, &streets, truth, &read, true))
    }

    /// The city under each policy, the one in force first, once it has gone through the log.
    pub(super) fn streets(
        &self,
        log: &[PathBuf],
        proposals: &[Proposal],
        tell: &mut Tell<'_>,
    ) -> Result<(Vec<Street>, Read), TuneError> {
        if proposals.len() > MAX_POLICIES {
            return Err(TuneError::TooMany(proposals.len()));
        }
        let mut streets = Vec::with_capacity(proposals.len() + 1);
        for proposal in self.with_that_in_force(proposals) {
            let (city, register) = (Arc::clone(&self.city), Arc::clone(&self.register));
            let replaces = self.against.is_some();
            streets.push(Street::new(city, proposal, replaces, self.asked.most_cases, register)?);
        }
        let mut lowest = self.lowest(&streets);
        let mut parts = Vec::new();
        for log in log {
            parts.extend(log::parts(log)?.into_iter().map(|part| (log, part)));
        }
        let mut read = Read::new(Arc::clone(&self.city), self.asked.threads, self.asked.since);
        for (n, (log, part)) in parts.iter().enumerate() {
            if let log::Part::Ruling(path) = part {
                if rule(&mut streets, path, &mut read.summary.torn_files)? {
                    lowest = self.lowest(&streets);
                }
            } else if let Some(chunk) = read.chunk(log, part, &streets[0], &lowest)? {
                let taken: Vec<&mut Street> = streets.iter_mut().collect();
                parallel(taken, self.asked.threads, |street| street.take(&chunk))?;
            }
            if !tell(&read, &streets, (n + 1, parts.len())) {
                return Err(TuneError::Stopped);
            }
        }
        Ok((streets, read))
    }

    fn with_that_in_force(&self, proposals: &[Proposal]) -> Vec<Proposal> {
        let live = Proposal::in_force(self.against.as_ref());
        std::iter::once(live).chain(proposals.iter().cloned()).collect()
    }

    /// By camera and kind, the lowest score at which a box begins a place under any of the policies.
    fn lowest(&self, streets: &[Street]) -> Lowest {
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

    fn report(
        &self,
        proposals: &[Proposal],
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
        let (watched, only) = (&read.watched, &self.asked.only);
        let scene = figures::Scene { streets, only, known: &known, days: log.days, watched };
        let outcomes: Vec<_> =
            proposals.iter().enumerate().map(|(n, proposal)| scene.outcome(n, proposal)).collect();
        let curves = suggest::curves(&self.asked, proposals, &scene);
        let suggestions = suggest::suggestions(&self.asked, proposals, &scene);
        let all = outcomes.first().map(|live| live.all.clone()).unwrap_or_default();
        let mut warnings = known.remarks(&all);
        if complete && log.days < 1.0 {
            warnings.push(Remark::ShortLog { hours: 24.0 * log.days });
        }
        if log.gaps_in_all > 0 {
            let whole = (log.days * log.cameras as f64).max(f64::MIN_POSITIVE);
            let covered_percent = 100.0 * log.camera_days / whole;
            warnings.push(Remark::Gaps { gaps: log.gaps_in_all, covered_percent });
        }
        let misfits = streets.iter().filter_map(|street| street.misfit.as_ref());
        warnings.extend(misfits.map(|misfit| Remark::Misfit { problem: misfit.to_string() }));
        if log.torn_files > 0 {
            warnings.push(Remark::TornFiles { files: log.torn_files });
        }
        Report { complete, log, scope: only.clone(), policies: outcomes, curves, suggestions, warnings }
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
