//! The stage around the decision: frames in, looks out, and a word to the pipeline to look again soon.

use super::{Evidence, Judged, Look};
use crate::metrics::{Metrics, Stage};
use crate::policy::{InForce, ShadowFeed, Shadows};
use crate::ruling::{Decided, Input};
use crate::verdict::Candidate;
use citybrain_ingest_config::City;
use citybrain_types::{CameraId, Clock, EventKind, FocusRequest, FrameDetections, Timestamp};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// How long a camera is looked at more often: the time in which a fire is confirmed or withdrawn.
const FOCUS_FOR: Duration = Duration::from_secs(30);
/// A focused camera is looked at this many times as often.
const FOCUS_FACTOR: u32 = 4;
/// No request asks for looks closer together than this.
const FOCUS_MIN_INTERVAL: Duration = Duration::from_millis(500);
/// What something makes likelier, as rain does with water on the road, is looked for at least this often.
const LIKELIER_INTERVAL: Duration = Duration::from_secs(2);
/// A request is repeated at most this often, by the frames' time.
const FOCUS_REPEAT: Duration = Duration::from_secs(10);

/// What the stage is made of.
pub(crate) struct EvidenceStage {
    pub(crate) city: watch::Receiver<Arc<City>>,
    pub(crate) evidence: Evidence,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) focus: mpsc::Sender<FocusRequest>,
    pub(crate) next: mpsc::Sender<Input<Look>>,
    pub(crate) metrics: Metrics,
    /// Policies that judge the same frames beside it.
    pub(crate) shadows: Shadows,
    /// Where what almost opened goes.
    pub(crate) candidates: mpsc::Sender<Vec<Candidate>>,
}

/// Judges frames until intake is gone, then lets go of the next stage.
pub(crate) async fn run(mut stage: EvidenceStage, mut frames: mpsc::Receiver<Input<FrameDetections>>) {
    let mut focus = Focus::default();
    let mut live = InForce::default();
    while let Some(taken) = frames.recv().await {
        let batch = match taken {
            Input::Seen(batch) => batch,
            Input::Said(ruling) => {
                if let Decided::Thresholds { live: other } = &ruling.what {
                    live = other.clone();
                    stage.evidence.calibrate(live.policy.sound_calibrations());
                    stage.evidence.reload(live.laid_over(&stage.city.borrow()));
                }
                stage.shadows.rule(&ruling);
                if stage.next.send(Input::Said(ruling)).await.is_err() {
                    return;
                }
                continue;
            }
        };
        let started = stage.clock.now();
        if stage.city.has_changed().unwrap_or(false) {
            let city = Arc::clone(&stage.city.borrow_and_update());
            stage.evidence.reload(live.laid_over(&city));
            stage.shadows.feed(|| Some(ShadowFeed::City(city)));
        }
        stage.shadows.feed(|| Some(ShadowFeed::Frames(Arc::new(batch.clone()))));
        let mut looks = Vec::with_capacity(batch.len());
        for frame in &batch {
            let Judged { look, suspects, alarms, likelier, ignored, almost } = stage.evidence.judge(frame);
            if !almost.is_empty() {
                let candidates = almost.into_iter().map(Candidate::of).collect();
                // A sample does not hold the stream up; one that is lost is counted.
                stage.metrics.candidate(stage.candidates.try_send(candidates).is_ok());
            }
            for reason in ignored {
                stage.metrics.ignored(reason);
            }
            for kind in suspects {
                let verify = alarms.contains(&kind);
                let request = focus.request(&stage.city.borrow(), &look, kind, verify);
                // Never waits: a request against the stream must not hold the stream up. The next look asks again.
                request.into_iter().for_each(|r| stage.metrics.focus_asked(stage.focus.try_send(r).is_ok()));
            }
            for request in focus.likelier(&stage.city.borrow(), &look, likelier) {
                stage.metrics.focus_asked(stage.focus.try_send(request).is_ok());
            }
            looks.push(look);
        }
        stage.metrics.stage(Stage::Evidence, stage.clock.now().since(started));
        if stage.next.send(Input::Seen(looks)).await.is_err() {
            return;
        }
    }
}

/// When each camera was last asked for: decides whether it is asked for again.
#[derive(Debug, Default)]
pub struct Focus {
    asked_at: HashMap<CameraId, (Timestamp, bool)>,
    likelier_at: HashMap<CameraId, Timestamp>,
}

impl Focus {
    /// Asks for more looks at a suspect, or, with `verify`, at one whose alarm was given; `None` when that was done
    /// lately.
    pub fn request(
        &mut self,
        city: &City,
        look: &Look,
        kind: EventKind,
        verify: bool,
    ) -> Option<FocusRequest> {
        let asked_lately = |(at, verified): &(Timestamp, bool)| {
            *at <= look.captured_at && look.captured_at.since(*at) < FOCUS_REPEAT && (*verified || !verify)
        };
        if self.asked_at.get(&look.camera).is_some_and(asked_lately) {
            return None;
        }
        let interval = city.kinds.get(&kind)?.look_interval;
        self.asked_at.insert(look.camera.clone(), (look.captured_at, verify));
        Some(FocusRequest {
            camera: look.camera.clone(),
            kind,
            look_interval: (interval / FOCUS_FACTOR).max(FOCUS_MIN_INTERVAL),
            until: look.decided_at.plus(FOCUS_FOR),
            verify,
        })
    }

    /// Asks for more looks for kinds that something makes likelier; none when that was done lately.
    pub fn likelier(&mut self, city: &City, look: &Look, kinds: Vec<EventKind>) -> Vec<FocusRequest> {
        let lately = |at: &Timestamp| *at <= look.captured_at && look.captured_at.since(*at) < FOCUS_REPEAT;
        if kinds.is_empty() || self.likelier_at.get(&look.camera).is_some_and(lately) {
            return Vec::new();
        }
        self.likelier_at.insert(look.camera.clone(), look.captured_at);
        let request = |kind: EventKind| {
            let interval = city.kinds.get(&kind)?.look_interval;
            Some(FocusRequest {
                camera: look.camera.clone(),
                kind,
                look_interval: (interval / FOCUS_FACTOR).min(LIKELIER_INTERVAL).max(FOCUS_MIN_INTERVAL),
                until: look.decided_at.plus(FOCUS_FOR),
                verify: false,
            })
        };
        kinds.into_iter().filter_map(request).collect()
    }
}
