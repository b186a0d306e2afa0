//! Standing water: where it lies at a level, what it mirrors and how it ripples.

use crate::scene::backdrop::{Backdrop, Ground};
use crate::scene::camera::{Vec3, along, dot, minus};
use crate::scene::canvas::{Canvas, blend};
use crate::scene::chance::{Chance, smoothstep};
use citybrain_types::BoundingBox;
use std::sync::LazyLock;

/// One pixel that water can cover.
#[derive(Debug, Clone, Copy)]
struct Cell {
    index: u32,
    /// Pixel that it mirrors.
    mirrored: u32,
    /// Level at which water reaches it, metres.
    floor: f32,
    /// Share of mirrored light.
    fresnel: f32,
    /// Phases of two waves.
    waves: [u8; 2],
    /// How far a ripple moves the mirrored picture, pixels.
    sway: f32,
}

/// Shape of the ground that holds the water.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Basin {
    /// A road that dips: water lies below a height.
    Dip,
    /// Flat ground: a shallow bowl of this radius in metres.
    Bowl(f32),
}

/// Water at one place of a view.
#[derive(Debug)]
pub struct Water {
    cells: Vec<Cell>,
    basin: Basin,
    middle: Vec3,
    chance: Chance,
    mud: [f32; 3],
    sky: [f32; 3],
}

static WAVE: LazyLock<[f32; 256]> =
    LazyLock::new(|| std::array::from_fn(|i| (i as f32 / 256.0 * std::f32::consts::TAU).sin()));

impl Water {
    /// Prepares the ground around a place up to a level in metres.
    pub fn new(backdrop: &Backdrop, middle: Vec3, basin: Basin, highest: f32, chance: Chance) -> Self {
        let light = backdrop.camera.project(middle).map_or([1.0; 3], |p| backdrop.light_at(p.x, p.y));
        let mud = [106.0 * light[0], 97.0 * light[1], 80.0 * light[2]];
        let mut made = Self { cells: Vec::new(), basin, middle, chance, mud, sky: sky(backdrop) };
        for y in 0..backdrop.height {
            for x in 0..backdrop.width {
                if matches!(backdrop.ground_at(x, y), Ground::Road | Ground::Pavement) {
                    let point = backdrop.world_at(x, y);
                    let floor = made.floor(point);
                    if floor < highest {
                        made.cells.push(made.cell(backdrop, x, y, point, floor));
                    }
                }
            }
        }
        made
    }

    /// Level at which water reaches a point of the ground.
    fn floor(&self, point: Vec3) -> f32 {
        let bumps = 0.7 * bump(self.chance, point[0] / 3.4, point[1] / 3.4)
            + 0.3 * bump(self.chance.with(1), point[0] / 0.8, point[1] / 0.8);
        match self.basin {
            Basin::Dip => point[2] - self.middle[2] + bumps * 0.03,
            Basin::Bowl(radius) => {
                let (dx, dy) = (point[0] - self.middle[0], point[1] - self.middle[1]);
                let out = (dx * dx + dy * dy) / (radius * radius);
                (point[2] - self.middle[2]).max(0.0) * 0.5 + 0.11 * out + bumps * 0.055
            }
        }
    }

    fn cell(&self, backdrop: &Backdrop, x: usize, y: usize, point: Vec3, floor: f32) -> Cell {
        let eye = backdrop.camera.eye();
        let ray = minus(point, eye);
        let length = dot(ray, ray).sqrt();
        let steep = -ray[2] / length;
        // Schlick's approximation for water, raised a little because ripples tilt the surface.
        let fresnel = 0.12 + 0.88 * (1.0 - steep).powi(3);
        let mirrored = mirrored(backdrop, point, [ray[0] / length, ray[1] / length, -ray[2] / length]);
        let depth = backdrop.depth[y * backdrop.width + x];
        // Gusts bend the wave fronts; straight ones would cross in a pattern.
        let bend = 150.0 * bump(self.chance.with(2), point[0] / 1.9, point[1] / 1.9);
        let waves = [
            (point[0] * 120.0 + point[1] * 260.0 + bend).rem_euclid(256.0) as u8,
            (point[1] * 390.0 - point[0] * 170.0 - bend * 1.7).rem_euclid(256.0) as u8,
        ];
        let sway = 0.11 * backdrop.camera.focal.1 / depth;
        Cell {
            index: (y * backdrop.width + x) as u32,
            mirrored,
            floor,
            fresnel: fresnel.min(0.92),
            waves,
            sway,
        }
    }

    /// How deep the water is at a point of the ground for a level, metres; 0 when dry.
    pub fn depth_at(&self, point: Vec3, level: f32) -> f32 {
        (level - self.floor(point)).max(0.0)
    }

    /// Draws the water at a level. `mask` gets how much each pixel is covered, for what mirrors itself in it later.
    pub fn draw(
        &self,
        canvas: &mut Canvas<'_>,
        backdrop: &Backdrop,
        level: f32,
        at: f32,
        rain: bool,
        mask: &mut [u8],
    ) {
        let (first, second) = ((at * 230.0) as u32, (at * 310.0) as u32);
        let (last, wide) = (backdrop.depth.len() - 1, backdrop.width as i32);
        let rough = if rain { 1.7 } else { 1.0 };
        for cell in &self.cells {
            let deep = level - cell.floor;
            if deep <= 0.0 {
                continue;
            }
            let cover = smoothstep(0.0, 0.03, deep);
            let wave = WAVE[(u32::from(cell.waves[0]).wrapping_add(first) & 255) as usize]
                + WAVE[(u32::from(cell.waves[1]).wrapping_sub(second) & 255) as usize];
            let sway = (wave * cell.sway * rough).round() as i32;
            // A ripple must not reach beyond the first or last row; there the mirror stays still.
            let swayed = (cell.mirrored as i32).wrapping_add(sway * wide + sway / 2);
            let inside = (0..=last as i32).contains(&swayed);
            let source = if inside { swayed as usize } else { (cell.mirrored as usize).min(last) } * 3;
            let index = cell.index as usize;
            let murk = 0.35 + 0.6 * (1.0 - (-deep * 12.0).exp());
            let pixel = canvas.at(index % backdrop.width, index / backdrop.width);
            let shimmer = 1.0 + 0.07 * wave * rough;
            let mirror: [f32; 3] = if cell.mirrored == SKY {
                self.sky.map(|s| s * shimmer)
            } else {
                // Two neighbours, because rippled water is no sharp mirror.
                let other = (source + backdrop.width * 6 + 6).min(last * 3);
                std::array::from_fn(|c| {
                    (f32::from(backdrop.pixels[source + c]) + f32::from(backdrop.pixels[other + c]))
                        * 0.5
                        * shimmer
                })
            };
            let below: [f32; 3] = std::array::from_fn(|c| {
                let ground = f32::from(pixel[c]) * 0.62;
                ground + (self.mud[c] - ground) * murk
            });
            let colour =
                std::array::from_fn(|c| (below[c] + (mirror[c] - below[c]) * cell.fresnel).min(255.0));
            blend(pixel, colour, cover);
            mask[index] = mask[index].max((cover * (60.0 + 150.0 * cell.fresnel)) as u8);
        }
    }

    /// The box around water at least 1 cm deep, and the share of the picture that it covers.
    pub fn bounds(&self, level: f32, picture: (usize, usize)) -> Option<(BoundingBox, f32)> {
        let (mut l, mut t, mut r, mut b, mut count) = (usize::MAX, usize::MAX, 0, 0, 0_usize);
        for cell in &self.cells {
            if level - cell.floor > 0.01 {
                let (x, y) = (cell.index as usize % picture.0, cell.index as usize / picture.0);
                (l, r) = (l.min(x), r.max(x + 1));
                (t, b) = (t.min(y), b.max(y + 1));
                count += 1;
            }
        }
        let (w, h) = (picture.0 as f32, picture.1 as f32);
        let bbox = BoundingBox::clipped(l as f32 / w, t as f32 / h, r as f32 / w, b as f32 / h)?;
        (count > 0).then_some((bbox, count as f32 / (w * h)))
    }
}

/// Stands for the sky as what a pixel mirrors.
const SKY: u32 = u32::MAX;

/// The mean colour of the sky in the picture; of its brightest row where no sky is in sight.
fn sky(backdrop: &Backdrop) -> [f32; 3] {
    let open = (0..backdrop.ground.len()).step_by(3).filter(|&i| backdrop.ground[i] == Ground::Sky);
    let (mut sum, mut count) = ([0.0_f32; 3], 0.0_f32);
    for index in open {
        for (total, value) in sum.iter_mut().zip(&backdrop.pixels[index * 3..]) {
            *total += f32::from(*value);
        }
        count += 1.0;
    }
    if count > 30.0 {
        return sum.map(|s| s / count);
    }
    // A street between houses: what is above it is lighter than its walls.
    let walls = backdrop.pixels.iter().step_by(31).map(|&v| f32::from(v)).sum::<f32>();
    let mean = walls / (backdrop.pixels.len() / 31).max(1) as f32;
    [mean * 1.5, mean * 1.6, mean * 1.75].map(|v| v.min(235.0))
}

/// The pixel that a ray from the ground ends at: the first surface that it meets in the picture, else the last pixel
/// that it crosses in the open, else the sky.
fn mirrored(backdrop: &Backdrop, from: Vec3, ray: Vec3) -> u32 {
    let mut open = SKY;
    let (mut before, mut travelled) = (0.0_f32, 0.6_f32);
    while travelled < 160.0 {
        match meet(backdrop, along(from, ray, travelled)) {
            Meeting::Outside(index) => return index,
            Meeting::Open(index) => open = index,
            Meeting::Behind { by, .. } if by < 1.0 + travelled * 0.2 => {
                return refined(backdrop, from, ray, (before, travelled));
            }
            // Far behind something near: the ray passes unseen, as behind a lamp post or a parapet.
            Meeting::Behind { .. } => {}
        }
        before = travelled;
        travelled = (travelled * 1.14).max(travelled + 0.3);
    }
    open
}

/// Where a point of a ray is, seen from the camera.
enum Meeting {
    /// Outside the picture; the pixel that stands for it.
    Outside(u32),
    /// Before everything that its pixel shows.
    Open(u32),
    /// Behind what its pixel shows, by some metres.
    Behind { index: u32, by: f32 },
}

fn meet(backdrop: &Backdrop, point: Vec3) -> Meeting {
    let (w, h) = (backdrop.width as f32, backdrop.height as f32);
    let Some(pixel) = backdrop.camera.project(point) else { return Meeting::Outside(SKY) };
    let (x, y) = (pixel.x.clamp(0.0, w - 1.0) as usize, pixel.y.clamp(0.0, h - 1.0) as usize);
    let index = (y * backdrop.width + x) as u32;
    if pixel.x < 0.0 || pixel.y < 0.0 || pixel.x >= w || pixel.y >= h {
        // Just above the picture the ray still meets what stands there, and its top row stands for it; higher up
        // there is the sky.
        return Meeting::Outside(if pixel.y < -0.25 * h { SKY } else { index });
    }
    let by = pixel.depth - backdrop.depth[index as usize];
    if by > 0.0 && backdrop.ground[index as usize] == Ground::Thing {
        Meeting::Behind { index, by }
    } else {
        Meeting::Open(index)
    }
}

/// Halves the stretch in which a ray goes behind a surface.
fn refined(backdrop: &Backdrop, from: Vec3, ray: Vec3, (mut near, mut far): (f32, f32)) -> u32 {
    let mut found = SKY;
    for _ in 0..6 {
        let middle = near.midpoint(far);
        match meet(backdrop, along(from, ray, middle)) {
            Meeting::Behind { index, .. } => (found, far) = (index, middle),
            Meeting::Open(index) | Meeting::Outside(index) => {
                near = middle;
                if found == SKY {
                    found = index;
                }
            }
        }
    }
    found
}

/// Smooth noise over the ground, `-1..1`, one knot per unit.
fn bump(chance: Chance, x: f32, y: f32) -> f32 {
    let (i, j) = (x.floor(), y.floor());
    let ease = |t: f32| t * t * (3.0 - 2.0 * t);
    let (fx, fy) = (ease(x - i), ease(y - j));
    let knot = |i: f32, j: f32| chance.with((i as i64) as u64).range((j as i64) as u64, -1.0, 1.0);
    let upper = knot(i, j) + (knot(i + 1.0, j) - knot(i, j)) * fx;
    let lower = knot(i, j + 1.0) + (knot(i + 1.0, j + 1.0) - knot(i, j + 1.0)) * fx;
    upper + (lower - upper) * fy
}
