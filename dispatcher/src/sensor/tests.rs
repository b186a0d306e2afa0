//! Messages of sensors, good and bad, and what readings add up to.

use super::{BadReading, MAX_MESSAGE, look, value, with_sensors};
use crate::evidence::Evidence;
use crate::incident::{IncidentChange, Incidents};
use crate::testing::city::{START, burning, camera_id, city, fire};
use citybrain_ingest_config::City;
use citybrain_ingest_config::resolved::{Sensor, SensorFormat};
use proptest::prelude::*;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

fn sensor(format: SensorFormat, pointer: &str) -> Sensor {
    Sensor {
        id: camera_id("smoke-1"),
        name: "Smoke detector 1".to_owned(),
        broker: "mqtt://127.0.0.1:1883".parse().unwrap(),
        credentials: None,
        topic: "house/smoke".to_owned(),
        format,
        value: pointer.to_owned(),
        kind: fire(),
        alarm_at: 1.0,
        falling: false,
        score: 0.95,
        raises: None,
        position: Some([121.5, 31.2]),
        area: None,
    }
}

#[test]
fn readings_are_numbers_words_and_values_deep_in_json() {
    let plain = sensor(SensorFormat::Json, "");
    for (message, expected) in [("3.5", 3.5), ("true", 1.0), ("ON", 1.0), (" off\n", 0.0), ("\"alarm\"", 1.0)]
    {
        assert_eq!(value(&plain, message.as_bytes()), Ok(expected), "{message}");
    }
    let deep = sensor(SensorFormat::Json, "/data/0/mm");
    assert_eq!(value(&deep, br#"{"data": [{"mm": 120}]}"#), Ok(120.0));
    for (message, expected) in [
        (r#"{"data": []}"#, BadReading::Missing),
        (r#"{"data": [{"mm": [1]}]}"#, BadReading::NotANumber),
        (r#"{"data": [{"mm": 1"#, BadReading::Malformed),
        ("1e999", BadReading::Malformed),
    ] {
        assert_eq!(value(&deep, message.as_bytes()), Err(expected), "{message}");
    }
    assert_eq!(value(&plain, b"NaN"), Err(BadReading::NotANumber));
    assert_eq!(value(&plain, b"\xff\xfe"), Err(BadReading::Malformed));
    assert_eq!(value(&plain, &vec![b'1'; MAX_MESSAGE + 1]), Err(BadReading::Oversized));
}

/// A Sparkplug payload: a time stamp, and metrics of a name and one field.
fn payload(metrics: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = vec![0x08, 0x80, 0xb4, 0xea, 0xaf, 0x9b, 0x33];
    for (name, field) in metrics {
        let mut metric = vec![0x0a, u8::try_from(name.len()).unwrap()];
        metric.extend_from_slice(name.as_bytes());
        metric.extend_from_slice(field);
        bytes.extend([0x12, u8::try_from(metric.len()).unwrap()]);
        bytes.extend(metric);
    }
    bytes
}

#[test]
fn a_metric_is_found_by_its_name_in_a_sparkplug_payload_of_any_of_its_types() {
    let level = sensor(SensorFormat::SparkplugB, "level");
    let mut double = vec![0x69];
    double.extend(2.5_f64.to_le_bytes());
    let mut float = vec![0x65];
    float.extend(1.5_f32.to_le_bytes());
    for (field, expected) in
        [(&double[..], 2.5), (&float[..], 1.5), (&[0x50, 7][..], 7.0), (&[0x70, 1][..], 1.0)]
    {
        assert_eq!(value(&level, &payload(&[("other", &[0x50, 1]), ("level", field)])), Ok(expected));
    }
    // −3 as 32 bits, and as 64.
    let minus = [0x50, 0xfd, 0xff, 0xff, 0xff, 0x0f];
    assert_eq!(value(&level, &payload(&[("level", &minus)])), Ok(-3.0));
    assert_eq!(value(&level, &payload(&[("other", &[0x50, 1])])), Err(BadReading::Missing));
    assert_eq!(value(&level, &payload(&[("level", &[0x38, 1])])), Err(BadReading::NotANumber));
    assert_eq!(value(&level, &[0x12, 0x7f, 1]), Err(BadReading::Malformed));
}

proptest! {
    #[test]
    fn no_message_of_a_sensor_brings_the_listener_down(message in proptest::collection::vec(any::<u8>(), 0..300)) {
        for sensor in [sensor(SensorFormat::SparkplugB, "a"), sensor(SensorFormat::Json, "/a"), sensor(SensorFormat::Json, "")] {
            if let Ok(value) = value(&sensor, &message) {
                prop_assert!(value.is_finite());
            }
        }
    }
}

fn with_detector() -> City {
    let mut city = city(Path::new("unused"));
    let row = city.kinds.get_mut(&fire()).unwrap();
    row.incident.join_within_m = 50.0;
    row.incident.confirm_within = Some(Duration::from_secs(30));
    city.sensors.push(sensor(SensorFormat::Json, ""));
    City::clone(&with_sensors(Arc::new(city)))
}

#[test]
fn a_smoke_detector_beside_a_camera_confirms_what_it_sees() {
    let city = Arc::new(with_detector());
    let sensor = city.sensors[0].clone();
    let mut evidence = Evidence::new(Arc::clone(&city), []);
    let mut incidents = Incidents::new(&city, []);
    let at = |secs| START.plus(Duration::from_secs(secs));
    let frames =
        [burning("gate-1", 0), burning("gate-1", 1), look(&sensor, 1.0, at(2)), look(&sensor, 1.0, at(3))];
    let changes: Vec<_> =
        frames.iter().flat_map(|frame| incidents.take(&evidence.judge(frame).look)).collect();
    let opened = changes.iter().filter(|change| matches!(change, IncidentChange::Opened { .. })).count();
    let confirmed = changes.iter().find_map(|change| match change {
        IncidentChange::Confirmed { incident, .. } => Some(incident.members.len()),
        _ => None,
    });
    assert_eq!((opened, confirmed), (1, Some(2)), "{changes:?}");
}

#[test]
fn a_sensor_that_flaps_opens_nothing_and_one_that_stays_opens_one_incident() {
    let city = Arc::new(with_detector());
    let sensor = city.sensors[0].clone();
    let said = |value: &dyn Fn(u64) -> f64| {
        let mut evidence = Evidence::new(Arc::clone(&city), []);
        let mut incidents = Incidents::new(&city, []);
        let looks = (0..200_u64).map(|n| look(&sensor, value(n), START.plus(Duration::from_secs(60 * n))));
        let changes: Vec<_> = looks.flat_map(|frame| incidents.take(&evidence.judge(&frame).look)).collect();
        changes.iter().filter(|change| matches!(change, IncidentChange::Opened { .. })).count()
    };
    assert_eq!(said(&|n| f64::from(u8::from(n % 3 == 0))), 0);
    assert_eq!(said(&|n| f64::from(u8::from(n >= 5))), 1);
}

#[test]
fn a_sensor_that_says_yes_for_ever_is_one_case_and_none_after_a_person_has_refused_it() {
    let city = Arc::new(with_detector());
    let sensor = city.sensors[0].clone();
    let mut evidence = Evidence::new(Arc::clone(&city), []);
    let mut incidents = Incidents::new(&city, []);
    let mut opened = Vec::new();
    for n in 0..5_000_u64 {
        let at = START.plus(Duration::from_secs(60 * n));
        let lies = look(&sensor, if n % 2 == 0 { 1.0 } else { 1e308 }, at);
        for change in incidents.take(&evidence.judge(&lies).look) {
            if let IncidentChange::Opened { incident, .. } = change {
                opened.push(incident.id);
            }
        }
        if n == 100 {
            incidents.reject(&opened[0], at);
        }
    }
    assert_eq!(opened.len(), 1, "{opened:?}");
}
