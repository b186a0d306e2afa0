//! Finds parts of a picture that no slice has painted.
//!
//! libavcodec refuses an H.264 picture with parts missing, but shows an H.265 one without a word. A fresh context
//! paints into zeroed buffers, and no encoder makes luma and both chroma zero all over a block: that is a green
//! outside of what the formats can mean. A block of zeros was therefore not painted.

use super::frame::{Plane, Planes};

/// Smallest coding tree block of H.265, in luma samples: a hole is at least this large.
const BLOCK: u32 = 16;

/// Whether a block of the picture was left as the buffers were made. Grey pictures cannot be told.
pub(super) fn has_hole(planes: &Planes<'_>) -> bool {
    let Some([blue, red]) = &planes.chroma else { return false };
    let luma = &planes.luma;
    let starts = |length: u32| (0..length).step_by(BLOCK as usize);
    starts(luma.height)
        .any(|y| starts(luma.width).any(|x| [luma, blue, red].iter().all(|p| is_zero(p, luma, x, y))))
}

/// Whether the part of a plane that belongs to the luma block at `(x, y)` is all zero.
fn is_zero(plane: &Plane<'_>, luma: &Plane<'_>, x: u32, y: u32) -> bool {
    let (columns, rows) = (luma.width.div_ceil(plane.width), luma.height.div_ceil(plane.height));
    let (left, top) = ((x / columns) as usize, (y / rows).min(plane.height - 1));
    let bottom = ((y + BLOCK) / rows).min(plane.height).max(top + 1);
    let right = ((x + BLOCK) / columns).min(plane.width) as usize;
    (top..bottom).all(|row| {
        let row = plane.row(row as usize);
        row[left.min(row.len() - 1)..right.max(left + 1).min(row.len())].iter().all(|sample| *sample == 0)
    })
}

#[cfg(test)]
mod tests {
    use crate::decode::Frame;
    use crate::picture::Yuv420;

    fn with_hole(width: u32, height: u32, left: u32, top: u32, side: u32) -> bool {
        let (half_width, half_height) = (width.div_ceil(2), height.div_ceil(2));
        let paint = |width: u32, height: u32, scale: u32, value: u8| -> Vec<u8> {
            let inside = |at: u32, from: u32| (from / scale..(from + side).div_ceil(scale)).contains(&at);
            let sample = |x: u32, y: u32| if inside(x, left) && inside(y, top) { 0 } else { value };
            (0..height).flat_map(|y| (0..width).map(move |x| (x, y))).map(|(x, y)| sample(x, y)).collect()
        };
        let frame = Frame::from_yuv420(Yuv420 {
            width,
            height,
            y: paint(width, height, 1, 0), // black is no hole
            u: paint(half_width, half_height, 2, 128),
            v: paint(half_width, half_height, 2, 128),
            full_range: true,
        });
        super::has_hole(&frame.unwrap().planes())
    }

    #[test]
    fn an_unpainted_block_is_found_anywhere_and_black_is_none() {
        assert!(with_hole(640, 360, 624, 344, 16), "bottom right");
        assert!(with_hole(640, 360, 0, 0, 16), "top left");
        assert!(with_hole(640, 360, 320, 160, 64), "middle");
        assert!(with_hole(101, 51, 96, 48, 16), "what is left of an odd size");
        assert!(!with_hole(640, 360, 0, 0, 0), "black all over");
        assert!(!with_hole(16, 16, 0, 0, 8), "less than a block");
    }
}
