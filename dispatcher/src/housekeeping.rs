//! What nobody waits for: how full the outbox is, and which cameras' connections have changed.

use crate::metrics::Metrics;
use crate::services::Change;
use crate::store::{Store, StoreError};
use citybrain_types::{CameraDirectory, CameraId, Clock};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

/// A camera that flaps is told of at most this often.
const ROUND: Duration = Duration::from_secs(1);

/// Cameras told of in one round; when a whole district goes dark the rest are told of in the next rounds.
const TOLD_IN_A_ROUND: usize = 100;

/// Answers under idempotency keys are kept this long: nobody sends the same request again later.
const ANSWERS_KEPT: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Silences that are over are kept this long, for whoever asks why something was not told.
const SILENCES_KEPT: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// Answers that are too old are forgotten this often.
const FORGET_EVERY_ROUNDS: u64 = 3_600;

/// What the rounds are made of.
pub(crate) struct Housekeeping {
    pub(crate) store: Store,
    pub(crate) cameras: Arc<dyn CameraDirectory>,
    pub(crate) listeners: broadcast::Sender<Change>,
    pub(crate) metrics: Metrics,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) stop: CancellationToken,
}

/// Goes its rounds until stopped.
pub(crate) async fn run(house: Housekeeping) {
    // How they stand at the start is read from the list.
    let mut known =
        house.cameras.statuses().into_iter().map(|status| (status.camera, status.state.name())).collect();
    let mut rounds: u64 = 0;
    loop {
        tokio::select! {
            () = tokio::time::sleep(ROUND) => {}
            () = house.stop.cancelled() => return,
        }
        house.tell_changed_cameras(&mut known);
        match house.store.pending().await {
            Ok(pending) => house.metrics.outbox_pending(pending),
            Err(error) => house.metrics.store_failed(&error),
        }
        rounds += 1;
        if rounds.is_multiple_of(FORGET_EVERY_ROUNDS)
            && let Err(error) = house.forget().await
        {
            house.metrics.store_failed(&error);
        }
    }
}

impl Housekeeping {
    async fn forget(&self) -> Result<(), StoreError> {
        let now = self.clock.now();
        self.store.forget_answers(now.minus(ANSWERS_KEPT)).await?;
        self.store.forget_silences(now.minus(SILENCES_KEPT)).await
    }

    fn tell_changed_cameras(&self, known: &mut HashMap<CameraId, &'static str>) {
        let statuses = self.cameras.statuses().into_iter();
        let changed = statuses.filter(|status| known.get(&status.camera) != Some(&status.state.name()));
        for status in changed.take(TOLD_IN_A_ROUND).collect::<Vec<_>>() {
            known.insert(status.camera.clone(), status.state.name());
            // Nobody listening is no failure.
            let _ = self.listeners.send(Change::Camera { status: Box::new(status) });
        }
    }
}
