//! Signing in by a provider of OpenID Connect.
//!
//! Design decision: the `openidconnect` crate speaks the protocol; what lies here is the bounded way to the provider
//! ([`http`]), what is remembered of it ([`provider`]), the round of a browser there and back ([`round`]), and whom its
//! claims make ([`claims`]). A round is kept by nobody but the browser: `state`, `nonce` and the PKCE verifier are derived
//! from its cookie with a key of the store, so that strangers who begin rounds fill no memory, and any process of the city
//! can end them.

mod claims;
mod http;
mod provider;
mod round;

pub use provider::probe;
pub use round::COOKIE_SECS;

use super::actor::note_by;
use super::metrics::SignInOutcome;
use super::{People, PeopleError, User, Why};
use citybrain_ingest_config::City;
use citybrain_ingest_config::resolved::Oidc;
use citybrain_types::Timestamp;
use provider::Provider;
use round::{Round, Spent};
use std::sync::{Mutex, PoisonError};
use tokio::sync::Semaphore;
use url::Url;

/// Answers that are looked into at once.
const AT_ONCE: usize = 16;
/// Longest code that is passed on, in bytes.
const MAX_CODE: usize = 4_096;

/// What is kept of providers.
#[derive(Debug)]
pub(super) struct Outside {
    provider: Provider,
    spent: Mutex<Spent>,
    places: Semaphore,
}

impl Default for Outside {
    fn default() -> Self {
        Self {
            provider: Provider::default(),
            spent: Mutex::new(Spent::default()),
            places: Semaphore::new(AT_ONCE),
        }
    }
}

impl Outside {
    /// Whether a round ends for the first time.
    fn ends_first(&self, state: &str, now: Timestamp) -> bool {
        self.spent.lock().unwrap_or_else(PoisonError::into_inner).take(state, now)
    }
}

/// A round that has begun.
#[derive(Debug, Clone)]
pub struct Begun {
    /// Where the browser goes.
    pub to: Url,
    /// What it has to bring back in a cookie.
    pub cookie: String,
}

/// What a browser brings back from the provider; what was not given is empty.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(default)]
pub struct Answer {
    /// What the provider was sent.
    pub state: String,
    /// What the provider takes for a token, once.
    pub code: String,
    /// Why there is none.
    pub error: String,
    /// Who answers (RFC 9207).
    pub iss: String,
}

/// Somebody has come in.
#[derive(Debug, Clone)]
pub struct Came {
    /// What the session's cookie has to hold.
    pub session: String,
    /// Who.
    pub user: User,
    /// The page that was asked for; it has to be looked at before anybody is sent there.
    pub next: String,
}

fn refused<T>(why: Why) -> Result<T, PeopleError> {
    Err(PeopleError::Refused(why))
}

impl People {
    /// Begins a round to the provider; `next` is the page to come to in the end.
    ///
    /// # Errors
    /// [`PeopleError::Refused`] when there is no provider, or it does not answer; [`PeopleError`] when the store does not.
    pub async fn begin_outside(&self, city: &City, next: &str) -> Result<Begun, PeopleError> {
        let Some(oidc) = &city.people.oidc else { return refused(Why::OidcOff) };
        let round = Round::begin(self.now(), next)?;
        let derived = round.derive(&self.seal().await?, oidc);
        let client = self.0.outside.provider.client(city, oidc, self.now()).await?;
        Ok(Begun { to: client.way(oidc, &derived), cookie: round.cookie() })
    }

    /// Ends a round: the answer is believed when the browser, the provider and its signature all agree.
    ///
    /// # Errors
    /// [`PeopleError::Refused`] with why nobody came in; the log says more, and never a token.
    pub async fn sign_in_outside(
        &self,
        city: &City,
        cookie: Option<&str>,
        answer: &Answer,
        address: &str,
        agent: &str,
    ) -> Result<Came, PeopleError> {
        let came = self.come(city, cookie, answer, address, agent).await;
        match &came {
            Ok(came) => {
                self.0.metrics.sign_in(SignInOutcome::Ok);
                note_by(&came.user.name, "sign_in", &came.user.name, "by the provider");
            }
            Err(PeopleError::Refused(why)) => {
                self.0.metrics.sign_in(match why {
                    Why::OidcSilent => SignInOutcome::Silent,
                    _ => SignInOutcome::Wrong,
                });
                note_by("nobody", "sign_in_failed", "", format!("by the provider: {}", why.code()));
            }
            Err(_) => {}
        }
        came
    }

    async fn come(
        &self,
        city: &City,
        cookie: Option<&str>,
        answer: &Answer,
        address: &str,
        agent: &str,
    ) -> Result<Came, PeopleError> {
        let Some(oidc) = &city.people.oidc else { return refused(Why::OidcOff) };
        let now = self.now();
        let Some(round) = cookie.and_then(|cookie| Round::read(cookie, now)) else {
            return refused(Why::OidcStale);
        };
        let derived = round.derive(&self.seal().await?, oidc);
        if !super::secret::same(&derived.state, &answer.state) {
            return refused(Why::OidcStale);
        }
        if !self.0.outside.ends_first(&derived.state, now) {
            return refused(Why::OidcStale);
        }
        if !answer.iss.is_empty() && answer.iss != oidc.issuer {
            tracing::warn!("an answer to a sign-in names another provider: it is refused");
            return refused(Why::OidcDoubted);
        }
        if answer.code.is_empty() || answer.code.len() > MAX_CODE {
            let error: String = answer.error.chars().filter(char::is_ascii_graphic).take(60).collect();
            tracing::warn!(error, "the provider lets nobody in");
            return refused(Why::OidcDenied);
        }
        let Ok(_place) = self.0.outside.places.try_acquire() else { return Err(PeopleError::Busy) };
        let told =
            self.0.outside.provider.redeem(city, oidc, answer.code.clone(), &derived, &round, now).await?;
        let user = self.known_as(oidc, &told).await?;
        let session = self.begin_session(&city.people, &user, address, agent).await?;
        Ok(Came { session, user, next: round.next })
    }

    /// The user whom the provider's claims make: as he is, changed, taken over or new.
    async fn known_as(&self, oidc: &Oidc, told: &provider::Told) -> Result<User, PeopleError> {
        let _alone = self.0.changing.lock().await;
        let Some(role) = claims::role(oidc, &told.claims) else { return refused(Why::OidcRole) };
        let found = self.0.store.user_of(&oidc.issuer, &told.subject).await?;
        match found {
            Some(user) if user.disabled => refused(Why::OidcShutOut),
            Some(user) => self.follow_claims(user, role).await,
            None => self.first_seen(oidc, told, role).await,
        }
    }
}
