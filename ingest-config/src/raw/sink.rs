//! `[[sinks]]`

use schemars::JsonSchema;
use serde::Deserialize;

use super::SecretText;

/// Waits between the attempts of a delivery: quick ones first, since a fire does not wait, then the schedule that
/// Standard Webhooks recommends (5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h) without its 5 s step, which
/// the quick ones cover.
pub const DEFAULT_RETRY_AFTER_SECS: [f64; 13] =
    [0.5, 1.0, 2.0, 4.0, 8.0, 300.0, 1800.0, 7200.0, 18000.0, 36000.0, 50400.0, 72000.0, 86400.0];

fn default_retry_after_secs() -> Vec<f64> {
    DEFAULT_RETRY_AFTER_SECS.to_vec()
}

fn default_timeout_ms() -> u64 {
    5_000
}

/// A destination of deliveries: a webhook or an MQTT topic.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawSink {
    /// Its id: letters, digits, `-`, `_` and `.`, at most 64 characters, unique in the city.
    #[schemars(required)]
    pub id: Option<String>,
    /// An HTTP receiver. A destination has either this or `mqtt`.
    pub webhook: Option<RawWebhook>,
    /// An MQTT broker. A destination has either this or `webhook`.
    pub mqtt: Option<RawMqtt>,
    /// Longest time one attempt may take.
    #[serde(default = "default_timeout_ms")]
    #[schemars(range(min = 100, max = 120000))]
    pub timeout_ms: u64,
    /// Waits between attempts; after the last the delivery is dead and an operator may send it again. The default
    /// tries quickly for 15 seconds, for fire, and then as Standard Webhooks recommends, for three days.
    #[serde(default = "default_retry_after_secs")]
    #[schemars(length(max = 32), inner(range(min = 0.1, max = 604800.0)))]
    pub retry_after_secs: Vec<f64>,
}

/// HTTP POST, signed after Standard Webhooks. One of the `secret` keys is needed.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawWebhook {
    /// Where to post: an `http` or `https` address without user name and password.
    #[schemars(required, length(min = 1, max = 2048))]
    pub url: Option<String>,
    /// Signing secret, in clear: `whsec_` and the base64 of 24 to 64 random bytes.
    pub secret: Option<SecretText>,
    /// Environment variable that holds the signing secret.
    #[schemars(length(min = 1, max = 256))]
    pub secret_env: Option<String>,
    /// File that holds the signing secret.
    #[schemars(length(min = 1, max = 4096))]
    pub secret_file: Option<String>,
}

/// MQTT 5, quality of service 1.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawMqtt {
    /// `mqtt://host:port`, or `mqtts://host:port` for TLS; the port is 1883 or 8883 when not given.
    #[schemars(required, length(min = 1, max = 2048))]
    pub broker: Option<String>,
    /// Topic; `{kind}`, `{camera}` and `{department}` are filled in.
    #[serde(default = "default_topic")]
    #[schemars(length(min = 1, max = 1024))]
    pub topic: String,
    /// User name the broker asks for.
    #[schemars(length(min = 1, max = 256))]
    pub user: Option<String>,
    /// Password, in clear; `password_env` and `password_file` keep it out of this file.
    pub password: Option<SecretText>,
    /// Environment variable that holds the password.
    #[schemars(length(min = 1, max = 256))]
    pub password_env: Option<String>,
    /// File that holds the password; a line break at its end is not part of it.
    #[schemars(length(min = 1, max = 4096))]
    pub password_file: Option<String>,
}

fn default_topic() -> String {
    "citybrain/cases/{department}/{kind}".to_owned()
}
