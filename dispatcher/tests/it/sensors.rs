//! Sensors through a real broker, and the log they leave.

use crate::mqtt::Broker;
use crate::support::city::{camera_id, city, fire};
use crate::support::{House, PATIENCE};
use citybrain_dispatcher::log;
use citybrain_dispatcher::replay::Replay;
use citybrain_dispatcher::sensor::with_sensors;
use citybrain_ingest_config::City;
use citybrain_ingest_config::resolved::{Sensor, SensorFormat};
use citybrain_types::CameraId;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::{AsyncClient, MqttOptions};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

fn with_gauge(folder: &Path, port: u16) -> City {
    let mut city = city(folder);
    city.dispatch.log_budget_bytes = 1 << 20;
    city.sensors.push(Sensor {
        id: camera_id("gauge-1"),
        name: "Water gauge".to_owned(),
        broker: format!("mqtt://127.0.0.1:{port}").parse().unwrap(),
        credentials: None,
        topic: "city/gauges/1".to_owned(),
        format: SensorFormat::Json,
        value: "/level_mm".to_owned(),
        kind: fire(),
        alarm_at: 150.0,
        falling: false,
        score: 0.95,
        raises: None,
        position: Some([121.5, 31.2]),
        area: Some("harbour".to_owned()),
    });
    city
}

#[tokio::test(flavor = "multi_thread")]
async fn readings_above_the_limit_become_one_case_that_a_replay_of_the_log_finds_again() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(folder.path(), "allow_anonymous true");
    let city = with_gauge(folder.path(), broker.port);
    let house = House::open(city.clone()).await;
    let mut options = MqttOptions::new("gauge", "127.0.0.1", broker.port);
    options.set_keep_alive(Duration::from_secs(10));
    let (client, mut events) = AsyncClient::new(options, 16);
    let poll = tokio::spawn(async move { while events.poll().await.is_ok() {} });
    let publish = async {
        // Messages that are none come in between, and disturb nothing.
        for n in 0.. {
            let message = match n % 3 {
                0 => "no json {".to_owned(),
                _ => format!("{{\"level_mm\": {}}}", 200 + n),
            };
            client.publish("city/gauges/1", QoS::AtLeastOnce, false, message).await.unwrap();
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    };
    let both = async {
        loop {
            let cases = house.cases().await;
            let refused = "citybrain_sensor_messages_refused_total{reason=\"malformed\"}";
            if !cases.is_empty() && house.metrics().contains(refused) {
                return cases;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let cases = tokio::select! {
        cases = both => cases,
        () = publish => unreachable!(),
        () = tokio::time::sleep(PATIENCE) => panic!("no case, or no message was refused"),
    };
    assert_eq!((cases.len(), cases[0].camera.as_ref().map(CameraId::as_str)), (1, Some("gauge-1")));
    let why = house.services.why(&cases[0].id).await.unwrap().unwrap();
    assert_eq!(why.reasons.len(), 1, "{why:?}");
    house.close().await;
    poll.abort();
    let mut replay = Replay::new(with_sensors(Arc::new(city)), Arc::default());
    log::read(&folder.path().join(log::LOG_FOLDER), |batch| replay.take(&batch), |_| {}).unwrap();
    let again: Vec<_> = replay.cases().collect();
    assert_eq!((again.len(), &again[0].case.id), (1, &cases[0].id));
    assert_eq!(again[0].incident.reasons, why.reasons);
}
