//! `[[sensors]]`

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SecretText;

/// A sensor that publishes its readings over MQTT: a smoke detector, a water gauge, a rain gauge. A reading above (or
/// below) its limit counts like a look of a camera in which its kind was found: it joins what cameras near it see.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawSensor {
    /// Its id: as a camera's, and unlike those of all cameras.
    #[schemars(required)]
    pub id: Option<String>,
    /// Name for people; the id when not given.
    #[schemars(length(min = 1, max = 200))]
    pub name: Option<String>,
    /// `mqtt://host:port`, or `mqtts://host:port` for TLS; the port is 1883 or 8883 when not given.
    #[schemars(required, length(min = 1, max = 2048))]
    pub broker: Option<String>,
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
    /// The topic it publishes to, without wildcards.
    #[schemars(required, length(min = 1, max = 1024))]
    pub topic: Option<String>,
    /// How its messages are written.
    #[serde(default)]
    pub format: RawSensorFormat,
    /// Where in a message the reading stands: a JSON pointer (`/level/mm`), or with `format = "sparkplug_b"` the name of
    /// a metric. The whole message is the reading when not given.
    #[serde(default)]
    #[schemars(length(max = 1024))]
    pub value: String,
    /// Code of the kind it speaks for.
    #[schemars(required)]
    pub kind: Option<String>,
    /// From this reading on it says yes; `true` is 1 and `false` 0.
    #[serde(default = "one")]
    #[schemars(range(min = -1e12, max = 1e12))]
    pub alarm_at: f64,
    /// It says yes below `alarm_at` instead, as a gauge that measures from above does.
    #[serde(default)]
    pub falling: bool,
    /// How sure it is when it says yes, as a score.
    #[serde(default = "sure")]
    #[schemars(range(min = 0.5, max = 1.0))]
    pub score: f64,
    /// What it measures makes its kind likelier and is none itself, as rain does with waterlogging: while it says yes,
    /// and a quarter of an hour longer, cameras near it need this much less evidence (a log-odds), and are looked at
    /// every two seconds for it. It opens no case and joins none. It counts as a look when not given.
    #[schemars(range(min = 0.0, max = 4.0))]
    pub raises_nats: Option<f64>,
    /// With `raises_nats`: cameras this near to it, in metres. Where it has no position, those of its `area`; without
    /// both, all.
    #[serde(default = "three_kilometres")]
    #[schemars(range(min = 1.0, max = 100000.0))]
    pub raises_within_m: f64,
    /// Where it stands: longitude, then latitude, in degrees (WGS 84).
    pub position: Option<[f64; 2]>,
    /// Grid or area it belongs to; routes ask for it.
    #[schemars(length(min = 1, max = 200))]
    pub area: Option<String>,
}

/// How a sensor's messages are written.
#[derive(Deserialize, Serialize, JsonSchema, Default, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub enum RawSensorFormat {
    /// JSON, or a plain number.
    #[default]
    Json,
    /// Sparkplug B: protocol buffers with named metrics.
    SparkplugB,
}

const fn three_kilometres() -> f64 {
    3_000.0
}

const fn one() -> f64 {
    1.0
}

const fn sure() -> f64 {
    0.95
}
