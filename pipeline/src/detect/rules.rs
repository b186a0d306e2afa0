//! From what a model says to detections of the city's kinds.

use crate::schedule::{KindRule, ModelLook};
use citybrain_ingest_config::resolved::Zone;
use citybrain_models::LabelledBox;
use citybrain_types::{BoundingBox, Detection, Polygon};

/// What counts of one model's answer for one camera.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Findings {
    /// Everything above the log's floor and outside the ignored parts.
    pub detections: Vec<Detection>,
    /// Those of them at or above the hit score of their kind, or of a zone that they lie in.
    pub hits: Vec<Detection>,
    /// One of the hits is of a kind with a pre-alarm.
    pub urgent: bool,
    /// Nothing came near a hit: the frame may serve as the picture before.
    pub quiet: bool,
    /// Parts of the picture that not everybody may see; `None` when this model does not look for them.
    pub private: Option<Vec<BoundingBox>>,
}

/// A frame in which everything stays below this share of its hit score counts as quiet.
const QUIET_SHARE: f32 = 0.5;

/// Applies a camera's rules: labels to kinds by the city's catalogue, the log's floor, ignored parts of the
/// picture (by the middle of a box). A label that speaks for two kinds gives two detections. A zone with a hit score of
/// its own makes hits in its part, at every hour: a picture too many costs little, a case without one much.
#[must_use]
pub fn apply(boxes: &[LabelledBox], look: &ModelLook, ignore: &[Polygon], zones: &[Zone]) -> Findings {
    let mut findings = Findings { quiet: true, ..Findings::default() };
    for found in boxes.iter().filter(|found| !ignore.iter().any(|part| part.contains(found.bbox.center()))) {
        for rule in look.kinds.iter().filter(|rule| rule.labels.contains(&found.label)) {
            let score = found.score.get();
            if score < rule.log_floor {
                continue;
            }
            let (kind, label) = (rule.kind.clone(), found.label.clone());
            let hit_score = hit_score(rule, zones, &found.bbox);
            let detection = Detection { kind, label, score: found.score, bbox: found.bbox, change: None };
            findings.quiet &= score < hit_score * QUIET_SHARE;
            if score >= hit_score {
                findings.urgent |= rule.urgent;
                findings.hits.push(detection.clone());
            }
            findings.detections.push(detection);
        }
    }
    findings
}

/// The lowest hit score that counts for a box: the camera's, or that of a zone it lies in.
fn hit_score(rule: &KindRule, zones: &[Zone], bbox: &BoundingBox) -> f32 {
    let there = zones.iter().filter(|zone| !zone.ignore && zone.is_for(&rule.kind) && zone.holds(bbox));
    there.filter_map(|zone| zone.hit_scores.get(&rule.kind)).copied().fold(rule.hit_score, f32::min)
}

/// The lowest floor of a look: what lies below it need not leave the model.
#[must_use]
pub fn floor(look: &ModelLook) -> f32 {
    look.kinds.iter().map(|rule| rule.log_floor).fold(1.0, f32::min)
}

#[cfg(test)]
mod tests {
    use super::*;
    use citybrain_types::{EventKind, Label, ModelId, Score};
    use std::time::Duration;

    fn rule(kind: &str, labels: &[&str], urgent: bool) -> KindRule {
        let labels = labels.iter().map(Label::new).collect();
        KindRule {
            kind: EventKind::new(kind),
            labels,
            log_floor: 0.2,
            hit_score: 0.6,
            urgent,
            interval: Duration::from_secs(2),
            compares: false,
        }
    }

    fn look(kinds: Vec<KindRule>) -> ModelLook {
        ModelLook {
            model: 0,
            model_id: ModelId::new("m-1").unwrap(),
            kinds,
            interval: Duration::from_secs(2),
            urgent: true,
        }
    }

    fn found(label: &str, score: f32, bbox: [f32; 4]) -> LabelledBox {
        let bbox = BoundingBox::try_from(bbox).unwrap();
        LabelledBox { label: Label::new(label), score: Score::new(score).unwrap(), bbox }
    }

    const MIDDLE: [f32; 4] = [0.4, 0.4, 0.6, 0.6];

    #[test]
    fn labels_become_the_kinds_of_the_catalogue_and_unknown_labels_nothing() {
        let look = look(vec![rule("fire", &["flame", "smoke"], true), rule("smog", &["smoke"], false)]);
        let boxes = [found("smoke", 0.5, MIDDLE), found("flame", 0.7, MIDDLE), found("cat", 0.9, MIDDLE)];
        let findings = apply(&boxes, &look, &[], &[]);
        let kinds: Vec<_> = findings.detections.iter().map(|d| (d.kind.as_str(), d.label.as_str())).collect();
        assert_eq!(kinds, [("fire", "smoke"), ("smog", "smoke"), ("fire", "flame")]);
        assert_eq!(findings.hits.len(), 1);
        assert!(findings.urgent && !findings.quiet);
    }

    #[test]
    fn what_lies_below_the_log_floor_is_not_reported() {
        let look = look(vec![rule("fire", &["flame"], true)]);
        let boxes = [found("flame", 0.19, MIDDLE), found("flame", 0.2, MIDDLE)];
        let findings = apply(&boxes, &look, &[], &[]);
        assert_eq!(findings.detections.len(), 1);
        assert!(findings.quiet && findings.hits.is_empty() && !findings.urgent);
    }

    #[test]
    fn a_box_whose_middle_lies_in_an_ignored_part_does_not_count() {
        let left_half = Polygon::new(vec![[0.0, 0.0], [0.5, 0.0], [0.5, 1.0], [0.0, 1.0]]).unwrap();
        let look = look(vec![rule("fire", &["flame"], true)]);
        let inside = found("flame", 0.9, [0.1, 0.1, 0.7, 0.5]);
        let outside = found("flame", 0.9, [0.4, 0.1, 0.9, 0.5]);
        let findings = apply(&[inside, outside.clone()], &look, &[left_half], &[]);
        assert_eq!(findings.detections.iter().map(|d| d.bbox).collect::<Vec<_>>(), [outside.bbox]);
    }

    #[test]
    fn a_frame_with_something_doubtful_is_neither_a_hit_nor_quiet() {
        let look = look(vec![rule("fire", &["flame"], true)]);
        let findings = apply(&[found("flame", 0.4, MIDDLE)], &look, &[], &[]);
        assert!(findings.hits.is_empty() && !findings.quiet);
    }

    #[test]
    fn a_zone_with_a_lower_hit_score_makes_hits_of_which_pictures_are_kept() {
        let left_half = Polygon::new(vec![[0.0, 0.0], [0.5, 0.0], [0.5, 1.0], [0.0, 1.0]]).unwrap();
        let zone = Zone {
            name: "bins".to_owned(),
            part: left_half,
            kinds: [EventKind::new("fire")].into(),
            ignore: false,
            min_size: 0.0,
            hit_scores: [(EventKind::new("fire"), 0.3)].into(),
            hours: None,
        };
        let look = look(vec![rule("fire", &["flame"], true), rule("smog", &["flame"], false)]);
        let inside = found("flame", 0.4, [0.1, 0.1, 0.3, 0.5]);
        let outside = found("flame", 0.4, [0.6, 0.1, 0.8, 0.5]);
        let findings = apply(&[inside.clone(), outside], &look, &[], &[zone]);
        let hits: Vec<_> = findings.hits.iter().map(|hit| (hit.kind.as_str(), hit.bbox)).collect();
        assert_eq!(hits, [("fire", inside.bbox)], "not the other kind, and not outside");
        assert!(findings.urgent);
    }
}
