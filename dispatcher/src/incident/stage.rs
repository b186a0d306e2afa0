//! The stage around the decision: looks in, what became of incidents out.

use super::{IncidentChange, Incidents};
use crate::case::Glance;
use crate::evidence::Look;
use crate::metrics::{Metrics, Stage};
use crate::policy::{InForce, Opening, ShadowFeed, Shadows};
use crate::ruling::{Decided, Input};
use citybrain_ingest_config::City;
use citybrain_types::{CameraId, Clock, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};

/// What goes from incidents to cases: what changed, and how far each camera was judged.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Step {
    pub(crate) changes: Vec<IncidentChange>,
    pub(crate) judged: BTreeMap<CameraId, (u64, Timestamp)>,
    pub(crate) glances: Vec<Glance>,
}

/// What the stage is made of.
pub(crate) struct IncidentStage {
    pub(crate) city: watch::Receiver<Arc<City>>,
    pub(crate) incidents: Incidents,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) next: mpsc::Sender<Step>,
    pub(crate) metrics: Metrics,
    /// Policies that judge beside it are told what was opened.
    pub(crate) shadows: Shadows,
}

/// Takes looks until evidence is gone, then lets go of the next stage.
pub(crate) async fn run(mut stage: IncidentStage, mut looks: mpsc::Receiver<Input<Look>>) {
    let mut live = InForce::default();
    while let Some(taken) = looks.recv().await {
        let started = stage.clock.now();
        if stage.city.has_changed().unwrap_or(false) {
            let city = Arc::clone(&stage.city.borrow_and_update());
            stage.incidents.reload(&live.laid_over(&city));
        }
        let mut step = Step::default();
        let batch = match taken {
            Input::Seen(batch) => batch,
            Input::Said(ruling) => {
                if let Decided::Thresholds { live: other } = &ruling.what {
                    live = other.clone();
                    stage.incidents.reload(&live.laid_over(&stage.city.borrow()));
                }
                step.changes.extend(stage.incidents.rule(&ruling));
                Vec::new()
            }
        };
        for look in &batch {
            step.glances.extend(Glance::of(look));
            for change in stage.incidents.take(look) {
                stage.shadows.feed(|| Opening::of(&change).map(ShadowFeed::Live));
                match change {
                    IncidentChange::Held { camera, kind, reason } => {
                        tracing::debug!(%camera, %kind, reason = reason.name(), "a sighting opened nothing");
                        stage.metrics.held(&kind, reason);
                    }
                    change => step.changes.push(change),
                }
            }
            // An overtaken look comes after a later one: the mark does not go back.
            let mark = step.judged.entry(look.camera.clone()).or_default();
            *mark = (*mark).max((look.sequence, look.captured_at));
        }
        stage.metrics.camera_faults(stage.incidents.camera_faults());
        stage.metrics.stage(Stage::Incident, stage.clock.now().since(started));
        if stage.next.send(step).await.is_err() {
            return;
        }
    }
}
