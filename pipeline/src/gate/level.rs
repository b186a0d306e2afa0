//! What size is usual: a running median and deviation of logarithms, both moving in bounded steps.

/// Values until the median is trusted: some five seconds of a stream, ten turns of a camera that is polled.
const LEARN: u16 = 10;
/// What counts as another size: at least half as much again.
const LOG_RATIO: f32 = 0.4;
/// Smallest deviation taken as usual, in log bytes: encoders vary by some 8 % on a still scene.
const LEAST_SPREAD: f32 = 0.08;
/// Each value moves median and deviation by this part of what it differs by: half in fourteen.
const FOLLOWS: f32 = 0.05;

#[derive(Debug, Clone, Copy)]
pub(super) struct Level {
    seen: u16,
    median: f32,
    spread: f32,
}

impl Default for Level {
    fn default() -> Self {
        Self { seen: 0, median: 0.0, spread: 0.25 }
    }
}

impl Level {
    pub(super) const fn is_trusted(&self) -> bool {
        self.seen >= LEARN
    }

    /// Takes in a value. Gives how many usual deviations it lies above the median (below zero: under it); `None` while
    /// that is not known, or when it is not another size.
    pub(super) fn judge(&mut self, log_bytes: f32) -> Option<f32> {
        let difference = log_bytes - self.median;
        if !self.is_trusted() {
            self.seen += 1;
            self.median += difference / f32::from(self.seen);
            return None;
        }
        let away = (difference.abs() >= LOG_RATIO).then_some(difference / self.spread);
        // Bounded steps: a burst is an outlier and not the new usual, one that stays becomes it.
        self.median += FOLLOWS * difference.clamp(-2.0 * self.spread, 2.0 * self.spread);
        self.spread += FOLLOWS * (difference.abs().min(4.0 * self.spread) - self.spread);
        self.spread = self.spread.max(LEAST_SPREAD);
        away
    }
}
