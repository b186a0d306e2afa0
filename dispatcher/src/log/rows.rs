//! The log's rows: one for each detection, one for a frame without any.
//!
//! Design decision: flat rows with plain columns, and not frames with lists in them. `SELECT kind, count(*) FROM
//! 'day=*/**/*.parquet' WHERE score >= 0.5 GROUP BY kind` then works as it stands in DuckDB, pandas and Polars, and a
//! reader that wants scores reads the scores and nothing else. What belongs to the frame stands in each of its rows: next
//! to its like it costs next to nothing. `nth` is 0 where a frame begins, so a frame that was logged twice stays two.
//! `position` is where the frame stood in the order in which frames were judged, which is what a replay follows.

use super::read::LogError;
use arrow_array::builder::{
    BooleanBuilder, Float32Builder, Int64Builder, StringBuilder, TimestampMicrosecondBuilder, UInt16Builder,
    UInt64Builder,
};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Int64Type, TimestampMicrosecondType, UInt16Type, UInt64Type};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use citybrain_types::{
    Asked, BoundingBox, CameraId, Detection, EventKind, FrameDetections, FrameOutcome, Label, ModelId, Score,
    SnapshotRef, Snapshots, StageTimes, Timestamp,
};
use std::path::Path;
use std::sync::{Arc, LazyLock};

/// Version of the rows written by this program, in the file's metadata.
pub const ROWS_VERSION: u32 = 1;
/// Key of the version.
pub const ROWS_VERSION_KEY: &str = "citybrain.log.version";

/// A frame and where it stood in the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Logged {
    /// Rising in the order in which frames were judged.
    pub position: u64,
    /// The frame.
    pub frame: FrameDetections,
}

/// Columns that hold small steps upwards.
pub(super) const STEPPED: [&str; 8] = [
    "sequence",
    "captured_at",
    "position",
    "received_after_ms",
    "scheduled_after_ms",
    "decoded_after_ms",
    "detected_after_us",
    "asked_by",
];
/// The first of the columns of stage times, and what each counts in, in microseconds. Only the last decides anything, so the
/// others are kept to the millisecond.
const AFTER: usize = 17;
const UNITS_US: [i64; 4] = [1_000, 1_000, 1_000, 1];
/// Columns of scores and edges.
pub(super) const FRACTIONS: [&str; 10] = [
    "score",
    "left",
    "top",
    "right",
    "bottom",
    "asked_left",
    "asked_top",
    "asked_right",
    "asked_bottom",
    "change",
];

static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let moment = DataType::Timestamp(TimeUnit::Microsecond, Some(Arc::from("UTC")));
    let mut fields = vec![
        Field::new("camera", DataType::Utf8, false),
        Field::new("captured_at", moment, false),
        Field::new("sequence", DataType::UInt64, false),
        Field::new("nth", DataType::UInt16, false),
        Field::new("kind", DataType::Utf8, true),
        Field::new("label", DataType::Utf8, true),
    ];
    fields.extend(FRACTIONS[..5].iter().map(|name| Field::new(*name, DataType::Float32, true)));
    fields.extend([
        Field::new("model", DataType::Utf8, false),
        Field::new("outcome", DataType::Utf8, false),
        Field::new("looked_for", DataType::Utf8, false),
        Field::new("snapshot_at", DataType::Utf8, true),
        Field::new("snapshot_before", DataType::Utf8, true),
        Field::new("snapshot_lost", DataType::Boolean, false),
    ]);
    fields.extend(STEPPED[3..7].iter().map(|name| Field::new(*name, DataType::Int64, false)));
    fields.push(Field::new("asked_by", DataType::UInt64, true));
    fields.extend(FRACTIONS[5..9].iter().map(|name| Field::new(*name, DataType::Float32, true)));
    fields.push(Field::new("position", DataType::UInt64, false));
    fields.push(Field::new(FRACTIONS[9], DataType::Float32, true));
    Arc::new(Schema::new(fields))
});

/// The columns.
pub(crate) fn schema() -> SchemaRef {
    Arc::clone(&SCHEMA)
}

/// Kinds as one text, a comma between them; a comma or backslash in a name has a backslash before it.
pub(crate) fn joined(kinds: &[EventKind]) -> String {
    let mut text = String::new();
    for (n, kind) in kinds.iter().enumerate() {
        if n > 0 {
            text.push(',');
        }
        // A name that is empty would vanish.
        if kind.as_str().is_empty() {
            text.push_str("\\0");
        }
        for c in kind.as_str().chars() {
            if matches!(c, ',' | '\\') {
                text.push('\\');
            }
            text.push(c);
        }
    }
    text
}

/// The kinds of such a text.
pub(crate) fn split(text: &str) -> Vec<EventKind> {
    if text.is_empty() {
        return Vec::new();
    }
    if !text.contains('\\') {
        return text.split(',').map(EventKind::new).collect();
    }
    let (mut kinds, mut name, mut chars) = (Vec::new(), String::new(), text.chars());
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('0') | None => {}
                Some(c) => name.push(c),
            },
            ',' => kinds.push(EventKind::new(std::mem::take(&mut name))),
            c => name.push(c),
        }
    }
    kinds.push(EventKind::new(name));
    kinds
}

#[derive(Default)]
struct Columns {
    texts: [StringBuilder; 8],
    captured_at: Vec<i64>,
    sequence: UInt64Builder,
    nth: UInt16Builder,
    found: [Float32Builder; 5],
    snapshot_lost: BooleanBuilder,
    after: [Int64Builder; 4],
    asked_by: UInt64Builder,
    asked: [Float32Builder; 4],
    position: UInt64Builder,
    change: Float32Builder,
}

impl Columns {
    fn push(&mut self, logged: &Logged) {
        let looked_for = joined(&logged.frame.looked_for);
        let mut detections = logged.frame.detections.iter();
        // A frame without detections is a row, too.
        self.row(logged, &looked_for, 0, detections.next());
        for (n, detection) in detections.enumerate() {
            let nth = u16::try_from(n + 1).unwrap_or(u16::MAX);
            self.row(logged, &looked_for, nth, Some(detection));
        }
    }

    fn row(&mut self, logged: &Logged, looked_for: &str, nth: u16, detection: Option<&Detection>) {
        let Logged { position, frame } = logged;
        let [camera, kind, label, model, outcome, looked, snapshot_at, before] = &mut self.texts;
        camera.append_value(frame.camera.as_str());
        kind.append_option(detection.map(|d| d.kind.as_str()));
        label.append_option(detection.map(|d| d.label.as_str()));
        model.append_value(frame.model.as_str());
        outcome.append_value(frame.outcome.name());
        looked.append_value(looked_for);
        let snapshots = frame.snapshots.as_ref();
        snapshot_at.append_option(snapshots.map(|s| s.at.as_str()));
        before.append_option(snapshots.and_then(|s| s.before.as_ref()).map(SnapshotRef::as_str));
        self.captured_at.push(frame.captured_at.as_micros());
        self.sequence.append_value(frame.sequence);
        self.nth.append_value(nth);
        let numbers = detection.map(|d| {
            let [left, top, right, bottom] = <[f32; 4]>::from(d.bbox);
            [d.score.get(), left, top, right, bottom]
        });
        for (n, column) in self.found.iter_mut().enumerate() {
            column.append_option(numbers.map(|numbers| numbers[n]));
        }
        self.snapshot_lost.append_value(frame.snapshot_lost);
        let StageTimes { received_at, scheduled_at, decoded_at, detected_at } = frame.stages;
        let base = frame.captured_at.as_micros();
        // Wraps, and wraps back: any two moments are kept.
        let after =
            [received_at, scheduled_at, decoded_at, detected_at].map(|at| at.as_micros().wrapping_sub(base));
        for (n, (column, after)) in self.after.iter_mut().zip(after).enumerate() {
            column.append_value(after.div_euclid(UNITS_US[n]));
        }
        self.asked_by.append_option(frame.asked.map(|asked| asked.by));
        let region = frame.asked.map(|asked| <[f32; 4]>::from(asked.region));
        for (n, column) in self.asked.iter_mut().enumerate() {
            column.append_option(region.map(|region| region[n]));
        }
        self.position.append_value(*position);
        self.change.append_option(detection.and_then(|d| d.change).map(Score::get));
    }

    fn finish(self) -> RecordBatch {
        fn array(array: impl Array + 'static) -> ArrayRef {
            Arc::new(array)
        }
        let mut captured = TimestampMicrosecondBuilder::new().with_timezone("UTC");
        captured.append_slice(&self.captured_at);
        let [mut camera, mut kind, mut label, mut model, mut outcome, mut looked, mut at, mut before] =
            self.texts;
        let (mut sequence, mut nth, mut lost) = (self.sequence, self.nth, self.snapshot_lost);
        let (mut asked_by, mut position, mut change) = (self.asked_by, self.position, self.change);
        let mut columns = vec![
            array(camera.finish()),
            array(captured.finish()),
            array(sequence.finish()),
            array(nth.finish()),
            array(kind.finish()),
            array(label.finish()),
        ];
        columns.extend(self.found.into_iter().map(|mut column| array(column.finish())));
        columns.extend([
            array(model.finish()),
            array(outcome.finish()),
            array(looked.finish()),
            array(at.finish()),
            array(before.finish()),
            array(lost.finish()),
        ]);
        columns.extend(self.after.into_iter().map(|mut column| array(column.finish())));
        columns.push(array(asked_by.finish()));
        columns.extend(self.asked.into_iter().map(|mut column| array(column.finish())));
        columns.push(array(position.finish()));
        columns.push(array(change.finish()));
        RecordBatch::try_new(schema(), columns).expect("every column is built from the schema")
    }
}

/// Packs frames into rows, in their order.
pub(super) fn pack<'a>(frames: impl IntoIterator<Item = &'a Logged>) -> RecordBatch {
    let mut columns = Columns::default();
    frames.into_iter().for_each(|frame| columns.push(frame));
    columns.finish()
}

/// Unpacks rows, onto what came before: a frame may go on in the next batch.
///
/// # Errors
/// [`LogError::NotALog`] for the first row that breaks an invariant.
pub(super) fn unpack(path: &Path, rows: &RecordBatch, frames: &mut Vec<Logged>) -> Result<(), LogError> {
    let bad = |row: usize, problem: String| LogError::NotALog {
        path: path.to_owned(),
        problem: format!("row {row}: {problem}"),
    };
    if rows.schema().fields() != SCHEMA.fields() {
        return Err(bad(0, "columns do not match".to_owned()));
    }
    let view = View(rows);
    for row in 0..rows.num_rows() {
        if view.0.column(3).as_primitive::<UInt16Type>().value(row) == 0 {
            frames.push(view.frame(row).map_err(|problem| bad(row, problem))?);
        }
        let Some(logged) = frames.last_mut() else { return Err(bad(row, "no frame begins here".to_owned())) };
        if let Some(detection) = view.detection(row).map_err(|problem| bad(row, problem))? {
            logged.frame.detections.push(detection);
        }
    }
    Ok(())
}

/// Rows whose columns are known to be those of the schema.
struct View<'a>(&'a RecordBatch);

impl View<'_> {
    fn text(&self, column: usize, row: usize) -> Option<&str> {
        let texts = self.0.column(column).as_string::<i32>();
        texts.is_valid(row).then(|| texts.value(row))
    }

    fn number(&self, column: usize, row: usize) -> f32 {
        self.0.column(column).as_primitive::<Float32Type>().value(row)
    }

    fn after(&self, column: usize, row: usize, base: i64) -> Timestamp {
        let after = self.0.column(column).as_primitive::<Int64Type>().value(row);
        Timestamp::from_micros(base.wrapping_add(after.wrapping_mul(UNITS_US[column - AFTER])))
    }

    fn region(&self, first: usize, row: usize) -> Result<BoundingBox, String> {
        let edge = |n: usize| self.number(first + n, row);
        BoundingBox::new(edge(0), edge(1), edge(2), edge(3)).map_err(|error| error.to_string())
    }

    fn snapshot(&self, column: usize, row: usize) -> Result<Option<SnapshotRef>, String> {
        self.text(column, row).map(SnapshotRef::new).transpose().map_err(|error| error.to_string())
    }

    fn detection(&self, row: usize) -> Result<Option<Detection>, String> {
        let Some(kind) = self.text(4, row) else { return Ok(None) };
        let change = self.0.column(27).as_primitive::<Float32Type>();
        Ok(Some(Detection {
            kind: EventKind::new(kind),
            label: Label::new(self.text(5, row).unwrap_or_default()),
            score: Score::try_from(self.number(6, row))?,
            bbox: self.region(7, row)?,
            change: change.is_valid(row).then(|| Score::try_from(change.value(row))).transpose()?,
        }))
    }

    fn frame(&self, row: usize) -> Result<Logged, String> {
        let base = self.0.column(1).as_primitive::<TimestampMicrosecondType>().value(row);
        let outcome = self.text(12, row).unwrap_or_default();
        let asked_by = self.0.column(21).as_primitive::<UInt64Type>();
        let asked = match asked_by.is_valid(row) {
            true => Some(Asked { by: asked_by.value(row), region: self.region(22, row)? }),
            false => None,
        };
        let before = self.snapshot(15, row)?;
        let frame = FrameDetections {
            camera: CameraId::new(self.text(0, row).unwrap_or_default())
                .map_err(|error| error.to_string())?,
            sequence: self.0.column(2).as_primitive::<UInt64Type>().value(row),
            captured_at: Timestamp::from_micros(base),
            model: ModelId::new(self.text(11, row).unwrap_or_default()).map_err(|error| error.to_string())?,
            outcome: FrameOutcome::from_name(outcome)
                .ok_or_else(|| format!("there is no outcome '{outcome}'"))?,
            asked,
            looked_for: split(self.text(13, row).unwrap_or_default()),
            detections: Vec::new(),
            snapshots: self.snapshot(14, row)?.map(|at| Snapshots { at, before }),
            snapshot_lost: self.0.column(16).as_boolean().value(row),
            stages: StageTimes {
                received_at: self.after(17, row, base),
                scheduled_at: self.after(18, row, base),
                decoded_at: self.after(19, row, base),
                detected_at: self.after(20, row, base),
            },
        };
        Ok(Logged { position: self.0.column(26).as_primitive::<UInt64Type>().value(row), frame })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_with_odd_names_come_back_as_they_were() {
        let sets = [
            vec![],
            vec!["fire"],
            vec!["fire", "littering"],
            vec!["a,b", "c\\d", ""],
            vec![""],
            vec!["", ""],
            vec!["0"],
        ];
        for names in sets {
            let kinds: Vec<EventKind> = names.into_iter().map(EventKind::new).collect();
            assert_eq!(split(&joined(&kinds)), kinds);
        }
    }
}
