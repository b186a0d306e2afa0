//! Which partition a frame belongs to.

use citybrain_ingest_config::City;
use citybrain_types::{CameraId, Level, Timestamp};

/// Where cameras go that lie in no area.
const NOWHERE: &str = "none";

/// The district a camera lies in: the area of that level above its own, or the highest that is known.
pub(super) fn of(city: &City, camera: &CameraId) -> String {
    let Some(area) = city.cameras.get(camera).and_then(|camera| camera.area.as_deref()) else {
        return NOWHERE.to_owned();
    };
    let mut highest = area;
    for (name, row) in city.cases.upwards(area) {
        highest = name;
        if row.level == Level::District {
            break;
        }
    }
    highest.to_owned()
}

/// The day of a moment, in UTC: the same whatever the configuration says.
pub(super) fn day(at: Timestamp) -> String {
    at.to_string().chars().take_while(|c| *c != 'T').collect()
}
