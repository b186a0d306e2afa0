//! Appends to the log's segments.

use super::compact::Compactor;
use super::read::{DEPTH, walk};
use super::{EXTENSION, RULING_EXTENSION};
use crate::metrics::Metrics;
use crate::ruling::{Input, Ruling};
use arrow_ipc::writer::StreamWriter;
use citybrain_types::{DetectionBatch, FrameDetections, Timestamp};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc, watch};

/// A segment that has grown to this is closed and the next one begun.
const SEGMENT_BYTES: u64 = 64 << 20;
/// A segment that is this old is closed, too: the last hour is in no Parquet file.
const SEGMENT_SPAN: Duration = Duration::from_secs(3600);
/// Positions of two runs are apart by this much at least; a segment holds fewer frames.
const APART: u64 = 1_000_000;

struct Segment {
    stream: StreamWriter<BufWriter<File>>,
    path: PathBuf,
    began_at: Timestamp,
}

/// Writes segments, one after the other.
pub struct LogWriter {
    folder: PathBuf,
    /// Of the next frame.
    position: Option<u64>,
    current: Option<Segment>,
    /// The one that is not to be compacted yet.
    open: watch::Sender<Option<PathBuf>>,
    closed: Arc<Notify>,
}

impl LogWriter {
    /// Writes into `folder`, which is made when missing. Says which segment is open, and tells of each that is closed.
    pub(crate) fn new(folder: PathBuf) -> (Self, watch::Receiver<Option<PathBuf>>, Arc<Notify>) {
        let (open, opened) = watch::channel(None);
        let closed = Arc::new(Notify::new());
        (Self { folder, position: None, current: None, open, closed: Arc::clone(&closed) }, opened, closed)
    }

    /// Writes into `folder` what nobody makes Parquet of while it is written.
    #[must_use]
    pub fn alone(folder: PathBuf) -> Self {
        Self::new(folder).0
    }

    /// Writes a batch down; it is in the hands of the system when this returns.
    ///
    /// # Errors
    /// What the system says.
    pub fn write(&mut self, batch: &DetectionBatch, at: Timestamp) -> io::Result<()> {
        if self.current.is_none() {
            self.begin(at)?;
        }
        let Some(segment) = &mut self.current else { return Ok(()) };
        segment.stream.write(batch.record_batch()).map_err(io::Error::other)?;
        segment.stream.get_mut().flush()?;
        self.position = self.position.map(|position| position + batch.len() as u64);
        let full = fs::metadata(&segment.path)?.len() >= SEGMENT_BYTES;
        if full || at.since(segment.began_at) >= SEGMENT_SPAN {
            self.close();
        }
        Ok(())
    }

    fn begin(&mut self, at: Timestamp) -> io::Result<()> {
        let (position, path) = self.next_path(at, EXTENSION)?;
        // Said before it is there, so that nobody takes it for one that a crash has left.
        self.open.send_replace(Some(path.clone()));
        let file = BufWriter::new(File::create_new(&path)?);
        let stream = StreamWriter::try_new(file, &DetectionBatch::schema()).map_err(io::Error::other)?;
        self.position = Some(position);
        self.current = Some(Segment { stream, path, began_at: at });
        Ok(())
    }

    /// The position of what comes next, and its file, behind all others.
    fn next_path(&self, at: Timestamp, extension: &str) -> io::Result<(u64, PathBuf)> {
        fs::create_dir_all(&self.folder)?;
        let now = u64::try_from(at.as_micros()).unwrap_or(0);
        let position = match self.position {
            Some(position) => position.max(now),
            // A clock that was set back since must not put what comes now before what was.
            None => last_position(&self.folder)?.map_or(now, |last| now.max(last + APART)),
        };
        Ok((position, self.folder.join(format!("{position:020}.{extension}"))))
    }

    /// Writes a ruling down, between the frames before it and those after it. Whole or not at all.
    fn write_ruling(&mut self, ruling: &Ruling, at: Timestamp) -> io::Result<()> {
        self.close();
        let (position, path) = self.next_path(at, RULING_EXTENSION)?;
        let beside = path.with_extension("tmp");
        let mut file = BufWriter::new(File::create(&beside)?);
        serde_json::to_writer(&mut file, ruling).map_err(io::Error::other)?;
        file.flush()?;
        fs::rename(&beside, &path)?;
        self.position = Some(position + 1);
        Ok(())
    }

    fn write_taken(&mut self, taken: &Input<FrameDetections>, at: Timestamp) -> io::Result<()> {
        match taken {
            Input::Seen(frames) => self.write(&DetectionBatch::from_frames(frames), at),
            Input::Said(ruling) => self.write_ruling(ruling, at),
        }
    }

    /// Ends the segment.
    pub fn close(&mut self) {
        if let Some(mut segment) = self.current.take() {
            if let Err(error) = segment
                .stream
                .finish()
                .map_err(io::Error::other)
                .and_then(|()| segment.stream.get_mut().flush())
            {
                let path = segment.path.display();
                tracing::warn!(%path, %error, "a segment of the detection log could not be ended; it is read up to here");
            }
            self.open.send_replace(None);
            self.closed.notify_one();
        }
    }
}

/// The highest position that names a file of the log.
fn last_position(folder: &Path) -> io::Result<Option<u64>> {
    let mut last = None;
    let mut put = |path: PathBuf| {
        let stem = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
        last = last.max(stem);
    };
    walk(folder, DEPTH, &mut put).map_err(io::Error::other)?;
    Ok(last)
}

/// Writes what intake has taken until intake is gone.
pub(crate) async fn run(
    mut writer: LogWriter,
    mut frames: mpsc::Receiver<(Input<FrameDetections>, Timestamp)>,
    compactor: Compactor,
    metrics: Metrics,
) {
    let compaction = tokio::spawn(compactor.run());
    while let Some((taken, at)) = frames.recv().await {
        let written = tokio::task::spawn_blocking(move || {
            let result = writer.write_taken(&taken, at);
            if result.is_err() {
                // What was written before stays; the next batch begins a segment of its own.
                writer.close();
            }
            (writer, result)
        });
        let Ok((back, result)) = written.await else { return };
        writer = back;
        if let Err(error) = result {
            metrics.log_lost();
            tracing::error!(%error, "detections could not be logged; they are judged all the same");
        }
    }
    // What is not compacted yet is after the next start; a file that is half written is written again. Ended before the
    // last segment is, so that nothing is begun on that.
    compaction.abort();
    if let Err(error) = compaction.await
        && !error.is_cancelled()
    {
        tracing::error!(%error, "what makes Parquet of the detection log has died");
    }
    writer.close();
}
