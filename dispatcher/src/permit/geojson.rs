//! GeoJSON (RFC 7946): a collection of features whose properties are the entry and whose geometry is its ground.

use super::PermitGround;
use super::read::{Entry, Fields, on_earth, outline};
use serde_json::Value;

/// Radius around a point that has none, in metres.
const RADIUS_M: f64 = 50.0;

/// The entries of a feature collection.
///
/// # Errors
/// Why it is none.
pub(super) fn entries(text: &str) -> Result<Vec<Entry>, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| format!("it is no JSON: {error}"))?;
    let features = value.get("features").and_then(Value::as_array);
    let features = features.ok_or("it is no GeoJSON feature collection: it has no list 'features'")?;
    Ok(features.iter().map(entry).collect())
}

fn entry(feature: &Value) -> Entry {
    let mut fields = Fields::new();
    for (name, value) in feature.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => continue,
        };
        fields.insert(name.to_lowercase(), text);
    }
    if !fields.contains_key("id")
        && let Some(id) = feature.get("id")
    {
        fields.insert("id".to_owned(), id.as_str().map_or_else(|| id.to_string(), str::to_owned));
    }
    let geometry = feature.get("geometry").filter(|geometry| !geometry.is_null());
    let ground = geometry.map(|geometry| ground(geometry, &fields));
    (fields, ground)
}

fn ground(geometry: &Value, fields: &Fields) -> Result<PermitGround, String> {
    let coordinates = geometry.get("coordinates").unwrap_or(&Value::Null);
    match geometry.get("type").and_then(Value::as_str) {
        Some("Point") => {
            let radius = fields.get("radius_m").and_then(|text| text.parse().ok()).unwrap_or(RADIUS_M);
            Ok(PermitGround::Around(position(coordinates)?, radius))
        }
        Some("Polygon") => Ok(PermitGround::Outlines(vec![polygon(coordinates)?])),
        Some("MultiPolygon") => {
            let parts = coordinates.as_array().ok_or("a MultiPolygon without a list of polygons")?;
            Ok(PermitGround::Outlines(parts.iter().map(polygon).collect::<Result<_, _>>()?))
        }
        _ => Err("its geometry is neither Point, Polygon nor MultiPolygon".to_owned()),
    }
}

/// The outer ring: a site's courtyard belongs to it.
fn polygon(rings: &Value) -> Result<Vec<[f64; 2]>, String> {
    let ring = rings.get(0).and_then(Value::as_array).ok_or("a polygon without an outline")?;
    outline(ring.iter().map(position).collect::<Result<_, _>>()?)
}

fn position(pair: &Value) -> Result<[f64; 2], String> {
    let number = |n: usize| pair.get(n).and_then(Value::as_f64);
    let pair = number(0).zip(number(1)).ok_or("a position without longitude and latitude")?;
    on_earth([pair.0, pair.1])
}
