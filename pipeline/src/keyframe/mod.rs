//! Access units in, self-contained keyframes out.
//!
//! Design decision: nothing is decoded here. NAL headers and a few bits behind them tell whether a picture
//! stands on its own; such a picture leaves with exactly the parameter sets its slices name in front of it, so
//! that a fresh decoding context needs nothing else and cameras cannot leak into one another.

pub mod assembler;
mod bits;
pub mod nal;
mod parameter_sets;

pub use assembler::{Assembler, KeyframeKind, Outcome, Unusable};
pub use nal::Framing;

#[cfg(test)]
pub(crate) mod real_streams;
