//! The round of a browser to the provider and back.

use crate::people::PeopleError;
use crate::people::seal::Seal;
use crate::people::secret::secret;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use citybrain_ingest_config::resolved::Oidc;
use citybrain_types::Timestamp;
use std::collections::VecDeque;
use std::time::Duration;

/// A round has to end within so many seconds: somebody looks for his second factor.
pub const COOKIE_SECS: u64 = 600;
/// Longest page to come to, in bytes.
const MAX_NEXT: usize = 500;
/// Ended rounds that are remembered; the provider refuses a used code after that, too.
const REMEMBERED: usize = 4_096;

/// A round, as its cookie holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Round {
    secret: String,
    pub(super) begun: Timestamp,
    pub(super) next: String,
}

/// What is derived of a round and shown to nobody else (`verifier`), to the provider (`nonce`), or on the way (`state`).
#[derive(Clone)]
pub(super) struct Derived {
    pub(super) state: String,
    pub(super) nonce: String,
    pub(super) verifier: String,
}

impl Round {
    pub(super) fn begin(now: Timestamp, next: &str) -> Result<Self, PeopleError> {
        let next = if next.len() <= MAX_NEXT { next } else { "/" };
        Ok(Self { secret: secret()?, begun: now, next: next.to_owned() })
    }

    /// What the browser keeps: letters, digits, `.`, `-` and `_`.
    pub(super) fn cookie(&self) -> String {
        format!("{}.{}.{}", self.secret, self.begun.as_micros(), URL_SAFE_NO_PAD.encode(&self.next))
    }

    /// The round of a cookie, when it can still end. What it says is believed once the state that is derived of it has
    /// come back.
    pub(super) fn read(cookie: &str, now: Timestamp) -> Option<Self> {
        let mut parts = cookie.split('.');
        let (secret, begun, next) = (parts.next()?, parts.next()?, parts.next()?);
        let is_secret = secret.len() == 64 && secret.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_secret || parts.next().is_some() || next.len() > 2 * MAX_NEXT {
            return None;
        }
        let begun = Timestamp::from_micros(begun.parse().ok()?);
        if begun > now || now.since(begun) >= Duration::from_secs(COOKIE_SECS) {
            return None;
        }
        let next = String::from_utf8(URL_SAFE_NO_PAD.decode(next).ok()?).ok()?;
        Some(Self { secret: secret.to_owned(), begun, next })
    }

    /// For one provider: what was begun with another is worth nothing.
    pub(super) fn derive(&self, seal: &Seal, oidc: &Oidc) -> Derived {
        let text = format!("{}\n{}\n{}", self.cookie(), oidc.issuer, oidc.client_id);
        Derived {
            state: seal.mark("oidc state", &text),
            nonce: seal.mark("oidc nonce", &text),
            verifier: seal.mark("oidc verifier", &text),
        }
    }
}

/// Rounds that have ended.
#[derive(Debug, Default)]
pub(super) struct Spent(VecDeque<(String, Timestamp)>);

impl Spent {
    /// Whether a round ends for the first time.
    pub(super) fn take(&mut self, state: &str, now: Timestamp) -> bool {
        let is_over = |at: Timestamp| now.since(at) >= Duration::from_secs(COOKIE_SECS);
        while self.0.front().is_some_and(|(_, at)| is_over(*at)) || self.0.len() >= REMEMBERED {
            self.0.pop_front();
        }
        if self.0.iter().any(|(spent, _)| spent == state) {
            return false;
        }
        self.0.push_back((state.to_owned(), now));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_795_300_000_000);

    #[test]
    fn a_round_is_read_again_until_its_time_is_over() {
        let round = Round::begin(NOW, "/cases?state=filed").unwrap();
        let cookie = round.cookie();
        assert!(cookie.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)), "{cookie}");
        assert_eq!(Round::read(&cookie, NOW).as_ref(), Some(&round));
        assert_eq!(Round::read(&cookie, NOW.plus(Duration::from_secs(COOKIE_SECS))), None);
        let before = Timestamp::from_millis(NOW.as_micros() / 1000 - 1);
        assert_eq!(Round::read(&cookie, before), None, "of the future");
        for bad in ["", "..", "a.1.Lw", &cookie[1..], &format!("{cookie}.x"), &cookie.replace('.', ":")] {
            assert_eq!(Round::read(bad, NOW), None, "{bad}");
        }
    }

    #[test]
    fn a_round_ends_once_and_what_is_remembered_is_bounded() {
        let mut spent = Spent::default();
        assert!(spent.take("a", NOW));
        assert!(!spent.take("a", NOW));
        for n in 0..2 * REMEMBERED {
            assert!(spent.take(&format!("{n}"), NOW));
        }
        assert!(spent.0.len() <= REMEMBERED);
        let later = NOW.plus(Duration::from_secs(COOKIE_SECS));
        assert!(spent.take("b", later) && spent.0.len() == 1);
    }
}
