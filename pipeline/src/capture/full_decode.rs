//! Full decoding of one camera: for streams that have no pictures which can be decoded alone.
//!
//! Costs some 11 % of a core for 1080p25 where keyframes cost 2 %, so it is never chosen for a stream that has
//! keyframes. A thread of its own keeps the time of decoding away from the task that reads the network.

use super::events::CaptureDrop;
use super::intake::{Channel, Moments};
use super::pulse::Pulse;
use crate::decode::StreamDecoder;
use crate::picture::Codec;
use bytes::Bytes;
use citybrain_types::Timestamp;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

/// Access units between network and decoder: two seconds at 25 frames a second, enough for a decoder that is
/// held up by a busy machine, and some 1 MB at 4 Mbit/s.
const QUEUE: usize = 50;

/// The sending end of a camera's decoding thread; the thread ends when this is dropped.
#[derive(Debug)]
pub(crate) struct FullDecode {
    queue: SyncSender<(Bytes, Moments)>,
    channel: Channel,
    closed: Arc<AtomicBool>,
}

impl Drop for FullDecode {
    fn drop(&mut self) {
        // What still lies in the queue belongs to a connection that is over.
        self.closed.store(true, Ordering::Release);
    }
}

impl FullDecode {
    /// Starts the thread; `None` when the system gives none, which is logged and tried again with the next
    /// access unit.
    pub(crate) fn start(codec: Codec, channel: &Channel, pulse: &Arc<Pulse>) -> Option<Self> {
        let (queue, work) = sync_channel(QUEUE);
        let closed = Arc::new(AtomicBool::new(false));
        let worker =
            Worker { codec, channel: channel.clone(), pulse: Arc::clone(pulse), closed: Arc::clone(&closed) };
        // Linux shows the first 15 bytes of a thread's name.
        let name = format!("full-{}", channel.camera);
        let thread = std::thread::Builder::new().name(name).spawn(move || worker.run(&work));
        match thread {
            Ok(_) => Some(Self { queue, channel: channel.clone(), closed }),
            Err(error) => {
                tracing::error!(camera = %channel.camera, %error, "no thread to decode this camera in full");
                None
            }
        }
    }

    /// Passes an access unit on; when the decoder does not keep up it is dropped and counted, and the stream's
    /// next refresh mends the picture.
    pub(crate) fn push(&self, access_unit: Bytes, moments: Moments) {
        match self.queue.try_send((access_unit, moments)) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.channel.dropped(CaptureDrop::DecoderOverflow, 1);
            }
        }
    }
}

struct Worker {
    codec: Codec,
    channel: Channel,
    pulse: Arc<Pulse>,
    closed: Arc<AtomicBool>,
}

impl Worker {
    fn run(self, work: &Receiver<(Bytes, Moments)>) {
        let mut decoder = StreamDecoder::new(self.codec);
        let mut last_put: Option<Timestamp> = None;
        while let Ok((access_unit, moments)) = work.recv() {
            if self.closed.load(Ordering::Acquire) {
                return;
            }
            let due =
                last_put.is_none_or(|last| moments.received_at.since(last) >= self.channel.raw_interval());
            if self.decode(&mut decoder, &access_unit, moments, due) {
                last_put = Some(moments.received_at);
            }
        }
    }

    /// Decodes one access unit; `true` when a picture was put.
    fn decode(&self, decoder: &mut StreamDecoder, access_unit: &[u8], moments: Moments, due: bool) -> bool {
        let decoded = if due {
            decoder.push(access_unit, moments.captured_at)
        } else {
            decoder.skip(access_unit, moments.captured_at).map(|()| Vec::new())
        };
        match decoded.map(|mut pictures| pictures.pop()) {
            Ok(Some((captured_at, yuv))) => {
                self.channel.put_raw(&self.pulse, yuv, captured_at, moments.received_at);
                true
            }
            Ok(None) => false,
            // Frames in front of the first refresh are refused; only a stream that never mends is a failure,
            // and the stall limit finds that.
            Err(error) => {
                tracing::debug!(camera = %self.channel.camera, %error, "frame refused in full decoding");
                false
            }
        }
    }
}
