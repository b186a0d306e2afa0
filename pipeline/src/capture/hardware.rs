//! Hardware decoders where GStreamer has them.
//!
//! Design decision: what GStreamer decodes (VP8, VP9, AV1, MPEG, and whatever else is neither H.264, H.265 nor JPEG) it
//! decodes by the element of the highest rank. Those of VA-API have none in GStreamer 1.22, and those of NVDEC not always
//! the highest, so each that is registered is put in front of the software's. An element is registered only where its
//! device is: without one nothing changes. Should a device refuse a stream, `decodebin` goes on with the next in rank.

use gstreamer as gst;
use gstreamer::prelude::*;

/// Decoders in hardware, the better one of two for the same codec first.
const HARDWARE: [&str; 18] = [
    "vah264dec",
    "vah265dec",
    "vaav1dec",
    "vavp9dec",
    "vavp8dec",
    "vampeg2dec",
    "vajpegdec",
    "nvh264sldec",
    "nvh265sldec",
    "nvh264dec",
    "nvh265dec",
    "nvav1dec",
    "nvvp9dec",
    "nvvp8dec",
    "nvmpeg4videodec",
    "nvmpeg2videodec",
    "nvmpegvideodec",
    "nvjpegdec",
];

/// What is put in front of every software decoder; GStreamer's own highest is 256 (primary) and a little.
const FIRST_RANK: i32 = 512;

/// Puts hardware decoders in front; gives the names of those there are. Asked again it does no more.
///
/// GStreamer must be initialised.
pub fn prefer() -> Vec<&'static str> {
    // Who has set ranks of his own is not overruled.
    let set = std::env::var("GST_PLUGIN_FEATURE_RANK").unwrap_or_default();
    let mut found = Vec::new();
    for (name, place) in HARDWARE.into_iter().zip(0_i32..) {
        if let Some(factory) = gst::ElementFactory::find(name).filter(|_| !set.contains(name)) {
            factory.set_rank(gst::Rank::from(FIRST_RANK - place));
            found.push(name);
        }
    }
    if !found.is_empty() {
        tracing::info!(decoders = found.join(", "), "hardware decoders are used where GStreamer decodes");
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    /// What GStreamer would decode VP8 by: the first in rank of all that can.
    fn chosen() -> String {
        let mut all =
            gst::ElementFactory::factories_with_type(gst::ElementFactoryType::DECODER, gst::Rank::MARGINAL)
                .into_iter()
                .filter(|factory| factory.can_sink_any_caps(&gst::Caps::builder("video/x-vp8").build()))
                .collect::<Vec<_>>();
        all.sort_by_key(|factory| std::cmp::Reverse(factory.rank()));
        all[0].name().to_string()
    }

    // One test, since what is registered is registered for the process.
    #[test]
    fn a_hardware_decoder_that_is_there_is_taken_and_without_one_the_softwares_is() {
        gst::init().unwrap();
        assert!(prefer().iter().all(|name| gst::ElementFactory::find(name).is_some()));
        if gst::ElementFactory::find("vavp8dec").is_some() {
            assert_eq!(chosen(), "vavp8dec", "this machine has the real one");
            return;
        }
        let software = chosen();
        assert_ne!(software, "vavp8dec");
        // Stands in for the one that GStreamer registers where there is a device: without a rank, as there.
        let stand_in = gst::ElementFactory::find("vp8dec").unwrap().load().unwrap();
        gst::Element::register(None, "vavp8dec", gst::Rank::NONE, stand_in.element_type()).unwrap();
        assert_eq!(chosen(), software, "it has no rank yet");
        assert!(prefer().contains(&"vavp8dec"));
        assert_eq!(chosen(), "vavp8dec");
    }
}
