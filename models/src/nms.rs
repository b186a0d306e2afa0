//! Non-maximum suppression: of boxes that say the same, the surest stays.

use citybrain_types::BoundingBox;

/// A shape that may lie over another.
pub(crate) trait Overlap {
    /// Intersection over union, `0..=1`.
    fn iou(&self, other: &Self) -> f32;
}

impl Overlap for BoundingBox {
    fn iou(&self, other: &Self) -> f32 {
        BoundingBox::iou(self, other)
    }
}

/// Left, top, right, bottom, in any unit; 0 for boxes without an area.
impl Overlap for [f32; 4] {
    fn iou(&self, other: &Self) -> f32 {
        let area = |b: &Self| (b[2] - b[0]).max(0.0) * (b[3] - b[1]).max(0.0);
        let width = (self[2].min(other[2]) - self[0].max(other[0])).max(0.0);
        let height = (self[3].min(other[3]) - self[1].max(other[1])).max(0.0);
        let shared = width * height;
        if shared > 0.0 { shared / (area(self) + area(other) - shared) } else { 0.0 }
    }
}

/// Whether a box overlaps none of the kept ones by more than `max_iou`.
pub(crate) fn is_apart<'k, B: Overlap + 'k>(
    candidate: &B,
    kept: impl IntoIterator<Item = &'k B>,
    max_iou: f32,
) -> bool {
    kept.into_iter().all(|surer| surer.iou(candidate) <= max_iou)
}

/// Keeps the boxes in falling order of score that overlap no surer one by more than `max_iou`; at most `limit`.
///
/// Greedy, within one label. Equal scores keep their order, so that the same frame gives the same answer.
pub(crate) fn keep_surest<B: Overlap>(mut boxes: Vec<(f32, B)>, max_iou: f32, limit: usize) -> Vec<(f32, B)> {
    boxes.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut kept: Vec<(f32, B)> = Vec::with_capacity(boxes.len().min(limit));
    for candidate in boxes {
        if kept.len() == limit {
            break;
        }
        if is_apart(&candidate.1, kept.iter().map(|surer| &surer.1), max_iou) {
            kept.push(candidate);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(left: f32, right: f32) -> BoundingBox {
        BoundingBox::new(left, 0.0, right, 1.0).unwrap()
    }

    #[test]
    fn a_weaker_box_in_the_same_place_is_suppressed_and_one_elsewhere_stays() {
        let kept = keep_surest(vec![(0.5, at(0.02, 0.52)), (0.9, at(0.0, 0.5)), (0.1, at(0.6, 1.0))], 0.5, 9);
        assert_eq!(kept, vec![(0.9, at(0.0, 0.5)), (0.1, at(0.6, 1.0))]);
    }

    #[test]
    fn no_more_than_the_limit_are_kept() {
        let boxes = (0..10).map(|i| (0.5, at(i as f32 / 10.0, (i + 1) as f32 / 10.0))).collect();
        let kept = keep_surest(boxes, 0.5, 3);
        assert_eq!(kept.iter().map(|k| k.1.left()).collect::<Vec<_>>(), vec![0.0, 0.1, 0.2]);
    }

    #[test]
    fn boxes_in_pixels_overlap_by_what_they_share_and_flat_ones_by_nothing() {
        let (a, b) = ([0.0, 0.0, 10.0, 10.0], [5.0, 0.0, 15.0, 10.0]);
        assert!((a.iou(&b) - 50.0 / 150.0).abs() < 1e-6);
        assert_eq!([3.0, 3.0, 3.0, 9.0].iou(&[3.0, 3.0, 3.0, 9.0]), 0.0);
        assert_eq!([9.0, 0.0, 1.0, 5.0].iou(&a), 0.0);
    }
}
