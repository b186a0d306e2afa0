//! `[[sinks]]`

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SecretText;

/// Waits between the attempts of a delivery, as Standard Webhooks recommends them.
pub const DEFAULT_RETRY_AFTER_SECS: [f64; 9] =
    [5.0, 300.0, 1800.0, 7200.0, 18000.0, 36000.0, 50400.0, 72000.0, 86400.0];

/// Waits before those, for what is told at once: a fire does not wait.
pub const DEFAULT_URGENT_RETRY_AFTER_SECS: [f64; 4] = [0.5, 1.0, 2.0, 4.0];

fn default_retry_after_secs() -> Vec<f64> {
    DEFAULT_RETRY_AFTER_SECS.to_vec()
}

fn default_urgent_retry_after_secs() -> Vec<f64> {
    DEFAULT_URGENT_RETRY_AFTER_SECS.to_vec()
}

fn default_timeout_ms() -> u64 {
    5_000
}

/// A destination of deliveries: one of `webhook`, `mqtt`, `email` and `robot`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawSink {
    /// Its id: letters, digits, `-`, `_` and `.`, at most 64 characters, unique in the city.
    #[schemars(required)]
    pub id: Option<String>,
    /// An HTTP receiver.
    pub webhook: Option<RawWebhook>,
    /// An MQTT broker.
    pub mqtt: Option<RawMqtt>,
    /// E-mail, for people.
    pub email: Option<RawEmail>,
    /// A robot in a group chat (WeCom, DingTalk and others that take JSON by POST), for people.
    pub robot: Option<RawRobot>,
    /// Longest time one attempt may take.
    #[serde(default = "default_timeout_ms")]
    #[schemars(range(min = 100, max = 120000))]
    pub timeout_ms: u64,
    /// Waits between attempts of what is told at once, such as a fire, before those of `retry_after_secs`.
    #[serde(default = "default_urgent_retry_after_secs")]
    #[schemars(length(max = 32), inner(range(min = 0.1, max = 604800.0)))]
    pub urgent_retry_after_secs: Vec<f64>,
    /// What waits to be taken is told again here this often, whatever its kind; as the kind says when not given.
    #[schemars(range(min = 1.0, max = 525600.0))]
    pub repeat_after_minutes: Option<f64>,
    /// Id of another destination. When the attempts of `urgent_retry_after_secs` have failed it gets what is told at
    /// once, too; this one goes on trying.
    #[schemars(length(min = 1, max = 64))]
    pub second: Option<String>,
    /// Waits between attempts; after the last the delivery is dead and an operator may send it again. The default is
    /// what Standard Webhooks recommends, three days.
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
    /// The secret before, in clear, while it is being replaced: messages are signed with both, until every receiver
    /// knows the new one.
    pub old_secret: Option<SecretText>,
    /// Environment variable that holds the secret before.
    #[schemars(length(min = 1, max = 256))]
    pub old_secret_env: Option<String>,
    /// File that holds the secret before.
    #[schemars(length(min = 1, max = 4096))]
    pub old_secret_file: Option<String>,
    /// What a message looks like.
    #[serde(default)]
    pub format: RawFormat,
}

/// What a message looks like.
#[derive(Deserialize, Serialize, JsonSchema, Default, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub enum RawFormat {
    /// A CloudEvents 1.0 envelope in JSON.
    #[default]
    Cloudevents,
    /// A Common Alerting Protocol 1.2 alert in XML. Only fires are sent.
    Cap,
}

/// E-mail by SMTP.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawEmail {
    /// The mail server: `smtps://host` for TLS from the start, `smtp://host` for STARTTLS, or, on this machine or with
    /// `?tls=none`, none. The port is 465 or 587 when not given.
    #[schemars(required, length(min = 1, max = 2048))]
    pub server: Option<String>,
    /// Whom it is from, `name@domain`.
    #[schemars(required, length(min = 1, max = 254))]
    pub from: Option<String>,
    /// Whom it goes to.
    #[schemars(required, length(min = 1, max = 50))]
    pub to: Option<Vec<String>>,
    /// User name the server asks for.
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

fn default_template() -> String {
    r#"{"msgtype":"text","text":{"content":"{{event}}: {{kind}} {{area}}\n{{state}}, {{deadline}}\n{{link}}"}}"#.to_owned()
}

/// HTTP POST of a filled-in template. One of the `url` keys is needed: who knows the address may write to the group.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawRobot {
    /// Address of the robot, in clear.
    pub url: Option<SecretText>,
    /// Environment variable that holds the address.
    #[schemars(length(min = 1, max = 256))]
    pub url_env: Option<String>,
    /// File that holds the address.
    #[schemars(length(min = 1, max = 4096))]
    pub url_file: Option<String>,
    /// The body, JSON. `{{event}}`, `{{case}}`, `{{kind}}`, `{{state}}`, `{{area}}`, `{{departments}}`, `{{deadline}}`,
    /// `{{link}}` and `{{picture}}` (empty where there is none) are filled in, inside quotes. The default is what WeCom and DingTalk take as plain text.
    #[serde(default = "default_template")]
    #[schemars(length(min = 2, max = 8192))]
    pub template: String,
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
    /// Topic on which the department answers, sent along as the response topic; `{kind}`, `{camera}` and `{department}`
    /// are filled in. An answer with the correlation data of a message acts on its case: `accept` when it is empty.
    #[schemars(length(min = 1, max = 1024))]
    pub response_topic: Option<String>,
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
