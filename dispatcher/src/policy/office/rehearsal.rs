//! What a page has asked to be worked out: it comes back for it, and sees how far it has come.
//!
//! A question is worked out once, however often the page asks; what was worked out is kept for a while. Where nobody comes
//! back, the work ends.

use super::{Office, OfficeError};
use crate::tune::{Asked, KnownEvent, Per, Proposal, Report, Scope, TuneError};
use citybrain_ingest_config::policy::Policy;
use serde_json::json;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Most policies of one question.
pub const MAX_VARIANTS: usize = 32;
/// Questions that are kept.
const KEPT: usize = 8;
/// The log has grown since: the same question is worked out again.
const FRESH: Duration = Duration::from_secs(120);
/// What has failed is told this long before it is tried again.
const FAILED: Duration = Duration::from_secs(10);
/// Nobody has come back for it in so long.
const GIVEN_UP: Duration = Duration::from_secs(30);
/// A view of what is known so far takes work, too: one in so long.
const VIEW_EVERY: Duration = Duration::from_millis(400);

/// What a page asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// Policies, each in the place of the one in force; at most [`MAX_VARIANTS`].
    pub variants: Vec<Proposal>,
    /// The cameras of which it is told.
    pub only: Scope,
    /// Cameras that suggestions are made for, each apart.
    pub per: Per,
    /// At most so many cases a camera and day.
    pub budget: Option<f64>,
    /// At most this share of events missed.
    pub miss_rate: Option<f64>,
    /// Days of the log.
    pub days: u32,
    /// Events that are known beside the verdicts.
    pub events: Vec<KnownEvent>,
}

/// How far it has come.
#[derive(Debug, Clone, Default)]
pub struct Rehearsed {
    /// Parts of the log that are read.
    pub read: usize,
    /// Of how many; 0 while it waits for its turn.
    pub of: usize,
    /// What is known by now.
    pub report: Option<Arc<Report>>,
    /// Since when it is over, and nothing more is to come.
    pub over: Option<Instant>,
    /// Why there is no whole report.
    pub failure: Option<Arc<TuneError>>,
}

#[derive(Debug, Clone)]
struct Kept {
    question: String,
    /// When somebody came for it last.
    asked: Arc<Mutex<Instant>>,
    state: watch::Receiver<Rehearsed>,
}

impl Kept {
    /// Still worked on, or not so old that the log has grown; what has failed is soon tried again.
    fn is_fresh(&self) -> bool {
        let state = self.state.borrow();
        let keeps = if state.failure.is_some() { FAILED } else { FRESH };
        state.over.is_none_or(|over| over.elapsed() < keeps)
    }
}

/// What is being worked out for pages, and was.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rehearsals(Arc<Mutex<Vec<Kept>>>);

impl Office {
    /// Works a question out, or goes on with it when it has been asked before. Comes back when it is over, or `patience`
    /// is; whoever wants the rest asks again.
    ///
    /// # Errors
    /// [`OfficeError`] when a policy does not fit, there are too many, or the store does not answer.
    pub async fn rehearse(&self, question: &Question, patience: Duration) -> Result<Rehearsed, OfficeError> {
        if question.variants.len() > MAX_VARIANTS {
            return Err(OfficeError::Invalid(format!(
                "at most {MAX_VARIANTS} policies are compared at once"
            )));
        }
        let live = self.in_force();
        let name = format!("{}/{} {}", live.id, live.version, name(question));
        let mut state = match self.kept(&name) {
            Some(kept) => kept,
            None => self.begin(question, name).await?,
        };
        let over = state.wait_for(|state| state.over.is_some());
        // Late or not, what is known by now is shown.
        let _ = tokio::time::timeout(patience, over).await;
        let now = state.borrow().clone();
        Ok(now)
    }

    fn kept(&self, name: &str) -> Option<watch::Receiver<Rehearsed>> {
        let mut all = self.rehearsals.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|kept| kept.is_fresh());
        let kept = all.iter().find(|kept| kept.question == name)?;
        *kept.asked.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        Some(kept.state.clone())
    }

    async fn begin(
        &self,
        question: &Question,
        name: String,
    ) -> Result<watch::Receiver<Rehearsed>, OfficeError> {
        for variant in &question.variants {
            self.check(&variant.policy)?;
        }
        let Question { only, per, budget, miss_rate, .. } = question.clone();
        let asked = Asked { only, per, budget, miss_rate, ..Asked::default() };
        let mut job = self.job(asked, question.variants.clone(), question.days).await?;
        job.truth.events.extend(question.events.iter().cloned());
        let (tell, state) = watch::channel(Rehearsed::default());
        let last = Arc::new(Mutex::new(Instant::now()));
        {
            let mut all = self.rehearsals.0.lock().unwrap_or_else(PoisonError::into_inner);
            if all.len() >= KEPT {
                // Nobody can come back for it: it ends when it is given up.
                all.remove(0);
            }
            all.push(Kept { question: name, asked: Arc::clone(&last), state: state.clone() });
        }
        let runner = self.runner.clone();
        tokio::spawn(async move {
            let tell = Arc::new(tell);
            let (shown, mut viewed) = (Arc::clone(&tell), None::<Instant>);
            let made = runner.run(job, move |progress| {
                let is_time = viewed.is_none_or(|viewed| viewed.elapsed() >= VIEW_EVERY);
                let report = is_time.then(|| (progress.so_far)());
                // Rulings and other cameras may come first: the first view is one with something in it.
                let report = report.filter(|report| !report.curves.is_empty());
                if report.is_some() {
                    viewed = Some(Instant::now());
                }
                shown.send_modify(|state| {
                    (state.read, state.of) = (progress.read, progress.of);
                    if let Some(report) = report {
                        state.report = Some(Arc::new(report));
                    }
                });
                last.lock().unwrap_or_else(PoisonError::into_inner).elapsed() < GIVEN_UP
            });
            let made = made.await;
            tell.send_modify(|state| {
                state.over = Some(Instant::now());
                match made {
                    Ok(report) => state.report = Some(Arc::new(report)),
                    Err(error) => state.failure = Some(Arc::new(error)),
                }
            });
        });
        Ok(state)
    }
}

/// The same for the same question.
fn name(question: &Question) -> String {
    let variants: Vec<(&str, &Policy)> =
        question.variants.iter().map(|variant| (variant.name.as_str(), &variant.policy)).collect();
    let Question { only, per, budget, miss_rate, days, events, .. } = question;
    json!([variants, only, format!("{per:?}"), budget, miss_rate, days, events]).to_string()
}
