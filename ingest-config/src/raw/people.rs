//! `[people]`

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::RawOidc;

/// Who may come in, for how long, and what they may see. Users themselves are not in this file: they are made in the
/// console or by `citybrain user`.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RawPeople {
    /// Whether people and programs have to sign in. `open` is refused unless `site.listen` is a loopback address.
    pub sign_in: RawSignIn,
    /// Who may sign in with a password. `admins` needs `[people.oidc]`: everybody else comes by that.
    pub passwords: RawPasswords,
    /// A session that is not used for this long is over.
    #[schemars(range(min = 5.0, max = 10080.0))]
    pub session_idle_minutes: f64,
    /// A session is over after this long, used or not.
    #[schemars(range(min = 0.25, max = 720.0))]
    pub session_max_hours: f64,
    /// IP addresses of reverse proxies. What they say in `X-Forwarded-For` is believed; nobody else's is.
    #[schemars(length(max = 64))]
    pub proxies: Vec<String>,
    /// What is made unrecognisable in pictures. The original is kept apart and shown to those who may see it.
    pub blur: RawBlur,
    /// Addresses of pictures in messages to departments carry a signature, and each opens its picture without signing in
    /// for this long after the attempt that brought it. 0: they carry none, and receivers need a token.
    #[schemars(range(min = 0.0, max = 365.0))]
    pub picture_link_days: f64,
    /// Signing in by a provider of OpenID Connect.
    #[serde(skip_serializing)]
    pub oidc: Option<RawOidc>,
}

/// Who may sign in with a password.
#[derive(Clone, Copy, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawPasswords {
    /// Every user who has one.
    Everyone,
    /// Admins only: the way in while the provider is down.
    Admins,
}

/// Whether people have to sign in.
#[derive(Clone, Copy, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawSignIn {
    /// With name and password, or a token.
    Required,
    /// Everyone on this machine may do everything.
    Open,
}

/// What is made unrecognisable in pictures.
#[derive(Clone, Copy, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawBlur {
    /// Nothing.
    Off,
    /// Heads of people and vehicles with their plates, where a model of the camera finds people and vehicles; else the
    /// whole picture.
    FacesAndPlates,
}

impl Default for RawPeople {
    fn default() -> Self {
        Self {
            sign_in: RawSignIn::Required,
            session_idle_minutes: 60.0,
            session_max_hours: 12.0,
            passwords: RawPasswords::Everyone,
            proxies: Vec::new(),
            blur: RawBlur::Off,
            picture_link_days: 7.0,
            oidc: None,
        }
    }
}
