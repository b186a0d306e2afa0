//! Reads the columns that evidence needs out of the log's Parquet files.

use super::frames::{ANALYSED, ASKED, ByCamera, Head, Names, Rows, SNAPSHOT_LOST, UNLISTED};
use crate::log::{LogError, not_a_log, open, rows_schema, split};
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Float32Type, Int32Type, Int64Type, TimestampMicrosecondType, UInt16Type, UInt64Type,
};
use arrow_array::{Array, BooleanArray, DictionaryArray, PrimitiveArray, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use citybrain_types::{Asked, BoundingBox, CameraId, FrameOutcome, SnapshotRef, Snapshots};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use std::path::Path;
use std::sync::Arc;

/// Rows decoded at once.
const BATCH: usize = 1 << 15;
/// Texts that are the same in many rows: read as numbers of a dictionary.
const REPEATED: [&str; 4] = ["camera", "kind", "outcome", "looked_for"];
/// Columns that nothing here asks for.
const UNREAD: [&str; 5] = ["label", "model", "received_after_ms", "scheduled_after_ms", "decoded_after_ms"];

/// The frames of a Parquet file, by camera.
pub(super) fn of_file(path: &Path, names: &Names) -> Result<ByCamera, LogError> {
    let repeated = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let field = |field: &Arc<Field>| match REPEATED.contains(&field.name().as_str()) {
        true => Field::new(field.name(), repeated.clone(), field.is_nullable()),
        false => field.as_ref().clone(),
    };
    let schema = Schema::new(rows_schema().fields().iter().map(field).collect::<Vec<_>>());
    let options = ArrowReaderOptions::new().with_schema(Arc::new(schema));
    let (file, metadata) = open(path, options)?;
    let read = rows_schema().fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>();
    let read = read.iter().map(String::as_str).filter(|name| !UNREAD.contains(name));
    let mask = ProjectionMask::columns(metadata.parquet_schema(), read);
    let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata)
        .with_projection(mask)
        .with_batch_size(BATCH)
        .build()
        .map_err(not_a_log(path))?;
    let mut cameras = ByCamera::new();
    let mut current = None;
    for rows in reader {
        let rows = rows.map_err(not_a_log(path))?;
        Columns::of(&rows, names, path)?.push(&mut cameras, &mut current)?;
    }
    if let Some((camera, rows)) = current {
        cameras.entry(camera).or_default().append(rows);
    }
    Ok(cameras)
}

/// A dictionary column with the numbers its texts stand for.
struct Texts<'a, T> {
    column: &'a DictionaryArray<Int32Type>,
    meanings: Vec<T>,
}

impl<'a, T> Texts<'a, T> {
    fn of(rows: &'a RecordBatch, name: &str, meaning: impl Fn(&str) -> T) -> Option<Self> {
        let column = rows.column_by_name(name)?.as_dictionary_opt::<Int32Type>()?;
        let texts = column.values().as_string_opt::<i32>()?;
        let meanings =
            (0..texts.len()).map(|n| meaning(if texts.is_valid(n) { texts.value(n) } else { "" })).collect();
        Some(Self { column, meanings })
    }

    fn key(&self, row: usize) -> Option<usize> {
        if self.column.keys().is_null(row) {
            return None;
        }
        usize::try_from(self.column.keys().value(row)).ok()
    }

    fn get(&self, row: usize) -> Option<&T> {
        self.meanings.get(self.key(row)?)
    }
}

struct Columns<'a> {
    path: &'a Path,
    lists: Vec<Vec<u16>>,
    camera: Texts<'a, Option<CameraId>>,
    kind: Texts<'a, u16>,
    analysed: Texts<'a, u8>,
    looked_for: Texts<'a, u16>,
    captured_at: &'a PrimitiveArray<TimestampMicrosecondType>,
    detected_after: &'a PrimitiveArray<Int64Type>,
    sequence: &'a PrimitiveArray<UInt64Type>,
    position: &'a PrimitiveArray<UInt64Type>,
    nth: &'a PrimitiveArray<UInt16Type>,
    score: &'a PrimitiveArray<Float32Type>,
    place: [&'a PrimitiveArray<Float32Type>; 4],
    change: &'a PrimitiveArray<Float32Type>,
    snapshot_at: &'a StringArray,
    snapshot_before: &'a StringArray,
    snapshot_lost: &'a BooleanArray,
    asked_by: &'a PrimitiveArray<UInt64Type>,
    asked: [&'a PrimitiveArray<Float32Type>; 4],
}

impl<'a> Columns<'a> {
    fn of(rows: &'a RecordBatch, names: &Names, path: &'a Path) -> Result<Self, LogError> {
        let columns = || {
            let numbers = |name: &str| rows.column_by_name(name)?.as_primitive_opt::<Float32Type>();
            let counts = |name: &str| rows.column_by_name(name)?.as_primitive_opt::<UInt64Type>();
            let edges = |prefix: &str| {
                let edge = |edge: &str| numbers(&format!("{prefix}{edge}"));
                Some([edge("left")?, edge("top")?, edge("right")?, edge("bottom")?])
            };
            let analysed = |name: &str| {
                if FrameOutcome::from_name(name) == Some(FrameOutcome::Analysed) { ANALYSED } else { 0 }
            };
            let looked_for = Texts::of(rows, "looked_for", |text| names.list(text, split))?;
            Some(Self {
                path,
                lists: names.all().1,
                camera: Texts::of(rows, "camera", |name| CameraId::new(name).ok())?,
                kind: Texts::of(rows, "kind", |name| names.kind(name))?,
                analysed: Texts::of(rows, "outcome", analysed)?,
                looked_for,
                captured_at: rows.column_by_name("captured_at")?.as_primitive_opt()?,
                detected_after: rows.column_by_name("detected_after_us")?.as_primitive_opt()?,
                sequence: counts("sequence")?,
                position: counts("position")?,
                nth: rows.column_by_name("nth")?.as_primitive_opt()?,
                score: numbers("score")?,
                place: edges("")?,
                change: numbers("change")?,
                snapshot_at: rows.column_by_name("snapshot_at")?.as_string_opt()?,
                snapshot_before: rows.column_by_name("snapshot_before")?.as_string_opt()?,
                snapshot_lost: rows.column_by_name("snapshot_lost")?.as_boolean_opt()?,
                asked_by: counts("asked_by")?,
                asked: edges("asked_")?,
            })
        };
        columns().ok_or_else(|| LogError::NotALog {
            path: path.to_owned(),
            problem: "columns do not match".to_owned(),
        })
    }

    /// Adds the rows; a camera's go on from the batch before.
    fn push(&self, cameras: &mut ByCamera, current: &mut Option<(CameraId, Rows)>) -> Result<(), LogError> {
        let bad = |row: usize, problem: &str| LogError::NotALog {
            path: self.path.to_owned(),
            problem: format!("row {row}: {problem}"),
        };
        let mut key = None;
        for row in 0..self.nth.len() {
            if key != self.camera.key(row) || key.is_none() {
                key = self.camera.key(row);
                let Some(Some(camera)) = self.camera.get(row) else {
                    return Err(bad(row, "the camera has no id"));
                };
                if current.as_ref().is_none_or(|(before, _)| before != camera) {
                    let before = current.replace((camera.clone(), Rows::default()));
                    before
                        .into_iter()
                        .for_each(|(camera, rows)| cameras.entry(camera).or_default().append(rows));
                }
            }
            let Some((_, rows)) = current else { return Err(bad(row, "no frame begins here")) };
            if self.nth.value(row) == 0 {
                self.begin(rows, row);
            }
            let (Some(kind), Some(flags)) = (self.kind.get(row), rows.flags.last_mut()) else { continue };
            let listed = rows.looked_for.last().and_then(|list| self.lists.get(usize::from(*list)));
            if !listed.is_some_and(|list| list.contains(kind)) {
                *flags |= UNLISTED;
            }
            let change = self.change.is_valid(row).then(|| self.change.value(row));
            rows.found(*kind, self.score.value(row), self.place.map(|edge| edge.value(row)), change);
        }
        Ok(())
    }

    fn begin(&self, rows: &mut Rows, row: usize) {
        let number = u32::try_from(rows.len()).unwrap_or(u32::MAX);
        let captured_at = self.captured_at.value(row);
        let mut flags = self.analysed.get(row).copied().unwrap_or(0);
        if self.snapshot_lost.value(row) {
            flags |= SNAPSHOT_LOST;
        }
        if self.asked_by.is_valid(row) {
            flags |= ASKED;
            let [left, top, right, bottom] = self.asked.map(|edge| edge.value(row));
            let region = BoundingBox::new(left, top, right, bottom).unwrap_or(BoundingBox::WHOLE);
            rows.asked.insert(number, Asked { by: self.asked_by.value(row), region });
        }
        if self.snapshot_at.is_valid(row)
            && let Ok(at) = SnapshotRef::new(self.snapshot_at.value(row))
        {
            let before =
                self.snapshot_before.is_valid(row).then(|| SnapshotRef::new(self.snapshot_before.value(row)));
            rows.snapshots.insert(number, Snapshots { at, before: before.and_then(Result::ok) });
        }
        rows.begin(&Head {
            position: self.position.value(row),
            captured_at,
            detected_at: captured_at.wrapping_add(self.detected_after.value(row)),
            sequence: self.sequence.value(row),
            looked_for: self.looked_for.get(row).copied().unwrap_or_default(),
            flags,
        });
    }
}
