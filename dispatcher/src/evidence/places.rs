//! The places of one kind in one camera's picture: which box belongs to which.

use super::almost::NearMiss;
use super::fixed::MicroNats;
use super::policy::{Policy, centre_distance, same_place};
use super::track::{Found, LookAt, Track, Turn};
use super::{Ignored, Sighting, Word};
use citybrain_types::{EventKind, Score, Timestamp};
use std::cmp::Ordering;

/// Most places followed at once for one camera and kind. A picture with more holds noise; memory stays bounded.
pub const MAX_TRACKS: usize = 16;

/// The places of one kind in one camera's picture.
#[derive(Debug, Clone, Default)]
pub(super) struct Places {
    tracks: Vec<Track>,
    next_id: u32,
}

impl Places {
    /// Takes in one look; `found` are its boxes of this kind, in any order.
    pub(super) fn look(
        &mut self,
        kind: &EventKind,
        policy: &Policy,
        look: &LookAt<'_>,
        mut found: Vec<Found>,
        (ignored, almost): (&mut Vec<Ignored>, &mut Vec<NearMiss>),
    ) -> Vec<Sighting> {
        found.sort_by(surest_first);
        let mut best: Vec<Option<Found>> = vec![None; self.tracks.len()];
        for found in found {
            match self
                .place_of(&found, policy, &best)
                .or_else(|| self.begin(&found, policy, look, &mut best, ignored))
            {
                // Boxes at one place in one frame are one observation: the surest counts.
                Some(index) => best[index] = best[index].or(Some(found)),
                None => continue,
            }
        }
        let mut sightings = Vec::new();
        for (track, found) in self.tracks.iter_mut().zip(&best) {
            if !track.is_concerned(kind, look, found.as_ref()) {
                continue;
            }
            match track.look(policy, look, found.as_ref()) {
                Turn::Nothing => {}
                Turn::Opened => sightings.push(Sighting::Opened(track.sight(kind, policy, look))),
                Turn::Seen => sightings.push(Sighting::Seen(track.sight(kind, policy, look))),
                Turn::Closed => sightings.push(Sighting::Closed { kind: kind.clone(), track: track.id }),
            }
            if policy.confirm_within.is_some() && track.is_open() {
                let word = word(kind, policy, look, track, found.as_ref());
                sightings.push(Sighting::Weighed { kind: kind.clone(), track: track.id, word });
            }
        }
        self.tracks.retain(|track| {
            let spent = track.is_spent(policy);
            if spent {
                almost.extend(track.near_miss(policy));
            }
            !spent
        });
        sightings
    }

    /// Whether no place is followed.
    pub(super) const fn is_empty(&self) -> bool {
        self.tracks.is_empty()
    }

    /// Whether some place is worth looking at again soon.
    pub(super) fn is_suspect(&self, policy: &Policy, at: Timestamp) -> bool {
        self.tracks.iter().any(|track| track.is_suspect(policy, at))
    }

    /// Whether an alarm was given for some place, and is to be confirmed.
    pub(super) fn is_alarm(&self, policy: &Policy, at: Timestamp) -> bool {
        self.tracks.iter().any(|track| track.is_open() && track.is_suspect(policy, at))
    }

    /// The track a box belongs to: by overlap first, then by distance; one without a box in this frame first.
    fn place_of(&self, found: &Found, policy: &Policy, taken: &[Option<Found>]) -> Option<usize> {
        let near = self.tracks.iter().enumerate();
        let near = near.filter(|(_, track)| same_place(&track.place, &found.bbox, policy.join_distance));
        near.max_by(|(i, a), (j, b)| {
            let overlap = a.place.iou(&found.bbox).total_cmp(&b.place.iou(&found.bbox));
            let nearer =
                || centre_distance(&b.place, &found.bbox).total_cmp(&centre_distance(&a.place, &found.bbox));
            let free = || taken[*j].is_some().cmp(&taken[*i].is_some());
            overlap.then_with(nearer).then_with(free).then_with(|| b.id.cmp(&a.id))
        })
        .map(|(index, _)| index)
    }

    /// Begins a track for a box that speaks for its kind; takes the weakest track's room when there is none left.
    fn begin(
        &mut self,
        found: &Found,
        policy: &Policy,
        look: &LookAt<'_>,
        best: &mut Vec<Option<Found>>,
        ignored: &mut Vec<Ignored>,
    ) -> Option<usize> {
        let says = policy.says(found.probability, found.change);
        if says <= MicroNats::ZERO && !found.is_hit(policy) {
            return None;
        }
        let track = Track::new(self.next_id, found, look.captured_at);
        if self.tracks.len() < MAX_TRACKS {
            self.next_id = self.next_id.wrapping_add(1);
            self.tracks.push(track);
            best.push(None);
            return Some(self.tracks.len() - 1);
        }
        ignored.push(Ignored::TracksFull);
        let weakest =
            self.tracks.iter().enumerate().filter(|(i, track)| !track.is_open() && best[*i].is_none());
        let (weakest, _) = weakest
            .filter(|(_, track)| track.evidence() < says)
            .min_by_key(|(_, track)| (track.evidence(), track.id))?;
        self.next_id = self.next_id.wrapping_add(1);
        self.tracks[weakest] = track;
        Some(weakest)
    }
}

/// What a look says of a place whose alarm has two steps.
fn word(kind: &EventKind, policy: &Policy, look: &LookAt<'_>, track: &Track, found: Option<&Found>) -> Word {
    let near = (policy.nothing_found, policy.picture_distance);
    let second = look.waiting.iter().filter_map(|opinion| opinion.of_place(kind, &track.place, near));
    let first = found.map_or(policy.nothing_found, |found| MicroNats::logit(found.probability));
    Word { first, second: second.max() }
}

/// A total order, so that the order of boxes within a frame does not matter.
fn surest_first(a: &Found, b: &Found) -> Ordering {
    let score = |found: &Found| Score::get(found.score);
    let edges = |found: &Found| <[f32; 4]>::from(found.bbox);
    score(b).total_cmp(&score(a)).then_with(|| {
        let by_edge = edges(a).into_iter().zip(edges(b)).map(|(a, b)| a.total_cmp(&b));
        by_edge.fold(Ordering::Equal, Ordering::then)
    })
}
