//! The schedule, the worker and the dispatcher's decisions behind one camera, in lock-step with a clock that is moved by
//! hand: what a city would have made of a stream, as fast as it can be computed.

use anyhow::Context;
use citybrain_dispatcher::evidence::{Evidence, Focus};
use citybrain_dispatcher::incident::{IncidentChange, Incidents};
use citybrain_ingest_config::City;
use citybrain_models::{Runtime, SessionOptions};
use citybrain_pipeline::picture::Picture;
use citybrain_pipeline::replay::Replay;
use citybrain_types::{EventKind, FrameDetections, FrameOutcome, Timestamp};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

/// One camera's desk.
pub struct Desk {
    city: Arc<City>,
    replay: Replay,
    evidence: Evidence,
    focus: Focus,
    incidents: Incidents,
    /// The moments of the pictures that were looked at.
    pub looked: BTreeSet<Timestamp>,
    /// Incidents that opened: which kind, and the moment of the picture that decided it.
    pub opened: Vec<(EventKind, Timestamp)>,
}

impl Desk {
    /// Opens it at `start`; snapshots go below `folder`.
    ///
    /// # Errors
    /// When a model cannot be loaded.
    pub fn open(
        city: &Arc<City>,
        runtime: &Runtime,
        start: Timestamp,
        folder: &Path,
    ) -> anyhow::Result<Self> {
        let replay = Replay::start(city, runtime, SessionOptions::default(), start, folder)
            .context("the desk cannot be opened")?;
        Ok(Self {
            replay,
            evidence: Evidence::new(Arc::clone(city), []),
            focus: Focus::default(),
            incidents: Incidents::new(city, []),
            looked: BTreeSet::new(),
            opened: Vec::new(),
            city: Arc::clone(city),
        })
    }

    /// The next keyframe; what is due before it comes is done first. An `eager` one shows something new.
    pub fn take(&mut self, picture: Picture, eager: bool) {
        let at = picture.received_at();
        self.run_until(at);
        if eager {
            self.replay.put_eager(picture)
        } else {
            self.replay.put(picture)
        }
        self.run_until(at);
    }

    /// Does everything that is due until then.
    pub fn run_until(&mut self, until: Timestamp) {
        while let Some(frames) = self.replay.step(until) {
            frames.iter().for_each(|frame| self.judge(frame));
        }
    }

    fn judge(&mut self, frame: &FrameDetections) {
        if frame.outcome == FrameOutcome::Analysed {
            self.looked.insert(frame.captured_at);
        }
        let judged = self.evidence.judge(frame);
        for kind in judged.suspects {
            if let Some(request) = self.focus.request(&self.city, &judged.look, kind, false) {
                self.replay.focus(&request);
            }
        }
        for change in self.incidents.take(&judged.look) {
            if let IncidentChange::Opened { incident, captured_at, .. } = change {
                self.opened.push((incident.kind, captured_at));
            }
        }
    }
}
