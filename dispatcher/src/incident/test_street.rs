//! A street in a test: frames in, what became of incidents out.

use super::{IncidentChange, Incidents};
use crate::evidence::Evidence;
use citybrain_ingest_config::City;
use citybrain_types::FrameDetections;
use std::sync::Arc;

pub(super) struct Street {
    pub(super) city: Arc<City>,
    pub(super) evidence: Evidence,
    pub(super) incidents: Incidents,
}

impl Street {
    pub(super) fn new(city: City) -> Self {
        let city = Arc::new(city);
        let incidents = Incidents::new(&city, []);
        Self { evidence: Evidence::new(Arc::clone(&city), []), incidents, city }
    }

    pub(super) fn see(&mut self, frames: impl IntoIterator<Item = FrameDetections>) -> Vec<IncidentChange> {
        frames.into_iter().flat_map(|frame| self.incidents.take(&self.evidence.judge(&frame).look)).collect()
    }
}
