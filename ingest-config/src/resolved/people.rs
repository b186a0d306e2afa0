//! Who may come in, and what they may see.

use std::net::IpAddr;
use std::time::Duration;

/// `[people]`, resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeopleRules {
    /// Whether people and programs have to sign in.
    pub sign_in: SignIn,
    /// A session that is not used for this long is over.
    pub session_idle: Duration,
    /// A session is over after this long.
    pub session_max: Duration,
    /// Reverse proxies whose word for a client's address is believed.
    pub proxies: Vec<IpAddr>,
    /// What is made unrecognisable in pictures.
    pub blur: Blur,
}

/// Whether people have to sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignIn {
    /// With name and password, or a token.
    Required,
    /// Everyone who reaches the listener, which is on loopback, may do everything.
    Open,
}

/// What is made unrecognisable in pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blur {
    /// Nothing.
    Off,
    /// Heads and vehicles where they are looked for, else the whole picture.
    FacesAndPlates,
}

impl Default for PeopleRules {
    fn default() -> Self {
        Self {
            sign_in: SignIn::Required,
            session_idle: Duration::from_secs(60 * 60),
            session_max: Duration::from_secs(12 * 60 * 60),
            proxies: Vec::new(),
            blur: Blur::Off,
        }
    }
}

impl PeopleRules {
    /// Nobody signs in: for a listener on loopback.
    #[must_use]
    pub fn open() -> Self {
        Self { sign_in: SignIn::Open, ..Self::default() }
    }
}
