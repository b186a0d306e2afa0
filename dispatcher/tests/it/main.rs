//! The dispatcher as its neighbours meet it: on a real disk, with real servers around it.
//!
//! One binary, so that everything is linked once.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod api;
mod cases;
mod channels;
mod crash;
mod detection_log;
mod determinism;
mod dispatch;
mod fire;
mod intake;
mod mqtt;
mod permits;
mod readers;
mod replay;
mod sensors;
mod simulation;
mod store;
mod support;
mod webhook;
