//! Which deliveries a case change sends out. They are written in the transaction of the change.

use crate::cap;
use crate::envelope::{self, Envelope, EventType};
use crate::store::OutboxRow;
use citybrain_ingest_config::City;
use citybrain_ingest_config::resolved::{BodyFormat, Channel, Destination};
use citybrain_types::{Case, Delivery, DeliveryState, DepartmentId, DestinationId, Priority, Timestamp};
use std::collections::BTreeSet;

/// The deliveries of one event about `case`: one to each destination of its departments, and of those it was escalated
/// to, or one for each
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
    // What is handed to nobody yet is the district centre's to decide.
    let centre = city.cases.centre.iter().filter(|_| case.departments.is_empty());
    let told_of = case.departments.iter().chain(&case.work.escalated_to).chain(centre);
    let responsible = told_of.filter_map(|id| city.departments.get(id)).flat_map(|department| {
        department.destinations.iter().map(move |destination| (destination, &department.id))
    });
    let also = also.iter().map(|(destination, department)| (destination, department));
    for (destination, department) in responsible.chain(also) {
        let Some(destination) = city.destinations.get(destination) else { continue };
        if !takes(destination, event, case) {
            continue;
        }
        let apart = tells_departments_apart(destination).then_some(department);
        if told.insert((&destination.id, apart)) {
            let key = envelope::key(event, case, &destination.id, apart);
            rows.push(row(city, event, case, key, (destination, department), times));
        }
    }
    rows
}

/// The same message for another destination, under a key of its own; `None` when the stored one is damaged.
pub(crate) fn for_second(row: &OutboxRow, second: &DestinationId, now: Timestamp) -> Option<OutboxRow> {
    let mut envelope: Envelope = serde_json::from_str(&row.body).ok()?;
    let key = envelope::key(row.event, &envelope.data.case, second, None);
    envelope.id.clone_from(&key);
    let body = serde_json::to_string(&envelope).ok()?;
    let delivery = Delivery {
        key,
        destination: second.clone(),
        state: DeliveryState::Pending,
        attempts: 0,
        created_at: now,
        next_attempt_at: Some(now),
        delivered_at: None,
        last_error: None,
        ..row.delivery.clone()
    };
    Some(OutboxRow { delivery, body, attempts_before: 0, ..row.clone() })
}

/// Whether a destination is told of this at all: alerts are of confirmed fires only.
fn takes(destination: &Destination, event: EventType, case: &Case) -> bool {
    match &destination.channel {
        Channel::Webhook { format: BodyFormat::Cap, .. } => {
            event != EventType::PreAlarm && cap::is_confirmed_fire(case)
        }
        _ => true,
    }
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
        urgent: event == EventType::PreAlarm || case.priority == Priority::Immediate,
        attempts_before: 0,
    }
}
