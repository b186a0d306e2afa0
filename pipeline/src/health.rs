//! Whether a camera's picture can be trusted: covered, defocused, frozen, black, over-exposed, turned.
//!
//! Design decision: everything is measured on the small picture that a model looks at anyway (a tenth of a millisecond),
//! and everything but black, white and flat is judged against the camera's own history, since a foggy hillside and a
//! street of signs have nothing in common. Several looks must agree, over a time in which a fire is long confirmed: smoke
//! that drifts over the lens is evidence first and a covered camera later.

use crate::decode::Area;
use citybrain_types::{CameraFault, FaultKind, Timestamp};
use std::time::Duration;

/// Cells of a picture's signature, 16 by 9.
const COLUMNS: usize = 16;
const ROWS: usize = 9;
const CELLS: usize = COLUMNS * ROWS;

/// A fault is declared when so many looks in a row over at least so long show it …
const LOOKS_AGREE: u32 = 5;
const HOLDS_FOR: Duration = Duration::from_secs(15);
/// … and over when so many in a row do not.
const LOOKS_HEALTHY: u32 = 3;
/// History is trusted after so many looks over at least so long.
const LEARN_LOOKS: u32 = 20;
const LEARN_FOR: Duration = Duration::from_secs(60);
/// A picture that is the same to the last bit for so long, in a stream in which nothing changes, is frozen.
const FROZEN_FOR: Duration = Duration::from_secs(30);
/// The reference picture follows the light with this time.
const REFERENCE_FOLLOWS: Duration = Duration::from_secs(600);
/// A camera that was turned and stays so is taken as it stands after this time.
const TURNED_IS_NORMAL_AFTER: Duration = Duration::from_secs(6 * 3_600);

/// What is measured in one picture. Luma runs from 0 to 255.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Width and height of what was measured; gradients of other sizes cannot be compared.
    pub size: (u32, u32),
    /// Mean luma.
    pub mean: f32,
    /// Standard deviation of luma.
    pub deviation: f32,
    /// Mean difference of neighbouring pixels: falls when a picture loses its focus.
    pub gradient: f32,
    /// Part of the pixels that are as bright as can be.
    pub blown: f32,
    grid: [f32; CELLS],
    digest: u64,
}

impl Sample {
    /// Measures the picture within a canvas of interleaved RGB; `None` when it is too small or the canvas is not whole.
    #[must_use]
    pub fn of(rgb: &[u8], area: &Area) -> Option<Self> {
        let (width, height) = (area.width as usize, area.height as usize);
        let stride = area.canvas.0 as usize * 3;
        let whole = rgb.len() >= stride * area.canvas.1 as usize;
        if width < COLUMNS * 2 || height < ROWS * 2 || !whole {
            return None;
        }
        let mut sums = Sums::default();
        let mut luma = vec![0_u8; width];
        for y in 0..height {
            let start = (area.top as usize + y) * stride + area.left as usize * 3;
            let row = rgb.get(start..start + width * 3)?;
            for (luma, pixel) in luma.iter_mut().zip(row.chunks_exact(3)) {
                let weighted =
                    77 * u32::from(pixel[0]) + 150 * u32::from(pixel[1]) + 29 * u32::from(pixel[2]);
                *luma = (weighted >> 8) as u8;
            }
            sums.row(&luma, y * ROWS / height);
        }
        Some(sums.sample((area.width, area.height)))
    }
}

#[derive(Debug)]
struct Sums {
    luma: u64,
    squares: u64,
    gradients: u64,
    blown: u64,
    pixels: u64,
    cells: [(u64, u64); CELLS],
    digest: u64,
}

impl Default for Sums {
    fn default() -> Self {
        Self {
            luma: 0,
            squares: 0,
            gradients: 0,
            blown: 0,
            pixels: 0,
            cells: [(0, 0); CELLS],
            digest: 0xcbf2_9ce4_8422_2325,
        }
    }
}

impl Sums {
    fn row(&mut self, luma: &[u8], row: usize) {
        let width = luma.len();
        for (x, &value) in luma.iter().enumerate() {
            let value = u64::from(value);
            self.luma += value;
            self.squares += value * value;
            self.blown += u64::from(value >= 250);
            let cell = &mut self.cells[row * COLUMNS + x * COLUMNS / width];
            *cell = (cell.0 + value, cell.1 + 1);
            self.digest = (self.digest ^ value).wrapping_mul(0x0100_0000_01b3);
        }
        self.gradients += luma.windows(2).map(|pair| u64::from(pair[0].abs_diff(pair[1]))).sum::<u64>();
        self.pixels += width as u64;
    }

    fn sample(&self, size: (u32, u32)) -> Sample {
        let pixels = self.pixels.max(1) as f32;
        let mean = self.luma as f32 / pixels;
        let deviation = (self.squares as f32 / pixels - mean * mean).max(0.0).sqrt();
        let mut grid = [0.0; CELLS];
        for (value, (sum, count)) in grid.iter_mut().zip(&self.cells) {
            *value = *sum as f32 / (*count).max(1) as f32;
        }
        let (gradient, blown) = (self.gradients as f32 / pixels, self.blown as f32 / pixels);
        Sample { size, mean, deviation, gradient, blown, grid, digest: self.digest }
    }
}

/// How alike two signatures are, from -1 to 1, whatever the light.
fn likeness(a: &[f32; CELLS], b: &[f32; CELLS]) -> f32 {
    let mean = |grid: &[f32; CELLS]| grid.iter().sum::<f32>() / CELLS as f32;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let (mut both, mut of_a, mut of_b) = (0.0, 0.0, 0.0);
    for (a, b) in a.iter().zip(b) {
        let (a, b) = (a - mean_a, b - mean_b);
        both += a * b;
        of_a += a * a;
        of_b += b * b;
    }
    both / (of_a * of_b).sqrt().max(1e-6)
}

/// What is usual in a camera's picture.
#[derive(Debug, Clone)]
struct Usual {
    size: (u32, u32),
    began: Timestamp,
    last: Timestamp,
    looks: u32,
    gradient: f32,
    deviation: f32,
    grid: [f32; CELLS],
}

impl Usual {
    const fn of(sample: &Sample, at: Timestamp) -> Self {
        let Sample { size, gradient, deviation, grid, .. } = sample;
        Self {
            size: *size,
            began: at,
            last: at,
            looks: 1,
            gradient: *gradient,
            deviation: *deviation,
            grid: *grid,
        }
    }

    fn is_trusted(&self, at: Timestamp) -> bool {
        self.looks >= LEARN_LOOKS && at.since(self.began) >= LEARN_FOR
    }

    fn follow(&mut self, sample: &Sample, at: Timestamp) {
        self.looks = self.looks.saturating_add(1);
        let passed = at.since(self.last).as_secs_f32() / REFERENCE_FOLLOWS.as_secs_f32();
        // The first looks are a plain mean.
        let part = (1.0 - (-passed).exp()).max(1.0 / self.looks.min(LEARN_LOOKS) as f32 * 0.5).min(0.5);
        self.last = at;
        self.gradient += part * (sample.gradient - self.gradient);
        self.deviation += part * (sample.deviation - self.deviation);
        for (usual, now) in self.grid.iter_mut().zip(&sample.grid) {
            *usual += part * (now - *usual);
        }
    }
}

/// One camera's picture, followed from look to look. Some 700 bytes.
#[derive(Debug, Clone, Default)]
pub struct PictureHealth {
    usual: Option<Usual>,
    same: Option<(u64, Timestamp)>,
    suspected: Option<(CameraFault, u32)>,
    fault: Option<CameraFault>,
    healthy: u32,
}

impl PictureHealth {
    /// Takes in one look; `still` says that nothing changes in the stream either. Gives the fault in force.
    pub fn look(&mut self, sample: &Sample, still: bool, at: Timestamp) -> Option<CameraFault> {
        let same_since = match self.same {
            Some((digest, since)) if digest == sample.digest => since,
            _ => at,
        };
        self.same = Some((sample.digest, same_since));
        let frozen = still && at.since(same_since) >= FROZEN_FOR;
        let onset = if frozen { same_since } else { at };
        match self.verdict(sample, frozen, at) {
            Some(fault) => self.suspect(fault, onset, at),
            None => self.healthy_look(sample, at),
        }
        self.accept_turned(sample, at);
        self.fault
    }

    fn verdict(&self, sample: &Sample, frozen: bool, at: Timestamp) -> Option<FaultKind> {
        if sample.mean < 16.0 && sample.deviation < 4.0 {
            return Some(FaultKind::Black);
        }
        if sample.blown > 0.7 || sample.mean > 240.0 {
            return Some(FaultKind::OverExposed);
        }
        if frozen {
            return Some(FaultKind::Frozen);
        }
        let usual = self.usual.as_ref().filter(|usual| usual.is_trusted(at) && usual.size == sample.size)?;
        let likeness = likeness(&usual.grid, &sample.grid);
        // A hand, a sheet of paper or paint: the structure is gone, not only its edges.
        if sample.deviation < 0.45 * usual.deviation
            && sample.gradient < 0.45 * usual.gradient
            && likeness < 0.6
        {
            return Some(FaultKind::Covered);
        }
        if sample.gradient < 0.45 * usual.gradient && likeness >= 0.6 {
            return Some(FaultKind::Defocused);
        }
        (likeness < 0.35 && sample.deviation >= 0.45 * usual.deviation).then_some(FaultKind::Turned)
    }

    fn suspect(&mut self, fault: FaultKind, onset: Timestamp, at: Timestamp) {
        self.healthy = 0;
        let (suspected, looks) = match self.suspected.take() {
            Some((before, looks)) if before.fault == fault => (before, looks + 1),
            _ => (CameraFault { fault, since: onset }, 1),
        };
        self.suspected = Some((suspected, looks));
        if looks >= LOOKS_AGREE && at.since(suspected.since) >= HOLDS_FOR {
            self.fault = Some(suspected);
        }
    }

    fn healthy_look(&mut self, sample: &Sample, at: Timestamp) {
        self.suspected = None;
        self.healthy = self.healthy.saturating_add(1);
        if self.healthy >= LOOKS_HEALTHY {
            self.fault = None;
        }
        match &mut self.usual {
            None => self.usual = Some(Usual::of(sample, at)),
            // Pictures of another size come from another model; the history is of one.
            Some(usual) if usual.size == sample.size => usual.follow(sample, at),
            Some(_) => {}
        }
    }

    fn accept_turned(&mut self, sample: &Sample, at: Timestamp) {
        let turned_for =
            self.fault.filter(|fault| fault.fault == FaultKind::Turned).map(|fault| at.since(fault.since));
        if turned_for.is_some_and(|long| long >= TURNED_IS_NORMAL_AFTER) {
            *self = Self { usual: Some(Usual::of(sample, at)), ..Self::default() };
        }
    }
}

#[cfg(test)]
#[path = "health_tests.rs"]
mod tests;
