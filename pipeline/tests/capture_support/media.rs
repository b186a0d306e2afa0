//! Small moving pictures: as launch lines for the RTSP server, as files, as access units.

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::AppSink;
use std::path::Path;

pub const SIZE: (u32, u32) = (160, 96);

/// A live test picture, 10 frames a second.
pub const LIVE: &str =
    "videotestsrc is-live=true pattern=ball ! video/x-raw,format=I420,width=160,height=96,framerate=10/1";
/// A keyframe every half second.
pub const H264: &str = "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=5 threads=1";
pub const H265: &str = "x265enc speed-preset=ultrafast tune=zerolatency key-int-max=5 option-string=pools=none:frame-threads=1:scenecut=0";

pub fn rtsp_h264() -> String {
    format!("{LIVE} ! {H264} ! rtph264pay name=pay0 pt=96")
}

pub fn rtsp_h265() -> String {
    format!("{LIVE} ! {H265} ! rtph265pay name=pay0 pt=96")
}

pub fn rtsp_mjpeg() -> String {
    format!("{LIVE} ! jpegenc ! rtpjpegpay name=pay0 pt=26")
}

/// Writes a file of `frames` pictures through `rest`, an encoder and a muxer.
pub fn write_file(path: &Path, frames: usize, rest: &str) {
    let line = format!(
        "videotestsrc num-buffers={frames} pattern=ball ! video/x-raw,format=I420,width=160,height=96,framerate=10/1 \
         ! {rest} ! filesink location={}",
        path.display()
    );
    run_to_end(&line);
}

/// Runs a launch line until it ends.
pub fn run_to_end(line: &str) {
    gst::init().unwrap();
    let pipeline = gst::parse::launch(line).unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let message = pipeline.bus().unwrap().timed_pop_filtered(
        gst::ClockTime::from_seconds(30),
        &[gst::MessageType::Eos, gst::MessageType::Error],
    );
    pipeline.set_state(gst::State::Null).unwrap();
    assert!(matches!(message.unwrap().view(), gst::MessageView::Eos(_)), "{line} failed");
}

/// The buffers a launch line makes, which ends in `appsink name=out`.
pub fn buffers(line: &str) -> Vec<Vec<u8>> {
    gst::init().unwrap();
    let pipeline: gst::Pipeline = gst::parse::launch(line).unwrap().downcast().unwrap();
    let sink = pipeline.by_name("out").unwrap().downcast::<AppSink>().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let buffers = std::iter::from_fn(|| sink.pull_sample().ok())
        .map(|sample| sample.buffer().unwrap().map_readable().unwrap().to_vec())
        .collect();
    pipeline.set_state(gst::State::Null).unwrap();
    buffers
}
