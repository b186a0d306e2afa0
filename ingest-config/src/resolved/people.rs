//! Who may come in, and what they may see.

use super::Secret;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;
use url::Url;

/// `[people]`, resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeopleRules {
    /// Whether people and programs have to sign in.
    pub sign_in: SignIn,
    /// Who may sign in with a password.
    pub passwords: Passwords,
    /// A session that is not used for this long is over.
    pub session_idle: Duration,
    /// A session is over after this long.
    pub session_max: Duration,
    /// Reverse proxies whose word for a client's address is believed.
    pub proxies: Vec<IpAddr>,
    /// What is made unrecognisable in pictures.
    pub blur: Blur,
    /// How long the signature of a picture's address is good; zero where they have none.
    pub picture_links: Duration,
    /// Signing in by a provider.
    pub oidc: Option<Oidc>,
}

/// Who may sign in with a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passwords {
    /// Every user who has one.
    Everyone,
    /// Admins only.
    Admins,
}

impl Passwords {
    /// Whether nobody but admins may sign in with one.
    #[must_use]
    pub fn are_for_admins_only(self) -> bool {
        self == Self::Admins
    }
}

/// `[people.oidc]`, resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Oidc {
    /// The provider, as it writes itself.
    pub issuer: String,
    /// What it calls this program.
    pub client_id: String,
    /// What is shared with it.
    pub client_secret: Option<Secret>,
    /// What is asked for beside `openid`.
    pub scopes: Vec<String>,
    /// The address below which browsers reach this server, where it is not `site.public_url`.
    pub redirect_base: Option<Url>,
    /// The claim that gives the name.
    pub name_claim: String,
    /// The claim that holds groups or roles.
    pub role_claim: String,
    /// The rank that a value of the claim gives.
    pub ranks: BTreeMap<String, Rank>,
    /// The rank of whoever has none of them; `None` refuses him.
    pub default: Option<Rank>,
    /// A user with a password is taken over by whoever comes with his name.
    pub link_by_name: bool,
    /// What stands on the button.
    pub label: String,
}

impl Oidc {
    /// Where a browser comes back to: `sign-in/oidc/answer` below the address of this server.
    #[must_use]
    pub fn comes_back_to(&self, public_url: &Url) -> Url {
        let mut url = self.redirect_base.as_ref().unwrap_or(public_url).clone();
        // Only an address that cannot be a base refuses; the configuration takes http and https addresses only.
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(["sign-in", "oidc", "answer"]);
        }
        url
    }
}

/// A role by its place, lowest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// Sees.
    Viewer,
    /// Acts.
    Operator,
    /// Approves.
    Supervisor,
    /// Does everything.
    Admin,
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
            passwords: Passwords::Everyone,
            proxies: Vec::new(),
            blur: Blur::Off,
            picture_links: Duration::from_secs(7 * 24 * 60 * 60),
            oidc: None,
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
