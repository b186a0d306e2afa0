//! A fire: flames, smoke and the light it throws.

use crate::scene::backdrop::Backdrop;
use crate::scene::camera::{Pixel, Vec3};
use crate::scene::canvas::Canvas;
use crate::scene::chance::{Chance, smoothstep, wander};
use crate::scene::error::SceneError;
use crate::scene::gas::{Flame, Placement, Plume, Smoke};
use crate::scene::glow::GlowMap;
use crate::scene::place::Spotted;
use crate::scene::sheet::{Sheet, Stamp};
use crate::scene::spec::{EventKind, Light, SceneSpec, ScriptedEvent, Weather};
use citybrain_types::BoundingBox;
use std::sync::Arc;

/// A fire or a plume of smoke at one place.
#[derive(Debug)]
pub struct Fire {
    from: f32,
    to: f32,
    growth: f32,
    source: Vec3,
    foot: Pixel,
    /// How far in front of its middle things still burn, metres: flames lick around a car.
    bulk: f32,
    /// Width of the fire when grown, metres.
    width: f32,
    flame: Option<Flame>,
    smoke: Smoke,
    glow: GlowMap,
    heap: Option<(Arc<Sheet>, usize)>,
    chance: Chance,
    tone: f32,
    light: Light,
    rain: bool,
    flip: bool,
    metre: (f32, f32),
    /// Whether a person can tell the smoke from what is behind it.
    smoke_seen: bool,
}

/// Mean difference in levels from which smoke is told from what is behind it.
const SEEN_CONTRAST: f32 = 24.0;

impl Fire {
    /// Prepares a fire at a spot.
    ///
    /// # Errors
    /// [`SceneError::Asset`] when a loop cannot be decoded.
    pub fn new(
        event: &ScriptedEvent,
        index: usize,
        spot: &Spotted,
        spec: &SceneSpec,
        backdrop: &Backdrop,
    ) -> Result<Self, SceneError> {
        let chance = Chance::new(spec.seed).with(200 + index as u64);
        let (file, base, bulk) = match spot.surface.as_str() {
            "vehicle" => ("flame_wide", 1.25, 2.6),
            "stall" | "shop" => ("flame_wide", 1.2, 2.2),
            "roof" => ("flame_wide", 1.5, 4.0),
            "bin" => ("flame_small", 0.85, 0.8),
            "balcony" => ("flame_tall", 0.9, 1.5),
            _ => (chance.pick(1, &["flame_wide", "flame_wide", "flame_tall", "flame_small"]), 0.9, 0.6),
        };
        let base = if file == "flame_wide" && base < 1.0 { base * 1.7 } else { base };
        let width = base * spot.scale * event.size;
        let burning = event.kind == EventKind::Fire;
        let on_ground = matches!(spot.surface.as_str(), "road" | "ground" | "pavement");
        let heap = if on_ground {
            Some((Sheet::load("litter")?, [2, 6, 10][(chance.with(2).bits() % 3) as usize]))
        } else {
            None
        };
        let dark = matches!(spot.surface.as_str(), "vehicle" | "roof");
        // Smoke of oil and rubber is black, that of wood and waste light; a mid grey would vanish before a house.
        let light_smoke = chance.range(3, 0.62, 0.86);
        let by_night = !burning && spec.light != Light::Day;
        let tone = if dark && !by_night { chance.range(3, 0.07, 0.17) } else { light_smoke };
        let source = spot.at;
        let reach = if burning { width * 3.2 + 3.5 } else { 0.5 };
        let lit = [source[0], source[1], source[2] + width * 0.7];
        let metre = (backdrop.camera.focal.0 / spot.pixel.depth, backdrop.camera.focal.1 / spot.pixel.depth);
        let mut made = Self {
            from: event.from.as_secs_f32(),
            to: event.to.map_or(f32::INFINITY, |to| to.as_secs_f32()),
            growth: event.growth_secs,
            source,
            foot: spot.pixel,
            bulk,
            width,
            flame: if burning { Some(Flame::load(file)?) } else { None },
            smoke: Smoke::load()?,
            glow: GlowMap::new(backdrop, lit, reach),
            heap,
            chance,
            tone,
            light: spec.light,
            rain: spec.weather == Weather::Rain,
            flip: Chance::new(spec.seed).unit(77) < 0.5,
            metre,
            smoke_seen: true,
        };
        made.smoke_seen = made.contrast(backdrop) > SEEN_CONTRAST;
        Ok(made)
    }

    /// How far the colour of the grown plume is from what is behind it, in levels of 255.
    fn contrast(&self, backdrop: &Backdrop) -> f32 {
        let picture = (backdrop.width, backdrop.height);
        let Some(bbox) = self.smoke.bounds(&self.smoke_place(1.0), 0.0, picture) else { return 0.0 };
        let light = self.light_on_smoke(backdrop);
        let body = self.tone * 240.0 * light[1];
        let (mut sum, mut count) = (0.0, 0.0);
        let rows = (bbox.top() * picture.1 as f32) as usize..(bbox.bottom() * picture.1 as f32) as usize;
        for y in rows.step_by(3) {
            let columns =
                (bbox.left() * picture.0 as f32) as usize..(bbox.right() * picture.0 as f32) as usize;
            for x in columns.step_by(3) {
                sum += (f32::from(backdrop.pixels[(y * picture.0 + x) * 3 + 1]) - body).abs();
                count += 1.0;
            }
        }
        sum / f32::max(count, 1.0)
    }

    fn light_on_smoke(&self, backdrop: &Backdrop) -> [f32; 3] {
        match (self.light, self.rain) {
            (Light::Day, false) => [1.0, 1.0, 1.0],
            (Light::Day, true) => [0.84, 0.86, 0.88],
            (Light::Dusk, _) => [0.34, 0.35, 0.40],
            (Light::Night, _) => {
                let l = backdrop.light_at(self.foot.x, self.foot.y);
                [0.11 + l[0] * 0.45, 0.11 + l[1] * 0.45, 0.11 + l[2] * 0.45]
            }
        }
    }

    /// How grown it is at a time, `0..=1`; `0` when it does not burn.
    fn grown(&self, at: f32) -> f32 {
        if at < self.from || at >= self.to {
            return 0.0;
        }
        let rise = (0.14 + 0.86 * smoothstep(0.0, self.growth.max(0.1), at - self.from)).min(1.0);
        rise * smoothstep(0.0, 2.5, self.to - at).max(0.1)
    }

    fn flicker(&self, at: f32) -> f32 {
        0.82 + 0.18 * wander(self.chance.with(9), at * 9.0) + 0.1 * wander(self.chance.with(10), at * 2.3)
    }

    fn flame_place(&self, flame: &Flame, grown: f32) -> Placement {
        let facts = flame.gas().facts;
        let scale = self.width / facts.source;
        let (across, down) = (self.metre.0 * scale * grown.sqrt(), self.metre.1 * scale * grown * 1.35);
        let flip = self.chance.unit(11) < 0.5;
        Placement::at(
            flame.gas(),
            (self.foot.x, self.foot.y),
            (across, down),
            flip,
            self.foot.depth - self.bulk,
        )
    }

    fn smoke_place(&self, grown: f32) -> Placement {
        let facts = self.smoke.gas().facts;
        let wide = if self.flame.is_some() { 1.15 } else { 1.5 };
        let scale = self.width * wide / facts.source * (0.15 + 0.85 * grown);
        let lift = if self.flame.is_some() { self.width * 0.75 * grown * self.metre.1 } else { 0.0 };
        let foot = (self.foot.x, self.foot.y - lift);
        let size = (self.metre.0 * scale, self.metre.1 * scale);
        Placement::at(self.smoke.gas(), foot, size, self.flip, self.foot.depth - self.bulk)
    }

    fn phase(&self, at: f32) -> f32 {
        at + self.chance.range(12, 0.0, 60.0)
    }

    /// Metres along the optical axis.
    pub fn depth(&self) -> f32 {
        self.foot.depth - self.bulk
    }

    /// Lights the street; to be done before anything that stands is drawn.
    pub fn light(&self, canvas: &mut Canvas<'_>, backdrop: &Backdrop, at: f32) {
        let grown = self.grown(at);
        if grown <= 0.0 || self.flame.is_none() {
            return;
        }
        let strong = match self.light {
            Light::Day => 26.0,
            Light::Dusk => 190.0,
            Light::Night => 300.0,
        };
        let k = strong * grown * self.flicker(at);
        self.glow.add(canvas, backdrop, [k, k * 0.50, k * 0.17]);
    }

    /// Draws what burns, the smoke and the flames.
    pub fn draw(&self, canvas: &mut Canvas<'_>, backdrop: &Backdrop, at: f32) {
        let grown = self.grown(at);
        if grown <= 0.0 {
            return;
        }
        if let Some((sheet, pose)) = &self.heap {
            self.draw_heap(canvas, backdrop, sheet, *pose);
        }
        let glow =
            if self.flame.is_some() && self.light != Light::Day { 150.0 * self.flicker(at) } else { 0.0 };
        let plume = Plume {
            tone: self.tone,
            light: self.light_on_smoke(backdrop),
            fire: [glow, glow * 0.45, glow * 0.13],
            dense: 0.95,
        };
        let place = self.smoke_place(grown);
        if self.flame.is_none() || grown > 0.2 {
            self.smoke.draw(canvas, backdrop, &place, self.phase(at), &plume);
        }
        if let Some(flame) = &self.flame {
            let place = self.flame_place(flame, grown);
            // A night exposure is longer: more of the flame saturates.
            let strength = if self.light == Light::Day { 1.0 } else { 1.22 };
            flame.draw(canvas, backdrop, &place, self.phase(at), strength);
            self.bloom(canvas, at, grown);
        }
    }

    /// What the lens adds around a bright thing.
    fn bloom(&self, canvas: &mut Canvas<'_>, at: f32, grown: f32) {
        let strong = match self.light {
            Light::Day => 10.0,
            Light::Dusk => 34.0,
            Light::Night => 52.0,
        };
        let k = strong * self.flicker(at) * grown.sqrt();
        let high = self.width * self.metre.1 * grown;
        let radius = (high * 2.4).max(6.0);
        canvas.halo(self.foot.x, self.foot.y - high * 0.7, radius, [k, k * 0.55, k * 0.2]);
    }

    fn draw_heap(&self, canvas: &mut Canvas<'_>, backdrop: &Backdrop, sheet: &Sheet, pose: usize) {
        let (_, down) = backdrop.camera.regard(self.source);
        let k = (self.width / 1.3).clamp(0.5, 2.5);
        let light = backdrop.light_at(self.foot.x, self.foot.y).map(|l| l * 0.35);
        let stamp = Stamp {
            sheet,
            cell: (0, sheet.row(pose, down.to_degrees())),
            foot: self.foot,
            scale: (self.metre.0 * k, self.metre.1 * k),
            flip: false,
            tint: light,
            paint: [[1.0; 3]; 2],
            alpha: 1.0,
            sunk: 0.0,
        };
        stamp.draw(canvas, backdrop);
    }

    /// Boxes of flame and smoke at a time.
    pub fn boxes(&self, at: f32, picture: (usize, usize)) -> Vec<(&'static str, BoundingBox)> {
        let grown = self.grown(at);
        let mut out = Vec::new();
        if grown <= 0.0 {
            return out;
        }
        if let Some(flame) = &self.flame {
            let place = self.flame_place(flame, grown);
            out.extend(flame.bounds(&place, self.phase(at), picture).map(|bbox| ("fire", bbox)));
        }
        if self.smoke_seen && (self.flame.is_none() || grown > 0.2) {
            let place = self.smoke_place(grown);
            out.extend(self.smoke.bounds(&place, self.phase(at), picture).map(|bbox| ("smoke", bbox)));
        }
        out
    }
}
