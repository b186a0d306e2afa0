//! Light that things throw on the street: fires, headlights, signs.

use crate::scene::backdrop::{Backdrop, Ground};
use crate::scene::camera::{Vec3, minus};
use crate::scene::canvas::{Canvas, Window, shine};
use crate::scene::traffic::{Actor, Lamps};

/// How strongly a light at one place reaches each pixel of a window; fixed, so that only its strength changes.
#[derive(Debug)]
pub struct GlowMap {
    window: Window,
    weights: Vec<u8>,
}

impl GlowMap {
    /// The light of a source at a place that reaches as far as `reach` metres.
    pub fn new(backdrop: &Backdrop, source: Vec3, reach: f32) -> Self {
        let size = (backdrop.width, backdrop.height);
        let Some(middle) = backdrop.camera.project(source) else {
            return Self { window: Window::of(0.0, 0.0, 0.0, 0.0, size), weights: Vec::new() };
        };
        let (rx, ry) = (
            reach * 2.2 * backdrop.camera.focal.0 / middle.depth,
            reach * 1.4 * backdrop.camera.focal.1 / middle.depth,
        );
        let window = Window::of(middle.x - rx, middle.y - ry, middle.x + rx, middle.y + ry, size);
        let mut weights = Vec::with_capacity((window.right - window.left) * (window.bottom - window.top));
        for y in window.top..window.bottom {
            for x in window.left..window.right {
                weights.push(weight(backdrop, x, y, source, reach, (middle.x, middle.y, rx, ry)));
            }
        }
        Self { window, weights }
    }

    /// Adds the light, scaled by the colour of each pixel by day.
    pub fn add(&self, canvas: &mut Canvas<'_>, backdrop: &Backdrop, light: [f32; 3]) {
        let wide = self.window.right - self.window.left;
        if wide == 0 {
            return;
        }
        let light = light.map(|l| l / (255.0 * 255.0));
        for (row, weights) in (self.window.top..self.window.bottom).zip(self.weights.chunks_exact(wide)) {
            let begin = (row * backdrop.width + self.window.left) * 3;
            let end = begin + wide * 3;
            let pixels = canvas.pixels[begin..end].chunks_exact_mut(3);
            let albedo = backdrop.albedo[begin..end].chunks_exact(3);
            for ((pixel, albedo), &weight) in pixels.zip(albedo).zip(weights) {
                if weight > 0 {
                    let w = f32::from(weight);
                    shine(pixel, std::array::from_fn(|c| f32::from(albedo[c]) * w * light[c]));
                }
            }
        }
    }
}

fn weight(
    backdrop: &Backdrop,
    x: usize,
    y: usize,
    source: Vec3,
    reach: f32,
    frame: (f32, f32, f32, f32),
) -> u8 {
    if backdrop.ground_at(x, y) == Ground::Sky {
        return 0;
    }
    let d = minus(backdrop.world_at(x, y), source);
    let square = d[0] * d[0] + d[1] * d[1] + d[2] * d[2];
    let (cx, cy, rx, ry) = frame;
    // The window's edge must not show: fade with the distance on the screen too.
    let (ex, ey) = ((x as f32 - cx) / rx, (y as f32 - cy) / ry);
    let edge = (1.0 - ex * ex - ey * ey).clamp(0.0, 1.0);
    let near = 1.0 / (1.0 + 7.0 * square / (reach * reach));
    let fade = (1.0 - square / (reach * reach * 4.0)).clamp(0.0, 1.0);
    (255.0 * near * fade * edge) as u8
}

/// Headlights, their pools on the road and tail lights, as far as a vehicle has them. `strength` is 0 by day and 1 at
/// night.
pub fn headlights(canvas: &mut Canvas<'_>, backdrop: &Backdrop, actor: &Actor, strength: f32, wet: bool) {
    let Some(lamps) = actor.lamps else { return };
    let (sin, cos) = actor.heading.sin_cos();
    let (ray, _) = backdrop.camera.regard(actor.at);
    let facing = -(ray - actor.heading).cos();
    let sides: &[f32] = if lamps.side > 0.0 { &[-1.0, 1.0] } else { &[0.0] };
    for side in sides {
        let place = |ahead: f32, height: f32| {
            let s = side * lamps.side;
            [actor.at[0] + cos * ahead - sin * s, actor.at[1] + sin * ahead + cos * s, actor.at[2] + height]
        };
        if facing > 0.05 {
            let light = [250.0, 240.0, 215.0];
            lamp(
                canvas,
                backdrop,
                place(lamps.front, lamps.front_height),
                light,
                facing.powf(1.5) * strength,
                wet,
            );
        } else {
            let light = [210.0, 22.0, 14.0];
            lamp(
                canvas,
                backdrop,
                place(-lamps.rear, lamps.rear_height),
                light,
                -facing * 0.55 * strength,
                wet,
            );
        }
    }
}

/// One lamp: a core, a halo, and on wet ground its streak.
fn lamp(canvas: &mut Canvas<'_>, backdrop: &Backdrop, at: Vec3, light: [f32; 3], strength: f32, wet: bool) {
    let Some(pixel) = backdrop.camera.project(at) else { return };
    let (x, y) = (pixel.x as usize, pixel.y as usize);
    if pixel.x < 0.0 || pixel.y < 0.0 || x >= backdrop.width || y >= backdrop.height {
        return;
    }
    if backdrop.hides(x, y, pixel.depth) {
        return;
    }
    let metre = backdrop.camera.focal.0 / pixel.depth;
    let unit = backdrop.width as f32 / 640.0;
    canvas.halo(pixel.x, pixel.y, (metre * 0.16).max(1.6 * unit), light.map(|l| l * strength.min(1.0) * 2.0));
    let radius = (metre * 0.9 * strength.sqrt()).clamp(2.0 * unit, 60.0 * unit);
    canvas.halo(pixel.x, pixel.y, radius, light.map(|l| l * 0.20 * strength));
    if wet {
        let long = (metre * 2.6).clamp(4.0, 90.0 * unit);
        let half = (metre * 0.14).max(0.8 * unit);
        let top = pixel.y + metre * 0.8;
        let window = Window::of(pixel.x - half, top, pixel.x + half, top + long, canvas.size());
        for row in window.top..window.bottom {
            let fade = 1.0 - (row as f32 - top) / long;
            for column in window.left..window.right {
                let k = 0.30 * strength * fade;
                shine(canvas.at(column, row), light.map(|l| l * k));
            }
        }
    }
}

/// The pool of light that headlights throw on the ground ahead.
pub fn pool(canvas: &mut Canvas<'_>, backdrop: &Backdrop, actor: &Actor, strength: f32) {
    let Some(Lamps { front, .. }) = actor.lamps else { return };
    let (sin, cos) = actor.heading.sin_cos();
    let corner = |ahead: f32, side: f32| {
        let at =
            [actor.at[0] + cos * ahead - sin * side, actor.at[1] + sin * ahead + cos * side, actor.at[2]];
        backdrop.camera.project(at)
    };
    let reach = 15.0;
    let mut edges = [f32::MAX, f32::MAX, f32::MIN, f32::MIN];
    for (ahead, side) in [(front, -1.0), (front, 1.0), (front + reach, -4.0), (front + reach, 4.0)] {
        let Some(p) = corner(ahead, side) else { return };
        edges = [edges[0].min(p.x), edges[1].min(p.y), edges[2].max(p.x), edges[3].max(p.y)];
    }
    let window = Window::of(edges[0], edges[1], edges[2], edges[3], canvas.size());
    for y in window.top..window.bottom {
        for x in window.left..window.right {
            let index = y * backdrop.width + x;
            if !matches!(backdrop.ground[index], Ground::Road | Ground::Pavement) {
                continue;
            }
            let p = backdrop.world_at(x, y);
            let (dx, dy) = (p[0] - actor.at[0], p[1] - actor.at[1]);
            let (ahead, side) = (dx * cos + dy * sin - front, (-dx * sin + dy * cos).abs());
            if ahead <= 0.0 || ahead >= reach {
                continue;
            }
            let wide = 0.9 + ahead * 0.24;
            let across = (1.0 - side / wide).clamp(0.0, 1.0);
            let near = (ahead / 1.5).min(1.0) * (1.0 - ahead / reach);
            let k = strength * across * near * 0.75;
            let albedo = &backdrop.albedo[index * 3..index * 3 + 3];
            let light =
                [f32::from(albedo[0]) * k, f32::from(albedo[1]) * k * 0.96, f32::from(albedo[2]) * k * 0.82];
            shine(canvas.at(x, y), light);
        }
    }
}
