//! Reads a log part by part into columns, once for all policies.

use super::chunk::{Chunk, Part, merge};
use super::frames::{ByCamera, Names, Resolved, Rows, gaps, of_segment};
use super::report::{Gap, LogSummary, MAX_GAPS};
use super::street::Street;
use super::{TuneError, columns};
use crate::intake::Taken;
use crate::log::{self, LogError};
use citybrain_ingest_config::City;
use citybrain_types::{CameraId, EventKind, Timestamp};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A camera of which nothing was logged for this long, and for four of its look intervals, was not watched.
const GAP: Duration = Duration::from_secs(60);
const GAP_INTERVALS: u32 = 4;
/// A file of a day that ended so long before the first frame that is asked for holds none of it, in any time zone.
const DAY_AND_ZONES: Duration = Duration::from_secs(2 * 86_400);

/// By camera and kind, the lowest score at which a box begins a place.
pub(super) type Lowest = HashMap<CameraId, BTreeMap<EventKind, f32>>;

/// A log that is read, and what has been read of it.
#[derive(Debug)]
pub(super) struct Read {
    city: Arc<City>,
    threads: usize,
    since: Option<Timestamp>,
    names: Names,
    taken: HashMap<CameraId, Taken>,
    last: HashMap<CameraId, i64>,
    pub(super) watched: BTreeMap<CameraId, Duration>,
    pub(super) summary: LogSummary,
}

impl Read {
    /// Of the cameras of a city, from a moment on.
    pub(super) fn new(city: Arc<City>, threads: usize, since: Option<Timestamp>) -> Self {
        Self {
            city,
            threads,
            since,
            names: Names::default(),
            taken: HashMap::new(),
            last: HashMap::new(),
            watched: BTreeMap::new(),
            summary: LogSummary::default(),
        }
    }

    /// The frames of a part of a log; `None` where none is new enough, or the part is gone.
    pub(super) fn chunk(
        &mut self,
        log: &Path,
        part: &log::Part,
        street: &Street,
        lowest: &Lowest,
    ) -> Result<Option<Chunk>, TuneError> {
        if self.is_over(part) {
            return Ok(None);
        }
        match self.load(part, log.is_dir(), street, lowest) {
            // A running city has made Parquet of it, or dropped it, since the folder was listed.
            Err(TuneError::Log(error)) if log.is_dir() && log::is_gone(&error) => {
                let now = log::same_part(log, part)?;
                now.map(|part| self.load(&part, true, street, lowest)).transpose()
            }
            chunk => chunk.map(Some),
        }
    }

    /// Whether every file is of a day before what is asked for: that stands in its path.
    fn is_over(&self, part: &log::Part) -> bool {
        let (Some(since), log::Part::Parquet(files)) = (self.since, part) else { return false };
        let first: String = since.minus(DAY_AND_ZONES).to_string().chars().take(10).collect();
        let day = |file: &PathBuf| {
            let folders = file.iter().filter_map(|folder| folder.to_str());
            folders.filter_map(|folder| folder.strip_prefix("day=")).next_back().map(str::to_owned)
        };
        files.iter().all(|file| day(file).is_some_and(|day| day.len() == first.len() && day < first))
    }

    fn load(
        &mut self,
        part: &log::Part,
        lenient: bool,
        street: &Street,
        lowest: &Lowest,
    ) -> Result<Chunk, TuneError> {
        let files = self.files(part, lenient)?;
        let resolved = Resolved::of(&self.names);
        let mut cameras: Vec<(CameraId, Rows, Taken)> = Vec::new();
        for (camera, rows) in merge(files) {
            if self.city.cameras.contains_key(&camera) {
                let taken = self.taken.remove(&camera).unwrap_or_default();
                cameras.push((camera, rows, taken));
            }
        }
        let none = BTreeMap::new();
        let since = self.since.map_or(i64::MIN, Timestamp::as_micros);
        let raises = |camera: &CameraId| {
            self.city.sensors.iter().any(|sensor| sensor.id == *camera && sensor.raises.is_some())
        };
        let settled = parallel(cameras, self.threads, |(camera, mut rows, mut taken)| {
            rows.forget_before(since);
            rows.settle(&mut taken);
            let lowest = lowest.get(&camera).unwrap_or(&none);
            let looked_for = |listed: &[EventKind]| street.looked_for(&camera, listed);
            (Part::new(camera.clone(), rows, &resolved, lowest, raises(&camera), looked_for), taken)
        })?;
        let mut parts = Vec::with_capacity(settled.len());
        for (part, taken) in settled {
            self.taken.insert(part.camera.clone(), taken);
            self.count(&part);
            parts.push(part);
        }
        Ok(Chunk::new(parts, resolved))
    }

    /// The frames of a part's files, by camera.
    fn files(&mut self, part: &log::Part, lenient: bool) -> Result<Vec<ByCamera>, TuneError> {
        let names = &self.names;
        let torn = &mut self.summary.torn_files;
        Ok(match part {
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
                for file in parallel(paths, self.threads, |path| columns::of_file(path, names))? {
                    match file {
                        Err(LogError::NotALog { .. }) if lenient => *torn += 1,
                        file => files.push(file?),
                    }
                }
                files
            }
        })
    }

    /// Takes a camera's frames into the summary.
    fn count(&mut self, part: &Part) {
        let (summary, last, watched) = (&mut self.summary, &mut self.last, &mut self.watched);
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
}

/// Does something with each of several things, on some threads; the answers are in the order of the things.
pub(super) fn parallel<T: Send, R: Send>(
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
