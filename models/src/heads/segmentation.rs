//! Semantic segmentation: every pixel is given to a class, and a label's boxes are its connected regions.
//!
//! | `layout` | output | a pixel belongs to | and counts for |
//! |---|---|---|---|
//! | `"logits"` | `[1, classes, rows, columns]` | the highest class | its part of the softmax |
//! | `"probabilities"` | the same | the highest class, where it is at least `cut` | its probability |
//! | `"sigmoid"` | the same, each class on its own | the highest class, where its sigmoid is at least `cut` | that |
//! | `"classes"` | `[1, rows, columns]` or `[1, 1, rows, columns]`, whole numbers | that class | 1 |
//!
//! A region scores the mean of its pixels; one of less than `min_area` of the picture is not told.

use super::candidates::{Candidates, Suppression};
use super::needs::NeededOutput;
use super::numbers::{sigmoid, softmax};
use super::regions::{Region, grow};
use super::{Frame, Head, Tint, cell_size, cells_inside, wrong_classes, wrong_shape};
use crate::detector::{DetectError, LabelledBox};
use crate::manifest::reader::Table;
use crate::session::Outputs;

/// Keys of `[head]` with `kind = "segmentation"`.
#[derive(Debug, Clone, PartialEq)]
pub struct SegmentationSpec {
    /// Name of the output.
    pub output: String,
    /// What it holds.
    pub layout: SegmentationLayout,
    /// Least probability of a pixel that counts; 0.5 when the manifest is silent.
    pub cut: f32,
    /// Least part of the picture that a region covers; 0.001 when the manifest is silent.
    pub min_area: f32,
    /// How many boxes are told.
    pub suppression: Suppression,
}

/// What an output with a class per pixel holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SegmentationLayout {
    /// `"logits"`.
    Logits,
    /// `"probabilities"`.
    Probabilities,
    /// `"sigmoid"`.
    Sigmoid,
    /// `"classes"`.
    Classes,
}

/// Largest side of a mask, which no input exceeds either.
const MAX_SIDE: i64 = 4096;

impl SegmentationSpec {
    pub(super) fn read(table: &mut Table<'_>) -> Option<Self> {
        let words = [
            ("logits", SegmentationLayout::Logits),
            ("probabilities", SegmentationLayout::Probabilities),
            ("sigmoid", SegmentationLayout::Sigmoid),
            ("classes", SegmentationLayout::Classes),
        ];
        let output = table.string("output");
        let layout = table.choice("layout", &words);
        if matches!(layout, Some(SegmentationLayout::Logits | SegmentationLayout::Classes)) {
            table.refuse("cut", "cut is for layout = \"probabilities\" and \"sigmoid\": leave it out");
        }
        let cut = match layout {
            Some(SegmentationLayout::Probabilities | SegmentationLayout::Sigmoid) => {
                table.fraction_or("cut", 0.5)
            }
            _ => Some(0.0),
        };
        let min_area = table.fraction_or("min_area", 0.001);
        let suppression = Suppression::none(table);
        Some(Self {
            output: output?,
            layout: layout?,
            cut: cut? as f32,
            min_area: min_area? as f32,
            suppression: suppression?,
        })
    }

    pub(super) fn outputs(&self) -> Vec<NeededOutput> {
        vec![match self.layout {
            SegmentationLayout::Classes => {
                NeededOutput::counts("output", &self.output, &[1, -1, -1]).or_shape(&[1, 1, -1, -1])
            }
            _ => NeededOutput::floats("output", &self.output, &[1, -1, -1, -1]).with_classes(1, 0),
        }]
    }

    /// For each pixel the label it belongs to and what it counts for.
    fn mask(&self, outputs: &Outputs<'_>, frame: &Frame<'_>) -> Result<Tint, DetectError> {
        if self.layout == SegmentationLayout::Classes {
            return self.class_mask(outputs, frame);
        }
        let (shape, values) = outputs.floats(&self.output)?;
        let [1, classes, rows, columns] = *shape else { return Err(wrong_shape(&self.output, shape)) };
        let (rows, columns) = self.sides(shape, rows, columns)?;
        wrong_classes(&self.output, frame, usize::try_from(classes).unwrap_or(0))?;
        let area = rows * columns;
        let mut best = vec![(0, f32::NEG_INFINITY); area];
        for (class, plane) in values.chunks_exact(area).enumerate() {
            for (best, value) in best.iter_mut().zip(plane) {
                if *value > best.1 {
                    *best = (class, *value);
                }
            }
        }
        let pixel = |(index, (class, value)): (usize, (usize, f32))| {
            let label = frame.classes.label(class)?;
            let part = match self.layout {
                SegmentationLayout::Sigmoid => sigmoid(value),
                SegmentationLayout::Logits => {
                    let of_pixel = values.iter().skip(index).step_by(area).copied();
                    softmax(of_pixel).nth(class).unwrap_or(0.0)
                }
                _ => value,
            };
            (part >= self.cut).then_some((label, part))
        };
        let pixels = best.into_iter().enumerate().map(pixel).collect();
        Ok(Tint { columns, rows, cells: pixels })
    }

    fn class_mask(&self, outputs: &Outputs<'_>, frame: &Frame<'_>) -> Result<Tint, DetectError> {
        let (shape, values) = outputs.counts(&self.output)?;
        let ([1, rows, columns] | [1, 1, rows, columns]) = *shape else {
            return Err(wrong_shape(&self.output, shape));
        };
        let (rows, columns) = self.sides(shape, rows, columns)?;
        let pixel = |class: i64| match usize::try_from(class) {
            Ok(known) if frame.classes.knows(known) => {
                Ok(frame.classes.label(known).map(|label| (label, 1.0)))
            }
            // 255 marks pixels without a class in most data sets.
            Ok(255) => Ok(None),
            _ => {
                let (output, classes) = (self.output.clone(), frame.classes.len());
                Err(DetectError::UnknownClass { output, class, classes })
            }
        };
        let pixels = values.into_iter().map(pixel).collect::<Result<_, _>>()?;
        Ok(Tint { columns, rows, cells: pixels })
    }

    fn sides(&self, shape: &[i64], rows: i64, columns: i64) -> Result<(usize, usize), DetectError> {
        let side =
            |length: i64| (1..=MAX_SIDE).contains(&length).then(|| usize::try_from(length).ok()).flatten();
        side(rows).zip(side(columns)).ok_or_else(|| wrong_shape(&self.output, shape))
    }
}

impl Head for SegmentationSpec {
    fn read(&self, outputs: &Outputs<'_>, frame: &Frame<'_>) -> Result<Vec<LabelledBox>, DetectError> {
        let mask = self.mask(outputs, frame)?;
        let (width, height) = cell_size(frame.placement.input(), mask.columns, mask.rows);
        let content = frame.placement.content();
        let least = self.min_area * (content.width as f32 / width) * (content.height as f32 / height);
        let mut regions: Vec<Region> = Vec::new();
        let mut candidates = Candidates::new(&self.output, frame);
        let mut free = cells_inside(frame.placement, mask.columns, mask.rows);
        for start in 0..mask.cells.len() {
            let (true, Some((label, _))) = (free[start], mask.cells[start]) else { continue };
            let own = |cell: usize| mask.cells[cell].filter(|(own, _)| *own == label).map(|(_, part)| part);
            let region = grow(start, (mask.columns, mask.rows), &mut free, own);
            if region.cells as f32 >= least {
                let mean = (region.sum / region.cells as f64) as f32;
                candidates.push_label(label, mean, regions.len())?;
                regions.push(region);
            }
        }
        candidates.boxes(self.suppression, |place| regions[place].edges((width, height)))
    }

    fn tint(&self, outputs: &Outputs<'_>, frame: &Frame<'_>) -> Result<Option<Tint>, DetectError> {
        self.mask(outputs, frame).map(Some)
    }
}
