//! What a policy would have led to: the last days of the log under it, and under what is in force.

use crate::log::{self, Entry, LogError, LogStore};
use crate::permit::Register;
use crate::replay::{Replay, Replayed};
use crate::ruling::{Decided, Ruling};
use citybrain_ingest_config::City;
use citybrain_ingest_config::policy::Calibration;
use citybrain_types::{CameraId, DetectionBatch, EventKind, IncidentId, Snapshots, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Gained or lost cases that a forecast lists; how many there are is told apart.
pub const MAX_LISTED: usize = 100;
/// So many more cases than now are thousands.
const THOUSANDS: u64 = 1_000;
/// So many times the cases of now are a flood, where there are some.
const FLOOD: f64 = 10.0;
/// From so many cases on it says something that none is left.
const SOME: u64 = 3;
/// Two cases are one where they begin at one camera within this.
const SAME_WITHIN_SECS: u64 = 600;

/// Before and after.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct KindForecast {
    /// Cases under what is in force.
    pub before: u64,
    /// Cases under the policy.
    pub after: u64,
    /// Cases a day under what is in force.
    pub before_per_day: f64,
    /// Cases a day under the policy.
    pub after_per_day: f64,
    /// Happenings of these days that people have called real.
    pub real: u64,
    /// Those of them that what is in force opens.
    pub before_real: u64,
    /// Those of them that the policy opens.
    pub after_real: u64,
    /// Cases that people have called false, and that what is in force opens.
    pub before_false: u64,
    /// Cases that people have called false, and that the policy opens.
    pub after_false: u64,
}

impl KindForecast {
    /// Under what is in force and under the policy: the share of real cases among those that are known, where some are.
    #[must_use]
    pub fn precision(&self) -> [Option<f64>; 2] {
        [(self.before_real, self.before_false), (self.after_real, self.after_false)]
            .map(|(real, wrong)| share(real, real + wrong))
    }

    /// Under what is in force and under the policy: the share of real happenings that are opened, where some are known.
    #[must_use]
    pub fn recall(&self) -> [Option<f64>; 2] {
        [self.before_real, self.after_real].map(|opened| share(opened, self.real))
    }
}

fn share(hits: u64, of: u64) -> Option<f64> {
    (of > 0).then(|| hits as f64 / of as f64)
}

/// What a person has said of a happening.
#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    /// Its kind.
    pub kind: EventKind,
    /// Its camera.
    pub camera: CameraId,
    /// When it was seen.
    pub at: Timestamp,
    /// It was there.
    pub real: bool,
}

/// A case that only one side opens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Sketch {
    /// Its incident.
    pub incident: IncidentId,
    /// Its kind.
    pub kind: EventKind,
    /// Its camera.
    pub camera: CameraId,
    /// When it was first seen.
    pub first_seen_at: Timestamp,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// Its highest score.
    pub score: f32,
    /// Its pictures.
    pub snapshots: Option<Snapshots>,
}

/// What a policy would have led to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Forecast {
    /// When it was worked out.
    pub made_at: Timestamp,
    /// The first frame that was read.
    pub from: Option<Timestamp>,
    /// The last frame that was read.
    pub to: Option<Timestamp>,
    /// Days between the two.
    pub days: f64,
    /// Frames that were read.
    pub frames: u64,
    /// All kinds together.
    pub all: KindForecast,
    /// By kind.
    #[schemars(with = "BTreeMap<String, KindForecast>")]
    pub by_kind: BTreeMap<EventKind, KindForecast>,
    /// Cases that only the policy opens, at most 100.
    pub gained: Vec<Sketch>,
    /// How many there are.
    pub gained_in_all: u64,
    /// Cases that only what is in force opens, at most 100.
    pub lost: Vec<Sketch>,
    /// How many there are.
    pub lost_in_all: u64,
    /// What must be said yes to before it goes live.
    pub warnings: Vec<String>,
}

/// A city and how it takes the scores of its models.
pub type Side = (Arc<City>, BTreeMap<EventKind, Calibration>);

/// Reads the log of the first side's city from a moment on, under all sides at once; tells what each other side leads to
/// against the first. What lies in a store elsewhere was brought here before.
///
/// # Errors
/// [`LogError`] when a file of the log cannot be read. A log that is not there yet is an empty one.
pub fn forecasts(
    sides: Vec<Side>,
    known: &[Known],
    from: Timestamp,
    made_at: Timestamp,
) -> Result<Vec<Forecast>, LogError> {
    let Some((first, _)) = sides.first() else { return Ok(Vec::new()) };
    let folders = LogStore::folders(first);
    let mut replays: Vec<Replay> = sides
        .into_iter()
        .map(|(city, calibration)| {
            let mut replay = Replay::new(city, Arc::new(Register::default()));
            replay.calibrate(calibration);
            replay
        })
        .collect();
    let mut read = Read::default();
    for folder in folders {
        log::read_entries(
            &folder,
            |entry| {
                let Some(entry) = read.newer(entry, from) else { return };
                replays.iter_mut().for_each(|replay| replay.entry(&entry));
            },
            |path| tracing::warn!(path = %path.display(), "a file of the log was cut off; what is whole was read"),
        )?;
    }
    let known: Vec<&Known> = known.iter().filter(|known| known.at >= from).collect();
    let opened: Vec<Vec<Sketch>> = replays.iter().map(of).collect();
    Ok(opened.iter().skip(1).map(|after| read.told(&opened[0], after, &known, made_at)).collect())
}

/// How much was read.
#[derive(Default)]
struct Read {
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    frames: u64,
}

impl Read {
    /// What of an entry lies in the time that is asked for. What was put in force along the way is left out: that is
    /// what the two sides differ in.
    fn newer(&mut self, entry: Entry, from: Timestamp) -> Option<Entry> {
        let batch = match entry {
            Entry::Ruling(Ruling { what: Decided::Thresholds { .. }, .. }) => return None,
            Entry::Ruling(_) => return Some(entry),
            Entry::Frames(batch) => batch,
        };
        let frames = batch.to_frames().unwrap_or_default();
        let frames: Vec<_> = frames.into_iter().filter(|frame| frame.captured_at >= from).collect();
        for frame in &frames {
            let at = frame.captured_at;
            self.from = Some(self.from.map_or(at, |from| from.min(at)));
            self.to = Some(self.to.map_or(at, |to| to.max(at)));
        }
        self.frames += frames.len() as u64;
        (!frames.is_empty()).then(|| Entry::Frames(DetectionBatch::from_frames(&frames)))
    }

    fn told(&self, before: &[Sketch], after: &[Sketch], known: &[&Known], made_at: Timestamp) -> Forecast {
        let days = self.from.zip(self.to).map_or(0.0, |(from, to)| to.since(from).as_secs_f64() / 86_400.0);
        // Half an hour of a log says nothing of a day: fewer cases a day are told than would be.
        let a_day = |cases: u64| if days > 0.0 { cases as f64 / days.max(1.0 / 24.0) } else { 0.0 };
        let cases = [before, after];
        let mut by_kind: BTreeMap<EventKind, KindForecast> = BTreeMap::new();
        for case in cases[0] {
            by_kind.entry(case.kind.clone()).or_default().before += 1;
        }
        for case in cases[1] {
            by_kind.entry(case.kind.clone()).or_default().after += 1;
        }
        for known in known {
            let numbers = by_kind.entry(known.kind.clone()).or_default();
            let [in_before, in_after] = cases.map(|cases| u64::from(is_opened(known, cases)));
            if known.real {
                numbers.real += 1;
                numbers.before_real += in_before;
                numbers.after_real += in_after;
            } else {
                numbers.before_false += in_before;
                numbers.after_false += in_after;
            }
        }
        let mut all = KindForecast::default();
        for kind in by_kind.values_mut() {
            (kind.before_per_day, kind.after_per_day) = (a_day(kind.before), a_day(kind.after));
            all.before += kind.before;
            all.after += kind.after;
            all.real += kind.real;
            all.before_real += kind.before_real;
            all.after_real += kind.after_real;
            all.before_false += kind.before_false;
            all.after_false += kind.after_false;
        }
        (all.before_per_day, all.after_per_day) = (a_day(all.before), a_day(all.after));
        let (lost, gained) = (only_in(cases[0], cases[1]), only_in(cases[1], cases[0]));
        let mut forecast = Forecast {
            made_at,
            from: self.from,
            to: self.to,
            days,
            frames: self.frames,
            all,
            by_kind,
            gained_in_all: gained.len() as u64,
            gained: gained.into_iter().take(MAX_LISTED).collect(),
            lost_in_all: lost.len() as u64,
            lost: lost.into_iter().take(MAX_LISTED).collect(),
            warnings: Vec::new(),
        };
        forecast.warnings = warnings(&forecast);
        forecast
    }
}

/// Whether some case stands for what is known: of its kind, at its camera, begun at nearly that time.
fn is_opened(known: &Known, cases: &[Sketch]) -> bool {
    cases.iter().any(|case| {
        let apart = case.first_seen_at.since(known.at).max(known.at.since(case.first_seen_at));
        case.kind == known.kind && case.camera == known.camera && apart.as_secs() <= SAME_WITHIN_SECS
    })
}

fn of(replay: &Replay) -> Vec<Sketch> {
    let sketch = |replayed: &Replayed| {
        let incident = &replayed.incident;
        (incident.kind.as_str() != EventKind::CAMERA_FAULT).then(|| Sketch {
            incident: incident.id.clone(),
            kind: incident.kind.clone(),
            camera: incident.camera.clone(),
            first_seen_at: incident.first_seen_at,
            opened_at: incident.opened_at,
            score: incident.score,
            snapshots: replayed.case.snapshots.clone(),
        })
    };
    replay.cases().filter_map(sketch).collect()
}

/// Those of `these` that none of `those` stands for: the same incident, or one of its kind that began at its camera at
/// nearly the same time, since other thresholds may count another frame as the first.
fn only_in(these: &[Sketch], those: &[Sketch]) -> Vec<Sketch> {
    let mut taken = vec![false; those.len()];
    let mut by_place: BTreeMap<(&CameraId, &EventKind), Vec<usize>> = BTreeMap::new();
    for (index, case) in those.iter().enumerate() {
        by_place.entry((&case.camera, &case.kind)).or_default().push(index);
    }
    let mut only = Vec::new();
    for case in these {
        let near = by_place.get(&(&case.camera, &case.kind)).into_iter().flatten().copied();
        let apart = |index: &usize| {
            let other = &those[*index];
            let apart = case
                .first_seen_at
                .since(other.first_seen_at)
                .max(other.first_seen_at.since(case.first_seen_at));
            (other.incident != case.incident, apart)
        };
        let best = near.filter(|index| !taken[*index]).min_by_key(apart);
        match best.filter(|index| !apart(index).0 || apart(index).1.as_secs() <= SAME_WITHIN_SECS) {
            Some(index) => taken[index] = true,
            None => only.push(case.clone()),
        }
    }
    only
}

/// What must be said yes to.
fn warnings(forecast: &Forecast) -> Vec<String> {
    let mut warnings = Vec::new();
    if forecast.frames == 0 {
        warnings.push(
            "the log holds no frame of these days, so that nothing is known of what it leads to".to_owned(),
        );
    }
    let named = forecast.by_kind.iter().map(|(kind, numbers)| (kind.to_string(), numbers));
    for (kind, numbers) in named {
        let KindForecast { before, after, before_per_day, after_per_day, .. } = numbers;
        if *after == 0 && *before >= SOME {
            warnings.push(format!(
                "it closes every case of {kind}: {before} in {:.1} days before, none after",
                forecast.days
            ));
        }
        if after.saturating_sub(*before) >= THOUSANDS {
            warnings.push(format!(
                "it opens thousands of cases of {kind}: {after} instead of {before} in {:.1} days",
                forecast.days
            ));
        } else if *before > 0 && *after >= *before + 10 && *after_per_day >= before_per_day * FLOOD {
            warnings.push(format!(
                "it opens {after_per_day:.1} cases of {kind} a day instead of {before_per_day:.1}"
            ));
        } else if *before == 0 && *after >= 10 {
            warnings.push(format!(
                "it opens {after} cases of {kind} in {:.1} days, where there are none now",
                forecast.days
            ));
        }
    }
    warnings
}
