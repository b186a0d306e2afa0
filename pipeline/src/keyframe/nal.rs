//! NAL units of H.264 and H.265: where they begin and end, and what each is for.
//! Source: ITU-T H.264 (2021) table 7-1, ITU-T H.265 (2021) table 7-1, Annex B of both.

use super::bits::Bits;
use crate::picture::Codec;

/// How NAL units stand in an access unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Start codes `00 00 01` in front of each.
    AnnexB,
    /// A length of four bytes, big-endian, in front of each.
    LengthPrefixed,
}

/// What a NAL unit is for, as far as it matters for finding keyframes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NalKind {
    /// Video parameter set (H.265).
    Vps,
    /// Sequence parameter set.
    Sps,
    /// Picture parameter set.
    Pps,
    /// A slice of an instantaneous decoding refresh: nothing after it refers to anything before it.
    IdrSlice,
    /// H.265 CRA or BLA: itself intra, later pictures in decoding order may refer to earlier ones.
    RandomAccessSlice,
    /// A slice of any other picture.
    Slice,
    /// Supplemental information that stands before the slices.
    Sei,
    /// Delimiters, filler, extensions, other layers.
    Other,
}

impl NalKind {
    /// Of a NAL unit without its start code; `Other` when it is too short to have a header.
    #[must_use]
    pub fn of(codec: Codec, nal: &[u8]) -> Self {
        match (codec, nal) {
            (Codec::H264, [header, _, ..]) => match header & 0x1f {
                1 | 2 => Self::Slice,
                5 => Self::IdrSlice,
                6 => Self::Sei,
                7 => Self::Sps,
                8 => Self::Pps,
                _ => Self::Other,
            },
            // A layer other than the base is of no use to a decoder of the base layer.
            (Codec::H265, [first, second, _, ..]) if first & 1 == 0 && second >> 3 == 0 => {
                match first >> 1 & 0x3f {
                    0..=15 => Self::Slice,
                    16..=18 | 21..=23 => Self::RandomAccessSlice,
                    19 | 20 => Self::IdrSlice,
                    32 => Self::Vps,
                    33 => Self::Sps,
                    34 => Self::Pps,
                    39 => Self::Sei,
                    _ => Self::Other,
                }
            }
            _ => Self::Other,
        }
    }

    /// Whether it carries picture content.
    #[must_use]
    pub const fn is_slice(self) -> bool {
        matches!(self, Self::IdrSlice | Self::RandomAccessSlice | Self::Slice)
    }
}

/// The NAL units of an access unit, without start codes or lengths. `None` when the framing does not hold.
#[must_use]
pub fn split(framing: Framing, access_unit: &[u8]) -> Option<Vec<&[u8]>> {
    let nals = match framing {
        Framing::AnnexB => split_annex_b(access_unit),
        Framing::LengthPrefixed => split_length_prefixed(access_unit)?,
    };
    (!nals.is_empty()).then_some(nals)
}

fn split_length_prefixed(mut rest: &[u8]) -> Option<Vec<&[u8]>> {
    let mut nals = Vec::new();
    while !rest.is_empty() {
        let (length, tail) = rest.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (nal, tail) = tail.split_at_checked(length)?;
        if !nal.is_empty() {
            nals.push(nal);
        }
        rest = tail;
    }
    Some(nals)
}

fn split_annex_b(bytes: &[u8]) -> Vec<&[u8]> {
    let mut nals = Vec::new();
    let mut begin = None;
    let mut at = 0;
    while at + 3 <= bytes.len() {
        match bytes[at..at + 3] {
            [0, 0, 1] => {
                if let Some(begin) = begin {
                    push_trimmed(&mut nals, &bytes[begin..at]);
                }
                begin = Some(at + 3);
                at += 3;
            }
            // A third byte above 1 cannot be part of a start code that begins here or at the next two bytes.
            [_, _, third] if third > 1 => at += 3,
            _ => at += 1,
        }
    }
    if let Some(begin) = begin {
        push_trimmed(&mut nals, &bytes[begin..]);
    }
    nals
}

fn push_trimmed<'a>(nals: &mut Vec<&'a [u8]>, nal: &'a [u8]) {
    let end = nal.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    if end > 0 {
        nals.push(&nal[..end]);
    }
}

/// What the start of a slice tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SliceStart {
    /// The picture parameter set it names.
    pub pps_id: u32,
    /// Whether it is predicted from its own picture only. Told for H.264; for H.265 the NAL type tells it.
    pub intra: bool,
}

impl SliceStart {
    /// Reads the start of a slice header (H.264 7.3.3, H.265 7.3.6.1); `None` when it is cut short.
    #[must_use]
    pub fn read(codec: Codec, kind: NalKind, nal: &[u8]) -> Option<Self> {
        match codec {
            Codec::H264 => {
                let mut bits = Bits::new(nal.get(1..)?);
                let _first_mb_in_slice = bits.exp_golomb()?;
                let slice_type = bits.exp_golomb()?;
                Some(Self { pps_id: bits.exp_golomb()?, intra: matches!(slice_type % 5, 2 | 4) })
            }
            Codec::H265 => {
                let mut bits = Bits::new(nal.get(2..)?);
                let _first_slice_segment_in_pic = bits.flag()?;
                let intra = kind != NalKind::Slice;
                if intra {
                    let _no_output_of_prior_pics = bits.flag()?;
                }
                Some(Self { pps_id: bits.exp_golomb()?, intra })
            }
            Codec::Jpeg => None,
        }
    }
}

/// How many frames after a recovery point the picture is whole: 0 means at once, more means a gradual refresh.
/// `None` when the SEI holds no recovery point (H.264 D.1.8, H.265 D.2.8).
#[must_use]
pub fn recovery_distance(codec: Codec, sei: &[u8]) -> Option<u32> {
    const RECOVERY_POINT: u32 = 6;
    let header = if codec == Codec::H265 { 2 } else { 1 };
    let mut bits = Bits::new(sei.get(header..)?);
    loop {
        let payload_type = sei_number(&mut bits)?;
        let payload_size = sei_number(&mut bits)?;
        if payload_type == RECOVERY_POINT {
            return match codec {
                Codec::H265 => u32::try_from(bits.signed_exp_golomb()?.max(0)).ok(),
                _ => bits.exp_golomb(),
            };
        }
        for _ in 0..payload_size {
            bits.byte()?;
        }
    }
}

fn sei_number(bits: &mut Bits<'_>) -> Option<u32> {
    let mut number = 0_u32;
    loop {
        let byte = bits.byte()?;
        number = number.checked_add(u32::from(byte))?;
        if byte != 0xff {
            return Some(number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn start_codes_of_three_and_four_bytes_and_padding_separate_units() {
        let stream = [0, 0, 0, 1, 0x67, 1, 2, 0, 0, 1, 0x68, 3, 0, 0, 0, 0, 1, 0x65, 0, 0, 3, 9, 0, 0];
        let nals = split(Framing::AnnexB, &stream).unwrap();
        assert_eq!(nals, [&[0x67, 1, 2][..], &[0x68, 3], &[0x65, 0, 0, 3, 9]]);
    }

    #[test]
    fn bytes_without_a_start_code_are_no_access_unit() {
        assert_eq!(split(Framing::AnnexB, b"no start code here"), None);
        assert_eq!(split(Framing::AnnexB, &[]), None);
        assert_eq!(split(Framing::AnnexB, &[0, 0, 1, 0, 0]), None);
    }

    #[test]
    fn a_length_that_reaches_past_the_end_is_refused() {
        assert_eq!(split(Framing::LengthPrefixed, &[0, 0, 0, 2, 0x65, 9]).unwrap(), [&[0x65, 9][..]]);
        assert_eq!(split(Framing::LengthPrefixed, &[0, 0, 0, 3, 0x65, 9]), None);
        assert_eq!(split(Framing::LengthPrefixed, &[0, 0]), None);
        assert_eq!(split(Framing::LengthPrefixed, &[0xff, 0xff, 0xff, 0xff, 1]), None);
    }

    #[test]
    fn a_recovery_point_is_found_behind_other_messages() {
        // user data of three bytes, then recovery_frame_cnt = 4 (00101)
        let sei = [0x06, 5, 3, 1, 2, 3, 6, 1, 0b0010_1000, 0x80];
        assert_eq!(recovery_distance(Codec::H264, &sei), Some(4));
        assert_eq!(recovery_distance(Codec::H264, &sei[..6]), None);
        assert_eq!(recovery_distance(Codec::H264, &[0x06, 0xff, 0xff]), None);
    }

    #[test]
    fn a_unit_of_an_enhancement_layer_is_not_taken_for_the_picture() {
        assert_eq!(NalKind::of(Codec::H265, &[19 << 1, 1, 0x80]), NalKind::IdrSlice);
        assert_eq!(NalKind::of(Codec::H265, &[19 << 1 | 1, 1, 0x80]), NalKind::Other);
        assert_eq!(NalKind::of(Codec::H265, &[19 << 1, 1 << 3 | 1, 0x80]), NalKind::Other);
    }
}
