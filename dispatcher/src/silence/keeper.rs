//! Makes and ends silences: on disk first, then in the stream.

use super::draft::check_by;
use super::{Draft, Invalid, Scene, Silence, SilenceState};
use crate::ruling::{Decided, Ruling};
use crate::store::{Answer, Store, StoreError};
use citybrain_ingest_config::City;
use citybrain_types::{Clock, Timestamp};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{Mutex as AsyncMutex, mpsc, watch};

/// Most silences that hold or are to hold at once: each sighting is held against all of them.
pub const MAX_IN_FORCE: usize = 500;

/// Why a silence was not made or ended.
#[derive(Debug, thiserror::Error)]
pub enum SilenceError {
    /// There is no such silence.
    #[error("there is no silence '{0}'")]
    Unknown(String),
    /// It is over already.
    #[error("the silence has ended at {0} already")]
    Over(Timestamp),
    /// So many are in force that no further one is taken.
    #[error("{MAX_IN_FORCE} silences are in force; end some, or make one of many")]
    TooMany,
    /// What was asked for cannot be done.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The store did not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The dispatcher is shutting down; the silence is kept and holds from the next start on.
    #[error("the program is being stopped; what was asked for holds from its next start on")]
    Stopping,
}

/// What makes and ends silences. Cloning clones a handle.
#[derive(Clone)]
pub(crate) struct SilenceKeeper {
    city: watch::Receiver<Arc<City>>,
    store: Store,
    clock: Arc<dyn Clock>,
    rule: mpsc::Sender<Ruling>,
    in_force: Arc<Mutex<BTreeMap<String, Silence>>>,
    /// One changes at a time, so that the stream has the changes in the order of the store.
    turn: Arc<AsyncMutex<()>>,
}

impl SilenceKeeper {
    /// Goes on with the silences that are not over.
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be read.
    pub(crate) async fn open(
        city: watch::Receiver<Arc<City>>,
        store: Store,
        clock: Arc<dyn Clock>,
        rule: mpsc::Sender<Ruling>,
    ) -> Result<Self, StoreError> {
        let known = store.silences(Some(clock.now())).await?;
        let in_force = known.into_iter().map(|silence| (silence.id.clone(), silence)).collect();
        let (in_force, turn) = (Arc::new(Mutex::new(in_force)), Arc::default());
        Ok(Self { city, store, clock, rule, in_force, turn })
    }

    /// What is in force or to be, as rulings for a stream that begins.
    pub(crate) fn rulings(&self) -> Vec<Ruling> {
        let at = self.clock.now();
        let known = self.in_force.lock().unwrap_or_else(PoisonError::into_inner);
        known.values().cloned().map(|silence| Ruling { at, what: Decided::Silenced { silence } }).collect()
    }

    /// Makes a silence. `answer` is what is kept under the request's idempotency key, in the same transaction.
    pub(crate) async fn make(
        &self,
        draft: Draft,
        answer: impl Fn(&Silence) -> Option<Answer>,
    ) -> Result<Silence, SilenceError> {
        let _turn = self.turn.lock().await;
        let now = self.clock.now();
        let silence = draft.checked(&Arc::clone(&self.city.borrow()), now)?;
        {
            let mut in_force = self.in_force.lock().unwrap_or_else(PoisonError::into_inner);
            in_force.retain(|_, silence| silence.state(now) != SilenceState::Expired);
            if in_force.len() >= MAX_IN_FORCE {
                return Err(SilenceError::TooMany);
            }
        }
        self.store.put_silence(&silence, answer(&silence).as_ref()).await?;
        tracing::info!(silence = silence.id, by = silence.by, until = %silence.ends_at, "silenced");
        self.say(silence.clone(), now).await?;
        Ok(silence)
    }

    /// Ends a silence now.
    pub(crate) async fn end(&self, id: &str, by: &str) -> Result<Silence, SilenceError> {
        check_by(by)?;
        let _turn = self.turn.lock().await;
        let now = self.clock.now();
        let silence = self
            .store
            .silence(id)
            .await?
            .ok_or_else(|| SilenceError::Unknown(id.chars().take(60).collect()))?;
        if silence.state(now) == SilenceState::Expired {
            return Err(SilenceError::Over(silence.ends_at));
        }
        let ended = Silence { ends_at: now, ended_by: Some(by.to_owned()), ..silence };
        self.store.put_silence(&ended, None).await?;
        tracing::info!(silence = id, by, "a silence was ended before its time");
        self.say(ended.clone(), now).await?;
        Ok(ended)
    }

    async fn say(&self, silence: Silence, at: Timestamp) -> Result<(), SilenceError> {
        self.in_force
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(silence.id.clone(), silence.clone());
        let ruling = Ruling { at, what: Decided::Silenced { silence } };
        self.rule.send(ruling).await.map_err(|_| SilenceError::Stopping)
    }

    /// Whether something is silenced now, for whoever would tell of it again.
    pub(crate) fn is_silenced(&self, city: &City, scene: &Scene<'_>, at: Timestamp) -> bool {
        let in_force = self.in_force.lock().unwrap_or_else(PoisonError::into_inner);
        in_force.values().any(|silence| silence.holds(city, scene, at))
    }
}
