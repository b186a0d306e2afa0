//! The look stages with mailboxes that a bench fills by hand.

use anyhow::Result;
use bytes::Bytes;
use citybrain_ingest_config::City;
use citybrain_models::{Runtime, SessionOptions};
use citybrain_pipeline::camera_board::CameraBoard;
use citybrain_pipeline::capture::CaptureMetrics;
use citybrain_pipeline::look_stages::{LookParts, LookStages};
use citybrain_pipeline::metrics::PipelineMetrics;
use citybrain_pipeline::picture::{Codec, Keyframe, Picture};
use citybrain_pipeline::schedule::Mailbox;
use citybrain_types::{Clock, DetectionBatch, SystemClock, Timestamp};
use prometheus_client::registry::Registry;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Running look stages of a city without streams.
pub struct FedStages {
    stages: LookStages,
    /// Where the cameras stand: all are live from the start.
    pub board: Arc<CameraBoard>,
    /// Each camera's mailbox, in the order of their ids.
    pub slots: Vec<Mailbox>,
    /// What was found.
    pub bus: mpsc::Receiver<DetectionBatch>,
}

impl FedStages {
    /// Starts them.
    ///
    /// # Errors
    /// When a model cannot be loaded.
    pub fn open(city: City, runtime: &Runtime) -> Result<Self> {
        let mut registry = Registry::default();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let board = Arc::new(CameraBoard::new(Arc::clone(&clock), CaptureMetrics::register(&mut registry)));
        for camera in city.cameras.keys() {
            board.add(camera, "bench");
            board.keyframe(camera, SystemClock.now());
        }
        let (sender, bus) = mpsc::channel(64);
        let city = Arc::new(city);
        let stages = LookStages::start(LookParts {
            city: Arc::clone(&city),
            runtime: runtime.clone(),
            session: SessionOptions::default(),
            clock,
            bus: sender,
            board: Arc::clone(&board),
            metrics: PipelineMetrics::register(&mut registry),
        })?;
        let mailboxes = stages.mailboxes();
        let slots = city.cameras.keys().map(|camera| mailboxes.slot(camera)).collect();
        Ok(Self { stages, board, slots, bus })
    }

    /// A keyframe of the camera of that number comes, taken at `at`.
    pub fn put(&self, camera: usize, data: Bytes, at: Timestamp) {
        let slot = &self.slots[camera];
        self.board.keyframe(slot.camera(), at);
        slot.put(Picture::Keyframe(Keyframe {
            camera: slot.camera().clone(),
            captured_at: at,
            received_at: SystemClock.now(),
            codec: Codec::H264,
            data,
        }));
    }

    /// Ends them.
    pub fn shutdown(self) {
        self.stages.shutdown();
    }
}
