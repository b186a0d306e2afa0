//! What keeps alarms few: silences, budgets, and the register of what is permitted.

use citybrain_types::{CameraId, EventKind, Timestamp};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;
use url::Url;

/// Somebody has said that some sightings open no case for a while.
#[derive(Debug, Clone, PartialEq)]
pub struct Silence {
    /// Who said so.
    pub author: String,
    /// Why.
    pub reason: String,
    /// From when on.
    pub from: Timestamp,
    /// Until when; a silence without an end is not possible.
    pub until: Timestamp,
    /// Kinds; empty means all.
    pub kinds: BTreeSet<EventKind>,
    /// Cameras; empty means all.
    pub cameras: BTreeSet<CameraId>,
    /// Areas; empty means all.
    pub areas: BTreeSet<String>,
}

impl Silence {
    /// Whether it holds for a sighting.
    #[must_use]
    pub fn holds(&self, kind: &EventKind, camera: &CameraId, area: Option<&str>, at: Timestamp) -> bool {
        self.from <= at
            && at < self.until
            && (self.kinds.is_empty() || self.kinds.contains(kind))
            && (self.cameras.is_empty() || self.cameras.contains(camera))
            && (self.areas.is_empty() || area.is_some_and(|area| self.areas.contains(area)))
    }
}

/// Where a register of permits is read.
#[derive(Debug, Clone, PartialEq)]
pub struct PermitSource {
    /// What people call it; cases cite it.
    pub name: String,
    /// Where it lies.
    pub at: PermitAddress,
    /// How often it is read.
    pub every: Duration,
}

/// Where a register of permits lies.
#[derive(Debug, Clone, PartialEq)]
pub enum PermitAddress {
    /// A GeoJSON or CSV file.
    File(PathBuf),
    /// An address that answers with GeoJSON or CSV.
    Http(Url),
}

/// How many cases may be opened.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AlertLimits {
    /// Cases of one kind in one area, within `storm_window`; further sightings become one case of the area. Kinds with a
    /// pre-alarm are not counted.
    pub storm_cases: usize,
    /// See `storm_cases`.
    pub storm_window: Duration,
    /// Cases of one camera in one day; kinds with a pre-alarm are not counted.
    pub cases_per_camera_and_day: usize,
}

impl Default for AlertLimits {
    fn default() -> Self {
        Self { storm_cases: 20, storm_window: Duration::from_secs(600), cases_per_camera_and_day: 24 }
    }
}
