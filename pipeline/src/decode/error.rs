//! Why a picture could not be decoded.

use crate::picture::Codec;

/// The class of a decoding failure. The name is the metric label and the log field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DecodeFailure {
    /// libavcodec has no such decoder, or no memory.
    Unavailable,
    /// The bitstream breaks its own rules.
    Damaged,
    /// The end is missing.
    Incomplete,
    /// Parts were missing and were made up by the decoder.
    Concealed,
    /// Everything was taken and no picture came out.
    NoPicture,
    /// A side is longer than [`super::MAX_SIDE`], or zero.
    BadSize,
    /// A pixel format that is not supported.
    PixelFormat,
}

impl DecodeFailure {
    /// The name, as in the metric label `reason`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unavailable => "unavailable",
            Self::Damaged => "damaged",
            Self::Incomplete => "incomplete",
            Self::Concealed => "concealed",
            Self::NoPicture => "no_picture",
            Self::BadSize => "bad_size",
            Self::PixelFormat => "pixel_format",
        }
    }
}

/// A picture that could not be decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{codec} picture cannot be decoded ({reason}): {detail}", codec = .codec.map_or("raw", Codec::name), reason = .reason.name())]
pub struct DecodeError {
    /// How it is compressed; `None` for a raw picture.
    pub codec: Option<Codec>,
    /// The class of the failure.
    pub reason: DecodeFailure,
    /// What is known beyond that.
    pub detail: String,
}

impl DecodeError {
    pub(super) fn new(
        codec: impl Into<Option<Codec>>,
        reason: DecodeFailure,
        detail: impl Into<String>,
    ) -> Self {
        Self { codec: codec.into(), reason, detail: detail.into() }
    }
}
