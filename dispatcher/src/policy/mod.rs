//! Policies: thresholds that are changed while the city runs, with open eyes.
//!
//! A policy is drafted, runs in shadow beside the one in force, is approved by a second person, and goes live at once;
//! one call rolls it back. Who did what, when and why is kept with every version.
//!
//! Design decision: that a policy is in force is an entry in the stream of the looks, and in the log, like what a
//! person rules on a case. Every stage goes on under it from that place on, and a replay of the log does the same. The
//! entry holds the whole policy, so that a log can be read without the store.

mod forecast;
mod office;
mod record;
mod shadow;
mod state;

#[cfg(test)]
mod tests;

/// What a policy is made of.
pub use citybrain_ingest_config::policy as rules;
pub use forecast::{BeforeAfter, Forecast};
pub use office::{MAX_FORECAST_DAYS, MAX_SHADOWS, MAX_VARIANTS, Office, OfficeError, Question, Rehearsed};
pub(crate) use office::{Rehearsals, in_force};
pub use record::{
    Difference, NewPolicy, PolicyChange, PolicyRecord, PolicySummary, PolicyView, Side, fingerprint,
};
pub(crate) use shadow::{Opening, ShadowFeed, Shadows};
pub(crate) use state::named;
pub use state::{PolicyAction, PolicyState, Refusal};

use citybrain_ingest_config::City;
use citybrain_ingest_config::policy::Policy;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A policy as it is in force: what stands in the stream and in the log.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct InForce {
    /// The policy; empty for the configuration's own numbers.
    pub id: String,
    /// Its version.
    pub version: u32,
    /// What it changes.
    pub policy: Arc<Policy>,
}

impl InForce {
    /// The city under it. What does not fit a configuration that has changed since is told and left out.
    #[must_use]
    pub fn laid_over(&self, city: &Arc<City>) -> Arc<City> {
        if self.policy.is_empty() {
            return Arc::clone(city);
        }
        let (laid, problems) = self.policy.lay(city);
        for problem in problems {
            tracing::error!(policy = self.id, %problem, "a part of the policy in force does not fit the configuration");
        }
        Arc::new(laid)
    }
}
