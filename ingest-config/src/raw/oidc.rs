//! `[people.oidc]`

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SecretText;

fn default_label() -> String {
    "Single sign-on".to_owned()
}

fn default_scopes() -> Vec<String> {
    vec!["profile".to_owned()]
}

fn default_name_claim() -> String {
    "preferred_username".to_owned()
}

fn default_role_claim() -> String {
    "groups".to_owned()
}

/// Signing in by a provider of OpenID Connect (authorization code flow with PKCE). Register
/// `<redirect_base>/sign-in/oidc/answer` there as the address to come back to.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawOidc {
    /// The provider: the address below which `/.well-known/openid-configuration` lies, written as the provider writes
    /// it. `https`; `http` only on this machine.
    #[schemars(required, length(min = 1, max = 2048))]
    pub issuer: Option<String>,
    /// What the provider calls this program.
    #[schemars(required, length(min = 1, max = 256))]
    pub client_id: Option<String>,
    /// The secret shared with the provider, in clear; `client_secret_env` and `client_secret_file` keep it out of this
    /// file. Without any the program is a public client.
    pub client_secret: Option<SecretText>,
    /// Environment variable that holds the secret.
    #[schemars(length(min = 1, max = 256))]
    pub client_secret_env: Option<String>,
    /// File that holds the secret; a line break at its end is not part of it.
    #[schemars(length(min = 1, max = 4096))]
    pub client_secret_file: Option<String>,
    /// What is asked for beside `openid`.
    #[serde(default = "default_scopes")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 200)))]
    pub scopes: Vec<String>,
    /// Address under which browsers reach this server, for coming back from the provider; `site.public_url` when not
    /// given.
    #[schemars(length(min = 1, max = 2048))]
    pub redirect_base: Option<String>,
    /// The claim that gives a user's name, taken at the first sign-in and kept: letters, digits, `.`, `_`, `-` and `@`,
    /// at most 40.
    #[serde(default = "default_name_claim")]
    #[schemars(length(min = 1, max = 200))]
    pub name_claim: String,
    /// The claim that holds the groups or roles, a text or a list of texts; a dotted path (`realm_access.roles`) goes
    /// into objects.
    #[serde(default = "default_role_claim")]
    #[schemars(length(min = 1, max = 200))]
    pub role_claim: String,
    /// Values of the role claim that make an admin. The highest role that fits is given.
    #[serde(default)]
    #[schemars(length(max = 256), inner(length(min = 1, max = 512)))]
    pub admins: Vec<String>,
    /// Values that make a supervisor.
    #[serde(default)]
    #[schemars(length(max = 256), inner(length(min = 1, max = 512)))]
    pub supervisors: Vec<String>,
    /// Values that make an operator.
    #[serde(default)]
    #[schemars(length(max = 256), inner(length(min = 1, max = 512)))]
    pub operators: Vec<String>,
    /// Values that make a viewer.
    #[serde(default)]
    #[schemars(length(max = 256), inner(length(min = 1, max = 512)))]
    pub viewers: Vec<String>,
    /// The role of whoever has none of these values; without it he is refused.
    pub default_role: Option<RawDefaultRole>,
    /// Whoever comes with the name of a user that has a password takes that user over, and the password is gone. Only
    /// where nobody chooses his own name at the provider; without it he is refused.
    #[serde(default)]
    pub link_by_name: bool,
    /// What stands on the button.
    #[serde(default = "default_label")]
    #[schemars(length(min = 1, max = 60))]
    pub label: String,
}

/// A role that may be given without being named.
#[derive(Clone, Copy, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RawDefaultRole {
    /// Sees.
    Viewer,
    /// Acts.
    Operator,
}
