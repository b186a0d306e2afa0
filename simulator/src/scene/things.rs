//! Litter, machinery and scaffolding.

use crate::scene::assets;
use crate::scene::backdrop::Backdrop;
use crate::scene::camera::{Pixel, Vec3};
use crate::scene::canvas::{Canvas, blend};
use crate::scene::chance::{Chance, smoothstep};
use crate::scene::error::SceneError;
use crate::scene::place::Spotted;
use crate::scene::sheet::{Sheet, Stamp};
use crate::scene::spec::{SceneSpec, ScriptedEvent, View};
use crate::scene::traffic::Actor;
use citybrain_types::BoundingBox;
use image::RgbaImage;
use image::imageops::{self, FilterType};
use std::sync::Arc;

/// When something is there, in seconds.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    /// From.
    pub from: f32,
    /// To.
    pub to: f32,
}

impl Span {
    /// Of an event.
    pub fn of(event: &ScriptedEvent) -> Self {
        Self { from: event.from.as_secs_f32(), to: event.to.map_or(f32::INFINITY, |to| to.as_secs_f32()) }
    }

    /// Whether it is there at a time.
    pub fn holds(&self, at: f32) -> bool {
        at >= self.from && at < self.to
    }
}

/// Bags and boxes that somebody leaves.
#[derive(Debug)]
pub struct Litter {
    span: Span,
    sheet: Arc<Sheet>,
    pose: usize,
    at: Vec3,
    pixel: Pixel,
    size: f32,
    chance: Chance,
}

impl Litter {
    /// Prepares litter at a spot.
    ///
    /// # Errors
    /// [`SceneError::Asset`] when its sheet cannot be decoded.
    pub fn new(event: &ScriptedEvent, index: usize, spot: &Spotted, seed: u64) -> Result<Self, SceneError> {
        let chance = Chance::new(seed).with(300 + index as u64);
        // Poses: three variants of one bag, some bags, a heap, boxes.
        let variant = (chance.bits() % 3) as usize * 4;
        let kind = if event.size < 0.7 { 0 } else { chance.pick(1, &[1, 2, 2, 3]) };
        let size = (spot.scale * event.size).clamp(0.4, 4.0) * 1.15;
        let span = Span::of(event);
        let sheet = Sheet::load("litter")?;
        Ok(Self { span, sheet, pose: variant + kind, at: spot.at, pixel: spot.pixel, size, chance })
    }

    fn stamp(&self, backdrop: &Backdrop, at: f32) -> Stamp<'_> {
        let (_, down) = backdrop.camera.regard(self.at);
        let metre = (backdrop.camera.focal.0 / self.pixel.depth, backdrop.camera.focal.1 / self.pixel.depth);
        Stamp {
            sheet: &self.sheet,
            cell: (0, self.sheet.row(self.pose, down.to_degrees())),
            foot: self.pixel,
            scale: (metre.0 * self.size, metre.1 * self.size),
            flip: self.chance.unit(4) < 0.5,
            tint: backdrop.light_at(self.pixel.x, self.pixel.y),
            paint: [[1.0; 3]; 2],
            alpha: smoothstep(0.0, 0.5, at - self.span.from).max(0.05),
            sunk: 0.0,
        }
    }

    /// Metres along the optical axis.
    pub const fn depth(&self) -> f32 {
        self.pixel.depth
    }

    /// Draws it with the shadow under it.
    pub fn draw(&self, canvas: &mut Canvas<'_>, backdrop: &Backdrop, at: f32) {
        if !self.span.holds(at) {
            return;
        }
        let stamp = self.stamp(backdrop, at);
        let (rx, ry) = (stamp.scale.0 * 0.85, stamp.scale.1 * 0.26);
        let ring: Vec<(f32, f32)> = (0..10)
            .map(|i| {
                let t = i as f32 / 10.0 * std::f32::consts::TAU;
                (self.pixel.x + rx * t.cos(), self.pixel.y + ry * t.sin())
            })
            .collect();
        canvas.shade(&ring, ry.max(1.0), |_, _| 0.55);
        stamp.draw(canvas, backdrop);
    }

    /// Its box at a time.
    pub fn bounds(&self, backdrop: &Backdrop, at: f32) -> Option<BoundingBox> {
        let seen = self.span.holds(at) && at - self.span.from > 0.3;
        seen.then(|| self.stamp(backdrop, at).bounds((backdrop.width, backdrop.height)))?
    }

    /// Whoever brings it: comes along the street, stops at the spot, walks off.
    pub fn bringer(&self, at: f32) -> Option<Actor> {
        let since = at - self.span.from;
        if !(-9.0..=11.0).contains(&since) {
            return None;
        }
        let pace = 1.25;
        let walked = if since < 0.0 { since * pace } else { (since - 1.6).max(0.0) * pace };
        let side = if self.chance.unit(6) < 0.5 { 1.0 } else { -1.0 };
        let mut place = self.at;
        place[0] += 0.75 * side;
        place[1] += walked.abs();
        let turn = if since < 0.0 { -1.0 } else { 1.0 };
        let still = (0.0..1.6).contains(&since);
        let dark = [0.16, 0.17, 0.2];
        let pose = if still { 0 } else { (walked / 1.4 * 8.0).rem_euclid(8.0) as usize };
        Some(Actor {
            sheet: "man",
            at: place,
            heading: std::f32::consts::FRAC_PI_2 * turn,
            pose,
            paint: [self.chance.pick(7, &[dark, [0.45, 0.42, 0.36], [0.3, 0.36, 0.45]]), dark],
            size: [0.4, 0.5, 1.7],
            lamps: None,
        })
    }
}

/// An excavator that drives up and digs.
#[derive(Debug)]
pub struct Machine {
    span: Span,
    sheet: Arc<Sheet>,
    at: Vec3,
    heading: f32,
    size: f32,
    chance: Chance,
}

const ARRIVAL_SECS: f32 = 6.0;

impl Machine {
    /// Prepares an excavator at a spot.
    ///
    /// # Errors
    /// [`SceneError::Asset`] when its sheet cannot be decoded.
    pub fn new(event: &ScriptedEvent, index: usize, spot: &Spotted, seed: u64) -> Result<Self, SceneError> {
        let chance = Chance::new(seed).with(400 + index as u64);
        let heading = chance.pick(1, &[-150.0_f32, -45.0, 0.0, 45.0, 45.0]).to_radians();
        let sheet = Sheet::load("excavator")?;
        let size = event.size * spot.scale.clamp(0.7, 1.1);
        Ok(Self { span: Span::of(event), sheet, at: spot.at, heading, size, chance })
    }

    fn place(&self, at: f32) -> Vec3 {
        let left = 7.0 * (1.0 - smoothstep(0.0, ARRIVAL_SECS, at - self.span.from));
        [self.at[0] - self.heading.cos() * left, self.at[1] - self.heading.sin() * left, self.at[2]]
    }

    /// Metres along the optical axis; far when it is not there.
    pub fn depth(&self, backdrop: &Backdrop, at: f32) -> f32 {
        backdrop.camera.project(self.place(at)).map_or(1e4, |p| p.depth)
    }

    fn stamp(&self, backdrop: &Backdrop, at: f32) -> Option<Stamp<'_>> {
        if !self.span.holds(at) {
            return None;
        }
        let place = self.place(at);
        let foot = backdrop.camera.project(place)?;
        let (ray, down) = backdrop.camera.regard(place);
        let digging = at - self.span.from - ARRIVAL_SECS;
        // Out, down, in, up and back: the sheet's poses in order, a second each.
        let pose =
            if digging < 0.0 { 0 } else { (digging * 1.1 + self.chance.range(3, 0.0, 6.0)) as usize % 6 };
        let relative = (self.heading - ray).to_degrees() + 90.0;
        let (column, flip) = self.sheet.column(relative);
        let metre = (backdrop.camera.focal.0 / foot.depth, backdrop.camera.focal.1 / foot.depth);
        Some(Stamp {
            sheet: &self.sheet,
            cell: (column, self.sheet.row(pose, down.to_degrees())),
            foot,
            scale: (metre.0 * self.size, metre.1 * self.size),
            flip,
            tint: backdrop.light_at(foot.x, foot.y),
            paint: [[1.0; 3]; 2],
            alpha: smoothstep(0.0, 0.8, at - self.span.from).max(0.05),
            sunk: 0.0,
        })
    }

    /// Draws it with its shadow and its amber beacon.
    pub fn draw(&self, canvas: &mut Canvas<'_>, backdrop: &Backdrop, at: f32) {
        let Some(stamp) = self.stamp(backdrop, at) else { return };
        let (x, y) = (stamp.foot.x, stamp.foot.y);
        let (rx, ry) = (stamp.scale.0 * 2.2, stamp.scale.1 * 0.8);
        let ring: Vec<(f32, f32)> = (0..12)
            .map(|i| {
                let t = i as f32 / 12.0 * std::f32::consts::TAU;
                (x + rx * t.cos(), y + ry * t.sin())
            })
            .collect();
        canvas.shade(&ring, ry * 0.5, |_, _| 0.5);
        stamp.draw(canvas, backdrop);
        if (at * 1.6).rem_euclid(1.0) < 0.25 {
            canvas.halo(x, y - stamp.scale.1 * 2.95, stamp.scale.1 * 0.5, [230.0, 130.0, 20.0]);
        }
    }

    /// Its box at a time.
    pub fn bounds(&self, backdrop: &Backdrop, at: f32) -> Option<BoundingBox> {
        self.stamp(backdrop, at)?.bounds((backdrop.width, backdrop.height))
    }
}

/// A scaffold that is put up level by level, with a net in the end.
#[derive(Debug)]
pub struct Scaffold {
    span: Span,
    growth: f32,
    layer: RgbaImage,
    /// First row and row after the last that it covers, first column and column after the last.
    extent: [usize; 4],
    tint: [f32; 3],
}

const LEVELS: f32 = 6.0;

impl Scaffold {
    /// Prepares the scaffold of a view.
    ///
    /// # Errors
    /// [`SceneError::Asset`] when its picture cannot be decoded; [`SceneError::Spot`] when the view has none.
    pub fn new(event: &ScriptedEvent, spec: &SceneSpec, backdrop: &Backdrop) -> Result<Self, SceneError> {
        let name = format!("{}.scaffold.png", spec.view.name());
        if !assets::has(&name) {
            return Err(SceneError::Spot {
                view: spec.view.name(),
                spot: "facade".to_owned(),
                kind: event.kind.to_string(),
                known: String::new(),
            });
        }
        let layer = assets::picture(&name)?.into_rgba8();
        let layer = imageops::resize(&layer, spec.width, spec.height, FilterType::Triangle);
        let (mut t, mut b, mut l, mut r) = (usize::MAX, 0, usize::MAX, 0);
        for (x, y, pixel) in layer.enumerate_pixels() {
            if pixel.0[3] > 60 {
                (t, b) = (t.min(y as usize), b.max(y as usize + 1));
                (l, r) = (l.min(x as usize), r.max(x as usize + 1));
            }
        }
        let tint = backdrop.light_at(l.midpoint(r) as f32, b as f32);
        Ok(Self { span: Span::of(event), growth: event.growth_secs, layer, extent: [t, b, l, r], tint })
    }

    /// The first row that stands at a time.
    fn top(&self, at: f32) -> Option<usize> {
        if !self.span.holds(at) {
            return None;
        }
        let [top, bottom, ..] = self.extent;
        let share = ((at - self.span.from) / self.growth.max(0.1)).clamp(0.0, 1.0);
        let built = ((share * LEVELS).floor() + 1.0).min(LEVELS) / LEVELS;
        Some(bottom - ((bottom - top) as f32 * built) as usize)
    }

    /// Draws what stands.
    pub fn draw(&self, canvas: &mut Canvas<'_>, at: f32) {
        let Some(top) = self.top(at) else { return };
        let [_, bottom, left, right] = self.extent;
        for y in top..bottom {
            for x in left..right {
                let [r, g, b, a] = self.layer.get_pixel(x as u32, y as u32).0;
                if a > 4 {
                    let colour = [r, g, b].map(f32::from);
                    let lit = std::array::from_fn(|c| (colour[c] * self.tint[c]).min(255.0));
                    blend(canvas.at(x, y), lit, f32::from(a) / 255.0);
                }
            }
        }
    }

    /// Its box at a time.
    pub fn bounds(&self, at: f32, picture: (usize, usize)) -> Option<BoundingBox> {
        let top = self.top(at)?;
        let [_, bottom, left, right] = self.extent;
        let (w, h) = (picture.0 as f32, picture.1 as f32);
        BoundingBox::clipped(left as f32 / w, top as f32 / h, right as f32 / w, bottom as f32 / h)
    }
}

/// Whether a view has a facade that can be scaffolded.
#[must_use]
pub fn has_facade(view: View) -> bool {
    assets::has(&format!("{}.scaffold.png", view.name()))
}
