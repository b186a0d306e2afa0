//! `[[sensors]]` → [`Sensor`].

use std::collections::BTreeMap;

use citybrain_types::{CameraId, EventKind};

use super::address::broker_address;
use super::camera::check_position;
use super::secret::SecretKeys;
use super::sink::{credentials, taken};
use super::{Context, id_fault};
use crate::names::Names;
use crate::raw::{RawSensor, RawSensorFormat};
use crate::resolved::{Camera, Raises, Sensor, SensorFormat};
use crate::row::Row;

pub(super) fn sensors<'d>(
    rows: &[Row<'d, RawSensor>],
    kinds: &Names<'d>,
    cameras: &BTreeMap<CameraId, Camera>,
    context: &mut Context<'_>,
) -> Vec<Sensor> {
    let mut names = Names::new("sensor", &context.problems);
    rows.iter().filter_map(|row| sensor(row, kinds, cameras, &mut names, context)).collect()
}

fn sensor<'d>(
    row: &Row<'d, RawSensor>,
    kinds: &Names<'d>,
    cameras: &BTreeMap<CameraId, Camera>,
    names: &mut Names<'d>,
    context: &mut Context<'_>,
) -> Option<Sensor> {
    let Row { raw, place } = row;
    let id = names.declare(place, "id", raw.id.as_deref(), &mut context.problems);
    let id = id.and_then(|id| {
        CameraId::new(id).map_err(|e| place.report(&mut context.problems, "id", id_fault(&e))).ok()
    });
    if id.as_ref().is_some_and(|id| cameras.contains_key(id)) {
        place.report(
            &mut context.problems,
            "id",
            "is the id of a camera: readings and looks would be mixed up",
        );
    }
    let broker = raw.broker.as_deref().and_then(|url| taken(broker_address(url), place, "broker", context));
    let keys = SecretKeys {
        key: "password",
        clear: &raw.password,
        env: &raw.password_env,
        file: &raw.password_file,
    };
    let in_address = broker.as_ref().and_then(|address| address.credentials.clone());
    let credentials = credentials(raw.user.as_deref(), &keys, in_address, place, context);
    let kind =
        raw.kind.as_deref().filter(|kind| kinds.refer(place, "kind", (0, kind), &mut context.problems));
    let topic = raw.topic.as_deref();
    if let Some(bad) =
        topic.and_then(|topic| topic.chars().find(|c| matches!(c, '+' | '#') || c.is_control()))
    {
        let message = format!("holds '{}': each sensor has a topic of its own", bad.escape_debug());
        place.report(&mut context.problems, "topic", message);
    }
    let format = match raw.format {
        RawSensorFormat::Json => SensorFormat::Json,
        RawSensorFormat::SparkplugB => SensorFormat::SparkplugB,
    };
    if format == SensorFormat::SparkplugB && raw.value.is_empty() && !place.lost("value") {
        place.report(&mut context.problems, "format", "needs 'value', the name of a metric");
    }
    if format == SensorFormat::Json && !raw.value.is_empty() && !raw.value.starts_with('/') {
        place.report(&mut context.problems, "value", "is no JSON pointer: it begins with '/'");
    }
    let position = raw.position.filter(|position| check_position(*position, place, context));
    let id = id?;
    Some(Sensor {
        name: raw.name.clone().unwrap_or_else(|| id.to_string()),
        broker: broker?.url,
        credentials,
        topic: topic?.to_owned(),
        format,
        value: raw.value.clone(),
        kind: EventKind::new(kind?),
        alarm_at: raw.alarm_at,
        falling: raw.falling,
        score: raw.score as f32,
        raises: raw.raises_nats.map(|nats| Raises { nats: nats as f32, within_m: raw.raises_within_m }),
        position,
        area: raw.area.clone(),
        id,
    })
}
