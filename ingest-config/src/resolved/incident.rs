//! How evidence of a kind becomes one incident.

use citybrain_types::EventKind;
use std::collections::BTreeSet;
use std::time::Duration;

/// From evidence to one happening; what is not given follows `[dispatch]`.
#[derive(Debug, Clone, PartialEq)]
pub struct IncidentPolicy {
    /// An alarm is confirmed or withdrawn within this time from when it was first seen: it has two steps. `None` for a
    /// kind whose evidence is the whole of it.
    pub confirm_within: Option<Duration>,
    /// Sightings of two cameras this near to each other on the map are one happening, in metres; never for 0.
    pub join_within_m: f64,
    /// Not seen for this long, a happening is over; what `[dispatch]` says when not given.
    pub quiet_after: Option<Duration>,
    /// What comes back to a place within this time names what was there before.
    pub recurs_within: Duration,
    /// What was rejected opens nothing until it has not been seen for this long.
    pub rejected_for: Duration,
    /// Kinds that open nothing near a happening of this one: it explains them.
    pub inhibits: BTreeSet<EventKind>,
    /// Evidence counts only where no entry of the permit register covers the place and the moment.
    pub needs_permit: bool,
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl Default for IncidentPolicy {
    fn default() -> Self {
        Self {
            confirm_within: None,
            join_within_m: 0.0,
            quiet_after: None,
            recurs_within: DAY * 7,
            rejected_for: DAY * 3,
            inhibits: BTreeSet::new(),
            needs_permit: false,
        }
    }
}
