//! Writes the log.

use super::EXTENSION;
use crate::metrics::Metrics;
use arrow_ipc::writer::StreamWriter;
use citybrain_types::{DetectionBatch, FrameDetections, Timestamp};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use tokio::sync::mpsc;

/// A file that has grown to this is closed and the next one begun.
const FILE_BYTES: u64 = 64 << 20;

/// The log's files, and the one that is being written.
pub(crate) struct LogWriter {
    folder: PathBuf,
    budget_bytes: u64,
    current: Option<(StreamWriter<BufWriter<File>>, PathBuf)>,
}

impl LogWriter {
    /// Writes into `folder`, which is made when missing; the oldest files go when all are larger than the budget.
    pub(crate) const fn new(folder: PathBuf, budget_bytes: u64) -> Self {
        Self { folder, budget_bytes, current: None }
    }

    /// Writes a batch down; it is in the hands of the system when this returns.
    fn write(&mut self, batch: &DetectionBatch, at: Timestamp) -> io::Result<()> {
        let (stream, path) = match &mut self.current {
            Some(current) => current,
            None => {
                fs::create_dir_all(&self.folder)?;
                let path = self.folder.join(format!("{:020}.{EXTENSION}", at.as_micros().max(0)));
                let file = BufWriter::new(File::create_new(&path)?);
                let stream =
                    StreamWriter::try_new(file, &DetectionBatch::schema()).map_err(io::Error::other)?;
                self.current.insert((stream, path))
            }
        };
        stream.write(batch.record_batch()).map_err(io::Error::other)?;
        stream.get_mut().flush()?;
        if fs::metadata(path)?.len() >= FILE_BYTES {
            self.close();
            self.keep_budget()?;
        }
        Ok(())
    }

    /// Ends the file.
    fn close(&mut self) {
        if let Some((mut stream, path)) = self.current.take()
            && let Err(error) = stream.finish()
        {
            tracing::warn!(path = %path.display(), %error, "a detection log could not be ended; it is read up to here");
        }
    }

    fn keep_budget(&self) -> io::Result<()> {
        let mut files = files(&self.folder)?;
        let mut bytes: u64 = files.iter().map(|(_, size)| size).sum();
        files.reverse();
        while bytes > self.budget_bytes
            && let Some((path, size)) = files.pop()
        {
            fs::remove_file(path)?;
            bytes -= size;
        }
        Ok(())
    }
}

/// The files of a log, oldest first, with their sizes.
pub(super) fn files(folder: &Path) -> io::Result<Vec<(PathBuf, u64)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if path.extension().is_some_and(|extension| extension == EXTENSION) {
            files.push((path, entry.metadata()?.len()));
        }
    }
    files.sort();
    Ok(files)
}

/// Writes what intake has taken until intake is gone.
pub(crate) async fn run(
    mut writer: LogWriter,
    mut frames: mpsc::Receiver<(Vec<FrameDetections>, Timestamp)>,
    metrics: Metrics,
) {
    while let Some((taken, at)) = frames.recv().await {
        let written = tokio::task::spawn_blocking(move || {
            let batch = DetectionBatch::from_frames(&taken);
            let result = writer.write(&batch, at);
            if result.is_err() {
                // What was written before stays; the next batch begins a file of its own.
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
    writer.close();
}
