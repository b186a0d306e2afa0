//! Encoders: RGB pictures in, access units out, through GStreamer.
//!
//! One encoder serves every client of a camera, so the cost of a street does not depend on who watches it.

use crate::access_unit::{AccessUnit, Codec};
use bytes::Bytes;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use std::time::Duration;

/// How a stream can be entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gop {
    /// Every group of pictures starts with an IDR.
    #[default]
    Closed,
    /// Only the first is an IDR; later groups start with an I picture and a recovery point (H.264) or a CRA (H.265).
    Open,
    /// Only the first is an IDR; a column of intra blocks wanders through the picture. H.264 only.
    IntraRefresh,
}

/// How pictures are compressed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EncoderSpec {
    /// The codec.
    pub codec: Codec,
    /// Width of the encoded picture in pixels, a multiple of 8.
    pub width: u32,
    /// Height of the encoded picture in pixels, even.
    pub height: u32,
    /// Frames per second.
    pub fps: u32,
    /// How the stream can be entered.
    pub gop: Gop,
    /// Pictures from one entry point to the next.
    pub keyframe_interval: u32,
    /// Bit rate to aim at in kbit/s; a JPEG camera has a fixed quality instead.
    pub bitrate_kbps: u32,
}

/// Why an encoder does not run.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// GStreamer itself cannot start.
    #[error("GStreamer cannot start: {0}")]
    Init(gst::glib::Error),
    /// A plug-in is missing or a property is not known.
    #[error("an encoder pipeline cannot be made, install GStreamer's good, ugly and bad plug-ins: {0}")]
    Pipeline(String),
    /// The pipeline stopped taking pictures.
    #[error("the encoder failed: {0}")]
    Failed(String),
}

/// Pictures that wait in front of an encoder: the painter is slower than the encoder, so two cover any jitter.
const PICTURES_WAITING: u32 = 2;

/// Longest wait for an encoder to give out what it still holds.
const DRAIN_TIMEOUT: gst::ClockTime = gst::ClockTime::from_seconds(20);

/// A running encoder. Dropping it throws away what it still holds; [`Encoder::finish`] does not.
pub struct Encoder {
    pipeline: gst::Pipeline,
    input: gst_app::AppSrc,
    frame_time: Duration,
}

impl Encoder {
    /// Starts an encoder that takes packed RGB pictures of `input_size` and gives access units, in decoding order,
    /// to `on_unit`, which is called on one of GStreamer's threads.
    ///
    /// # Errors
    /// [`EncodeError`] when GStreamer or one of its plug-ins is missing.
    pub fn start(
        spec: &EncoderSpec,
        input_size: (u32, u32),
        mut on_unit: impl FnMut(AccessUnit) + Send + 'static,
    ) -> Result<Self, EncodeError> {
        let (pipeline, input, output) = launch(&pipeline_text(spec, input_size))?;
        let codec = spec.codec;
        let callbacks = gst_app::AppSinkCallbacks::builder().new_sample(move |sink| {
            let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
            if let Some(unit) = unit_of(&sample, codec) {
                on_unit(unit);
            }
            Ok(gst::FlowSuccess::Ok)
        });
        output.set_callbacks(callbacks.build());
        pipeline.set_state(gst::State::Playing).map_err(|e| EncodeError::Failed(e.to_string()))?;
        Ok(Self { pipeline, input, frame_time: Duration::from_secs(1) / spec.fps.max(1) })
    }

    /// Hands over one picture, packed RGB, and waits while the encoder is behind.
    ///
    /// # Errors
    /// [`EncodeError::Failed`] with what the encoder says.
    pub fn push(&self, rgb: Vec<u8>, at: Duration) -> Result<(), EncodeError> {
        let mut buffer = gst::Buffer::from_mut_slice(rgb);
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(gst::ClockTime::try_from(at).ok());
            buffer.set_duration(gst::ClockTime::try_from(self.frame_time).ok());
        }
        self.input.push_buffer(buffer).map(drop).map_err(|flow| self.failure(&flow.to_string()))
    }

    /// Waits until everything handed over has come out.
    ///
    /// # Errors
    /// [`EncodeError::Failed`] with what the encoder says.
    pub fn finish(self) -> Result<(), EncodeError> {
        self.input.end_of_stream().map_err(|flow| self.failure(&flow.to_string()))?;
        let wanted = [gst::MessageType::Eos, gst::MessageType::Error];
        let bus = self.pipeline.bus();
        match bus.and_then(|bus| bus.timed_pop_filtered(DRAIN_TIMEOUT, &wanted)) {
            Some(message) if message.type_() == gst::MessageType::Eos => Ok(()),
            Some(message) => Err(EncodeError::Failed(error_text(&message))),
            None => Err(EncodeError::Failed(format!("it did not drain within {DRAIN_TIMEOUT}"))),
        }
    }

    fn failure(&self, flow: &str) -> EncodeError {
        let message = self.pipeline.bus().and_then(|bus| bus.pop_filtered(&[gst::MessageType::Error]));
        EncodeError::Failed(message.map_or_else(|| flow.to_owned(), |message| error_text(&message)))
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        if let Err(error) = self.pipeline.set_state(gst::State::Null) {
            tracing::warn!(%error, "an encoder did not stop");
        }
    }
}

/// Makes a pipeline with an `appsrc` named `in` and an `appsink` named `out`.
fn launch(text: &str) -> Result<(gst::Pipeline, gst_app::AppSrc, gst_app::AppSink), EncodeError> {
    gst::init().map_err(EncodeError::Init)?;
    let not_made = |what: &str| EncodeError::Pipeline(format!("{what} in {text}"));
    let element = gst::parse::launch(text).map_err(|e| EncodeError::Pipeline(e.to_string()))?;
    let pipeline = element.downcast::<gst::Pipeline>().map_err(|_| not_made("no pipeline"))?;
    let input = pipeline.by_name("in").and_then(|e| e.downcast().ok()).ok_or_else(|| not_made("no input"))?;
    let output =
        pipeline.by_name("out").and_then(|e| e.downcast().ok()).ok_or_else(|| not_made("no output"))?;
    Ok((pipeline, input, output))
}

pub(crate) fn error_text(message: &gst::Message) -> String {
    match message.view() {
        gst::MessageView::Error(error) => error.error().to_string(),
        other => format!("{other:?}"),
    }
}

/// The access unit in a sample of an encoder, with its time as running time.
pub(crate) fn unit_of(sample: &gst::Sample, codec: Codec) -> Option<AccessUnit> {
    let buffer = sample.buffer()?;
    let segment = sample.segment()?.downcast_ref::<gst::ClockTime>()?;
    let at = segment.to_running_time(buffer.pts()?)?;
    let data = Bytes::copy_from_slice(&buffer.map_readable().ok()?);
    let starts = codec == Codec::Mjpeg || !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT);
    Some(AccessUnit { codec, at: Duration::from_nanos(at.nseconds()), starts, data })
}

fn pipeline_text(spec: &EncoderSpec, (in_width, in_height): (u32, u32)) -> String {
    let EncoderSpec { width, height, fps, .. } = spec;
    let mut text = format!(
        "appsrc name=in format=time block=true max-bytes=0 max-buffers={PICTURES_WAITING} \
         caps=video/x-raw,format=RGB,width={in_width},height={in_height},framerate={fps}/1 \
         ! videoconvert ! "
    );
    if (in_width, in_height) != (*width, *height) {
        text.push_str("videoscale ! ");
    }
    // A JPEG's samples use the whole range (JFIF); the encoder takes what it gets.
    let range = if spec.codec == Codec::Mjpeg { ",colorimetry=(string)1:4:0:0" } else { "" };
    let _ = write!(
        text,
        "video/x-raw,format=I420,width={width},height={height}{range} ! {} ",
        encoder_text(spec)
    );
    text.push_str("! appsink name=out sync=false max-buffers=16");
    text
}

/// The encoder and the caps behind it. One thread each: a street has one encoder a camera and few cores.
pub(crate) fn encoder_text(spec: &EncoderSpec) -> String {
    let EncoderSpec { keyframe_interval: interval, bitrate_kbps: kbps, .. } = spec;
    match (spec.codec, spec.gop) {
        (Codec::H264, gop) => {
            // Open GOPs need B pictures, which `zerolatency` forbids; look-ahead is kept to the least.
            let mode = match gop {
                Gop::Closed => "tune=zerolatency",
                Gop::IntraRefresh => "tune=zerolatency intra-refresh=true",
                Gop::Open => {
                    "bframes=1 b-adapt=false rc-lookahead=1 sync-lookahead=0 option-string=\"open-gop=1\""
                }
            };
            format!(
                "x264enc speed-preset=ultrafast threads=1 key-int-max={interval} bitrate={kbps} {mode} \
                 ! video/x-h264,stream-format=byte-stream,alignment=au"
            )
        }
        (Codec::H265, gop) => {
            let open = u8::from(gop != Gop::Closed);
            format!(
                "x265enc speed-preset=ultrafast tune=zerolatency key-int-max={interval} bitrate={kbps} log-level=none \
                 option-string=\"pools=none:frame-threads=1:repeat-headers=1:open-gop={open}\" \
                 ! video/x-h265,stream-format=byte-stream,alignment=au"
            )
        }
        (Codec::Mjpeg, _) => "jpegenc quality=75 ! image/jpeg".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access_unit::{NalKind, ParameterSets};
    use crate::pattern::Pattern;
    use std::sync::{Arc, Mutex};

    fn encode(codec: Codec, gop: Gop, frames: u32) -> Vec<AccessUnit> {
        let spec = EncoderSpec {
            codec,
            width: 320,
            height: 184,
            fps: 10,
            gop,
            keyframe_interval: 10,
            bitrate_kbps: 300,
        };
        let units = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&units);
        let encoder = Encoder::start(&spec, (320, 184), move |unit| kept.lock().unwrap().push(unit)).unwrap();
        for n in 0..frames {
            let at = Duration::from_millis(100) * n;
            let mut rgb = Vec::new();
            Pattern::Clock.paint(at, 320, 184, &mut rgb);
            encoder.push(rgb, at).unwrap();
        }
        encoder.finish().unwrap();
        let units = units.lock().unwrap();
        units.clone()
    }

    fn count(units: &[AccessUnit], wanted: NalKind) -> usize {
        units.iter().filter(|unit| unit.nals().any(|(kind, _)| kind == wanted)).count()
    }

    #[test]
    fn a_closed_stream_starts_every_group_with_parameter_sets_and_an_idr() {
        for codec in [Codec::H264, Codec::H265] {
            let units = encode(codec, Gop::Closed, 30);
            assert_eq!(units.len(), 30);
            assert_eq!(count(&units, NalKind::Idr), 3, "{codec:?}");
            for unit in units.iter().filter(|unit| unit.starts) {
                assert!(unit.is_idr() && ParameterSets::of(unit).is_some(), "{codec:?} at {:?}", unit.at);
            }
        }
    }

    #[test]
    fn an_open_stream_has_one_idr_and_can_be_entered_later() {
        for codec in [Codec::H264, Codec::H265] {
            let units = encode(codec, Gop::Open, 40);
            assert_eq!(units.len(), 40);
            assert_eq!(count(&units, NalKind::Idr), 1, "{codec:?}");
            let entries: Vec<_> = units.iter().filter(|unit| unit.starts).collect();
            assert!(entries.len() >= 3, "{codec:?} can be entered {} times", entries.len());
            assert!(entries.iter().all(|unit| ParameterSets::of(unit).is_some()));
        }
        assert!(count(&encode(Codec::H265, Gop::Open, 40), NalKind::Cra) >= 2);
    }

    #[test]
    fn intra_refresh_has_one_idr_and_repeats_its_parameter_sets() {
        let units = encode(Codec::H264, Gop::IntraRefresh, 40);
        assert_eq!(count(&units, NalKind::Idr), 1);
        assert!(count(&units, NalKind::Sps) >= 3);
    }

    #[test]
    fn a_jpeg_camera_gives_one_jpeg_a_picture_with_its_time() {
        let units = encode(Codec::Mjpeg, Gop::Closed, 5);
        assert_eq!(units.len(), 5);
        assert!(units.iter().all(|unit| unit.starts && unit.data.starts_with(&[0xff, 0xd8])));
        assert_eq!(units[4].at, Duration::from_millis(400));
    }
}
