//! What the camera itself adds: rain in front of the lens, sensor noise, drifting exposure, the clock burnt in.

use crate::scene::canvas::{Canvas, blend};
use crate::scene::chance::{Chance, wander};
use crate::scene::font;
use crate::scene::spec::{Light, SceneSpec, Weather};
use std::sync::LazyLock;

const TABLE: usize = 1 << 16;

/// Noise of unit variance times 16, clipped, from sums of four bytes.
static NOISE: LazyLock<Vec<i8>> = LazyLock::new(|| {
    let chance = Chance::new(0x5eed);
    let one = |n: usize| {
        let sum: u64 = (0..4).map(|k| chance.with((n * 4 + k) as u64).bits() & 255).sum();
        // Four bytes have a mean of 510 and a deviation of 148.
        ((sum as f32 - 510.0) / 148.0 * 16.0).clamp(-60.0, 60.0) as i8
    };
    (0..TABLE).map(one).collect()
});

/// The camera behind the lens.
#[derive(Debug)]
pub struct Sensor {
    chance: Chance,
    light: Light,
    rain: bool,
    caption: String,
    start_secs: u64,
}

impl Sensor {
    /// For a scene.
    pub fn new(spec: &SceneSpec) -> Self {
        let chance = Chance::new(spec.seed).with(600);
        let hour = match spec.light {
            Light::Day => 10,
            Light::Dusk => 18,
            Light::Night => 22,
        };
        let start_secs = hour * 3600 + (chance.bits() % 3000);
        let caption = spec.caption.clone().unwrap_or_else(|| spec.view.name().to_uppercase());
        Self { chance, light: spec.light, rain: spec.weather == Weather::Rain, caption, start_secs }
    }

    /// Adds everything, the clock last.
    pub fn finish(&self, canvas: &mut Canvas<'_>, at: f32, millis: u64) {
        if self.rain {
            self.streaks(canvas, millis);
        }
        self.noise(canvas, at, millis);
        self.overlay(canvas, at);
    }

    fn streaks(&self, canvas: &mut Canvas<'_>, millis: u64) {
        let chance = self.chance.with(millis);
        let (w, h) = (canvas.width as f32, canvas.height as f32);
        let unit = h / 360.0;
        let (colour, strong) = match self.light {
            Light::Day => ([206.0, 212.0, 218.0], 0.34),
            _ => ([168.0, 160.0, 150.0], 0.22),
        };
        for n in 0..260_u64 {
            let one = chance.with(n);
            let near = one.unit(1).powi(3);
            let length = (7.0 + 26.0 * near) * unit;
            let (x, y) = (one.range(2, -0.05, 1.05) * w, one.range(3, -0.1, 1.0) * h);
            let alpha = strong * (0.35 + 0.65 * near);
            for step in 0..length as usize {
                let t = step as f32 / length;
                let (px, py) = (x - step as f32 * 0.13, y + step as f32);
                if px >= 0.0 && px < w && py >= 0.0 && py < h {
                    blend(
                        canvas.at(px as usize, py as usize),
                        colour,
                        alpha * (1.0 - (2.0 * t - 1.0).powi(2)),
                    );
                }
            }
        }
    }

    fn noise(&self, canvas: &mut Canvas<'_>, at: f32, millis: u64) {
        let strength: i16 = match self.light {
            Light::Day => 2,
            Light::Dusk => 3,
            Light::Night => 5,
        };
        let drift = (wander(self.chance.with(1), at / 9.0) * 2.6) as i16;
        let chance = self.chance.with(millis).with(2);
        for (row, line) in canvas.pixels.chunks_exact_mut(canvas.width * 3).enumerate() {
            let begin = (chance.with(row as u64).bits() as usize) % (TABLE - line.len().min(TABLE / 2));
            let table = &NOISE[begin..(begin + line.len()).min(TABLE)];
            for (value, grain) in line.iter_mut().zip(table) {
                // The grain has 4 fractional bits; the strength is in levels.
                let more = (i16::from(*grain).wrapping_mul(strength) >> 4).wrapping_add(drift);
                *value = i16::from(*value).wrapping_add(more).clamp(0, 255) as u8;
            }
        }
    }

    fn overlay(&self, canvas: &mut Canvas<'_>, at: f32) {
        let secs = self.start_secs + at as u64;
        let (day, clock) = (secs / 86_400, secs % 86_400);
        let text = format!(
            "2025-06-{:02} {:02}:{:02}:{:02}",
            1 + day % 30,
            clock / 3600,
            clock / 60 % 60,
            clock % 60
        );
        let scale = (canvas.height / 240).max(1);
        font::write(canvas, 8 * scale, 6 * scale, scale, &text);
        let wide = font::width(&self.caption, scale);
        let (x, y) =
            (canvas.width.saturating_sub(wide + 8 * scale), canvas.height.saturating_sub(14 * scale));
        font::write(canvas, x, y, scale, &self.caption);
    }
}
