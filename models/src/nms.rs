//! Non-maximum suppression: of boxes that say the same, the surest stays.

use citybrain_types::BoundingBox;

/// Keeps the boxes in falling order of score that overlap no surer one by more than `max_iou`; at most `limit`.
///
/// Greedy, within one label. Equal scores keep their order, so that the same frame gives the same answer.
pub(crate) fn keep_surest(
    mut boxes: Vec<(f32, BoundingBox)>,
    max_iou: f32,
    limit: usize,
) -> Vec<(f32, BoundingBox)> {
    boxes.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut kept: Vec<(f32, BoundingBox)> = Vec::with_capacity(boxes.len().min(limit));
    for candidate in boxes {
        if kept.len() == limit {
            break;
        }
        if kept.iter().all(|surer| surer.1.iou(&candidate.1) <= max_iou) {
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
}
