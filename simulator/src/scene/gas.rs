//! Loops of flame and smoke put into a picture.

use crate::scene::assets::{self, Loop};
use crate::scene::backdrop::Backdrop;
use crate::scene::canvas::{Canvas, Window};
use crate::scene::error::SceneError;
use citybrain_types::BoundingBox;
use std::sync::Arc;

/// Where a frame of a loop lies in the picture, in pixels.
#[derive(Debug, Clone, Copy)]
pub struct Placement {
    /// Left edge.
    pub left: f32,
    /// Top edge.
    pub top: f32,
    /// Picture pixels per loop pixel across.
    pub across: f32,
    /// Picture pixels per loop pixel down.
    pub down: f32,
    /// Mirrored left to right.
    pub flip: bool,
    /// Metres along the optical axis, for what stands before it.
    pub depth: f32,
}

impl Placement {
    /// With the source of the loop at a point of the picture.
    pub fn at(gas: &Loop, foot: (f32, f32), (across, down): (f32, f32), flip: bool, depth: f32) -> Self {
        let facts = gas.facts;
        let before = if flip { facts.size[0] as f32 - facts.foot[0] } else { facts.foot[0] };
        Self { left: foot.0 - before * across, top: foot.1 - facts.foot[1] * down, across, down, flip, depth }
    }

    fn window(&self, size: [usize; 2], picture: (usize, usize)) -> Window {
        let (right, bottom) =
            (self.left + size[0] as f32 * self.across, self.top + size[1] as f32 * self.down);
        Window::of(self.left, self.top, right, bottom, picture)
    }

    /// Loop coordinates of a picture pixel's middle.
    #[inline]
    fn loop_point(&self, x: usize, y: usize, width: f32) -> (f32, f32) {
        let u = (x as f32 + 0.5 - self.left) / self.across;
        let v = (y as f32 + 0.5 - self.top) / self.down;
        (if self.flip { width - u } else { u }, v)
    }

    /// A box in fractions of a frame as a box in fractions of the picture.
    fn bounds(
        &self,
        [l, t, r, b]: [f32; 4],
        size: [usize; 2],
        picture: (usize, usize),
    ) -> Option<BoundingBox> {
        let (l, r) = if self.flip { (1.0 - r, 1.0 - l) } else { (l, r) };
        let (w, h) = (size[0] as f32 * self.across, size[1] as f32 * self.down);
        let (pw, ph) = (picture.0 as f32, picture.1 as f32);
        BoundingBox::clipped(
            (self.left + l * w) / pw,
            (self.top + t * h) / ph,
            (self.left + r * w) / pw,
            (self.top + b * h) / ph,
        )
    }
}

/// Bilinear in a frame of bytes; zero outside.
#[inline]
fn sample(frame: &[u8], size: [usize; 2], u: f32, v: f32) -> f32 {
    let (u, v) = ((u - 0.5).max(0.0), (v - 0.5).max(0.0));
    let (x, y) = ((u as usize).min(size[0] - 2), (v as usize).min(size[1] - 2));
    let (fx, fy) = ((u - x as f32).min(1.0), (v - y as f32).min(1.0));
    let base = y * size[0] + x;
    let (a, b) = (f32::from(frame[base]), f32::from(frame[base + 1]));
    let (c, d) = (f32::from(frame[base + size[0]]), f32::from(frame[base + size[0] + 1]));
    let (upper, lower) = (a + (b - a) * fx, c + (d - c) * fx);
    upper + (lower - upper) * fy
}

/// The box of the pixels of each frame that reach a level, in fractions of the frame.
fn boxes(gas: &Loop, level: u8) -> Vec<Option<[f32; 4]>> {
    let [w, h] = gas.facts.size;
    let one = |index: usize| {
        let frame = gas.frame(index);
        let (mut l, mut t, mut r, mut b) = (w, h, 0, 0);
        for (y, row) in frame.chunks_exact(w).enumerate() {
            for (x, &value) in row.iter().enumerate() {
                if value >= level {
                    (l, r) = (l.min(x), r.max(x + 1));
                    (t, b) = (t.min(y), b.max(y + 1));
                }
            }
        }
        let (wf, hf) = (w as f32, h as f32);
        (r > l).then(|| [l as f32 / wf, t as f32 / hf, r as f32 / wf, b as f32 / hf])
    };
    (0..gas.facts.frames).map(one).collect()
}

/// A loop of flames with its colours.
#[derive(Debug)]
pub struct Flame {
    gas: Arc<Loop>,
    boxes: Vec<Option<[f32; 4]>>,
    /// Red, green, blue and coverage for each level of light.
    colours: Vec<[f32; 4]>,
}

/// How many frames of a flame loop pass in a second.
const FLAME_RATE: f32 = 14.0;
const SMOKE_RATE: f32 = 10.0;
/// A byte of 255 in a flame sheet is this much light along the line of sight; bytes hold its square root.
const FULL_LIGHT: f32 = 16.0;

impl Flame {
    /// A loop by its file.
    ///
    /// # Errors
    /// [`SceneError::Asset`] when it cannot be decoded.
    pub fn load(file: &'static str) -> Result<Self, SceneError> {
        let gas = assets::gas(file, file)?;
        let boxes = boxes(&gas, 52);
        // Light adds up along the line of sight and the sensor saturates: red first, then green, blue last. That is
        // what makes a camera's flame white-yellow inside and orange at its edge.
        let colour = |byte: usize| {
            let light = (byte as f32 / 255.0).powi(2) * FULL_LIGHT;
            let clip = |gain: f32| 255.0 * (1.0 - (-light * gain).exp());
            [clip(2.6), clip(0.74), clip(0.16), 1.0 - (-light * 1.9).exp()]
        };
        Ok(Self { gas, boxes, colours: (0..256).map(colour).collect() })
    }

    /// The loop.
    pub fn gas(&self) -> &Loop {
        &self.gas
    }

    fn frame_at(&self, at: f32) -> usize {
        (at * FLAME_RATE).max(0.0) as usize % self.gas.facts.frames
    }

    /// Draws the frame of a time.
    pub fn draw(
        &self,
        canvas: &mut Canvas<'_>,
        backdrop: &Backdrop,
        place: &Placement,
        at: f32,
        strength: f32,
    ) {
        let size = self.gas.facts.size;
        let frame = self.gas.frame(self.frame_at(at));
        let window = place.window(size, canvas.size());
        let height = size[1] as f32;
        for y in window.top..window.bottom {
            for x in window.left..window.right {
                let (u, v) = place.loop_point(x, y, size[0] as f32);
                // The source itself is a flat disc: let it fade into what burns.
                let foot = ((height - v) / 5.0).clamp(0.0, 1.0);
                let level = sample(frame, size, u, v) * foot;
                if level < 14.0 || backdrop.hides(x, y, place.depth) {
                    continue;
                }
                let [r, g, b, cover] = self.colours[(level * strength).min(255.0) as usize];
                let keep = 1.0 - cover;
                let pixel = canvas.at(x, y);
                for (channel, light) in pixel.iter_mut().zip([r, g, b]) {
                    *channel = (f32::from(*channel) * keep + light * cover.max(0.25)) as u8;
                }
            }
        }
    }

    /// The box of the flame at a time.
    pub fn bounds(&self, place: &Placement, at: f32, picture: (usize, usize)) -> Option<BoundingBox> {
        place.bounds(self.boxes[self.frame_at(at)]?, self.gas.facts.size, picture)
    }
}

/// A loop of smoke.
#[derive(Debug)]
pub struct Smoke {
    cover: Arc<Loop>,
    shade: Arc<Loop>,
    boxes: Vec<Option<[f32; 4]>>,
}

/// How a plume looks at a moment.
#[derive(Debug, Clone, Copy)]
pub struct Plume {
    /// Its own brightness, `0..=1`: soot is dark, steam is light.
    pub tone: f32,
    /// Light around it, per channel.
    pub light: [f32; 3],
    /// Light of the fire below, `0..=255` per channel at the source.
    pub fire: [f32; 3],
    /// How dense, `0..=1`.
    pub dense: f32,
}

impl Smoke {
    /// The loop.
    ///
    /// # Errors
    /// [`SceneError::Asset`] when it cannot be decoded.
    pub fn load() -> Result<Self, SceneError> {
        let cover = assets::gas("smoke_cover", "smoke")?;
        let shade = assets::gas("smoke_shade", "smoke")?;
        let boxes = boxes(&cover, 80);
        Ok(Self { cover, shade, boxes })
    }

    /// The loop.
    pub fn gas(&self) -> &Loop {
        &self.cover
    }

    fn frame_at(&self, at: f32) -> usize {
        (at * SMOKE_RATE).max(0.0) as usize % self.cover.facts.frames
    }

    /// Draws the frame of a time.
    pub fn draw(
        &self,
        canvas: &mut Canvas<'_>,
        backdrop: &Backdrop,
        place: &Placement,
        at: f32,
        plume: &Plume,
    ) {
        let size = self.cover.facts.size;
        let index = self.frame_at(at);
        let (cover, shade) = (self.cover.frame(index), self.shade.frame(index));
        let window = place.window(size, canvas.size());
        for y in window.top..window.bottom {
            for x in window.left..window.right {
                let (u, v) = place.loop_point(x, y, size[0] as f32);
                let thick = sample(cover, size, u, v);
                if thick < 3.0 || backdrop.hides(x, y, place.depth) {
                    continue;
                }
                let lit = sample(shade, size, u, v) / 255.0;
                // The sheet holds a thin plume; what burns in a street smokes about twice as much.
                let through = 1.0 - thick / 255.0;
                let alpha = (1.0 - through * through) * plume.dense;
                let rise = (1.0 - v / size[1] as f32).max(0.0);
                let warm = (1.0 - rise * 2.6).max(0.0).powi(2);
                let body = plume.tone * (0.22 + 1.08 * lit * lit) * 255.0;
                let pixel = canvas.at(x, y);
                for (c, channel) in pixel.iter_mut().enumerate() {
                    let colour = (body * plume.light[c] + plume.fire[c] * warm).min(255.0);
                    let base = f32::from(*channel);
                    *channel = (base + (colour - base) * alpha) as u8;
                }
            }
        }
    }

    /// The box of what can be told from the background at a time.
    pub fn bounds(&self, place: &Placement, at: f32, picture: (usize, usize)) -> Option<BoundingBox> {
        place.bounds(self.boxes[self.frame_at(at)]?, self.cover.facts.size, picture)
    }
}
