//! JSON Schemas of types whose JSON form is not that of their fields.

use crate::id::MAX_ID_LEN;
use crate::{
    BoundingBox, CameraId, CaseId, DepartmentId, DestinationId, EventKind, IncidentId, SnapshotRef, Timestamp,
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

macro_rules! schema_of {
    ($($type:ident => $schema:expr;)+) => {
        $(impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                $schema
            }
        })+
    };
}

fn id(what: &str) -> Schema {
    json_schema!({
        "type": "string",
        "description": what,
        "pattern": "^[A-Za-z0-9_-][A-Za-z0-9_.-]*$",
        "minLength": 1,
        "maxLength": MAX_ID_LEN,
    })
}

schema_of! {
    CameraId => id("One camera as the city names it.");
    CaseId => id("A case.");
    DepartmentId => id("A department that handles cases.");
    DestinationId => id("One place deliveries go to.");
    IncidentId => id("One happening in the city.");
    EventKind => json_schema!({ "type": "string", "description": "The code of a row in the event catalogue." });
    SnapshotRef => json_schema!({
        "type": "string",
        "description": "Where a picture lies, below /snapshots/.",
    });
    Timestamp => json_schema!({
        "type": "string",
        "format": "date-time",
        "description": "A moment in UTC, RFC 3339.",
    });
    BoundingBox => json_schema!({
        "type": "array",
        "description": "Left, upper, right and lower edge in fractions of the picture.",
        "items": { "type": "number", "minimum": 0, "maximum": 1 },
        "minItems": 4,
        "maxItems": 4,
    });
}
