//! Rendered street scenes, seeded and deterministic, with ground truth.
//!
//! Design decision: a frame is a pure function of the spec and the time asked for, so that a test can ask for any
//! frame, in any order, and a run can be repeated bit for bit. Streets are modelled and lit offline (`assets/make/`);
//! here only what moves is drawn, over a picture of the view with its distances, so that cars pass behind trees, water
//! mirrors houses and a fire lights the walls around it.

mod assets;
mod backdrop;
mod camera;
mod canvas;
mod chance;
mod distract;
mod error;
mod export;
mod fire;
mod font;
mod gas;
mod glow;
mod happening;
mod place;
mod sensor;
mod sheet;
mod spec;
mod stage;
mod things;
mod traffic;
mod truth;
mod water;

#[cfg(test)]
mod tests;

pub use error::SceneError;
pub use export::{FrameTruth, export, frames, write_truth};
pub use place::spots;
pub use spec::{Distractor, EventKind, Light, Place, Point, SceneSpec, ScriptedEvent, View, Weather};
pub use stage::Scene;
pub use things::has_facade;
pub use truth::{TruthBox, TruthEvent};
