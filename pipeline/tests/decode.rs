//! Decoding is exact, also when the keyframes of many cameras are mixed and some of them are damaged.
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod look_support;

use bytes::Bytes;
use citybrain_pipeline::decode::{DecodeFailure, StreamDecoder, decode_keyframe};
use citybrain_pipeline::picture::{Codec, Keyframe, Yuv420};
use citybrain_types::{CameraId, Timestamp};
use look_support::pictures::{CODECS, Colour, colours, encode, encode_with, flat, keyframe, mean, picture};
use std::sync::Arc;

const SIZES: [(u32, u32); 3] = [(320, 192), (176, 144), (640, 360)];

struct Shown {
    keyframe: Keyframe,
    /// What a decoder that never saw anything else makes of it.
    alone: Yuv420,
    colour: Colour,
}

fn decode(keyframe: &Keyframe) -> Yuv420 {
    decode_keyframe(keyframe).unwrap().to_yuv420().unwrap()
}

/// Cameras of known colours, a few keyframes each, in every codec and size.
fn cameras() -> Vec<Shown> {
    let mut shown = Vec::new();
    for (n, colour) in colours(18).into_iter().enumerate() {
        let (codec, (width, height)) = (CODECS[n % 3], SIZES[n / 3 % 3]);
        let camera = CameraId::new(format!("camera-{n}")).unwrap();
        let pictures: Vec<_> =
            (0..3).map(|seed| picture(width, height, colour, seed + 10 * n as u32)).collect();
        for data in encode(codec, &pictures) {
            let keyframe = keyframe(&camera, codec, data, Timestamp::EPOCH);
            shown.push(Shown { alone: decode(&keyframe), keyframe, colour });
        }
    }
    shown
}

fn is_of_colour(picture: &Yuv420, colour: Colour) -> bool {
    let got = mean(picture);
    got.iter().zip(colour).all(|(got, want)| (got - f64::from(want)).abs() < 3.0)
}

/// A cheap deterministic order.
fn mixed(length: usize, rounds: usize) -> impl Iterator<Item = usize> {
    let mut state = 7_u64;
    (0..length * rounds).map(move |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % length
    })
}

#[test]
fn every_camera_keeps_its_colour_however_cameras_codecs_and_torn_keyframes_are_mixed() {
    let shown = Arc::new(cameras());
    for one in shown.iter() {
        assert!(is_of_colour(&one.alone, one.colour), "{:?}: {:?}", one.keyframe.camera, mean(&one.alone));
    }
    let work = |shown: Arc<Vec<Shown>>, offset: usize| {
        for (turn, n) in mixed(shown.len(), 6).skip(offset).enumerate() {
            let one = &shown[n];
            if turn % 3 == 0 {
                // The keyframe of another camera, torn somewhere, goes first.
                let torn = &shown[(n + 5) % shown.len()].keyframe;
                let keep = torn.data.len() * (1 + turn % 9) / 10;
                let torn = Keyframe { data: torn.data.slice(..keep), ..torn.clone() };
                assert!(
                    decode_keyframe(&torn).is_err(),
                    "{keep} bytes of {:?} were shown as a picture",
                    torn.codec
                );
            }
            assert_eq!(decode(&one.keyframe), one.alone, "{:?} shows something else", one.keyframe.camera);
        }
    };
    std::thread::scope(|scope| {
        (0..4).for_each(|offset| {
            drop(scope.spawn({
                let shown = Arc::clone(&shown);
                move || work(shown, offset)
            }))
        });
    });
}

#[test]
fn a_truncated_keyframe_is_refused_wherever_it_was_cut() {
    for codec in CODECS {
        let camera = CameraId::new("gate").unwrap();
        let data = encode(codec, &[picture(320, 192, [120, 100, 160], 3)]).remove(0);
        assert!(
            decode_keyframe(&keyframe(&camera, codec, data.clone(), Timestamp::EPOCH)).is_ok(),
            "{codec:?}"
        );
        // In its last few blocks a torn H.265 slice cannot be told from a whole one.
        let latest = if codec == Codec::H265 { 94 } else { 100 };
        for percent in (2..latest).step_by(4) {
            let cut = keyframe(&camera, codec, data.slice(..data.len() * percent / 100), Timestamp::EPOCH);
            assert!(decode_keyframe(&cut).is_err(), "{percent} % of a {codec:?} keyframe gave a picture");
        }
    }
}

#[test]
fn a_keyframe_that_lost_a_slice_is_refused() {
    let slices = "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=1 threads=1 option-string=slices=4 \
                  ! h264parse config-interval=-1 ! video/x-h264,stream-format=byte-stream,alignment=au";
    let data = encode_with(slices, &[picture(320, 192, [120, 100, 160], 3)]).remove(0);
    let starts: Vec<usize> =
        data.windows(4).enumerate().filter(|(_, w)| *w == [0, 0, 1, 0x65]).map(|(at, _)| at).collect();
    assert_eq!(starts.len(), 4, "the encoder made other slices than asked for");
    let camera = CameraId::new("gate").unwrap();
    assert!(decode_keyframe(&keyframe(&camera, Codec::H264, data.clone(), Timestamp::EPOCH)).is_ok());
    for lost in 0..4 {
        let end = starts.get(lost + 1).copied().unwrap_or(data.len());
        let rest = [&data[..starts[lost]], &data[end..]].concat();
        let without = keyframe(&camera, Codec::H264, Bytes::from(rest), Timestamp::EPOCH);
        assert!(decode_keyframe(&without).is_err(), "slice {lost} is missing and was made up");
    }
}

#[test]
fn random_damage_never_ends_the_program() {
    for codec in CODECS {
        let camera = CameraId::new("gate").unwrap();
        let data = encode(codec, &[picture(176, 144, [120, 100, 160], 3)]).remove(0);
        for (turn, at) in mixed(data.len(), 1).take(300).enumerate() {
            let mut damaged = data.to_vec();
            damaged[at] ^= (turn % 255) as u8 + 1;
            damaged[at / 2] = damaged[at / 2].wrapping_add(turn as u8);
            if let Ok(frame) = decode_keyframe(&keyframe(&camera, codec, damaged.into(), Timestamp::EPOCH)) {
                let _ = frame.to_yuv420();
            }
        }
    }
}

#[test]
fn what_is_not_a_picture_is_refused_with_its_reason() {
    let camera = CameraId::new("gate").unwrap();
    let refuse = |codec, data: &'static [u8]| {
        decode_keyframe(&keyframe(&camera, codec, Bytes::from_static(data), Timestamp::EPOCH)).unwrap_err()
    };
    for codec in CODECS {
        for data in [b"".as_slice(), b"\0\0\0\x01", b"HTTP/1.1 200 OK\r\n\r\n", &[0xff; 3_000]] {
            let error = refuse(codec, data);
            assert_eq!(error.codec, Some(codec));
            assert!(error.to_string().contains(codec.name()), "{error}");
        }
    }
    assert_eq!(refuse(Codec::Jpeg, b"\xff\xd8\xff\xe0").reason, DecodeFailure::Incomplete);
}

#[test]
fn a_keyframe_without_its_parameter_sets_is_refused() {
    let camera = CameraId::new("gate").unwrap();
    let data = encode(Codec::H264, &[picture(176, 144, [120, 100, 160], 3)]).remove(0);
    let slice = data.windows(4).position(|w| w == [0, 0, 1, 0x65]).unwrap();
    let bare = keyframe(&camera, Codec::H264, data.slice(slice..), Timestamp::EPOCH);
    assert!(decode_keyframe(&bare).is_err());
}

#[test]
fn jpegs_of_every_subsampling_and_grey_are_shown_in_their_colour() {
    let camera = CameraId::new("gate").unwrap();
    let colour = [150, 90, 170];
    for format in ["I420", "Y42B", "Y444", "GRAY8"] {
        let line = format!("videoconvert ! video/x-raw,format={format} ! jpegenc quality=95");
        let data = encode_with(&line, &[flat(176, 144, colour)]).remove(0);
        let shown = decode(&keyframe(&camera, Codec::Jpeg, data, Timestamp::EPOCH));
        assert!(shown.full_range, "{format}");
        let want = if format == "GRAY8" { [colour[0], 128, 128] } else { colour };
        assert!(is_of_colour(&shown, want), "{format}: {:?}", mean(&shown));
    }
}

#[test]
fn ten_bit_h265_is_shown_in_its_colour() {
    let camera = CameraId::new("gate").unwrap();
    let line = "videoconvert ! video/x-raw,format=I420_10LE ! x265enc tune=zerolatency key-int-max=1 \
                option-string=pools=none:frame-threads=1:repeat-headers=1 \
                ! h265parse config-interval=-1 ! video/x-h265,stream-format=byte-stream,alignment=au";
    let data = encode_with(line, &[flat(176, 144, [150, 90, 170])]).remove(0);
    let shown = decode(&keyframe(&camera, Codec::H265, data, Timestamp::EPOCH));
    assert!(is_of_colour(&shown, [150, 90, 170]), "{:?}", mean(&shown));
}

#[test]
fn full_decoding_gives_each_picture_its_own_moment() {
    // Each picture has its own luma; B-frames make the decoder put them out in another order than they went in.
    let pictures: Vec<_> = (0..40).map(|n| flat(176, 144, [40 + n * 4, 128, 128])).collect();
    for encoder in [
        "x264enc speed-preset=veryfast key-int-max=20 bframes=3 b-adapt=false threads=1 \
         ! h264parse ! video/x-h264,stream-format=byte-stream,alignment=au",
        "x264enc tune=zerolatency intra-refresh=true key-int-max=10 threads=1 \
         ! h264parse config-interval=-1 ! video/x-h264,stream-format=byte-stream,alignment=au",
        "x265enc tune=zerolatency key-int-max=20 option-string=pools=none:frame-threads=1:repeat-headers=1 \
         ! h265parse ! video/x-h265,stream-format=byte-stream,alignment=au",
    ] {
        let codec = if encoder.contains("h265") { Codec::H265 } else { Codec::H264 };
        let mut decoder = StreamDecoder::new(codec);
        let mut shown = Vec::new();
        for (n, unit) in encode_with(encoder, &pictures).iter().enumerate() {
            shown.extend(decoder.push(unit, Timestamp::from_millis(n as i64)).unwrap());
        }
        assert!(shown.len() >= 30, "{encoder}: only {} pictures came out", shown.len());
        shown.extend(decoder.finish().unwrap());
        assert_eq!(shown.len(), pictures.len(), "{encoder}: what is held back comes at the end");
        let lumas: Vec<f64> = shown.iter().map(|(_, picture)| mean(picture)[0]).collect();
        assert!(lumas.is_sorted_by(|a, b| *b - *a > 1.0), "{encoder}: {lumas:?}");
        if encoder.contains("zerolatency") {
            for ((moment, _), luma) in shown.iter().zip(&lumas) {
                let n = ((luma - 40.0) / 4.0).round() as i64;
                assert_eq!(moment.as_millis(), n, "{encoder}");
            }
        }
    }
}

#[test]
fn full_decoding_goes_on_after_damage() {
    let pictures: Vec<_> = (0..60).map(|n| picture(176, 144, [120, 100, 160], n)).collect();
    let encoder = "x264enc tune=zerolatency key-int-max=10 threads=1 \
                   ! h264parse config-interval=-1 ! video/x-h264,stream-format=byte-stream,alignment=au";
    let mut decoder = StreamDecoder::new(Codec::H264);
    let (mut refused, mut shown) = (0, 0);
    for (n, unit) in encode_with(encoder, &pictures).iter().enumerate() {
        let unit = if n == 23 { unit.slice(..unit.len() / 2) } else { unit.clone() };
        match decoder.push(&unit, Timestamp::from_millis(n as i64)) {
            Ok(pictures) => shown += pictures.len(),
            Err(_) => refused += 1,
        }
    }
    assert!(refused >= 1, "the damaged unit was taken");
    assert!(shown >= 45, "{shown} of 60 pictures after one damaged unit");
}
