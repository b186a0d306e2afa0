//! Boxes as four distributions of distances, and scores per cell: what NanoDet and PicoDet have from Generalized Focal
//! Loss (<https://arxiv.org/abs/2006.04388>).
//!
//! A cell's box is told by its distances to left, top, right and bottom, each as `reg_max + 1` logits over 0 to
//! `reg_max` strides: the distance is the mean of their softmax, times the stride.

use super::candidates::{Candidates, Suppression};
use super::grid::{self, FeatureMap, feature_maps};
use super::needs::NeededOutput;
use super::numbers::{ScoreKind, softmax};
use super::{Frame, wrong_shape};
use crate::detector::{DetectError, LabelledBox};
use crate::manifest::reader::Table;
use crate::session::Outputs;

/// Where in its cell the point lies from which the distances count; the key `cell_point`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CellPoint {
    /// `"middle"`: NanoDet and PicoDet.
    Middle,
    /// `"corner"`: the top left one; NanoDet-Plus.
    Corner,
}

/// Outputs with scores and distances.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GflOutputs {
    /// `output`: `[1, cells, classes + 4 · (reg_max + 1)]`, the cells of all strides in order.
    Joined(String),
    /// `score_outputs` and `box_outputs`: for each stride `[1, cells, classes]` and `[1, cells, 4 · (reg_max + 1)]`.
    Split {
        /// A name for each stride.
        scores: Vec<String>,
        /// A name for each stride.
        boxes: Vec<String>,
    },
}

/// What NanoDet and PicoDet have in common.
#[derive(Debug, Clone, PartialEq)]
pub struct GflSpec {
    /// Names of the outputs.
    pub outputs: GflOutputs,
    /// Pixels from one cell to the next, of each feature map.
    pub strides: Vec<u32>,
    /// Largest distance, in strides.
    pub reg_max: usize,
    /// Where in its cell a point lies.
    pub cell_point: CellPoint,
    /// What the scores are.
    pub scores: ScoreKind,
    /// How many boxes are told.
    pub suppression: Suppression,
}

/// Scores and distances of one run of cells.
struct Cells<'o> {
    scores: &'o [f32],
    boxes: &'o [f32],
    /// Numbers from one cell to the next in `scores` and `boxes`.
    steps: (usize, usize),
    classes: usize,
    bins: usize,
}

impl Cells<'_> {
    fn scores(&self, cell: usize) -> &[f32] {
        &self.scores[cell * self.steps.0..][..self.classes]
    }

    fn distances(&self, cell: usize) -> [f32; 4] {
        let all = &self.boxes[cell * self.steps.1..][..4 * self.bins];
        std::array::from_fn(|side| {
            let logits = all[side * self.bins..][..self.bins].iter().copied();
            softmax(logits).enumerate().map(|(bin, part)| bin as f32 * part).sum()
        })
    }
}

impl GflSpec {
    /// `joined` says whether the manifest may name one `output`; `point` is the default of `cell_point`.
    pub(super) fn read(table: &mut Table<'_>, joined: bool, point: Option<CellPoint>) -> Option<Self> {
        let outputs = if joined && !table.has("score_outputs") && !table.has("box_outputs") {
            table.string("output").map(GflOutputs::Joined)
        } else {
            let (scores, boxes) = (table.strings("score_outputs"), table.strings("box_outputs"));
            scores.zip(boxes).map(|(scores, boxes)| GflOutputs::Split { scores, boxes })
        };
        let strides = grid::strides(table);
        let reg_max = table.count_or("reg_max", 7, 1..=64);
        let points = [("middle", CellPoint::Middle), ("corner", CellPoint::Corner)];
        let cell_point = match point {
            Some(default) => table.choice_or("cell_point", &points, default),
            None => table.choice("cell_point", &points),
        };
        let scores = ScoreKind::read(table);
        let suppression = Suppression::read(table, 0.6);
        let spec = Self {
            outputs: outputs?,
            strides: strides?,
            reg_max: reg_max?,
            cell_point: cell_point?,
            scores: scores?,
            suppression: suppression?,
        };
        if let GflOutputs::Split { scores, boxes } = &spec.outputs
            && (scores.len() != spec.strides.len() || boxes.len() != spec.strides.len())
        {
            let message = format!(
                "score_outputs, box_outputs and strides are to be of one length, not {}, {} and {}",
                scores.len(),
                boxes.len(),
                spec.strides.len()
            );
            table.problem_at("score_outputs", message);
            return None;
        }
        Some(spec)
    }

    const fn box_numbers(&self) -> usize {
        4 * (self.reg_max + 1)
    }

    pub(super) fn outputs(&self, input: (u32, u32)) -> Vec<NeededOutput> {
        let maps = feature_maps(input, &self.strides);
        let numbers = self.box_numbers();
        match &self.outputs {
            GflOutputs::Joined(name) => {
                let cells: usize = maps.iter().map(FeatureMap::cells).sum();
                let shape = [1, cells as i64, -1];
                vec![NeededOutput::floats("output", name, &shape).with_classes(2, numbers)]
            }
            GflOutputs::Split { scores, boxes } => {
                let score = |(name, map): (&String, &FeatureMap)| {
                    NeededOutput::floats("score_outputs", name, &[1, map.cells() as i64, -1])
                        .with_classes(2, 0)
                };
                let distance = |(name, map): (&String, &FeatureMap)| {
                    NeededOutput::floats("box_outputs", name, &[1, map.cells() as i64, numbers as i64])
                };
                scores.iter().zip(&maps).map(score).chain(boxes.iter().zip(&maps).map(distance)).collect()
            }
        }
    }

    /// Cells of each feature map.
    fn cells<'o>(
        &self,
        outputs: &'o Outputs<'_>,
        frame: &Frame<'_>,
        maps: &[FeatureMap],
    ) -> Result<Vec<Cells<'o>>, DetectError> {
        let (numbers, bins) = (self.box_numbers(), self.reg_max + 1);
        match &self.outputs {
            GflOutputs::Joined(name) => {
                let (shape, values) = outputs.floats(name)?;
                let total: usize = maps.iter().map(FeatureMap::cells).sum();
                let width = values.len() / total.max(1);
                let classes = width.saturating_sub(numbers);
                if shape != [1, total as i64, width as i64] || !frame.classes.fits(classes) {
                    return Err(wrong_shape(name, shape));
                }
                let mut rest = values;
                let cells = maps.iter().map(|map| {
                    let (own, after) = rest.split_at(map.cells() * width);
                    rest = after;
                    Cells { scores: own, boxes: &own[classes..], steps: (width, width), classes, bins }
                });
                Ok(cells.collect())
            }
            GflOutputs::Split { scores, boxes } => {
                let cells = scores.iter().zip(boxes).zip(maps).map(|((scores, boxes), map)| {
                    let (score_shape, score_values) = outputs.floats(scores)?;
                    let (box_shape, box_values) = outputs.floats(boxes)?;
                    let classes = score_values.len() / map.cells();
                    let count = map.cells() as i64;
                    if score_shape != [1, count, classes as i64] || !frame.classes.fits(classes) {
                        return Err(wrong_shape(scores, score_shape));
                    }
                    if box_shape != [1, count, numbers as i64] {
                        return Err(wrong_shape(boxes, box_shape));
                    }
                    let steps = (classes, numbers);
                    Ok(Cells { scores: score_values, boxes: box_values, steps, classes, bins })
                });
                cells.collect()
            }
        }
    }

    fn first_output(&self) -> &str {
        match &self.outputs {
            GflOutputs::Joined(name) => name,
            GflOutputs::Split { scores, .. } => scores.first().map_or("", String::as_str),
        }
    }

    /// Every class of a cell is judged on its own, as in both projects' post-processing.
    pub(super) fn decode(
        &self,
        outputs: &Outputs<'_>,
        frame: &Frame<'_>,
    ) -> Result<Vec<LabelledBox>, DetectError> {
        let maps = feature_maps(frame.placement.input(), &self.strides);
        let cells = self.cells(outputs, frame, &maps)?;
        let mut candidates = Candidates::new(self.first_output(), frame);
        let mut first = 0;
        for (map, cells) in maps.iter().zip(&cells) {
            for cell in 0..map.cells() {
                let scores = cells.scores(cell);
                for (class, _) in frame.classes.told() {
                    candidates.push(class, self.scores.probability(scores[class]), first + cell)?;
                }
            }
            first += map.cells();
        }
        let (width, height) = frame.placement.input();
        candidates.boxes(self.suppression, |place| {
            let Some((number, cell)) = grid::find(&maps, place) else { return [0.0; 4] };
            self.edges(&maps[number], cell, cells[number].distances(cell), (width as f32, height as f32))
        })
    }

    /// Edges of a cell's box in pixels, kept within the input.
    fn edges(&self, map: &FeatureMap, cell: usize, distances: [f32; 4], input: (f32, f32)) -> [f32; 4] {
        let stride = map.stride as f32;
        let (column, row) = map.cell(cell);
        let shift = match self.cell_point {
            CellPoint::Middle => 0.5,
            CellPoint::Corner => 0.0,
        };
        let (x, y) = ((column as f32 + shift) * stride, (row as f32 + shift) * stride);
        let [left, top, right, bottom] = distances.map(|distance| distance * stride);
        let within = |edge: f32, limit: f32| edge.clamp(0.0, limit);
        [
            within(x - left, input.0),
            within(y - top, input.1),
            within(x + right, input.0),
            within(y + bottom, input.1),
        ]
    }
}
