//! What of an access unit is given to the decoder.
//!
//! With damage refused, libavcodec refuses a whole picture for a supplemental message (SEI) that it cannot parse,
//! and encoders in the field write such messages. A picture that stands on its own needs none of them, so they are
//! left out; in front of other H.264 pictures they stay, since a recovery point is told by one.

use crate::keyframe::nal::NalKind;
use crate::picture::Codec;

/// What follows the last slice of an H.265 picture that stands on its own. A whole slice ends in front of it. One that
/// was cut short is read on into it, and such bits soon say that the slice has ended: the rest of the picture stays
/// unpainted, which [`super::hole`] finds. Zeros, which libavcodec puts there itself, never say that.
const AFTER_THE_LAST_SLICE: [u8; 1024] = [0xff; 1024];
/// What may follow the slices (a checksum, an end of sequence) is shorter than this.
const LONGEST_TRAILER: usize = 512;

/// The parts of a keyframe that stands on its own, in order.
pub(super) fn parts_of_keyframe(codec: Codec, access_unit: &[u8]) -> Vec<&[u8]> {
    let mut parts = parts_to_decode(codec, access_unit);
    if codec == Codec::H265
        && let Some(last) = parts.pop()
    {
        parts.push(without_trailer(last));
        parts.push(&AFTER_THE_LAST_SLICE);
    }
    parts
}

/// Cuts off what follows the last slice of H.265.
fn without_trailer(slices: &[u8]) -> &[u8] {
    let mut from = slices.len().saturating_sub(LONGEST_TRAILER);
    while let Some(start) = start_code(slices, from) {
        if start > 0 && !NalKind::of(Codec::H265, &slices[start + 3..]).is_slice() {
            return &slices[..start];
        }
        from = start + 3;
    }
    slices
}

/// The parts of any access unit, in order; together at most `access_unit`.
pub(super) fn parts_to_decode(codec: Codec, access_unit: &[u8]) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    if codec == Codec::Jpeg {
        return vec![access_unit];
    }
    let mut messages = false;
    let mut from = 0;
    // Only up to the first slice: what stands in front of it is short, the slices are not searched.
    while let Some(start) = start_code(access_unit, from) {
        let kind = NalKind::of(codec, &access_unit[start + 3..]);
        if kind.is_slice() {
            let alone = codec == Codec::H265 || kind == NalKind::IdrSlice;
            parts.push(&access_unit[start..]);
            return if messages && alone { without_messages(codec, parts) } else { vec![access_unit] };
        }
        messages |= kind == NalKind::Sei;
        let end = start_code(access_unit, start + 3).unwrap_or(access_unit.len());
        parts.push(&access_unit[start..end]);
        from = end;
    }
    vec![access_unit]
}

fn without_messages(codec: Codec, mut parts: Vec<&[u8]>) -> Vec<&[u8]> {
    parts.retain(|part| NalKind::of(codec, &part[3..]) != NalKind::Sei);
    parts
}

fn start_code(data: &[u8], from: usize) -> Option<usize> {
    let rest = data.get(from..)?;
    rest.windows(3).position(|window| window == [0, 0, 1]).map(|at| from + at)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPS: &[u8] = &[0, 0, 0, 1, 0x67, 1, 2];
    const SEI: &[u8] = &[0, 0, 1, 0x06, 5, 9, 0x80];
    const IDR: &[u8] = &[0, 0, 1, 0x65, 3, 4, 0, 0, 1, 0x65, 5];
    const SLICE: &[u8] = &[0, 0, 1, 0x41, 3, 4];

    #[test]
    fn messages_in_front_of_a_keyframe_are_left_out() {
        let unit = [SPS, SEI, SEI, IDR].concat();
        assert_eq!(parts_to_decode(Codec::H264, &unit).concat(), [&SPS[1..], IDR].concat());
        let (vps, sei, cra) = ([0, 0, 1, 0x40, 1, 7], [0, 0, 1, 0x4e, 1, 7], [0, 0, 1, 0x2a, 1, 7]);
        let unit = [vps, sei, cra].concat();
        assert_eq!(parts_to_decode(Codec::H265, &unit).concat(), [vps, cra].concat());
    }

    #[test]
    fn what_follows_the_slices_of_h265_is_replaced_by_bits_that_end_a_torn_slice() {
        let (idr, checksum) = ([0, 0, 1, 0x26, 1, 7, 7, 7], [0, 0, 1, 0x50, 1, 132, 16, 0x80]);
        let whole = [idr, checksum].concat();
        let parts = parts_of_keyframe(Codec::H265, &whole);
        assert_eq!(parts, [idr.as_slice(), &AFTER_THE_LAST_SLICE]);
        assert_eq!(parts_of_keyframe(Codec::H265, &idr), [idr.as_slice(), &AFTER_THE_LAST_SLICE]);
        assert_eq!(parts_of_keyframe(Codec::H264, IDR), [IDR]);
    }

    #[test]
    fn a_recovery_point_keeps_the_message_that_tells_it() {
        let unit = [SPS, SEI, SLICE].concat();
        assert_eq!(parts_to_decode(Codec::H264, &unit), [unit.as_slice()]);
    }

    #[test]
    fn what_holds_no_picture_is_passed_on_as_it_is() {
        for unit in [b"".as_slice(), b"\0\0\x01", SPS, SEI, b"garbage"] {
            assert_eq!(parts_to_decode(Codec::H264, unit).concat(), unit);
        }
    }
}
