//! Clips: when an event can be seen in them, and what a system that watched them made of it.
//!
//! `clips.csv` in the data's folder has a row for each event: `file` (below `clips/`), `duration_s`, `kind` (a category of
//! the pictures or a kind of event), `start_s`, `end_s`, `note`. The kind `none` says that nothing happens. Playing a clip
//! is not done here but handed in as [`Played`]: it takes the decoder, the evidence rules and the incidents of the
//! running system.

use super::dataset::{leaves_folder, read_table};
use super::metrics::{Interval, Share, rate};
use super::report::Unanswered;
use citybrain_types::{EventKind, Label};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Name of the list below the data's folder; it may be missing.
pub const FILE_NAME: &str = "clips.csv";
/// Folder of the clips.
const FOLDER: &str = "clips";
/// What stands in the place of a kind when nothing happens.
const NOTHING: &str = "none";

/// Why the list of clips cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{}: {reason}", .path.display())]
pub struct ClipsError {
    /// The list.
    pub path: PathBuf,
    /// Where and why.
    pub reason: String,
}

/// A clip and what can be seen in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Clip {
    /// Name of the file below `clips/`.
    pub file: String,
    /// Where it lies.
    pub path: PathBuf,
    /// What happens, by label or kind; empty when nothing does.
    pub events: Vec<(String, Span)>,
    /// How long it is said to last, in seconds; zero where that is not said.
    pub listed_secs: f64,
    /// What its maker has to say.
    pub note: String,
}

/// From when to when something can be seen, in seconds of the clip.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Span {
    /// The first moment.
    pub start_secs: f64,
    /// The last.
    pub end_secs: f64,
}

#[derive(Deserialize)]
struct Row {
    file: String,
    duration_s: Option<f64>,
    kind: String,
    start_s: Option<f64>,
    end_s: Option<f64>,
    #[serde(default)]
    note: String,
}

/// Reads the list of clips below `root`, in order of first mention; empty where there is none.
///
/// # Errors
/// [`ClipsError`] when there is a list that cannot be read.
pub fn read(root: &Path) -> Result<Vec<Clip>, ClipsError> {
    let path = root.join(FILE_NAME);
    if !path.exists() {
        return Ok(Vec::new());
    }
    let wrong = |reason: String| ClipsError { path: path.clone(), reason };
    let table = read_table(&path).map_err(|error| wrong(error.to_string()))?;
    let mut reader = csv::Reader::from_reader(table.as_slice());
    let mut clips: Vec<Clip> = Vec::new();
    for row in reader.deserialize::<Row>() {
        let row = row.map_err(|error| wrong(error.to_string()))?;
        if leaves_folder(&row.file) {
            return Err(wrong(format!("clip '{}' lies outside the folder", row.file)));
        }
        let known = clips.iter().position(|clip| clip.file == row.file).unwrap_or_else(|| {
            let (path, events) = (root.join(FOLDER).join(&row.file), Vec::new());
            let (file, note) = (row.file.clone(), row.note.clone());
            clips.push(Clip { file, path, events, listed_secs: row.duration_s.unwrap_or(0.0), note });
            clips.len() - 1
        });
        if row.kind == NOTHING {
            continue;
        }
        let span = row.start_s.zip(row.end_s).filter(|(start, end)| *start >= 0.0 && start < end);
        let Some((start_secs, end_secs)) = span else {
            return Err(wrong(format!(
                "clip '{}': an event of kind '{}' needs start_s before end_s",
                row.file, row.kind
            )));
        };
        clips[known].events.push((row.kind, Span { start_secs, end_secs }));
    }
    Ok(clips)
}

/// How a clip's pictures were taken out of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Decoding {
    /// Its keyframes come as often as looks do: nothing else was decoded, as from a camera.
    Keyframes,
    /// Its keyframes are too far apart: every frame was decoded and looks took the newest.
    EveryFrame,
}

/// What a system that watched a clip made of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Played {
    /// How long its pictures last.
    pub duration_secs: f64,
    /// How they were taken out of it.
    pub decoding: Decoding,
    /// Looks that a model answered.
    pub looks: usize,
    /// Looks without an answer, and pictures that could not be decoded.
    pub failed: usize,
    /// Incidents that opened, in order.
    pub opened: Vec<Opened>,
    /// For each kind the highest score of each look, `[seconds, score]`.
    pub scores: BTreeMap<EventKind, Vec<[f64; 2]>>,
}

/// An incident that opened.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Opened {
    /// Of which kind.
    pub kind: EventKind,
    /// When the picture that decided it was taken, in seconds of the clip.
    pub at_secs: f64,
    /// The score by which it opened.
    pub score: f32,
}

/// A kind that the system can open an incident of.
#[derive(Debug, Clone, PartialEq)]
pub struct WatchedKind {
    /// Its name.
    pub kind: EventKind,
    /// The labels that speak for it.
    pub labels: BTreeSet<Label>,
    /// In this time of becoming visible it is to be told.
    pub deadline: Duration,
}

/// What the whole system made of all clips.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClipsReport {
    /// By kind of event that it can see.
    pub kinds: Vec<KindOnClips>,
    /// By clip.
    pub clips: Vec<ClipResult>,
    /// Clips that could not be played. They count nowhere.
    pub unplayed: Vec<Unanswered>,
}

/// One kind over all clips.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct KindOnClips {
    /// The kind.
    pub kind: EventKind,
    /// In this time of becoming visible it is to be told.
    pub deadline_secs: f64,
    /// Of the events, for how many an incident opened while they could be seen.
    pub recall: Option<Share>,
    /// Of the events, for how many within the deadline.
    pub in_time: Option<Share>,
    /// From becoming visible to the picture that opened the incident, for each event found, the shortest first.
    pub delays_secs: Vec<f64>,
    /// The middle one of the delays.
    pub median_delay_secs: Option<f64>,
    /// Incidents that opened while nothing of the kind could be seen.
    pub false_alarms: u64,
    /// Hours of clips in which nothing of the kind can be seen.
    pub quiet_hours: f64,
    /// False alarms by camera and hour, with the exact Poisson interval.
    pub false_alarms_per_camera_hour: Option<Interval>,
}

/// One clip.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClipResult {
    /// Its file.
    pub file: String,
    /// What its maker has to say.
    pub note: String,
    /// How long its pictures last.
    pub duration_secs: f64,
    /// How they were taken out of it.
    pub decoding: Decoding,
    /// Looks that a model answered.
    pub looks: usize,
    /// Looks without an answer, and pictures that could not be decoded.
    pub failed: usize,
    /// By kind.
    pub kinds: Vec<ClipKind>,
}

/// One kind in one clip.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClipKind {
    /// The kind.
    pub kind: EventKind,
    /// When it can be seen; spans that touch are one event.
    pub events: Vec<Span>,
    /// When incidents opened, and by which score.
    pub opened: Vec<Opened>,
    /// The highest score of each look, `[seconds, score]`.
    pub scores: Vec<[f64; 2]>,
}

impl ClipsReport {
    /// Judges played clips; those that could not be played come with the reason.
    #[must_use]
    pub fn new(watched: &[WatchedKind], played: Vec<(Clip, Result<Played, String>)>) -> Self {
        let (mut clips, mut unplayed) = (Vec::new(), Vec::new());
        for (clip, result) in played {
            match result {
                Ok(played) => clips.push(clip_result(watched, clip, played)),
                Err(reason) => unplayed.push(Unanswered { file_name: clip.file, reason }),
            }
        }
        let kinds = watched.iter().map(|watched| over_all(watched, &clips)).collect();
        Self { kinds, clips, unplayed }
    }
}

fn clip_result(watched: &[WatchedKind], clip: Clip, mut played: Played) -> ClipResult {
    let kinds = watched.iter().map(|watched| ClipKind {
        kind: watched.kind.clone(),
        events: events_of(watched, &clip.events),
        opened: played.opened.iter().filter(|opened| opened.kind == watched.kind).cloned().collect(),
        scores: played.scores.remove(&watched.kind).unwrap_or_default(),
    });
    ClipResult {
        kinds: kinds.collect(),
        file: clip.file,
        note: clip.note,
        duration_secs: played.duration_secs,
        decoding: played.decoding,
        looks: played.looks,
        failed: played.failed,
    }
}

/// The events of a kind: what its labels show, joined where it overlaps.
fn events_of(watched: &WatchedKind, events: &[(String, Span)]) -> Vec<Span> {
    let speaks = |name: &String| *name == watched.kind.as_str() || watched.labels.contains(&Label::new(name));
    let mut spans: Vec<Span> =
        events.iter().filter(|(name, _)| speaks(name)).map(|(_, span)| *span).collect();
    spans.sort_by(|a, b| a.start_secs.total_cmp(&b.start_secs));
    let mut joined: Vec<Span> = Vec::new();
    for span in spans {
        match joined.last_mut() {
            Some(last) if span.start_secs <= last.end_secs => {
                last.end_secs = last.end_secs.max(span.end_secs)
            }
            _ => joined.push(span),
        }
    }
    joined
}

impl Span {
    pub(super) fn holds(&self, secs: f64) -> bool {
        (self.start_secs..=self.end_secs).contains(&secs)
    }
}

fn over_all(watched: &WatchedKind, clips: &[ClipResult]) -> KindOnClips {
    let deadline_secs = watched.deadline.as_secs_f64();
    let (mut events, mut false_alarms, mut quiet_secs) = (0, 0, 0.0);
    let mut delays_secs = Vec::new();
    for clip in clips {
        for kind in clip.kinds.iter().filter(|kind| kind.kind == watched.kind) {
            let is_true = |opened: &&Opened| kind.events.iter().any(|event| event.holds(opened.at_secs));
            false_alarms += kind.opened.iter().filter(|opened| !is_true(opened)).count() as u64;
            let seen = |event: &Span| event.end_secs.min(clip.duration_secs) - event.start_secs;
            quiet_secs += clip.duration_secs - kind.events.iter().map(seen).map(|s| s.max(0.0)).sum::<f64>();
            events += kind.events.len() as u64;
            delays_secs.extend(kind.events.iter().filter_map(|event| {
                let first = kind.opened.iter().find(|opened| event.holds(opened.at_secs))?;
                Some(first.at_secs - event.start_secs)
            }));
        }
    }
    delays_secs.sort_by(f64::total_cmp);
    let in_time = delays_secs.iter().filter(|delay| **delay <= deadline_secs).count() as u64;
    let quiet_hours = quiet_secs.max(0.0) / 3600.0;
    KindOnClips {
        kind: watched.kind.clone(),
        deadline_secs,
        recall: Share::of(delays_secs.len() as u64, events),
        in_time: Share::of(in_time, events),
        median_delay_secs: median(&delays_secs),
        delays_secs,
        false_alarms,
        quiet_hours,
        false_alarms_per_camera_hour: rate(false_alarms, quiet_hours),
    }
}

fn median(sorted: &[f64]) -> Option<f64> {
    let upper = *sorted.get(sorted.len() / 2)?;
    let lower = sorted[(sorted.len() - 1) / 2];
    Some((lower + upper) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(list: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(
            folder.path().join(FILE_NAME),
            format!("file,fps,duration_s,kind,start_s,end_s,note\n{list}"),
        )
        .unwrap();
        folder
    }

    fn fire() -> WatchedKind {
        let labels = [Label::new("fire"), Label::new("smoke")].into();
        WatchedKind { kind: EventKind::new("fire"), labels, deadline: Duration::from_secs(10) }
    }

    fn played(duration_secs: f64, opened_at: &[f64]) -> Result<Played, String> {
        let opened =
            opened_at.iter().map(|at| Opened { kind: EventKind::new("fire"), at_secs: *at, score: 0.9 });
        Ok(Played {
            duration_secs,
            decoding: Decoding::EveryFrame,
            looks: 1,
            failed: 0,
            opened: opened.collect(),
            scores: BTreeMap::new(),
        })
    }

    #[test]
    fn two_rows_of_one_clip_are_two_labels_of_one_event_when_their_spans_touch() {
        let folder = folder("a.mp4,10,30,fire,5,20,\"x, y\"\na.mp4,10,30,smoke,2,9,z\nb.mp4,10,30,none,,,\n");
        let clips = read(folder.path()).unwrap();
        assert_eq!(clips.iter().map(|clip| clip.file.as_str()).collect::<Vec<_>>(), ["a.mp4", "b.mp4"]);
        assert_eq!(clips[0].note, "x, y");
        assert_eq!(events_of(&fire(), &clips[0].events), [Span { start_secs: 2.0, end_secs: 20.0 }]);
        assert!(clips[1].events.is_empty());
    }

    #[test]
    fn a_list_that_makes_no_sense_is_refused_with_what_is_wrong() {
        for (list, wanted) in [
            ("a.mp4,10,30,fire,,,\n", "needs start_s before end_s"),
            ("a.mp4,10,30,fire,9,3,\n", "needs start_s before end_s"),
            ("../a.mp4,10,30,none,,,\n", "lies outside the folder"),
            ("a.mp4,10,30,fire,soon,3,\n", "line: 2"),
        ] {
            let error = read(folder(list).path()).unwrap_err().to_string();
            assert!(error.contains(wanted), "{list}: {error}");
        }
        assert_eq!(read(tempfile::tempdir().unwrap().path()).unwrap(), []);
    }

    #[test]
    fn an_incident_answers_for_the_event_it_opened_in_and_is_a_false_alarm_else() {
        let list = "a.mp4,1,3600,fire,100,200,\na.mp4,1,3600,fire,1000,1100,\nb.mp4,1,3600,none,,,\n";
        let clips = read(folder(list).path()).unwrap();
        // In `a` the first event is found late and told twice, the second is missed; there are two false alarms.
        let results = [played(3600.0, &[50.0, 112.0, 150.0]), played(3600.0, &[7.0])];
        let report = ClipsReport::new(&[fire()], clips.into_iter().zip(results).collect());
        let kind = &report.kinds[0];
        assert_eq!(kind.recall.map(|share| (share.hits, share.total)), Some((1, 2)));
        assert_eq!(kind.in_time.map(|share| (share.hits, share.total)), Some((0, 2)));
        assert_eq!((kind.delays_secs.as_slice(), kind.median_delay_secs), ([12.0].as_slice(), Some(12.0)));
        assert_eq!((kind.false_alarms, kind.quiet_hours), (2, 7000.0 / 3600.0));
        let rate = kind.false_alarms_per_camera_hour.unwrap();
        assert!(rate.low < rate.value && rate.value < rate.high, "{rate:?}");
    }

    #[test]
    fn a_clip_that_could_not_be_played_counts_nowhere() {
        let clips = read(folder("a.mp4,1,30,fire,0,30,\n").path()).unwrap();
        let report = ClipsReport::new(&[fire()], vec![(clips[0].clone(), Err("no such file".into()))]);
        assert_eq!((report.clips.len(), report.unplayed.len()), (0, 1));
        assert_eq!((report.kinds[0].recall, report.kinds[0].false_alarms_per_camera_hour), (None, None));
    }

    #[test]
    fn the_median_of_an_even_number_lies_between_the_two_in_the_middle() {
        assert_eq!(
            (median(&[1.0, 4.0]), median(&[1.0, 2.0, 9.0]), median(&[])),
            (Some(2.5), Some(2.0), None)
        );
    }
}
