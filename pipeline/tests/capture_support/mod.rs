//! What the capture tests run against: real servers on free ports, and a capture whose mailboxes are read by hand.
#![allow(dead_code, reason = "each test file uses a part of it")]

pub mod fake_camera;
pub mod http_server;
pub mod media;
pub mod proxy;
pub mod rig;
pub mod rtsp_server;
