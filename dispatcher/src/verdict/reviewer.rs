//! Where verdicts are given, and calibrations made of them.

use super::{Item, Judgement, MAX_ITEMS, MAX_NOTE, Refit, ReviewItem, TooFew, Verdict};
use crate::case::action::{Action, Order};
use crate::case::{Desk, OrderError};
use crate::people::note;
use crate::policy::{NewPolicy, Office, OfficeError, PolicyRecord};
use crate::store::{Reviewed, Store, StoreError};
use citybrain_ingest_config::policy::CalibrationMethod;
use citybrain_types::{Clock, EventKind, SnapshotRef, VoidReason};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Every so manyth item of the queue is one that did not open, where there are some.
const EVERY: usize = 4;
/// Longest name of a person, in characters.
const MAX_NAME: usize = 100;

/// Why a verdict was not taken.
#[derive(Debug, thiserror::Error)]
pub enum VerdictError {
    /// There is nothing of that name.
    #[error("there is no item {0}")]
    Unknown(String),
    /// Somebody else was quicker; what was said is told, and may be overruled by naming its version.
    #[error("{} has called it {} in the meantime; send its version, {}, to overrule", .0.by, .0.verdict.name(), .0.version)]
    Raced(Box<Judgement>),
    /// A name or a note is missing or too long.
    #[error("{0}")]
    Invalid(String),
    /// Of no kind are there enough verdicts.
    #[error("{}", .0.iter().map(|(kind, few)| format!("{kind}: {few}")).collect::<Vec<_>>().join("; "))]
    TooFew(Vec<(EventKind, TooFew)>),
    /// The calibration could not be drafted.
    #[error(transparent)]
    Office(#[from] OfficeError),
    /// The store does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A verdict as it is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// On what.
    pub item: Item,
    /// What is said.
    pub verdict: Verdict,
    /// By whom.
    pub by: String,
    /// A note, at most [`MAX_NOTE`] characters.
    pub note: String,
    /// The version of the last verdict that whoever judges has seen; 0 for none.
    pub seen: u32,
    /// A case that is called false is made void, where its state allows it.
    pub void: bool,
}

/// What a calibration is asked for with.
#[derive(Debug, Clone, PartialEq)]
pub struct NewCalibration {
    /// Kinds; all with enough verdicts when empty.
    pub kinds: BTreeSet<EventKind>,
    /// How; by the number of verdicts when not given.
    pub method: Option<CalibrationMethod>,
    /// Who asks.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// A calibration that was drafted.
#[derive(Debug, Clone, PartialEq)]
pub struct Calibrated {
    /// The draft: what is in force, with the new calibration.
    pub draft: PolicyRecord,
    /// Kinds of which there are too few verdicts.
    pub too_few: Vec<(EventKind, TooFew)>,
}

/// Takes verdicts.
#[derive(Clone)]
pub struct Reviewer {
    pub(crate) store: Store,
    pub(crate) desk: Desk,
    pub(crate) office: Office,
    pub(crate) clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Reviewer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reviewer").finish_non_exhaustive()
    }
}

impl Reviewer {
    /// What has no verdict yet, newest first, with every fourth item one that almost opened a case.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn queue(&self, kind: Option<&EventKind>, limit: u32) -> Result<Vec<ReviewItem>, StoreError> {
        let limit = limit.clamp(1, MAX_ITEMS);
        let (cases, almost) = tokio::try_join!(
            self.store.unjudged_cases(kind, limit),
            self.store.unjudged_candidates(kind, limit)
        )?;
        let (mut cases, mut almost) = (cases.into_iter(), almost.into_iter());
        let mut queue = Vec::new();
        while queue.len() < limit as usize {
            let one_that_did_not = queue.len() % EVERY == EVERY - 1;
            let next = if one_that_did_not {
                almost.next().or_else(|| cases.next())
            } else {
                cases.next().or_else(|| almost.next())
            };
            let Some(next) = next else { break };
            queue.push(item(next));
        }
        Ok(queue)
    }

    /// One item, judged or not.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn item(&self, name: &Item) -> Result<Option<ReviewItem>, StoreError> {
        Ok(self.store.reviewed(name).await?.map(item))
    }

    /// Every verdict that was given on an item, oldest first.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn history(&self, name: &Item) -> Result<Vec<Judgement>, StoreError> {
        self.store.judgements(&name.to_string()).await
    }

    /// Takes a verdict. Says as well why a case was not made void, where that was asked for and not possible.
    ///
    /// # Errors
    /// [`VerdictError`] when there is no such item, somebody was quicker, or the store does not answer.
    pub async fn judge(&self, given: &Given) -> Result<(Judgement, Option<String>), VerdictError> {
        let name = given.item.to_string();
        let by = given.by.trim();
        if by.is_empty() || by.chars().count() > MAX_NAME || by.chars().any(char::is_control) {
            return Err(VerdictError::Invalid(format!(
                "'by' must have 1 to {MAX_NAME} characters in one line"
            )));
        }
        if given.note.chars().count() > MAX_NOTE || given.note.chars().any(char::is_control) {
            return Err(VerdictError::Invalid(format!(
                "'note' must have at most {MAX_NOTE} characters in one line"
            )));
        }
        if self.store.reviewed(&given.item).await?.is_none() {
            return Err(VerdictError::Unknown(name));
        }
        let before = self.store.judgement(&name).await?;
        if let Some(before) = before.filter(|before| before.version != given.seen) {
            return Err(VerdictError::Raced(Box::new(before)));
        }
        let judgement = Judgement {
            item: name.clone(),
            version: given.seen.saturating_add(1),
            verdict: given.verdict,
            at: self.clock.now(),
            by: by.to_owned(),
            note: given.note.clone(),
        };
        if !self.store.write_judgement(&judgement).await? {
            return match self.store.judgement(&name).await? {
                Some(first) => Err(VerdictError::Raced(Box::new(first))),
                None => {
                    Err(VerdictError::Invalid("there is no verdict of that version; 'seen' is 0".to_owned()))
                }
            };
        }
        note("verdict", &name, given.verdict.name());
        tracing::info!(item = name, verdict = given.verdict.name(), by, "a verdict was given");
        let refused = match (&given.item, given.verdict, given.void) {
            (Item::Case(id), Verdict::False, true) => {
                let order = Order {
                    action: Action::Void(VoidReason::FalseAlarm),
                    by: by.to_owned(),
                    department: None,
                    reason: if given.note.is_empty() {
                        "called false in the review".to_owned()
                    } else {
                        given.note.clone()
                    },
                };
                match self.desk.act(id, &order, None, |_| None).await {
                    Ok(_) => None,
                    Err(OrderError::Store(error)) => return Err(error.into()),
                    Err(refused) => Some(refused.to_string()),
                }
            }
            _ => None,
        };
        Ok((judgement, refused))
    }

    /// Fits a calibration from the verdicts in force and drafts a policy of it: what is in force, with the new
    /// calibration of each kind that has enough verdicts.
    ///
    /// # Errors
    /// [`VerdictError::TooFew`] when no kind has, or the store does not answer.
    pub async fn calibrate(&self, new: NewCalibration) -> Result<Calibrated, VerdictError> {
        let city = self.office.city_in_force();
        let refit = Refit::of(&self.store, &city, &new.kinds, new.method, self.clock.now()).await?;
        let names: Vec<_> = refit.fitted.keys().map(ToString::to_string).collect();
        let mut policy = self.office.in_force().policy.as_ref().clone();
        policy.calibration.extend(refit.policy().calibration);
        let title = format!("Calibration of {}", names.join(", ")).chars().take(200).collect();
        let draft = self.office.create(NewPolicy { title, policy, by: new.by, reason: new.reason }).await?;
        Ok(Calibrated { draft, too_few: refit.too_few })
    }
}

fn item(reviewed: Reviewed) -> ReviewItem {
    match reviewed {
        Reviewed::Case(case, judgement) => {
            let mut pictures: Vec<SnapshotRef> = Vec::new();
            if let Some(snapshots) = &case.snapshots {
                pictures.push(snapshots.at.clone());
                pictures.extend(snapshots.before.clone());
            }
            ReviewItem {
                item: Item::Case(case.id.clone()).to_string(),
                kind: case.kind.clone(),
                camera: case.camera.clone(),
                at: case.first_seen_at,
                score: case.score,
                pictures,
                version: judgement.as_ref().map_or(0, |judgement| judgement.version),
                judgement: judgement.filter(|judgement| judgement.verdict != Verdict::Withdrawn),
                case: Some(*case),
                candidate: None,
            }
        }
        Reviewed::Almost(candidate, judgement) => ReviewItem {
            item: Item::Almost(candidate.id.clone()).to_string(),
            kind: candidate.kind.clone(),
            camera: Some(candidate.camera.clone()),
            at: candidate.at,
            score: candidate.score,
            pictures: candidate.snapshot.iter().cloned().collect(),
            version: judgement.as_ref().map_or(0, |judgement| judgement.version),
            judgement: judgement.filter(|judgement| judgement.verdict != Verdict::Withdrawn),
            case: None,
            candidate: Some(candidate),
        },
    }
}
