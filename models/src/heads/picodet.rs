//! PicoDet as PaddleDetection exports it.
//!
//! Without post-processing: for each stride scores `[1, cells, classes]` and distances `[1, cells, 4 · (reg_max + 1)]`.
//! With it: one output `[boxes, 6]`, each row the number of a class, a probability, left, top, right and bottom, in
//! pixels divided by the input `scale_factor`, which gets ones here, so that they are the input's. PP-YOLOE and other
//! models of PaddleDetection end the same way.

use super::candidates::{Candidates, Suppression};
use super::gfl::{CellPoint, GflSpec};
use super::needs::{ExtraInput, NeededOutput, Needs, Numbers};
use super::rows::Rows;
use super::{Frame, Head, wrong_shape};
use crate::detector::{DetectError, LabelledBox};
use crate::manifest::reader::Table;
use crate::session::Outputs;

/// Keys of `[head]` with `kind = "picodet"`.
#[derive(Debug, Clone, PartialEq)]
pub enum PicodetSpec {
    /// `score_outputs` and `box_outputs`: decoded and suppressed here.
    Cells(GflSpec),
    /// `nms_output`: decoded and suppressed in the graph.
    Suppressed {
        /// Name of the output.
        nms_output: String,
        /// `scale_input`: name of the input `scale_factor` `[1, 2]`, where the graph has it.
        scale_input: Option<String>,
        /// `size_input`: name of the input `im_shape` `[1, 2]`, where the graph has it.
        size_input: Option<String>,
        /// How many boxes are told.
        suppression: Suppression,
    },
}

/// Numbers of a row.
const ROW: usize = 6;

impl PicodetSpec {
    pub(super) fn read(table: &mut Table<'_>) -> Option<Self> {
        if !table.has("nms_output") {
            return GflSpec::read(table, false, Some(CellPoint::Middle)).map(Self::Cells);
        }
        let nms_output = table.string("nms_output");
        let scale_input = table.optional_string("scale_input");
        let size_input = table.optional_string("size_input");
        let suppression = Suppression::none(table);
        Some(Self::Suppressed {
            nms_output: nms_output?,
            scale_input: scale_input?,
            size_input: size_input?,
            suppression: suppression?,
        })
    }

    pub(super) fn needs(&self, input: (u32, u32)) -> Needs {
        let (nms_output, scale_input, size_input) = match self {
            Self::Cells(spec) => return spec.outputs(input).into(),
            Self::Suppressed { nms_output, scale_input, size_input, .. } => {
                (nms_output, scale_input, size_input)
            }
        };
        let pair = |key, name: &Option<String>, numbers: [f32; 2]| {
            let name = name.clone()?;
            let numbers = Numbers::F32(numbers.to_vec());
            Some(ExtraInput { key, name, shape: vec![1, 2], numbers })
        };
        let scale = pair("scale_input", scale_input, [1.0, 1.0]);
        let size = pair("size_input", size_input, [input.1 as f32, input.0 as f32]);
        Needs {
            outputs: vec![NeededOutput::floats("nms_output", nms_output, &[-1, ROW as i64])],
            inputs: scale.into_iter().chain(size).collect(),
        }
    }
}

impl Head for PicodetSpec {
    fn read(&self, outputs: &Outputs<'_>, frame: &Frame<'_>) -> Result<Vec<LabelledBox>, DetectError> {
        let (name, suppression) = match self {
            Self::Cells(spec) => return spec.decode(outputs, frame),
            Self::Suppressed { nms_output, suppression, .. } => (nms_output, *suppression),
        };
        let rows = Rows::of(outputs, name, ROW)?;
        if rows.width() != ROW {
            return Err(wrong_shape(name, &[rows.len() as i64, rows.width() as i64]));
        }
        let mut candidates = Candidates::new(name, frame);
        // Class −1 fills a frame in which nothing was found.
        for (place, row) in rows.iter().enumerate().filter(|(_, row)| row[0] >= 0.0) {
            candidates.push_told(row[0].round() as i64, row[1], place)?;
        }
        candidates.boxes(suppression, |place| rows.four(place, 2))
    }
}
