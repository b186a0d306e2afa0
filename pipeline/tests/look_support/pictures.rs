//! Pictures of known colours, encoded by GStreamer.

use bytes::Bytes;
use citybrain_pipeline::picture::{Codec, Keyframe, Yuv420};
use citybrain_types::{CameraId, Timestamp};
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::{AppSink, AppSrc};

pub const CODECS: [Codec; 3] = [Codec::H264, Codec::H265, Codec::Jpeg];

/// A colour as luma, blue and red difference.
pub type Colour = [u8; 3];

/// Colours far from each other: what one camera shows cannot be taken for another's.
pub fn colours(count: usize) -> Vec<Colour> {
    let ring = |n: usize| {
        let angle = n as f64 / count as f64 * std::f64::consts::TAU;
        let part = |value: f64| (128.0 + 60.0 * value).round() as u8;
        [if n.is_multiple_of(2) { 90 } else { 150 }, part(angle.cos()), part(angle.sin())]
    };
    (0..count).map(ring).collect()
}

/// A textured picture around a colour: the texture makes keyframes of some kilobytes, `seed` makes it another.
pub fn picture(width: u32, height: u32, colour: Colour, seed: u32) -> Yuv420 {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(12_345);
    let mut noise = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 27) as i16 - 16
    };
    let mut plane = |value: u8, pixels: u32, strength: i16| -> Vec<u8> {
        (0..pixels).map(|_| (i16::from(value) + noise() * strength / 16).clamp(16, 235) as u8).collect()
    };
    let half = width.div_ceil(2) * height.div_ceil(2);
    Yuv420 {
        width,
        height,
        y: plane(colour[0], width * height, 16),
        u: plane(colour[1], half, 2),
        v: plane(colour[2], half, 2),
        full_range: false,
    }
}

/// A picture without texture.
pub fn flat(width: u32, height: u32, colour: Colour) -> Yuv420 {
    let half = (width.div_ceil(2) * height.div_ceil(2)) as usize;
    let y = vec![colour[0]; (width * height) as usize];
    Yuv420 { width, height, y, u: vec![colour[1]; half], v: vec![colour[2]; half], full_range: false }
}

fn encoder(codec: Codec) -> &'static str {
    match codec {
        Codec::H264 => {
            "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=1 threads=1 bitrate=4000 \
             ! h264parse config-interval=-1 ! video/x-h264,stream-format=byte-stream,alignment=au"
        }
        Codec::H265 => {
            "x265enc tune=zerolatency speed-preset=ultrafast key-int-max=1 bitrate=4000 \
             option-string=pools=none:frame-threads=1:repeat-headers=1 \
             ! h265parse config-interval=-1 ! video/x-h265,stream-format=byte-stream,alignment=au"
        }
        Codec::Jpeg => "jpegenc quality=90",
    }
}

/// Each picture as a keyframe that stands on its own.
pub fn encode(codec: Codec, pictures: &[Yuv420]) -> Vec<Bytes> {
    encode_with(encoder(codec), pictures)
}

/// The access units that an encoder line makes of pictures of one size, one a picture.
pub fn encode_with(encoder: &str, pictures: &[Yuv420]) -> Vec<Bytes> {
    // The first unit of GStreamer's x265enc 1.22 now and then holds freed memory where its headers should be, and the
    // parser behind it makes none, one or two units of that. So a group of pictures goes in front, and the units are
    // counted from the end.
    let first_group = if encoder.contains("x265enc") { group_length(encoder) } else { 0 };
    let lead = std::iter::repeat_n(&pictures[0], first_group);
    let all: Vec<&Yuv420> = lead.chain(pictures).collect();
    let mut units = run(encoder, &all);
    assert!(units.len() >= pictures.len(), "{encoder} made {} units of {}", units.len(), all.len());
    units.split_off(units.len() - pictures.len())
}

fn group_length(encoder: &str) -> usize {
    let (_, after) =
        encoder.split_once("key-int-max=").expect("the encoder line states its group of pictures");
    after.split(' ').next().unwrap().parse().unwrap()
}

fn run(encoder: &str, pictures: &[&Yuv420]) -> Vec<Bytes> {
    gst::init().unwrap();
    let (width, height) = (pictures[0].width, pictures[0].height);
    let line = format!(
        "appsrc name=in format=time block=true caps=video/x-raw,format=I420,width={width},height={height},framerate=25/1 \
         ! {encoder} ! appsink name=out sync=false"
    );
    let pipeline: gst::Pipeline = gst::parse::launch(&line).unwrap().downcast().unwrap();
    let source = pipeline.by_name("in").unwrap().downcast::<AppSrc>().unwrap();
    let sink = pipeline.by_name("out").unwrap().downcast::<AppSink>().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let frames: Vec<gst::Buffer> = pictures.iter().zip(0..).map(|(picture, n)| buffer(picture, n)).collect();
    let feeder = std::thread::Builder::new().name("feed".into()).spawn(move || {
        for frame in frames {
            source.push_buffer(frame).unwrap();
        }
        let _ = source.end_of_stream();
    });
    let units = std::iter::from_fn(|| sink.pull_sample().ok())
        .map(|sample| Bytes::copy_from_slice(&sample.buffer().unwrap().map_readable().unwrap()))
        .collect();
    feeder.unwrap().join().unwrap();
    pipeline.set_state(gst::State::Null).unwrap();
    units
}

/// GStreamer wants rows of a multiple of four bytes.
fn buffer(picture: &Yuv420, number: u64) -> gst::Buffer {
    assert!(picture.width.is_multiple_of(8) && picture.height.is_multiple_of(2), "rows must need no padding");
    let mut bytes = picture.y.clone();
    bytes.extend_from_slice(&picture.u);
    bytes.extend_from_slice(&picture.v);
    let mut buffer = gst::Buffer::from_mut_slice(bytes);
    buffer.get_mut().unwrap().set_pts(gst::ClockTime::from_mseconds(number * 40));
    buffer
}

pub fn keyframe(camera: &CameraId, codec: Codec, data: Bytes, at: Timestamp) -> Keyframe {
    Keyframe { camera: camera.clone(), captured_at: at, received_at: at, codec, data }
}

/// The mean of each plane.
pub fn mean(picture: &Yuv420) -> [f64; 3] {
    [&picture.y, &picture.u, &picture.v]
        .map(|plane| plane.iter().map(|v| f64::from(*v)).sum::<f64>() / plane.len() as f64)
}
