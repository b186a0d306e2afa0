//! From a compressed keyframe to a small RGB picture.
//!
//! Design decision: every keyframe is decoded in a fresh libavcodec context. A context shared between cameras
//! can show one camera's picture as another's after a damaged keyframe, without any flag; a context per camera
//! costs 15 MiB each. A fresh one costs at most 7 % more time and cannot mix anything: camera and moment never
//! pass through the decoder, they stay with the call. Damaged keyframes are refused, not concealed.

mod access_unit;
mod error;
mod frame;
mod hole;
mod libav;
mod resample;
mod scale;
mod stream;

pub use error::{DecodeError, DecodeFailure};
pub use frame::{Frame, Matrix, Part, Plane, Planes};
pub use scale::{Area, Scaler};
pub use stream::StreamDecoder;

use crate::picture::{Codec, Keyframe, Picture};

/// Neither side of a picture may be longer: 8K video fits, and a forged header cannot ask for gigabytes.
pub const MAX_SIDE: u32 = 8192;

/// Decodes a keyframe in a context of its own.
///
/// # Errors
/// [`DecodeError`] when anything about it is damaged, incomplete or not supported. It costs this keyframe only.
pub fn decode_keyframe(keyframe: &Keyframe) -> Result<Frame, DecodeError> {
    let codec = keyframe.codec;
    if codec == Codec::Jpeg && !ends_as_jpeg(&keyframe.data) {
        // libavcodec would make up the missing end.
        return Err(DecodeError::new(codec, DecodeFailure::Incomplete, "the end-of-image marker is missing"));
    }
    match decode_alone(keyframe, libav::Purpose::Keyframe) {
        // Some whole H.265 pictures, plain ones above all, do not bear the bits that show up a torn slice.
        Err(error) if codec == Codec::H265 && error.reason == DecodeFailure::Damaged => {
            decode_alone(keyframe, libav::Purpose::Stream)
        }
        decoded => decoded,
    }
}

/// Codecs whose decoder cannot be opened on this machine.
#[must_use]
pub fn missing_codecs() -> Vec<Codec> {
    let all = [Codec::H264, Codec::H265, Codec::Jpeg];
    all.into_iter().filter(|codec| libav::Decoder::open(*codec, libav::Purpose::Keyframe).is_err()).collect()
}

fn decode_alone(keyframe: &Keyframe, purpose: libav::Purpose) -> Result<Frame, DecodeError> {
    let mut decoder = libav::Decoder::open(keyframe.codec, purpose)?;
    decoder.send(&keyframe.data, 0)?;
    decoder.drain()?;
    match decoder.receive() {
        Some(decoded) => decoded.map(|(_, frame)| frame),
        None => Err(DecodeError::new(keyframe.codec, DecodeFailure::NoPicture, "no picture came out")),
    }
}

/// Gives the pixels of a picture, decoding where it is compressed. A raw picture is given as it is.
///
/// # Errors
/// As [`decode_keyframe`].
pub fn open_picture(picture: Picture) -> Result<Frame, DecodeError> {
    match picture {
        Picture::Keyframe(keyframe) => decode_keyframe(&keyframe),
        Picture::Raw(raw) => Frame::from_yuv420(raw.yuv),
    }
}

/// Cameras pad the last RTP packet, so the marker may be followed by a few bytes.
fn ends_as_jpeg(data: &[u8]) -> bool {
    const PADDING: usize = 64;
    let tail = &data[data.len().saturating_sub(PADDING)..];
    tail.windows(2).any(|pair| pair == [0xff, 0xd9])
}
