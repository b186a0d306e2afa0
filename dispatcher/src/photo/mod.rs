//! Photos that people send: only what is a whole JPEG is kept, without what was written beside the picture.
//!
//! The picture is not decoded here; its structure is walked marker by marker (ITU-T T.81, annex B). Application data
//! and comments are left out: they hold the position of somebody's home as easily as a program.

mod keep;

pub(crate) use keep::{AS_SENT, keep};

/// Largest photo, in bytes.
pub const MAX_BYTES: usize = 6 << 20;
/// Longest side, in pixels.
pub const MAX_SIDE: u16 = 12_000;

/// Why bytes are no photo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAPhoto {
    /// Too many bytes.
    #[error("a photo is larger than 6 MiB")]
    TooLarge,
    /// It does not begin as a JPEG does.
    #[error("a photo is no JPEG")]
    NotJpeg,
    /// A part of it is damaged or missing.
    #[error("a photo is damaged: it ends in the middle, or a part of it is no part of a JPEG")]
    Damaged,
    /// It has no or too many pixels.
    #[error("a photo has no pixels, or more than 12,000 on a side")]
    Size,
}

/// The photo without application data and comments, and without what follows its end.
///
/// # Errors
/// [`NotAPhoto`] when it is none.
pub fn cleaned(bytes: &[u8]) -> Result<Vec<u8>, NotAPhoto> {
    if bytes.len() > MAX_BYTES {
        return Err(NotAPhoto::TooLarge);
    }
    let mut rest = bytes.strip_prefix(&[0xff, 0xd8]).ok_or(NotAPhoto::NotJpeg)?;
    let mut clean = vec![0xff, 0xd8];
    let (mut has_frame, mut has_scan) = (false, false);
    loop {
        let marker = take_marker(&mut rest)?;
        match marker {
            0xd9 => {
                clean.extend([0xff, 0xd9]);
                return if has_frame && has_scan { Ok(clean) } else { Err(NotAPhoto::Damaged) };
            }
            // Start of image again, reserved, or a restart outside a scan.
            0x01..=0xbf | 0xd0..=0xd8 => return Err(NotAPhoto::Damaged),
            _ => {}
        }
        let segment = take_segment(&mut rest)?;
        // Every start of frame but the tables that share its numbers.
        if matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc) {
            check_size(segment)?;
            has_frame = true;
        }
        // APP0 names the format, APP14 the colours; the others and comments are left out.
        if !matches!(marker, 0xe1..=0xed | 0xef | 0xfe) {
            clean.extend([0xff, marker]);
            clean.extend(segment);
        }
        if marker == 0xda {
            if !has_frame {
                return Err(NotAPhoto::Damaged);
            }
            has_scan = true;
            let scan = scan_length(rest)?;
            clean.extend(&rest[..scan]);
            rest = &rest[scan..];
        }
    }
}

/// The marker's number; any count of fill bytes may stand before it.
fn take_marker(rest: &mut &[u8]) -> Result<u8, NotAPhoto> {
    if rest.first() != Some(&0xff) {
        return Err(NotAPhoto::Damaged);
    }
    let fill = rest.iter().take_while(|byte| **byte == 0xff).count();
    let marker = *rest.get(fill).ok_or(NotAPhoto::Damaged)?;
    *rest = &rest[fill + 1..];
    if marker == 0 { Err(NotAPhoto::Damaged) } else { Ok(marker) }
}

/// A segment with its length in front.
fn take_segment<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], NotAPhoto> {
    let [high, low, ..] = **rest else { return Err(NotAPhoto::Damaged) };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length < 2 || length > rest.len() {
        return Err(NotAPhoto::Damaged);
    }
    let (segment, after) = rest.split_at(length);
    *rest = after;
    Ok(segment)
}

fn check_size(frame: &[u8]) -> Result<(), NotAPhoto> {
    let [_, _, _, h1, h2, w1, w2, ..] = *frame else { return Err(NotAPhoto::Damaged) };
    let fits = |side: u16| side > 0 && side <= MAX_SIDE;
    let (height, width) = (u16::from_be_bytes([h1, h2]), u16::from_be_bytes([w1, w2]));
    if fits(height) && fits(width) { Ok(()) } else { Err(NotAPhoto::Size) }
}

/// How many bytes of coded picture come before the next marker that is no restart.
fn scan_length(rest: &[u8]) -> Result<usize, NotAPhoto> {
    let ends = |pair: &[u8]| pair[0] == 0xff && !matches!(pair[1], 0x00 | 0xd0..=0xd7 | 0xff);
    rest.windows(2).position(ends).ok_or(NotAPhoto::Damaged)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A JPEG of one grey block, as an encoder writes it: tables are shortened, which the walk does not read.
    fn jpeg(more: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0xff, 0xd8, 0xff, 0xe0, 0, 4, 1, 2];
        bytes.extend(more);
        bytes.extend([0xff, 0xdb, 0, 4, 0, 1]);
        bytes.extend([0xff, 0xc0, 0, 11, 8, 0, 8, 0, 8, 1, 1, 0x11, 0]);
        bytes.extend([0xff, 0xda, 0, 8, 1, 1, 0, 0, 63, 0]);
        bytes.extend([0x12, 0xff, 0x00, 0x34, 0xff, 0xd0, 0x56, 0xff, 0xd9]);
        bytes
    }

    #[test]
    fn a_photo_is_kept_without_what_was_written_beside_it() {
        assert_eq!(cleaned(&jpeg(&[])).unwrap(), jpeg(&[]));
        let with_exif = jpeg(&[0xff, 0xe1, 0, 6, b'E', b'x', b'i', b'f', 0xff, 0xfe, 0, 4, b'<', b's']);
        assert_eq!(cleaned(&with_exif).unwrap(), jpeg(&[]));
        let mut trailing = jpeg(&[]);
        trailing.extend(b"<script>alert(1)</script>");
        assert_eq!(cleaned(&trailing).unwrap(), jpeg(&[]));
    }

    #[test]
    fn what_is_no_photo_is_refused_with_the_reason() {
        let mut wide = jpeg(&[]);
        let side = wide.iter().position(|byte| *byte == 0xc0).unwrap() + 4;
        wide[side..side + 2].copy_from_slice(&60_000_u16.to_be_bytes());
        for (bytes, expected) in [
            (b"<svg onload=alert(1)>".to_vec(), NotAPhoto::NotJpeg),
            (b"\x89PNG\r\n\x1a\n".to_vec(), NotAPhoto::NotJpeg),
            (vec![], NotAPhoto::NotJpeg),
            (vec![0xff, 0xd8, 0xff, 0xd9], NotAPhoto::Damaged),
            (b"\xff\xd8<script>alert(1)</script>".to_vec(), NotAPhoto::Damaged),
            (vec![0; MAX_BYTES + 1], NotAPhoto::TooLarge),
            (wide, NotAPhoto::Size),
        ] {
            assert_eq!(cleaned(&bytes), Err(expected));
        }
        let whole = jpeg(&[]);
        for length in 2..whole.len() - 1 {
            assert!(cleaned(&whole[..length]).is_err(), "cut at {length}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_and_what_it_takes_it_takes_again(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let mut framed = vec![0xff, 0xd8];
            framed.extend(&bytes);
            for bytes in [bytes, framed, jpeg(&[])] {
                if let Ok(clean) = cleaned(&bytes) {
                    prop_assert_eq!(cleaned(&clean).unwrap(), clean);
                }
            }
        }
    }
}
