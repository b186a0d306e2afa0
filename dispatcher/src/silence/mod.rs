//! Silences: what opens no case for a while, as an operator says while the program runs.
//!
//! A silence names kinds, cameras, areas or a circle on the map, ends by itself, and is never deleted: who made it and
//! who ended it stays readable. It is stored first and then goes into the stream as a [`Ruling`](crate::ruling::Ruling),
//! so it holds from the next look on, over restarts, and in a replay. What is still there when it ends opens a case then.

mod draft;
mod keeper;

pub use draft::{Draft, Invalid, MAX_LISTED, MAX_SPAN};
pub(crate) use keeper::SilenceKeeper;
pub use keeper::{MAX_IN_FORCE, SilenceError};

use crate::incident::Plane;
use citybrain_ingest_config::City;
use citybrain_types::{CameraId, EventKind, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Some sightings open no case for a while.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Silence {
    /// Its name.
    pub id: String,
    /// Who made it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it holds.
    pub starts_at: Timestamp,
    /// The first moment at which it holds no more.
    pub ends_at: Timestamp,
    /// Kinds; empty means all.
    pub kinds: BTreeSet<EventKind>,
    /// Cameras; empty means all.
    pub cameras: BTreeSet<CameraId>,
    /// Areas, each with all that lie in it; empty means all.
    pub areas: BTreeSet<String>,
    /// Within this circle on the map only.
    pub around: Option<Around>,
    /// Who ended it before its time.
    pub ended_by: Option<String>,
}

/// A circle on the map.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Around {
    /// Its middle, longitude and latitude in degrees (WGS 84).
    pub position: [f64; 2],
    /// Its radius in metres.
    #[schemars(range(min = 1.0, max = 100_000.0))]
    pub radius_m: f64,
}

/// How a silence stands at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SilenceState {
    /// It has not begun.
    Pending,
    /// It holds.
    Active,
    /// It is over.
    Expired,
}

/// What a silence is asked about.
#[derive(Debug, Clone, Copy)]
pub struct Scene<'a> {
    /// What kind of event.
    pub kind: &'a EventKind,
    /// Seen by which camera, where by one.
    pub camera: Option<&'a CameraId>,
    /// In which area.
    pub area: Option<&'a str>,
    /// Where on the map, longitude and latitude in degrees.
    pub position: Option<[f64; 2]>,
}

impl Silence {
    /// How it stands at a moment.
    #[must_use]
    pub fn state(&self, at: Timestamp) -> SilenceState {
        if at >= self.ends_at {
            SilenceState::Expired
        } else if at < self.starts_at {
            SilenceState::Pending
        } else {
            SilenceState::Active
        }
    }

    /// Whether it holds for what is seen there and then.
    #[must_use]
    pub fn holds(&self, city: &City, scene: &Scene<'_>, at: Timestamp) -> bool {
        self.state(at) == SilenceState::Active
            && (self.kinds.is_empty() || self.kinds.contains(scene.kind))
            && (self.cameras.is_empty() || scene.camera.is_some_and(|camera| self.cameras.contains(camera)))
            && (self.areas.is_empty() || self.is_in_area(city, scene.area))
            && self.around.is_none_or(|around| scene.position.is_some_and(|position| around.holds(position)))
    }

    fn is_in_area(&self, city: &City, area: Option<&str>) -> bool {
        area.is_some_and(|area| {
            self.areas.contains(area) || city.cases.upwards(area).any(|(name, _)| self.areas.contains(name))
        })
    }
}

impl Around {
    fn holds(&self, position: [f64; 2]) -> bool {
        let plane = Plane::at(self.position);
        // At most a hundred kilometres, as a draft is checked; `as` saturates.
        plane.put(self.position).is_within(plane.put(position), (self.radius_m * 1_000.0).round() as i64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::city::{START, camera_id, city};
    use citybrain_ingest_config::resolved::Area;
    use citybrain_types::Level;
    use std::path::Path;
    use std::time::Duration;

    pub(super) fn silence() -> Silence {
        Silence {
            id: "s".to_owned(),
            by: "li".to_owned(),
            reason: "market day".to_owned(),
            created_at: START,
            starts_at: START,
            ends_at: START.plus(Duration::from_secs(60)),
            kinds: BTreeSet::new(),
            cameras: BTreeSet::new(),
            areas: BTreeSet::new(),
            around: None,
            ended_by: None,
        }
    }

    #[test]
    fn every_matcher_that_is_given_has_to_fit_and_an_area_holds_all_that_lies_in_it() {
        let mut city = city(Path::new("unused"));
        let area = |level, within: Option<&str>| Area {
            level,
            within: within.map(str::to_owned),
            outline: None,
            department: None,
        };
        city.cases.areas.insert("harbour".to_owned(), area(Level::Grid, Some("east")));
        city.cases.areas.insert("east".to_owned(), area(Level::District, None));
        let (kind, camera) = (EventKind::new("littering"), camera_id("gate-1"));
        let scene = Scene {
            kind: &kind,
            camera: Some(&camera),
            area: Some("harbour"),
            position: Some([121.5, 31.2]),
        };
        let holds = |silence: Silence| silence.holds(&city, &scene, START);
        let around = |longitude| Some(Around { position: [longitude, 31.2], radius_m: 50.0 });
        assert!(holds(silence()));
        assert!(holds(Silence { areas: BTreeSet::from(["east".to_owned()]), ..silence() }));
        assert!(!holds(Silence { areas: BTreeSet::from(["west".to_owned()]), ..silence() }));
        assert!(!holds(Silence { kinds: BTreeSet::from([EventKind::new("fire")]), ..silence() }));
        assert!(!holds(Silence { cameras: BTreeSet::from([camera_id("gate-2")]), ..silence() }));
        assert!(holds(Silence { around: around(121.5004), ..silence() }), "38 m away");
        assert!(!holds(Silence { around: around(121.5008), ..silence() }), "76 m away");
        let nowhere = Scene { position: None, area: None, camera: None, ..scene };
        let named = Silence { around: around(121.5), ..silence() };
        assert!(!named.holds(&city, &nowhere, START));
        assert!(!silence().holds(&city, &scene, silence().ends_at));
        assert_eq!(silence().state(START.minus(Duration::from_secs(1))), SilenceState::Pending);
    }
}
