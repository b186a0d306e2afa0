//! A silence as it is asked for, and what is refused.

use super::{Around, Silence};
use citybrain_ingest_config::City;
use citybrain_types::{CameraId, EventKind, Timestamp};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

/// A silence holds for at most this long; a longer one is a matter of the configuration.
pub const MAX_SPAN: Duration = Duration::from_secs(366 * 24 * 60 * 60);
/// Most kinds, cameras or areas one silence names.
pub const MAX_LISTED: usize = 1_000;
/// Longest name of whoever makes it, in characters.
const MAX_BY: usize = 100;
/// Longest reason, in characters.
const MAX_REASON: usize = 500;
/// Largest circle, in metres.
const MAX_RADIUS_M: f64 = 100_000.0;

/// A silence that is asked for.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Draft {
    /// Who asks.
    pub by: String,
    /// Why.
    pub reason: String,
    /// From when on; at once when not given.
    pub starts_at: Option<Timestamp>,
    /// Until when.
    pub ends_at: Timestamp,
    /// Kinds; empty means all.
    pub kinds: BTreeSet<EventKind>,
    /// Cameras; empty means all.
    pub cameras: BTreeSet<CameraId>,
    /// Areas; empty means all.
    pub areas: BTreeSet<String>,
    /// Within this circle only.
    pub around: Option<Around>,
}

/// What is wrong with a draft.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub String);

pub(super) fn words(what: &str, text: &str, max: usize) -> Result<(), Invalid> {
    let problem = if text.trim().is_empty() {
        "is missing".to_owned()
    } else if text.chars().count() > max {
        format!("is longer than {max} characters")
    } else if text.chars().any(char::is_control) {
        "is not one line of text".to_owned()
    } else {
        return Ok(());
    };
    Err(Invalid(format!("'{what}' {problem}")))
}

/// Whoever ends a silence says who they are.
pub(super) fn check_by(by: &str) -> Result<(), Invalid> {
    words("by", by, MAX_BY)
}

impl Draft {
    /// The silence.
    ///
    /// # Errors
    /// [`Invalid`] when it names nothing, or what is not there, is over already, or holds for too long.
    pub fn checked(self, city: &City, now: Timestamp) -> Result<Silence, Invalid> {
        check_by(&self.by)?;
        words("reason", &self.reason, MAX_REASON)?;
        let starts_at = self.starts_at.unwrap_or(now).max(now);
        if self.ends_at <= starts_at {
            return Err(Invalid("'ends_at' is not later than now and 'starts_at'".to_owned()));
        }
        if self.ends_at.since(now) > MAX_SPAN {
            return Err(Invalid("'ends_at' is more than a year away".to_owned()));
        }
        self.check_matchers(city)?;
        let id = self.id(now);
        let Self { by, reason, ends_at, kinds, cameras, areas, around, .. } = self;
        let (created_at, ended_by) = (now, None);
        Ok(Silence {
            id,
            by,
            reason,
            created_at,
            starts_at,
            ends_at,
            kinds,
            cameras,
            areas,
            around,
            ended_by,
        })
    }

    fn check_matchers(&self, city: &City) -> Result<(), Invalid> {
        let Self { kinds, cameras, areas, around, .. } = self;
        if kinds.is_empty() && cameras.is_empty() && areas.is_empty() && around.is_none() {
            let what = "say which 'kinds', 'cameras', 'areas' or what lies 'around': all of the city is not silenced";
            return Err(Invalid(what.to_owned()));
        }
        if [kinds.len(), cameras.len(), areas.len()].into_iter().any(|listed| listed > MAX_LISTED) {
            return Err(Invalid(format!("at most {MAX_LISTED} 'kinds', 'cameras' or 'areas' are taken")));
        }
        if let Some(unknown) = kinds.iter().find(|kind| !city.kinds.contains_key(*kind)) {
            return Err(Invalid(format!("there is no kind '{}'", shown(unknown.as_str()))));
        }
        if let Some(unknown) = cameras.iter().find(|camera| !city.cameras.contains_key(*camera)) {
            return Err(Invalid(format!("there is no camera '{unknown}'")));
        }
        let is_area = |area: &String| {
            city.cases.areas.contains_key(area)
                || city.cameras.values().any(|camera| camera.area.as_ref() == Some(area))
        };
        if let Some(unknown) = areas.iter().find(|area| !is_area(area)) {
            return Err(Invalid(format!("there is no area '{}'", shown(unknown))));
        }
        let Some(Around { position: [longitude, latitude], radius_m }) = around else { return Ok(()) };
        if !(-180.0..=180.0).contains(longitude) || !(-90.0..=90.0).contains(latitude) {
            return Err(Invalid("'around.position' is no longitude and latitude".to_owned()));
        }
        if !(1.0..=MAX_RADIUS_M).contains(radius_m) {
            return Err(Invalid(format!("'around.radius_m' is not between 1 and {MAX_RADIUS_M}")));
        }
        Ok(())
    }

    /// Two of the same words at the same microsecond are one.
    fn id(&self, now: Timestamp) -> String {
        let hash = Sha256::digest(format!("{now}{self:?}"));
        let mut id = "silence-".to_owned();
        for byte in &hash[..8] {
            // Writing to a String does not fail.
            let _ = write!(id, "{byte:02x}");
        }
        id
    }
}

fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::city::{START, camera_id, city};
    use std::path::Path;

    fn draft() -> Draft {
        Draft {
            by: "li".to_owned(),
            reason: "market day".to_owned(),
            ends_at: START.plus(Duration::from_secs(60)),
            kinds: BTreeSet::from([EventKind::new("littering")]),
            ..Draft::default()
        }
    }

    #[test]
    fn drafts_that_name_nothing_or_what_is_not_there_or_never_hold_are_refused_with_the_field() {
        let city = city(Path::new("unused"));
        let circle = |position, radius_m| Some(Around { position, radius_m });
        let later = |secs| START.plus(Duration::from_secs(secs));
        for (bad, word) in [
            (Draft { by: " ".to_owned(), ..draft() }, "by"),
            (Draft { by: "a\nb".to_owned(), ..draft() }, "by"),
            (Draft { reason: String::new(), ..draft() }, "reason"),
            (Draft { reason: "x".repeat(501), ..draft() }, "reason"),
            (Draft { ends_at: START, ..draft() }, "ends_at"),
            (Draft { starts_at: Some(later(61)), ..draft() }, "ends_at"),
            (Draft { ends_at: later(367 * 24 * 3_600), ..draft() }, "year"),
            (Draft { kinds: BTreeSet::new(), ..draft() }, "around"),
            (Draft { kinds: BTreeSet::from([EventKind::new("flood")]), ..draft() }, "flood"),
            (Draft { cameras: BTreeSet::from([camera_id("gate-9")]), ..draft() }, "gate-9"),
            (Draft { areas: BTreeSet::from(["atlantis".to_owned()]), ..draft() }, "atlantis"),
            (Draft { around: circle([31.2, 121.5], 10.0), ..draft() }, "position"),
            (Draft { around: circle([121.5, f64::NAN], 10.0), ..draft() }, "position"),
            (Draft { around: circle([121.5, 31.2], 0.0), ..draft() }, "radius_m"),
            (Draft { around: circle([121.5, 31.2], f64::NAN), ..draft() }, "radius_m"),
        ] {
            let Err(Invalid(why)) = bad.clone().checked(&city, START) else { panic!("{bad:?}") };
            assert!(why.contains(word), "{why}");
        }
        let silence = draft().checked(&city, START).unwrap();
        assert_eq!((silence.starts_at, silence.created_at), (START, START));
        assert_ne!(silence.id, draft().checked(&city, later(1)).unwrap().id);
    }
}
