//! Closing by the camera: after a department has said that it is done, the same camera looks again.
//!
//! [`Glance`] is what a look says to that; [`Counts`] decides; [`run`] is the task around it. Counts are not stored:
//! after a restart they begin anew, which costs a few looks and decides nothing wrongly.

use super::desk::Desk;
use crate::evidence::{Look, Sighting, same_place};
use crate::services::SNAPSHOT_FOLDER;
use citybrain_types::{
    BoundingBox, CameraDirectory, CameraId, Case, CaseId, EventKind, SnapshotRef, Timestamp,
};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Cases that are being re-checked are read again this often, when there are looks.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// Cases re-checked by cameras at once; what is beyond is re-checked when others are done.
const MAX_CASES: u32 = 2_000;

/// What one look says to cases that are being re-checked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Glance {
    camera: CameraId,
    captured_at: Timestamp,
    looked_for: Vec<EventKind>,
    seen: Vec<(EventKind, BoundingBox)>,
}

impl Glance {
    /// `None` for a look that could not see.
    pub(crate) fn of(look: &Look) -> Option<Self> {
        let seen = look.sightings.iter().filter_map(|sighting| match sighting {
            Sighting::Opened(sight) | Sighting::Seen(sight) => Some((sight.kind.clone(), sight.place)),
            _ => None,
        });
        (!look.looked_for.is_empty()).then(|| Self {
            camera: look.camera.clone(),
            captured_at: look.captured_at,
            looked_for: look.looked_for.clone(),
            seen: seen.collect(),
        })
    }
}

/// What the camera says in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing is left.
    Gone,
    /// It is still there.
    Still,
}

/// Looks in a row since a case was reported done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Counts {
    since: Timestamp,
    clear: u32,
    seen: u32,
}

impl Counts {
    /// Takes in one look; says when enough in a row agree.
    fn take(&mut self, case: &Case, glance: &Glance, needed: u32, join_distance: f32) -> Option<Verdict> {
        // Looks from before the department said so prove nothing; a case that was reopened begins anew.
        if self.since != case.updated_at {
            *self = Self { since: case.updated_at, ..Self::default() };
        }
        if glance.captured_at <= case.updated_at || !glance.looked_for.contains(&case.kind) {
            return None;
        }
        let is_it = |(kind, place): &(EventKind, BoundingBox)| {
            *kind == case.kind && same_place(&case.bbox, place, join_distance)
        };
        if glance.seen.iter().any(is_it) {
            *self = Self { clear: 0, seen: self.seen + 1, ..*self };
        } else {
            *self = Self { clear: self.clear + 1, seen: 0, ..*self };
        }
        match (self.clear >= needed, self.seen >= needed) {
            (true, _) => Some(Verdict::Gone),
            (_, true) => Some(Verdict::Still),
            _ => None,
        }
    }
}

/// What the task is made of.
pub(crate) struct Recheck {
    pub(crate) desk: Desk,
    pub(crate) cameras: Arc<dyn CameraDirectory>,
}

/// Cases that are being re-checked, by camera.
#[derive(Default)]
struct Watched {
    read_at: Option<Timestamp>,
    cases: HashMap<CameraId, Vec<Case>>,
    counts: HashMap<CaseId, Counts>,
}

/// Looks on until cases are gone.
pub(crate) async fn run(recheck: Recheck, mut glances: mpsc::Receiver<Vec<Glance>>) {
    let mut watched = Watched::default();
    while let Some(batch) = glances.recv().await {
        watched.read(&recheck.desk).await;
        for glance in &batch {
            let verdicts = watched.look(&recheck.desk, glance);
            for (id, verdict) in verdicts {
                watched.counts.remove(&id);
                recheck.conclude(&id, verdict).await;
                watched.read_at = None;
            }
        }
    }
}

impl Watched {
    async fn read(&mut self, desk: &Desk) {
        let now = desk.clock.now();
        if self.read_at.is_some_and(|at| at <= now && now.since(at) < READ_AGAIN_AFTER) {
            return;
        }
        match desk.store.rechecking(MAX_CASES).await {
            Ok(cases) => {
                self.read_at = Some(now);
                self.counts.retain(|id, _| cases.iter().any(|case| case.id == *id));
                self.cases.clear();
                for case in cases {
                    if let Some(camera) = &case.camera {
                        self.cases.entry(camera.clone()).or_default().push(case);
                    }
                }
            }
            Err(error) => desk.metrics.store_failed(&error),
        }
    }

    fn look(&mut self, desk: &Desk, glance: &Glance) -> Vec<(CaseId, Verdict)> {
        let Some(cases) = self.cases.get(&glance.camera) else { return Vec::new() };
        let city = desk.city.borrow();
        let (needed, near) = (city.cases.limits.recheck_looks, city.dispatch.join_distance);
        let counts = &mut self.counts;
        let verdict = |case: &Case| {
            let counts = counts.entry(case.id.clone()).or_default();
            Some((case.id.clone(), counts.take(case, glance, needed, near)?))
        };
        cases.iter().filter_map(verdict).collect()
    }
}

impl Recheck {
    async fn conclude(&self, id: &CaseId, verdict: Verdict) {
        let after = if verdict == Verdict::Gone { self.keep_picture(id).await } else { None };
        match self.desk.recheck(id, verdict, after).await {
            Ok(()) => {}
            Err(error) => {
                self.desk.metrics.store_failed(&error);
                tracing::error!(case = %id, %error, "a re-check cannot be written; the next looks decide again");
            }
        }
    }

    /// Keeps the camera's last look as the picture after; `None` when there is none.
    async fn keep_picture(&self, id: &CaseId) -> Option<SnapshotRef> {
        let case = self.desk.store.case(id).await.ok()??;
        let camera = case.camera?;
        let last = self.cameras.statuses().into_iter().find(|status| status.camera == camera)?.snapshot?;
        let root = self.desk.city.borrow().site.data_dir.join(SNAPSHOT_FOLDER);
        let day: String = self.desk.clock.now().to_string().chars().take(10).collect();
        let place = SnapshotRef::new(format!("{camera}/{day}/{id}-after.jpg")).ok()?;
        let to = root.join(place.as_str());
        let copied = async {
            tokio::fs::create_dir_all(to.parent().unwrap_or(&root)).await?;
            tokio::fs::copy(root.join(last.as_str()), &to).await
        };
        match copied.await {
            Ok(_) => Some(place),
            Err(error) => {
                tracing::warn!(case = %id, %error, "the picture after cannot be kept");
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::a_case;
    use crate::testing::city::START;

    fn glance(secs: u64, seen: bool) -> Glance {
        let kind = EventKind::new(EventKind::FIRE);
        Glance {
            camera: CameraId::new("gate-1").unwrap(),
            captured_at: START.plus(Duration::from_secs(secs)),
            looked_for: vec![kind.clone()],
            seen: if seen { vec![(kind, BoundingBox::WHOLE)] } else { vec![] },
        }
    }

    #[test]
    fn looks_in_a_row_that_agree_decide_and_those_from_before_it_was_done_do_not() {
        let mut case = a_case("gate-1");
        case.updated_at = START.plus(Duration::from_secs(10));
        let mut counts = Counts::default();
        let mut take = |secs, seen| counts.take(&case, &glance(secs, seen), 3, 0.2);
        assert_eq!([take(2, false), take(4, false), take(10, false)], [None; 3], "before it was done");
        assert_eq!([take(12, false), take(14, false), take(16, true)], [None; 3]);
        assert_eq!([take(18, false), take(20, false), take(22, false)], [None, None, Some(Verdict::Gone)]);
        case.updated_at = START.plus(Duration::from_secs(30));
        let mut take = |secs, seen| counts.take(&case, &glance(secs, seen), 2, 0.2);
        assert_eq!([take(32, true), take(34, true)], [None, Some(Verdict::Still)]);
    }

    #[test]
    fn a_look_for_something_else_or_at_another_place_is_no_proof() {
        let mut case = a_case("gate-1");
        case.bbox = BoundingBox::new(0.0, 0.0, 0.1, 0.1).unwrap();
        let mut counts = Counts::default();
        let mut other = glance(2, false);
        other.looked_for = vec![EventKind::new("littering")];
        assert_eq!(counts.take(&case, &other, 1, 0.1), None);
        let mut elsewhere = glance(3, true);
        elsewhere.seen[0].1 = BoundingBox::new(0.8, 0.8, 0.9, 0.9).unwrap();
        assert_eq!(counts.take(&case, &elsewhere, 1, 0.1), Some(Verdict::Gone), "this place is clear");
    }
}
