//! From what was found in each picture to the figures of the report.

use super::dataset::{AnnotatedPicture, MASK_LABEL};
use super::looks::Seen;
use super::maps::{self, MaskAnswer};
use super::metrics::{self, FoundBox, Resampling, Scored, Share};
use super::report::{Measured, Named, Part, Places, Threshold};
use crate::detector::LabelledBox;
use citybrain_types::{BoundingBox, Label, ModelId};
use std::collections::{BTreeMap, BTreeSet};

/// Overlap from which on a box is in its place.
const MIN_IOU: f32 = 0.5;

/// Most points of a curve that is reported; more cannot be seen.
const MAX_CURVE_POINTS: usize = 200;

/// A picture and what was found in it.
#[derive(Debug, Clone)]
pub(super) struct Answered<'d> {
    pub(super) picture: &'d AnnotatedPicture,
    pub(super) seen: Seen,
}

/// A label that a model scores.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Claim {
    /// Which model, by its number among those asked.
    pub(super) model: usize,
    pub(super) model_id: ModelId,
    pub(super) label: Label,
    /// The score from which on it was shipped to count as found.
    pub(super) threshold: f32,
}

/// What is measured: labels the truth is read from, and what is scored for it. Never without a claim.
#[derive(Debug, Clone)]
pub(super) struct Subject<N> {
    pub(super) name: N,
    pub(super) truth: BTreeSet<Label>,
    pub(super) claims: Vec<Claim>,
}

impl Answered<'_> {
    /// All boxes that speak for one of the claims, with the threshold each is held to.
    pub(super) fn boxes<'a>(&'a self, claims: &'a [Claim]) -> impl Iterator<Item = (&'a LabelledBox, f32)> {
        claims.iter().flat_map(|claim| {
            let boxes = self.seen.found[claim.model].iter();
            boxes.filter(|found| found.label == claim.label).map(|found| (found, claim.threshold))
        })
    }

    /// The highest score of the claims; nothing told is nothing seen.
    pub(super) fn score(&self, claims: &[Claim]) -> f32 {
        self.boxes(claims).map(|(found, _)| found.score.get()).fold(0.0, f32::max)
    }

    /// Whether one of the claims reaches its threshold.
    pub(super) fn is_found(&self, claims: &[Claim]) -> bool {
        self.boxes(claims).any(|(found, threshold)| found.score.get() >= threshold)
    }

    fn mask_answer(&self, claims: &[Claim]) -> Option<&MaskAnswer> {
        match claims {
            [claim] => self.seen.masks[claim.model].as_ref(),
            _ => self.seen.masks_together.as_ref(),
        }
    }
}

impl<N> Subject<N> {
    /// Present when one of the labels is; absent only when all are known to be; else unknown. Labels that the data do
    /// not have say nothing.
    pub(super) fn truth(&self, picture: &AnnotatedPicture) -> Option<bool> {
        let mut known = self.truth.iter().filter(|label| picture.labels.contains_key(label)).peekable();
        known.peek()?;
        let judged: Vec<Option<bool>> = known.map(|label| picture.truth(label)).collect();
        if judged.contains(&Some(true)) {
            return Some(true);
        }
        judged.iter().all(|truth| *truth == Some(false)).then_some(false)
    }

    /// The one label it is about, where it is about one.
    fn label(&self) -> Option<&Label> {
        self.truth.first().filter(|_| self.truth.len() == 1)
    }
}

struct Row<'a> {
    scored: Scored,
    found: bool,
    answer: &'a Answered<'a>,
}

/// What all parts are measured with.
struct Measuring<'a, N> {
    subject: &'a Subject<N>,
    absent: Vec<Scored>,
    resampling: Resampling,
}

/// Measures one label or kind over all answered pictures.
pub(super) fn measure<N>(
    subject: Subject<N>,
    answered: &[Answered<'_>],
    resampling: Resampling,
) -> Measured<N> {
    let rows = rows(&subject, answered);
    let scored: Vec<Scored> = rows.iter().map(|row| row.scored).collect();
    let absent = scored.iter().filter(|row| !row.present).copied().collect();
    let measuring = Measuring { subject: &subject, absent, resampling };
    let all: Vec<&Row<'_>> = rows.iter().collect();
    Measured {
        all: Part { area: measuring.area(&all, true), ..measuring.part(&all) },
        sources: measuring.parts(&all, |picture| &picture.source),
        groups: measuring.parts(&all, |picture| &picture.group),
        calibration: metrics::calibration(&scored),
        roc: thinned(metrics::roc(&scored)),
        precision_recall: thinned(metrics::precision_recall(&scored)),
        mistakes: Vec::new(),
        thresholds: thresholds(&subject.claims),
        name: subject.name,
    }
}

fn thresholds(claims: &[Claim]) -> Vec<Threshold> {
    let of = |claim: &Claim| Threshold {
        label: claim.label.clone(),
        model: claim.model_id.clone(),
        score: claim.threshold,
    };
    claims.iter().map(of).collect()
}

fn rows<'a, N>(subject: &Subject<N>, answered: &'a [Answered<'a>]) -> Vec<Row<'a>> {
    let mut groups: BTreeMap<&str, usize> = BTreeMap::new();
    let mut rows = Vec::new();
    for answer in answered {
        let Some(present) = subject.truth(answer.picture) else { continue };
        let next = groups.len();
        let group = *groups.entry(&answer.picture.group).or_insert(next);
        let scored = Scored { score: answer.score(&subject.claims), present, group };
        rows.push(Row { scored, found: answer.is_found(&subject.claims), answer });
    }
    rows
}

impl<N> Measuring<'_, N> {
    fn parts<'a>(
        &self,
        rows: &[&'a Row<'a>],
        name: impl Fn(&'a AnnotatedPicture) -> &'a String,
    ) -> Vec<Named> {
        let mut by_name: BTreeMap<&str, Vec<&Row<'_>>> = BTreeMap::new();
        for row in rows {
            by_name.entry(name(row.answer.picture)).or_default().push(row);
        }
        let named =
            |(name, rows): (&str, Vec<&Row<'_>>)| Named { name: name.to_owned(), part: self.part(&rows) };
        by_name.into_iter().map(named).collect()
    }

    fn part(&self, rows: &[&Row<'_>]) -> Part {
        let count = |present: bool, found: Option<bool>| {
            let counted = rows.iter().filter(|row| row.scored.present == present);
            counted.filter(|row| found.is_none_or(|found| row.found == found)).count() as u64
        };
        let (present, absent) = (count(true, None), count(false, None));
        let (true_alarms, false_alarms) = (count(true, Some(true)), count(false, Some(true)));
        let scored: Vec<Scored> = rows.iter().map(|row| row.scored).collect();
        let those_present = scored.iter().filter(|row| row.present);
        let against_all: Vec<Scored> = those_present.chain(&self.absent).copied().collect();
        let alarms_share = Share::of(false_alarms, absent);
        Part {
            present,
            absent,
            auc: metrics::auc_estimate(&scored, self.resampling),
            auc_against_all: metrics::auc(&against_all),
            precision: Share::of(true_alarms, true_alarms + false_alarms),
            recall: Share::of(true_alarms, present),
            false_alarms: alarms_share,
            false_alarms_per_1000_quiet: alarms_share.map(|share| share.times(1000.0)),
            false_alarms_at_recall_80: metrics::false_alarms_at_recall(&scored, 0.8),
            ece: metrics::calibration(&scored).map(|calibration| calibration.ece),
            places: self.places(rows),
            area: self.area(rows, false),
        }
    }

    /// `None` when no picture has a labelled place.
    fn places(&self, rows: &[&Row<'_>]) -> Option<Places> {
        let label = self.subject.label()?;
        let (mut all_found, mut boxes, mut pointed, mut with_boxes) = (Vec::new(), BTreeMap::new(), 0, 0);
        for row in rows {
            let labelled = row.answer.picture.places(label);
            // A picture that shows it somewhere, nobody said where, can neither be hit nor missed.
            if row.scored.present && labelled.is_empty() {
                continue;
            }
            let mut found: Vec<&LabelledBox> =
                row.answer.boxes(&self.subject.claims).map(|(found, _)| found).collect();
            found.sort_by(|a, b| b.score.get().total_cmp(&a.score.get()));
            let places: Vec<BoundingBox> = found.iter().map(|found| found.bbox).collect();
            let hits = metrics::match_boxes(&places, labelled, MIN_IOU);
            let group = row.scored.group;
            all_found.extend(found.iter().zip(hits).map(|(found, hit)| FoundBox {
                score: found.score.get(),
                hit,
                group,
            }));
            *boxes.entry(group).or_default() += labelled.len();
            if !labelled.is_empty() {
                with_boxes += 1;
                pointed += u64::from(places.first().is_some_and(|surest| points_into(surest, labelled)));
            }
        }
        let total: usize = boxes.values().sum();
        let ap50 = metrics::average_precision_estimate(&all_found, &boxes, self.resampling);
        (total > 0).then(|| Places { boxes: total, ap50, pointing: Share::of(pointed, with_boxes) })
    }

    fn area(&self, rows: &[&Row<'_>], with_thresholds: bool) -> Option<maps::Area> {
        self.subject.label().filter(|label| label.as_str() == MASK_LABEL)?;
        let answers: Vec<(usize, &MaskAnswer)> = rows
            .iter()
            .filter_map(|row| Some((row.scored.group, row.answer.mask_answer(&self.subject.claims)?)))
            .collect();
        maps::area(&answers, self.resampling, with_thresholds)
    }
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
            mask: None,
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
        Subject { name: "fire", truth, claims: vec![claim(fire, 0.5), claim(smoke, 0.9)] }
    }

    fn claim(label: Label, threshold: f32) -> Claim {
        Claim { model: 0, model_id: ModelId::new("m-1").unwrap(), label, threshold }
    }

    fn answered(picture: &AnnotatedPicture, found: Vec<LabelledBox>) -> Answered<'_> {
        let seen = Seen { found: vec![found], masks: vec![None], masks_together: None, unusable_mask: None };
        Answered { picture, seen }
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
            answered(&pictures[0], vec![found("fire", 0.6, ALL), found("smoke", 0.7, ALL)]),
            answered(&pictures[1], vec![found("smoke", 0.8, ALL)]),
        ];
        let measured = measure(fire_kind(), &answered, RESAMPLING);
        // Smoke at 0.8 is below its 0.9: no false alarm, although it scores above the fire at 0.6.
        assert_eq!(measured.all.recall.map(|share| (share.hits, share.total)), Some((1, 1)));
        assert_eq!(measured.all.false_alarms.map(|share| (share.hits, share.total)), Some((0, 1)));
        assert_eq!(measured.all.auc.map(|auc| auc.value), Some(0.0));
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
        let with_score = |(picture, score)| answered(picture, vec![found("fire", score, ALL)]);
        let answered: Vec<Answered<'_>> = pictures.iter().zip(scores).map(with_score).collect();
        let fire = Label::new("fire");
        let label = Subject { name: "fire", truth: [fire.clone()].into(), claims: vec![claim(fire, 0.7)] };
        let measured = measure(label, &answered, RESAMPLING);
        assert_eq!((measured.all.present, measured.all.absent), (1, 2));
        assert_eq!(measured.all.false_alarms_per_1000_quiet.map(|alarms| alarms.value), Some(500.0));
        assert_eq!(measured.sources.iter().map(|s| s.part.absent).collect::<Vec<_>>(), [1, 1]);
        assert_eq!(measured.sources[0].part.auc_against_all, Some(1.0));
        assert_eq!(measured.groups.iter().map(|g| g.name.as_str()).collect::<Vec<_>>(), ["a1", "a2", "b1"]);
        assert_eq!(measured.groups.iter().map(|g| g.part.present).sum::<u64>(), 1);
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
            answered(&pictures[0], vec![found("fire", 0.8, hit)]),
            answered(&pictures[1], vec![found("fire", 0.95, hit)]),
            answered(&pictures[2], vec![found("fire", 0.9, hit)]),
        ];
        let subject = Subject { name: (), truth: [fire.clone()].into(), claims: vec![claim(fire, 0.5)] };
        let places = measure(subject, &answered, RESAMPLING).all.places.unwrap();
        // The surer box in the quiet picture is a miss, the one in the picture without a place counts nowhere.
        assert_eq!((places.boxes, places.ap50.map(|ap| ap.value)), (1, Some(0.5)));
        assert_eq!(places.pointing.map(|share| (share.hits, share.total)), Some((1, 1)));
    }

    #[test]
    fn of_two_models_the_surer_one_speaks_and_each_keeps_its_own_threshold() {
        let fire = Label::new("fire");
        let pictures = [picture("a", Some(true), None), picture("b", Some(false), None)];
        let by_models = |picture, first, second| {
            let found = vec![vec![found("fire", first, ALL)], vec![found("fire", second, ALL)]];
            Answered {
                picture,
                seen: Seen { found, masks: vec![None, None], masks_together: None, unusable_mask: None },
            }
        };
        let answered = [by_models(&pictures[0], 0.3, 0.7), by_models(&pictures[1], 0.6, 0.65)];
        let claims = vec![claim(fire.clone(), 0.9), Claim { model: 1, ..claim(fire.clone(), 0.68) }];
        let measured = measure(Subject { name: (), truth: [fire].into(), claims }, &answered, RESAMPLING);
        assert_eq!(measured.all.auc.map(|auc| auc.value), Some(1.0));
        assert_eq!(measured.all.recall.map(|share| share.hits), Some(1));
        assert_eq!(measured.all.false_alarms.map(|share| share.hits), Some(0));
    }
}
