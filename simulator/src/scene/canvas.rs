//! A picture being drawn and the few ways to put colour on it.

/// A packed RGB picture.
#[derive(Debug)]
pub struct Canvas<'a> {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// `width * height * 3` bytes.
    pub pixels: &'a mut [u8],
}

/// Columns and rows of a rectangle that lie in the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// First column.
    pub left: usize,
    /// First row.
    pub top: usize,
    /// Column after the last.
    pub right: usize,
    /// Row after the last.
    pub bottom: usize,
}

impl Window {
    /// The pixels that a rectangle touches in a picture of a size; empty when outside.
    pub fn of(left: f32, top: f32, right: f32, bottom: f32, size: (usize, usize)) -> Self {
        let clip = |v: f32, to: usize| v.clamp(0.0, to as f32) as usize;
        Self {
            left: clip(left.floor(), size.0),
            top: clip(top.floor(), size.1),
            right: clip(right.ceil(), size.0),
            bottom: clip(bottom.ceil(), size.1),
        }
    }
}

/// Mixes a colour of `0..=255` over a pixel.
#[inline]
pub fn blend(pixel: &mut [u8], colour: [f32; 3], alpha: f32) {
    for (under, over) in pixel.iter_mut().zip(colour) {
        let base = f32::from(*under);
        *under = (base + (over - base) * alpha) as u8;
    }
}

/// Adds light to a pixel.
#[inline]
pub fn shine(pixel: &mut [u8], light: [f32; 3]) {
    for (under, more) in pixel.iter_mut().zip(light) {
        *under = (f32::from(*under) + more) as u8;
    }
}

impl Canvas<'_> {
    /// Its size.
    pub const fn size(&self) -> (usize, usize) {
        (self.width, self.height)
    }

    /// The bytes of a pixel that must be inside.
    #[inline]
    pub fn at(&mut self, x: usize, y: usize) -> &mut [u8] {
        let index = (y * self.width + x) * 3;
        &mut self.pixels[index..index + 3]
    }

    /// A soft round light around a point.
    pub fn halo(&mut self, x: f32, y: f32, radius: f32, light: [f32; 3]) {
        let window = Window::of(x - radius, y - radius, x + radius, y + radius, self.size());
        let inverse = 1.0 / (radius * radius).max(1.0);
        for row in window.top..window.bottom {
            let dy = row as f32 + 0.5 - y;
            for column in window.left..window.right {
                let dx = column as f32 + 0.5 - x;
                let near = 1.0 - (dx * dx + dy * dy) * inverse;
                if near > 0.0 {
                    let k = near * near * near;
                    shine(self.at(column, row), [light[0] * k, light[1] * k, light[2] * k]);
                }
            }
        }
    }

    /// Darkens (or tints) a convex polygon whose corners turn clockwise on the screen, with an edge `soft` pixels
    /// wide; `factor` is asked per pixel for how much stays, `0..=1`.
    pub fn shade(&mut self, corners: &[(f32, f32)], soft: f32, factor: impl Fn(usize, usize) -> f32) {
        let (mut left, mut top, mut right, mut bottom) = (f32::MAX, f32::MAX, f32::MIN, f32::MIN);
        for &(x, y) in corners {
            (left, right) = (left.min(x), right.max(x));
            (top, bottom) = (top.min(y), bottom.max(y));
        }
        // Beyond a sharp corner the soft edge reaches further than beside a side.
        let reach = soft * 2.5;
        let window = Window::of(left - reach, top - reach, right + reach, bottom + reach, self.size());
        let edges: Vec<(f32, f32, f32)> = edges_of(corners).collect();
        for row in window.top..window.bottom {
            for column in window.left..window.right {
                let (x, y) = (column as f32 + 0.5, row as f32 + 0.5);
                let inside = edges.iter().map(|(a, b, c)| a * x + b * y + c).fold(f32::MAX, f32::min);
                let cover = ((inside + soft) / (2.0 * soft)).clamp(0.0, 1.0);
                if cover > 0.0 {
                    let keep = 1.0 - cover * (1.0 - factor(column, row));
                    for channel in self.at(column, row) {
                        *channel = (f32::from(*channel) * keep) as u8;
                    }
                }
            }
        }
    }
}

/// Signed distances to the sides, positive inside.
fn edges_of(corners: &[(f32, f32)]) -> impl Iterator<Item = (f32, f32, f32)> + '_ {
    (0..corners.len()).map(|i| {
        let (x0, y0) = corners[i];
        let (x1, y1) = corners[(i + 1) % corners.len()];
        let (dx, dy) = (x1 - x0, y1 - y0);
        let length = dx.hypot(dy).max(1e-3);
        let (a, b) = (-dy / length, dx / length);
        (a, b, -(a * x0 + b * y0))
    })
}

/// The convex hull of points, clockwise on the screen (y down), by Andrew's monotone chain.
pub fn hull(points: &mut [(f32, f32)]) -> Vec<(f32, f32)> {
    points.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let turn =
        |o: (f32, f32), a: (f32, f32), b: (f32, f32)| (a.0 - o.0) * (b.1 - o.1) - (a.1 - o.1) * (b.0 - o.0);
    let chain = |points: &mut dyn Iterator<Item = (f32, f32)>| {
        let mut out: Vec<(f32, f32)> = Vec::new();
        for point in points {
            while out.len() >= 2 && turn(out[out.len() - 2], out[out.len() - 1], point) <= 0.0 {
                out.pop();
            }
            out.push(point);
        }
        out.pop();
        out
    };
    let mut lower = chain(&mut points.iter().copied());
    lower.extend(chain(&mut points.iter().rev().copied()));
    lower
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shadow_darkens_inside_its_polygon_and_nothing_far_away() {
        let mut pixels = vec![200_u8; 40 * 40 * 3];
        let mut canvas = Canvas { width: 40, height: 40, pixels: &mut pixels };
        let corners = hull(&mut [(10.0, 10.0), (30.0, 10.0), (30.0, 30.0), (10.0, 30.0), (20.0, 20.0)]);
        assert_eq!(corners.len(), 4);
        canvas.shade(&corners, 1.0, |_, _| 0.5);
        assert_eq!(canvas.at(20, 20), [100, 100, 100]);
        assert_eq!(canvas.at(2, 2), [200, 200, 200]);
    }

    #[test]
    fn light_saturates_instead_of_wrapping() {
        let mut pixel = [250_u8, 10, 0];
        shine(&mut pixel, [100.0, 5.0, 0.0]);
        assert_eq!(pixel, [255, 15, 0]);
    }
}
