//! A street that can be filmed: rendered scenes with ground truth, served as real RTSP cameras, with the departments
//! that get the cases and the broker between them.
//!
//! Design decision: each camera has one *film* (painted and encoded once, in street time, on a thread of its own), and
//! servers are viewers of films. So every client of a camera sees the same picture at the same time, encoding costs the
//! same however many watch, and a sound server (gst-rtsp-server) and a faulty one (ours) show the same street.
#![forbid(unsafe_code)]

pub mod access_unit;
pub mod broker;
pub mod clip;
mod connection;
pub mod department;
pub mod encode;
pub mod farm;
pub mod faults;
pub mod feed;
pub mod film;
mod http;
pub mod painter;
pub mod pattern;
pub mod raw_rtsp;
pub mod rtp;
mod rtsp_request;
pub mod rtsp_server;
pub mod scene;
mod sdp;
pub mod serve;
pub mod street;
pub mod street_clock;

pub use access_unit::Codec;
pub use broker::Broker;
pub use encode::Gop;
pub use faults::Fault;
pub use serve::{CameraAddress, ServeError, SimulatedStreet, StreetEvent, StreetOptions};
pub use street::{CameraScript, Login, Street, StreetError};
