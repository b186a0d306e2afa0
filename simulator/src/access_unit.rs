//! One compressed picture, and what can be read from it without decoding.

use bytes::{BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How a camera compresses its pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Codec {
    /// H.264 / AVC.
    H264,
    /// H.265 / HEVC.
    H265,
    /// A JPEG per picture.
    Mjpeg,
}

/// A compressed picture: an Annex B access unit, or a whole JPEG.
#[derive(Debug, Clone)]
pub struct AccessUnit {
    /// How it is compressed.
    pub codec: Codec,
    /// Street time of the picture (since the street started; in a clip, since the clip's start).
    pub at: Duration,
    /// The encoder says that decoding may start here: IDR, CRA or a recovery point; every JPEG.
    pub starts: bool,
    /// The bytes.
    pub data: Bytes,
}

/// What a NAL unit is to someone who serves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NalKind {
    /// H.265 video parameter set.
    Vps,
    /// Sequence parameter set.
    Sps,
    /// Picture parameter set.
    Pps,
    /// A slice of an instantaneous refresh: H.264 type 5, H.265 types 19 and 20.
    Idr,
    /// A slice of an H.265 clean random access picture, type 21.
    Cra,
    /// Any other slice.
    Slice,
    /// Anything else: delimiters, SEI.
    Other,
}

impl NalKind {
    /// Reads the kind from a NAL unit's header (H.264 7.3.1, H.265 7.3.1.2).
    #[must_use]
    pub fn of(codec: Codec, nal: &[u8]) -> Self {
        let Some(first) = nal.first() else { return Self::Other };
        match codec {
            Codec::H264 => match first & 0x1f {
                7 => Self::Sps,
                8 => Self::Pps,
                5 => Self::Idr,
                1..=4 => Self::Slice,
                _ => Self::Other,
            },
            Codec::H265 => match (first >> 1) & 0x3f {
                32 => Self::Vps,
                33 => Self::Sps,
                34 => Self::Pps,
                19 | 20 => Self::Idr,
                21 => Self::Cra,
                0..=31 => Self::Slice,
                _ => Self::Other,
            },
            Codec::Mjpeg => Self::Other,
        }
    }

    /// Whether it is a parameter set.
    #[must_use]
    pub const fn is_parameter_set(self) -> bool {
        matches!(self, Self::Vps | Self::Sps | Self::Pps)
    }

    /// Whether it carries picture data.
    #[must_use]
    pub const fn is_slice(self) -> bool {
        matches!(self, Self::Idr | Self::Cra | Self::Slice)
    }
}

/// The NAL units of an Annex B byte stream, without start codes and trailing zeros.
pub fn nal_units(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = after_start_code(data);
    std::iter::from_fn(move || {
        let current = rest?;
        let end = find_start_code(current).unwrap_or(current.len());
        rest = after_start_code(&current[end..]);
        let unpadded = current[..end].iter().rposition(|b| *b != 0).map_or(0, |last| last + 1);
        Some(&current[..unpadded])
    })
    .filter(|nal| !nal.is_empty())
}

fn find_start_code(data: &[u8]) -> Option<usize> {
    data.windows(3).position(|w| w == [0, 0, 1])
}

fn after_start_code(data: &[u8]) -> Option<&[u8]> {
    find_start_code(data).map(|at| &data[at + 3..])
}

/// Joins NAL units into an Annex B byte stream with four-byte start codes.
#[must_use]
pub fn annex_b<'a>(nals: impl IntoIterator<Item = &'a [u8]>) -> Bytes {
    let mut out = BytesMut::new();
    for nal in nals {
        out.put_slice(&[0, 0, 0, 1]);
        out.put_slice(nal);
    }
    out.freeze()
}

impl AccessUnit {
    /// Its NAL units with their kinds; none for a JPEG.
    pub fn nals(&self) -> impl Iterator<Item = (NalKind, &[u8])> {
        let data: &[u8] = if self.codec == Codec::Mjpeg { &[] } else { &self.data };
        nal_units(data).map(|nal| (NalKind::of(self.codec, nal), nal))
    }

    /// Whether it holds an IDR slice, or is a JPEG.
    #[must_use]
    pub fn is_idr(&self) -> bool {
        self.codec == Codec::Mjpeg || self.nals().any(|(kind, _)| kind == NalKind::Idr)
    }

    /// The same picture without its parameter sets.
    #[must_use]
    pub fn without_parameter_sets(&self) -> Self {
        let kept = self.nals().filter(|(kind, _)| !kind.is_parameter_set()).map(|(_, nal)| nal);
        Self { data: annex_b(kept), ..self.clone() }
    }

    /// The same picture with each slice cut after this share of its bytes (at least two bytes stay).
    #[must_use]
    pub fn truncated(&self, keep: f32) -> Self {
        let cut = |(kind, nal): (NalKind, &'_ [u8])| {
            let kept = (nal.len() as f32 * keep.clamp(0.0, 1.0)) as usize;
            if kind.is_slice() { kept.max(2).min(nal.len()) } else { nal.len() }
        };
        let nals: Vec<&[u8]> = self.nals().map(|(kind, nal)| &nal[..cut((kind, nal))]).collect();
        Self { data: annex_b(nals), ..self.clone() }
    }
}

/// The parameter sets of a stream, as an SDP tells them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ParameterSets {
    /// H.265 video parameter set.
    pub vps: Option<Bytes>,
    /// Sequence parameter set.
    pub sps: Option<Bytes>,
    /// Picture parameter set.
    pub pps: Option<Bytes>,
}

impl ParameterSets {
    /// Those that stand in an access unit, if it has both an SPS and a PPS.
    #[must_use]
    pub fn of(unit: &AccessUnit) -> Option<Self> {
        let mut sets = Self::default();
        for (kind, nal) in unit.nals() {
            let place = match kind {
                NalKind::Vps => &mut sets.vps,
                NalKind::Sps => &mut sets.sps,
                NalKind::Pps => &mut sets.pps,
                _ => continue,
            };
            *place = Some(Bytes::copy_from_slice(nal));
        }
        (sets.sps.is_some() && sets.pps.is_some()).then_some(sets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(nals: &[&[u8]]) -> AccessUnit {
        let data = annex_b(nals.iter().copied());
        AccessUnit { codec: Codec::H264, at: Duration::ZERO, starts: true, data }
    }

    #[test]
    fn an_annex_b_stream_is_split_at_start_codes_of_either_length() {
        let stream = [0, 0, 0, 1, 9, 16, 0, 0, 1, 0x67, 1, 2, 0, 0, 0, 1, 0x65, 3, 0];
        let nals: Vec<_> = nal_units(&stream).collect();
        assert_eq!(nals, [&[9, 16][..], &[0x67, 1, 2], &[0x65, 3]]);
        assert_eq!(nal_units(&[1, 2, 3]).count(), 0);
        assert_eq!(nal_units(&[]).count(), 0);
    }

    #[test]
    fn parameter_sets_are_found_and_can_be_taken_away() {
        let whole = unit(&[&[9, 16], &[0x67, 1, 2], &[0x68, 3], &[0x65, 4, 5]]);
        let sets = ParameterSets::of(&whole).unwrap();
        assert_eq!(sets.sps.as_deref(), Some(&[0x67, 1, 2][..]));
        assert!(whole.is_idr());
        let bare = whole.without_parameter_sets();
        assert_eq!(ParameterSets::of(&bare), None);
        assert!(bare.is_idr());
    }

    #[test]
    fn a_truncated_picture_keeps_its_parameter_sets_and_loses_the_end_of_its_slices() {
        let slice = [0x65_u8; 100];
        let cut = unit(&[&[0x67, 1, 2], &[0x68, 3], &slice]).truncated(0.25);
        let lengths: Vec<usize> = cut.nals().map(|(_, nal)| nal.len()).collect();
        assert_eq!(lengths, [3, 2, 25]);
    }
}
