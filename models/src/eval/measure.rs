//! From the boxes found in each picture to the figures of the report.

use super::dataset::AnnotatedPicture;
use super::metrics::{self, Scored, Share};
use super::report::{Measured, Named, Part, Places};
use crate::detector::LabelledBox;
use citybrain_types::{BoundingBox, Label};
use std::collections::{BTreeMap, BTreeSet};

/// Overlap from which on a box is in its place.
const MIN_IOU: f32 = 0.5;

/// Most points of a curve that is reported; more cannot be seen.
const MAX_CURVE_POINTS: usize = 200;

/// A picture and what was found in it, down to the lowest score, the surest of each label first.
#[derive(Debug, Clone)]
pub(super) struct Answered<'d> {
    pub(super) picture: &'d AnnotatedPicture,
    pub(super) found: Vec<LabelledBox>,
}

impl Answered<'_> {
    /// The highest score among labels; nothing told is nothing seen.
    pub(super) fn score(&self, labels: &[(Label, f32)]) -> f32 {
        let of = |found: &&LabelledBox| labels.iter().any(|(label, _)| *label == found.label);
        self.found.iter().filter(of).map(|found| found.score.get()).fold(0.0, f32::max)
    }

    fn is_found(&self, labels: &[(Label, f32)]) -> bool {
        self.found.iter().any(|found| {
            labels.iter().any(|(label, threshold)| *label == found.label && found.score.get() >= *threshold)
        })
    }

    fn boxes_of(&self, label: &Label) -> impl Iterator<Item = &LabelledBox> {
        self.found.iter().filter(move |found| found.label == *label)
    }
}

/// What is measured: labels the truth is read from, and scored labels with their thresholds.
pub(super) struct Subject<N> {
    pub(super) name: N,
    pub(super) truth: BTreeSet<Label>,
    pub(super) scored: Vec<(Label, f32)>,
}

impl<N> Subject<N> {
    /// Present when one of the labels is; absent only when all are known to be; else unknown. Labels that the data do
    /// not have say nothing.
    fn truth(&self, picture: &AnnotatedPicture) -> Option<bool> {
        let mut known = self.truth.iter().filter(|label| picture.labels.contains_key(label)).peekable();
        known.peek()?;
        let judged: Vec<Option<bool>> = known.map(|label| picture.truth(label)).collect();
        if judged.contains(&Some(true)) {
            return Some(true);
        }
        judged.iter().all(|truth| *truth == Some(false)).then_some(false)
    }
}

/// How intervals are drawn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Resampling {
    pub(super) rounds: usize,
    pub(super) seed: u64,
}

struct Row<'d> {
    scored: Scored,
    found: bool,
    picture: &'d AnnotatedPicture,
}

/// Measures one label or kind over all answered pictures.
pub(super) fn measure<N>(
    subject: Subject<N>,
    answered: &[Answered<'_>],
    resampling: Resampling,
) -> Measured<N> {
    let rows = rows(&subject, answered);
    let references: Vec<&Row<'_>> = rows.iter().collect();
    let scored: Vec<Scored> = rows.iter().map(|row| row.scored).collect();
    let absent: Vec<Scored> = scored.iter().filter(|row| !row.present).copied().collect();
    let sources = parts(&references, &absent, |picture| &picture.source);
    let mut groups = parts(&references, &absent, |picture| &picture.group);
    groups.retain(|group| group.part.present > 0);
    let places = match (subject.truth.first(), subject.truth.len()) {
        (Some(label), 1) => places(label, answered),
        _ => None,
    };
    Measured {
        auc: metrics::auc_interval(&scored, resampling.rounds, resampling.seed),
        all: part(&references, &absent),
        sources,
        groups,
        places,
        roc: thinned(metrics::roc(&scored)),
        precision_recall: thinned(metrics::precision_recall(&scored)),
        name: subject.name,
        thresholds: subject.scored,
    }
}

fn rows<'d, N>(subject: &Subject<N>, answered: &[Answered<'d>]) -> Vec<Row<'d>> {
    let mut groups: BTreeMap<&str, usize> = BTreeMap::new();
    let mut rows = Vec::new();
    for answer in answered {
        let Some(present) = subject.truth(answer.picture) else { continue };
        let next = groups.len();
        let group = *groups.entry(&answer.picture.group).or_insert(next);
        let scored = Scored { score: answer.score(&subject.scored), present, group };
        rows.push(Row { scored, found: answer.is_found(&subject.scored), picture: answer.picture });
    }
    rows
}

fn parts<'d>(
    rows: &[&Row<'d>],
    absent: &[Scored],
    name: impl Fn(&'d AnnotatedPicture) -> &'d String,
) -> Vec<Named> {
    let mut by_name: BTreeMap<&str, Vec<&Row<'d>>> = BTreeMap::new();
    for row in rows {
        by_name.entry(name(row.picture)).or_default().push(row);
    }
    by_name
        .into_iter()
        .map(|(name, rows)| Named { name: name.to_owned(), part: part(&rows, absent) })
        .collect()
}

fn part(rows: &[&Row<'_>], absent: &[Scored]) -> Part {
    let count = |present: bool, found: Option<bool>| {
        let counted = rows.iter().filter(|row| row.scored.present == present);
        counted.filter(|row| found.is_none_or(|found| row.found == found)).count() as u64
    };
    let (present_count, absent_count) = (count(true, None), count(false, None));
    let (true_alarms, false_alarms) = (count(true, Some(true)), count(false, Some(true)));
    let scored: Vec<Scored> = rows.iter().map(|row| row.scored).collect();
    let against_all: Vec<Scored> = scored.iter().filter(|row| row.present).chain(absent).copied().collect();
    let alarms_share = Share::of(false_alarms, absent_count);
    Part {
        present: present_count,
        absent: absent_count,
        auc: metrics::auc(&scored),
        auc_against_all: metrics::auc(&against_all),
        precision: Share::of(true_alarms, true_alarms + false_alarms),
        recall: Share::of(true_alarms, present_count),
        false_alarms: alarms_share,
        false_alarms_per_1000_quiet: alarms_share.map(|share| share.value * 1000.0),
    }
}

/// `None` when no picture has a labelled place.
fn places(label: &Label, answered: &[Answered<'_>]) -> Option<Places> {
    let (mut scored, mut boxes, mut pointed, mut with_boxes) = (Vec::new(), 0, 0, 0);
    for answer in answered {
        let labelled = answer.picture.places(label);
        let truth = answer.picture.truth(label);
        // A picture that shows it somewhere, nobody said where, can neither be hit nor missed.
        if truth.is_none() || (truth == Some(true) && labelled.is_empty()) {
            continue;
        }
        let found: Vec<BoundingBox> = answer.boxes_of(label).map(|found| found.bbox).collect();
        let scores = answer.boxes_of(label).map(|found| found.score.get());
        scored.extend(scores.zip(metrics::match_boxes(&found, labelled, MIN_IOU)));
        boxes += labelled.len();
        if !labelled.is_empty() {
            with_boxes += 1;
            pointed += u64::from(found.first().is_some_and(|surest| points_into(surest, labelled)));
        }
    }
    (boxes > 0).then(|| Places {
        boxes,
        ap50: metrics::average_precision(&scored, boxes),
        pointing: Share::of(pointed, with_boxes),
    })
}

fn points_into(bbox: &BoundingBox, labelled: &[BoundingBox]) -> bool {
    let (x, y) = bbox.center();
    labelled.iter().any(|l| (l.left()..=l.right()).contains(&x) && (l.top()..=l.bottom()).contains(&y))
}

fn thinned(points: Vec<[f64; 2]>) -> Vec<[f64; 2]> {
    let Some(last) = points.len().checked_sub(1).filter(|_| points.len() > MAX_CURVE_POINTS) else {
        return points;
    };
    (0..MAX_CURVE_POINTS).map(|i| points[i * last / (MAX_CURVE_POINTS - 1)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use citybrain_types::Score;

    fn picture(group: &str, fire: Option<bool>, smoke: Option<bool>) -> AnnotatedPicture {
        AnnotatedPicture {
            file_name: format!("{group}.jpg"),
            source: group[..1].to_owned(),
            group: group.to_owned(),
            labels: [(Label::new("fire"), fire), (Label::new("smoke"), smoke)].into(),
            boxes: BTreeMap::new(),
        }
    }

    fn found(label: &str, score: f32, edges: [f32; 4]) -> LabelledBox {
        let [left, top, right, bottom] = edges;
        let bbox = BoundingBox::new(left, top, right, bottom).unwrap();
        LabelledBox { label: Label::new(label), score: Score::new(score).unwrap(), bbox }
    }

    fn fire_kind() -> Subject<&'static str> {
        let (fire, smoke) = (Label::new("fire"), Label::new("smoke"));
        let truth = [fire.clone(), smoke.clone(), Label::new("not in the data")].into();
        Subject { name: "fire", truth, scored: vec![(fire, 0.5), (smoke, 0.9)] }
    }

    const ALL: [f32; 4] = [0.0, 0.0, 1.0, 1.0];
    const RESAMPLING: Resampling = Resampling { rounds: 50, seed: 1 };

    #[test]
    fn a_kind_is_present_with_one_of_its_labels_and_absent_only_without_all() {
        let kind = fire_kind();
        for (fire, smoke, truth) in [
            (Some(true), None, Some(true)),
            (None, Some(true), Some(true)),
            (Some(false), Some(true), Some(true)),
            (Some(false), Some(false), Some(false)),
            (Some(false), None, None),
            (None, None, None),
        ] {
            assert_eq!(kind.truth(&picture("a", fire, smoke)), truth, "{fire:?} {smoke:?}");
        }
    }

    #[test]
    fn each_label_is_held_to_its_own_threshold_and_the_score_is_the_highest() {
        let pictures = [picture("a1", Some(true), None), picture("a2", Some(false), Some(false))];
        let answered = [
            Answered {
                picture: &pictures[0],
                found: vec![found("fire", 0.6, ALL), found("smoke", 0.7, ALL)],
            },
            Answered { picture: &pictures[1], found: vec![found("smoke", 0.8, ALL)] },
        ];
        let measured = measure(fire_kind(), &answered, RESAMPLING);
        // Smoke at 0.8 is below its 0.9: no false alarm, although it scores above the fire at 0.6.
        assert_eq!(measured.all.recall.map(|share| (share.hits, share.total)), Some((1, 1)));
        assert_eq!(measured.all.false_alarms.map(|share| (share.hits, share.total)), Some((0, 1)));
        assert_eq!(measured.all.auc, Some(0.0));
    }

    #[test]
    fn unknown_pictures_count_nowhere_and_parts_add_up() {
        let pictures = [
            picture("a1", Some(true), None),
            picture("a2", Some(false), None),
            picture("b1", Some(false), Some(false)),
            picture("b2", None, None),
        ];
        let scores = [0.9, 0.8, 0.6, 0.99];
        let answered: Vec<Answered<'_>> = pictures
            .iter()
            .zip(scores)
            .map(|(picture, score)| Answered { picture, found: vec![found("fire", score, ALL)] })
            .collect();
        let fire = Label::new("fire");
        let label = Subject { name: "fire", truth: [fire.clone()].into(), scored: vec![(fire, 0.7)] };
        let measured = measure(label, &answered, RESAMPLING);
        assert_eq!((measured.all.present, measured.all.absent), (1, 2));
        assert_eq!(measured.all.false_alarms_per_1000_quiet, Some(500.0));
        assert_eq!(measured.sources.iter().map(|s| s.part.absent).collect::<Vec<_>>(), [1, 1]);
        assert_eq!(measured.sources[0].part.auc_against_all, Some(1.0));
        assert_eq!(measured.groups.iter().map(|g| g.name.as_str()).collect::<Vec<_>>(), ["a1"]);
    }

    #[test]
    fn places_count_where_they_are_labelled_and_where_nothing_is() {
        let fire = Label::new("fire");
        let mut pictures =
            [picture("a", Some(true), None), picture("b", Some(true), None), picture("c", Some(false), None)];
        let labelled = BoundingBox::new(0.0, 0.0, 0.5, 0.5).unwrap();
        pictures[0].boxes.insert(fire.clone(), vec![labelled]);
        let hit = [0.0, 0.0, 0.5, 0.4];
        let answered = [
            Answered { picture: &pictures[0], found: vec![found("fire", 0.8, hit)] },
            Answered { picture: &pictures[1], found: vec![found("fire", 0.95, hit)] },
            Answered { picture: &pictures[2], found: vec![found("fire", 0.9, hit)] },
        ];
        let places = places(&fire, &answered).unwrap();
        // The surer box in the quiet picture is a miss, the one in the picture without a place counts nowhere.
        assert_eq!((places.boxes, places.ap50), (1, Some(0.5)));
        assert_eq!(places.pointing.map(|share| (share.hits, share.total)), Some((1, 1)));
    }
}
