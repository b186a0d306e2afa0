//! When a look at nothing changes anything, so that a reader of a log can pass over those that do not.
//!
//! A look that saw nothing ends what has been quiet for long enough, restarts the clock of that after a gap in the looks,
//! and decides alarms that are overdue. Between such moments it only says that somebody looked.

use super::Standing;
use super::book::Entry;
use super::incidents::{CLOCKS_DIFFER, Incidents};
use citybrain_types::{CameraId, EventKind, Timestamp};
use std::collections::BTreeSet;
use std::time::Duration;

/// What the looks of one camera for one kind must be watched for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Watch {
    /// The kind.
    pub(crate) kind: EventKind,
    /// A look at this moment or later may end or forget something.
    pub(crate) due: Timestamp,
    /// So may a look before this one: a clock was set back.
    pub(crate) floor: Timestamp,
    /// So may a look that comes longer than this after the last.
    pub(crate) gap: Duration,
    /// Nobody has looked since something began: the next look is to be told.
    pub(crate) fresh: bool,
}

impl Incidents {
    /// What to watch the looks of a camera for.
    pub(crate) fn watches(&self, camera: &CameraId) -> Vec<Watch> {
        let mut watches: Vec<Watch> = Vec::new();
        for (kind, entries) in self.entries_of(camera) {
            for entry in entries {
                let own = self.watch(&kind, entry);
                match watches.last_mut().filter(|watch| watch.kind == kind) {
                    Some(watch) => {
                        watch.due = watch.due.min(own.due);
                        watch.floor = watch.floor.max(own.floor);
                        watch.fresh |= own.fresh;
                    }
                    None => watches.push(own),
                }
            }
        }
        watches
    }

    fn watch(&self, kind: &EventKind, entry: &Entry) -> Watch {
        let (quiet_after, gap) = self.quiet_and_gap(kind);
        let policy = self.policy(kind);
        let incident = &entry.incident;
        let since = entry.looked.map_or(Timestamp::EPOCH, |(_, since)| since);
        let due = match &incident.standing {
            Standing::Open | Standing::Confirmed { .. } => incident.last_seen_at.max(since).plus(quiet_after),
            // Another camera's look may decide it: whatever it is then, it is not earlier due than this.
            Standing::Alarm(_) => {
                incident.last_seen_at.plus(quiet_after.min(policy.rejected_for).min(policy.recurs_within))
            }
            Standing::Rejected { .. } => incident.last_seen_at.plus(policy.rejected_for),
            Standing::Over { .. } => incident.last_seen_at.plus(policy.recurs_within),
        };
        let floor = since.max(incident.last_seen_at.minus(CLOCKS_DIFFER));
        Watch { kind: kind.clone(), due, floor, gap, fresh: entry.looked.is_none() }
    }

    /// A camera has looked for a kind up to `last`, without a gap, and nothing became due.
    pub(crate) fn looked_until(&mut self, camera: &CameraId, kind: &EventKind, last: Timestamp) {
        for id in self.book().of_camera(camera, kind).to_vec() {
            if let Some(entry) = self.book_mut().get_mut(&id)
                && let Some((looked, _)) = &mut entry.looked
            {
                *looked = (*looked).max(last);
            }
        }
    }

    /// Other cameras that have part in what a camera has part in.
    pub(crate) fn companions(&self, camera: &CameraId) -> BTreeSet<CameraId> {
        let entries = self.entries_of(camera).into_iter().flat_map(|(_, entries)| entries);
        let members = entries.flat_map(|entry| entry.incident.members.keys());
        members.filter(|other| *other != camera).cloned().collect()
    }

    /// When the next alarm is decided at the latest.
    pub(crate) fn next_decision(&self) -> Option<Timestamp> {
        self.book().next_decision()
    }
}
