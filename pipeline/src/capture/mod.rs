//! From a camera's address to access units: connecting, watching, reconnecting.
//!
//! Design decision: one tokio task a camera and no threads for RTSP over TCP (`retina`); GStreamer only for what
//! that cannot take in. Nothing is decoded here except for cameras that have no keyframes. `capture` holds each
//! camera's mailbox and nothing else of what comes after it.

mod camera_task;
pub mod clip;
mod connect_pace;
pub mod events;
pub mod failure;
mod full_decode;
mod gst;
mod gst_branch;
mod hardware;
mod intake;
pub mod media_clock;
mod pace;
mod poll;
mod pulse;
mod rtsp;
pub mod supervisor;

pub use events::{CaptureDrop, CaptureMetrics, PollOutcome};
pub use poll::poll_interval;
pub use supervisor::{Capture, CaptureError, CaptureParts};
