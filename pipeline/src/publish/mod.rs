//! Frames leave the pipeline here: batched, onto the bus, or onto disk while the bus does not take them.
//!
//! Design decision: after this stage nothing is dropped silently. The order of frames is kept: as long as
//! something lies in the spool, new batches go behind it.

mod batch;
mod spool;

pub use spool::{Spool, SpoolError, SpoolLoss};

use crate::metrics::{PipelineMetrics, Stage};
use batch::Batcher;
use citybrain_types::{Clock, DetectionBatch, FrameDetections};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;

/// Frames between the workers and the publisher. A second of looks on a large machine; beyond that workers
/// wait, because a frame that was looked at is not dropped.
const QUEUE_FRAMES: usize = 256;
/// While something lies in the spool, the bus is tried this often.
const RESEND_EVERY: Duration = Duration::from_millis(50);
/// At shutdown the bus gets this long to take what is left; the rest stays in the spool for the next start.
const FLUSH_WITHIN: Duration = Duration::from_secs(2);

/// A frame on its way out.
#[derive(Debug)]
pub struct Outgoing {
    /// What was found.
    pub frame: FrameDetections,
    /// Holds a hit of a kind with a pre-alarm: is not held back for company.
    pub urgent: bool,
}

/// Hands frames to the publisher. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Outbox(SyncSender<Outgoing>);

impl Outbox {
    /// An outbox without a publisher behind it: for a replay, which takes the frames of each look at once.
    #[must_use]
    pub fn unpublished() -> (Self, Receiver<Outgoing>) {
        let (sender, receiver) = sync_channel(QUEUE_FRAMES);
        (Self(sender), receiver)
    }

    /// Hands over a frame; waits while the publisher is behind.
    pub fn send(&self, outgoing: Outgoing) {
        if let Err(lost) = self.0.send(outgoing) {
            // The publisher outlives every outbox, except when it has panicked.
            let frame = lost.0.frame;
            tracing::error!(camera = %frame.camera, sequence = frame.sequence, "the publisher is gone, a frame is lost");
        }
    }
}

/// The publishing thread.
#[derive(Debug)]
pub struct Publisher {
    thread: JoinHandle<()>,
}

impl Publisher {
    /// Starts the thread. It ends when every [`Outbox`] is gone, after what is left was sent or spooled.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub fn start(
        bus: Sender<DetectionBatch>,
        spool: Spool,
        clock: Arc<dyn Clock>,
        metrics: PipelineMetrics,
    ) -> std::io::Result<(Self, Outbox)> {
        let (sender, receiver) = sync_channel(QUEUE_FRAMES);
        let mut line = Line { bus, spool, clock, metrics, bus_was_closed: false };
        let work = move || line.run(&receiver);
        let thread = std::thread::Builder::new().name("publish".into()).spawn(work)?;
        Ok((Self { thread }, Outbox(sender)))
    }

    /// Waits for the thread's end.
    pub fn join(self) {
        if self.thread.join().is_err() {
            tracing::error!("the publisher panicked; frames in its memory are lost, the spool is kept");
        }
    }
}

/// The way of a batch: bus or spool.
struct Line {
    bus: Sender<DetectionBatch>,
    spool: Spool,
    clock: Arc<dyn Clock>,
    metrics: PipelineMetrics,
    bus_was_closed: bool,
}

impl Line {
    fn run(&mut self, queue: &Receiver<Outgoing>) {
        let mut batcher = Batcher::default();
        loop {
            let waits = !self.spool.is_empty() && !self.bus_was_closed;
            let patience = batcher.patience(Instant::now(), waits);
            let patience = if waits { patience.min(RESEND_EVERY) } else { patience };
            match queue.recv_timeout(patience) {
                Ok(outgoing) => batcher.push(outgoing, Instant::now()),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            while !batcher.is_full() {
                let Ok(outgoing) = queue.try_recv() else { break };
                batcher.push(outgoing, Instant::now());
            }
            self.resend();
            if batcher.is_due(Instant::now(), !self.spool.is_empty()) {
                self.pass_on(batcher.take());
                self.resend();
            }
        }
        self.pass_on(batcher.take());
        let until = Instant::now() + FLUSH_WITHIN;
        while !self.spool.is_empty() && !self.bus.is_closed() && Instant::now() < until {
            self.resend();
            std::thread::sleep(Duration::from_millis(10));
        }
        if !self.spool.is_empty() {
            tracing::warn!(
                files = self.spool.len(),
                "published detections stay in the spool for the next start"
            );
        }
    }

    fn pass_on(&mut self, frames: Vec<FrameDetections>) {
        if frames.is_empty() {
            return;
        }
        let batch = DetectionBatch::from_frames(&frames);
        if self.spool.is_empty() {
            match self.bus.try_send(batch) {
                Ok(()) => self.count_published(frames.len()),
                Err(TrySendError::Full(batch)) => self.put_by(&batch),
                Err(TrySendError::Closed(batch)) => {
                    self.note_closed();
                    self.put_by(&batch);
                }
            }
        } else {
            self.put_by(&batch);
        }
        let now = self.clock.now();
        for frame in &frames {
            self.metrics.stage(Stage::Publish, now.since(frame.stages.detected_at));
        }
    }

    fn put_by(&mut self, batch: &DetectionBatch) {
        let losses = self.spool.push(batch);
        self.account(&losses);
    }

    /// Sends what lies in the spool, oldest first, as long as the bus takes it.
    fn resend(&mut self) {
        let bus = self.bus.clone();
        while !self.spool.is_empty() {
            let permit = match bus.try_reserve() {
                Ok(permit) => permit,
                Err(TrySendError::Full(())) => return,
                Err(TrySendError::Closed(())) => return self.note_closed(),
            };
            match self.spool.front() {
                Ok(Some(batch)) => {
                    self.count_published(batch.len());
                    permit.send(batch);
                    self.spool.remove_front();
                    self.account(&[]);
                }
                Ok(None) => return,
                Err(loss) => self.account(&[loss]),
            }
        }
    }

    fn account(&self, losses: &[SpoolLoss]) {
        losses.iter().for_each(|loss| self.metrics.spool_loss(*loss));
        self.metrics.spool_files.set(i64::try_from(self.spool.len()).unwrap_or(i64::MAX));
        self.metrics.spool_bytes.set(i64::try_from(self.spool.bytes()).unwrap_or(i64::MAX));
    }

    fn count_published(&self, frames: usize) {
        self.metrics.published_frames.inc_by(frames as u64);
    }

    fn note_closed(&mut self) {
        if !std::mem::replace(&mut self.bus_was_closed, true) {
            tracing::error!("the bus is closed: detections are kept in the spool until the next start");
        }
    }
}
