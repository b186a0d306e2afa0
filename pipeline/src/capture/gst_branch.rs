//! From a pad of `uridecodebin` to the intake: parsers for encoded video, a rate limit for raw video.

use super::gst::SharedIntake;
use super::intake::{Channel, Intake, Moments};
use super::pace;
use crate::keyframe::Framing;
use crate::picture::{Codec, Yuv420};
use citybrain_types::Duration;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::{AppSink, AppSinkCallbacks};
use gstreamer_video as gst_video;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Samples between the streaming thread and the callback that takes them: the callback runs in that very thread
/// and takes each at once, so this is never reached; a bound all the same.
const SINK_BUFFERS: u32 = 4;

/// Running time further back than this is a broken timestamp, not a delay.
const LONGEST_DELAY: Duration = Duration::from_secs(10);

/// Links the first video pad that appears and lets all others run dry.
pub(super) struct Branches {
    pipeline: gst::glib::WeakRef<gst::Pipeline>,
    intake: SharedIntake,
    channel: Channel,
    is_live: bool,
    has_video: AtomicBool,
}

impl Branches {
    pub(super) fn new(
        pipeline: &gst::Pipeline,
        intake: SharedIntake,
        channel: Channel,
        is_live: bool,
    ) -> Self {
        Self { pipeline: pipeline.downgrade(), intake, channel, is_live, has_video: AtomicBool::new(false) }
    }

    /// Links a new pad. What goes wrong is posted on the pipeline's bus, where the connection sees it.
    pub(super) fn link(&self, pad: &gst::Pad) {
        let Some(pipeline) = self.pipeline.upgrade() else { return };
        let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
        let name = caps.structure(0).map(|s| s.name().to_string()).unwrap_or_default();
        let is_video = name.starts_with("video/") || name == "image/jpeg";
        let is_first_video = is_video && !self.has_video.swap(true, Ordering::AcqRel);
        let branch = match name.as_str() {
            _ if !is_first_video => rest(),
            "video/x-h264" => self.encoded(Codec::H264),
            "video/x-h265" => self.encoded(Codec::H265),
            "image/jpeg" => self.encoded(Codec::Jpeg),
            _ => self.raw(),
        };
        let linked = branch.and_then(|elements| chain(&pipeline, pad, &elements)).map(|()| is_first_video);
        match linked {
            Ok(is_video) if is_video => with(&self.intake, |intake| intake.connected()),
            Ok(_) => {}
            Err(error) => {
                gst::element_error!(pipeline, gst::CoreError::Negotiation, ("cannot take in {name}: {error}"))
            }
        }
    }

    fn encoded(&self, codec: Codec) -> Result<Vec<gst::Element>, gst::glib::BoolError> {
        let (parser, caps) = parser(codec)?;
        let intake = Arc::clone(&self.intake);
        let mut known: Option<gst::Caps> = None;
        let is_live = self.is_live;
        let sink = sink(caps, move |sink, sample| {
            with(&intake, |intake| {
                if sample.caps() != known.as_deref() {
                    known = sample.caps_owned();
                    intake.media(codec, known.as_ref().and_then(size));
                }
                let Some(map) = sample.buffer().and_then(|buffer| buffer.map_readable().ok()) else { return };
                let moments = moments(is_live, sink, sample, intake);
                intake.access_unit(Framing::AnnexB, &map, moments);
            });
        })?;
        self.keep_pace(&parser, "src")?;
        Ok(vec![parser, sink])
    }

    fn raw(&self) -> Result<Vec<gst::Element>, gst::glib::BoolError> {
        let convert = gst::ElementFactory::make("videoconvert").build()?;
        // Before frames are dropped: behind the rate limit the file would rush by between two frames.
        self.keep_pace(&convert, "sink")?;
        limit_rate(&convert, self.channel.clone())?;
        let intake = Arc::clone(&self.intake);
        let is_live = self.is_live;
        let mut known: Option<gst::Caps> = None;
        let sink = sink("video/x-raw,format=I420", move |sink, sample| {
            with(&intake, |intake| {
                if sample.caps() != known.as_deref() {
                    known = sample.caps_owned();
                    intake.raw_media("raw", known.as_ref().and_then(size).unwrap_or_default());
                }
                if let Some(yuv) = yuv420(sample) {
                    intake.raw(yuv, moments(is_live, sink, sample, intake));
                }
            });
        })?;
        Ok(vec![convert, sink])
    }

    /// Files are played at their own pace; what is live is taken as it comes.
    fn keep_pace(&self, element: &gst::Element, pad: &str) -> Result<(), gst::glib::BoolError> {
        if !self.is_live {
            let pad = element.static_pad(pad).ok_or_else(|| gst::glib::bool_error!("no {pad} pad"))?;
            pace::keep(&pad);
        }
        Ok(())
    }
}

fn with(intake: &SharedIntake, take: impl FnOnce(&mut Intake)) {
    // A panic while taking a sample cannot leave more behind than a lost sample.
    if let Some(intake) = intake.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
        take(intake);
    }
}

/// The parser of a codec, and what it is to put out: whole access units with their parameter sets.
pub(super) fn parser(codec: Codec) -> Result<(gst::Element, &'static str), gst::glib::BoolError> {
    let (parser, caps) = match codec {
        Codec::H264 => ("h264parse", "video/x-h264,stream-format=byte-stream,alignment=au"),
        Codec::H265 => ("h265parse", "video/x-h265,stream-format=byte-stream,alignment=au"),
        Codec::Jpeg => ("jpegparse", "image/jpeg"),
    };
    let parser = gst::ElementFactory::make(parser).build()?;
    if parser.has_property("config-interval") {
        // Parameter sets in front of every IDR, wherever the container keeps them.
        parser.set_property("config-interval", -1_i32);
    }
    Ok((parser, caps))
}

pub(super) fn rest() -> Result<Vec<gst::Element>, gst::glib::BoolError> {
    Ok(vec![gst::ElementFactory::make("fakesink").property("sync", false).property("async", false).build()?])
}

pub(super) fn chain(
    pipeline: &gst::Pipeline,
    pad: &gst::Pad,
    elements: &[gst::Element],
) -> Result<(), gst::glib::BoolError> {
    pipeline.add_many(elements)?;
    gst::Element::link_many(elements)?;
    for element in elements.iter().rev() {
        element.sync_state_with_parent()?;
    }
    let entry = elements.first().and_then(|first| first.static_pad("sink"));
    let entry = entry.ok_or_else(|| gst::glib::bool_error!("the first element has no sink pad"))?;
    pad.link(&entry).map(|_| ()).map_err(|error| gst::glib::bool_error!("{error}"))
}

fn sink(
    caps: &str,
    mut take: impl FnMut(&AppSink, &gst::Sample) + Send + 'static,
) -> Result<gst::Element, gst::glib::BoolError> {
    use std::str::FromStr;
    let callbacks = AppSinkCallbacks::builder()
        .new_sample(move |sink| {
            let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
            take(sink, &sample);
            Ok(gst::FlowSuccess::Ok)
        })
        .build();
    let sink = AppSink::builder()
        .caps(&gst::Caps::from_str(caps)?)
        .sync(false)
        .max_buffers(SINK_BUFFERS)
        .drop(true)
        .callbacks(callbacks)
        .build();
    Ok(sink.upcast())
}

/// Lets a frame into `element` only when the last one is a raw interval away.
fn limit_rate(element: &gst::Element, channel: Channel) -> Result<(), gst::glib::BoolError> {
    let pad = element.static_pad("sink").ok_or_else(|| gst::glib::bool_error!("no sink pad"))?;
    let last = Mutex::new(None::<citybrain_types::Timestamp>);
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        let now = channel.clock.now();
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that was set back must not stop the camera.
        let due = last.is_none_or(|last| last > now || now.since(last) >= channel.raw_interval());
        if due {
            *last = Some(now);
            gst::PadProbeReturn::Ok
        } else {
            // The bindings take the buffer out of the probe: `Drop` would make GStreamer free it again.
            gst::PadProbeReturn::Handled
        }
    });
    Ok(())
}

fn size(caps: &gst::Caps) -> Option<(u32, u32)> {
    let structure = caps.structure(0)?;
    let side = |name| u32::try_from(structure.get::<i32>(name).ok()?).ok();
    Some((side("width")?, side("height")?))
}

/// The timestamp of a live source's buffer is when it arrived, in the pipeline's running time; the distance to the
/// present running time is how long ago that was. What is played is captured when it is due, which is now.
fn moments(is_live: bool, sink: &AppSink, sample: &gst::Sample, intake: &Intake) -> Moments {
    let received_at = intake.channel().clock.now();
    let delay = || {
        let pts = sample.buffer()?.pts()?;
        let segment = sample.segment()?.downcast_ref::<gst::ClockTime>()?;
        let delay = sink.current_running_time()?.checked_sub(segment.to_running_time(pts)?)?;
        Some(Duration::from_nanos(delay.nseconds())).filter(|delay| *delay <= LONGEST_DELAY)
    };
    let delay = if is_live { delay().unwrap_or_default() } else { Duration::ZERO };
    Moments { captured_at: received_at.minus(delay), received_at }
}

/// Copies an I420 sample into packed planes; `None` when the sample is not what its caps say.
pub(super) fn yuv420(sample: &gst::Sample) -> Option<Yuv420> {
    let info = gst_video::VideoInfo::from_caps(sample.caps()?).ok()?;
    let frame = gst_video::VideoFrameRef::from_buffer_ref_readable(sample.buffer()?, &info).ok()?;
    let (width, height) = (info.width(), info.height());
    let plane = |index: u32, width: u32, height: u32| {
        let stride = usize::try_from(*info.stride().get(index as usize)?).ok()?;
        let (width, height) = (width as usize, height as usize);
        let data = frame.plane_data(index).ok()?;
        let mut packed = Vec::with_capacity(width * height);
        for row in data.chunks(stride).take(height) {
            packed.extend_from_slice(row.get(..width)?);
        }
        (packed.len() == width * height).then_some(packed)
    };
    Some(Yuv420 {
        width,
        height,
        y: plane(0, width, height)?,
        u: plane(1, width.div_ceil(2), height.div_ceil(2))?,
        v: plane(2, width.div_ceil(2), height.div_ceil(2))?,
        full_range: info.colorimetry().range() == gst_video::VideoColorRange::Range0_255,
    })
}
