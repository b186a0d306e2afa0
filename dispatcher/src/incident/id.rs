//! Names of incidents.

use citybrain_types::{BoundingBox, CameraId, EventKind, IncidentId, Timestamp};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;

/// `<kind>-<day>-<hash>` of the first event: a replay names it the same.
pub(super) fn incident_id(
    camera: &CameraId,
    kind: &EventKind,
    sequence: Option<u64>,
    at: Timestamp,
    place: &BoundingBox,
) -> IncidentId {
    let edges = <[f32; 4]>::from(*place).map(f32::to_bits);
    let event = format!("{camera}\n{kind}\n{sequence:?}\n{}\n{edges:?}", at.as_micros());
    let mut id = String::with_capacity(64);
    // A kind may have any name; of a name that is not an id, what can stand in one is kept.
    let letters = kind.as_str().chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_');
    id.extend(letters.take(24));
    if id.is_empty() {
        id.push_str("event");
    }
    let day = at.to_string();
    id.push('-');
    id.extend(day.chars().take_while(|c| *c != 'T').filter(char::is_ascii_digit).take(8));
    id.push('-');
    for byte in Sha256::digest(event.as_bytes()).iter().take(8) {
        let _ = write!(id, "{byte:02x}");
    }
    IncidentId::new(id).expect("letters, digits, '_' and '-', at most 24 + 1 + 8 + 1 + 16 characters")
}
