//! Things that fool detectors and are no event: flags, neon, beacons, glare, steam, puddles, leaves.

use crate::scene::assets::ViewFacts;
use crate::scene::backdrop::Backdrop;
use crate::scene::camera::Vec3;
use crate::scene::canvas::{Canvas, Window, blend, shine};
use crate::scene::chance::{Chance, wander};
use crate::scene::error::SceneError;
use crate::scene::gas::{Placement, Plume, Smoke};
use crate::scene::glow::GlowMap;
use crate::scene::spec::{Distractor, Light, SceneSpec};
use crate::scene::traffic::{Actor, vehicle};
use crate::scene::water::{Basin, Water};

/// The distractors of a scene that stand somewhere. Vests and headlights are part of the traffic.
#[derive(Debug)]
pub struct Distractors {
    flags: Vec<Vec3>,
    neon: Vec<(Vec3, GlowMap)>,
    beacon: Option<(Vec3, GlowMap)>,
    glare: Option<(f32, f32)>,
    steam: Option<(Smoke, Vec3)>,
    puddles: Option<Water>,
    leaves: bool,
    chance: Chance,
    light: Light,
}

/// Level of a puddle, metres: it lies in the hollows only.
const PUDDLE_LEVEL: f32 = 0.012;

impl Distractors {
    /// Prepares what the spec asks for.
    ///
    /// # Errors
    /// [`SceneError::Asset`] when a loop cannot be decoded.
    pub fn new(facts: &ViewFacts, spec: &SceneSpec, backdrop: &Backdrop) -> Result<Self, SceneError> {
        let has = |wanted| spec.distractors.contains(&wanted);
        let chance = Chance::new(spec.seed).with(500);
        let neon = if has(Distractor::Neon) { facts.neon.as_slice() } else { &[] };
        let neon = neon.iter().map(|&at| (at, GlowMap::new(backdrop, at, 6.0))).collect();
        let roadside = facts.spots.iter().find(|spot| spot.surface == "road" && spot.kinds.len() > 1);
        let beacon = roadside.filter(|_| has(Distractor::Beacon)).map(|spot| {
            let lamp = [spot.at[0], spot.at[1], spot.at[2] + 2.1];
            (spot.at, GlowMap::new(backdrop, lamp, 6.0))
        });
        let ground = facts.spots.iter().find(|spot| spot.kinds.iter().any(|kind| kind == "littering"));
        let steam = match ground.filter(|_| has(Distractor::Steam)) {
            Some(spot) => Some((Smoke::load()?, spot.at)),
            None => None,
        };
        let pool = facts.spots.iter().find(|spot| spot.kinds.iter().any(|kind| kind == "littering"));
        let puddles = pool.filter(|_| has(Distractor::Puddles)).map(|spot| {
            Water::new(backdrop, spot.at, Basin::Bowl(5.0), PUDDLE_LEVEL + 0.001, chance.with(3))
        });
        let glare =
            has(Distractor::LensGlare).then(|| (chance.range(1, 0.1, 0.9), chance.range(2, -0.02, 0.10)));
        Ok(Self {
            flags: if has(Distractor::RedFlags) { facts.flags.clone() } else { Vec::new() },
            neon,
            beacon,
            glare,
            steam,
            puddles,
            leaves: has(Distractor::Leaves),
            chance,
            light: spec.light,
        })
    }

    /// Puddles, before anything stands on them.
    pub fn draw_ground(
        &self,
        canvas: &mut Canvas<'_>,
        backdrop: &Backdrop,
        at: f32,
        rain: bool,
        mask: &mut [u8],
    ) {
        if let Some(water) = &self.puddles {
            water.draw(canvas, backdrop, PUDDLE_LEVEL, at, rain, mask);
        }
    }

    /// The vehicle under the beacon.
    pub fn actor(&self) -> Option<Actor> {
        let (at, _) = self.beacon.as_ref()?;
        let mut van = vehicle("truck", *at, std::f32::consts::FRAC_PI_2, self.chance.with(4));
        van.paint[0] = [0.85, 0.45, 0.05];
        van.lamps = None;
        Some(van)
    }

    /// Signs and what they light, before the traffic.
    pub fn draw_behind(&self, canvas: &mut Canvas<'_>, backdrop: &Backdrop, at: f32) {
        for (index, (place, glow)) in self.neon.iter().enumerate() {
            let flicker = wander(self.chance.with(20 + index as u64), at * 7.0);
            let on = if flicker > -0.55 { 1.0 } else { 0.25 };
            let dark = if self.light == Light::Day { 0.25 } else { 1.0 };
            glow.add(canvas, backdrop, [220.0 * on * dark, 45.0 * on * dark, 12.0 * on * dark]);
            neon(canvas, backdrop, *place, on * (0.55 + 0.45 * dark), (at * 2.0) as usize);
        }
    }

    /// Flags, steam, beacon flashes, leaves and glare, over the traffic.
    pub fn draw_front(&self, canvas: &mut Canvas<'_>, backdrop: &Backdrop, at: f32) {
        for (index, place) in self.flags.iter().enumerate() {
            flag(canvas, backdrop, *place, at + index as f32 * 0.7);
        }
        if let Some((smoke, place)) = &self.steam {
            steam(canvas, backdrop, smoke, *place, at, self.light);
        }
        if let Some((place, glow)) = &self.beacon {
            let turn = (at * 1.7).rem_euclid(1.0);
            let flash = (1.0 - (turn - 0.5).abs() * 5.0).max(0.0);
            let dark = if self.light == Light::Day { 0.3 } else { 1.0 };
            glow.add(canvas, backdrop, [210.0 * flash * dark, 110.0 * flash * dark, 8.0 * flash * dark]);
            if let Some(p) = backdrop.camera.project([place[0], place[1] + 0.3, place[2] + 3.1]) {
                let metre = backdrop.camera.focal.0 / p.depth;
                canvas.halo(p.x, p.y, metre * 0.45, [255.0 * flash, 150.0 * flash, 20.0 * flash]);
                canvas.halo(p.x, p.y, metre * 2.0, [90.0 * flash, 48.0 * flash, 4.0 * flash]);
            }
        }
        if self.leaves {
            self.draw_leaves(canvas, backdrop, at);
        }
        if let Some((x, y)) = self.glare {
            glare(canvas, x, y, self.light);
        }
    }

    fn draw_leaves(&self, canvas: &mut Canvas<'_>, backdrop: &Backdrop, at: f32) {
        for n in 0..14_u64 {
            let chance = self.chance.with(40 + n);
            let speed = chance.range(1, 0.8, 2.6);
            let across = (chance.range(2, 0.0, 30.0) + at * speed).rem_euclid(30.0) - 15.0;
            let gust = wander(chance, at * 1.3);
            let high = 0.05 + (0.6 * gust).max(0.0);
            let place = [across, chance.range(3, 3.0, 22.0) + gust, high];
            let Some(p) = backdrop.camera.project(place) else { continue };
            let metre = backdrop.camera.focal.0 / p.depth;
            let (w, h) = (metre * 0.13, metre * 0.09 * (0.4 + 0.6 * (at * 7.0 + n as f32).sin().abs()));
            let window = Window::of(p.x - w, p.y - h, p.x + w, p.y + h, canvas.size());
            let light = backdrop.light_at(p.x, p.y);
            let base = if n == 0 { [215.0, 212.0, 204.0] } else { chance.pick(4, &LEAVES) };
            let colour = std::array::from_fn(|c| base[c] * light[c].min(1.0));
            for y in window.top..window.bottom {
                for x in window.left..window.right {
                    if !backdrop.hides(x, y, p.depth) {
                        blend(canvas.at(x, y), colour, 0.8);
                    }
                }
            }
        }
    }
}

const LEAVES: [[f32; 3]; 4] =
    [[150.0, 92.0, 30.0], [172.0, 120.0, 36.0], [120.0, 70.0, 28.0], [96.0, 104.0, 40.0]];

/// A red flag that waves at a pole.
fn flag(canvas: &mut Canvas<'_>, backdrop: &Backdrop, at: Vec3, time: f32) {
    let Some(p) = backdrop.camera.project(at) else { return };
    let metre = backdrop.camera.focal.0 / p.depth;
    let (wide, high) = (metre * 1.25, metre * 0.82);
    let light = backdrop.light_at(p.x, p.y + metre * 2.0);
    let pole = Window::of(
        p.x - metre * 0.035,
        p.y - high * 0.7,
        p.x + metre * 0.035,
        p.y + metre * 2.8,
        canvas.size(),
    );
    let visible = |x: usize, y: usize| !backdrop.hides(x, y, p.depth);
    for y in pole.top..pole.bottom {
        for x in pole.left..pole.right {
            if visible(x, y) {
                blend(canvas.at(x, y), [150.0 * light[0], 150.0 * light[1], 148.0 * light[2]], 0.9);
            }
        }
    }
    let window = Window::of(p.x, p.y - high * 1.2, p.x + wide, p.y + high * 1.2, canvas.size());
    for x in window.left..window.right {
        let u = ((x as f32 + 0.5 - p.x) / wide).clamp(0.0, 1.0);
        let phase = u * 7.5 - time * 6.5;
        let lift = u * high * (0.16 * phase.sin() + 0.07 * (phase * 1.9).sin()) + u * u * high * 0.28;
        let fold = 0.80 + 0.20 * phase.cos() * u.sqrt();
        for y in window.top..window.bottom {
            let v = (y as f32 + 0.5 - (p.y - high * 0.6 + lift)) / high;
            if (0.0..1.0).contains(&v) && visible(x, y) {
                let colour = [208.0 * fold * light[0], 24.0 * fold * light[1], 20.0 * fold * light[2]];
                blend(canvas.at(x, y), colour, 0.95);
            }
        }
    }
}

/// A vertical sign of red and amber strokes, three of them lit more in turn.
fn neon(canvas: &mut Canvas<'_>, backdrop: &Backdrop, at: Vec3, on: f32, step: usize) {
    let Some(p) = backdrop.camera.project(at) else { return };
    let metre = backdrop.camera.focal.0 / p.depth;
    let (wide, high) = (metre * 0.75, metre * 3.0);
    let window =
        Window::of(p.x - wide / 2.0, p.y - high / 2.0, p.x + wide / 2.0, p.y + high / 2.0, canvas.size());
    for y in window.top..window.bottom {
        for x in window.left..window.right {
            let u = ((x as f32 + 0.5 - p.x) / wide + 0.5).clamp(0.0, 0.999);
            let v = ((y as f32 + 0.5 - p.y) / high + 0.5).clamp(0.0, 0.999);
            let glyph = (v * 4.0) as usize;
            let (gx, gy) = ((u * 5.0) as usize, (v * 4.0).fract() * 6.0);
            let stroke = (STROKES[glyph % 4][gy as usize % 6] >> gx) & 1 == 1;
            let border = !(0.07..=0.93).contains(&u) || !(0.02..=0.98).contains(&v);
            let bright = if glyph == step % 4 { 1.0 } else { 0.75 };
            let colour = match (border, stroke) {
                (true, _) => [255.0 * on, 150.0 * on, 30.0 * on],
                (_, true) => [255.0 * on * bright, 60.0 * on * bright, 25.0 * on],
                _ => [46.0 * on, 8.0, 6.0],
            };
            if !backdrop.hides(x, y, p.depth - 1.0) {
                blend(canvas.at(x, y), colour, 0.92);
            }
        }
    }
    canvas.halo(p.x, p.y, high * 0.8, [60.0 * on, 16.0 * on, 5.0 * on]);
}

/// Strokes of four made-up characters, five columns wide.
const STROKES: [[u8; 6]; 4] = [
    [0b00100, 0b11111, 0b00100, 0b01110, 0b10101, 0],
    [0b11111, 0b10001, 0b11111, 0b00100, 0b11111, 0],
    [0b01010, 0b11111, 0b01010, 0b01110, 0b11011, 0],
    [0b11111, 0b00100, 0b01110, 0b10101, 0b11111, 0],
];

/// White steam that thins out quickly.
fn steam(canvas: &mut Canvas<'_>, backdrop: &Backdrop, smoke: &Smoke, at: Vec3, time: f32, light: Light) {
    let Some(p) = backdrop.camera.project(at) else { return };
    let metre = (backdrop.camera.focal.0 / p.depth, backdrop.camera.focal.1 / p.depth);
    let scale = 0.55 / smoke.gas().facts.source;
    let place =
        Placement::at(smoke.gas(), (p.x, p.y), (metre.0 * scale, metre.1 * scale), false, p.depth - 0.5);
    let around = match light {
        Light::Day => [1.0; 3],
        Light::Dusk => [0.4, 0.4, 0.45],
        Light::Night => backdrop.light_at(p.x, p.y),
    };
    let plume = Plume { tone: 0.95, light: around, fire: [0.0; 3], dense: 0.34 };
    smoke.draw(canvas, backdrop, &place, time, &plume);
}

/// A low sun or a lamp in the lens: a warm veil with a streak and two ghosts.
fn glare(canvas: &mut Canvas<'_>, x: f32, y: f32, light: Light) {
    let (w, h) = (canvas.width as f32, canvas.height as f32);
    let (cx, cy) = (x * w, y * h);
    let k = if light == Light::Night { 0.7 } else { 1.0 };
    canvas.halo(cx, cy, h * 0.07, [240.0 * k, 225.0 * k, 180.0 * k]);
    canvas.halo(cx, cy, h * 0.42, [110.0 * k, 78.0 * k, 36.0 * k]);
    let thick = h * 0.016;
    let streak = Window::of(0.0, cy - thick, w, cy + thick, canvas.size());
    for row in streak.top..streak.bottom {
        let core = (1.0 - ((row as f32 + 0.5 - cy) / thick).powi(2)).max(0.0).powi(3);
        for column in 0..canvas.width {
            let far = (1.0 - (column as f32 - cx).abs() / (w * 0.5)).max(0.0) * core;
            shine(canvas.at(column, row), [70.0 * far * k, 52.0 * far * k, 28.0 * far * k]);
        }
    }
    for (t, size, colour) in [(0.55, 0.05, [34.0, 14.0, 4.0]), (1.35, 0.085, [22.0, 10.0, 16.0])] {
        let (gx, gy) = (cx + (w / 2.0 - cx) * 2.0 * t, cy + (h / 2.0 - cy) * 2.0 * t);
        canvas.halo(gx, gy, h * size, colour.map(|c| c * k));
    }
}
