//! What this machine can do, what a city asks for, and whether the one fits into the other.
//!
//! Design decision: capacity is measured, in CPU time of the very code that runs later (decoder, scaler, models), and
//! kept with a fingerprint of machine and models. Demand is arithmetic over cameras, kinds and intervals: the same plans
//! that the schedule works by. So the answer is there before the first camera is connected.

mod demand;
mod keyframes;
mod measure;
mod pictures;
mod plan;
mod stretch;

pub use demand::Demand;
pub use keyframes::KeyframeError;
pub use measure::{Capacity, Fingerprint, MeasureError, ModelCost, PictureCost};
pub use pictures::{PICTURES_FILE, PictureKeeper, Pictures};
pub use plan::{BrokenPromise, Plan, PlannedKind, Remedy};

/// File of the measured capacity, below the city's data folder.
pub const CAPACITY_FILE: &str = "capacity.json";

/// Size of a camera's pictures where it was never connected: what city cameras send today, or their sub-stream does.
pub const ASSUMED_PICTURE: (u32, u32) = (1_280, 720);
