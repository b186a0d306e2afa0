//! Sheets of sprites and how one is put into a picture.

use crate::scene::assets::{self, SheetFacts};
use crate::scene::backdrop::Backdrop;
use crate::scene::camera::Pixel;
use crate::scene::canvas::{Canvas, Window, blend};
use crate::scene::error::SceneError;
use citybrain_types::BoundingBox;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

/// Red, green, blue, coverage, first paint, second paint.
type Texel = [u8; 6];

/// A sheet and its halved copies, for things far away.
#[derive(Debug)]
pub struct Sheet {
    /// Its layout at full size.
    pub facts: &'static SheetFacts,
    levels: Vec<Level>,
}

#[derive(Debug)]
struct Level {
    width: usize,
    height: usize,
    texels: Vec<Texel>,
}

impl Level {
    fn halved(&self) -> Self {
        let (width, height) = (self.width / 2, self.height / 2);
        let mut texels = Vec::with_capacity(width * height);
        for y in 0..height {
            for x in 0..width {
                let four = [(0, 0), (1, 0), (0, 1), (1, 1)].map(|(dx, dy)| self.get(2 * x + dx, 2 * y + dy));
                texels.push(std::array::from_fn(|c| {
                    (four.iter().map(|texel| u32::from(texel[c])).sum::<u32>() / 4) as u8
                }));
            }
        }
        Self { width, height, texels }
    }

    fn get(&self, x: usize, y: usize) -> Texel {
        self.texels[y.min(self.height - 1) * self.width + x.min(self.width - 1)]
    }

    /// Bilinear.
    #[inline]
    fn sample(&self, u: f32, v: f32) -> [f32; 6] {
        let (u, v) = ((u - 0.5).max(0.0), (v - 0.5).max(0.0));
        let (x, y) = (u as usize, v as usize);
        let (fx, fy) = (u - x as f32, v - y as f32);
        let (a, b, c, d) = (self.get(x, y), self.get(x + 1, y), self.get(x, y + 1), self.get(x + 1, y + 1));
        let (wa, wb, wc, wd) = ((1.0 - fx) * (1.0 - fy), fx * (1.0 - fy), (1.0 - fx) * fy, fx * fy);
        std::array::from_fn(|i| {
            f32::from(a[i]) * wa + f32::from(b[i]) * wb + f32::from(c[i]) * wc + f32::from(d[i]) * wd
        })
    }

    /// Coverage only, nearest.
    #[inline]
    fn coverage(&self, u: f32, v: f32) -> u8 {
        self.get(u as usize, v as usize)[3]
    }
}

impl Sheet {
    /// A sheet by name; decoded once per process.
    ///
    /// # Errors
    /// [`SceneError::Asset`] when it cannot be decoded.
    pub fn load(name: &'static str) -> Result<Arc<Self>, SceneError> {
        static CACHE: LazyLock<Mutex<HashMap<&'static str, Arc<Sheet>>>> = LazyLock::new(Mutex::default);
        let mut cache = CACHE.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = cache.get(name) {
            return Ok(Arc::clone(found));
        }
        let colour = assets::picture(&format!("{name}.jpg"))?.into_rgb8();
        let mask = assets::picture(&format!("{name}.png"))?.into_rgb8();
        let texels = colour
            .pixels()
            .zip(mask.pixels())
            .map(|(c, m)| [c.0[0], c.0[1], c.0[2], m.0[0], m.0[1], m.0[2]])
            .collect();
        let mut levels =
            vec![Level { width: colour.width() as usize, height: colour.height() as usize, texels }];
        for _ in 0..3 {
            let next = levels[levels.len() - 1].halved();
            levels.push(next);
        }
        let made = Arc::new(Self { facts: assets::sheet_facts(name), levels });
        cache.insert(name, Arc::clone(&made));
        Ok(made)
    }

    /// The column whose heading (degrees) is nearest, and whether to mirror. Sheets that show the right half only are
    /// mirrored for the left; those that show all sides are not.
    pub fn column(&self, heading: f32) -> (usize, bool) {
        let wrap = |d: f32| (d + 180.0).rem_euclid(360.0) - 180.0;
        let heading = wrap(heading);
        let half = self.facts.headings.iter().all(|h| h.abs() <= 90.0);
        let flip = half && heading.abs() > 90.0;
        let wanted = if flip { wrap(180.0 - heading) } else { heading };
        let distance = |h: f32| wrap(h - wanted).abs();
        let nearest = (0..self.facts.headings.len())
            .min_by(|&a, &b| distance(self.facts.headings[a]).total_cmp(&distance(self.facts.headings[b])));
        (nearest.unwrap_or(0), flip)
    }

    /// The row of a pose at the nearest elevation (degrees).
    pub fn row(&self, pose: usize, elevation: f32) -> usize {
        let list = &self.facts.elevations;
        let nearest = (0..list.len())
            .min_by(|&a, &b| (list[a] - elevation).abs().total_cmp(&(list[b] - elevation).abs()))
            .unwrap_or(0);
        nearest * self.facts.poses + pose % self.facts.poses
    }
}

/// One sprite to be put into a picture.
#[derive(Debug, Clone)]
pub struct Stamp<'a> {
    /// Where from.
    pub sheet: &'a Sheet,
    /// Column and row in the sheet.
    pub cell: (usize, usize),
    /// Where its foot is.
    pub foot: Pixel,
    /// Pixels per metre across and down.
    pub scale: (f32, f32),
    /// Mirrored left to right.
    pub flip: bool,
    /// Light on it, per channel; `1` is a sunny day.
    pub tint: [f32; 3],
    /// Colours of the two paints, `0..=1`.
    pub paint: [[f32; 3]; 2],
    /// How much of it is there, `0..=1`.
    pub alpha: f32,
    /// Metres from the ground that are under water.
    pub sunk: f32,
}

impl Stamp<'_> {
    /// The picture rectangle of the whole cell: left, top, right, bottom.
    fn rectangle(&self) -> [f32; 4] {
        let facts = self.sheet.facts;
        let (kx, ky) = (self.scale.0 / facts.scale, self.scale.1 / facts.scale);
        let (w, h) = (facts.cell[0] as f32 * kx, facts.cell[1] as f32 * ky);
        let before = if self.flip { facts.cell[0] as f32 - facts.foot[0] } else { facts.foot[0] };
        let (left, top) = (self.foot.x - before * kx, self.foot.y - facts.foot[1] * ky);
        [left, top, left + w, top + h]
    }

    /// The level whose pixels are closest to the picture's, with its factor.
    fn level(&self) -> (&Level, f32) {
        let shrink = (self.sheet.facts.scale / self.scale.0.min(self.scale.1)).max(1.0);
        let index = (shrink.log2().round() as usize).min(self.sheet.levels.len() - 1);
        (&self.sheet.levels[index], 1.0 / (1u32 << index) as f32)
    }

    /// Draws it where nothing that stands is nearer.
    pub fn draw(&self, canvas: &mut Canvas<'_>, backdrop: &Backdrop) {
        let [left, top, right, bottom] = self.rectangle();
        let waterline = self.foot.y - self.sunk * self.scale.1;
        let bottom = if self.sunk > 0.0 { bottom.min(waterline) } else { bottom };
        let window = Window::of(left, top, right, bottom, canvas.size());
        for y in window.top..window.bottom {
            for x in window.left..window.right {
                if let Some((colour, cover)) = self.texel(x as f32 + 0.5, y as f32 + 0.5, [left, top, right])
                    && !backdrop.hides(x, y, self.foot.depth)
                {
                    blend(canvas.at(x, y), colour, cover);
                }
            }
        }
    }

    /// Draws it upside down below its foot as wet ground mirrors it; `wet` says how much a pixel mirrors.
    pub fn mirror(&self, canvas: &mut Canvas<'_>, wet: impl Fn(usize, usize) -> f32) {
        let [left, top, right, _] = self.rectangle();
        let reach = (self.foot.y - top) * 0.9;
        let window = Window::of(left, self.foot.y, right, self.foot.y + reach, canvas.size());
        for y in window.top..window.bottom {
            let fade = 1.0 - (y as f32 - self.foot.y) / reach;
            for x in window.left..window.right {
                let share = wet(x, y) * fade;
                if share > 0.02
                    && let Some((colour, cover)) =
                        self.texel(x as f32 + 0.5, 2.0 * self.foot.y - y as f32, [left, top, right])
                {
                    blend(canvas.at(x, y), colour, cover * share);
                }
            }
        }
    }

    /// Colour and coverage at a point of the picture.
    #[inline]
    fn texel(&self, x: f32, y: f32, [left, top, right]: [f32; 3]) -> Option<([f32; 3], f32)> {
        let (level, k) = self.level();
        let facts = self.sheet.facts;
        let across = if self.flip { right - x } else { x - left };
        let u = (across / self.scale.0 * facts.scale).clamp(0.0, facts.cell[0] as f32 - 1.0);
        let v = ((y - top) / self.scale.1 * facts.scale).clamp(0.0, facts.cell[1] as f32 - 1.0);
        let u = (u + (self.cell.0 * facts.cell[0]) as f32) * k;
        let v = (v + (self.cell.1 * facts.cell[1]) as f32) * k;
        if level.coverage(u, v) == 0 {
            return None;
        }
        let [r, g, b, cover, one, two] = level.sample(u, v);
        let (one, two) = (one / 255.0, two / 255.0);
        let paint = |c: usize| {
            let bare = (1.0 - one - two).max(0.0);
            bare + 1.35 * (one * self.paint[0][c] + two * self.paint[1][c])
        };
        let colour = [r * paint(0) * self.tint[0], g * paint(1) * self.tint[1], b * paint(2) * self.tint[2]];
        Some((colour.map(|v| v.min(255.0)), cover / 255.0 * self.alpha))
    }

    /// The box around what is covered, in fractions of a picture of a size; `None` when outside.
    pub fn bounds(&self, size: (usize, usize)) -> Option<BoundingBox> {
        let facts = self.sheet.facts;
        let level = &self.sheet.levels[0];
        let (mut l, mut t, mut r, mut b) = (usize::MAX, usize::MAX, 0, 0);
        for y in (0..facts.cell[1]).step_by(2) {
            for x in (0..facts.cell[0]).step_by(2) {
                let covered =
                    level.get(x + self.cell.0 * facts.cell[0], y + self.cell.1 * facts.cell[1])[3] > 90;
                if covered {
                    (l, r) = (l.min(x), r.max(x + 1));
                    (t, b) = (t.min(y), b.max(y + 1));
                }
            }
        }
        if l == usize::MAX {
            return None;
        }
        if self.flip {
            (l, r) = (facts.cell[0] - r, facts.cell[0] - l);
        }
        let [left, top, ..] = self.rectangle();
        let (kx, ky) = (self.scale.0 / facts.scale, self.scale.1 / facts.scale);
        let (w, h) = (size.0 as f32, size.1 as f32);
        BoundingBox::clipped(
            (left + l as f32 * kx) / w,
            (top + t as f32 * ky) / h,
            (left + r as f32 * kx) / w,
            (top + b as f32 * ky) / h,
        )
    }
}
