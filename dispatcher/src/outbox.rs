//! Which deliveries a case change sends out. They are written in the transaction of the change.

use crate::envelope::{self, EventType};
use crate::store::OutboxRow;
use citybrain_ingest_config::City;
use citybrain_ingest_config::resolved::{Channel, Destination};
use citybrain_types::{Case, Delivery, DeliveryState, DepartmentId, DestinationId, Timestamp};
use std::collections::BTreeSet;

/// The deliveries of one event about `case`: one to each destination of its departments, or one for each
/// department where the destination's topic names it.
///
/// `captured_at` is when the frame that led to it was taken, `created_at` when the row is made.
#[must_use]
pub fn deliveries(
    city: &City,
    event: EventType,
    case: &Case,
    captured_at: Timestamp,
    created_at: Timestamp,
) -> Vec<OutboxRow> {
    deliveries_also(city, event, case, (captured_at, created_at), &[])
}

/// Who was told of something: a destination, and the department it was told for.
pub type Told = (DestinationId, DepartmentId);

/// The same, with those in `also` who are not among them: who was told of an alarm is told that it was none, whatever
/// the routes say by now. A destination that is not configured any more cannot be reached.
#[must_use]
pub fn deliveries_also(
    city: &City,
    event: EventType,
    case: &Case,
    times: (Timestamp, Timestamp),
    also: &[Told],
) -> Vec<OutboxRow> {
    let mut rows = Vec::new();
    let mut told = BTreeSet::new();
    let responsible =
        case.departments.iter().filter_map(|id| city.departments.get(id)).flat_map(|department| {
            department.destinations.iter().map(move |destination| (destination, &department.id))
        });
    let also = also.iter().map(|(destination, department)| (destination, department));
    for (destination, department) in responsible.chain(also) {
        let Some(destination) = city.destinations.get(destination) else { continue };
        let apart = tells_departments_apart(destination).then_some(department);
        if told.insert((&destination.id, apart)) {
            let key = envelope::key(event, case, &destination.id, apart);
            rows.push(row(city, event, case, key, (destination, department), times));
        }
    }
    rows
}

fn tells_departments_apart(destination: &Destination) -> bool {
    matches!(&destination.channel, Channel::Mqtt { topic, .. } if topic.contains("{department}"))
}

fn row(
    city: &City,
    event: EventType,
    case: &Case,
    key: String,
    (destination, department): (&Destination, &DepartmentId),
    (captured_at, created_at): (Timestamp, Timestamp),
) -> OutboxRow {
    let envelope = envelope::wrap(&key, event, &city.site, case);
    OutboxRow {
        delivery: Delivery {
            key,
            case: case.id.clone(),
            case_version: case.version,
            destination: destination.id.clone(),
            state: DeliveryState::Pending,
            attempts: 0,
            created_at,
            next_attempt_at: Some(created_at),
            delivered_at: None,
            last_error: None,
        },
        event,
        kind: case.kind.clone(),
        camera: case.camera.clone(),
        department: department.clone(),
        captured_at,
        body: serde_json::to_string(&envelope)
            .expect("an envelope has string keys only and no failing values"),
        attempts_before: 0,
    }
}
