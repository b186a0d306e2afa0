//! The configuration of the demo's city, written as a user would write one.

use serde::Deserialize;
use serde_json::{Value, json};
use std::path::Path;

/// What `citybrain simulate --announce` writes.
#[derive(Debug, Deserialize)]
pub struct AnnouncedStreet {
    /// Cameras with their addresses.
    pub cameras: Vec<AnnouncedCamera>,
    /// Where the ground truth is served.
    pub http: std::net::SocketAddr,
}

/// A camera of the simulated street.
#[derive(Debug, Deserialize)]
pub struct AnnouncedCamera {
    /// Its id.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// Its RTSP address.
    pub url: String,
    /// User and password, where it asks for them.
    pub login: Option<AnnouncedLogin>,
}

/// User and password of a simulated camera.
#[derive(Debug, Deserialize)]
pub struct AnnouncedLogin {
    /// User name.
    pub user: String,
    /// Password.
    pub password: String,
}

/// Where the two desks are.
pub struct Desks<'a> {
    /// Address of the webhook receiver.
    pub webhook: &'a str,
    /// Its signing secret.
    pub secret: &'a str,
    /// Address of the MQTT broker.
    pub broker: &'a str,
    /// Topic the cases are published to.
    pub topic: &'a str,
}

/// The text of `citybrain.toml`.
pub fn text(
    street: &AnnouncedStreet,
    desks: &Desks<'_>,
    data_dir: &Path,
    listen: std::net::SocketAddr,
) -> anyhow::Result<String> {
    let cameras: Vec<Value> = street.cameras.iter().enumerate().map(|(i, seen)| camera(seen, i)).collect();
    let city = json!({
        "site": { "name": "Demo street", "time_zone": "Asia/Shanghai", "data_dir": data_dir, "listen": listen.to_string() },
        "cameras": cameras,
        // The slow kinds are looked for more often than a city would, so that nobody waits half an hour for the demo; what
        // counts as found, and by when, is what the catalogue says.
        "kinds": [
            { "code": "waterlogging", "look_interval_secs": 5 },
            { "code": "littering", "look_interval_secs": 5 },
            { "code": "illegal_construction", "look_interval_secs": 5 },
        ],
        "departments": [
            { "id": "fire-brigade", "name": "Fire brigade", "destinations": ["brigade-webhook", "city-mqtt"] },
            { "id": "district-centre", "name": "District centre", "district_centre": true,
              "destinations": ["brigade-webhook", "city-mqtt"] },
        ],
        "routes": [{ "kinds": ["fire"], "departments": ["fire-brigade"] }],
        "sinks": [
            { "id": "brigade-webhook", "webhook": { "url": desks.webhook, "secret": desks.secret } },
            { "id": "city-mqtt", "mqtt": { "broker": desks.broker, "topic": desks.topic } },
        ],
    });
    Ok(toml::to_string(&city)?)
}

/// Some 400 m from one to the next: further than what cameras share.
const STEP_DEGREES: f64 = 0.004;
/// Cameras in a row of the map.
const ROW: usize = 4;

fn camera(camera: &AnnouncedCamera, index: usize) -> Value {
    let (row, column) = ((index / ROW) as f64, (index % ROW) as f64);
    let position = [121.47 + column * STEP_DEGREES, 31.23 - row * STEP_DEGREES];
    let mut entry = json!({ "id": camera.id, "name": camera.name, "url": camera.url, "position": position });
    if let Some(login) = &camera.login {
        entry["user"] = json!(login.user);
        entry["password"] = json!(login.password);
    }
    entry
}
