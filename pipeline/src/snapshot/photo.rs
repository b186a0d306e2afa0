//! Photos that people send, covered like a picture in which no model has looked for people and vehicles.

use super::keeper::Darkroom;
use super::veil::Veil;
use crate::decode::decode_keyframe;
use crate::picture::{Codec, Keyframe};
use bytes::Bytes;
use citybrain_types::{CameraId, PhotoCover, Timestamp};

/// Longest side of a covered photo in pixels: in its squares there is nothing to be seen that needs more.
const MAX_SIDE: u32 = 1_280;

/// Covers whole photos.
#[derive(Debug, Clone, Copy, Default)]
pub struct PhotoVeil;

impl PhotoCover for PhotoVeil {
    fn cover(&self, jpeg: &[u8]) -> Result<Vec<u8>, String> {
        let camera = CameraId::new("photo").map_err(|error| error.to_string())?;
        let moment = Timestamp::from_micros(0);
        let photo = Keyframe {
            camera,
            captured_at: moment,
            received_at: moment,
            codec: Codec::Jpeg,
            data: Bytes::copy_from_slice(jpeg),
        };
        let frame = decode_keyframe(&photo).map_err(|error| error.to_string())?;
        let mut darkroom = Darkroom::default();
        darkroom.jpeg(&frame, MAX_SIDE, Veil::Whole, &[]).map_err(|failure| failure.name().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{Rgb, RgbImage};

    /// Stripes of two pixels: what letters on a plate are made of.
    fn photo(width: u32, height: u32) -> Vec<u8> {
        let stripes = RgbImage::from_fn(width, height, |x, _| Rgb([if x / 2 % 2 == 0 { 0 } else { 255 }; 3]));
        let mut jpeg = std::io::Cursor::new(Vec::new());
        stripes.write_to(&mut jpeg, image::ImageFormat::Jpeg).unwrap();
        jpeg.into_inner()
    }

    #[test]
    fn nothing_fine_is_left_in_a_covered_photo() {
        let covered = PhotoVeil.cover(&photo(1_920, 1_080)).unwrap();
        let covered = image::load_from_memory(&covered).unwrap().into_rgb8();
        assert_eq!(covered.dimensions(), (1_280, 720));
        let row: Vec<i32> = (0..1_280).map(|x| i32::from(covered.get_pixel(x, 360)[0])).collect();
        let steepest = row.windows(2).map(|pair| (pair[0] - pair[1]).abs()).max().unwrap();
        assert!(steepest < 16, "stripes can be told: {steepest}");
    }

    #[test]
    fn what_cannot_be_decoded_is_covered_by_nothing() {
        let whole = photo(64, 64);
        for bad in [&b"\xff\xd8\xff\xd9"[..], &whole[..whole.len() / 2], b""] {
            assert!(PhotoVeil.cover(bad).is_err());
        }
    }
}
