//! Where a camera stands and what it sees where.

use crate::scene::assets::ViewFacts;

/// A point or direction in metres; x right, y ahead, z up.
pub type Vec3 = [f32; 3];

/// The dot product.
pub fn dot(a: Vec3, b: Vec3) -> f32 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// `a + b * s`.
pub fn along(a: Vec3, b: Vec3, s: f32) -> Vec3 {
    [a[0] + b[0] * s, a[1] + b[1] * s, a[2] + b[2] * s]
}

/// `a - b`.
pub fn minus(a: Vec3, b: Vec3) -> Vec3 {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

/// A pinhole camera for a picture of some size. Views are modelled for 16:9; other shapes are stretched, as cheap
/// cameras do.
#[derive(Debug, Clone)]
pub struct Camera {
    eye: Vec3,
    right: Vec3,
    up: Vec3,
    back: Vec3,
    middle: (f32, f32),
    /// Pixels per metre at a depth of one metre, across and down.
    pub focal: (f32, f32),
}

/// A point in the picture, in pixels, with its distance along the optical axis in metres.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pixel {
    /// From the left.
    pub x: f32,
    /// From the top.
    pub y: f32,
    /// Metres along the optical axis.
    pub depth: f32,
}

impl Camera {
    /// The camera of a view for a picture size.
    pub fn new(facts: &ViewFacts, width: u32, height: u32) -> Self {
        let (w, h) = (width as f32, height as f32);
        let focal = facts.lens_over_width;
        Self {
            eye: facts.eye,
            right: facts.right,
            up: facts.up,
            back: facts.back,
            middle: (w / 2.0, h / 2.0),
            focal: (focal * w, focal * h * 16.0 / 9.0),
        }
    }

    /// Where a point of the world is seen; `None` behind or closer than 30 cm.
    pub fn project(&self, point: Vec3) -> Option<Pixel> {
        let d = minus(point, self.eye);
        let depth = -dot(d, self.back);
        if depth < 0.3 {
            return None;
        }
        let x = self.middle.0 + self.focal.0 * dot(d, self.right) / depth;
        let y = self.middle.1 - self.focal.1 * dot(d, self.up) / depth;
        Some(Pixel { x, y, depth })
    }

    /// The point of the world that a pixel shows at a depth.
    pub fn lift(&self, x: f32, y: f32, depth: f32) -> Vec3 {
        let right = (x - self.middle.0) / self.focal.0 * depth;
        let up = (self.middle.1 - y) / self.focal.1 * depth;
        along(along(along(self.eye, self.right, right), self.up, up), self.back, -depth)
    }

    /// The eye.
    pub const fn eye(&self) -> Vec3 {
        self.eye
    }

    /// How a thing at a point presents itself: the direction of the ray on the map (radians from +x) and how steeply
    /// the camera looks down on it (radians).
    pub fn regard(&self, point: Vec3) -> (f32, f32) {
        let d = minus(point, self.eye);
        let flat = d[0].hypot(d[1]);
        (d[1].atan2(d[0]), (-d[2]).atan2(flat))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::{View, assets};

    #[test]
    fn a_pixel_lifted_into_the_world_projects_back_onto_itself() {
        for view in View::ALL {
            let camera = Camera::new(assets::view(view), 640, 360);
            let there = camera.lift(123.0, 222.0, 17.0);
            let back = camera.project(there).expect("in front");
            assert!((back.x - 123.0).abs() < 0.05 && (back.y - 222.0).abs() < 0.05, "{back:?}");
            assert!((back.depth - 17.0).abs() < 0.01, "{back:?}");
        }
    }
}
