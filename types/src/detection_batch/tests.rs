//! What is written is read again, and what cannot be read is refused.

use super::*;
use crate::NotSeen;

fn frame(sequence: u64) -> FrameDetections {
    FrameDetections {
        camera: CameraId::new("gate-3").unwrap(),
        sequence,
        captured_at: Timestamp::from_micros(1_795_317_600_123_456),
        model: ModelId::new("fire-smoke-lite0-1.0.0").unwrap(),
        outcome: FrameOutcome::Analysed,
        asked: None,
        looked_for: vec![EventKind::new("fire")],
        detections: vec![],
        snapshots: None,
        snapshot_lost: false,
        stages: StageTimes::default(),
    }
}

#[test]
fn frames_come_back_from_arrow_as_they_went_in() {
    let burning = FrameDetections {
        detections: ["flame", "smoke"]
            .map(|label| Detection {
                kind: EventKind::new("fire"),
                label: Label::new(label),
                score: Score::new(0.75).unwrap(),
                bbox: BoundingBox::new(0.1, 0.2, 0.3, 0.4).unwrap(),
                change: (label == "smoke").then(|| Score::new(0.5).unwrap()),
            })
            .to_vec(),
        snapshots: Some(Snapshots { at: SnapshotRef::new("gate-3/at.jpg").unwrap(), before: None }),
        snapshot_lost: true,
        ..frame(2)
    };
    let unseen = FrameDetections { outcome: FrameOutcome::NotSeen(NotSeen::Stalled), ..frame(3) };
    let region = BoundingBox::new(0.25, 0.0, 0.75, 0.5).unwrap();
    let asked = FrameDetections { asked: Some(Asked { by: 5, region }), ..frame(4) };
    let frames = vec![frame(1), burning, unseen, asked];
    let batch = DetectionBatch::from_frames(&frames);
    let again = DetectionBatch::from_record_batch(batch.record_batch().clone()).unwrap();
    assert_eq!(again.to_frames().unwrap(), frames);
}

/// A file as version 1 of the schema wrote it: a quiet look, one with smoke, and a camera that stalled.
const VERSION_1: &[u8] = include_bytes!("../../testdata/detections-1.arrow");

#[test]
fn what_the_first_version_wrote_is_read_as_looks_that_nobody_asked_for() {
    let file = std::io::Cursor::new(VERSION_1);
    let mut batches = arrow_ipc::reader::FileReader::try_new(file, None).unwrap();
    let old = batches.next().unwrap().unwrap();
    assert_eq!(old.schema().metadata()[SCHEMA_VERSION_KEY], "1");
    let batch = DetectionBatch::from_record_batch(old).unwrap();
    let frames = batch.to_frames().unwrap();
    assert_eq!(frames.iter().map(|frame| frame.sequence).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(frames.iter().all(|frame| frame.asked.is_none()));
    assert_eq!(frames[1].detections[0].label.as_str(), "smoke");
    assert_eq!(frames[2].outcome, FrameOutcome::NotSeen(NotSeen::Stalled));
    assert_eq!(frames[1].detections[0].change, None);
    // Brought up to date, it is as if it had been written today.
    assert_eq!(batch.record_batch().schema(), DetectionBatch::schema());
    assert_eq!(DetectionBatch::from_frames(&frames).to_frames().unwrap(), frames);
}

/// A batch as version 2 wrote it: what this program writes, without what version 3 added.
fn as_version_2(batch: &RecordBatch) -> RecordBatch {
    let index = batch.schema().index_of("detections").unwrap();
    let list = batch.column(index).as_list::<i32>();
    let found = list.values().as_struct();
    let old: Fields = detection_fields().iter().take(CHANGE).cloned().collect();
    let found = StructArray::new(old.clone(), found.columns()[..CHANGE].to_vec(), None);
    let item = Arc::new(Field::new("item", DataType::Struct(old), false));
    let list = arrow_array::ListArray::new(Arc::clone(&item), list.offsets().clone(), Arc::new(found), None);
    let (mut fields, mut columns) = (batch.schema().fields().to_vec(), batch.columns().to_vec());
    fields[index] = Arc::new(Field::new("detections", DataType::List(item), false));
    columns[index] = Arc::new(list);
    let metadata = HashMap::from([(SCHEMA_VERSION_KEY.to_owned(), "2".to_owned())]);
    RecordBatch::try_new(Arc::new(Schema::new_with_metadata(fields, metadata)), columns).unwrap()
}

#[test]
fn what_the_second_version_wrote_is_read_as_places_that_were_compared_with_nothing() {
    let found = Detection {
        kind: EventKind::new("fire"),
        label: Label::new("smoke"),
        score: Score::new(0.75).unwrap(),
        bbox: BoundingBox::new(0.1, 0.2, 0.3, 0.4).unwrap(),
        change: None,
    };
    let frames = vec![frame(1), FrameDetections { detections: vec![found.clone(), found], ..frame(2) }];
    let old = as_version_2(DetectionBatch::from_frames(&frames).record_batch());
    let batch = DetectionBatch::from_record_batch(old).unwrap();
    assert_eq!(batch.to_frames().unwrap(), frames);
    assert_eq!(batch.record_batch().schema(), DetectionBatch::schema());
}

#[test]
fn an_answer_without_the_part_it_is_about_is_refused() {
    let batch = DetectionBatch::from_frames(&[frame(1)]).record_batch().clone();
    let mut columns = batch.columns().to_vec();
    columns[SCHEMA.index_of("asked_by").unwrap()] = Arc::new(arrow_array::UInt64Array::from(vec![7]));
    let batch = RecordBatch::try_new(batch.schema(), columns).unwrap();
    let problem = DetectionBatch::from_record_batch(batch).unwrap().to_frames().unwrap_err();
    assert!(matches!(problem, SchemaError::Value { row: 0, column: "region", .. }), "{problem}");
}

#[test]
fn a_batch_of_another_version_is_refused() {
    let batch = DetectionBatch::from_frames(&[frame(1)]).record_batch().clone();
    let metadata = HashMap::from([(SCHEMA_VERSION_KEY.to_owned(), "99".to_owned())]);
    let schema = Arc::new(Schema::new_with_metadata(SCHEMA.fields().clone(), metadata));
    let foreign = RecordBatch::try_new(schema, batch.columns().to_vec()).unwrap();
    assert!(matches!(
        DetectionBatch::from_record_batch(foreign),
        Err(SchemaError::Version { found }) if found == "99"
    ));
}
