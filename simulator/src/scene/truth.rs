//! What is really in a picture, for judging detectors.

use citybrain_types::BoundingBox;
use serde::Serialize;
use std::time::Duration;

/// One thing that a person would point at in a frame.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TruthBox {
    /// The catalogue's code, for instance `fire`.
    pub kind: &'static str,
    /// What it is, for instance `smoke`.
    pub label: &'static str,
    /// Where, in fractions of the picture.
    #[serde(rename = "box")]
    pub bbox: BoundingBox,
    /// Index of the event in the spec.
    pub event: usize,
}

/// One scripted event as a person at the monitor sees it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TruthEvent {
    /// The catalogue's code, for instance `fire`.
    pub kind: &'static str,
    /// The label of what is seen first.
    pub label: &'static str,
    /// Index of the event in the spec.
    pub event: usize,
    /// When a person can first see it, from the start of the scene; `None` when it never grows large enough.
    pub visible_from: Option<Duration>,
    /// When it is gone; `None` while the script has no end for it.
    pub visible_to: Option<Duration>,
}
