//! What a policy's cases come to, held against what is known.

use super::proposal::{Proposal, Scope};
use super::remark::{self, Remark};
use super::report::{CaseSketch, Delay, Figures, MAX_LISTED, Outcome, Share};
use super::street::{Found, Street};
use super::truth::{About, Judgement, Truth, Verdict};
use citybrain_types::{CameraId, EventKind, IncidentId, Timestamp};
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// Two times this near to each other belong to one happening: looks are some seconds apart.
const SLACK: Duration = Duration::from_secs(10);
const DAY_SECS: f64 = 86_400.0;

/// A time of one camera and kind of which something is known.
#[derive(Debug, Clone)]
struct Span {
    from: Timestamp,
    to: Timestamp,
    verdict: Verdict,
}

/// A known event.
#[derive(Debug, Clone)]
pub(super) struct Event {
    pub(super) camera: CameraId,
    pub(super) kind: EventKind,
    from: Timestamp,
    to: Timestamp,
}

/// All that is known, by camera and kind.
#[derive(Debug, Default)]
pub(super) struct Known {
    by_case: HashMap<IncidentId, Verdict>,
    spans: HashMap<CameraId, BTreeMap<EventKind, Vec<Span>>>,
    pub(super) events: Vec<Event>,
    complete: bool,
    /// Verdicts on cases that no policy opens: nothing tells when they were.
    lost: usize,
    /// Events are known from verdicts alone, which are mostly on cases.
    from_verdicts: bool,
}

fn overlap(from: Timestamp, to: Timestamp, other: (Timestamp, Timestamp)) -> bool {
    from <= other.1.plus(SLACK) && other.0 <= to.plus(SLACK)
}

impl Known {
    pub(super) fn of(truth: &Truth, streets: &[Street]) -> Self {
        let from_verdicts = truth.events.is_empty();
        let mut known = Self { complete: truth.complete, from_verdicts, ..Self::default() };
        for event in &truth.events {
            let (from, to) = (event.from.min(event.to), event.to.max(event.from));
            known.put(&event.camera, &event.kind, Span { from, to, verdict: Verdict::Real });
        }
        for Judgement { about, verdict } in &truth.verdicts {
            match about {
                About::Moment { camera, kind, at, until } => {
                    let to = until.unwrap_or(*at).max(*at);
                    known.put(camera, kind, Span { from: *at, to, verdict: *verdict });
                }
                About::Case { incident } => {
                    known.by_case.insert(incident.clone(), *verdict);
                    let Some(found) = streets.iter().find_map(|street| street.cases.get(incident)) else {
                        known.lost += 1;
                        continue;
                    };
                    let incident = &found.incident;
                    let (from, to) = (incident.first_seen_at, incident.last_seen_at);
                    known.put(&incident.camera, &incident.kind, Span { from, to, verdict: *verdict });
                }
            }
        }
        known.gather();
        known
    }

    fn put(&mut self, camera: &CameraId, kind: &EventKind, span: Span) {
        self.spans.entry(camera.clone()).or_default().entry(kind.clone()).or_default().push(span);
    }

    /// Events: real spans, those that lie together as one.
    fn gather(&mut self) {
        for (camera, kinds) in &mut self.spans {
            for (kind, spans) in kinds {
                spans.sort_by_key(|span| (span.from, span.to));
                let mut events: Vec<Event> = Vec::new();
                for span in spans.iter().filter(|span| span.verdict == Verdict::Real) {
                    match events
                        .last_mut()
                        .filter(|event| overlap(event.from, event.to, (span.from, span.to)))
                    {
                        Some(event) => event.to = event.to.max(span.to),
                        None => {
                            let (camera, kind) = (camera.clone(), kind.clone());
                            events.push(Event { camera, kind, from: span.from, to: span.to });
                        }
                    }
                }
                self.events.extend(events);
            }
        }
        self.events.sort_by(|a, b| (a.from, &a.camera, &a.kind).cmp(&(b.from, &b.camera, &b.kind)));
    }

    /// What is known of a case; where several things are, the one that says most.
    fn verdict(&self, found: &Found) -> Option<Verdict> {
        let incident = &found.incident;
        if let Some(verdict) = self.by_case.get(&incident.id) {
            return Some(*verdict);
        }
        let kinds = incident.members.keys().filter_map(|camera| self.spans.get(camera));
        let spans = kinds.filter_map(|kinds| kinds.get(&incident.kind)).flatten();
        let (from, to) = (incident.first_seen_at, incident.last_seen_at);
        let near = spans.filter(|span| overlap(from, to, (span.from, span.to))).map(|span| span.verdict);
        let rank = |verdict: &Verdict| match verdict {
            Verdict::Real => 0,
            Verdict::Duplicate => 1,
            Verdict::False => 2,
            Verdict::Unsure => 3,
        };
        near.min_by_key(rank).or_else(|| self.complete.then_some(Verdict::False))
    }

    /// What to know of what is known.
    pub(super) fn remarks(&self, live: &Figures) -> Vec<Remark> {
        let mut remarks = Vec::new();
        if self.lost > 0 {
            remarks.push(Remark::LostVerdicts { verdicts: self.lost as u64 });
        }
        let recall = live.recall.filter(|recall| self.from_verdicts && recall.hits == recall.of);
        remarks.extend(recall.map(|recall| Remark::MissedUnknown { events: recall.of }));
        remarks
    }
}

/// What figures are counted from.
pub(super) struct Scene<'a> {
    pub(super) streets: &'a [Street],
    /// The cameras that are told of.
    pub(super) only: &'a Scope,
    pub(super) known: &'a Known,
    pub(super) days: f64,
    pub(super) watched: &'a BTreeMap<CameraId, Duration>,
}

/// Whether a policy decides over a kind: whether a camera is seen depends on none.
fn is_counted(found: &Found) -> bool {
    found.incident.kind.as_str() != EventKind::CAMERA_FAULT
}

impl Scene<'_> {
    /// The figures of one policy over some cameras and kinds.
    pub(super) fn figures(
        &self,
        policy: usize,
        kind: Option<&EventKind>,
        camera: &dyn Fn(&CameraId) -> bool,
    ) -> Figures {
        let street = &self.streets[policy];
        let of_kind = |own: &EventKind| kind.is_none_or(|kind| kind == own);
        let cases: Vec<&Found> = street
            .cases
            .values()
            .filter(|found| {
                is_counted(found) && of_kind(&found.incident.kind) && camera(&found.incident.camera)
            })
            .collect();
        let events: Vec<&Event> =
            self.known.events.iter().filter(|event| of_kind(&event.kind) && camera(&event.camera)).collect();
        let watched =
            self.watched.iter().filter(|(id, _)| camera(id)).map(|(_, watched)| watched.as_secs_f64());
        let camera_days = watched.sum::<f64>() / DAY_SECS;
        let per = |count: u64, days: f64| if days > 0.0 { count as f64 / days } else { 0.0 };
        let uncounted = street.uncounted.iter().filter(|((id, own), _)| of_kind(own) && camera(id));
        let uncounted = uncounted.map(|(_, count)| count).sum::<u64>();
        let opened = cases.len() as u64 + uncounted;
        let verdicts: Vec<Verdict> = cases.iter().filter_map(|found| self.known.verdict(found)).collect();
        let count = |verdict| verdicts.iter().filter(|own| **own == verdict).count() as u64;
        let (real, wrong) = (count(Verdict::Real), count(Verdict::False));
        let delays = delays(&cases, &events);
        Figures {
            cases: opened,
            withdrawn: cases.iter().filter(|found| found.withdrawn).count() as u64,
            cases_per_day: per(opened, self.days),
            cases_per_camera_day: per(opened, camera_days),
            precision: share(real, real + wrong),
            recall: share(delays.len() as u64, events.len() as u64),
            delay: delay(delays),
        }
    }

    /// What one policy leads to, and what it changes.
    pub(super) fn outcome(&self, number: usize, proposal: &Proposal) -> Outcome {
        let (live, own) = (&self.streets[0], &self.streets[number]);
        let inside = |camera: &CameraId| self.only.holds(&live.city, camera);
        let mut by_kind = BTreeMap::new();
        let mut by_camera: BTreeMap<CameraId, u64> = BTreeMap::new();
        let counted = |found: &&Found| is_counted(found) && inside(&found.incident.camera);
        for found in own.cases.values().filter(counted) {
            *by_camera.entry(found.incident.camera.clone()).or_default() += 1;
        }
        let watched = self.watched.keys().filter(|camera| inside(camera));
        let watched = watched.filter_map(|camera| own.city.cameras.get(camera));
        let kinds: std::collections::BTreeSet<&EventKind> =
            watched.flat_map(|camera| &camera.kinds).collect();
        let mut sides = Vec::new();
        for kind in kinds {
            let figures = self.figures(number, Some(kind), &inside);
            if number > 0 {
                sides.push((kind, self.figures(0, Some(kind), &inside), figures.clone()));
            }
            by_kind.insert(kind.clone(), figures);
        }
        let (gained, gained_in_all) = self.only_in(own, live);
        let (lost, lost_in_all) = self.only_in(live, own);
        let warnings = remark::warnings(&sides, lost_in_all, self.days);
        Outcome {
            name: proposal.name.clone(),
            policy: proposal.policy.clone(),
            all: self.figures(number, None, &inside),
            by_kind,
            by_camera,
            gained,
            gained_in_all,
            lost,
            lost_in_all,
            warnings,
        }
    }

    /// Cases of one policy that another does not open.
    fn only_in(&self, own: &Street, other: &Street) -> (Vec<CaseSketch>, u64) {
        if std::ptr::eq(own, other) {
            return (Vec::new(), 0);
        }
        let mut index: HashMap<(&CameraId, &EventKind), Vec<(Timestamp, Timestamp)>> = HashMap::new();
        for found in other.cases.values() {
            let incident = &found.incident;
            for camera in incident.members.keys() {
                let spans = index.entry((camera, &incident.kind)).or_default();
                spans.push((incident.first_seen_at, incident.last_seen_at));
            }
        }
        let has_match = |found: &Found| {
            let incident = &found.incident;
            let spans = incident.members.keys().filter_map(|camera| index.get(&(camera, &incident.kind)));
            let (from, to) = (incident.first_seen_at, incident.last_seen_at);
            spans.flatten().any(|span| overlap(from, to, *span))
        };
        let inside = |found: &Found| self.only.holds(&self.streets[0].city, &found.incident.camera);
        let mut only: Vec<&Found> = own
            .cases
            .values()
            .filter(|found| is_counted(found) && inside(found) && !has_match(found))
            .collect();
        only.sort_by_key(|found| (found.incident.opened_at, &found.incident.id));
        let count = only.len() as u64;
        (only.into_iter().take(MAX_LISTED).map(|found| self.sketch(found)).collect(), count)
    }

    fn sketch(&self, found: &Found) -> CaseSketch {
        let incident = &found.incident;
        CaseSketch {
            incident: incident.id.clone(),
            camera: incident.camera.clone(),
            kind: incident.kind.clone(),
            first_seen_at: incident.first_seen_at,
            opened_at: incident.opened_at,
            last_seen_at: incident.last_seen_at,
            place: incident.place,
            score: incident.score,
            withdrawn: found.withdrawn,
            verdict: self.known.verdict(found),
            snapshots: found.snapshots.clone(),
        }
    }
}

/// For each event that has a case, how long it took, in seconds. An alarm that was withdrawn is no case.
fn delays(cases: &[&Found], events: &[&Event]) -> Vec<f64> {
    let mut index: HashMap<(&CameraId, &EventKind), Vec<&Found>> = HashMap::new();
    for found in cases.iter().filter(|found| !found.withdrawn) {
        for camera in found.incident.members.keys() {
            index.entry((camera, &found.incident.kind)).or_default().push(found);
        }
    }
    let caught = |event: &&Event| {
        let near = index.get(&(&event.camera, &event.kind)).into_iter().flatten();
        let near = near.filter(|found| {
            overlap(event.from, event.to, (found.incident.first_seen_at, found.incident.last_seen_at))
        });
        near.map(|found| found.incident.opened_at.since(event.from).as_secs_f64()).min_by(f64::total_cmp)
    };
    events.iter().filter_map(caught).collect()
}

fn share(hits: u64, of: u64) -> Option<Share> {
    (of > 0).then(|| Share { share: hits as f64 / of as f64, hits, of })
}

fn delay(mut secs: Vec<f64>) -> Option<Delay> {
    secs.sort_by(f64::total_cmp);
    // Nearest rank.
    let rank = |percent: usize| secs.get((secs.len() * percent).div_ceil(100).saturating_sub(1)).copied();
    Some(Delay { median_secs: rank(50)?, p90_secs: rank(90)?, max_secs: rank(100)? })
}
