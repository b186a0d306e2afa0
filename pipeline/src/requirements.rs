//! What the pipeline needs of the machine, checked without a camera.

use gstreamer as gst;

/// An element of GStreamer that some kind of camera needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Element {
    /// Its name, as `gst-inspect-1.0` knows it.
    pub name: &'static str,
    /// The Debian package that holds it.
    pub package: &'static str,
    /// What cannot be taken in without it.
    pub wanted_for: &'static str,
}

const fn element(name: &'static str, package: &'static str, wanted_for: &'static str) -> Element {
    Element { name, package, wanted_for }
}

const BASE: &str = "gstreamer1.0-plugins-base";
const GOOD: &str = "gstreamer1.0-plugins-good";
const BAD: &str = "gstreamer1.0-plugins-bad";

/// Every element that the pipeline makes by name or lets `uridecodebin` find.
pub const ELEMENTS: [Element; 15] = [
    element("uridecodebin", BASE, "files, HTTP, capture devices and RTSP over UDP"),
    element("appsink", BASE, "everything that comes through GStreamer"),
    element("videoconvert", BASE, "codecs other than H.264, H.265 and JPEG"),
    element("rtspsrc", GOOD, "RTSP over UDP"),
    element("rtpjitterbuffer", GOOD, "RTSP over UDP"),
    element("rtph264depay", GOOD, "H.264 over UDP"),
    element("souphttpsrc", GOOD, "HTTP and HLS"),
    element("qtdemux", GOOD, "MP4 files"),
    element("matroskademux", GOOD, "Matroska files"),
    element("multipartdemux", GOOD, "cameras that send JPEGs over HTTP"),
    element("v4l2src", GOOD, "capture devices"),
    element("hlsdemux", BAD, "HLS"),
    element("h264parse", BAD, "H.264 from files and over UDP"),
    element("h265parse", BAD, "H.265 from files and over UDP"),
    element("avdec_h264", "gstreamer1.0-libav", "streams without keyframes"),
];

/// What GStreamer this is, and which of the elements it lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GStreamer {
    /// Its version, for instance `GStreamer 1.22.0`.
    pub version: String,
    /// Whether it is 1.22 or later.
    pub is_new_enough: bool,
    /// What is not there.
    pub missing: Vec<Element>,
}

/// Starts GStreamer and looks for what is needed.
///
/// # Errors
/// What GStreamer says when it does not come up.
pub fn gstreamer() -> Result<GStreamer, String> {
    gst::init().map_err(|error| error.to_string())?;
    let (major, minor, ..) = gst::version();
    Ok(GStreamer {
        version: gst::version_string().to_string(),
        is_new_enough: (major, minor) >= (1, 22),
        missing: ELEMENTS
            .into_iter()
            .filter(|wanted| gst::ElementFactory::find(wanted.name).is_none())
            .collect(),
    })
}

pub use crate::decode::missing_codecs;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_that_builds_this_has_what_it_needs() {
        let found = gstreamer().unwrap();
        assert!(found.is_new_enough && found.missing.is_empty(), "{found:?}");
        assert!(missing_codecs().is_empty());
    }
}
