//! Where a connection's media comes in: told apart, timed, and put into the camera's mailbox.
//!
//! Design decision: everything here is synchronous and takes microseconds, so it runs where the bytes arrive (a
//! tokio task or a GStreamer streaming thread) and no queue is needed between the two. The one exception, full
//! decoding, has a thread and a bounded queue of its own.

use super::events::{
    CaptureDrop, CaptureMetrics, Dropped, FullDecodingBegan, FullDecodingEnded, KeyframePassed,
};
use super::full_decode::FullDecode;
use super::pulse::Pulse;
use crate::camera_board::CameraBoard;
use crate::gate::{Gate, Verdict};
use crate::keyframe::{Assembler, Framing, KeyframeKind, Outcome, Unusable};
use crate::picture::{Codec, Keyframe, Picture, RawFrame, Yuv420};
use crate::schedule::Mailbox;
use bytes::Bytes;
use citybrain_ingest_config::resolved::DecodeMode;
use citybrain_types::{CameraFault, CameraId, Clock, Timestamp};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What lasts as long as the camera is configured, across its connections.
#[derive(Debug, Clone)]
pub(crate) struct Channel {
    pub(crate) camera: CameraId,
    pub(crate) mailbox: Mailbox,
    pub(crate) board: Arc<CameraBoard>,
    pub(crate) metrics: CaptureMetrics,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) max_access_unit_bytes: usize,
    /// A stream whose keyframes are further apart than this is decoded in full.
    pub(crate) stall_after: Duration,
    /// Microseconds; raw frames and frames of a full decoding are put at most this often.
    pub(crate) raw_interval: Arc<AtomicU64>,
    pub(crate) mode: DecodeMode,
    /// Set once the stream was seen to have no keyframes of its own; outlives the connection.
    pub(crate) decode_in_full: Arc<AtomicBool>,
    /// What is known of the stream: some 200 bytes that outlive the connection, so that polls and reconnects add up.
    pub(crate) gate: Arc<Mutex<Gate>>,
}

impl Channel {
    /// A keyframe or a frame has come: the camera is seen.
    fn seen(&self, pulse: &Pulse, received_at: Timestamp) {
        pulse.keyframe();
        self.board.keyframe(&self.camera, received_at);
    }

    pub(crate) fn put_raw(&self, pulse: &Pulse, yuv: Yuv420, captured_at: Timestamp, received_at: Timestamp) {
        let camera = self.camera.clone();
        self.mailbox.put(Picture::Raw(RawFrame { camera, captured_at, received_at, yuv }));
        // Whoever waits for a picture finds it in its slot.
        self.seen(pulse, received_at);
    }

    fn gate(&self) -> MutexGuard<'_, Gate> {
        // Numbers that another thread left half written cost one verdict.
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The shortest time between two raw frames.
    pub(crate) fn raw_interval(&self) -> Duration {
        Duration::from_micros(self.raw_interval.load(Ordering::Relaxed))
    }

    pub(crate) fn dropped(&self, reason: CaptureDrop, count: u64) {
        Dropped { camera: &self.camera, reason, count }.emit(&self.metrics);
    }

    /// From the next frame on, and in later connections, every frame is decoded. Not where the configuration
    /// says keyframes only.
    pub(crate) fn decode_in_full(&self, because: &'static str) -> bool {
        if self.mode != DecodeMode::Auto {
            return false;
        }
        if !self.decode_in_full.swap(true, Ordering::AcqRel) {
            FullDecodingBegan { camera: &self.camera, because }.emit();
        }
        true
    }

    fn is_decoded_in_full(&self) -> bool {
        match self.mode {
            DecodeMode::Full => true,
            DecodeMode::Keyframes => false,
            DecodeMode::Auto => self.decode_in_full.load(Ordering::Acquire),
        }
    }
}

/// One connection's media.
#[derive(Debug)]
pub(crate) struct Intake {
    channel: Channel,
    pulse: Arc<Pulse>,
    assembler: Option<Assembler>,
    full: Option<FullDecode>,
    /// The last keyframe that came while every frame was decoded.
    last_keyframe_in_full: Option<Timestamp>,
}

/// When an access unit was taken and when its last byte came.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moments {
    pub(crate) captured_at: Timestamp,
    pub(crate) received_at: Timestamp,
}

impl Intake {
    pub(crate) fn new(channel: Channel, pulse: Arc<Pulse>) -> Self {
        channel.gate().reconnected();
        Self { channel, pulse, assembler: None, full: None, last_keyframe_in_full: None }
    }

    /// Whether a keyframe has come on this connection.
    pub(crate) fn has_shown_a_keyframe(&self) -> bool {
        self.pulse.first_keyframe_at().is_some()
    }

    pub(crate) const fn channel(&self) -> &Channel {
        &self.channel
    }

    /// The other side answered and says that media will come.
    pub(crate) fn connected(&self) {
        if self.pulse.connected() {
            self.channel.board.connected(&self.channel.camera);
        }
    }

    /// The stream's codec, and its size where it is known yet.
    pub(crate) fn media(&mut self, codec: Codec, size: Option<(u32, u32)>) {
        let media = match size {
            Some((width, height)) => format!("{} {width}x{height}", title(codec)),
            None => title(codec).to_owned(),
        };
        self.channel.board.media(&self.channel.camera, media);
        if let Some(size) = size {
            self.channel.gate().size(size);
            self.channel.board.size(&self.channel.camera, size);
        }
        if self.assembler.as_ref().is_none_or(|assembler| assembler.codec() != codec) {
            self.assembler = Some(Assembler::new(codec, self.channel.max_access_unit_bytes));
            self.full = None;
        }
    }

    /// The stream is decoded by GStreamer; its frames come through [`Intake::raw`].
    pub(crate) fn raw_media(&self, format: &str, (width, height): (u32, u32)) {
        self.channel.board.media(&self.channel.camera, format!("{format} {width}x{height}"));
    }

    /// A parameter set that came outside of the access units.
    pub(crate) fn parameter_set(&mut self, nal: &[u8]) {
        if let Some(assembler) = &mut self.assembler {
            assembler.parameter_set(nal);
        }
    }

    /// The next access unit of the stream announced by [`Intake::media`].
    pub(crate) fn access_unit(&mut self, framing: Framing, data: &[u8], moments: Moments) {
        let Some(assembler) = &mut self.assembler else { return };
        let outcome = assembler.push(framing, data);
        let is_jpeg = assembler.codec() == Codec::Jpeg;
        if !is_jpeg
            && self.channel.is_decoded_in_full()
            && !self.has_keyframes_again(&outcome, moments.received_at)
        {
            return self.decode(framing, data, &outcome, moments);
        }
        match outcome {
            Outcome::Keyframe { data, kind } => self.keyframe(data, kind, moments),
            Outcome::Delta => {
                self.channel.gate().delta(data.len(), moments.captured_at);
                self.pulse.picture();
            }
            Outcome::GradualRefresh => {
                self.pulse.picture();
                if self
                    .channel
                    .decode_in_full("it refreshes its picture little by little and sends no keyframes")
                {
                    // This picture begins a refresh: the best place to begin decoding.
                    self.decode(framing, data, &Outcome::Delta, moments);
                }
            }
            Outcome::Unusable(reason) => self.unusable(reason),
        }
    }

    /// A frame that GStreamer decoded.
    pub(crate) fn raw(&self, yuv: Yuv420, moments: Moments) {
        self.channel.put_raw(&self.pulse, yuv, moments.captured_at, moments.received_at);
    }

    fn keyframe(&mut self, data: Bytes, kind: KeyframeKind, Moments { captured_at, received_at }: Moments) {
        let Some(codec) = self.assembler.as_ref().map(Assembler::codec) else { return };
        let camera = self.channel.camera.clone();
        let age = received_at.since(captured_at);
        KeyframePassed { camera: &camera, codec, kind, bytes: data.len(), age }.emit(&self.channel.metrics);
        let verdict = self.read_gate(data.len(), captured_at);
        self.pulse.shows(verdict);
        let picture = Picture::Keyframe(Keyframe { camera, captured_at, received_at, codec, data });
        if verdict.is_eager() {
            self.channel.mailbox.put_eager(picture);
        } else {
            self.channel.mailbox.put(picture);
        }
        self.channel.seen(&self.pulse, received_at);
    }

    fn read_gate(&mut self, bytes: usize, captured_at: Timestamp) -> Verdict {
        let reading = self.channel.gate().keyframe(bytes, captured_at);
        self.channel.metrics.gate(&reading);
        let faults = reading.faults.into_iter().flatten().map(|(fault, since)| CameraFault { fault, since });
        self.channel.board.stream(&self.channel.camera, reading.verdict.is_still(), faults);
        reading.verdict
    }

    /// Packets were lost, and with them the picture they were part of.
    pub(crate) fn lost(&mut self, packets: u32) {
        self.channel.gate().lost(packets);
        self.channel.dropped(CaptureDrop::PacketLoss, u64::from(packets));
    }

    /// A picture with this media time has arrived.
    pub(crate) fn media_time(&mut self, media_micros: i64, arrived: Timestamp) {
        self.channel.gate().media_time(media_micros, arrived);
    }

    fn unusable(&self, reason: Unusable) {
        if reason == Unusable::MissingParameterSets {
            self.pulse.unusable_keyframe();
        }
        self.channel.dropped(CaptureDrop::Unusable(reason), 1);
    }

    /// Whether two keyframes have come within the stall limit; then full decoding ends, where it was not asked
    /// for. Once is not enough: a stream with intra refresh begins with one.
    fn has_keyframes_again(&mut self, outcome: &Outcome, now: Timestamp) -> bool {
        if self.channel.mode != DecodeMode::Auto || !matches!(outcome, Outcome::Keyframe { .. }) {
            return false;
        }
        let before = self.last_keyframe_in_full.replace(now);
        let again = before.is_some_and(|before| now.since(before) < self.channel.stall_after);
        if again {
            self.channel.decode_in_full.store(false, Ordering::Release);
            self.full = None;
            self.last_keyframe_in_full = None;
            FullDecodingEnded { camera: &self.channel.camera }.emit();
        }
        again
    }

    fn decode(&mut self, framing: Framing, data: &[u8], outcome: &Outcome, moments: Moments) {
        if let Outcome::Unusable(reason) = outcome {
            return self.unusable(*reason);
        }
        self.pulse.picture();
        let Some(assembler) = &self.assembler else { return };
        let Some(access_unit) = assembler.annex_b(framing, data) else {
            return self.unusable(Unusable::MissingParameterSets);
        };
        if self.full.is_none() {
            self.full = FullDecode::start(assembler.codec(), &self.channel, &self.pulse);
        }
        if let Some(full) = &self.full {
            full.push(access_unit, moments);
        }
    }
}

const fn title(codec: Codec) -> &'static str {
    match codec {
        Codec::H264 => "H.264",
        Codec::H265 => "H.265",
        Codec::Jpeg => "MJPEG",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyframe::real_streams::encode;
    use crate::schedule::Mailboxes;
    use citybrain_types::{ManualClock, Timestamp};
    use prometheus_client::registry::Registry;

    fn intake(mode: DecodeMode) -> (Intake, Mailboxes) {
        let clock = Arc::new(ManualClock::starting_at(Timestamp::from_millis(1_000)));
        let metrics = CaptureMetrics::register(&mut Registry::default());
        let board = Arc::new(CameraBoard::new(clock.clone(), metrics.clone()));
        let mailboxes = Mailboxes::default();
        let camera = CameraId::new("gate").unwrap();
        board.add(&camera, "rtsp://gate/1");
        let channel = Channel {
            mailbox: mailboxes.slot(&camera),
            camera,
            board,
            metrics,
            clock,
            max_access_unit_bytes: 1 << 20,
            stall_after: Duration::from_secs(10),
            raw_interval: Arc::new(AtomicU64::new(0)),
            mode,
            decode_in_full: Arc::default(),
            gate: Arc::default(),
        };
        let mut intake = Intake::new(channel, Arc::new(Pulse::new()));
        intake.media(Codec::H264, None);
        (intake, mailboxes)
    }

    /// Feeds access units 40 ms apart from `first` on; gives the moment after the last.
    fn feed(intake: &mut Intake, units: &[Vec<u8>], first: i64) -> i64 {
        for (index, unit) in (0..).zip(units) {
            let at = Timestamp::from_millis(first + index * 40);
            intake.access_unit(Framing::AnnexB, unit, Moments { captured_at: at, received_at: at });
        }
        first + 40 * i64::try_from(units.len()).unwrap()
    }

    fn refreshing() -> Vec<Vec<u8>> {
        encode(Codec::H264, "x264enc tune=zerolatency intra-refresh=true key-int-max=10 bframes=0")
    }

    fn with_keyframes() -> Vec<Vec<u8>> {
        encode(Codec::H264, "x264enc tune=zerolatency key-int-max=10 bframes=0")
    }

    #[tokio::test]
    async fn full_decoding_begins_with_intra_refresh_and_ends_when_keyframes_come_again() {
        let (mut intake, mailboxes) = intake(DecodeMode::Auto);
        let camera = intake.channel().camera.clone();
        let later = feed(&mut intake, &refreshing(), 1_000);
        assert!(intake.channel().is_decoded_in_full());
        let again = feed(&mut intake, &refreshing(), later);
        assert!(
            intake.channel().is_decoded_in_full(),
            "the first picture of each refresh stands alone, no more"
        );
        feed(&mut intake, &with_keyframes(), again + 60_000);
        assert!(!intake.channel().is_decoded_in_full());
        assert!(matches!(mailboxes.take(&camera), Some(Picture::Keyframe(_))));
    }

    #[tokio::test]
    async fn what_is_known_of_a_stream_outlives_its_connection() {
        let (mut first, _mailboxes) = intake(DecodeMode::Auto);
        let channel = first.channel().clone();
        let verdict = |at: i64| {
            let mut gate = channel.gate().clone();
            gate.keyframe(1_000, Timestamp::from_millis(at)).verdict
        };
        assert_eq!(verdict(1_000), Verdict::Learning);
        let mut at = 1_000;
        for _ in 0..4 {
            at = feed(&mut first, &with_keyframes(), at);
        }
        drop(first);
        let again = Intake::new(channel.clone(), Arc::new(Pulse::new()));
        assert_ne!(verdict(at + 60_000), Verdict::Learning, "it was known before this connection");
        drop(again);
    }

    #[tokio::test]
    async fn what_the_configuration_says_about_decoding_is_kept_to() {
        let (mut intake, _) = self::intake(DecodeMode::Keyframes);
        feed(&mut intake, &refreshing(), 1_000);
        assert!(!intake.channel().is_decoded_in_full());
        let (mut intake, _) = self::intake(DecodeMode::Full);
        feed(&mut intake, &with_keyframes(), 1_000);
        assert!(intake.channel().is_decoded_in_full());
    }
}
