//! Tests on what real encoders write: which access units are keyframes, and whether each can be decoded alone.

use super::*;
use crate::picture::Codec;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::{AppSink, AppSrc};

const FRAMES: usize = 60;
const TRIES: usize = 8;
const LIMIT: usize = 1 << 20;
const SOURCE: &str = "videotestsrc num-buffers=60 pattern=smpte horizontal-speed=3 \
                      ! video/x-raw,format=I420,width=192,height=128,framerate=25/1";

/// Runs a launch line to its end and collects what arrives at the element named `out`.
fn collect(pipeline: &gst::Pipeline) -> Vec<Vec<u8>> {
    let sink = pipeline.by_name("out").unwrap().downcast::<AppSink>().unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let buffers = std::iter::from_fn(|| sink.pull_sample().ok())
        .map(|sample| sample.buffer().unwrap().map_readable().unwrap().to_vec())
        .collect();
    pipeline.set_state(gst::State::Null).unwrap();
    buffers
}

fn launch(line: &str) -> gst::Pipeline {
    gst::init().unwrap();
    gst::parse::launch(line).unwrap().downcast().unwrap()
}

/// What arrives at the element named `out` of a launch line that runs to its end.
pub(crate) fn collect_line(line: &str) -> Vec<Vec<u8>> {
    collect(&launch(line))
}

/// The access units that an encoder makes of 60 frames.
pub(crate) fn encode(codec: Codec, encoder: &str) -> Vec<Vec<u8>> {
    let stream = match codec {
        Codec::H264 => "h264parse ! video/x-h264,stream-format=byte-stream,alignment=au",
        Codec::H265 => "h265parse ! video/x-h265,stream-format=byte-stream,alignment=au",
        Codec::Jpeg => "jpegparse",
    };
    let line = format!("{SOURCE} ! {encoder} ! {stream} ! appsink name=out sync=false");
    // The first unit of GStreamer's x265enc 1.22 now and then holds freed memory where its headers should be.
    let is_sound = |units: &Vec<Vec<u8>>| {
        units.len() == FRAMES && (codec != Codec::H265 || pictures_of(codec, &units[0]) == 1)
    };
    let mut tries = std::iter::repeat_with(|| collect(&launch(&line))).take(TRIES);
    tries.find(is_sound).expect("the encoder makes a unit of each frame")
}

/// How many pictures a fresh decoder makes of these bytes alone.
fn pictures_of(codec: Codec, keyframe: &[u8]) -> usize {
    let (caps, decoder) = match codec {
        Codec::H264 => ("video/x-h264,stream-format=byte-stream,alignment=au", "h264parse ! avdec_h264"),
        Codec::H265 => ("video/x-h265,stream-format=byte-stream,alignment=au", "h265parse ! avdec_h265"),
        Codec::Jpeg => ("image/jpeg", "jpegparse ! jpegdec"),
    };
    let pipeline = launch(&format!("appsrc name=in caps={caps} ! {decoder} ! appsink name=out sync=false"));
    let source = pipeline.by_name("in").unwrap().downcast::<AppSrc>().unwrap();
    source.push_buffer(gst::Buffer::from_slice(keyframe.to_vec())).unwrap();
    source.end_of_stream().unwrap();
    collect(&pipeline).len()
}

fn outcomes(codec: Codec, units: &[Vec<u8>]) -> Vec<Outcome> {
    let mut assembler = Assembler::new(codec, LIMIT);
    units.iter().map(|unit| assembler.push(Framing::AnnexB, unit)).collect()
}

/// Positions and kinds of the keyframes; each is checked to be decodable alone.
fn keyframes(codec: Codec, units: &[Vec<u8>]) -> Vec<(usize, KeyframeKind)> {
    let mut found = Vec::new();
    for (position, outcome) in outcomes(codec, units).into_iter().enumerate() {
        match outcome {
            Outcome::Keyframe { data, kind } => {
                assert_eq!(pictures_of(codec, &data), 1, "{kind:?} at {position} cannot be decoded alone");
                found.push((position, kind));
            }
            Outcome::Delta => {}
            other => panic!("access unit {position} became {other:?}"),
        }
    }
    found
}

#[test]
fn a_closed_gop_gives_its_idr_pictures() {
    use KeyframeKind::Idr;
    let units = encode(Codec::H264, "x264enc key-int-max=20 bframes=0 option-string=scenecut=0");
    assert_eq!(keyframes(Codec::H264, &units), [(0, Idr), (20, Idr), (40, Idr)]);
}

#[test]
fn an_open_gop_of_h264_gives_its_intra_pictures() {
    let units =
        encode(Codec::H264, "x264enc key-int-max=20 option-string=open-gop=1:bframes=2:b-adapt=0:scenecut=0");
    let found = keyframes(Codec::H264, &units);
    assert_eq!(found[0], (0, KeyframeKind::Idr));
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found[1..].iter().all(|(_, kind)| *kind == KeyframeKind::IntraOnly), "{found:?}");
}

#[test]
fn an_open_gop_of_h265_gives_its_clean_random_access_pictures() {
    let options = "open-gop=1:keyint=20:min-keyint=20:bframes=2:b-adapt=0:scenecut=0:pools=1:frame-threads=1";
    let units = encode(Codec::H265, &format!("x265enc option-string={options}"));
    let found = keyframes(Codec::H265, &units);
    assert_eq!(found[0], (0, KeyframeKind::Idr));
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found[1..].iter().all(|(_, kind)| *kind == KeyframeKind::RandomAccess), "{found:?}");
}

#[test]
fn a_closed_gop_of_h265_gives_its_idr_pictures() {
    let options = "open-gop=0:keyint=20:min-keyint=20:bframes=0:scenecut=0:pools=1:frame-threads=1";
    let units = encode(Codec::H265, &format!("x265enc option-string={options}"));
    let found: Vec<_> = keyframes(Codec::H265, &units).into_iter().map(|(position, _)| position).collect();
    assert_eq!(found, [0, 20, 40]);
}

#[test]
fn every_jpeg_is_a_keyframe() {
    let found = keyframes(Codec::Jpeg, &encode(Codec::Jpeg, "jpegenc")[..3]);
    assert_eq!(found.len(), 3);
    let cut = Assembler::new(Codec::Jpeg, LIMIT).push(Framing::AnnexB, b"<html>");
    assert_eq!(cut, Outcome::Unusable(Unusable::Malformed));
}

#[test]
fn intra_refresh_with_recovery_points_is_recognised_after_the_second() {
    let outcomes =
        outcomes(Codec::H264, &encode(Codec::H264, "x264enc intra-refresh=true key-int-max=10 bframes=0"));
    let kept = outcomes.iter().filter(|o| matches!(o, Outcome::Keyframe { .. })).count();
    assert_eq!(kept, 1, "only the first picture stands alone");
    let recognised = outcomes.iter().position(|o| *o == Outcome::GradualRefresh);
    assert!(recognised.is_some_and(|at| at <= 30), "recognised at {recognised:?}");
}

#[test]
fn intra_refresh_without_recovery_points_gives_no_false_keyframes() {
    // x265 announces none: there the stall limit finds that no keyframe comes.
    let options = "intra-refresh=1:keyint=10:bframes=0:pools=1:frame-threads=1";
    let units = encode(Codec::H265, &format!("x265enc option-string={options}"));
    assert_eq!(keyframes(Codec::H265, &units).len(), 1);
}

#[test]
fn a_lone_recovery_picture_of_an_intra_refresh_is_not_passed_as_a_keyframe() {
    let units = encode(Codec::H264, "x264enc intra-refresh=true key-int-max=10 bframes=0");
    // Joined in the middle, as with a server that shares one encoder: parameter sets are known, no IDR follows.
    let mut assembler = Assembler::new(Codec::H264, LIMIT);
    assembler.push(Framing::AnnexB, &units[0]);
    let rest: Vec<_> = units[5..].iter().map(|unit| assembler.push(Framing::AnnexB, unit)).collect();
    assert!(rest.iter().all(|o| matches!(o, Outcome::Delta | Outcome::GradualRefresh)), "{rest:?}");
}

#[test]
fn a_keyframe_without_its_parameter_sets_is_refused_by_name() {
    for (codec, encoder) in
        [(Codec::H264, "x264enc"), (Codec::H265, "x265enc option-string=pools=1:frame-threads=1")]
    {
        let units = encode(codec, encoder);
        let nals = nal::split(Framing::AnnexB, &units[0]).unwrap();
        for missing in [nal::NalKind::Sps, nal::NalKind::Pps] {
            let without: Vec<u8> = nals
                .iter()
                .filter(|nal| nal::NalKind::of(codec, nal) != missing)
                .flat_map(|nal| [&[0, 0, 0, 1][..], nal].concat())
                .collect();
            let outcome = Assembler::new(codec, LIMIT).push(Framing::AnnexB, &without);
            assert_eq!(
                outcome,
                Outcome::Unusable(Unusable::MissingParameterSets),
                "{codec:?} without {missing:?}"
            );
        }
    }
}

#[test]
fn parameter_sets_from_outside_make_a_stripped_keyframe_whole() {
    let units = encode(Codec::H265, "x265enc option-string=pools=1:frame-threads=1");
    let nals = nal::split(Framing::AnnexB, &units[0]).unwrap();
    let is_set = |nal: &&&[u8]| {
        matches!(
            nal::NalKind::of(Codec::H265, nal),
            nal::NalKind::Vps | nal::NalKind::Sps | nal::NalKind::Pps
        )
    };
    let mut assembler = Assembler::new(Codec::H265, LIMIT);
    nals.iter().filter(is_set).for_each(|nal| assembler.parameter_set(nal));
    let stripped: Vec<u8> = nals
        .iter()
        .filter(|nal| !is_set(nal))
        .flat_map(|nal| [&u32::try_from(nal.len()).unwrap().to_be_bytes()[..], nal].concat())
        .collect();
    let Outcome::Keyframe { data, .. } = assembler.push(Framing::LengthPrefixed, &stripped) else {
        panic!("no keyframe");
    };
    assert_eq!(pictures_of(Codec::H265, &data), 1);
}

#[test]
fn a_stream_that_changes_its_size_gets_the_sets_of_its_new_size() {
    let small = encode(Codec::H264, "x264enc key-int-max=60");
    let large = SOURCE.replace("192", "320");
    let line = format!(
        "{large} ! x264enc key-int-max=60 ! h264parse ! video/x-h264,stream-format=byte-stream,alignment=au ! appsink name=out sync=false"
    );
    let large = collect(&launch(&line));
    let mut assembler = Assembler::new(Codec::H264, LIMIT);
    for unit in [&small[0], &large[0], &small[0]] {
        let Outcome::Keyframe { data, .. } = assembler.push(Framing::AnnexB, unit) else {
            panic!("no keyframe")
        };
        let sps = |unit: &[u8]| {
            let nals = nal::split(Framing::AnnexB, unit).unwrap();
            nals.into_iter()
                .filter(|nal| nal::NalKind::of(Codec::H264, nal) == nal::NalKind::Sps)
                .map(<[u8]>::to_vec)
                .collect::<Vec<_>>()
        };
        assert_eq!(sps(&data), sps(unit));
        assert_eq!(pictures_of(Codec::H264, &data), 1);
    }
}

#[test]
fn damaged_access_units_are_told_and_never_panic() {
    let units = encode(Codec::H264, "x264enc key-int-max=10");
    for length in 0..units[0].len() {
        let _ = Assembler::new(Codec::H264, LIMIT).push(Framing::AnnexB, &units[0][..length]);
        let _ = Assembler::new(Codec::H265, LIMIT).push(Framing::AnnexB, &units[0][..length]);
        let _ = Assembler::new(Codec::H264, LIMIT).push(Framing::LengthPrefixed, &units[0][..length]);
    }
    let outcome = Assembler::new(Codec::H264, units[0].len() - 1).push(Framing::AnnexB, &units[0]);
    assert_eq!(outcome, Outcome::Unusable(Unusable::TooLarge));
}
