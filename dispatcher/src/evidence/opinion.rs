//! Second opinions: answers that the detections of another frame asked for, until that frame comes.
//!
//! Design decision: in the log an answer stands before the frame that asked for it. So nothing is ever waited for and
//! nothing taken back: an answer is laid by, and when the frame that asked comes, both are judged as one look, in which
//! the answer has the last word on its kinds within its part of the picture. Without the answer (it was never given, or
//! is lost) the frame counts as it stands. What is decided depends on the order of a camera's frames alone, not on how
//! they were batched.

use super::fixed::MicroNats;
use super::policy::same_place;
use super::track::Found;
use citybrain_types::{BoundingBox, EventKind, FrameDetections, Snapshots, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// Answers laid by for one camera; the frame that asked follows at once, so what is left over was lost on the way.
const MAX_LAID_BY: usize = 16;

/// One answer: what lies in a part of the picture.
#[derive(Debug, Clone)]
pub(super) struct Opinion {
    asked_by: u64,
    region: BoundingBox,
    kinds: BTreeSet<EventKind>,
    found: BTreeMap<EventKind, Vec<Found>>,
    pub(super) decided_at: Timestamp,
    pub(super) snapshots: Option<Snapshots>,
    pub(super) snapshot_lost: bool,
}

impl Opinion {
    /// The answer in a frame that was asked for; `None` for a frame in its turn.
    pub(super) fn of(frame: &FrameDetections, found: BTreeMap<EventKind, Vec<Found>>) -> Option<Self> {
        let asked = frame.asked?;
        Some(Self {
            asked_by: asked.by,
            region: asked.region,
            kinds: frame.looked_for.iter().chain(found.keys()).cloned().collect(),
            found,
            decided_at: frame.stages.detected_at,
            snapshots: frame.snapshots.clone(),
            snapshot_lost: frame.snapshot_lost,
        })
    }

    /// The kinds it speaks of.
    pub(super) fn kinds(&self) -> &BTreeSet<EventKind> {
        &self.kinds
    }

    /// Whether it says what there is, or is not, of a kind at a point of the picture.
    pub(super) fn covers(&self, kind: &EventKind, point: (f32, f32)) -> bool {
        self.kinds.contains(kind) && self.region.contains(point)
    }

    /// What it says of a kind at a place: what it found nearest to it, or `nothing_found`; `None` when it says nothing.
    pub(super) fn of_place(
        &self,
        kind: &EventKind,
        place: &BoundingBox,
        (nothing_found, join_distance): (MicroNats, f32),
    ) -> Option<MicroNats> {
        if !self.covers(kind, place.center()) {
            return None;
        }
        let near = self.found.get(kind).into_iter().flatten();
        let near = near.filter(|found| same_place(place, &found.bbox, join_distance));
        Some(near.map(|found| MicroNats::logit(found.probability)).max().unwrap_or(nothing_found))
    }

    /// Puts what it found in place of what the opinions before it found in its part of the picture.
    fn overrule(&self, found: &mut BTreeMap<EventKind, Vec<Found>>, waits: &dyn Fn(&EventKind) -> bool) {
        for kind in self.kinds.iter().filter(|kind| !waits(kind)) {
            let own = self.found.get(kind).into_iter().flatten().copied();
            let all = found.entry(kind.clone()).or_default();
            all.retain(|found| !self.region.contains(found.bbox.center()));
            all.extend(own);
        }
    }
}

/// Answers of one camera whose question has not come yet.
#[derive(Debug, Default)]
pub(super) struct LaidBy(Vec<Opinion>);

impl LaidBy {
    /// Lays an answer by. Answers that it asked for itself go with it, and have the word after it.
    pub(super) fn put(&mut self, opinion: Opinion, sequence: u64) {
        let asked_by = opinion.asked_by;
        let further = self.take(sequence);
        self.0.push(opinion);
        self.0.extend(further.into_iter().map(|further| Opinion { asked_by, ..further }));
        let surplus = self.0.len().saturating_sub(MAX_LAID_BY);
        self.0.drain(..surplus);
    }

    /// Whether no answer waits.
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The answers that a frame has asked for, the last word last.
    pub(super) fn take(&mut self, sequence: u64) -> Vec<Opinion> {
        self.0.extract_if(.., |opinion| opinion.asked_by == sequence).collect()
    }
}

/// What a frame found, once those it asked have spoken; on kinds of which `waits` holds they speak later.
pub(super) fn overruled(
    mut found: BTreeMap<EventKind, Vec<Found>>,
    opinions: &[Opinion],
    waits: &dyn Fn(&EventKind) -> bool,
) -> BTreeMap<EventKind, Vec<Found>> {
    opinions.iter().for_each(|opinion| opinion.overrule(&mut found, waits));
    found.retain(|_, found| !found.is_empty());
    found
}
