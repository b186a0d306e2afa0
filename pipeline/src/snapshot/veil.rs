//! What is made unrecognisable in a picture before it is written where everybody sees it.
//!
//! Where a model of the camera has looked for people and vehicles, the heads of the one and the whole of the other are
//! covered. Where none has, nothing is known of what must not be seen, and the whole picture is: coarse enough that no face
//! and no plate can be read in it, fine enough that a fire, a flooded road or a heap of rubbish can.

use citybrain_models::LabelledBox;
use citybrain_types::{BoundingBox, Label};

/// Squares across the longer side of a picture. A face that is a thirtieth of a picture wide becomes two or three of them.
const SQUARES: u32 = 64;
/// Surer boxes are covered; a cover too many hurts less than one too few.
const COVER_FROM: f32 = 0.25;
/// The upper part of a person that holds the head, whatever the posture of whoever stands or sits.
const HEAD: f32 = 0.4;
/// Added on each side, in parts of the box.
const MARGIN: f32 = 0.15;

/// What is covered.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Veil<'a> {
    /// Nothing.
    None,
    /// The whole picture.
    Whole,
    /// These parts of it.
    Parts(&'a [BoundingBox]),
}

/// What a model that speaks of people and vehicles has found to be covered; `None` when it does not speak of both.
#[must_use]
pub fn private_parts(boxes: &[LabelledBox], labels: &[Label]) -> Option<Vec<BoundingBox>> {
    let speaks = |word: &str| labels.iter().any(|label| label.as_str() == word);
    if !speaks("person") || !speaks("vehicle") {
        return None;
    }
    let sure = boxes.iter().filter(|found| found.score.get() >= COVER_FROM);
    Some(
        sure.filter_map(|found| match found.label.as_str() {
            "person" => part(&found.bbox, HEAD),
            "vehicle" => part(&found.bbox, 1.0),
            _ => None,
        })
        .collect(),
    )
}

/// The upper part of a box with a margin around it.
fn part(bbox: &BoundingBox, share: f32) -> Option<BoundingBox> {
    let (width, height) = (bbox.right() - bbox.left(), bbox.bottom() - bbox.top());
    let (x, y) = (width * MARGIN, height * MARGIN);
    BoundingBox::clipped(bbox.left() - x, bbox.top() - y, bbox.right() + x, bbox.top() + height * share + y)
}

/// Covers parts of an RGB picture with squares of their mean colour.
pub(super) fn cover(rgb: &mut [u8], width: u32, height: u32, veil: Veil<'_>) {
    let whole = [BoundingBox::WHOLE];
    let parts = match veil {
        Veil::None => return,
        Veil::Whole => &whole[..],
        Veil::Parts(parts) => parts,
    };
    let side = (width.max(height) / SQUARES).max(4) as usize;
    let (width, height) = (width as usize, height as usize);
    for part in parts {
        let at = |fraction: f32, length: usize| ((fraction * length as f32) as usize).min(length);
        // From square to square of one grid over the picture, so that parts that overlap do not leak.
        let from = |pixel: usize| pixel / side * side;
        let (left, top) = (from(at(part.left(), width)), from(at(part.top(), height)));
        let (right, bottom) = (at(part.right(), width).max(left + 1), at(part.bottom(), height).max(top + 1));
        for y in (top..bottom.min(height)).step_by(side) {
            for x in (left..right.min(width)).step_by(side) {
                square(rgb, width, (x, (x + side).min(width)), (y, (y + side).min(height)));
            }
        }
    }
}

fn square(rgb: &mut [u8], width: usize, (left, right): (usize, usize), (top, bottom): (usize, usize)) {
    let mut sums = [0_u64; 3];
    for y in top..bottom {
        for pixel in rgb[(y * width + left) * 3..(y * width + right) * 3].chunks_exact(3) {
            sums.iter_mut().zip(pixel).for_each(|(sum, value)| *sum += u64::from(*value));
        }
    }
    let count = ((right - left) * (bottom - top)).max(1) as u64;
    let mean = sums.map(|sum| u8::try_from(sum / count).unwrap_or(u8::MAX));
    for y in top..bottom {
        let row = &mut rgb[(y * width + left) * 3..(y * width + right) * 3];
        row.chunks_exact_mut(3).for_each(|pixel| pixel.copy_from_slice(&mean));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use citybrain_types::Score;

    /// Stripes one pixel wide: as much detail as a picture can hold.
    fn stripes(width: usize, height: usize) -> Vec<u8> {
        (0..width * height).flat_map(|at| [if at % 2 == 0 { 0 } else { 240 }; 3]).collect()
    }

    fn found(label: &str, bbox: [f32; 4]) -> LabelledBox {
        let bbox = BoundingBox::try_from(bbox).unwrap();
        LabelledBox { label: Label::new(label), score: Score::new(0.6).unwrap(), bbox }
    }

    #[test]
    fn a_whole_picture_keeps_no_detail_finer_than_its_squares() {
        let mut rgb = stripes(640, 360);
        cover(&mut rgb, 640, 360, Veil::Whole);
        let colours: std::collections::BTreeSet<&[u8]> = rgb.chunks_exact(3).collect();
        assert_eq!(colours.into_iter().collect::<Vec<_>>(), [&[120, 120, 120]], "every stripe is gone");
    }

    #[test]
    fn heads_and_vehicles_are_covered_and_the_rest_is_left_as_it_was() {
        let labels = [Label::new("person"), Label::new("vehicle")];
        let boxes = [
            found("person", [0.1, 0.2, 0.2, 0.8]),
            found("vehicle", [0.5, 0.5, 0.8, 0.7]),
            found("dog", [0.9, 0.9, 0.95, 0.95]),
        ];
        let parts = private_parts(&boxes, &labels).unwrap();
        assert_eq!(parts.len(), 2);
        let mut rgb = stripes(640, 360);
        cover(&mut rgb, 640, 360, Veil::Parts(&parts));
        let value = |x: f32, y: f32| rgb[((y * 360.0) as usize * 640 + (x * 640.0) as usize) * 3];
        for (what, x, y) in [("the head", 0.15, 0.3), ("the plate", 0.55, 0.68), ("the roof", 0.65, 0.5)] {
            assert_eq!(value(x, y), 120, "{what} is covered");
        }
        for (what, x, y) in [("the feet", 0.15, 0.75), ("the sky", 0.3, 0.05), ("the dog", 0.92, 0.92)] {
            assert_ne!(value(x, y), 120, "{what} is not");
        }
    }

    #[test]
    fn a_model_that_does_not_look_for_both_says_nothing_of_what_must_not_be_seen() {
        let boxes = [found("person", [0.1, 0.2, 0.2, 0.8])];
        assert_eq!(private_parts(&boxes, &[Label::new("person"), Label::new("flame")]), None);
    }

    #[test]
    fn pictures_of_every_size_are_covered_without_leaving_them() {
        for (width, height) in [(1, 1), (3, 200), (65, 17), (1_280, 720)] {
            let mut rgb = stripes(width, height);
            let corner = [BoundingBox::new(0.98, 0.98, 1.0, 1.0).unwrap()];
            cover(&mut rgb, width as u32, height as u32, Veil::Parts(&corner));
            cover(&mut rgb, width as u32, height as u32, Veil::Whole);
        }
    }
}
