//! A dispatcher on a folder of its own, with all that stands around it.
#![allow(dead_code, reason = "each test uses the part it needs")]

pub mod city;
pub mod database;
pub mod postgres;
pub mod proxy;
pub mod receiver;
pub mod s3;

use citybrain_dispatcher::{CaseFilter, Dispatcher, DispatcherParts, PageRequest, Services};
use citybrain_ingest_config::City;
use citybrain_types::{
    CameraDirectory, CameraId, CameraState, CameraStatus, Case, Clock, DetectionBatch, FocusRequest,
    FrameDetections, SnapshotRef, SystemClock, Timestamp,
};
use prometheus_client::registry::Registry;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Everything happens within this, also on a machine that is busy with other things.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Cameras that are all live and looked at, until one stalls.
pub struct Street {
    cameras: Vec<CameraId>,
    stalled: AtomicUsize,
    picture: std::sync::Mutex<Option<SnapshotRef>>,
}

impl Street {
    /// The first `count` cameras have stalled.
    pub fn stall(&self, count: usize) {
        self.stalled.store(count, Ordering::Release);
    }
}

impl Street {
    /// What every camera has shown last.
    pub fn shows(&self, path: &str) {
        *self.picture.lock().unwrap() = Some(SnapshotRef::new(path).unwrap());
    }
}

impl CameraDirectory for Street {
    fn statuses(&self) -> Vec<CameraStatus> {
        let stalled = self.stalled.load(Ordering::Acquire);
        let status = |(i, camera): (usize, &CameraId)| CameraStatus {
            camera: camera.clone(),
            address: "rtsp://127.0.0.1:9/none".to_owned(),
            state: if i < stalled { CameraState::Stalled } else { CameraState::Live },
            since: Timestamp::EPOCH,
            last_keyframe_at: None,
            last_look_at: Some(Timestamp::EPOCH),
            media: None,
            connects: 1,
            snapshot: self.picture.lock().unwrap().clone(),
            coverage: Default::default(),
            faults: Vec::new(),
        };
        self.cameras.iter().enumerate().map(status).collect()
    }
}

pub struct House {
    pub dispatcher: Dispatcher,
    pub services: Services,
    pub bus: mpsc::Sender<DetectionBatch>,
    pub focus: mpsc::Receiver<FocusRequest>,
    pub registry: Arc<Registry>,
    pub street: Arc<Street>,
}

impl House {
    pub async fn open(city: City) -> Self {
        Self::open_with_clock(city, Arc::new(SystemClock)).await
    }

    pub async fn open_with_clock(city: City, clock: Arc<dyn Clock>) -> Self {
        let (bus, batches) = mpsc::channel(16);
        let (asked, focus) = mpsc::channel(16);
        let mut registry = Registry::default();
        let cameras = city.cameras.keys().cloned().collect();
        let street = Arc::new(Street { cameras, stalled: AtomicUsize::new(0), picture: Default::default() });
        let dispatcher = citybrain_dispatcher::start(DispatcherParts {
            city: Arc::new(city),
            bus: batches,
            cameras: street.clone(),
            focus: asked,
            clock,
            registry: &mut registry,
        })
        .await
        .unwrap();
        let services = dispatcher.services();
        Self { dispatcher, services, bus, focus, registry: Arc::new(registry), street }
    }

    pub async fn publish(&self, frames: &[FrameDetections]) {
        self.bus.send(DetectionBatch::from_frames(frames)).await.unwrap();
    }

    pub async fn cases(&self) -> Vec<Case> {
        let page = PageRequest::new(Some(500), None);
        self.services.cases(&CaseFilter::default(), &page).await.unwrap().cases
    }

    /// Waits until there are this many cases.
    pub async fn wait_for_cases(&self, count: usize) -> Vec<Case> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let cases = self.cases().await;
            if cases.len() >= count {
                return cases;
            }
            assert!(Instant::now() < deadline, "{} cases instead of {count}", cases.len());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until nothing is pending, and says how many deliveries were acknowledged.
    pub async fn wait_until_delivered(&self) -> usize {
        wait_until_delivered(&self.services).await
    }

    pub fn metrics(&self) -> String {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).unwrap();
        text
    }

    pub async fn close(self) {
        drop(self.bus);
        self.dispatcher.shutdown().await;
    }
}

pub async fn wait_until_delivered(services: &Services) -> usize {
    // Some go out only after pauses.
    let deadline = Instant::now() + 3 * PATIENCE;
    loop {
        let page = PageRequest::new(Some(500), None);
        let all = services.deliveries(&Default::default(), &page).await.unwrap().deliveries;
        let waiting: Vec<_> = all.iter().filter(|d| d.state.name() != "delivered").collect();
        if waiting.is_empty() && !all.is_empty() {
            return all.len();
        }
        assert!(Instant::now() < deadline, "{} of {} not delivered: {waiting:?}", waiting.len(), all.len());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
