//! What a message of a sensor says.

use super::sparkplug;
use citybrain_ingest_config::resolved::{Sensor, SensorFormat};
use serde_json::Value;

/// Largest message that is read.
pub const MAX_MESSAGE: usize = 64 * 1024;

/// Why a message is no reading. The name is the metric label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BadReading {
    /// It is larger than a reading is.
    Oversized,
    /// It is not of the format that the sensor is said to speak.
    Malformed,
    /// The value that was asked for is not in it.
    Missing,
    /// The value is no number.
    NotANumber,
}

impl BadReading {
    /// The reason's name, as in metric labels and log fields.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Oversized => "oversized",
            Self::Malformed => "malformed",
            Self::Missing => "missing",
            Self::NotANumber => "not_a_number",
        }
    }
}

/// The reading in a message.
///
/// # Errors
/// [`BadReading`] when there is none.
pub fn value(sensor: &Sensor, message: &[u8]) -> Result<f64, BadReading> {
    if message.len() > MAX_MESSAGE {
        return Err(BadReading::Oversized);
    }
    let value = match sensor.format {
        SensorFormat::Json => json(&sensor.value, message)?,
        SensorFormat::SparkplugB => sparkplug::metric(message, &sensor.value)?,
    };
    if value.is_finite() { Ok(value) } else { Err(BadReading::NotANumber) }
}

fn json(pointer: &str, message: &[u8]) -> Result<f64, BadReading> {
    let text = std::str::from_utf8(message).map_err(|_| BadReading::Malformed)?.trim();
    let whole: Value = match (serde_json::from_str(text), pointer) {
        (Ok(whole), _) => whole,
        // Plain words, as simple sensors send them.
        (Err(_), "") => Value::String(text.to_owned()),
        (Err(_), _) => return Err(BadReading::Malformed),
    };
    match whole.pointer(pointer).ok_or(BadReading::Missing)? {
        Value::Number(number) => number.as_f64().ok_or(BadReading::NotANumber),
        Value::Bool(yes) => Ok(f64::from(u8::from(*yes))),
        Value::String(text) => match text.trim().to_ascii_lowercase().as_str() {
            "on" | "true" | "alarm" => Ok(1.0),
            "off" | "false" | "ok" | "normal" => Ok(0.0),
            number => number.parse().map_err(|_| BadReading::NotANumber),
        },
        Value::Null | Value::Array(_) | Value::Object(_) => Err(BadReading::NotANumber),
    }
}
