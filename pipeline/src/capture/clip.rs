//! The pictures of a video file with their media time, as fast as they can be had.
//!
//! Design decision: a file that is measured goes through the same elements as one that is played as a camera:
//! `uridecodebin` that stops at H.264, H.265 and JPEG, the parsers, the keyframe assembler and libavcodec. What differs is
//! the time: nothing is paced, nothing is dropped, and a picture's moment is its own and not that of its arrival.

use super::gst::{source, tune};
use super::gst_branch::{chain, parser, rest, yuv420};
use crate::decode::{DecodeError, StreamDecoder};
use crate::keyframe::{Assembler, Framing, Outcome};
use crate::picture::{Codec, Keyframe, Picture, RawFrame, Yuv420};
use bytes::Bytes;
use citybrain_ingest_config::resolved::Stream;
use citybrain_types::{CameraId, Timestamp};
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::AppSink;
use std::str::FromStr;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A file that gives nothing for so long is not going to.
const PATIENCE: Duration = Duration::from_secs(20);
/// The bus is asked for errors this often while nothing comes.
const ASK_EVERY: Duration = Duration::from_millis(200);
/// Samples between demuxer and reader; the demuxer waits for the reader.
const SINK_BUFFERS: u32 = 8;

/// Why a file cannot be read, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum ClipError {
    /// GStreamer does not come up or lacks an element.
    #[error("GStreamer cannot read files: {0}: install its base, good and bad plug-ins")]
    GStreamer(#[from] gst::glib::Error),
    /// The file is no video, is damaged, or needs a plug-in that is not there.
    #[error("{0}")]
    Media(String),
    /// Nothing came for too long.
    #[error("nothing came out of the file for {} s", PATIENCE.as_secs())]
    Stuck,
    /// There is no picture in it.
    #[error("there is no picture in it")]
    Empty,
}

/// What is decoded of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClipMode {
    /// Pictures that stand alone leave compressed, as from a camera; the others are left out.
    Keyframes,
    /// Every frame is decoded.
    EveryFrame,
}

/// What was seen of a file without decoding it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClipSurvey {
    /// The longest time in it without a keyframe; `None` when it has no picture that this program cuts out by itself.
    pub longest_without_keyframe: Option<Duration>,
}

/// How a file came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClipEnd {
    /// The last picture's moment, and how long pictures stand on average: when it is over.
    pub at: Timestamp,
    /// Pictures that could not be decoded.
    pub refused: u64,
}

/// One picture on its way out of the file, with its time from the start.
enum Unit {
    Encoded(Codec, Bytes, Duration),
    Raw(Yuv420, Duration),
}

impl Unit {
    const fn at(&self) -> Duration {
        match self {
            Self::Encoded(_, _, at) | Self::Raw(_, at) => *at,
        }
    }
}

/// Looks how far apart a file's keyframes are. Decodes nothing of H.264, H.265 and JPEG.
///
/// # Errors
/// [`ClipError`].
pub fn survey(stream: &Stream, max_access_unit_bytes: usize) -> Result<ClipSurvey, ClipError> {
    let mut units = Units::open(stream)?;
    let (mut assembler, mut last_keyframe, mut longest) = (None, Duration::ZERO, Duration::ZERO);
    let (mut end, mut keyframes) = (None, 0_u64);
    while let Some(unit) = units.next()? {
        let Unit::Encoded(codec, data, at) = unit else {
            return Ok(ClipSurvey { longest_without_keyframe: None });
        };
        end = end.max(Some(at));
        let assembler = assembler.get_or_insert_with(|| Assembler::new(codec, max_access_unit_bytes));
        if let Outcome::Keyframe { .. } = assembler.push(Framing::AnnexB, &data) {
            keyframes += 1;
            longest = longest.max(at.saturating_sub(last_keyframe));
            last_keyframe = at;
        }
    }
    let longest = longest.max(end.ok_or(ClipError::Empty)?.saturating_sub(last_keyframe));
    Ok(ClipSurvey { longest_without_keyframe: (keyframes > 0).then_some(longest) })
}

/// Hands every picture of a file to `each`, in the order it is shown in; the file's first moment is `start`.
///
/// # Errors
/// [`ClipError`] when the file cannot be read to its end; what came before was handed over.
pub fn play(
    camera: &CameraId,
    stream: &Stream,
    max_access_unit_bytes: usize,
    mode: ClipMode,
    start: Timestamp,
    each: &mut dyn FnMut(Picture),
) -> Result<ClipEnd, ClipError> {
    let mut units = Units::open(stream)?;
    let (mut reader, mut raws) = (None, Shown::default());
    while let Some(unit) = units.next()? {
        raws.saw(unit.at());
        match unit {
            Unit::Raw(yuv, at) => each(raw(camera, start.plus(at), yuv)),
            Unit::Encoded(codec, data, at) => {
                let reader = reader
                    .get_or_insert_with(|| Reader::new(camera.clone(), codec, max_access_unit_bytes, mode));
                reader.read(&data, start.plus(at), each);
            }
        }
    }
    let refused = reader.map_or(0, |reader| reader.finish(each));
    let at = raws.end().map(|end| start.plus(end)).ok_or(ClipError::Empty)?;
    Ok(ClipEnd { at, refused })
}

/// How long the pictures of a file last.
#[derive(Debug, Default)]
struct Shown {
    count: u32,
    last: Duration,
}

impl Shown {
    fn saw(&mut self, at: Duration) {
        self.count += 1;
        self.last = self.last.max(at);
    }

    /// The last picture stands as long as the others did.
    fn end(&self) -> Option<Duration> {
        match self.count {
            0 => None,
            1 => Some(self.last),
            count => Some(self.last + self.last / (count - 1)),
        }
    }
}

fn raw(camera: &CameraId, at: Timestamp, yuv: Yuv420) -> Picture {
    Picture::Raw(RawFrame { camera: camera.clone(), captured_at: at, received_at: at, yuv })
}

/// From access units to pictures.
struct Reader {
    camera: CameraId,
    assembler: Assembler,
    mode: ClipMode,
    decoder: StreamDecoder,
    refused: u64,
}

impl Reader {
    fn new(camera: CameraId, codec: Codec, max_access_unit_bytes: usize, mode: ClipMode) -> Self {
        let assembler = Assembler::new(codec, max_access_unit_bytes);
        Self { camera, assembler, mode, decoder: StreamDecoder::new(codec), refused: 0 }
    }

    fn read(&mut self, data: &[u8], at: Timestamp, each: &mut dyn FnMut(Picture)) {
        let codec = self.assembler.codec();
        match (self.assembler.push(Framing::AnnexB, data), self.mode) {
            (Outcome::Unusable(_), _) => self.refused += 1,
            // Each JPEG stands alone already.
            (Outcome::Keyframe { data, .. }, mode) if mode == ClipMode::Keyframes || codec == Codec::Jpeg => {
                let camera = self.camera.clone();
                each(Picture::Keyframe(Keyframe { camera, captured_at: at, received_at: at, codec, data }));
            }
            (_, ClipMode::Keyframes) => {}
            (_, ClipMode::EveryFrame) => {
                let decoded =
                    self.assembler.annex_b(Framing::AnnexB, data).map(|unit| self.decoder.push(&unit, at));
                match decoded {
                    Some(decoded) => self.hand_over(decoded, each),
                    None => self.refused += 1,
                }
            }
        }
    }

    fn hand_over(
        &mut self,
        decoded: Result<Vec<(Timestamp, Yuv420)>, DecodeError>,
        each: &mut dyn FnMut(Picture),
    ) {
        match decoded {
            Ok(pictures) => pictures.into_iter().for_each(|(at, yuv)| each(raw(&self.camera, at, yuv))),
            Err(error) => {
                tracing::debug!(camera = %self.camera, %error, "a frame of a clip was refused");
                self.refused += 1;
            }
        }
    }

    fn finish(mut self, each: &mut dyn FnMut(Picture)) -> u64 {
        let codec = self.assembler.codec();
        let left = std::mem::replace(&mut self.decoder, StreamDecoder::new(codec)).finish();
        self.hand_over(left, each);
        self.refused
    }
}

/// What comes out of a file, pulled by the reader.
struct Units {
    pipeline: gst::Pipeline,
    linked: Receiver<(Option<Codec>, AppSink)>,
    sink: Option<(Option<Codec>, AppSink)>,
}

impl Drop for Units {
    fn drop(&mut self) {
        // Nothing can be done about a pipeline that does not stop.
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

impl Units {
    fn open(stream: &Stream) -> Result<Self, ClipError> {
        gst::init()?;
        let pipeline = gst::Pipeline::new();
        let source = source(stream).map_err(|failure| ClipError::Media(failure.detail))?;
        pipeline.connect_deep_element_added(|_, _, element| tune(element));
        let (tell, linked) = sync_channel(1);
        let tell = Mutex::new(Some(tell));
        let weak = pipeline.downgrade();
        source.connect_pad_added(move |_, pad| {
            let Some(pipeline) = weak.upgrade() else { return };
            // The first video pad counts; all others run dry.
            let first = tell.lock().unwrap_or_else(PoisonError::into_inner).take_if(|_| is_video(pad));
            if let Err(error) = link(&pipeline, pad, first) {
                gst::element_error!(pipeline, gst::CoreError::Negotiation, ("{error}"));
            }
        });
        let failed = |error: gst::glib::BoolError| ClipError::Media(error.to_string());
        pipeline.add(&source).map_err(failed)?;
        let units = Self { pipeline, linked, sink: None };
        // The element's own message on the bus says why this fails.
        let _ = units.pipeline.set_state(gst::State::Playing);
        Ok(units)
    }

    fn next(&mut self) -> Result<Option<Unit>, ClipError> {
        let mut waited = Duration::ZERO;
        while waited < PATIENCE {
            if let Some((codec, sink)) = &self.sink {
                let wait = gst::ClockTime::from_mseconds(ASK_EVERY.as_millis() as u64);
                if let Some(sample) = sink.try_pull_sample(wait) {
                    match unit(*codec, &sample) {
                        Some(unit) => return Ok(Some(unit)),
                        None => continue,
                    }
                }
                if sink.is_eos() {
                    // An error ends the stream, too, and says why on the bus.
                    return self.ended().unwrap_or(Ok(())).map(|()| None);
                }
                if let Some(Err(error)) = self.ended() {
                    return Err(error);
                }
            } else {
                match self.linked.recv_timeout(ASK_EVERY) {
                    Ok(linked) => {
                        self.sink = Some(linked);
                        continue;
                    }
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => std::thread::sleep(ASK_EVERY),
                }
                // Played to its end, and no video has come.
                if let Some(ended) = self.ended() {
                    return ended.map(|()| None);
                }
            }
            waited += ASK_EVERY;
        }
        Err(ClipError::Stuck)
    }

    /// How the file came to its end, where the bus says that it did. Both are asked for at once: asking for one throws the
    /// other away.
    fn ended(&self) -> Option<Result<(), ClipError>> {
        let message = self.pipeline.bus()?.pop_filtered(&[gst::MessageType::Error, gst::MessageType::Eos])?;
        Some(match message.view() {
            gst::MessageView::Error(error) => Err(ClipError::Media(error.error().to_string())),
            _ => Ok(()),
        })
    }
}

fn is_video(pad: &gst::Pad) -> bool {
    let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
    caps.structure(0).is_some_and(|s| s.name().starts_with("video/") || s.name() == "image/jpeg")
}

fn link(
    pipeline: &gst::Pipeline,
    pad: &gst::Pad,
    first: Option<SyncSender<(Option<Codec>, AppSink)>>,
) -> Result<(), gst::glib::BoolError> {
    let Some(tell) = first else {
        return chain(pipeline, pad, &rest()?);
    };
    let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
    let codec = match caps.structure(0).map(|s| s.name().to_string()).as_deref() {
        Some("video/x-h264") => Some(Codec::H264),
        Some("video/x-h265") => Some(Codec::H265),
        Some("image/jpeg") => Some(Codec::Jpeg),
        _ => None,
    };
    let (element, caps) = match codec {
        Some(codec) => parser(codec)?,
        None => (gst::ElementFactory::make("videoconvert").build()?, "video/x-raw,format=I420"),
    };
    let sink = AppSink::builder()
        .caps(&gst::Caps::from_str(caps)?)
        .sync(false)
        .max_buffers(SINK_BUFFERS)
        .drop(false)
        .build();
    chain(pipeline, pad, &[element, sink.clone().upcast()])?;
    // The reader is gone when nobody wants the pictures any more.
    let _ = tell.send((codec, sink));
    Ok(())
}

/// `None` for a sample without a time or with pixels that are not what its caps say.
fn unit(codec: Option<Codec>, sample: &gst::Sample) -> Option<Unit> {
    let buffer = sample.buffer()?;
    let segment = sample.segment()?.downcast_ref::<gst::ClockTime>()?;
    let time = segment.to_running_time(buffer.pts().or(buffer.dts())?)?;
    let at = Duration::from_nanos(time.nseconds());
    match codec {
        Some(codec) => {
            let data = Bytes::copy_from_slice(&buffer.map_readable().ok()?);
            Some(Unit::Encoded(codec, data, at))
        }
        None => Some(Unit::Raw(yuv420(sample)?, at)),
    }
}
