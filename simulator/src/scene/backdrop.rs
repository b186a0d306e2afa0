//! Everything of a view that does not move, at the size of the picture.

use crate::scene::assets;
use crate::scene::camera::{Camera, Vec3};
use crate::scene::error::SceneError;
use crate::scene::spec::{Light, SceneSpec, Weather};
use image::imageops::{self, FilterType};
use image::{DynamicImage, RgbImage};

/// What a pixel of the view belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ground {
    /// Nothing: the sky.
    Sky,
    /// A road.
    Road,
    /// A pavement, a plot, grass.
    Pavement,
    /// Anything that stands.
    Thing,
}

const GRID: (usize, usize) = (48, 27);

/// A view in one light and weather.
#[derive(Debug)]
pub struct Backdrop {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// The picture, packed RGB.
    pub pixels: Vec<u8>,
    /// The same view by day: how much light each pixel gives back.
    pub albedo: Vec<u8>,
    /// Metres along the optical axis; the sky is far.
    pub depth: Vec<f32>,
    /// What each pixel belongs to.
    pub ground: Vec<Ground>,
    /// The camera.
    pub camera: Camera,
    light: Vec<[f32; 3]>,
}

impl Backdrop {
    /// Prepares a view.
    ///
    /// # Errors
    /// [`SceneError::Asset`] when a picture cannot be decoded.
    pub fn new(spec: &SceneSpec) -> Result<Self, SceneError> {
        let (w, h) = (spec.width, spec.height);
        let fit = |picture: RgbImage| imageops::resize(&picture, w, h, FilterType::CatmullRom).into_raw();
        let pixels = fit(assets::backdrop(spec.view, spec.light, spec.weather)?);
        let albedo = fit(assets::backdrop(spec.view, Light::Day, spec.weather)?);
        let name = spec.view.name();
        let depth = assets::picture(&format!("{name}.depth.png"))?.into_luma16();
        let ground = assets::picture(&format!("{name}.ground.png"))?.into_luma8();
        let depth = imageops::resize(&depth, w, h, FilterType::Nearest);
        let ground = imageops::resize(&DynamicImage::ImageLuma8(ground), w, h, FilterType::Nearest);
        let depth = depth.iter().map(|&d| if d == u16::MAX { 1e4 } else { f32::from(d) / 50.0 }).collect();
        let ground = ground
            .pixels()
            .map(|p| match p.0[0] / 60 {
                0 => Ground::Sky,
                1 => Ground::Road,
                2 => Ground::Pavement,
                _ => Ground::Thing,
            })
            .collect();
        let camera = Camera::new(assets::view(spec.view), w, h);
        let (width, height) = (w as usize, h as usize);
        let mut made = Self { width, height, pixels, albedo, depth, ground, camera, light: Vec::new() };
        made.light = made.measure_light(spec);
        Ok(made)
    }

    /// How strong the light on the ground is compared with a sunny day, in a coarse grid, without the stains of the
    /// ground itself.
    fn measure_light(&self, spec: &SceneSpec) -> Vec<[f32; 3]> {
        let reference = [self.sunlit(Ground::Road), self.sunlit(Ground::Pavement)];
        let overcast = if spec.weather == Weather::Rain { 0.82 } else { 1.0 };
        let mut sums = vec![[0.0_f32; 4]; GRID.0 * GRID.1];
        for y in (0..self.height).step_by(2) {
            for x in (0..self.width).step_by(2) {
                let index = y * self.width + x;
                let base = match self.ground[index] {
                    Ground::Road => reference[0],
                    Ground::Pavement => reference[1],
                    _ => continue,
                };
                let cell = &mut sums[(y * GRID.1 / self.height) * GRID.0 + x * GRID.0 / self.width];
                for (sum, value) in cell.iter_mut().zip(&self.pixels[index * 3..index * 3 + 3]) {
                    *sum += f32::from(*value) / base * overcast;
                }
                cell[3] += 1.0;
            }
        }
        for _ in 0..3 {
            sums = spread(&sums);
        }
        let mean = sums.iter().fold([0.0_f32; 4], |a, s| std::array::from_fn(|c| a[c] + s[c]));
        sums.iter()
            .map(|s| {
                let s = if s[3] > 0.5 { s } else { &mean };
                std::array::from_fn(|c| (s[c] / s[3].max(1.0)).clamp(0.05, 1.25))
            })
            .collect()
    }

    /// The brightness of sunlit ground of a sort in the day picture.
    fn sunlit(&self, sort: Ground) -> f32 {
        let mut values: Vec<u8> = (0..self.ground.len())
            .step_by(7)
            .filter(|&i| self.ground[i] == sort && self.depth[i] < 60.0)
            .map(|i| self.albedo[i * 3 + 1])
            .collect();
        values.sort_unstable();
        values.get(values.len() * 3 / 4).map_or(150.0, |&v| f32::from(v.max(40)))
    }

    /// The light that falls on something standing at a pixel, per channel; `1` is a sunny day.
    pub fn light_at(&self, x: f32, y: f32) -> [f32; 3] {
        let u = (x / self.width as f32 * GRID.0 as f32 - 0.5).clamp(0.0, GRID.0 as f32 - 1.001);
        let v = (y / self.height as f32 * GRID.1 as f32 - 0.5).clamp(0.0, GRID.1 as f32 - 1.001);
        let (i, j) = (u as usize, v as usize);
        let (fu, fv) = (u - i as f32, v - j as f32);
        let at = |i: usize, j: usize| self.light[j.min(GRID.1 - 1) * GRID.0 + i.min(GRID.0 - 1)];
        let (a, b, c, d) = (at(i, j), at(i + 1, j), at(i, j + 1), at(i + 1, j + 1));
        std::array::from_fn(|k| {
            (a[k] * (1.0 - fu) + b[k] * fu) * (1.0 - fv) + (c[k] * (1.0 - fu) + d[k] * fu) * fv
        })
    }

    /// Whether something that stands is nearer than a depth at a pixel.
    #[inline]
    pub fn hides(&self, x: usize, y: usize, depth: f32) -> bool {
        let index = y * self.width + x;
        self.ground[index] == Ground::Thing && self.depth[index] < depth - 0.5
    }

    /// What a pixel belongs to.
    #[inline]
    pub fn ground_at(&self, x: usize, y: usize) -> Ground {
        self.ground[y * self.width + x]
    }

    /// The point of the world that a pixel shows.
    pub fn world_at(&self, x: usize, y: usize) -> Vec3 {
        self.camera.lift(x as f32 + 0.5, y as f32 + 0.5, self.depth[y * self.width + x])
    }
}

/// One pass of a 3×3 blur of sums and counts, so that cells without ground borrow from their neighbours.
fn spread(sums: &[[f32; 4]]) -> Vec<[f32; 4]> {
    let mut out = vec![[0.0; 4]; sums.len()];
    for j in 0..GRID.1 {
        for i in 0..GRID.0 {
            let cell = &mut out[j * GRID.0 + i];
            for b in j.saturating_sub(1)..(j + 2).min(GRID.1) {
                for a in i.saturating_sub(1)..(i + 2).min(GRID.0) {
                    for c in 0..4 {
                        cell[c] += sums[b * GRID.0 + a][c];
                    }
                }
            }
        }
    }
    out
}
