//! NanoDet and NanoDet-Plus: scores and distance distributions of all cells, suppressed here.
//!
//! Layouts: the projects' own ONNX export, one output `[1, cells, classes + 4 · (reg_max + 1)]`; and one pair of outputs
//! per stride, as converters from other formats leave it.

use super::gfl::GflSpec;
use super::needs::NeededOutput;
use super::{Frame, Head};
use crate::detector::{DetectError, LabelledBox};
use crate::manifest::reader::Table;
use crate::session::Outputs;

/// Keys of `[head]` with `kind = "nanodet"`.
#[derive(Debug, Clone, PartialEq)]
pub struct NanodetSpec(pub GflSpec);

impl NanodetSpec {
    pub(super) fn read(table: &mut Table<'_>) -> Option<Self> {
        GflSpec::read(table, true, None).map(Self)
    }

    pub(super) fn outputs(&self, input: (u32, u32)) -> Vec<NeededOutput> {
        self.0.outputs(input)
    }
}

impl Head for NanodetSpec {
    fn read(&self, outputs: &Outputs<'_>, frame: &Frame<'_>) -> Result<Vec<LabelledBox>, DetectError> {
        self.0.decode(outputs, frame)
    }
}
