//! Sensors: smoke detectors, water and rain gauges, that speak over MQTT.

use super::Credentials;
use citybrain_types::{CameraId, EventKind};
use url::Url;

/// A sensor. Its readings are looks like those of a camera, without a picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Sensor {
    /// Its id, unique among cameras and sensors.
    pub id: CameraId,
    /// Name for people.
    pub name: String,
    /// `mqtt://host:port` or `mqtts://host:port`.
    pub broker: Url,
    /// User name and password the broker asks for.
    pub credentials: Option<Credentials>,
    /// The topic it publishes to.
    pub topic: String,
    /// How its messages are written.
    pub format: SensorFormat,
    /// What it measures in a message: a JSON pointer, or the name of a metric; the whole message when empty.
    pub value: String,
    /// The kind it speaks for.
    pub kind: EventKind,
    /// From this reading on it says yes.
    pub alarm_at: f64,
    /// It says yes at readings below `alarm_at` instead.
    pub falling: bool,
    /// How sure it is when it says yes.
    pub score: f32,
    /// It makes its kind likelier instead of speaking for it.
    pub raises: Option<Raises>,
    /// Longitude and latitude in degrees (WGS 84).
    pub position: Option<[f64; 2]>,
    /// Grid or area it belongs to.
    pub area: Option<String>,
}

/// How a sensor makes a kind likelier, as rain does with waterlogging.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Raises {
    /// So much less evidence is needed near it, in nats.
    pub nats: f32,
    /// How near, in metres.
    pub within_m: f64,
}

/// How a sensor's messages are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SensorFormat {
    /// JSON, or a plain number.
    Json,
    /// Sparkplug B: protocol buffers with named metrics.
    SparkplugB,
}
