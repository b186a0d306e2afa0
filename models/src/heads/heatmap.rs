//! A calibrated probability per label and cell, `[1, labels, rows, columns]`, and one per label and picture, `[1, labels]`.
//!
//! From cells to boxes, for each label:
//!
//! 1. Cells wholly in the letterbox's padding do not count. The highest cell left is the *peak*.
//! 2. Neighbouring cells (all eight) of at least `region_fraction × min(threshold, peak)` are one region. Where the peak
//!    reaches the label's threshold every region that does so too is told, else only the peak's own. So there is always
//!    one place to look at, and a picture that scores above the log's floor is never told without one.
//! 3. The peak's region gets the picture's score, another region the picture's score × its own highest cell / peak. The
//!    picture's score is the calibrated one, so the best box of a picture carries a probability that can be relied on and
//!    that the model card's figures are about; a cell's score says only how the regions compare.
//! 4. Boxes below the floor are left out, and of two that overlap by more than half the weaker is.

use super::multilabel::image_scores;
use super::needs::NeededOutput;
use super::regions::grow;
use super::{Frame, Head, Tint, cell_size, cells_inside, score, wrong_shape};
use crate::detector::{DetectError, LabelledBox};
use crate::heat_map::HeatMap;
use crate::letterbox::Placement;
use crate::manifest::reader::Table;
use crate::nms::keep_surest;
use crate::session::Outputs;
use citybrain_types::{BoundingBox, Label, Score};

/// Keys of `[head]` with `kind = "heatmap"`.
#[derive(Debug, Clone, PartialEq)]
pub struct HeatmapSpec {
    /// Name of the output with a probability per label and cell.
    pub heat_output: String,
    /// Name of the output with a probability per label and picture.
    pub score_output: String,
    /// A region is made of cells of at least this part of the label's threshold; 0.5 when the manifest is silent.
    pub region_fraction: f32,
}

/// Finest grid read: one cell per pixel of the largest input would be an error of the exporter.
const MAX_CELLS: usize = 256 * 256;
/// Most boxes of one label in one frame: a street with more fires than this is one fire.
const MAX_BOXES: usize = 16;
/// Two boxes of one label that overlap by more are one.
const MAX_IOU: f32 = 0.5;

impl HeatmapSpec {
    pub(crate) fn read(table: &mut Table<'_>) -> Option<Self> {
        let heat_output = table.string("heat_output");
        let score_output = table.string("score_output");
        let region_fraction = table.fraction_or("region_fraction", 0.5);
        Some(Self {
            heat_output: heat_output?,
            score_output: score_output?,
            region_fraction: region_fraction? as f32,
        })
    }

    pub(crate) fn outputs(&self) -> Vec<NeededOutput> {
        vec![
            NeededOutput::floats("heat_output", &self.heat_output, &[1, -1, -1, -1]).with_classes(1, 0),
            NeededOutput::floats("score_output", &self.score_output, &[1, -1]).with_classes(1, 0),
        ]
    }

    /// The grids of all classes, one after the other, with their columns and rows.
    fn grids<'o>(
        &self,
        outputs: &'o Outputs<'_>,
        classes: usize,
    ) -> Result<(&'o [f32], usize, usize), DetectError> {
        let (shape, heat) = outputs.floats(&self.heat_output)?;
        let [1, found, rows, columns] = *shape else { return Err(wrong_shape(&self.heat_output, shape)) };
        let (rows, columns) = (usize::try_from(rows).unwrap_or(0), usize::try_from(columns).unwrap_or(0));
        let cells = rows.saturating_mul(columns);
        if found != classes as i64 || cells == 0 || cells > MAX_CELLS {
            return Err(wrong_shape(&self.heat_output, shape));
        }
        Ok((heat, columns, rows))
    }
}

impl Head for HeatmapSpec {
    fn read(&self, outputs: &Outputs<'_>, frame: &Frame<'_>) -> Result<Vec<LabelledBox>, DetectError> {
        let images = image_scores(outputs, &self.score_output, frame.classes)?;
        let (grids, columns, rows) = self.grids(outputs, images.len())?;
        let cells = columns * rows;
        let mut found = Vec::new();
        for (class, index) in frame.classes.told() {
            let (label, threshold) = (&frame.labels[index], frame.thresholds[index]);
            let heat = &grids[class * cells..][..cells];
            let image = score(&self.score_output, label, images[class])?;
            check_cells(&self.heat_output, label, heat)?;
            if image.get() < frame.floor {
                continue;
            }
            let grid = Grid { heat, columns, rows };
            let boxes = grid.boxes(frame.placement, threshold, self.region_fraction);
            let scored = boxes.into_iter().map(|(part, bbox)| (image.get() * part, bbox)).collect();
            for (value, bbox) in keep_surest(scored, MAX_IOU, MAX_BOXES) {
                let score = score(&self.heat_output, label, value)?;
                if score.get() >= frame.floor {
                    found.push(LabelledBox { label: label.clone(), score, bbox });
                }
            }
        }
        Ok(found)
    }

    fn map(&self, outputs: &Outputs<'_>, frame: &Frame<'_>) -> Result<Option<HeatMap>, DetectError> {
        let classes = image_scores(outputs, &self.score_output, frame.classes)?.len();
        let (grids, columns, rows) = self.grids(outputs, classes)?;
        let size = columns * rows;
        let mut cells = vec![0.0; frame.labels.len() * size];
        for (class, label) in frame.classes.told() {
            cells[label * size..][..size].copy_from_slice(&grids[class * size..][..size]);
        }
        Ok(Some(HeatMap::new(columns, rows, cells, *frame.placement)))
    }

    fn tint(&self, outputs: &Outputs<'_>, frame: &Frame<'_>) -> Result<Option<Tint>, DetectError> {
        let images = image_scores(outputs, &self.score_output, frame.classes)?;
        let (grids, columns, rows) = self.grids(outputs, images.len())?;
        let heat = |class: usize, cell: usize| grids[class * columns * rows + cell].clamp(0.0, 1.0);
        let hottest = |cell: usize| {
            let cells = frame.classes.told().map(|(class, label)| (label, heat(class, cell)));
            cells.max_by(|a, b| a.1.total_cmp(&b.1))
        };
        Ok(Some(Tint { columns, rows, cells: (0..columns * rows).map(hottest).collect() }))
    }
}

fn check_cells(output: &str, label: &Label, heat: &[f32]) -> Result<(), DetectError> {
    match heat.iter().find(|value| Score::new(**value).is_none()) {
        Some(value) => Err(DetectError::NotAProbability {
            output: output.to_owned(),
            label: label.clone(),
            value: *value,
        }),
        None => Ok(()),
    }
}

/// One label's cells, row by row.
struct Grid<'g> {
    heat: &'g [f32],
    columns: usize,
    rows: usize,
}

impl Grid<'_> {
    /// Boxes in the picture, each with its share of the picture's score.
    fn boxes(&self, placement: &Placement, threshold: f32, fraction: f32) -> Vec<(f32, BoundingBox)> {
        let mut free = cells_inside(placement, self.columns, self.rows);
        let Some(peak) = self.peak(&free) else { return Vec::new() };
        let height = self.heat[peak];
        let cut = fraction * threshold.min(height);
        let size = cell_size(placement.input(), self.columns, self.rows);
        let told = |start: usize, least: f32, free: &mut [bool]| {
            let own = |cell: usize| Some(self.heat[cell]).filter(|heat| *heat >= cut);
            let region = grow(start, (self.columns, self.rows), free, own);
            let [left, top, right, bottom] = region.edges(size);
            let bbox = placement.to_picture(left, top, right, bottom)?;
            (region.highest >= least).then_some((region.highest / height, bbox))
        };
        if height < threshold {
            return told(peak, 0.0, &mut free).into_iter().collect();
        }
        let mut boxes = Vec::new();
        for start in 0..self.heat.len() {
            if free[start] && self.heat[start] >= cut {
                boxes.extend(told(start, threshold, &mut free));
            }
        }
        boxes
    }

    fn peak(&self, inside: &[bool]) -> Option<usize> {
        let cells = (0..self.heat.len()).filter(|cell| inside[*cell] && self.heat[*cell] > 0.0);
        // `rev` so that of equal cells the first is taken.
        cells.rev().max_by(|a, b| self.heat[*a].total_cmp(&self.heat[*b]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxes(heat: &[f32], placement: &Placement) -> Vec<(f32, [f32; 4])> {
        let grid = Grid { heat, columns: 4, rows: 4 };
        grid.boxes(placement, 0.5, 0.5).into_iter().map(|(part, bbox)| (part, bbox.into())).collect()
    }

    const WHOLE: Placement = Placement::stretch((64, 64));

    #[test]
    fn each_region_above_the_threshold_is_a_box_scaled_by_its_highest_cell() {
        #[rustfmt::skip]
        let heat = [
            0.8, 0.3, 0.0, 0.0,
            0.0, 0.3, 0.0, 0.0,
            0.0, 0.0, 0.0, 0.6,
            0.2, 0.0, 0.0, 0.0,
        ];
        let expected = vec![(1.0, [0.0, 0.0, 0.5, 0.5]), (0.6 / 0.8, [0.75, 0.5, 1.0, 0.75])];
        assert_eq!(boxes(&heat, &WHOLE), expected);
    }

    #[test]
    fn cells_that_touch_at_a_corner_are_one_region() {
        #[rustfmt::skip]
        let heat = [
            0.8, 0.0, 0.0, 0.0,
            0.0, 0.8, 0.0, 0.0,
            0.0, 0.0, 0.0, 0.0,
            0.0, 0.0, 0.0, 0.0,
        ];
        assert_eq!(boxes(&heat, &WHOLE), vec![(1.0, [0.0, 0.0, 0.5, 0.5])]);
    }

    #[test]
    fn a_weak_picture_gets_one_box_around_its_best_cell() {
        #[rustfmt::skip]
        let heat = [
            0.0, 0.0, 0.0, 0.0,
            0.2, 0.1, 0.0, 0.0,
            0.0, 0.0, 0.0, 0.0,
            0.0, 0.0, 0.0, 0.19,
        ];
        assert_eq!(boxes(&heat, &WHOLE), vec![(1.0, [0.0, 0.25, 0.5, 0.5])]);
    }

    #[test]
    fn a_region_below_the_threshold_is_not_told_beside_one_above() {
        let mut heat = [0.0; 16];
        (heat[0], heat[15]) = (0.9, 0.4);
        assert_eq!(boxes(&heat, &WHOLE), vec![(1.0, [0.0, 0.0, 0.25, 0.25])]);
    }

    #[test]
    fn cells_in_the_padding_do_not_count() {
        // Content is rows 8 to 56: the first and last row of cells show half a cell of it.
        let partly = Placement::letterbox((64, 48), (64, 64));
        let mut heat = [0.0; 16];
        heat[0] = 1.0;
        assert_eq!(boxes(&heat, &partly), vec![(1.0, [0.0, 0.0, 0.25, 8.0 / 48.0])]);
        // Content is rows 16 to 48: the first and last row of cells are padding.
        let padded = Placement::letterbox((64, 32), (64, 64));
        (heat[0], heat[5]) = (1.0, 0.7);
        assert_eq!(boxes(&heat, &padded), vec![(1.0, [0.25, 0.0, 0.5, 0.5])]);
    }

    #[test]
    fn a_grid_of_zeros_has_no_place() {
        assert_eq!(boxes(&[0.0; 16], &WHOLE), vec![]);
    }
}
