//! A register's text taken apart. An entry that is wrong is left out with its reason and disturbs no other.

use super::{Permit, PermitGround, csv, geojson};
use citybrain_types::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::collections::BTreeMap;

/// Largest register that is read.
pub const MAX_BYTES: usize = 64 << 20;
/// Longest number or holder that is kept.
const MAX_TEXT: usize = 200;
/// Longest radius around a point, in metres.
const MAX_RADIUS_M: f64 = 10_000.0;
/// Radius around a point that has none.
const RADIUS_M: f64 = 50.0;
/// Most corners of an outline; the check for crossings is quadratic.
const MAX_CORNERS: usize = 2_000;

/// What was left out, each as a sentence.
pub type Faults = Vec<String>;

/// Fields of one entry, by lower-case name.
pub(super) type Fields = BTreeMap<String, String>;

/// Takes a register's text apart: GeoJSON when it begins with a brace, else CSV whose first line names the columns
/// `id`, `holder`, `from`, `to`, and one of `area`, or `longitude` and `latitude` with `radius_m`.
///
/// # Errors
/// Why it is no register at all.
pub fn parse(text: &str, time_zone: &str) -> Result<(Vec<Permit>, Faults), String> {
    if text.len() > MAX_BYTES {
        return Err(format!("it is larger than {MAX_BYTES} bytes"));
    }
    let zone = TimeZone::get(time_zone).unwrap_or(TimeZone::UTC);
    let entries = if text.trim_start().starts_with('{') { geojson::entries(text)? } else { from_csv(text)? };
    let (mut permits, mut faults) = (Vec::new(), Faults::new());
    for (n, (fields, ground)) in entries.into_iter().enumerate() {
        match ground.or_else(|| ground_of(&fields)).map(|ground| permit(&fields, ground, &zone)) {
            Some(Ok(permit)) => permits.push(permit),
            Some(Err(fault)) => faults.push(format!("entry {}: {fault}", n + 1)),
            None => faults.push(format!("entry {}: it says nowhere where it is valid", n + 1)),
        }
    }
    Ok((permits, faults))
}

/// One entry as it was written, with its ground where the format has one.
pub(super) type Entry = (Fields, Option<Result<PermitGround, String>>);

fn from_csv(text: &str) -> Result<Vec<Entry>, String> {
    let mut records = csv::records(text)?.into_iter();
    let header: Vec<String> =
        records.next().ok_or("it is empty")?.iter().map(|name| name.trim().to_lowercase()).collect();
    for needed in ["id", "from", "to"] {
        if !header.iter().any(|name| name == needed) {
            return Err(format!("its first line names no column '{needed}'"));
        }
    }
    Ok(records.map(|record| (header.iter().cloned().zip(record).collect(), None)).collect())
}

fn ground_of(fields: &Fields) -> Option<Result<PermitGround, String>> {
    let number = |name: &str| fields.get(name).map(|text| text.trim()).filter(|text| !text.is_empty());
    if let (Some(longitude), Some(latitude)) = (number("longitude"), number("latitude")) {
        return Some(point(longitude, latitude, number("radius_m")));
    }
    let area = fields.get("area").map(|area| area.trim()).filter(|area| !area.is_empty())?;
    Some(Ok(PermitGround::Area(area.to_owned())))
}

fn point(longitude: &str, latitude: &str, radius: Option<&str>) -> Result<PermitGround, String> {
    let number = |text: &str| text.parse::<f64>().map_err(|_| format!("'{}' is no number", shown(text)));
    let radius = radius.map_or(Ok(RADIUS_M), number)?;
    if !(0.0..=MAX_RADIUS_M).contains(&radius) {
        return Err(format!("a radius of {radius} m is not within 0 to {MAX_RADIUS_M}"));
    }
    Ok(PermitGround::Around(on_earth([number(longitude)?, number(latitude)?])?, radius))
}

/// A position, checked.
pub(super) fn on_earth(position: [f64; 2]) -> Result<[f64; 2], String> {
    let [longitude, latitude] = position;
    match longitude.abs() <= 180.0 && latitude.abs() <= 90.0 {
        true => Ok(position),
        false => Err(format!("longitude {longitude}, latitude {latitude} is no place on earth")),
    }
}

/// An outline, checked: one that crosses itself does not say what is inside.
pub(super) fn outline(mut corners: Vec<[f64; 2]>) -> Result<Vec<[f64; 2]>, String> {
    if corners.len() > 1 && corners.first() == corners.last() {
        corners.pop();
    }
    if !(3..=MAX_CORNERS).contains(&corners.len()) {
        return Err(format!("an outline of {} corners; 3 to {MAX_CORNERS} are taken", corners.len()));
    }
    for corner in &corners {
        on_earth(*corner)?;
    }
    let side = |n: usize| (corners[n], corners[(n + 1) % corners.len()]);
    for one in 0..corners.len() {
        for other in one + 2..corners.len() {
            let neighbours = one == 0 && other + 1 == corners.len();
            if !neighbours && cross(side(one), side(other)) {
                return Err(format!("its outline crosses itself at corners {} and {}", one + 1, other + 1));
            }
        }
    }
    Ok(corners)
}

fn cross((a, b): ([f64; 2], [f64; 2]), (c, d): ([f64; 2], [f64; 2])) -> bool {
    let side =
        |p: [f64; 2], q: [f64; 2], r: [f64; 2]| (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0]);
    side(a, b, c) * side(a, b, d) < 0.0 && side(c, d, a) * side(c, d, b) < 0.0
}

fn permit(fields: &Fields, ground: Result<PermitGround, String>, zone: &TimeZone) -> Result<Permit, String> {
    let text = |name: &str| fields.get(name).map_or("", |text| text.trim());
    let id = text("id");
    if id.is_empty() {
        return Err("it has no 'id'".to_owned());
    }
    let named = |fault: String| format!("{}: {fault}", shown(id));
    let moment = |name: &str, end: bool| {
        moment(text(name), end, zone).map_err(|fault| named(format!("'{name}' {fault}")))
    };
    let (from, to) = (moment("from", false)?, moment("to", true)?);
    if from >= to {
        return Err(named("it ends before it begins".to_owned()));
    }
    Ok(Permit { id: kept(id), holder: kept(text("holder")), from, to, ground: ground.map_err(named)? })
}

/// A moment, or a day: its first moment in the city's time, or, where it ends something, the first of the next.
fn moment(text: &str, end: bool, zone: &TimeZone) -> Result<Timestamp, String> {
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Ok(moment);
    }
    let day: Date = text.parse().map_err(|_| format!("'{}' is neither a day nor a moment", shown(text)))?;
    let day = if end { day.tomorrow().map_err(|e| e.to_string())? } else { day };
    let start = day.to_zoned(zone.clone()).map_err(|e| e.to_string())?;
    Ok(Timestamp::from_micros(start.timestamp().as_microsecond()))
}

/// A text of others, as it is kept: in one line, and not too long.
fn kept(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_TEXT).collect()
}

fn shown(text: &str) -> String {
    kept(text).chars().take(40).collect()
}
