//! Which frames of a stretch a street is told of, and in which order.

use super::super::chunk::{Chunk, Part, Trigger};
use super::super::frames::{ANALYSED, ASKED};
use super::{CameraState, Own, Street};
use crate::evidence::{Look, Sighting};
use crate::incident::Watch;
use citybrain_types::{EventKind, Timestamp};
use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

/// Where a camera stands in a stretch.
#[derive(Debug, Clone, Default)]
struct Cursor {
    /// The next frame that was not passed.
    next: usize,
    trigger: usize,
    special: usize,
    /// The frame that is in the queue.
    due: Option<usize>,
    /// `due` is what it is to be; nothing has happened since.
    settled: bool,
    relevant: Vec<f32>,
}

/// One street on its way through one stretch.
pub(super) struct Walk<'a> {
    street: &'a mut Street,
    chunk: &'a Chunk,
    cursors: Vec<Cursor>,
    queue: BinaryHeap<Reverse<(u64, usize, usize)>>,
    position: Option<u64>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(street: &'a mut Street, chunk: &'a Chunk) -> Self {
        let relevant = |part: &Part| {
            let own = street.relevant(&part.camera);
            let score = |kind| own.and_then(|own| own.get(kind)).copied().unwrap_or(f32::INFINITY);
            chunk.names.kinds.iter().map(score).collect()
        };
        let cursor = |part| Cursor { relevant: relevant(part), ..Cursor::default() };
        let cursors = chunk.parts.iter().map(cursor).collect();
        Self { street, chunk, cursors, queue: BinaryHeap::new(), position: None }
    }

    pub(super) fn run(&mut self) {
        for slot in 0..self.chunk.parts.len() {
            self.refresh(slot);
            self.plan(slot);
        }
        while let Some((slot, frame)) = self.next() {
            self.tell(slot, frame);
        }
        for slot in 0..self.chunk.parts.len() {
            self.pass(slot, self.chunk.parts[slot].rows.len());
        }
    }

    /// The next frame that matters, of any camera.
    fn next(&mut self) -> Option<(usize, usize)> {
        let queued = loop {
            match self.queue.peek() {
                Some(Reverse((_, slot, frame))) if self.cursors[*slot].due != Some(*frame) => {
                    self.queue.pop();
                }
                Some(Reverse(queued)) => break Some(*queued),
                None => break None,
            }
        };
        if let Some(decision) = self.street.incidents.next_decision() {
            let order = self.chunk.order();
            let clock = order.next_at(&self.chunk.parts, self.position, decision.as_micros());
            if let Some((position, slot, frame)) = clock
                && queued.is_none_or(|(queued, ..)| position < queued)
            {
                self.position = Some(position);
                return Some((slot, frame));
            }
        }
        let (position, slot, frame) = queued?;
        self.queue.pop();
        self.cursors[slot].due = None;
        self.cursors[slot].settled = false;
        self.position = Some(position);
        Some((slot, frame))
    }

    /// Judges a frame where it adds to a place, and tells the incidents of the look.
    fn tell(&mut self, slot: usize, frame: usize) {
        let chunk = self.chunk;
        let part = &chunk.parts[slot];
        if frame < self.cursors[slot].next {
            return;
        }
        let companions = match self.street.cameras.get(&part.camera) {
            Some(state) if state.watches.is_empty() => BTreeSet::new(),
            Some(_) => self.street.incidents.companions(&part.camera),
            None => return,
        };
        let position = part.rows.position[frame];
        for other in &companions {
            if let Some(&other) = chunk.slot.get(other) {
                let upto = chunk.parts[other].rows.position.partition_point(|at| *at < position);
                self.pass(other, upto);
            }
        }
        self.pass(slot, frame);
        let look = self.look(slot, frame);
        self.cursors[slot].next = frame + 1;
        let changes = self.street.incidents.take(&look);
        let mut others = companions;
        for change in changes {
            others.extend(self.street.note(change));
        }
        others.remove(&part.camera);
        if let Some(state) = self.street.cameras.get_mut(&part.camera) {
            // A look that could not see leaves it to the next.
            state.force = !look.sightings.is_empty() || (state.force && look.looked_for.is_empty());
            for own in state.watches.iter_mut().filter(|own| look.looked_for.contains(&own.watch.kind)) {
                own.last = own.last.max(look.captured_at);
            }
        }
        self.again(slot);
        for other in others {
            if let Some(&other) = chunk.slot.get(&other) {
                self.again(other);
            }
        }
    }

    /// The look of a frame, judged where that may say anything.
    fn look(&mut self, slot: usize, frame: usize) -> Look {
        let part = &self.chunk.parts[slot];
        let rows = &part.rows;
        let Some(state) = self.street.cameras.get_mut(&part.camera) else { return quiet(part, frame) };
        let cursor = &self.cursors[slot];
        let special =
            part.special.get(cursor.special..).unwrap_or_default().binary_search(&as_number(frame)).is_ok();
        if !(rows.is(frame, ANALYSED | ASKED)) {
            return quiet(part, frame);
        }
        let begins = || {
            let from = part.triggers.partition_point(|trigger| (trigger.frame as usize) < frame);
            let mut here = part.triggers[from..].iter().take_while(|trigger| trigger.frame as usize == frame);
            here.any(|trigger| trigger.score >= cursor.relevant[usize::from(trigger.kind)])
        };
        if state.alone.rests() && !special && !begins() {
            return quiet(part, frame);
        }
        self.street.judged += 1;
        let seen = rows.frame(&part.camera, frame, &self.chunk.names);
        if part.raises && !rows.is(frame, ASKED) && self.street.together.heard(&seen) {
            return Look { looked_for: Vec::new(), ..quiet(part, frame) };
        }
        let mut look = state.alone.judge(&seen, &self.street.together);
        // Whether the camera is seen depends on no policy, and is not followed here.
        look.sightings
            .retain(|sighting| !matches!(sighting, Sighting::CameraLost { .. } | Sighting::CameraBack));
        look
    }

    /// Passes over frames up to one: somebody looked, and nothing came of it.
    fn pass(&mut self, slot: usize, upto: usize) {
        let part = &self.chunk.parts[slot];
        let from = self.cursors[slot].next;
        if from >= upto {
            return;
        }
        self.cursors[slot].next = upto;
        let Some(state) = self.street.cameras.get_mut(&part.camera) else { return };
        for own in &mut state.watches {
            let listed = part.listed_by(&own.watch.kind);
            let looked = (from..upto).filter(|frame| part.looks_for(&listed, *frame));
            let Some(last) = looked.map(|frame| part.rows.captured_at[frame]).max() else { continue };
            let last = Timestamp::from_micros(last);
            own.last = own.last.max(last);
            self.street.incidents.looked_until(&part.camera, &own.watch.kind, last);
        }
    }

    /// Asks what to watch a camera's looks for; `true` when that is other than before.
    fn refresh(&mut self, slot: usize) -> bool {
        let camera = &self.chunk.parts[slot].camera;
        let Some(state) = self.street.cameras.get_mut(camera) else { return false };
        let watches = self.street.incidents.watches(camera);
        let same = watches.len() == state.watches.len()
            && watches.iter().zip(&state.watches).all(|(watch, own)| *watch == own.watch);
        if same {
            return false;
        }
        let last = |kind: &EventKind| {
            state.watches.iter().find(|own| own.watch.kind == *kind).map_or(Timestamp::EPOCH, |own| own.last)
        };
        state.watches = watches.into_iter().map(|watch| Own { last: last(&watch.kind), watch }).collect();
        true
    }

    /// Looks again which frame of a camera matters next.
    fn again(&mut self, slot: usize) {
        let changed = self.refresh(slot);
        let Some(state) = self.street.cameras.get(&self.chunk.parts[slot].camera) else { return };
        if !self.cursors[slot].settled || changed || state.force || !state.alone.rests() {
            self.plan(slot);
        }
    }

    /// Finds the next frame of a camera that matters, and queues it.
    fn plan(&mut self, slot: usize) {
        let part = &self.chunk.parts[slot];
        let Some(state) = self.street.cameras.get(&part.camera) else { return };
        let cursor = &mut self.cursors[slot];
        let judged = next_judged(part, state, cursor);
        let end = judged.unwrap_or(part.rows.len());
        let due = next_due(part, state, cursor.next, end).or(judged);
        cursor.due = due;
        cursor.settled = true;
        if let Some(frame) = due {
            self.queue.push(Reverse((part.rows.position[frame], slot, frame)));
        }
    }
}

fn as_number(frame: usize) -> u32 {
    u32::try_from(frame).unwrap_or(u32::MAX)
}

/// The next frame that evidence must judge.
fn next_judged(part: &Part, state: &CameraState, cursor: &mut Cursor) -> Option<usize> {
    let from = cursor.next;
    if !state.alone.rests() {
        return (from..part.rows.len()).find(|frame| part.rows.is(*frame, ANALYSED | ASKED));
    }
    let number = as_number(from);
    while part.special.get(cursor.special).is_some_and(|frame| *frame < number) {
        cursor.special += 1;
    }
    let passed = |trigger: &Trigger| {
        trigger.frame < number || trigger.score < cursor.relevant[usize::from(trigger.kind)]
    };
    while part.triggers.get(cursor.trigger).is_some_and(passed) {
        cursor.trigger += 1;
    }
    let trigger = part.triggers.get(cursor.trigger).map(|trigger| trigger.frame);
    let special = part.special.get(cursor.special).copied();
    [trigger, special].into_iter().flatten().min().map(|frame| frame as usize)
}

/// The next look at nothing that the incidents must be told of, before `end`.
fn next_due(part: &Part, state: &CameraState, from: usize, end: usize) -> Option<usize> {
    let rows = &part.rows;
    if state.force {
        return (from..end).find(|frame| rows.is(*frame, ANALYSED) && !rows.is(*frame, ASKED));
    }
    let mut first: Option<usize> = None;
    for own in &state.watches {
        let listed = part.listed_by(&own.watch.kind);
        let Watch { due, floor, gap, fresh, .. } = own.watch;
        let (due, floor) = (due.as_micros(), floor.as_micros());
        let gap = i64::try_from(gap.as_micros()).unwrap_or(i64::MAX);
        let mut last = own.last.as_micros();
        for frame in from..first.unwrap_or(end) {
            if !part.looks_for(&listed, frame) {
                continue;
            }
            let at = rows.captured_at[frame];
            if fresh || at >= due || at < floor || at.saturating_sub(last) > gap {
                first = Some(frame);
                break;
            }
            last = last.max(at);
        }
    }
    first
}

/// A look that saw nothing.
fn quiet(part: &Part, frame: usize) -> Look {
    let rows = &part.rows;
    let looks = rows.is(frame, ANALYSED) && !rows.is(frame, ASKED);
    let listed = part.listed.get(&rows.looked_for[frame]).filter(|_| looks);
    Look {
        camera: part.camera.clone(),
        sequence: rows.sequence[frame],
        captured_at: rows.captured(frame),
        decided_at: rows.decided(frame),
        looked_for: listed.cloned().unwrap_or_default(),
        sightings: Vec::new(),
    }
}

impl Part {
    /// By the number of a list: whether a kind is in it.
    fn listed_by(&self, kind: &EventKind) -> Vec<bool> {
        let lists = self.listed.keys().next_back().map_or(0, |last| usize::from(*last) + 1);
        let mut listed = vec![false; lists];
        for (list, kinds) in &self.listed {
            listed[usize::from(*list)] = kinds.contains(kind);
        }
        listed
    }

    fn looks_for(&self, listed: &[bool], frame: usize) -> bool {
        let rows = &self.rows;
        listed[usize::from(rows.looked_for[frame])] && rows.is(frame, ANALYSED) && !rows.is(frame, ASKED)
    }
}
