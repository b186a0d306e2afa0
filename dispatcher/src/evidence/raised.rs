//! What makes a kind likelier for a while without being it: rain, for water on the road.
//!
//! A reading of such a sensor is no evidence: it lowers the threshold of cameras near it, and asks for them to be looked
//! at more often. The readings stand in the log like all others, so a replay lowers the same thresholds.

use super::fixed::MicroNats;
use crate::incident::Plane;
use citybrain_ingest_config::City;
use citybrain_ingest_config::resolved::{Camera, Raises, Sensor};
use citybrain_types::{CameraId, EventKind, FrameDetections, FrameOutcome, Timestamp};
use std::collections::HashMap;
use std::time::Duration;

/// What a reading has raised stays so for this long: roads stay wet, and gauges report seldom.
const HOLDS_FOR: Duration = Duration::from_secs(15 * 60);

/// Sensors that raise something, and which cameras they concern.
#[derive(Debug, Default)]
pub(super) struct Raised {
    sensors: HashMap<CameraId, Gauge>,
    /// The sensors that concern a camera.
    near: HashMap<CameraId, Vec<CameraId>>,
}

#[derive(Debug)]
struct Gauge {
    kind: EventKind,
    by: MicroNats,
    until: Option<Timestamp>,
}

impl Raised {
    /// Goes on under another configuration; what is raised by a sensor that is still there stays so.
    pub(super) fn reload(&mut self, city: &City) {
        let mut before = std::mem::take(self);
        let raising = city.sensors.iter().filter_map(|sensor| Some((sensor, sensor.raises?)));
        for (sensor, raises) in raising {
            let until = before.sensors.remove(&sensor.id).and_then(|gauge| gauge.until);
            let (kind, by) = (sensor.kind.clone(), MicroNats::from_nats(raises.nats));
            self.sensors.insert(sensor.id.clone(), Gauge { kind, by, until });
            let watching = city.cameras.values().filter(|camera| camera.kinds.contains(&sensor.kind));
            for camera in watching.filter(|camera| concerns(sensor, raises, camera)) {
                self.near.entry(camera.id.clone()).or_default().push(sensor.id.clone());
            }
        }
    }

    /// Whether it is a reading of one of these sensors; what it says is taken in.
    pub(super) fn heard(&mut self, frame: &FrameDetections) -> bool {
        let Some(gauge) = self.sensors.get_mut(&frame.camera) else { return false };
        let yes = frame.outcome == FrameOutcome::Analysed && !frame.detections.is_empty();
        if yes {
            gauge.until = Some(frame.captured_at.plus(HOLDS_FOR));
        }
        true
    }

    /// By how much a kind is likelier at a camera now; nothing by two gauges is twice as likely.
    pub(super) fn by(&self, camera: &CameraId, kind: &EventKind, at: Timestamp) -> MicroNats {
        if self.sensors.is_empty() {
            return MicroNats::ZERO;
        }
        let near = self.near.get(camera).into_iter().flatten().filter_map(|id| self.sensors.get(id));
        // A clock that was set back leaves nothing raised for longer than it would have been.
        let holds = |until: Timestamp| at < until && until.since(at) <= HOLDS_FOR * 2;
        let raised = near.filter(|gauge| gauge.kind == *kind && gauge.until.is_some_and(holds));
        raised.map(|gauge| gauge.by).max().unwrap_or(MicroNats::ZERO)
    }
}

fn concerns(sensor: &Sensor, raises: Raises, camera: &Camera) -> bool {
    match (sensor.position, camera.position) {
        (Some(stands), Some(camera)) => {
            let plane = Plane::at(stands);
            // At most a hundred kilometres, by the configuration; `as` saturates.
            plane.put(stands).is_within(plane.put(camera), (raises.within_m * 1_000.0).round() as i64)
        }
        _ if sensor.area.is_some() => sensor.area == camera.area,
        (Some(_), None) => false,
        (None, _) => true,
    }
}
