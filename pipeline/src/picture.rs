//! What travels from `capture` to `decode`: a compressed keyframe, or a raw frame where no keyframe can be had.

use bytes::Bytes;
use citybrain_types::{CameraId, Timestamp};

/// How a keyframe is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// H.264 / AVC, Annex B.
    H264,
    /// H.265 / HEVC, Annex B.
    H265,
    /// One JPEG picture.
    Jpeg,
}

impl Codec {
    /// The codec's name, as in metric labels and log fields.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::H264 => "h264",
            Self::H265 => "h265",
            Self::Jpeg => "jpeg",
        }
    }
}

/// A picture that can be decoded on its own: its parameter sets stand before its slices.
#[derive(Debug, Clone)]
pub struct Keyframe {
    /// The camera it belongs to, and to no other.
    pub camera: CameraId,
    /// When it was taken, as well as it is known on this machine's clock.
    pub captured_at: Timestamp,
    /// When its last byte had arrived.
    pub received_at: Timestamp,
    /// How it is compressed.
    pub codec: Codec,
    /// Annex B access unit with in-band parameter sets, or a whole JPEG.
    pub data: Bytes,
}

/// A raw picture, planar 4:2:0, from a camera that had to be decoded in full or that sends raw video.
#[derive(Debug, Clone)]
pub struct RawFrame {
    /// The camera it belongs to.
    pub camera: CameraId,
    /// When it was taken.
    pub captured_at: Timestamp,
    /// When it had arrived.
    pub received_at: Timestamp,
    /// Its pixels.
    pub yuv: Yuv420,
}

/// Planar 4:2:0 pixels; rows are packed, chroma planes are `ceil(width/2) × ceil(height/2)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Yuv420 {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Luma.
    pub y: Vec<u8>,
    /// Blue difference.
    pub u: Vec<u8>,
    /// Red difference.
    pub v: Vec<u8>,
    /// Samples use the whole range `0..=255` (JPEG) instead of `16..=235`.
    pub full_range: bool,
}

/// What a camera's mailbox holds.
#[derive(Debug, Clone)]
pub enum Picture {
    /// Still compressed.
    Keyframe(Keyframe),
    /// Already decoded.
    Raw(RawFrame),
}

impl Picture {
    /// The camera it belongs to.
    #[must_use]
    pub const fn camera(&self) -> &CameraId {
        match self {
            Self::Keyframe(keyframe) => &keyframe.camera,
            Self::Raw(frame) => &frame.camera,
        }
    }

    /// When it was taken.
    #[must_use]
    pub const fn captured_at(&self) -> Timestamp {
        match self {
            Self::Keyframe(keyframe) => keyframe.captured_at,
            Self::Raw(frame) => frame.captured_at,
        }
    }

    /// When it had arrived.
    #[must_use]
    pub const fn received_at(&self) -> Timestamp {
        match self {
            Self::Keyframe(keyframe) => keyframe.received_at,
            Self::Raw(frame) => frame.received_at,
        }
    }
}
