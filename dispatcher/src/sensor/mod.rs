//! Sensors over MQTT: smoke detectors, water and rain gauges.
//!
//! Design decision: a reading is a look, and a sensor a camera without a picture. So what a camera's looks go through
//! (duplicates and the future refused, flicker weighed, silence noticed, the log) a sensor's readings go through as
//! well, a replay has them in the log, and a sensor joins what cameras near it see by the same rule as another camera.

mod listen;
mod reading;
mod sparkplug;

#[cfg(test)]
mod tests;

pub(crate) use listen::listen;
pub use reading::{BadReading, MAX_MESSAGE, value};

use citybrain_ingest_config::City;
use citybrain_ingest_config::resolved::{
    Camera, Connection, DecodeMode, EvidencePolicy, Sensor, Stream, Transport, View,
};
use citybrain_types::{
    BoundingBox, Detection, EventKind, FrameDetections, FrameOutcome, Label, ModelId, NotSeen, Score,
    StageTimes, Timestamp,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// The model that speaks in readings, as the log names it.
const MODEL: &str = "sensor-1";
/// What it calls a yes.
const LABEL: &str = "reading";

/// How readings add up: two of three, so that one that lies or flaps opens nothing, over minutes, since sensors report
/// seldom.
const READINGS: EvidencePolicy = EvidencePolicy {
    log_floor: 0.05,
    hit_score: 0.5,
    half_life: Duration::from_secs(600),
    open_at: 2.5,
    close_at: 0.5,
    max: 6.0,
    hold: Duration::from_secs(60),
    hits_needed: 2,
    looks_counted: 3,
    change_nats: 0.0,
};

/// The city with its sensors among its cameras, as the dispatcher's stages see it. The pipeline does not see them.
#[must_use]
pub fn with_sensors(city: Arc<City>) -> Arc<City> {
    if city.sensors.is_empty() {
        return city;
    }
    let mut all = City::clone(&city);
    for sensor in &city.sensors {
        all.cameras.entry(sensor.id.clone()).or_insert_with(|| as_camera(sensor));
    }
    Arc::new(all)
}

fn as_camera(sensor: &Sensor) -> Camera {
    Camera {
        id: sensor.id.clone(),
        name: sensor.name.clone(),
        stream: Stream {
            connection: Connection::Always,
            address: sensor.broker.clone(),
            credentials: None,
            transport: Transport::Tcp,
            decode: DecodeMode::Auto,
            repeat: false,
        },
        position: sensor.position,
        area: sensor.area.clone(),
        kinds: BTreeSet::from([sensor.kind.clone()]),
        evidence: BTreeMap::from([(sensor.kind.clone(), READINGS)]),
        ignore: Vec::new(),
        zones: Vec::new(),
        view: View::default(),
    }
}

/// A reading as a look: yes, or nothing found.
#[must_use]
pub fn look(sensor: &Sensor, value: f64, at: Timestamp) -> FrameDetections {
    let yes = if sensor.falling { value < sensor.alarm_at } else { value >= sensor.alarm_at };
    let score = Score::new(sensor.score).filter(|_| yes);
    let detection = score.map(|score| Detection {
        kind: sensor.kind.clone(),
        label: Label::new(LABEL),
        score,
        bbox: BoundingBox::WHOLE,
        change: None,
    });
    let looked_for = vec![sensor.kind.clone()];
    frame(sensor, at, FrameOutcome::Analysed, looked_for, detection.into_iter().collect())
}

/// A sensor that cannot be heard.
#[must_use]
pub fn silence(sensor: &Sensor, at: Timestamp) -> FrameDetections {
    frame(sensor, at, FrameOutcome::NotSeen(NotSeen::Disconnected), vec![sensor.kind.clone()], Vec::new())
}

fn frame(
    sensor: &Sensor,
    at: Timestamp,
    outcome: FrameOutcome,
    looked_for: Vec<EventKind>,
    detections: Vec<Detection>,
) -> FrameDetections {
    FrameDetections {
        camera: sensor.id.clone(),
        // A sensor does not number its readings: the microsecond at which one came does.
        sequence: u64::try_from(at.as_micros()).unwrap_or(0),
        captured_at: at,
        model: ModelId::new(MODEL).expect("it is an id"),
        outcome,
        asked: None,
        looked_for,
        detections,
        snapshots: None,
        snapshot_lost: false,
        stages: StageTimes { received_at: at, scheduled_at: at, decoded_at: at, detected_at: at },
    }
}
