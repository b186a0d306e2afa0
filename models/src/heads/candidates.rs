//! From scores at many places to few boxes: what all detection heads share.
//!
//! Design decision: a head only says which place scores what; a place's box is worked out after most are dropped. So a
//! graph may tell of as many places as it likes: time is linear in them and memory does not grow.

use super::{Frame, probability};
use crate::detector::{DetectError, LabelledBox};
use crate::manifest::reader::Table;
use crate::nms::is_apart;
use citybrain_types::BoundingBox;

/// Surest places of a frame that take part in suppression; the rest is dropped.
pub(super) const MAX_CANDIDATES: usize = 3000;

/// Keys that every head with boxes has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Suppression {
    /// `max_iou`: of two boxes of one label that overlap by more, the weaker is dropped; 1 keeps all.
    pub max_iou: f32,
    /// `max_boxes`: most boxes told of one frame, the surest; 100 when the manifest is silent.
    pub max_boxes: usize,
}

impl Suppression {
    /// `max_iou` as the exporter's own post-processing has it, for a manifest that is silent.
    pub(super) fn read(table: &mut Table<'_>, max_iou: f64) -> Option<Self> {
        let (max_iou, max_boxes) = (table.fraction_or("max_iou", max_iou), Self::max_boxes(table));
        Some(Self { max_iou: max_iou? as f32, max_boxes: max_boxes? })
    }

    /// For graphs that have no two boxes of one thing: `max_boxes` only.
    pub(super) fn none(table: &mut Table<'_>) -> Option<Self> {
        Some(Self { max_iou: 1.0, max_boxes: Self::max_boxes(table)? })
    }

    fn max_boxes(table: &mut Table<'_>) -> Option<usize> {
        table.count_or("max_boxes", 100, 1..=1000)
    }
}

#[derive(Debug, Clone, Copy)]
struct Candidate {
    score: f32,
    label: usize,
    place: usize,
}

/// The surest places of a frame.
pub(super) struct Candidates<'f> {
    output: &'f str,
    frame: &'f Frame<'f>,
    found: Vec<Candidate>,
}

impl<'f> Candidates<'f> {
    /// `output` is named in errors.
    pub(super) fn new(output: &'f str, frame: &'f Frame<'f>) -> Self {
        Self { output, frame, found: Vec::new() }
    }

    /// A place that scores `score` for a class of the graph. One that is not told or is below the floor is dropped.
    pub(super) fn push(&mut self, class: usize, score: f32, place: usize) -> Result<(), DetectError> {
        if score < self.frame.floor {
            return Ok(());
        }
        let Some(label) = self.frame.classes.label(class) else { return Ok(()) };
        self.push_label(label, score, place)
    }

    /// A place that scores `score` for a label of the manifest.
    pub(super) fn push_label(&mut self, label: usize, score: f32, place: usize) -> Result<(), DetectError> {
        if score < self.frame.floor {
            return Ok(());
        }
        let score = probability(self.output, &self.frame.labels[label], score)?.get();
        self.found.push(Candidate { score, label, place });
        if self.found.len() >= 2 * MAX_CANDIDATES {
            self.found.select_nth_unstable_by(MAX_CANDIDATES, surest_first);
            self.found.truncate(MAX_CANDIDATES);
        }
        Ok(())
    }

    /// A place for which the graph itself chose the class, by number.
    pub(super) fn push_told(&mut self, class: i64, score: f32, place: usize) -> Result<(), DetectError> {
        // Rows below the floor are often filling, with any class.
        if score < self.frame.floor {
            return Ok(());
        }
        match usize::try_from(class).ok().filter(|class| self.frame.classes.knows(*class)) {
            Some(class) => self.push(class, score, place),
            None => {
                let (output, classes) = (self.output.to_owned(), self.frame.classes.len());
                Err(DetectError::UnknownClass { output, class, classes })
            }
        }
    }

    /// Pushes the class that a place scores highest.
    pub(super) fn push_best(&mut self, scores: &[f32], factor: f32, place: usize) -> Result<(), DetectError> {
        let mut best = (0, f32::NEG_INFINITY);
        for (class, score) in scores.iter().enumerate() {
            if *score > best.1 {
                best = (class, *score);
            }
        }
        self.push(best.0, best.1 * factor, place)
    }

    /// Boxes, the surest first. `edges` gives left, top, right and bottom of a place in pixels of the input.
    pub(super) fn boxes(
        mut self,
        suppression: Suppression,
        edges: impl Fn(usize) -> [f32; 4],
    ) -> Result<Vec<LabelledBox>, DetectError> {
        self.found.sort_unstable_by(surest_first);
        self.found.truncate(MAX_CANDIDATES);
        let mut kept: Vec<(Candidate, [f32; 4], BoundingBox)> = Vec::new();
        for candidate in self.found {
            if kept.len() == suppression.max_boxes {
                break;
            }
            let edges = edges(candidate.place);
            if let Some(value) = edges.into_iter().find(|edge| !edge.is_finite()) {
                return Err(DetectError::NotFinite { output: self.output.to_owned(), value });
            }
            let [left, top, right, bottom] = edges;
            // One in the padding, or without an area, is no place in the picture.
            let Some(bbox) = self.frame.placement.to_picture(left, top, right, bottom) else { continue };
            let same = kept.iter().filter(|(surer, ..)| surer.label == candidate.label);
            if suppression.max_iou >= 1.0 || is_apart(&edges, same.map(|(_, e, _)| e), suppression.max_iou) {
                kept.push((candidate, edges, bbox));
            }
        }
        let labelled = |(candidate, _, bbox): (Candidate, _, _)| {
            let label = self.frame.labels[candidate.label].clone();
            let score = probability(self.output, &label, candidate.score)?;
            Ok(LabelledBox { label, score, bbox })
        };
        kept.into_iter().map(labelled).collect()
    }
}

fn surest_first(a: &Candidate, b: &Candidate) -> std::cmp::Ordering {
    b.score.total_cmp(&a.score).then(a.place.cmp(&b.place)).then(a.label.cmp(&b.label))
}

/// Middle and size to edges.
pub(super) fn from_middle([x, y, width, height]: [f32; 4]) -> [f32; 4] {
    [x - width / 2.0, y - height / 2.0, x + width / 2.0, y + height / 2.0]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classes::ClassMap;
    use crate::letterbox::Placement;
    use citybrain_types::Label;

    fn frame<R>(work: impl FnOnce(&Frame<'_>) -> R) -> R {
        let labels = [Label::new("car"), Label::new("bus")];
        work(&Frame {
            labels: &labels,
            classes: &ClassMap::in_order(&[true, false, true]),
            thresholds: &[0.5; 2],
            floor: 0.1,
            placement: &Placement::stretch((100, 100)),
        })
    }

    const PLAIN: Suppression = Suppression { max_iou: 0.5, max_boxes: 10 };

    fn told(found: &[LabelledBox]) -> Vec<(&str, f32)> {
        found.iter().map(|f| (f.label.as_str(), f.score.get())).collect()
    }

    #[test]
    fn boxes_of_one_label_suppress_each_other_and_those_of_another_stay() {
        let found = frame(|frame| {
            let mut candidates = Candidates::new("out", frame);
            for (class, score, place) in [(0, 0.6, 0), (0, 0.9, 1), (2, 0.5, 0), (1, 0.99, 0), (0, 0.05, 40)]
            {
                candidates.push(class, score, place).unwrap();
            }
            candidates.boxes(PLAIN, |place| [place as f32, 0.0, 50.0 + place as f32, 50.0]).unwrap()
        });
        assert_eq!(told(&found), [("car", 0.9), ("bus", 0.5)]);
    }

    #[test]
    fn of_a_million_places_the_surest_are_kept_in_little_memory() {
        frame(|frame| {
            let mut candidates = Candidates::new("out", frame);
            for place in 0..1_000_000_usize {
                // A large odd factor visits the scores in no order.
                let score = 0.1 + 0.9 * ((place * 7919) % 1_000_000) as f32 / 1e6;
                candidates.push(0, score, place).unwrap();
                assert!(candidates.found.len() < 2 * MAX_CANDIDATES);
            }
            let apart = |place: usize| [0.0, 0.0, 1.0 + (place % 7) as f32, 1.0];
            let found = candidates.boxes(Suppression { max_iou: 1.0, max_boxes: 1000 }, apart).unwrap();
            assert_eq!(found.len(), 1000);
            assert!(found.last().unwrap().score.get() > 0.998, "{:?}", found.last());
        });
    }

    #[test]
    fn a_score_that_is_none_and_a_box_that_is_none_are_refused() {
        frame(|frame| {
            let mut candidates = Candidates::new("out", frame);
            assert!(matches!(candidates.push(0, 1.5, 0), Err(DetectError::NotAProbability { .. })));
            assert!(candidates.push(1, 1.5, 0).is_ok(), "a class that is not told is not looked at");
            candidates.push(0, 0.5, 0).unwrap();
            let error = candidates.boxes(PLAIN, |_| [0.0, 0.0, f32::INFINITY, 1.0]).unwrap_err();
            assert!(matches!(error, DetectError::NotFinite { .. }));
        });
    }
}
