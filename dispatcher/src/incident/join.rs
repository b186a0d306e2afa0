//! Which incident a sighting belongs to.

use super::map::Located;
use super::{Incident, Standing};
use crate::evidence::{centre_distance, same_place};
use citybrain_types::{BoundingBox, CameraId};

/// A place joined to an incident lies no further from where it began than this many join distances, so that a chain of
/// neighbours does not swallow the whole picture, or street.
pub(super) const DIAMETER_CAP: u8 = 2;

/// Boxes that share this much of their union show the same thing; what a person has judged is one thing, and not all
/// that lies near it.
const SAME_THING_IOU: f32 = 0.3;

/// Where the places of an incident lie in one camera's picture: where it began and where it was seen last.
fn places(incident: &Incident, camera: &CameraId) -> Option<(BoundingBox, BoundingBox)> {
    let member = incident.members.get(camera).map(|member| (member.place, member.last_place));
    // Written by a program that knew of one camera only.
    member.or_else(|| (incident.camera == *camera).then_some((incident.place, incident.last_place)))
}

/// How far a place lies from where an incident began in the same picture; `None` when it does not belong to it.
pub(super) fn in_picture(
    incident: &Incident,
    camera: &CameraId,
    place: &BoundingBox,
    join_distance: f32,
) -> Option<f32> {
    let (began, last) = places(incident, camera)?;
    let distance = centre_distance(&began, place);
    let within = distance <= f32::from(DIAMETER_CAP) * join_distance;
    let belongs =
        same_place(&began, place, join_distance) || (within && same_place(&last, place, join_distance));
    belongs.then_some(distance)
}

/// Whether a place shows the very thing that was rejected: another size or another spot is another thing.
pub(super) fn is_same_thing(incident: &Incident, camera: &CameraId, place: &BoundingBox) -> bool {
    let Some((began, last)) = places(incident, camera) else { return false };
    [began, last].iter().any(|known| known.iou(place) >= SAME_THING_IOU)
}

/// How far a point of the map lies from where an incident began, as the square of millimetres; `None` when it does not
/// belong to it. `points` are where its cameras see it.
pub(super) fn on_map(
    origin: Located,
    points: &[(CameraId, Located)],
    at: Located,
    join_within_mm: i64,
) -> Option<i64> {
    let near = at.is_within(origin, join_within_mm);
    let capped = at.is_within(origin, join_within_mm.saturating_mul(i64::from(DIAMETER_CAP)));
    let beside_one = || points.iter().any(|(_, point)| at.is_within(*point, join_within_mm));
    (near || (capped && beside_one())).then(|| at.distance_squared(origin))
}

/// Whether an incident may still be joined.
pub(super) const fn takes_more(incident: &Incident) -> bool {
    match &incident.standing {
        Standing::Open | Standing::Alarm(_) | Standing::Confirmed { .. } => true,
        Standing::Rejected { .. } | Standing::Over { .. } => false,
    }
}
