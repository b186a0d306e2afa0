//! Which detections count: by catalogue, by what the camera looks for, by masks, and by zones with their hours.

use super::Ignored;
use super::track::Found;
use citybrain_ingest_config::City;
use citybrain_ingest_config::policy::Calibration;
use citybrain_ingest_config::resolved::{Camera, Zone};
use citybrain_types::{Detection, EventKind, FrameDetections, Score, Timestamp};
use jiff::tz::TimeZone;
use std::collections::BTreeMap;

/// The city's time.
#[derive(Debug)]
pub(super) struct Calendar(TimeZone);

impl Calendar {
    /// Of a zone of the tz database; UTC for a name that it does not know, which the configuration refuses.
    pub(super) fn of(time_zone: &str) -> Self {
        Self(TimeZone::get(time_zone).unwrap_or(TimeZone::UTC))
    }

    /// Day of the week, 0 for Monday, and minute of the day.
    fn read(&self, at: Timestamp) -> (u8, u16) {
        let moment = jiff::Timestamp::from_microsecond(at.as_micros()).unwrap_or_default();
        let local = moment.to_zoned(self.0.clone());
        let day = local.weekday().to_monday_zero_offset().unsigned_abs();
        (day, u16::from(local.hour().unsigned_abs()) * 60 + u16::from(local.minute().unsigned_abs()))
    }
}

/// What decides whether a detection of one camera counts.
pub(super) struct Rules<'a> {
    pub(super) camera: &'a Camera,
    pub(super) city: &'a City,
    pub(super) calendar: &'a Calendar,
    /// How scores become probabilities, by kind.
    pub(super) calibration: &'a BTreeMap<EventKind, Calibration>,
}

impl Rules<'_> {
    /// The detections of a frame that count, by kind.
    pub(super) fn sort_by_kind(
        &self,
        frame: &FrameDetections,
        ignored: &mut Vec<Ignored>,
    ) -> BTreeMap<EventKind, Vec<Found>> {
        let mut by_kind: BTreeMap<EventKind, Vec<Found>> = BTreeMap::new();
        for detection in &frame.detections {
            match self.check(detection, frame.captured_at) {
                Err(reason) => ignored.push(reason),
                Ok(hit_score) => by_kind.entry(detection.kind.clone()).or_default().push(Found {
                    score: detection.score,
                    bbox: detection.bbox,
                    hit_score,
                    probability: self.probability(&detection.kind, detection.score),
                    change: detection.change,
                }),
            }
        }
        by_kind
    }

    /// What a score is taken for: a hit is a hit by the score of the model, evidence adds up by the calibrated one.
    fn probability(&self, kind: &EventKind, score: Score) -> Score {
        self.calibration.get(kind).map_or(score, |calibration| calibration.apply(score))
    }

    /// Whether it counts, and the hit score of its zone where that has one.
    fn check(&self, detection: &Detection, at: Timestamp) -> Result<Option<f32>, Ignored> {
        let Detection { kind, bbox, .. } = detection;
        if !self.city.kinds.contains_key(kind) {
            return Err(Ignored::UnknownKind);
        }
        if !self.camera.kinds.contains(kind) {
            return Err(Ignored::NotWatched);
        }
        let policy = self.city.evidence_policy(&self.camera.id, kind);
        if policy.is_some_and(|policy| detection.score.get() < policy.log_floor) {
            return Err(Ignored::BelowFloor);
        }
        if self.camera.ignore.iter().any(|mask| mask.contains(bbox.center())) {
            return Err(Ignored::Masked);
        }
        let zones = || self.camera.zones.iter().filter(|zone| zone.is_for(kind));
        if zones().any(|zone| zone.ignore && zone.holds(bbox) && self.in_force(zone, at)) {
            return Err(Ignored::Masked);
        }
        let mut watched = zones().filter(|zone| !zone.ignore).peekable();
        if watched.peek().is_none() {
            return Ok(None);
        }
        let mut reason = Ignored::OutsideZones;
        for zone in watched.filter(|zone| zone.holds(bbox) && self.in_force(zone, at)) {
            if bbox.area() >= zone.min_size {
                return Ok(zone.hit_scores.get(kind).copied());
            }
            reason = Ignored::TooSmall;
        }
        Err(reason)
    }

    fn in_force(&self, zone: &Zone, at: Timestamp) -> bool {
        zone.hours.is_none_or(|hours| {
            let (day, minute) = self.calendar.read(at);
            hours.hold(day, minute)
        })
    }
}
