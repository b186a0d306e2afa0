//! [`FrameDetections`] as Arrow record batches: one row a frame, its detections a list in that row.
//!
//! Design decision: a heartbeat (a frame in which nothing was found) is a row with an empty list, so "seen,
//! nothing" and "not seen" stay different things in the log. The schema carries its version in its metadata;
//! a reader refuses a version it does not know instead of guessing. What an earlier version wrote, for instance what lay
//! in the spool when the program was replaced, is brought up to date by one file per step in `migrations`.

mod migrations;

use crate::{
    Asked, BoundingBox, CameraId, Detection, EventKind, FrameDetections, FrameOutcome, Label, ModelId, Score,
    SnapshotRef, Snapshots, StageTimes, Timestamp,
};
use arrow_array::builder::{
    BooleanBuilder, Float32Builder, ListBuilder, StringBuilder, StructBuilder, TimestampMicrosecondBuilder,
    UInt64Builder,
};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, TimestampMicrosecondType, UInt64Type};
use arrow_array::{Array, ArrayRef, RecordBatch, StructArray};
use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

/// Version of the schema written by this program.
///
/// | version | what is new |
/// |---|---|
/// | 1 | |
/// | 2 | `asked_by` and `region`: an answer that another model's detections asked for ([`Asked`]) |
/// | 3 | `change` of a detection: how much its place differs from the camera's past |
pub const SCHEMA_VERSION: u32 = 3;
/// Key of the version in the schema's metadata.
pub const SCHEMA_VERSION_KEY: &str = "citybrain.detections.version";

/// Why a record batch is not a batch of frame detections.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// Another version of the schema, or none.
    #[error("detections have schema version {found}, this program reads 1 to {SCHEMA_VERSION}")]
    Version {
        /// The version found, or `none`.
        found: String,
    },
    /// Columns are missing, surplus or of another type.
    #[error("columns do not match schema version {SCHEMA_VERSION}: {0}")]
    Columns(String),
    /// A value breaks an invariant of its type.
    #[error("row {row}, column {column}: {problem}")]
    Value {
        /// Row in the batch, from 0.
        row: usize,
        /// Name of the column.
        column: &'static str,
        /// What is wrong with the value.
        problem: String,
    },
}

fn utc_micros() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some(Arc::from("UTC")))
}

fn detection_fields() -> Fields {
    Fields::from(vec![
        Field::new("kind", DataType::Utf8, false),
        Field::new("label", DataType::Utf8, false),
        Field::new("score", DataType::Float32, false),
        Field::new("left", DataType::Float32, false),
        Field::new("top", DataType::Float32, false),
        Field::new("right", DataType::Float32, false),
        Field::new("bottom", DataType::Float32, false),
        Field::new("change", DataType::Float32, true),
    ])
}

/// Column of [`detection_fields`] that version 3 added.
const CHANGE: usize = 7;

fn region_fields() -> Fields {
    ["left", "top", "right", "bottom"]
        .map(|edge| Field::new(edge, DataType::Float32, false))
        .into_iter()
        .collect()
}

/// The columns of version 2.
fn asked_fields() -> [Field; 2] {
    [
        Field::new("asked_by", DataType::UInt64, true),
        Field::new("region", DataType::Struct(region_fields()), true),
    ]
}

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let list_of = |item: DataType| DataType::List(Arc::new(Field::new("item", item, false)));
    let mut fields = vec![
        Field::new("camera", DataType::Utf8, false),
        Field::new("sequence", DataType::UInt64, false),
        Field::new("captured_at", utc_micros(), false),
        Field::new("model", DataType::Utf8, false),
        Field::new("outcome", DataType::Utf8, false),
        Field::new("looked_for", list_of(DataType::Utf8), false),
        Field::new("detections", list_of(DataType::Struct(detection_fields())), false),
        Field::new("snapshot_at", DataType::Utf8, true),
        Field::new("snapshot_before", DataType::Utf8, true),
        Field::new("snapshot_lost", DataType::Boolean, false),
        Field::new("received_at", utc_micros(), false),
        Field::new("scheduled_at", utc_micros(), false),
        Field::new("decoded_at", utc_micros(), false),
        Field::new("detected_at", utc_micros(), false),
    ];
    fields.extend(asked_fields());
    let metadata = HashMap::from([(SCHEMA_VERSION_KEY.to_owned(), SCHEMA_VERSION.to_string())]);
    Arc::new(Schema::new_with_metadata(fields, metadata))
});

/// A record batch that is known to hold frame detections of the current schema.
#[derive(Debug, Clone, PartialEq)]
pub struct DetectionBatch(RecordBatch);

impl DetectionBatch {
    /// The schema of every batch.
    #[must_use]
    pub fn schema() -> SchemaRef {
        Arc::clone(&SCHEMA)
    }

    /// Packs frames, in their order.
    #[must_use]
    pub fn from_frames(frames: &[FrameDetections]) -> Self {
        let mut columns = Columns::default();
        for frame in frames {
            columns.push(frame);
        }
        Self(columns.finish())
    }

    /// Takes a batch that came from elsewhere, for instance from a file or a bus; one of an earlier version is brought
    /// up to this one.
    ///
    /// # Errors
    /// [`SchemaError`] when the version is not known or a column differs.
    pub fn from_record_batch(batch: RecordBatch) -> Result<Self, SchemaError> {
        let batch = migrations::up_to_date(batch)?;
        let schema = batch.schema();
        let version = schema.metadata().get(SCHEMA_VERSION_KEY).map_or("none", String::as_str);
        if version != SCHEMA_VERSION.to_string() {
            return Err(SchemaError::Version { found: version.to_owned() });
        }
        if schema.fields() != SCHEMA.fields() {
            return Err(SchemaError::Columns(format!("{:?}", schema.fields())));
        }
        Ok(Self(batch))
    }

    /// The Arrow form.
    #[must_use]
    pub const fn record_batch(&self) -> &RecordBatch {
        &self.0
    }

    /// Number of frames.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.num_rows()
    }

    /// Whether it holds no frame.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Unpacks every frame.
    ///
    /// # Errors
    /// [`SchemaError::Value`] for the first value that breaks an invariant.
    pub fn to_frames(&self) -> Result<Vec<FrameDetections>, SchemaError> {
        (0..self.len()).map(|row| self.frame(row)).collect()
    }

    fn frame(&self, row: usize) -> Result<FrameDetections, SchemaError> {
        let outcome = FrameOutcome::from_name(self.text(row, "outcome"))
            .ok_or_else(|| bad(row, "outcome", self.text(row, "outcome")))?;
        let before = self.snapshot(row, "snapshot_before")?;
        Ok(FrameDetections {
            camera: CameraId::new(self.text(row, "camera")).map_err(|e| bad(row, "camera", e))?,
            sequence: self.column("sequence").as_primitive::<UInt64Type>().value(row),
            captured_at: self.moment(row, "captured_at"),
            model: ModelId::new(self.text(row, "model")).map_err(|e| bad(row, "model", e))?,
            outcome,
            asked: self.asked(row)?,
            looked_for: self.looked_for(row),
            detections: self.detections(row)?,
            snapshots: self.snapshot(row, "snapshot_at")?.map(|at| Snapshots { at, before }),
            snapshot_lost: self.column("snapshot_lost").as_boolean().value(row),
            stages: StageTimes {
                received_at: self.moment(row, "received_at"),
                scheduled_at: self.moment(row, "scheduled_at"),
                decoded_at: self.moment(row, "decoded_at"),
                detected_at: self.moment(row, "detected_at"),
            },
        })
    }

    fn column(&self, name: &'static str) -> &ArrayRef {
        // The schema was checked when the batch was made.
        &self.0.columns()[SCHEMA.index_of(name).unwrap_or_default()]
    }

    fn text(&self, row: usize, name: &'static str) -> &str {
        self.column(name).as_string::<i32>().value(row)
    }

    fn moment(&self, row: usize, name: &'static str) -> Timestamp {
        Timestamp::from_micros(self.column(name).as_primitive::<TimestampMicrosecondType>().value(row))
    }

    fn snapshot(&self, row: usize, name: &'static str) -> Result<Option<SnapshotRef>, SchemaError> {
        let column = self.column(name).as_string::<i32>();
        if column.is_null(row) {
            return Ok(None);
        }
        SnapshotRef::new(column.value(row)).map(Some).map_err(|e| bad(row, name, e))
    }

    fn asked(&self, row: usize) -> Result<Option<Asked>, SchemaError> {
        let by = self.column("asked_by").as_primitive::<UInt64Type>();
        let region = self.column("region").as_struct();
        if by.is_null(row) && region.is_null(row) {
            return Ok(None);
        }
        if by.is_null(row) || region.is_null(row) {
            return Err(bad(row, "region", "there is one without the other of asked_by and region"));
        }
        let edge = |column: usize| region.column(column).as_primitive::<Float32Type>().value(row);
        let region =
            BoundingBox::new(edge(0), edge(1), edge(2), edge(3)).map_err(|e| bad(row, "region", e))?;
        Ok(Some(Asked { by: by.value(row), region }))
    }

    fn looked_for(&self, row: usize) -> Vec<EventKind> {
        let kinds = self.column("looked_for").as_list::<i32>().value(row);
        kinds.as_string::<i32>().iter().flatten().map(EventKind::new).collect()
    }

    fn detections(&self, row: usize) -> Result<Vec<Detection>, SchemaError> {
        let list = self.column("detections").as_list::<i32>().value(row);
        let list = list.as_struct();
        (0..list.len())
            .map(|i| detection(list, i).map_err(|problem| bad(row, "detections", problem)))
            .collect()
    }
}

fn bad(row: usize, column: &'static str, problem: impl ToString) -> SchemaError {
    SchemaError::Value { row, column, problem: problem.to_string() }
}

fn detection(list: &StructArray, i: usize) -> Result<Detection, String> {
    let text = |column: usize| list.column(column).as_string::<i32>().value(i);
    let numbers = |column: usize| list.column(column).as_primitive::<Float32Type>();
    let number = |column: usize| numbers(column).value(i);
    let change = numbers(CHANGE);
    Ok(Detection {
        kind: EventKind::new(text(0)),
        label: Label::new(text(1)),
        score: Score::try_from(number(2))?,
        bbox: BoundingBox::new(number(3), number(4), number(5), number(6)).map_err(|e| e.to_string())?,
        change: change.is_valid(i).then(|| Score::try_from(change.value(i))).transpose()?,
    })
}

struct Columns {
    camera: StringBuilder,
    sequence: UInt64Builder,
    captured_at: TimestampMicrosecondBuilder,
    model: StringBuilder,
    outcome: StringBuilder,
    looked_for: ListBuilder<StringBuilder>,
    detections: ListBuilder<StructBuilder>,
    snapshot_at: StringBuilder,
    snapshot_before: StringBuilder,
    snapshot_lost: BooleanBuilder,
    stages: [TimestampMicrosecondBuilder; 4],
    asked_by: UInt64Builder,
    region: StructBuilder,
}

impl Default for Columns {
    fn default() -> Self {
        let moments = || TimestampMicrosecondBuilder::new().with_data_type(utc_micros());
        let texts: Vec<Box<dyn arrow_array::builder::ArrayBuilder>> = vec![
            Box::new(StringBuilder::new()),
            Box::new(StringBuilder::new()),
            Box::new(Float32Builder::new()),
            Box::new(Float32Builder::new()),
            Box::new(Float32Builder::new()),
            Box::new(Float32Builder::new()),
            Box::new(Float32Builder::new()),
            Box::new(Float32Builder::new()),
        ];
        let detection = StructBuilder::new(detection_fields(), texts);
        let detection_item = Field::new("item", DataType::Struct(detection_fields()), false);
        Self {
            camera: StringBuilder::new(),
            sequence: UInt64Builder::new(),
            captured_at: moments(),
            model: StringBuilder::new(),
            outcome: StringBuilder::new(),
            looked_for: ListBuilder::new(StringBuilder::new()).with_field(Field::new(
                "item",
                DataType::Utf8,
                false,
            )),
            detections: ListBuilder::new(detection).with_field(detection_item),
            snapshot_at: StringBuilder::new(),
            snapshot_before: StringBuilder::new(),
            snapshot_lost: BooleanBuilder::new(),
            stages: std::array::from_fn(|_| moments()),
            asked_by: UInt64Builder::new(),
            region: StructBuilder::from_fields(region_fields(), 0),
        }
    }
}

impl Columns {
    fn push(&mut self, frame: &FrameDetections) {
        self.camera.append_value(&frame.camera);
        self.sequence.append_value(frame.sequence);
        self.captured_at.append_value(frame.captured_at.as_micros());
        self.model.append_value(&frame.model);
        self.outcome.append_value(frame.outcome.name());
        for kind in &frame.looked_for {
            self.looked_for.values().append_value(kind.as_str());
        }
        self.looked_for.append(true);
        for detection in &frame.detections {
            push_detection(self.detections.values(), detection);
        }
        self.detections.append(true);
        let snapshots = frame.snapshots.as_ref();
        self.snapshot_at.append_option(snapshots.map(|s| s.at.as_str()));
        self.snapshot_before
            .append_option(snapshots.and_then(|s| s.before.as_ref()).map(SnapshotRef::as_str));
        self.snapshot_lost.append_value(frame.snapshot_lost);
        let StageTimes { received_at, scheduled_at, decoded_at, detected_at } = frame.stages;
        for (column, moment) in
            self.stages.iter_mut().zip([received_at, scheduled_at, decoded_at, detected_at])
        {
            column.append_value(moment.as_micros());
        }
        self.asked_by.append_option(frame.asked.map(|asked| asked.by));
        let edges = frame.asked.map(|asked| <[f32; 4]>::from(asked.region));
        for (i, edge) in edges.unwrap_or_default().into_iter().enumerate() {
            if let Some(column) = self.region.field_builder::<Float32Builder>(i) {
                column.append_value(edge);
            }
        }
        self.region.append(edges.is_some());
    }

    fn finish(mut self) -> RecordBatch {
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(self.camera.finish()),
            Arc::new(self.sequence.finish()),
            Arc::new(self.captured_at.finish()),
            Arc::new(self.model.finish()),
            Arc::new(self.outcome.finish()),
            Arc::new(self.looked_for.finish()),
            Arc::new(self.detections.finish()),
            Arc::new(self.snapshot_at.finish()),
            Arc::new(self.snapshot_before.finish()),
            Arc::new(self.snapshot_lost.finish()),
        ];
        columns.extend(self.stages.iter_mut().map(|column| Arc::new(column.finish()) as ArrayRef));
        columns.push(Arc::new(self.asked_by.finish()));
        columns.push(Arc::new(self.region.finish()));
        RecordBatch::try_new(DetectionBatch::schema(), columns)
            .expect("every column is built from the schema")
    }
}

fn push_detection(row: &mut StructBuilder, detection: &Detection) {
    let texts = [detection.kind.as_str(), detection.label.as_str()];
    let [left, top, right, bottom] = detection.bbox.into();
    let numbers = [detection.score.get(), left, top, right, bottom];
    for (i, text) in texts.into_iter().enumerate() {
        if let Some(column) = row.field_builder::<StringBuilder>(i) {
            column.append_value(text);
        }
    }
    for (i, number) in numbers.into_iter().enumerate() {
        if let Some(column) = row.field_builder::<Float32Builder>(texts.len() + i) {
            column.append_value(number);
        }
    }
    if let Some(column) = row.field_builder::<Float32Builder>(CHANGE) {
        column.append_option(detection.change.map(Score::get));
    }
    row.append(true);
}

#[cfg(test)]
mod tests;
