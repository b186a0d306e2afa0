//! Keyframes to measure with, made by the program itself: no camera and no file is needed.

use crate::keyframe::{Assembler, Framing, Outcome};
use crate::picture::{Codec, Keyframe};
use citybrain_types::{CameraId, Timestamp};
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::{AppSink, AppSrc};

/// Why no keyframe could be made.
#[derive(Debug, thiserror::Error)]
pub enum KeyframeError {
    /// GStreamer has no encoder, or it does not run.
    #[error("no H.264 keyframe can be made to measure with: {0}; install gstreamer1.0-plugins-ugly and -bad")]
    Encoder(String),
}

/// One H.264 keyframe of a street-like picture: areas, edges and a sensor's noise. At 1080p it has some 200 KB, as a
/// camera's at 4 Mbit/s.
///
/// # Errors
/// [`KeyframeError`] when GStreamer lacks the encoder.
pub(super) fn make((width, height): (u32, u32)) -> Result<Keyframe, KeyframeError> {
    let failed = |error: &dyn std::fmt::Display| KeyframeError::Encoder(error.to_string());
    gst::init().map_err(|error| failed(&error))?;
    let line = format!(
        "appsrc name=in format=time caps=video/x-raw,format=I420,width={width},height={height},framerate=25/1 \
         ! x264enc tune=zerolatency speed-preset=veryfast pass=qual quantizer=26 key-int-max=1 threads=1 \
         ! h264parse config-interval=-1 ! video/x-h264,stream-format=byte-stream,alignment=au \
         ! appsink name=out sync=false"
    );
    let pipeline = gst::parse::launch(&line).map_err(|error| failed(&error))?;
    let pipeline = pipeline.downcast::<gst::Pipeline>().map_err(|_| failed(&"no pipeline"))?;
    let keyframe = encode(&pipeline, picture(width as usize, height as usize));
    let _ = pipeline.set_state(gst::State::Null);
    keyframe.ok_or_else(|| failed(&"the encoder gave no keyframe"))
}

fn encode(pipeline: &gst::Pipeline, picture: Vec<u8>) -> Option<Keyframe> {
    let source = pipeline.by_name("in")?.downcast::<AppSrc>().ok()?;
    let sink = pipeline.by_name("out")?.downcast::<AppSink>().ok()?;
    pipeline.set_state(gst::State::Playing).ok()?;
    let mut buffer = gst::Buffer::from_slice(picture);
    buffer.get_mut()?.set_pts(gst::ClockTime::ZERO);
    source.push_buffer(buffer).ok()?;
    source.end_of_stream().ok()?;
    let sample = sink.try_pull_sample(gst::ClockTime::from_seconds(30))?;
    let unit = sample.buffer()?.map_readable().ok()?.to_vec();
    let mut assembler = Assembler::new(Codec::H264, 64 << 20);
    let Outcome::Keyframe { data, .. } = assembler.push(Framing::AnnexB, &unit) else { return None };
    let moment = Timestamp::EPOCH;
    let camera = CameraId::new("calibration").ok()?;
    Some(Keyframe { camera, captured_at: moment, received_at: moment, codec: Codec::H264, data })
}

/// Planar 4:2:0, rows of luma padded to four bytes as GStreamer lays them out.
fn picture(width: usize, height: usize) -> Vec<u8> {
    let stride = |samples: usize| samples.div_ceil(4) * 4;
    let mut noise = 0x2545_f491_u32;
    let mut grain = || {
        noise ^= noise << 13;
        noise ^= noise >> 17;
        noise ^= noise << 5;
        (noise >> 29) as u8
    };
    let mut bytes = Vec::new();
    for y in 0..height {
        for x in 0..stride(width) {
            let (across, down) = (x * 1_920 / width.max(1), y * 1_080 / height.max(1));
            let house = 60 + (across / 160 * 37 + down / 300 * 61) % 120;
            let window = if across % 48 < 20 && down % 64 < 34 { 45 } else { 0 };
            bytes.push((house + window) as u8 + grain());
        }
    }
    for plane in 0..2 {
        for y in 0..height.div_ceil(2) {
            let row = 110 + (y * 40 / height.max(1) + plane * 20) as u8;
            bytes.extend((0..stride(width.div_ceil(2))).map(|x| row + (x / 64 % 7) as u8));
        }
    }
    bytes
}
