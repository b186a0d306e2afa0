//! Clips watched by the whole system: the pipeline's decoder, schedule and worker, the dispatcher's intake, evidence and
//! incidents, with the clip's own time for a clock. The same clip gives the same incidents on any machine.

use anyhow::Context;
use citybrain_dispatcher::evidence::{Evidence, Focus};
use citybrain_dispatcher::incident::{IncidentChange, Incidents};
use citybrain_dispatcher::intake::Intake;
use citybrain_ingest_config::City;
use citybrain_ingest_config::resolved::{Camera, Model};
use citybrain_models::eval::clips::{self, Clip, ClipsReport, Decoding, Opened, Played, WatchedKind};
use citybrain_models::{Manifest, Runtime, SessionOptions};
use citybrain_pipeline::capture::clip::{self, ClipMode, ClipSurvey};
use citybrain_pipeline::picture::Picture;
use citybrain_pipeline::replay::Replay;
use citybrain_types::{DetectionBatch, EventKind, FrameDetections, FrameOutcome, Label, Timestamp};
use indicatif::ProgressBar;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Every clip begins at 2026-01-01T00:00:00Z: when it was filmed is not known, and must not change the answer.
const START: Timestamp = Timestamp::from_millis(1_767_225_600_000);

/// Watches every clip of the data's list; `None` when there is no list.
pub fn watch(
    data: &Path,
    models: &[Model],
    runtime: &Runtime,
    bar: &ProgressBar,
) -> anyhow::Result<Option<ClipsReport>> {
    let clips = clips::read(data)?;
    if clips.is_empty() {
        return Ok(None);
    }
    let seconds = |clip: &Clip| clip.listed_secs.max(1.0) as u64;
    bar.set_length(clips.iter().map(seconds).sum());
    let watched = watched_kinds(models)?;
    // Snapshots are written as in a running city, and thrown away.
    let folder = tempfile::tempdir().context("cannot make a folder for snapshots")?;
    let mut played = Vec::new();
    for (number, clip) in clips.into_iter().enumerate() {
        bar.set_message(format!("seconds of clips ({})", clip.file));
        let before = bar.position();
        let result = play(&clip, models, runtime, &folder.path().join(number.to_string()), |at| {
            bar.set_position(before + at.as_secs().min(seconds(&clip)));
        });
        bar.set_position(before + seconds(&clip));
        played.push((clip, result.map_err(|error| format!("{error:#}"))));
    }
    Ok(Some(ClipsReport::new(&watched, played)))
}

/// Kinds of the catalogue that at least one model scores.
fn watched_kinds(models: &[Model]) -> anyhow::Result<Vec<WatchedKind>> {
    let mut scored: BTreeSet<Label> = BTreeSet::new();
    for model in models {
        scored.extend(Manifest::read(&model.dir)?.labels);
    }
    let catalogue = City::for_cameras(&["rtsp://127.0.0.1/".to_owned()], Path::new("."), Vec::new())?;
    let kinds = catalogue.kinds.into_values().filter(|kind| !kind.labels.is_disjoint(&scored));
    Ok(kinds
        .map(|kind| WatchedKind { kind: kind.kind, labels: kind.labels, deadline: kind.deadline })
        .collect())
}

/// Plays one clip to a city whose only camera it is.
fn play(
    clip: &Clip,
    models: &[Model],
    runtime: &Runtime,
    folder: &Path,
    progress: impl Fn(Duration),
) -> anyhow::Result<Played> {
    let path = std::path::absolute(&clip.path)?;
    let city = City::for_cameras(&[path.display().to_string()], folder, models.to_vec())?;
    let city = Arc::new(city);
    let camera = city.cameras.values().next().context("the clip makes no camera")?;
    let max_bytes = city.pipeline.max_access_unit_bytes;
    let mode = mode(&city, camera, clip::survey(&camera.stream, max_bytes)?);
    let replay = Replay::start(&city, runtime, SessionOptions::default(), START, folder)?;
    let mut desk = Desk::new(Arc::clone(&city), replay);
    let end = clip::play(&camera.id, &camera.stream, max_bytes, mode, START, &mut |picture| {
        progress(picture.captured_at().since(START));
        desk.take(picture);
    })?;
    desk.run_until(end.at);
    let decoding = match mode {
        ClipMode::Keyframes => Decoding::Keyframes,
        ClipMode::EveryFrame => Decoding::EveryFrame,
    };
    Ok(Played {
        duration_secs: end.at.since(START).as_secs_f64(),
        decoding,
        looks: desk.looks,
        failed: desk.failed + usize::try_from(end.refused).unwrap_or(usize::MAX),
        opened: desk.opened,
        scores: desk.scores,
    })
}

/// Keyframes alone where they come as often as the most urgent kind is looked for.
fn mode(city: &City, camera: &Camera, survey: ClipSurvey) -> ClipMode {
    let looks = camera.kinds.iter().filter_map(|kind| city.kinds.get(kind)).map(|kind| kind.look_interval);
    let shortest = looks.min().unwrap_or(Duration::MAX);
    match survey.longest_without_keyframe {
        Some(longest) if longest <= shortest => ClipMode::Keyframes,
        _ => ClipMode::EveryFrame,
    }
}

/// The pipeline's stages and the dispatcher's, one behind the other.
struct Desk {
    city: Arc<City>,
    replay: Replay,
    intake: Intake,
    evidence: Evidence,
    focus: Focus,
    incidents: Incidents,
    looks: usize,
    failed: usize,
    opened: Vec<Opened>,
    scores: BTreeMap<EventKind, Vec<[f64; 2]>>,
}

impl Desk {
    fn new(city: Arc<City>, replay: Replay) -> Self {
        Self {
            replay,
            intake: Intake::new(Arc::clone(&city), []),
            evidence: Evidence::new(Arc::clone(&city), []),
            focus: Focus::default(),
            incidents: Incidents::new(&city, []),
            looks: 0,
            failed: 0,
            opened: Vec::new(),
            scores: BTreeMap::new(),
            city,
        }
    }

    /// The next picture of the camera: what is due before it comes is done first.
    fn take(&mut self, picture: Picture) {
        let at = picture.received_at();
        self.run_until(at);
        self.replay.put(picture);
        self.run_until(at);
    }

    fn run_until(&mut self, until: Timestamp) {
        while let Some(frames) = self.replay.step(until) {
            // As they come from the bus.
            let now = self.replay.now();
            let (frames, refused) = self.intake.unpack(&DetectionBatch::from_frames(&frames), now);
            self.failed += refused.len();
            frames.iter().for_each(|frame| self.judge(frame));
        }
    }

    fn judge(&mut self, frame: &FrameDetections) {
        self.note(frame);
        let judged = self.evidence.judge(frame);
        for kind in judged.suspects {
            if let Some(request) = self.focus.request(&self.city, &judged.look, kind, false) {
                self.replay.focus(&request);
            }
        }
        for change in self.incidents.take(&judged.look) {
            if let IncidentChange::Opened { incident, captured_at, .. } = change {
                let at_secs = captured_at.since(START).as_secs_f64();
                self.opened.push(Opened { kind: incident.kind, at_secs, score: incident.score });
            }
        }
    }

    fn note(&mut self, frame: &FrameDetections) {
        if frame.outcome != FrameOutcome::Analysed {
            self.failed += 1;
            return;
        }
        self.looks += 1;
        let at = frame.captured_at.since(START).as_secs_f64();
        for kind in &frame.looked_for {
            let of_kind = frame.detections.iter().filter(|detection| detection.kind == *kind);
            let highest = of_kind.map(|detection| f64::from(detection.score.get())).fold(0.0, f64::max);
            self.scores.entry(kind.clone()).or_default().push([at, highest]);
        }
    }
}
