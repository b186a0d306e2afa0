//! Writes the log.

use super::{EXTENSION, RULING_EXTENSION};
use crate::metrics::Metrics;
use crate::ruling::{Input, Ruling};
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
    /// The last name given, so that names rise whatever the machine's clock does.
    last: Option<i64>,
}

impl LogWriter {
    /// Writes into `folder`, which is made when missing; the oldest files go when all are larger than the budget.
    pub(crate) const fn new(folder: PathBuf, budget_bytes: u64) -> Self {
        Self { folder, budget_bytes, current: None, last: None }
    }

    /// Writes a batch down; it is in the hands of the system when this returns.
    fn write(&mut self, batch: &DetectionBatch, at: Timestamp) -> io::Result<()> {
        let (stream, path) = match &mut self.current {
            Some(current) => current,
            None => {
                let path = next_path(&self.folder, &mut self.last, at, EXTENSION)?;
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

    /// Writes a ruling down, between the frames before it and those after it. Whole or not at all.
    fn write_ruling(&mut self, ruling: &Ruling, at: Timestamp) -> io::Result<()> {
        self.close();
        let path = next_path(&self.folder, &mut self.last, at, RULING_EXTENSION)?;
        let beside = path.with_extension("tmp");
        let mut file = BufWriter::new(File::create(&beside)?);
        serde_json::to_writer(&mut file, ruling).map_err(io::Error::other)?;
        file.flush()?;
        fs::rename(&beside, &path)?;
        self.keep_budget()
    }

    fn write_taken(&mut self, taken: &Input<FrameDetections>, at: Timestamp) -> io::Result<()> {
        match taken {
            Input::Seen(frames) => self.write(&DetectionBatch::from_frames(frames), at),
            Input::Said(ruling) => self.write_ruling(ruling, at),
        }
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

/// A name for a new file, behind all others.
fn next_path(folder: &Path, last: &mut Option<i64>, at: Timestamp, extension: &str) -> io::Result<PathBuf> {
    let before = match *last {
        Some(last) => last,
        None => {
            fs::create_dir_all(folder)?;
            let number = |path: &PathBuf| path.file_stem()?.to_str()?.parse::<i64>().ok();
            files(folder)?.iter().filter_map(|(path, _)| number(path)).max().unwrap_or(-1)
        }
    };
    let name = at.as_micros().max(before.saturating_add(1)).max(0);
    *last = Some(name);
    Ok(folder.join(format!("{name:020}.{extension}")))
}

/// The files of a log, oldest first, with their sizes.
pub(super) fn files(folder: &Path) -> io::Result<Vec<(PathBuf, u64)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if path.extension().is_some_and(|extension| extension == EXTENSION || extension == RULING_EXTENSION) {
            files.push((path, entry.metadata()?.len()));
        }
    }
    files.sort();
    Ok(files)
}

/// Writes what intake has taken until intake is gone.
pub(crate) async fn run(
    mut writer: LogWriter,
    mut frames: mpsc::Receiver<(Input<FrameDetections>, Timestamp)>,
    metrics: Metrics,
) {
    while let Some((taken, at)) = frames.recv().await {
        let written = tokio::task::spawn_blocking(move || {
            let result = writer.write_taken(&taken, at);
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
