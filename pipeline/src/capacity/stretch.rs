//! How far intervals are stretched when a machine is asked for more than it has, and how much of a city it takes.

use super::demand::Demand;

/// What sums of such numbers may be off by.
pub(super) const ROUNDING: f64 = 1e-6;

/// By which factors intervals are stretched.
pub(super) struct Stretch {
    pub(super) urgent: f64,
    pub(super) rest: f64,
}

impl Stretch {
    /// As the schedule does it: receiving comes first, urgent looks next up to their share, the rest gets what is left.
    pub(super) fn of(demand: &Demand, there: f64, share_percent: u8) -> Self {
        let workers = there - demand.receive;
        if workers <= 0.0 {
            let endless = |asked: f64| if asked > 0.0 { f64::INFINITY } else { 1.0 };
            return Self { urgent: endless(demand.urgent), rest: endless(demand.rest()) };
        }
        let reserved = workers * f64::from(share_percent) / 100.0;
        let rest = demand.rest();
        // Without other kinds there is nobody to leave a share to.
        let for_urgent = if rest > 0.0 { reserved.max(workers - rest) } else { workers };
        let urgent = rounded((demand.urgent / for_urgent).max(1.0));
        let left = workers - demand.urgent.min(for_urgent);
        let rest = if rest > 0.0 { rounded((rest / left).max(1.0)) } else { 1.0 };
        Self { urgent, rest }
    }

    /// Whether nothing is stretched.
    fn is_none(&self) -> bool {
        self.urgent <= 1.0 && self.rest <= 1.0
    }
}

/// A factor that is one but for what sums of such numbers are off by is one.
fn rounded(factor: f64) -> f64 {
    if factor <= 1.0 + ROUNDING { 1.0 } else { factor }
}

/// The largest part of the cameras, of the same mix, that a machine takes without stretching anything.
pub(super) fn largest_part(demand: &Demand, there: f64, share_percent: u8) -> f64 {
    let fits = |part: f64| {
        let demand = demand.part(part);
        demand.total() <= there + ROUNDING && Stretch::of(&demand, there, share_percent).is_none()
    };
    if fits(1.0) {
        return 1.0;
    }
    let (mut fitting, mut too_large) = (0.0, 1.0);
    for _ in 0..60 {
        let middle = f64::midpoint(fitting, too_large);
        if fits(middle) { fitting = middle } else { too_large = middle }
    }
    fitting
}

/// Machines that together take all when each takes this part.
pub(super) fn machines(part: f64) -> usize {
    ((1.0 / part.max(f64::MIN_POSITIVE) - ROUNDING).ceil() as usize).max(1)
}
