//! What a policy would have led to.

use super::{Office, OfficeError};
use crate::log::{self, LogError, LogStore};
use crate::permit::Register;
use crate::policy::{Forecast, fingerprint};
use crate::tune::{About, Asked, Job, Judgement, Proposal, Runner, Truth, TuneError, Verdict, WhatIf};
use citybrain_ingest_config::policy::Policy;
use std::sync::Arc;
use std::time::Duration;

/// Days of the log that are read at most.
pub const MAX_FORECAST_DAYS: u32 = 31;

impl Office {
    /// What the last `days` of the log lead to under a policy, against what is in force; kept with it.
    ///
    /// # Errors
    /// [`OfficeError`] when there is no such policy, it does not fit, or the log or the store cannot be read.
    pub async fn forecast(&self, id: &str, days: u32) -> Result<Forecast, OfficeError> {
        let record = self.read(id).await?;
        let office = self.clone();
        // Whoever asks may not wait so long: it is kept all the same, and shown when it is there.
        let made = tokio::spawn(async move {
            let made = office.what_if(&record.policy, days).await?;
            office.store.keep_forecast(&record.id, &fingerprint(&record.policy), &made).await?;
            Ok(made)
        });
        made.await.map_err(|_| OfficeError::Stopping)?
    }

    /// What the last `days` of the log lead to under a policy that nobody has stored. It ends when nobody waits for it.
    ///
    /// # Errors
    /// [`OfficeError`] when it does not fit or the log cannot be read.
    pub async fn what_if(&self, policy: &Policy, days: u32) -> Result<Forecast, OfficeError> {
        self.check(policy)?;
        let made_at = self.clock.now();
        let proposal = Proposal { name: "proposed".to_owned(), policy: policy.clone() };
        let job = self.job(Asked::default(), vec![proposal], days).await?;
        match self.runner.run(job, |_| true).await {
            Ok(report) => {
                Ok(Forecast::of(&report, 1, made_at).unwrap_or_else(|| Forecast::of_nothing(made_at)))
            }
            Err(TuneError::Empty(_)) => Ok(Forecast::of_nothing(made_at)),
            Err(error) => Err(error.into()),
        }
    }

    /// The last days of this city's log under policies that each take the place of the one in force. What lies in a store
    /// elsewhere is brought here first; a log that is not there yet is an empty one.
    pub(super) async fn job(
        &self,
        asked: Asked,
        proposals: Vec<Proposal>,
        days: u32,
    ) -> Result<Job, OfficeError> {
        let city = Arc::clone(&self.city.borrow());
        let days = days.clamp(1, MAX_FORECAST_DAYS);
        let since = self.clock.now().minus(Duration::from_secs(u64::from(days) * 86_400));
        log::bring(&city, Some(since)).await.map_err(|error| {
            let path = city.log.url.as_ref().map(ToString::to_string).unwrap_or_default().into();
            TuneError::Log(LogError::Unreadable { path, source: std::io::Error::other(error) })
        })?;
        let log = LogStore::folders(&city);
        let truth = Truth { verdicts: self.verdicts().await?, ..Truth::default() };
        let asked = Runner::bounded(Asked { since: Some(since), ..asked });
        // The log says what the registers held then.
        let what_if = WhatIf::new(city, Arc::new(Register::default()), asked);
        let what_if = what_if.against(self.in_force().policy.as_ref().clone());
        Ok(Job { what_if, log, proposals, truth })
    }

    /// What people have called real and false, as times of cameras: under another policy a case has another name.
    async fn verdicts(&self) -> Result<Vec<Judgement>, OfficeError> {
        let city = Arc::clone(&self.city.borrow());
        let mut verdicts = Vec::new();
        for kind in city.kinds.keys() {
            for labelled in self.store.labelled(kind).await? {
                let Some(seen) = labelled.seen else { continue };
                let verdict = if labelled.real { Verdict::Real } else { Verdict::False };
                let (camera, at, until) = (seen.camera, seen.from, Some(seen.to));
                verdicts.push(Judgement {
                    about: About::Moment { camera, kind: kind.clone(), at, until },
                    verdict,
                });
            }
        }
        Ok(verdicts)
    }
}
