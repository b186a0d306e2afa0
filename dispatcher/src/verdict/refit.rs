//! Calibrations of the kinds of a city from the verdicts in force.

use super::{Fitted, TooFew, VerdictError, fit};
use crate::store::Store;
use citybrain_ingest_config::City;
use citybrain_ingest_config::policy::{CalibrationMethod, Policy};
use citybrain_types::{EventKind, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// What was fitted.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Refit {
    /// Of each kind with enough verdicts.
    pub fitted: BTreeMap<EventKind, Fitted>,
    /// Kinds of which there are too few.
    pub too_few: Vec<(EventKind, TooFew)>,
}

impl Refit {
    /// A policy that changes the calibrations and nothing else.
    #[must_use]
    pub fn policy(&self) -> Policy {
        let own = self.fitted.iter().map(|(kind, fitted)| (kind.clone(), fitted.calibration.clone()));
        Policy { calibration: own.collect(), ..Policy::default() }
    }

    /// Fits these kinds, or all that a city looks for when none is named.
    ///
    /// # Errors
    /// [`VerdictError::Invalid`] for a kind that there is not, [`VerdictError::TooFew`] when no kind has verdicts enough, or
    /// the store does not answer.
    pub(super) async fn of(
        store: &Store,
        city: &City,
        kinds: &BTreeSet<EventKind>,
        method: Option<CalibrationMethod>,
        at: Timestamp,
    ) -> Result<Self, VerdictError> {
        if let Some(unknown) = kinds.iter().find(|kind| !city.kinds.contains_key(*kind)) {
            let message = format!("there is no kind '{}'", unknown.as_str().escape_debug());
            return Err(VerdictError::Invalid(message));
        }
        let asked = |kind: &&EventKind| match kinds.is_empty() {
            true => kind.as_str() != EventKind::CAMERA_FAULT,
            false => kinds.contains(*kind),
        };
        let mut refit = Self::default();
        for kind in city.kinds.keys().filter(asked) {
            match fit(&store.labelled(kind).await?, method, at) {
                Ok(fitted) => drop(refit.fitted.insert(kind.clone(), fitted)),
                Err(few) => refit.too_few.push((kind.clone(), few)),
            }
        }
        if refit.fitted.is_empty() {
            return Err(VerdictError::TooFew(refit.too_few));
        }
        Ok(refit)
    }

    /// The same beside a city that runs, or before it does: from the store that its configuration names.
    ///
    /// # Errors
    /// As for a running city; or the store cannot be opened.
    pub async fn beside(
        city: &City,
        kinds: &BTreeSet<EventKind>,
        method: Option<CalibrationMethod>,
        at: Timestamp,
    ) -> Result<Self, VerdictError> {
        let store = Store::open_beside(&city.store, &city.site.data_dir).await?;
        let refit = Self::of(&store, city, kinds, method, at).await;
        store.close().await;
        refit
    }
}
