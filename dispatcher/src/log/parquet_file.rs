//! One Parquet file of the log: how it is encoded, and how it is read.

use super::read::LogError;
use super::rows::{FRACTIONS, Logged, ROWS_VERSION, ROWS_VERSION_KEY, STEPPED, pack, schema, unpack};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use std::fs::File;
use std::path::Path;

/// Rows of a row group: what a reader decodes at once, some megabytes.
const ROW_GROUP: usize = 1 << 18;
/// Rows packed at once while a file is written.
const PACK: usize = 1 << 14;
/// Beyond this, zstd gets slower and not much smaller here.
const ZSTD_LEVEL: i32 = 3;

fn properties() -> WriterProperties {
    let sorted = [0, 1].map(|column_idx| SortingColumn { column_idx, descending: false, nulls_first: false });
    let version = KeyValue::new(ROWS_VERSION_KEY.to_owned(), ROWS_VERSION.to_string());
    let level = ZstdLevel::try_new(ZSTD_LEVEL).unwrap_or_default();
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(level))
        .set_max_row_group_row_count(Some(ROW_GROUP))
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_sorting_columns(Some(sorted.to_vec()))
        .set_key_value_metadata(Some(vec![version]));
    for name in STEPPED {
        properties = properties
            .set_column_dictionary_enabled(ColumnPath::from(name), false)
            .set_column_encoding(ColumnPath::from(name), Encoding::DELTA_BINARY_PACKED);
    }
    for name in FRACTIONS {
        properties = properties
            .set_column_dictionary_enabled(ColumnPath::from(name), false)
            .set_column_encoding(ColumnPath::from(name), Encoding::BYTE_STREAM_SPLIT);
    }
    properties.build()
}

/// Encodes frames, sorted by camera and time, as a whole file.
///
/// # Errors
/// What the encoder says.
pub(super) fn encode(frames: &mut [Logged]) -> Result<Vec<u8>, ParquetError> {
    let key = |logged: &Logged| (logged.frame.captured_at, logged.position);
    frames.sort_by(|a, b| a.frame.camera.cmp(&b.frame.camera).then_with(|| key(a).cmp(&key(b))));
    let mut writer = ArrowWriter::try_new(Vec::new(), schema(), Some(properties()))?;
    for part in frames.chunks(PACK) {
        writer.write(&pack(part))?;
    }
    writer.into_inner()
}

/// Whether a file is whole enough to be read: it ends as such a file ends, and its version is known.
pub(super) fn check(path: &Path) -> Result<(), LogError> {
    open(path, ArrowReaderOptions::new()).map(|_| ())
}

/// A file opened, its version checked.
pub(crate) fn open(
    path: &Path,
    options: ArrowReaderOptions,
) -> Result<(File, ArrowReaderMetadata), LogError> {
    let file = File::open(path).map_err(|source| LogError::Unreadable { path: path.to_owned(), source })?;
    let metadata = ArrowReaderMetadata::load(&file, options).map_err(not_a_log(path))?;
    let pairs = metadata.metadata().file_metadata().key_value_metadata();
    let version = pairs.into_iter().flatten().find(|pair| pair.key == ROWS_VERSION_KEY);
    let found = version.and_then(|pair| pair.value.clone()).unwrap_or_else(|| "none".to_owned());
    if found != ROWS_VERSION.to_string() {
        return Err(LogError::Version { path: path.to_owned(), found });
    }
    Ok((file, metadata))
}

/// Every frame of a file, in the file's order.
pub(super) fn read(path: &Path, frames: &mut Vec<Logged>) -> Result<(), LogError> {
    let (file, metadata) = open(path, ArrowReaderOptions::new())?;
    let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata).with_batch_size(PACK);
    for rows in reader.build().map_err(not_a_log(path))? {
        unpack(path, &rows.map_err(not_a_log(path))?, frames)?;
    }
    Ok(())
}

/// Says that a file is no log.
pub(crate) fn not_a_log<E: std::fmt::Display>(path: &Path) -> impl Fn(E) -> LogError {
    let path = path.to_owned();
    move |error: E| LogError::NotALog { path: path.clone(), problem: error.to_string() }
}
