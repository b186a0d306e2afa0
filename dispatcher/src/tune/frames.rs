//! The log in columns: for each camera its frames, in the order in which they were judged.

use crate::intake::{MAX_DETECTIONS, MAX_KINDS, REMEMBERED, Taken, is_sound};
use crate::log::{LogError, Logged};
use citybrain_types::{
    Asked, BoundingBox, CameraId, Detection, EventKind, FrameDetections, FrameOutcome, Label, ModelId,
    NotSeen, Score, Snapshots, StageTimes, Timestamp,
};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Duration;

/// A model answered.
pub(super) const ANALYSED: u8 = 1;
/// A picture was due and could not be written.
pub(super) const SNAPSHOT_LOST: u8 = 2;
/// Something was found that is not listed as looked for.
pub(super) const UNLISTED: u8 = 4;
/// An answer that another frame asked for.
pub(super) const ASKED: u8 = 8;

/// Evidence asks neither for the model nor for its label.
static MODEL: LazyLock<ModelId> = LazyLock::new(|| ModelId::new("any").expect("letters"));
static LABEL: LazyLock<Label> = LazyLock::new(|| Label::new("any"));

/// Kinds, and lists of kinds that were looked for, by number; one for all files of a run.
#[derive(Debug, Default)]
pub(super) struct Names(Mutex<Interned>);

#[derive(Debug, Default)]
struct Interned {
    kinds: HashMap<String, u16>,
    lists: HashMap<String, u16>,
    all_kinds: Vec<EventKind>,
    all_lists: Vec<Vec<u16>>,
}

impl Interned {
    fn kind(&mut self, name: &str) -> u16 {
        if let Some(known) = self.kinds.get(name) {
            return *known;
        }
        // Kinds of a log are a few dozen; what is beyond counts as the last.
        let number = u16::try_from(self.all_kinds.len()).unwrap_or(u16::MAX);
        self.all_kinds.push(EventKind::new(name));
        self.kinds.insert(name.to_owned(), number);
        number
    }
}

impl Names {
    pub(super) fn kind(&self, name: &str) -> u16 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).kind(name)
    }

    /// The number of a list, as it is written in the log.
    pub(super) fn list(&self, text: &str, split: impl Fn(&str) -> Vec<EventKind>) -> u16 {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = names.lists.get(text) {
            return *known;
        }
        let kinds = split(text).iter().map(|kind| names.kind(kind.as_str())).collect();
        let number = u16::try_from(names.all_lists.len()).unwrap_or(u16::MAX);
        names.all_lists.push(kinds);
        names.lists.insert(text.to_owned(), number);
        number
    }

    /// All kinds, and all lists.
    pub(super) fn all(&self) -> (Vec<EventKind>, Vec<Vec<u16>>) {
        let names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (names.all_kinds.clone(), names.all_lists.clone())
    }
}

/// Frames of one camera.
#[derive(Debug, Clone, Default)]
pub(super) struct Rows {
    pub(super) position: Vec<u64>,
    pub(super) captured_at: Vec<i64>,
    pub(super) detected_at: Vec<i64>,
    pub(super) sequence: Vec<u64>,
    /// Which list of kinds was looked for.
    pub(super) looked_for: Vec<u16>,
    pub(super) flags: Vec<u8>,
    /// Where a frame's detections begin; those of the last end with the columns.
    pub(super) first: Vec<u32>,
    pub(super) kind: Vec<u16>,
    pub(super) score: Vec<f32>,
    pub(super) place: Vec<[f32; 4]>,
    /// How much a place differs from the past; not a number where that was not compared.
    pub(super) change: Vec<f32>,
    pub(super) asked: BTreeMap<u32, Asked>,
    pub(super) snapshots: BTreeMap<u32, Snapshots>,
}

/// What one frame has beside its detections.
pub(super) struct Head {
    pub(super) position: u64,
    pub(super) captured_at: i64,
    pub(super) detected_at: i64,
    pub(super) sequence: u64,
    pub(super) looked_for: u16,
    pub(super) flags: u8,
}

impl Rows {
    pub(super) fn len(&self) -> usize {
        self.position.len()
    }

    pub(super) fn begin(&mut self, head: &Head) {
        self.position.push(head.position);
        self.captured_at.push(head.captured_at);
        self.detected_at.push(head.detected_at);
        self.sequence.push(head.sequence);
        self.looked_for.push(head.looked_for);
        self.flags.push(head.flags);
        self.first.push(u32::try_from(self.kind.len()).unwrap_or(u32::MAX));
    }

    pub(super) fn found(&mut self, kind: u16, score: f32, place: [f32; 4], change: Option<f32>) {
        self.kind.push(kind);
        self.score.push(score);
        self.place.push(place);
        self.change.push(change.unwrap_or(f32::NAN));
    }

    /// The detections of a frame.
    pub(super) fn detections(&self, frame: usize) -> std::ops::Range<usize> {
        let end = self.first.get(frame + 1).map_or(self.kind.len(), |end| *end as usize);
        self.first[frame] as usize..end
    }

    pub(super) fn is(&self, frame: usize, flag: u8) -> bool {
        self.flags[frame] & flag != 0
    }

    pub(super) fn captured(&self, frame: usize) -> Timestamp {
        Timestamp::from_micros(self.captured_at[frame])
    }

    /// When what a frame says was known.
    pub(super) fn decided(&self, frame: usize) -> Timestamp {
        Timestamp::from_micros(self.captured_at[frame].max(self.detected_at[frame]))
    }

    /// These frames, in this order.
    fn select(&self, frames: &[usize]) -> Self {
        let mut rows = Self::default();
        for (to, &from) in (0_u32..).zip(frames) {
            rows.begin(&Head {
                position: self.position[from],
                captured_at: self.captured_at[from],
                detected_at: self.detected_at[from],
                sequence: self.sequence[from],
                looked_for: self.looked_for[from],
                flags: self.flags[from],
            });
            for n in self.detections(from) {
                rows.found(self.kind[n], self.score[n], self.place[n], Some(self.change[n]));
            }
            let from = u32::try_from(from).unwrap_or(u32::MAX);
            rows.asked.extend(self.asked.get(&from).map(|asked| (to, *asked)));
            rows.snapshots.extend(self.snapshots.get(&from).map(|kept| (to, kept.clone())));
        }
        rows
    }

    /// Adds the frames of another file.
    pub(super) fn append(&mut self, other: Self) {
        if self.position.is_empty() {
            *self = other;
            return;
        }
        let frames = u32::try_from(self.len()).unwrap_or(u32::MAX);
        let found = u32::try_from(self.kind.len()).unwrap_or(u32::MAX);
        self.position.extend(other.position);
        self.captured_at.extend(other.captured_at);
        self.detected_at.extend(other.detected_at);
        self.sequence.extend(other.sequence);
        self.looked_for.extend(other.looked_for);
        self.flags.extend(other.flags);
        self.first.extend(other.first.into_iter().map(|first| first + found));
        self.kind.extend(other.kind);
        self.score.extend(other.score);
        self.place.extend(other.place);
        self.change.extend(other.change);
        self.asked.extend(other.asked.into_iter().map(|(frame, asked)| (frame + frames, asked)));
        self.snapshots.extend(other.snapshots.into_iter().map(|(frame, kept)| (frame + frames, kept)));
    }

    /// Leaves out frames that were taken before a moment.
    pub(super) fn forget_before(&mut self, since: i64) {
        if self.captured_at.iter().any(|at| *at < since) {
            let kept: Vec<usize> =
                (0..self.len()).filter(|frame| self.captured_at[*frame] >= since).collect();
            *self = self.select(&kept);
        }
    }

    /// Puts frames into the order in which they were judged, and leaves out those that intake refuses.
    pub(super) fn settle(&mut self, taken: &mut Taken) {
        let in_order = self.position.is_sorted();
        let mut order: Vec<usize> = Vec::new();
        if !in_order {
            order.extend(0..self.len());
            order.sort_by_key(|frame| self.position[*frame]);
        }
        let sound = |frame: usize| {
            let times = [self.captured_at[frame], self.detected_at[frame]].map(Timestamp::from_micros);
            is_sound(times, self.sequence[frame]) && self.detections(frame).len() <= MAX_DETECTIONS
        };
        let new =
            taken.newest().is_none_or(|newest| self.sequence.first().is_none_or(|first| *first > newest));
        let rising = in_order && new && self.sequence.is_sorted_by(|a, b| a < b);
        if rising && (0..self.len()).all(sound) {
            let last = self.len().saturating_sub(REMEMBERED);
            (last..self.len()).for_each(|frame| taken.take(self.sequence[frame], self.captured(frame)));
            return;
        }
        let mut kept = Vec::with_capacity(self.len());
        let frames = if in_order { (0..self.len()).collect() } else { order };
        for frame in frames {
            if sound(frame) && taken.check(self.sequence[frame]).is_ok() {
                taken.take(self.sequence[frame], self.captured(frame));
                kept.push(frame);
            }
        }
        *self = self.select(&kept);
    }

    /// A frame as evidence takes it; `None` where a number is none that was ever logged.
    pub(super) fn frame(&self, camera: &CameraId, frame: usize, names: &Resolved) -> FrameDetections {
        let number = u32::try_from(frame).unwrap_or(u32::MAX);
        let detection = |n: usize| {
            let [left, top, right, bottom] = self.place[n];
            Some(Detection {
                kind: names.kinds.get(usize::from(self.kind[n]))?.clone(),
                label: LABEL.clone(),
                score: Score::new(self.score[n])?,
                bbox: BoundingBox::new(left, top, right, bottom).ok()?,
                change: Score::new(self.change[n]),
            })
        };
        let outcome = match self.is(frame, ANALYSED) {
            true => FrameOutcome::Analysed,
            // Evidence is the same for every one of them.
            false => FrameOutcome::NotSeen(NotSeen::Disconnected),
        };
        let stages = StageTimes {
            detected_at: Timestamp::from_micros(self.detected_at[frame]),
            ..StageTimes::default()
        };
        FrameDetections {
            camera: camera.clone(),
            sequence: self.sequence[frame],
            captured_at: self.captured(frame),
            model: MODEL.clone(),
            outcome,
            asked: self.asked.get(&number).copied(),
            looked_for: names.lists.get(usize::from(self.looked_for[frame])).cloned().unwrap_or_default(),
            detections: self.detections(frame).filter_map(detection).collect(),
            snapshots: self.snapshots.get(&number).cloned(),
            snapshot_lost: self.is(frame, SNAPSHOT_LOST),
            stages,
        }
    }

    /// Takes in one frame of a segment.
    pub(super) fn push(&mut self, logged: &Logged, names: &Names) {
        let frame = &logged.frame;
        if frame.looked_for.len() > MAX_KINDS {
            return;
        }
        let text = crate::log::join(&frame.looked_for);
        let mut flags = if frame.outcome == FrameOutcome::Analysed { ANALYSED } else { 0 };
        flags |= if frame.snapshot_lost { SNAPSHOT_LOST } else { 0 };
        flags |= if frame.asked.is_some() { ASKED } else { 0 };
        let unlisted = frame.detections.iter().any(|found| !frame.looked_for.contains(&found.kind));
        flags |= if unlisted { UNLISTED } else { 0 };
        let number = u32::try_from(self.len()).unwrap_or(u32::MAX);
        self.begin(&Head {
            position: logged.position,
            captured_at: frame.captured_at.as_micros(),
            detected_at: frame.stages.detected_at.as_micros(),
            sequence: frame.sequence,
            looked_for: names.list(&text, crate::log::split),
            flags,
        });
        for found in &frame.detections {
            let change = found.change.map(Score::get);
            self.found(names.kind(found.kind.as_str()), found.score.get(), found.bbox.into(), change);
        }
        self.asked.extend(frame.asked.map(|asked| (number, asked)));
        self.snapshots.extend(frame.snapshots.clone().map(|kept| (number, kept)));
    }
}

/// Names by their numbers.
#[derive(Debug, Default)]
pub(super) struct Resolved {
    pub(super) kinds: Vec<EventKind>,
    pub(super) lists: Vec<Vec<EventKind>>,
}

impl Resolved {
    pub(super) fn of(names: &Names) -> Self {
        let (kinds, lists) = names.all();
        let list = |list: &Vec<u16>| list.iter().map(|kind| kinds[usize::from(*kind)].clone()).collect();
        let lists = lists.iter().map(list).collect();
        Self { kinds, lists }
    }
}

/// Frames by camera.
pub(super) type ByCamera = BTreeMap<CameraId, Rows>;

/// The frames of a segment.
pub(super) fn of_segment(path: &Path, names: &Names, torn: &mut u64) -> Result<ByCamera, LogError> {
    let mut cameras = ByCamera::new();
    let mut position =
        path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok()).unwrap_or(0);
    let mut take = |batch: citybrain_types::DetectionBatch| {
        for frame in batch.to_frames().unwrap_or_default() {
            let logged = Logged { position, frame };
            position += 1;
            cameras.entry(logged.frame.camera.clone()).or_default().push(&logged, names);
        }
    };
    crate::log::read_segment(path, &mut take, &mut |_| *torn += 1)?;
    Ok(cameras)
}

/// Times between frames of a camera that are longer than `longest`, and how long it was watched beside them.
pub(super) fn gaps(
    rows: &Rows,
    before: Option<i64>,
    longest: Duration,
) -> (Vec<(Timestamp, Timestamp)>, Duration) {
    let longest = i64::try_from(longest.as_micros()).unwrap_or(i64::MAX);
    let (mut gaps, mut watched, mut last) = (Vec::new(), 0_i64, before);
    for &at in &rows.captured_at {
        if let Some(last) = last {
            let passed = at.saturating_sub(last);
            if passed > longest {
                gaps.push((Timestamp::from_micros(last), Timestamp::from_micros(at)));
            } else {
                watched = watched.saturating_add(passed.max(0));
            }
        }
        last = last.max(Some(at));
    }
    (gaps, Duration::from_micros(u64::try_from(watched).unwrap_or(0)))
}
