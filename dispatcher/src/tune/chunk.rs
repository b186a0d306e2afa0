//! A stretch of the log, as all policies read it.

use super::frames::{ANALYSED, ASKED, ByCamera, Resolved, Rows, UNLISTED};
use crate::evidence::PAST_SPEAKS;
use citybrain_types::{CameraId, EventKind};
use std::collections::{BTreeMap, HashMap};
use std::sync::OnceLock;

/// A box that may begin a place under some policy.
#[derive(Debug, Clone, Copy)]
pub(super) struct Trigger {
    pub(super) frame: u32,
    pub(super) kind: u16,
    pub(super) score: f32,
}

/// One camera in a stretch.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) camera: CameraId,
    pub(super) rows: Rows,
    /// By frame.
    pub(super) triggers: Vec<Trigger>,
    /// Frames that every policy judges: answers that were asked for, readings of rain, and odd ones.
    pub(super) special: Vec<u32>,
    /// A sensor whose readings make something likelier, and are no evidence.
    pub(super) raises: bool,
    /// For each list of kinds: those of them that the camera looks for, as a look names them.
    pub(super) listed: BTreeMap<u16, Vec<EventKind>>,
}

/// All cameras in a stretch of the log.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) parts: Vec<Part>,
    pub(super) slot: HashMap<CameraId, usize>,
    pub(super) names: Resolved,
    order: OnceLock<Order>,
}

/// All frames in the order in which they were judged.
#[derive(Debug)]
pub(super) struct Order {
    /// Position, part and frame.
    frames: Vec<(u64, u32, u32)>,
    /// The latest moment up to here.
    latest: Vec<i64>,
}

impl Part {
    /// `lowest` is, by kind, the score below which a box begins a place under no policy; `raises` says that it is a sensor
    /// whose readings make something likelier.
    pub(super) fn new(
        camera: CameraId,
        rows: Rows,
        names: &Resolved,
        lowest: &BTreeMap<EventKind, f32>,
        raises: bool,
        looked_for: impl Fn(&[EventKind]) -> Vec<EventKind>,
    ) -> Self {
        let by_number: Vec<f32> =
            names.kinds.iter().map(|kind| lowest.get(kind).copied().unwrap_or(f32::INFINITY)).collect();
        let (mut triggers, mut special) = (Vec::new(), Vec::new());
        let mut listed = BTreeMap::new();
        for frame in 0..rows.len() {
            let number = u32::try_from(frame).unwrap_or(u32::MAX);
            let reads = raises && rows.is(frame, ANALYSED) && !rows.detections(frame).is_empty();
            if reads || rows.is(frame, ASKED | UNLISTED) {
                special.push(number);
            }
            for n in rows.detections(frame) {
                // The bound is of the score alone.
                let score = if rows.change[n] > PAST_SPEAKS { f32::INFINITY } else { rows.score[n] };
                let kind = rows.kind[n];
                if by_number.get(usize::from(kind)).is_some_and(|lowest| score >= *lowest) {
                    triggers.push(Trigger { frame: number, kind, score });
                }
            }
            let list = rows.looked_for[frame];
            listed.entry(list).or_insert_with(|| {
                looked_for(names.lists.get(usize::from(list)).map(Vec::as_slice).unwrap_or_default())
            });
        }
        Self { camera, rows, triggers, special, raises, listed }
    }
}

impl Chunk {
    pub(super) fn new(parts: Vec<Part>, names: Resolved) -> Self {
        let slot = parts.iter().enumerate().map(|(n, part)| (part.camera.clone(), n)).collect();
        Self { parts, slot, names, order: OnceLock::new() }
    }

    /// Built when the first policy asks for it.
    pub(super) fn order(&self) -> &Order {
        self.order.get_or_init(|| Order::of(&self.parts))
    }
}

impl Order {
    fn of(parts: &[Part]) -> Self {
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let total: usize = parts.iter().map(|part| part.rows.len()).sum();
        let positions = || parts.iter().flat_map(|part| part.rows.position.iter().copied());
        let (low, high) = (positions().min().unwrap_or(0), positions().max().unwrap_or(0));
        let span = usize::try_from(high.saturating_sub(low)).unwrap_or(usize::MAX);
        let entries = parts.iter().enumerate().flat_map(|(slot, part)| {
            let frames = part.rows.position.iter().enumerate();
            frames.map(move |(frame, position)| (*position, number(slot), number(frame)))
        });
        let mut frames: Vec<(u64, u32, u32)> = if span < total.saturating_mul(2).saturating_add(1024) {
            // Positions are dense: each has its place.
            let mut places = vec![None; span + 1];
            let mut twice = Vec::new();
            for entry in entries {
                let place = usize::try_from(entry.0 - low).unwrap_or(0);
                match &mut places[place] {
                    Some(_) => twice.push(entry),
                    free => *free = Some(entry),
                }
            }
            places.into_iter().flatten().chain(twice).collect()
        } else {
            entries.collect()
        };
        if !frames.is_sorted_by_key(|entry| entry.0) {
            frames.sort_by_key(|entry| entry.0);
        }
        let mut last = i64::MIN;
        let latest = frames.iter().map(|(_, slot, frame)| {
            last = last.max(parts[*slot as usize].rows.captured_at[*frame as usize]);
            last
        });
        let latest = latest.collect();
        Self { frames, latest }
    }

    /// The first frame after `position` that was taken at `moment` or later.
    pub(super) fn next_at(
        &self,
        parts: &[Part],
        position: Option<u64>,
        moment: i64,
    ) -> Option<(u64, usize, usize)> {
        let after = position.map_or(0, |position| self.frames.partition_point(|entry| entry.0 <= position));
        let first = self.latest.partition_point(|latest| *latest < moment);
        self.frames[after.max(first).min(self.frames.len())..]
            .iter()
            .map(|(position, slot, frame)| (*position, *slot as usize, *frame as usize))
            .find(|(_, slot, frame)| parts[*slot].rows.captured_at[*frame] >= moment)
    }
}

/// Joins what several files hold of each camera.
pub(super) fn merge(files: Vec<ByCamera>) -> ByCamera {
    let mut all = ByCamera::new();
    for (camera, rows) in files.into_iter().flatten() {
        all.entry(camera).or_default().append(rows);
    }
    all
}
