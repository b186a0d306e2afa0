//! Which parts of a picture a model is asked about because of what another one has found there.

use crate::decode::Part;
use crate::schedule::{CascadeLook, MAX_REGIONS};
use citybrain_types::{BoundingBox, Detection};

/// What became of a model's turn to be asked. The name is the metric label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CascadeOutcome {
    /// It found a hit too.
    Confirmed,
    /// It found no hit.
    Denied,
    /// It gave no usable answer; what the model that asked has said stands.
    NoAnswer,
    /// It was not asked: it had been asked about this camera a moment ago.
    TooSoon,
    /// It was not asked about a further place: there were too many in one picture.
    Crowded,
}

impl CascadeOutcome {
    /// The name, as in the metric label `outcome`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Denied => "denied",
            Self::NoAnswer => "no_answer",
            Self::TooSoon => "too_soon",
            Self::Crowded => "crowded",
        }
    }
}

/// Parts of one picture to ask about.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Regions {
    /// The surest first; at most [`MAX_REGIONS`].
    pub parts: Vec<Part>,
    /// So many detections lie in none of them, although they asked.
    pub crowded: usize,
}

/// Chooses the parts of a picture of `frame` pixels that a model with an input of `input` pixels is asked about:
/// around the surest detection first, and not twice around what a part already shows.
#[must_use]
pub fn regions(cascade: &CascadeLook, found: &[Detection], frame: (u32, u32), input: (u32, u32)) -> Regions {
    let mut asking: Vec<&Detection> = found.iter().filter(|found| cascade.asks_about(found)).collect();
    asking.sort_by(|a, b| b.score.get().total_cmp(&a.score.get()));
    let mut regions = Regions::default();
    for found in asking {
        let shown = |part: &Part| region_of(*part, frame).is_some_and(|r| r.contains(found.bbox.center()));
        if regions.parts.iter().any(shown) {
            continue;
        }
        if regions.parts.len() == MAX_REGIONS {
            regions.crowded += 1;
            continue;
        }
        regions.parts.push(match cascade.crop {
            Some(factor) => surroundings(&found.bbox, factor, frame, input),
            None => Part::whole(frame),
        });
    }
    regions
}

/// A part as a box of the picture.
#[must_use]
pub fn region_of(part: Part, (width, height): (u32, u32)) -> Option<BoundingBox> {
    let x = |pixels: u32| (f64::from(pixels) / f64::from(width)) as f32;
    let y = |pixels: u32| (f64::from(pixels) / f64::from(height)) as f32;
    BoundingBox::clipped(x(part.left), y(part.top), x(part.left + part.width), y(part.top + part.height))
}

/// The surroundings of a box: the shape of the model's input, its shorter side `factor` times the box's longer one,
/// moved to lie in the picture, and never so small that the input would have to be enlarged into.
fn surroundings(bbox: &BoundingBox, factor: f32, frame: (u32, u32), input: (u32, u32)) -> Part {
    let (width, height) = (f64::from(frame.0), f64::from(frame.1));
    let longer = (f64::from(bbox.width()) * width).max(f64::from(bbox.height()) * height);
    let scale = (longer * f64::from(factor) / f64::from(input.0.min(input.1).max(1))).max(1.0);
    let (x, y) = bbox.center();
    let along = |middle: f64, input: u32, frame: u32| {
        let length = (f64::from(input) * scale).round().clamp(1.0, f64::from(frame));
        let start = (middle - length / 2.0).clamp(0.0, f64::from(frame) - length);
        // Chroma samples lie two or four pixels apart: a part begins with a whole one.
        (start as u32 & !3, length as u32)
    };
    let (left, width) = along(f64::from(x) * width, input.0, frame.0);
    let (top, height) = along(f64::from(y) * height, input.1, frame.1);
    Part { left, top, width, height }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::{KindRule, ModelLook};
    use citybrain_types::{EventKind, Label, ModelId, Score};
    use std::collections::BTreeSet;
    use std::time::Duration;

    const FULL_HD: (u32, u32) = (1920, 1080);
    const INPUT: (u32, u32) = (320, 320);

    fn cascade(score: Option<f32>, crop: Option<f32>) -> CascadeLook {
        let rule = KindRule {
            kind: EventKind::new("fire"),
            labels: BTreeSet::new(),
            log_floor: 0.05,
            hit_score: 0.5,
            urgent: true,
            interval: Duration::from_secs(2),
            compares: false,
        };
        let look = ModelLook {
            model: 1,
            model_id: ModelId::new("verifier-1").unwrap(),
            kinds: vec![rule],
            interval: Duration::from_secs(1),
            urgent: true,
        };
        CascadeLook { look, after: 0, score, crop, waits_for_alarm: false }
    }

    fn found(kind: &str, score: f32, [x, y]: [f32; 2], side: f32) -> Detection {
        let bbox = BoundingBox::clipped(x - side / 2.0, y - side / 2.0, x + side / 2.0, y + side / 2.0);
        let score = Score::new(score).unwrap();
        let (kind, label) = (EventKind::new(kind), Label::new("flame"));
        Detection { kind, label, score, bbox: bbox.unwrap(), change: None }
    }

    #[test]
    fn only_a_kind_it_speaks_for_at_the_score_or_above_asks() {
        let asks = |cascade: &CascadeLook, found: Detection| {
            !regions(cascade, &[found], FULL_HD, INPUT).parts.is_empty()
        };
        let by_hit_score = cascade(None, None);
        assert!(asks(&by_hit_score, found("fire", 0.5, [0.5; 2], 0.1)));
        assert!(!asks(&by_hit_score, found("fire", 0.49, [0.5; 2], 0.1)));
        assert!(!asks(&by_hit_score, found("littering", 0.9, [0.5; 2], 0.1)));
        assert!(asks(&cascade(Some(0.2), None), found("fire", 0.2, [0.5; 2], 0.1)));
    }

    #[test]
    fn surroundings_measure_the_factor_lie_around_the_box_and_stay_in_the_picture() {
        // 0.2 of 1920 is 384 pixels, twice of which is 768.
        let middle = found("fire", 0.9, [0.5, 0.5], 0.2);
        let around = regions(&cascade(None, Some(2.0)), &[middle], FULL_HD, INPUT).parts[0];
        assert_eq!(around, Part { left: 576, top: 156, width: 768, height: 768 });
        let corner = found("fire", 0.9, [0.99, 0.99], 0.02);
        let around = regions(&cascade(None, Some(2.0)), &[corner], FULL_HD, INPUT).parts[0];
        assert_eq!(around, Part { left: 1600, top: 760, width: 320, height: 320 }, "never enlarged");
        let all = found("fire", 0.9, [0.5, 0.5], 1.0);
        let around = regions(&cascade(None, Some(2.0)), &[all], FULL_HD, (640, 384)).parts[0];
        assert_eq!(around, Part::whole(FULL_HD));
    }

    #[test]
    fn a_picture_smaller_than_the_input_is_looked_at_whole() {
        let speck = found("fire", 0.9, [0.1, 0.1], 0.01);
        let around = regions(&cascade(None, Some(2.0)), &[speck], (200, 120), INPUT).parts[0];
        assert_eq!(around, Part::whole((200, 120)));
        assert_eq!(region_of(around, (200, 120)), Some(BoundingBox::WHOLE));
    }

    #[test]
    fn the_surest_are_asked_about_first_neighbours_share_a_part_and_a_crowd_is_counted() {
        let everywhere = [
            found("fire", 0.6, [0.1, 0.9], 0.02),
            found("fire", 0.9, [0.2, 0.2], 0.02),
            found("fire", 0.8, [0.21, 0.21], 0.02),
            found("fire", 0.7, [0.9, 0.9], 0.02),
        ];
        let asked = regions(&cascade(None, Some(2.0)), &everywhere, FULL_HD, INPUT);
        assert_eq!(asked.crowded, 1);
        let middles: Vec<bool> = asked
            .parts
            .iter()
            .zip([(0.2, 0.2), (0.9, 0.9)])
            .map(|(part, middle)| region_of(*part, FULL_HD).unwrap().contains(middle))
            .collect();
        assert_eq!(middles, [true, true]);
        let whole = regions(&cascade(None, None), &everywhere, FULL_HD, INPUT);
        assert_eq!(whole, Regions { parts: vec![Part::whole(FULL_HD)], crowded: 0 });
    }
}
