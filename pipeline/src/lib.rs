//! The stages from a camera to published detections:
//! capture ▸ keyframe ▸ gate ▸ schedule ▸ decode ▸ detect ▸ publish.
//!
//! Design decision: until `schedule` a picture is compressed bytes and costs next to nothing; frames may be
//! dropped in one place only, the one-slot mailbox in front of `decode`; pixels end at `detect`.

#![deny(unsafe_code)]

mod backoff;
pub mod camera_board;
pub mod capacity;
pub mod capture;
pub mod decode;
pub mod detect;
pub mod gate;
pub mod health;
pub mod keyframe;
mod loaded_models;
pub mod look_stages;
pub mod metrics;
pub mod open_files;
pub mod past;
pub mod picture;
pub mod pipeline;
pub mod publish;
pub mod replay;
pub mod requirements;
pub mod schedule;
pub mod snapshot;

pub use loaded_models::LoadedModels;
pub use look_stages::StartError;
pub use pipeline::{Pipeline, PipelineParts, start, start_with};
