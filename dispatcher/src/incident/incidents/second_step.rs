//! The second step of an alarm: what is said of it is heard, and decided.

use super::Incidents;
use crate::evidence::{Look, MicroNats, Word};
use crate::incident::{IncidentChange, Standing, Verdict, What};
use citybrain_types::{EventKind, IncidentId};
use std::collections::BTreeMap;

/// What was rejected is an alarm again when the model that is asked has said this much for it …
const AGAIN_AT: MicroNats = MicroNats::from_micros(6_000_000);
/// … in at least this many looks.
const AGAIN_LOOKS: u32 = 3;

impl Incidents {
    /// Sorts what a look says of its open places by incident; of two places of one incident the better word counts.
    pub(super) fn weigh(
        &self,
        look: &Look,
        kind: &EventKind,
        track: u32,
        word: Word,
        words: &mut BTreeMap<IncidentId, (Word, u32)>,
    ) {
        let track = (look.camera.clone(), track);
        let ids = self.book.of_camera(&look.camera, kind).iter();
        let known = ids.filter_map(|id| self.book.get(id)).find(|entry| entry.tracks.contains(&track));
        let Some(entry) = known else { return };
        let so_far = words.entry(entry.incident.id.clone()).or_insert((word, track.1));
        so_far.0.first = so_far.0.first.max(word.first);
        so_far.0.second = so_far.0.second.max(word.second);
    }

    pub(super) fn hear(
        &mut self,
        look: &Look,
        words: BTreeMap<IncidentId, (Word, u32)>,
        changes: &mut Vec<IncidentChange>,
    ) {
        for (id, (word, _)) in words {
            let Some(entry) = self.book.get_mut(&id) else { continue };
            match &mut entry.incident.standing {
                Standing::Alarm(hearing) => {
                    hearing.hear(word, look.captured_at);
                    self.decide(&id, look, true, changes);
                }
                Standing::Rejected { .. } => {
                    let Some(says) = word.second else { continue };
                    let (weight, yes) = &mut entry.again;
                    *weight = weight.plus(says).held(AGAIN_AT);
                    *yes = if says > MicroNats::ZERO { *yes + 1 } else { 0 };
                    if *weight >= AGAIN_AT && *yes >= AGAIN_LOOKS {
                        // The next look at it finds nothing that holds it, and gives the alarm.
                        self.forget(&id, changes);
                    }
                }
                Standing::Open | Standing::Confirmed { .. } | Standing::Over { .. } => {}
            }
        }
    }

    /// Alarms that are overdue are decided by the clock of any camera: theirs may have fallen silent.
    pub(super) fn decide_overdue(&mut self, look: &Look, changes: &mut Vec<IncidentChange>) {
        for id in self.book.overdue(look.captured_at) {
            let own = self.book.get(&id).is_some_and(|e| e.incident.members.contains_key(&look.camera));
            self.decide(&id, look, own, changes);
        }
    }

    pub(super) fn decide(
        &mut self,
        id: &IncidentId,
        look: &Look,
        own: bool,
        changes: &mut Vec<IncidentChange>,
    ) {
        let Some(entry) = self.book.get(id) else { return };
        let Standing::Alarm(hearing) = &entry.incident.standing else { return };
        let Some(verdict) = hearing.verdict(look.captured_at, own) else { return };
        let hearing = hearing.clone();
        self.book.decided(id);
        let Some(entry) = self.book.get_mut(id) else { return };
        let (captured_at, at) = (look.captured_at, look.decided_at);
        entry.incident.because(
            look,
            What::Heard {
                confirmed: verdict == Verdict::Confirmed,
                weight_micronats: hearing.weight(),
                second_micronats: hearing.second(),
                witnesses: hearing.witnesses(),
            },
        );
        match verdict {
            Verdict::Confirmed => {
                entry.incident.standing = Standing::Confirmed { at };
                let incident = entry.incident.clone();
                changes.push(IncidentChange::Confirmed { incident, captured_at, at });
            }
            Verdict::Withdrawn => {
                // Without a second voice it was only not found often enough: when evidence goes and comes again, that is
                // another alarm.
                entry.incident.standing = match hearing.second() {
                    Some(_) => Standing::Rejected { at },
                    None => Standing::Over { at },
                };
                let incident = entry.incident.clone();
                let (camera, kind) = (incident.camera.clone(), incident.kind.clone());
                changes.push(IncidentChange::Withdrawn { incident: incident.clone(), captured_at, at });
                changes.push(IncidentChange::Remembered(incident));
                self.bound_memory(&camera, &kind, changes);
            }
        }
    }
}
