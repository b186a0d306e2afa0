//! Made-up footage whose keyframes cost what a street's keyframes cost: detail at every scale, as in a photograph.

use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use citybrain_pipeline::picture::Yuv420;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::{AppSink, AppSrc};
use std::path::Path;
use std::thread::JoinHandle;

/// Deterministic noise in `-1..=1` at whole coordinates.
fn noise(x: i64, y: i64, seed: u64) -> f32 {
    let mut state = (x as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        ^ (y as u64).wrapping_mul(0xc2b2_ae3d_27d4_eb4f)
        ^ seed;
    state = (state ^ (state >> 31)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    state = (state ^ (state >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    ((state >> 40) as f32) / 8_388_608.0 - 1.0
}

/// One plane: octaves of smooth noise, each half as strong as the one before, so that energy falls with
/// frequency as it does in photographs.
fn plane(width: u32, height: u32, strength: f32, seed: u64) -> Vec<u8> {
    let mut sums = vec![0.0_f32; width as usize * height as usize];
    for octave in 0..7 {
        let cell = (128 >> octave) as f32;
        let weight = strength * 0.55_f32.powi(octave);
        for (row, line) in sums.chunks_exact_mut(width as usize).enumerate() {
            let (y, v) = split(row as f32 / cell);
            for (column, sum) in line.iter_mut().enumerate() {
                let (x, u) = split(column as f32 / cell);
                let at = |dx, dy| noise(x + dx, y + dy, seed + octave as u64);
                let top = at(0, 0) * (1.0 - u) + at(1, 0) * u;
                let bottom = at(0, 1) * (1.0 - u) + at(1, 1) * u;
                *sum += weight * (top * (1.0 - v) + bottom * v);
            }
        }
    }
    sums.into_iter().map(|sum| (126.0 + sum).clamp(16.0, 235.0) as u8).collect()
}

fn split(value: f32) -> (i64, f32) {
    (value.floor() as i64, value.fract())
}

/// A picture of detail at every scale.
#[must_use]
pub fn picture(width: u32, height: u32, seed: u64) -> Yuv420 {
    let half = (width.div_ceil(2), height.div_ceil(2));
    Yuv420 {
        width,
        height,
        y: plane(width, height, 70.0, seed),
        u: plane(half.0, half.1, 12.0, seed + 100),
        v: plane(half.0, half.1, 12.0, seed + 200),
        full_range: false,
    }
}

/// A window of a picture with this much room around it wanders through it.
const ROOM: u32 = 96;

/// H.264 keyframes of `count` such pictures, as a camera of good quality sends them.
///
/// # Errors
/// When GStreamer or its x264 plug-in is missing.
pub fn h264_keyframes(width: u32, height: u32, count: u64) -> anyhow::Result<Vec<Bytes>> {
    let pictures = (0..count).map(move |number| picture(width, height, number * 1_000));
    encode(width, height, count, pictures)
}

/// H.264 keyframes of `count` scenes, two of each: empty, and with something as large as a van in it.
///
/// # Errors
/// When GStreamer or its x264 plug-in is missing.
pub fn h264_scenes(width: u32, height: u32, count: u64) -> anyhow::Result<Vec<[Bytes; 2]>> {
    let pictures = (0..count).flat_map(move |number| {
        let empty = picture(width, height, number * 1_000);
        let passed = with_a_van(empty.clone());
        [empty, passed]
    });
    let keyframes = encode(width, height, count * 2, pictures)?;
    Ok(keyframes.chunks_exact(2).map(|pair| [pair[0].clone(), pair[1].clone()]).collect())
}

/// The lower middle of the picture, a sixth of its width and height, made lighter.
fn with_a_van(mut picture: Yuv420) -> Yuv420 {
    let (width, height) = (picture.width as usize, picture.height as usize);
    for row in picture.y.chunks_exact_mut(width).skip(height / 2).take(height / 6) {
        row[width / 2..width / 2 + width / 6]
            .iter_mut()
            .for_each(|luma| *luma = luma.saturating_add(50).min(235));
    }
    picture
}

fn encode(
    width: u32,
    height: u32,
    count: u64,
    pictures: impl Iterator<Item = Yuv420> + Send + 'static,
) -> anyhow::Result<Vec<Bytes>> {
    let rest = "x264enc pass=quant quantizer=28 speed-preset=veryfast key-int-max=1 threads=1 \
                ! h264parse config-interval=-1 ! video/x-h264,stream-format=byte-stream,alignment=au \
                ! appsink name=out sync=false";
    let pipeline = launch(width, height, rest)?;
    let sink =
        pipeline.by_name("out").context("no appsink")?.downcast::<AppSink>().ok().context("no appsink")?;
    pipeline.set_state(gst::State::Playing)?;
    let feeder = feed(&pipeline, pictures)?;
    let mut keyframes = Vec::new();
    while let Ok(sample) = sink.pull_sample() {
        let buffer = sample.buffer().context("a sample without a buffer")?;
        keyframes.push(Bytes::copy_from_slice(&buffer.map_readable()?));
    }
    feeder.join().map_err(|_| anyhow::anyhow!("the feeding thread panicked"))??;
    pipeline.set_state(gst::State::Null)?;
    ensure!(keyframes.len() as u64 == count, "{} of {count} pictures were encoded", keyframes.len());
    Ok(keyframes)
}

/// Writes a Matroska file of H.264: a slow pan, 25 frames and one keyframe a second, as a camera of good quality
/// sends it.
///
/// # Errors
/// When GStreamer or one of its plug-ins is missing, or the file cannot be written.
pub fn h264_file(path: &Path, width: u32, height: u32, seconds: u32) -> anyhow::Result<()> {
    let whole = picture(width + ROOM, height + ROOM, 7);
    let frames = seconds * 25;
    let pictures = (0..frames).map(move |n| window(&whole, width, height, n));
    let rest = format!(
        "x264enc pass=quant quantizer=28 speed-preset=superfast tune=zerolatency key-int-max=25 threads=1 \
         option-string=scenecut=0 ! h264parse ! matroskamux ! filesink location={}",
        path.display()
    );
    let pipeline = launch(width, height, &rest)?;
    pipeline.set_state(gst::State::Playing)?;
    let feeder = feed(&pipeline, pictures)?;
    let bus = pipeline.bus().context("a pipeline without a bus")?;
    let ends = [gst::MessageType::Eos, gst::MessageType::Error];
    let message = bus.timed_pop_filtered(gst::ClockTime::from_seconds(120), &ends);
    feeder.join().map_err(|_| anyhow::anyhow!("the feeding thread panicked"))??;
    pipeline.set_state(gst::State::Null)?;
    match message.as_ref().map(|message| message.view()) {
        Some(gst::MessageView::Eos(_)) => Ok(()),
        Some(gst::MessageView::Error(error)) => bail!("{} cannot be made: {}", path.display(), error.error()),
        _ => bail!("{} was not made in time", path.display()),
    }
}

/// The part of a picture that a panning camera sees in frame `n`; offsets are even, as chroma needs.
fn window(whole: &Yuv420, width: u32, height: u32, n: u32) -> Yuv420 {
    let swing = |period: u32| {
        let phase = n % (2 * period);
        phase.min(2 * period - phase) * (ROOM / 2) / period * 2
    };
    let (left, top) = (swing(100), swing(70));
    let cut = |plane: &[u8], stride: u32, left: u32, top: u32, width: u32, height: u32| -> Vec<u8> {
        let rows = plane.chunks_exact(stride as usize).skip(top as usize).take(height as usize);
        rows.flat_map(|row| &row[left as usize..(left + width) as usize]).copied().collect()
    };
    let stride = whole.width;
    let half = |plane| cut(plane, stride / 2, left / 2, top / 2, width / 2, height / 2);
    Yuv420 {
        width,
        height,
        y: cut(&whole.y, stride, left, top, width, height),
        u: half(&whole.u),
        v: half(&whole.v),
        full_range: false,
    }
}

fn launch(width: u32, height: u32, rest: &str) -> anyhow::Result<gst::Pipeline> {
    gst::init()?;
    let line = format!(
        "appsrc name=in format=time block=true \
         caps=video/x-raw,format=I420,width={width},height={height},framerate=25/1 ! {rest}"
    );
    gst::parse::launch(&line)?.downcast().ok().context("a launch line that is no pipeline")
}

fn feed(
    pipeline: &gst::Pipeline,
    pictures: impl Iterator<Item = Yuv420> + Send + 'static,
) -> anyhow::Result<JoinHandle<anyhow::Result<()>>> {
    let source =
        pipeline.by_name("in").context("no appsrc")?.downcast::<AppSrc>().ok().context("no appsrc")?;
    let work = move || {
        for (Yuv420 { mut y, u, v, .. }, number) in pictures.zip(0..) {
            y.extend(u);
            y.extend(v);
            let mut buffer = gst::Buffer::from_mut_slice(y);
            if let Some(buffer) = buffer.get_mut() {
                buffer.set_pts(gst::ClockTime::from_mseconds(number * 40));
            }
            source.push_buffer(buffer)?;
        }
        source.end_of_stream()?;
        Ok(())
    };
    Ok(std::thread::Builder::new().name("feed".into()).spawn(work)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pan_stays_inside_its_picture_and_moves() {
        let whole = picture(64 + ROOM, 32 + ROOM, 1);
        let first = window(&whole, 64, 32, 0);
        assert_eq!((first.y.len(), first.u.len(), first.v.len()), (64 * 32, 32 * 16, 32 * 16));
        assert_ne!(first, window(&whole, 64, 32, 50));
        (0..400).for_each(|n| assert_eq!(window(&whole, 64, 32, n).y.len(), 64 * 32));
    }
}
