//! What GStreamer takes in: RTSP over UDP, files, HTTP and HLS, capture devices, and every codec that has to be
//! decoded to be cut into pictures.
//!
//! Design decision: `uridecodebin` stops at H.264, H.265 and JPEG, so those leave as access units and cost no
//! decoding; only other codecs come out as raw video, and of those only the frames that a look needs are
//! converted. A pipeline costs some four threads, which is why RTSP over TCP does not come this way.

use super::failure::{self, Failure};
use super::gst_branch::Branches;
use super::intake::Intake;
use citybrain_ingest_config::resolved::{Credentials, Stream, Transport};
use citybrain_types::FailReason;
use gstreamer as gst;
use gstreamer::prelude::*;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::oneshot;

/// Waits for packets that come out of order. The default of 2 s would be a fifth of the time a fire may take.
const JITTER_BUFFER_MILLIS: u32 = 200;

/// The media of one connection, until it is closed: a streaming thread that has not stopped yet finds `None`.
pub(super) type SharedIntake = Arc<Mutex<Option<Intake>>>;

/// Plays until the media ends; `Ok` is the end of the stream. Dropping the future closes everything.
pub(crate) async fn run(stream: &Stream, intake: Intake) -> Result<(), Failure> {
    let (connection, ended) = Connection::open(stream, intake)?;
    // Opening a device or resolving a name may block.
    let pipeline = connection.pipeline.clone();
    let started = tokio::task::spawn_blocking(move || pipeline.set_state(gst::State::Playing)).await;
    match started {
        // The element's own message says why, and is in `ended` already.
        Ok(_) => {}
        Err(_) => return Err(Failure::new(FailReason::Internal, "starting the GStreamer pipeline panicked")),
    }
    ended.await.unwrap_or_else(|_| Err(Failure::new(FailReason::Internal, "the GStreamer bus was closed")))
}

struct Connection {
    pipeline: gst::Pipeline,
    intake: SharedIntake,
}

impl Connection {
    fn open(
        stream: &Stream,
        intake: Intake,
    ) -> Result<(Self, oneshot::Receiver<Result<(), Failure>>), Failure> {
        let pipeline = gst::Pipeline::new();
        let raw_interval = intake.channel().clone();
        let intake = Arc::new(Mutex::new(Some(intake)));
        let is_live = matches!(stream.address.scheme(), "rtsp" | "v4l2");
        let source = source(stream)?;
        let branches = Branches::new(&pipeline, Arc::clone(&intake), raw_interval, is_live);
        pipeline.connect_deep_element_added(|_, _, element| tune(element));
        source.connect_pad_added(move |_, pad| branches.link(pad));
        pipeline.add(&source).map_err(|error| Failure::new(FailReason::Internal, error.to_string()))?;
        let ended = watch_bus(&pipeline)?;
        Ok((Self { pipeline, intake }, ended))
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.intake.lock().unwrap_or_else(PoisonError::into_inner).take();
        let pipeline = self.pipeline.clone();
        let stop = move || {
            if let Some(bus) = pipeline.bus() {
                bus.unset_sync_handler();
            }
            // Nothing can be done about a pipeline that does not stop; it holds no intake any more.
            let _ = pipeline.set_state(gst::State::Null);
        };
        // Stopping joins streaming threads, which may be waiting for the network.
        if std::thread::Builder::new().name("gst-stop".to_owned()).spawn(stop).is_err() {
            tracing::error!(
                "no thread to stop a GStreamer pipeline: its resources are held until the program ends"
            );
        }
    }
}

pub(super) fn source(stream: &Stream) -> Result<gst::Element, Failure> {
    let stop_at = ["video/x-h264", "video/x-h265", "image/jpeg"].into_iter().map(gst::Structure::new_empty);
    let mut caps: gst::Caps = stop_at.collect();
    caps.make_mut()
        .append_structure_full(gst::Structure::new_empty("video/x-raw"), Some(gst::CapsFeatures::new_any()));
    let source = gst::ElementFactory::make("uridecodebin")
        .property("uri", stream.address.as_str())
        .property("caps", &caps)
        .property("expose-all-streams", false)
        .build()
        .map_err(|_| {
            let detail = "GStreamer's base plug-ins are missing: install gstreamer1.0-plugins-base";
            Failure::new(FailReason::Internal, detail)
        })?;
    let (transport, credentials) = (stream.transport, stream.credentials.clone());
    source.connect("source-setup", false, move |values| {
        if let Some(Ok(element)) = values.get(1).map(|value| value.get::<gst::Element>()) {
            set_up(&element, transport, credentials.as_ref());
        }
        None
    });
    Ok(source)
}

fn set_up(element: &gst::Element, transport: Transport, credentials: Option<&Credentials>) {
    if let Some(credentials) = credentials {
        for (property, value) in [("user-id", &credentials.user), ("user-pw", &credentials.password)] {
            if element.has_property(property) {
                element.set_property(property, value);
            }
        }
    }
    match element.factory().map(|factory| factory.name().to_string()).as_deref() {
        Some("rtspsrc") => {
            let protocols = match transport {
                Transport::Udp => "udp",
                Transport::Tcp => "tcp",
            };
            element.set_property_from_str("protocols", protocols);
            element.set_property("latency", JITTER_BUFFER_MILLIS);
            element.set_property("drop-on-latency", true);
            element.set_property("udp-reconnect", false);
            element.set_property_from_str("user-agent", "citybrain");
        }
        Some("souphttpsrc") => {
            element.set_property_from_str("user-agent", "citybrain");
            // Retries are the supervisor's, with its back-off.
            element.set_property("retries", 0_i32);
        }
        _ => {}
    }
}

/// Settings of elements that `uridecodebin` makes on its own.
pub(super) fn tune(element: &gst::Element) {
    match element.factory().map(|factory| factory.name().to_string()).as_deref() {
        // A camera's multipart stream holds one track. Not knowing that, `decodebin` waits for more of them until
        // its queues are full: minutes.
        Some("multipartdemux") => element.set_property("single-stream", true),
        // A pipeline must not take more cores than it is given.
        Some(name) if name.starts_with("avdec_") && element.has_property("max-threads") => {
            element.set_property("max-threads", 1_i32);
        }
        _ => {}
    }
}

fn watch_bus(pipeline: &gst::Pipeline) -> Result<oneshot::Receiver<Result<(), Failure>>, Failure> {
    let bus = pipeline
        .bus()
        .ok_or_else(|| Failure::new(FailReason::Internal, "the GStreamer pipeline has no bus"))?;
    let (tell, ended) = oneshot::channel();
    // The first end counts: what follows an error is its echo.
    let tell = Mutex::new(Some(tell));
    bus.set_sync_handler(move |_, message| {
        let end = match message.view() {
            gst::MessageView::Eos(_) => Some(Ok(())),
            gst::MessageView::Error(error) => Some(Err(failure::of_gstreamer(error))),
            _ => None,
        };
        if let Some(end) = end
            && let Some(tell) = tell.lock().unwrap_or_else(PoisonError::into_inner).take()
        {
            // Nobody listens when the connection was closed in this very moment.
            let _ = tell.send(end);
        }
        gst::BusSyncReply::Drop
    });
    Ok(ended)
}
